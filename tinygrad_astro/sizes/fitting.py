"""Profile fitting by least squares: what the network is measured beside.

Two models, each convolved with the PSF and weighted by the noise: one Sersic profile with a free
index; and a bulge (n = 4) with a disc (n = 1) on a common centre and ellipse, the very model that
the galaxies of `sky` are drawn from. Fluxes enter linearly and are solved for in every step
(Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, 413), so only shapes are searched.
"""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.extras import optional
from tinygrad_astro.sizes.quantities import QUANTITIES
from tinygrad_astro.sizes.rendering import Renderer
from tinygrad_astro.sizes.sky import half_light_radius

MODELS = ("sersic", "bulge and disc")
# |e| = (1 - q) / (1 + q) at most, and the Sersic indices allowed.
_FLATTEST, _INDICES = 0.85, (0.5, 8.0)
_BULGE, _DISC = 4.0, 1.0
_UNKNOWN = 10.0  # error of the logarithm of a radius that the data say nothing of


@dataclass
class Fit:
    """What a fit found for one galaxy.

    Attributes
    ----------
    values, errors : dict of str to float
        By name of the quantity, NaN where the model does not have it; errors are one standard
        deviation by the curvature of chi^2, of ln(radius) for radii.
    chi2 : float
        Per degree of freedom.
    drawn : int
        How many profiles were drawn.
    """

    values: dict[str, float]
    errors: dict[str, float]
    chi2: float
    drawn: int


def fit(
    image: np.ndarray, psf: np.ndarray, sky_variance: float, model: str = "sersic", mask=None
) -> Fit:
    """Fit a profile to a galaxy in the middle of its stamp.

    Parameters
    ----------
    image : numpy.ndarray (S, S)
        Counts (electrons), sky subtracted; pixels that are not finite are left out.
    psf : numpy.ndarray (P, P)
        Sum 1, P odd.
    sky_variance : float
        Of the noise of the sky; the galaxy's own Poisson noise is added.
    model : {"sersic", "bulge and disc"}
    mask : numpy.ndarray of bool (S, S), optional
        True where a pixel is left out.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        If the model is unknown, or hardly any pixel is left.
    ImportError
        If scipy is not installed.
    """
    if model not in MODELS:
        raise ValueError(f"unknown model {model!r}, expected one of {', '.join(MODELS)}")
    used = np.isfinite(image) if mask is None else np.isfinite(image) & ~np.asarray(mask)
    if used.sum() < 50:
        raise ValueError(f"{used.sum()} pixels are left to fit, expected at least 50")
    search = _Search(np.where(used, image, 0.0).astype(np.float64), psf, sky_variance, used, model)
    found = optional("scipy.optimize").least_squares(
        search.residuals, search.start(), method="lm", xtol=1e-4, ftol=1e-5, max_nfev=600
    )
    return search.result(found.x)


class _Search:
    """The residuals of one galaxy as a function of the shape: x, y, g1, g2, ln R, and t or ln R_d.

    e = `_FLATTEST` g / sqrt(1 + |g|^2) is the ellipticity, n rises with t from 0.5 to 8.
    """

    def __init__(self, image, psf, sky_variance, used, model):
        self.render, self.model, self.used = Renderer(len(image), psf), model, used
        self.image = image
        around = [np.roll(image, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        self.weight = used / np.sqrt(sky_variance + np.maximum(np.mean(around, axis=0), 0))
        self.data = (image * self.weight).ravel()
        axis = np.arange(psf.shape[0]) - psf.shape[0] // 2
        self.blur = float(np.sqrt((psf * (axis[:, None] ** 2 + axis**2)).sum() / 2))

    def start(self) -> np.ndarray:
        """Guess from the light itself: half of it within a circle, and its second moments."""
        axis = np.arange(len(self.image)) - (len(self.image) - 1) / 2
        x, y = axis[None, :], axis[:, None]
        r = np.hypot(x, y)
        order = np.argsort(r, axis=None)
        growth = np.cumsum(self.image.ravel()[order])
        total = max(growth[r.ravel()[order] < 0.45 * len(self.image)][-1], 1e-9)
        seen = float(r.ravel()[order][np.argmax(growth > 0.5 * total)])
        weight = np.maximum(self.image, 0) * np.exp(-0.5 * (r / max(1.5 * seen, 2.0)) ** 2)
        xx, yy, xy = ((weight * m).sum() / weight.sum() for m in (x * x, y * y, x * y))
        true = max(seen**2 - (1.2 * self.blur) ** 2, 0.3 * seen**2)
        g = np.array([xx - yy, 2 * xy]) / (xx + yy)
        size = np.log(max(np.sqrt(true), 0.5))
        last = [size - 0.7, size + 0.3] if self.model != "sersic" else [size, -1.0]
        return np.array([0.0, 0.0, *g, *last])

    def parts(self, p: np.ndarray) -> list[np.ndarray]:
        """Draw the one or two profiles, flux 1 each."""
        e1, e2 = _FLATTEST * p[2:4] / np.sqrt(1 + p[2] ** 2 + p[3] ** 2)
        radius = self.radii(p)
        if self.model == "sersic":
            low, high = _INDICES
            return [self.render(*p[:2], e1, e2, radius[0], low + (high - low) * _sigmoid(p[5]))]
        both = zip(radius, (_BULGE, _DISC), strict=True)
        return [self.render(*p[:2], e1, e2, size, index) for size, index in both]

    def radii(self, p: np.ndarray) -> np.ndarray:
        """Give the logarithms of the one or two radii, kept between 0.1 and 100 pixels."""
        return np.clip(p[4:5] if self.model == "sersic" else p[4:6], np.log(0.1), np.log(100.0))

    def weighted(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give profiles over noise, (pixels, parts), and their best fluxes, none below 0."""
        columns = np.stack([(m * self.weight).ravel() for m in self.parts(p)], axis=1)
        products, seen = columns.T @ columns, columns.T @ self.data
        alone = np.maximum(seen / np.diag(products), 0.0)
        if len(alone) == 1:
            return columns, alone
        flux = np.linalg.solve(products + 1e-9 * np.trace(products) * np.eye(2), seen)
        if (flux >= 0).all():
            return columns, flux
        better = int(np.argmax(seen * alone))
        return columns, np.where(np.arange(2) == better, alone, 0.0)

    def residuals(self, p: np.ndarray) -> np.ndarray:
        """(data - model) / noise, (pixels,)."""
        columns, flux = self.weighted(p)
        return self.data - columns @ flux

    def result(self, p: np.ndarray) -> Fit:
        """Turn the best shape into quantities and their errors."""
        p = np.concatenate([p[:4], self.radii(p), p[4 + len(self.radii(p)) :]])
        columns, flux = self.weighted(p)
        here = columns @ flux
        chi2 = float(((self.data - here) ** 2).sum() / (self.used.sum() - len(p) - len(flux)))
        covariance = self.covariance(p, columns, flux)
        found = np.concatenate([p, flux])
        step = 1e-4 * np.concatenate([np.ones(len(p)), np.full(len(flux), flux.sum())])
        values, errors = self.quantities(found), {}
        sides = [(self.quantities(found + by), self.quantities(found - by)) for by in np.diag(step)]
        for quantity in QUANTITIES:
            name = quantity.name
            slope = [(up[name] - down[name]) for up, down in sides] / (2 * step)
            errors[name] = float(np.sqrt(slope @ covariance @ slope))
            if quantity.positive:
                errors[name] /= values[name]
        return Fit(values, errors, chi2, self.render.drawn)

    def covariance(self, p: np.ndarray, columns: np.ndarray, flux: np.ndarray) -> np.ndarray:
        """Give that of shape and fluxes, by the curvature of chi^2."""
        here, step, slopes = columns @ flux, 1e-4, []
        for by in step * np.eye(len(p)):
            drawn = np.stack([(m * self.weight).ravel() for m in self.parts(p + by)], axis=1)
            slopes.append((drawn @ flux - here) / step)
        jacobian = np.stack([*slopes, *columns.T], axis=1)
        # Fluxes and shapes differ by many powers of ten: all columns are brought to length 1.
        length = np.linalg.norm(jacobian, axis=0)
        seen = length > 0
        scaled = jacobian / np.where(seen, length, 1.0)
        inverse = np.linalg.pinv(scaled.T @ scaled, rcond=1e-10, hermitian=True)
        # The radius of a part without light changes nothing: the data do not say what it is.
        inverse[~seen, ~seen] = _UNKNOWN**2
        return inverse / np.outer(*(np.where(seen, length, 1.0),) * 2)

    def quantities(self, found: np.ndarray) -> dict[str, float]:
        """Give the quantities of shape and fluxes in one array."""
        strength = _FLATTEST * np.hypot(*found[2:4]) / np.sqrt(1 + (found[2:4] ** 2).sum())
        first, second = np.exp(np.minimum(found[4:6], np.log(1e3)))
        values = dict.fromkeys((q.name for q in QUANTITIES), np.nan)
        values["axis_ratio"] = float((1 - strength) / (1 + strength))
        if self.model == "sersic":
            values["half_light_radius"] = float(first)
            return values
        share = found[6] / max(found[6:8].sum(), 1e-30)
        values["bulge_fraction"] = float(share)
        values["bulge_radius"], values["disc_radius"] = float(first), float(second)
        values["half_light_radius"] = float(half_light_radius(share, first, second))
        return values


def _sigmoid(t: float) -> float:
    return 1 / (1 + np.exp(-t))
