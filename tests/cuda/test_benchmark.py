"""The script that measures on a card runs from end to end: in small, beside PyTorch on the CPU."""

import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def stopped(run):
    """Stand in for the card's clock."""
    run()
    return 0.5


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import bench_cuda

    return bench_cuda


@pytest.mark.peer
@pytest.mark.filterwarnings("default")  # PyTorch's own
def test_every_row_is_measured(script, simulated, monkeypatch):
    pytest.importorskip("torch")
    from cases_cuda import TOY

    saved = []
    bench = script.Bench(TOY, clock=stopped, device="cpu", save=saved.append)
    for name, part in script.PARTS.items():
        if name != "tests":
            part(bench)
    rows = list(bench.rows.values())
    missing = [row for row in rows if "not measured" in row.get("result", "")]
    assert not missing, missing
    assert len(saved) == len(rows) == 4 + 9 + 5 + 5
    errors = {row["name"]: row["error"] for row in rows if "error" in row}
    assert all(error < 1e-5 for error in errors.values()), errors
    text = script.table({"machine": {"card": "none"}, "rows": rows})
    assert text.count("\n| ") == len(rows) + 1 and json.dumps(rows)


def test_a_row_that_fails_says_why_and_the_others_go_on(script):
    bench = script.Bench()
    bench.row("broken", lambda: 1 / 0, (0.7, 1.0))
    bench.row("whole", lambda: {"ratio": 1.5})
    assert bench.rows["broken"]["result"] == "not measured (ZeroDivisionError: division by zero)"
    text = script.table({"machine": {"card": "a card"}, "rows": list(bench.rows.values())})
    assert "| broken | 0.7 | 1.0 |  | result not measured" in text
    assert "| whole |  |  | 1.50 |" in text


def test_rows_of_earlier_parts_are_kept(script):
    bench = script.Bench(rows=[{"name": "copy", "GB_per_s": 1.0}])
    bench.row("more", dict)
    assert list(bench.rows) == ["copy", "more"]


def test_pytest_is_read_to_its_last_line(script, tmp_path):
    (tmp_path / "test_two.py").write_text("def test_a(): pass\n\ndef test_b(): assert 0\n")
    found = script.tested(str(tmp_path))
    assert "1 failed, 1 passed" in found["result"] and found["exit"] == 1
    assert found["failed"] and found["failed"][0].startswith("FAILED")


def test_nothing_is_measured_in_the_simulator(script, simulated, monkeypatch):
    monkeypatch.setattr(script.sys, "argv", ["bench_cuda.py"])
    with pytest.raises(SystemExit, match="this is the simulator"):
        script.main()
