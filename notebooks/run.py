"""Execute every notebook and say how long it took: `python notebooks/run.py [01 02 ...]`.

Nothing is written. An error, or a warning that a cell lets through, ends with exit status 1.
"""

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).parent
SECONDS_PER_CELL = 600  # the first run compiles all kernels


def execute(notebook) -> float:
    """Run all cells in a fresh kernel, in this folder, and give the seconds it took.

    Raises
    ------
    CellExecutionError
        If a cell fails.
    RuntimeError
        If a cell writes to standard error, as warnings do.
    """
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    start = time.perf_counter()
    NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=40"],
        resources={"metadata": {"path": str(FOLDER)}},
    ).execute()
    seconds = time.perf_counter() - start
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                raise RuntimeError(f"this cell\n\n{cell.source}\n\nwarned:\n\n{output.text}")
    return seconds


def main(chosen: list[str]) -> int:
    """Run the notebooks whose numbers are chosen; all, if none is."""
    paths = [p for p in sorted(FOLDER.glob("*.ipynb")) if not chosen or p.name[:2] in chosen]
    failed = 0
    for path in paths:
        try:
            print(f"{path.name}: {execute(nbformat.read(path, as_version=4)):.1f} s", flush=True)
        except (CellExecutionError, RuntimeError) as error:
            failed += 1
            print(f"{path.name}: FAILED\n{error}", flush=True)
    print(f"{len(paths) - failed} of {len(paths)} notebooks ran without error or warning")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
