"""Make the notebooks from their sources: `python notebooks/build.py [01 02 ...]`.

A source is a Markdown file: what stands in ```python fences becomes code cells, all else becomes
text cells. The solutions of its exercises, `solutions/NN.py`, go into a folded cell at the end. The
notebook is executed and written with its outputs, so that it can be read without running it.
"""

import base64
import io
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LARGE = 20_000  # bytes of a picture, as text
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def cells_of(source: Path) -> list[tuple[str, str]]:
    """Cut a source into ("markdown" or "code", text), its solutions last.

    Parameters
    ----------
    source : Path
        `sources/NN_name.md`.
    """
    parts = FENCE.split(source.read_text(encoding="utf-8"))
    kinds = ("markdown", "code")
    cells = [(kinds[i % 2], text.strip()) for i, text in enumerate(parts)]
    return [cell for cell in [*cells, ("markdown", solutions_of(source))] if cell[1]]


def solutions_of(source: Path) -> str:
    """Write the folded cell with the solutions of a notebook's exercises."""
    path = source.parent.parent / "solutions" / f"{source.name[:2]}.py"
    code = path.read_text(encoding="utf-8").strip()
    return (
        "<details><summary><b>Solutions</b> (try first; then unfold)</summary>\n\n"
        f"```python\n{code}\n```\n\n</details>"
    )


def notebook_of(source: Path):
    """Make the notebook of a source, not executed."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    made = []
    for number, (kind, text) in enumerate(cells_of(source)):
        new = new_code_cell if kind == "code" else new_markdown_cell
        made.append(new(text, id=f"cell-{number:02d}"))
    info = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
    return new_notebook(cells=made, metadata={"kernelspec": KERNEL, "language_info": info})


def format_fences(source: Path) -> None:
    """Let ruff format the code of a source in place."""

    def formatted(match) -> str:
        run = ["ruff", "format", "--stdin-filename", str(FOLDER / "cell.py"), "-"]
        done = subprocess.run(run, input=match[1], capture_output=True, text=True, check=True)
        return f"```python\n{done.stdout}```"

    before = source.read_text(encoding="utf-8")
    after = FENCE.sub(formatted, before)
    if after != before:
        source.write_text(after, encoding="utf-8")


def shrink_pictures(notebook) -> None:
    """Store the large pictures with a palette of 256 colours, in a third of the bytes."""
    from PIL import Image

    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if len(data.get("image/png", "")) < LARGE:
                continue
            picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
            packed = io.BytesIO()
            picture.quantize(256, dither=Image.Dither.NONE).save(packed, "png", optimize=True)
            data["image/png"] = base64.b64encode(packed.getvalue()).decode()


def main(chosen: list[str]) -> None:
    """Build the notebooks whose numbers are chosen; all, if none is."""
    import nbformat
    from run import execute

    for source in sorted((FOLDER / "sources").glob("*.md")):
        if chosen and source.name[:2] not in chosen:
            continue
        format_fences(source)
        notebook = notebook_of(source)
        seconds = execute(notebook)
        shrink_pictures(notebook)
        target = FOLDER / f"{source.stem}.ipynb"
        nbformat.write(notebook, target)
        print(f"{target.name}: {seconds:.1f} s, {target.stat().st_size / 1e3:.0f} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
