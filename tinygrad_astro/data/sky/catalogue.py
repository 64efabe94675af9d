"""The true catalogue of a synthetic sky: its columns, and a row from a source."""

import numpy as np

from tinygrad_astro.data.sky.camera import Camera
from tinygrad_astro.data.sky.source import TYPES, Source, measured_radius

UNITS = {"x": "pixel", "y": "pixel", "half_light_radius": "pixel", "circular_radius": "pixel",
         "angle": "deg", "bulge_radius": "pixel", "disc_radius": "pixel"}  # fmt: skip


def catalogue_type(bands: tuple[str, ...]) -> np.dtype:
    """Give the columns of the catalogue of truth.

    ====================  ==========================================================================
    id                    1, 2, ...: the value of the label map
    x, y                  centre in pixels, counted from 0
    type, type_index      name out of `TYPES` and its index
    flux_<band>           total counts
    half_light_radius     semi-major axis in pixels of the ellipse (axis_ratio, angle) that holds
                          half of the light of the reference band, before the PSF; 0 for a star
    circular_radius       the same for a circle, as aperture photometry measures it
    axis_ratio, angle     of that ellipse; degrees counter-clockwise from +x, in [0, 180)
    bulge_fraction        of the reference band (r, or the middle one without r); NaN for a star
    bulge_radius          effective radius of the bulge along its major axis; NaN without bulge
    disc_radius           effective radius (1.678 scale lengths) of the disc; NaN without disc
    redshift              0 for a star
    arms, bar, ring       number of spiral arms; shares of bar and ring in the reference band
    snr                   matched-filter S/N in the reference band, alone on its sky
    blendedness           1 - sum(s s) / sum(s total): 0 alone, towards 1 in a brighter neighbour
                          (Bosch et al. 2018, PASJ 70, S5, section 4.9.11)
    ====================  ==========================================================================
    """
    columns = [("id", "i4"), ("x", "f8"), ("y", "f8"), ("type", "U14"), ("type_index", "i4")]
    columns += [(f"flux_{band}", "f8") for band in bands]
    names = "half_light_radius circular_radius axis_ratio angle bulge_fraction bulge_radius"
    names += " disc_radius redshift"
    columns += [(name, "f8") for name in names.split()]
    columns += [("arms", "i4"), ("bar", "f8"), ("ring", "f8"), ("snr", "f8"), ("blendedness", "f8")]
    return np.dtype(columns)


def fill_row(row: np.void, source: Source, camera: Camera, x: float, y: float) -> None:
    """Write into a row all that is known before the noise; id, snr and blendedness are not."""
    row["x"], row["y"] = x, y
    row["type"], row["type_index"] = source.type, TYPES.index(source.type)
    for band, flux in zip(camera.bands, source.flux, strict=True):
        row[f"flux_{band}"] = flux
    row["half_light_radius"], row["circular_radius"] = measured_radius(source, camera.reference)
    row["angle"] = source.angle % 180
    for name in ("axis_ratio", "bulge_fraction", "bulge_radius", "disc_radius", "redshift",
                 "arms", "bar", "ring"):  # fmt: skip
        row[name] = getattr(source, name)
