"""Optional packages, imported at first use, and what to do without them."""

from importlib import import_module
from types import ModuleType

# What needs the package, and the extra that brings it.
_PACKAGES = {
    "astropy": ("FITS files and astropy tables", "astro"),
    "h5py": ("HDF5 files", "astro"),
    "dask": ("mosaics on a cluster", "dask"),
    "matplotlib": ("pictures", "plot"),
    "sep": ("aperture fluxes", "astro"),
    "scipy": ("convolution matrices and profile fits", "explain"),
}


def optional(module: str) -> ModuleType:
    """Import `module`, which belongs to an optional package.

    Raises
    ------
    ImportError
        If its package is not installed, or the installed one lacks this module; the text names the
        command that brings it. What another package causes is passed on as it is.

    Examples
    --------
    >>> optional("scipy.sparse").__name__
    'scipy.sparse'
    """
    package = module.partition(".")[0]
    purpose, extra = _PACKAGES[package]
    try:
        import_module(package)
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing == package:
            raise ImportError(
                f"{purpose} need the package {package}, which is not installed; "
                f"run: pip install 'tinygrad_astro[{extra}]'"
            ) from error
        if not missing.startswith(f"{package}."):
            raise
        raise ImportError(
            f"{purpose} need the module {missing}, which the installed package {package} does not "
            "have: it is another version, or not whole; "
            f"run: pip install --upgrade --force-reinstall 'tinygrad_astro[{extra}]'"
        ) from error
