"""Warming up compiles what training needs: afterwards a run compiles nothing."""

from tinygrad_astro.cli import main
from tinygrad_astro.commands import warmup
from tinygrad_astro.kernels.cpu.target import on_compile


def test_after_a_warm_up_nothing_is_left_to_compile(capsys):
    assert main(["warmup"]) == 0
    assert "kernels compiled in" in capsys.readouterr().out
    compiled = []
    with on_compile(compiled.append):
        for work in warmup.WORK.values():
            work()
    assert compiled == []
