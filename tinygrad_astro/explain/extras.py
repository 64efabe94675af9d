"""The two optional packages of this folder, imported at first use, and what to do without them."""

from importlib import import_module
from types import ModuleType

_PACKAGES = {
    "matplotlib": ("pictures", "plot"),
    "scipy": ("convolution matrices", "explain"),
}


def optional(module: str) -> ModuleType:
    """Import `module`, which belongs to the extra `plot` or `explain`.

    Raises
    ------
    ImportError
        If its package is not installed; the text names the command that installs it.

    Examples
    --------
    >>> optional("scipy.sparse").__name__
    'scipy.sparse'
    """
    package = module.partition(".")[0]
    try:
        import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        purpose, extra = _PACKAGES[package]
        raise ImportError(
            f"{purpose} need the package {package}, which is not installed; "
            f"run: pip install 'tinygrad_astro[{extra}]'"
        ) from error
    return import_module(module)
