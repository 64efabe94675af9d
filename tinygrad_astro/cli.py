"""The command `tinygrad-astro`: reads the arguments, calls one of `commands`, words its errors."""

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Sequence

from tinygrad_astro._version import __version__
from tinygrad_astro.commands import demo, doctor, predict, summary, train, warmup

DESCRIPTION = "Neural networks for astronomical images, from simulated sky to FITS catalogues."
EPILOG = "example: tinygrad-astro demo --out demo && tinygrad-astro predict --help"

# What a user can cause: a wrong value, a missing file, a missing package, no room.
USER_ERRORS = (ValueError, TypeError, KeyError, OSError, ImportError, MemoryError, RuntimeError)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message):
        """Write the error and leave with exit code 2."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """Make the parser of all commands."""
    top = Parser(
        "tinygrad-astro",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"tinygrad_astro {__version__}")
    top.add_argument(
        "--traceback", action="store_true", help="show where in the code an error arose"
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in (demo, train, predict, summary, doctor, warmup):
        command.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give the exit code.

    0: done; 2: arguments, files or packages are not what is needed, told in one line on standard
    error; 130: interrupted.

    Examples
    --------
    >>> main(["summary", "no-such-file.safetensors"])
    2
    """
    try:
        chosen = parser().parse_args(arguments)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 2
    # Threads that wait by spinning made a training step five times slower beside other programs.
    # OpenMP reads this when the first parallel kernel runs.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            chosen.run(chosen)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("tinygrad-astro: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`); nothing may be written at exit.
        sys.stdout = None
        return 0
    except USER_ERRORS as error:
        if chosen.traceback:
            traceback.print_exc()
        print(f"tinygrad-astro {chosen.command}: error: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


def one_line(error: BaseException) -> str:
    """Put an error's text on one line.

    Examples
    --------
    >>> one_line(KeyError("no column\\n 'mag'"))
    "no column 'mag'"
    """
    if isinstance(error, MemoryError):
        return f"not enough memory ({error}); try smaller tiles, crops or batches"
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    said = error.args[0] if isinstance(error, KeyError) and error.args else error
    return " ".join(str(said).split()) or type(error).__name__


def _show_warning(message, category, filename, lineno, file=None, line=None):
    print(f"tinygrad-astro: warning: {' '.join(str(message).split())}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
