"""Data in and out: images, tables and arrays from files, batches for training, a synthetic sky.

Everything here is NumPy; astropy and h5py are imported by the functions that need them. A name is
loaded from its file at first use, so that importing the package stays cheap.
"""

from importlib import import_module
from typing import Any

_EXPORTS = {
    "fits": ("Image", "FitsImage", "read_image", "read_labels"),
    "bands": ("BandReader", "read_bands"),
    "fits_output": ("ImageWriter", "write_image"),
    "tables": ("Table", "read_table", "write_catalogue"),
    "npz": ("read_npz",),
    "hdf5": ("HDF5Array", "HDF5File"),
    "stretch": ("AsinhStretch",),
    "validity": ("valid_pixels",),
    "augmentation": ("Compose", "D4", "Noise", "Shift", "d4", "d4_inverse"),
    "batches": ("Batches",),
    "crops": ("RandomCrops",),
    "simulate": ("Field",),
    "sky.camera": ("Camera", "Stamp"),
    "sky.profiles": ("Sersic", "draw_profile"),
    "sky.psf": ("Gaussian", "Moffat"),
}
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}

_FILES = tuple(module for module in _EXPORTS if "." not in module)

__all__ = [*_FILES, *_HOME]


def __getattr__(name: str) -> Any:
    if name in _FILES:
        return import_module(f"{__name__}.{name}")
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
