"""Prediction of images of any size by tiles, equal bit by bit to predicting the whole at once.

`predict` takes an array, a memory map, a `BandReader` or a Dask array; `predict_files` goes from
FITS files to a FITS file, section by section, and goes on where it was killed.
"""

from tinygrad_astro.mosaic.files import predict_files
from tinygrad_astro.mosaic.prediction import predict, predict_tiles
from tinygrad_astro.mosaic.tiling import Reach, Tile, tiles

__all__ = ["Reach", "Tile", "predict", "predict_files", "predict_tiles", "tiles"]
