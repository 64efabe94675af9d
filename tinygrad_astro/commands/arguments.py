"""What commands share: how arguments are described and read, and how progress is shown."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def describe(commands, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    """Add a command whose help ends with an example."""
    return commands.add_parser(
        name,
        help=summary.replace("%", "%%"),
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def count(text: str) -> int:
    """Read a whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def seed(text: str) -> int:
    """Read a whole number of at least 0."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return number


def share(text: str) -> float:
    """Read a number between 0 and 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return number


@contextmanager
def stages() -> Iterator:
    """Show progress as one bar per stage, or one line where nobody watches.

    Gives `tell(stage, done, total)`.
    """
    from tqdm import tqdm

    bars: dict[str, tqdm] = {}
    watched = sys.stderr.isatty()

    def tell(stage, done, total):
        if stage not in bars:
            for bar in bars.values():
                bar.close()
            if not watched:
                print(f"{stage} ({total} pieces) ...", flush=True)
            bars[stage] = tqdm(total=total, desc=stage, dynamic_ncols=True, disable=not watched)
        bars[stage].update(done - bars[stage].n)

    try:
        yield tell
    finally:
        for bar in bars.values():
            bar.close()
