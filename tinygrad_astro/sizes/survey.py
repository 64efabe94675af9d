"""Real cut-outs: read, cleaned of sky and neighbours, and brought to the network's scale."""

from dataclasses import dataclass, replace
from os import PathLike

import numpy as np

from tinygrad_astro.data.npz import read_npz
from tinygrad_astro.data.sky.psf import Moffat
from tinygrad_astro.data.tables import read_table
from tinygrad_astro.segmentation.components import label
from tinygrad_astro.sizes.measurer import Densities
from tinygrad_astro.sizes.sky import PSF_RADIUS, SNR

# Median seeing of SDSS imaging in r, 1.32 arcsec (Abazajian et al. 2009, ApJS 182, 543, table 1),
# in pixels of 0.396 arcsec. The cut-outs bring no PSF of their own.
SEEING = 1.32 / 0.396
# Pixels are joined until the half-light radius is about this many of them, or fewer.
_WANTED, _COARSEST = 6.0, 4


@dataclass
class Cutouts:
    """Galaxies ready to be measured, and what a catalogue says of them.

    Attributes
    ----------
    images : numpy.ndarray (N, S, S) float32
        Sky subtracted, in electrons per joined pixel; NaN where there is a neighbour or no data.
    psfs : numpy.ndarray (N, 31, 31) float32
    sigma : numpy.ndarray (N,)
        Noise of the sky, same unit as the images.
    factor : numpy.ndarray of int (N,)
        How many pixels were joined along each axis.
    radius : numpy.ndarray (N,)
        Half-light radius of the catalogue, in original pixels: of a circle, PSF included; NaN
        where unknown.
    clean : numpy.ndarray of bool (N,)
        Where the catalogue has no warning.
    """

    images: np.ndarray
    psfs: np.ndarray
    sigma: np.ndarray
    factor: np.ndarray
    radius: np.ndarray
    clean: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def read_cutouts(images: str | PathLike, catalogue: str | PathLike, size: int = 48) -> Cutouts:
    """Read SDSS cut-outs and their catalogue.

    Parameters
    ----------
    images : path
        .npz with `images` (N, H, W), raw counts with a bias, the galaxy in the middle.
    catalogue : path
        CSV in the same order with `sky_dn`, `r50_pix` and `sep_flag`.
    size : int
        Side of the stamps that the network takes.

    Raises
    ------
    ValueError
        If the files do not belong together.
    """
    pixels, table = read_npz(images)["images"], read_table(catalogue)
    if pixels.ndim != 3 or len(pixels) != len(table):
        raise ValueError(
            f"{images} holds images of shape {pixels.shape} and {catalogue} has {len(table)} rows; "
            "expected (N, H, W) and N rows"
        )
    radius, flag, sky = table.stack(["r50_pix", "sep_flag", "sky_dn"], np.float64).T
    ready = [prepare(image, level, size) for image, level in zip(pixels, sky, strict=True)]
    stamps, sigma, factor = (np.array(column) for column in zip(*ready, strict=True))
    psfs = np.stack([seeing(int(k)) for k in factor]).astype(np.float32)
    clean = (flag == 0) & np.isfinite(radius)
    return Cutouts(stamps, psfs, sigma, factor.astype(int), radius, clean)


def prepare(image: np.ndarray, sky: float, size: int) -> tuple[np.ndarray, float, int]:
    """Make a stamp of one cut-out: (stamp, noise of its sky, pixels joined along each axis).

    Background and noise are the clipped median and scatter of the border. Its sky level in counts
    over the variance of its noise gives the electrons per count.
    """
    image = image.astype(np.float64)
    middle = np.hypot(*(np.indices(image.shape) - (np.array(image.shape)[:, None, None] - 1) / 2))
    border = image[middle > 0.42 * len(image)]
    for _ in range(5):
        level, spread = np.median(border), 1.4826 * np.median(np.abs(border - np.median(border)))
        border = border[np.abs(border - level) < 3 * spread]
    image = (image - level) * sky / spread**2
    noise = sky / spread
    seen = np.where(neighbours(image, noise), np.nan, image)
    near = middle < 0.42 * len(image)
    order = np.argsort(middle[near])
    growth = np.cumsum(np.nan_to_num(seen[near][order]))
    guess = middle[near][order][np.argmax(growth > 0.5 * growth[-1])]
    factor = int(np.clip(np.ceil(guess / _WANTED), 1, _COARSEST))
    return joined(seen, factor, size).astype(np.float32), noise * factor, factor


def as_faint(cutouts: Cutouts, most: float = SNR[1], seed: int = 0) -> Cutouts:
    """Add noise to galaxies brighter than any that the network learned from.

    A network does not know what it never saw: at ten times the S/N of its training the faint
    outskirts, in units of the noise, look like those of a larger galaxy. Afterwards the
    matched-filter S/N, sqrt(sum m^2 / (m + variance of the sky)), is at most `most`.

    Parameters
    ----------
    cutouts : Cutouts
    most : float
    seed : int
        Of the noise.

    Returns
    -------
    Cutouts
        Others as they were.
    """
    light = np.where(cutouts.images > 0, cutouts.images, 0.0).astype(np.float64)
    variance = cutouts.sigma.astype(np.float64) ** 2

    def snr(sky):
        return np.sqrt((light**2 / (light + sky[:, None, None])).sum(axis=(1, 2)))

    bright = snr(variance) > most
    # The sky's share alone keeps the S/N below sqrt(sum m^2 / sky): there the search may end.
    low, high = variance, np.maximum(variance, (light**2).sum(axis=(1, 2)) / most**2)
    for _ in range(50):
        middle = 0.5 * (low + high)
        low, high = (np.where(snr(middle) > most, a, b) for a, b in ((middle, low), (high, middle)))
    rng = np.random.Generator(np.random.Philox(seed))
    noise = np.sqrt(high - variance)[:, None, None] * rng.standard_normal(light.shape)
    images = np.where(bright[:, None, None], cutouts.images + noise, cutouts.images)
    sigma = np.where(bright, np.sqrt(high), cutouts.sigma)
    return replace(cutouts, images=images.astype(np.float32), sigma=sigma)


def neighbours(image: np.ndarray, noise: float) -> np.ndarray:
    """Find pixels of sources that do not reach into the middle, bool (H, W)."""
    padded = np.pad(image, 1, mode="edge")
    rows, columns = image.shape
    smooth = sum(padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)) / 9
    labels, _ = label(np.asarray(smooth > noise))
    y, x = rows // 2, columns // 2
    own = np.unique(labels[y - 2 : y + 3, x - 2 : x + 3])
    return (labels > 0) & ~np.isin(labels, own)


def joined(image: np.ndarray, factor: int, size: int) -> np.ndarray:
    """Sum pixels in squares and cut or pad to (size, size); NaN where nothing was seen.

    Examples
    --------
    >>> import numpy as np
    >>> joined(np.ones((8, 8)), 2, 3)
    array([[4., 4., 4.], [4., 4., 4.], [4., 4., 4.]])
    """
    wide = size * factor
    before = [(n - wide) // 2 for n in image.shape]
    canvas = np.full((wide, wide), np.nan)
    source = tuple(slice(max(b, 0), max(b, 0) + min(wide, n)) for b, n in zip(before, image.shape))
    target = tuple(
        slice(max(-b, 0), max(-b, 0) + min(wide, n)) for b, n in zip(before, image.shape)
    )
    canvas[target] = image[source]
    return canvas.reshape(size, factor, size, factor).sum(axis=(1, 3))


def seeing(factor: int, fwhm: float = SEEING) -> np.ndarray:
    """Give the PSF in joined pixels, (31, 31), sum 1: a Moffat profile of beta = 3."""
    side = (2 * PSF_RADIUS + 1) * factor
    axis = np.arange(side) - (side - 1) / 2
    light = Moffat(fwhm).brightness(axis[:, None] ** 2 + axis**2)
    light = light.reshape(side // factor, factor, side // factor, factor).sum(axis=(1, 3))
    return light / light.sum()


def observed_radius(radius, axis_ratio, factor, fwhm: float = SEEING) -> np.ndarray:
    """R_seen = sqrt(q R^2 + R_psf^2), in original pixels: what a circular aperture sees.

    q R^2 is the square of the radius of a circle with the ellipse's area; the squares of half-light
    radii add up nearly, as those of Gaussians do.

    Parameters
    ----------
    radius : array_like (N,)
        Semi-major half-light radius without the PSF, in joined pixels.
    axis_ratio, factor : array_like (N,)
    """
    true = np.asarray(radius) ** 2 * axis_ratio * np.asarray(factor, np.float64) ** 2
    return np.sqrt(true + float(Moffat(fwhm).quantile(0.5)) ** 2)


def compare(found: np.ndarray, cutouts: Cutouts) -> dict:
    """Compare radii as seen with those of the catalogue, for clean galaxies and for all known.

    Returns
    -------
    dict
        `galaxies`, `median_ratio`, `sigma_nmad` of ln(found / catalogue), `spearman`, for `clean`
        and for `all`.
    """
    made = {}
    known = np.isfinite(cutouts.radius) & np.isfinite(found)
    for name, chosen in (("clean", known & cutouts.clean), ("all", known)):
        ratio = np.log(found[chosen] / cutouts.radius[chosen])
        ranks = [np.argsort(np.argsort(v[chosen])) for v in (found, cutouts.radius)]
        made[name] = {
            "galaxies": int(chosen.sum()),
            "median_ratio": float(np.exp(np.median(ratio))),
            "sigma_nmad": float(1.4826 * np.median(np.abs(ratio - np.median(ratio)))),
            "spearman": float(np.corrcoef(np.stack(ranks).astype(float))[0, 1]),
        }
    return made


def seen_by(said: Densities, cutouts: Cutouts) -> np.ndarray:
    """Give the radii that densities say, as a circular aperture would see them, (N,)."""
    return observed_radius(
        said.value("half_light_radius"), said.value("axis_ratio"), cutouts.factor
    )
