"""One file per command of `tinygrad-astro`: `add` describes its arguments, `run` does the work.

What a command needs is imported when it runs, so that `--help` is quick and a missing extra stops
only the command that needs it.
"""
