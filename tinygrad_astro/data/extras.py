"""The two optional packages of this folder, imported at first use, and what to do without them."""

from importlib import import_module
from types import ModuleType

_PACKAGES = {"astropy": "FITS files and astropy tables", "h5py": "HDF5 files"}


def optional(module: str) -> ModuleType:
    """Import `module`, which belongs to the extra `astro`.

    Raises
    ------
    ImportError
        If its package is not installed; the text names the command that installs it.

    Examples
    --------
    >>> optional("astropy.io.fits").__name__
    'astropy.io.fits'
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise ImportError(
            f"{_PACKAGES[package]} need the package {package}, which is not installed; "
            "run: pip install 'tinygrad_astro[astro]'"
        ) from error
