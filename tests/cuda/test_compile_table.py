"""The kept table of machine code, and that its checker fails where it should.

Compiling takes a compiler that these tests do without; `benchmarks/cuda_compile.py` does it.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ENTIRE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import cuda_compile as c
table = json.loads(c.TABLE.read_text())["kernels"]
missing, wrong, seen = [], [], set()
for label, kernel, dtype in c.programs():
    seen.add(label)
    for architecture in c.ARCHITECTURES:
        row = table.get(label, {}).get(architecture)
        if not c.supported(kernel, architecture):
            continue
        if row is None:
            missing.append(f"{label} on {architecture}")
        else:
            wrong += [f"{label} on {architecture}: {text}" for text in c.faults(row, kernel)]
print(json.dumps([missing, wrong, sorted(set(table) - seen), len(seen)]))
"""


@pytest.fixture
def checker(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import cuda_compile

    return cuda_compile


def test_the_table_holds_every_kernel_on_every_architecture():
    """In a process of its own: other tests make kernels too."""
    command = [sys.executable, "-c", ENTIRE, str(BENCHMARKS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    missing, wrong, gone, count = json.loads(done.stdout)
    assert count > 150 and not missing and not wrong and not gone


def test_the_table_names_the_compiler(checker):
    versions = json.loads(checker.TABLE.read_text())["versions"]
    assert set(versions) == set(checker.PACKAGES)


REPORT = {"registers": 30, "shared": 0, "stack": 0, "spill_stores": 0, "spill_loads": 0}
CODES = {"LDG.E.128": 4, "LDS.128": 8, "FFMA": 512, "EXIT": 1, "NOP": 7}


def planted(checker, monkeypatch, report=None, codes=None, width=32):
    """Give what the checker says of a fast kernel that came out of the compiler like this."""
    from tinygrad_astro.kernels.cuda import build, gemm_kernels

    found = {**REPORT, **(report or {})}
    monkeypatch.setattr(build, "compile_program", lambda program, cc: (b"", "entry", found))
    monkeypatch.setattr(checker, "disassembled", lambda cubin: Counter({**CODES, **(codes or {})}))
    return checker.row(gemm_kernels.conv_kernel("fp32", width), "float32", "sm_80")


def test_a_good_kernel_passes(checker, monkeypatch):
    found, wrong = planted(checker, monkeypatch)
    assert not wrong and found["LDG.E.128"] == 4 and found["instructions"] == 525


@pytest.mark.parametrize(
    ("report", "codes", "text"),
    [
        ({"spill_stores": 8}, {}, "spills 8 + 0 bytes"),
        ({"spill_loads": 4}, {}, "spills 0 + 4 bytes"),
        ({"registers": 169}, {}, "169 registers, at most 168 allowed"),
        ({}, {"LDG.E.128": 0}, "no LDG.E.128"),
        ({}, {"FFMA": 0}, "no FFMA"),
        ({}, {"STL.64": 2, "LDL": 1}, "3 accesses to local memory"),
    ],
)
def test_a_planted_fault_is_found(checker, monkeypatch, report, codes, text):
    _, wrong = planted(checker, monkeypatch, report, codes)
    assert wrong == [text]


@pytest.mark.parametrize("mode", ["tf32", "bf16"])
def test_a_tensor_kernel_without_its_instructions_is_found(checker, monkeypatch, mode):
    from tinygrad_astro.kernels.cuda import build, gemm_kernels

    monkeypatch.setattr(build, "compile_program", lambda program, cc: (b"", "entry", REPORT))
    monkeypatch.setattr(checker, "disassembled", lambda cubin: Counter(CODES))
    _, wrong = checker.row(gemm_kernels.conv_kernel(mode, 64), "float32", "sm_90a")
    assert f"no {gemm_kernels.PRODUCT[mode]}" in wrong and "no LDGSTS" in wrong


def test_a_register_more_than_in_the_table_is_found(checker, monkeypatch, tmp_path, capsys):
    kept = json.loads(checker.TABLE.read_text())
    monkeypatch.setattr(checker.metadata, "version", kept["versions"].get)
    label = next(iter(kept["kernels"]))
    found = {a: dict(row) for a, row in kept["kernels"][label].items()}
    assert checker.finish({label: found}, write=False) == []
    found["sm_80"]["registers"] += 1
    (said,) = checker.finish({label: found}, write=False)
    assert said.startswith(f"{label} on sm_80") and "--write" in said
    assert checker.finish({"a kernel that is new": found}, write=False)
    monkeypatch.setattr(checker.metadata, "version", lambda name: "0")
    assert checker.finish({label: found}, write=False) == []
    assert "not compared: the table is from" in capsys.readouterr().out
    (said,) = checker.finish({label: found}, write=True, partial=True)
    assert said.startswith("not written: the table is from")
