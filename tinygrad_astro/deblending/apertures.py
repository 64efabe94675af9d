"""Aperture photometry with sep, what the network is measured beside."""

import numpy as np

from tinygrad_astro.extras import optional

_THRESHOLD, _KRON = 1.5, 2.5


def aperture_fluxes(
    image: np.ndarray, sigma: float, places: np.ndarray, fwhm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Measure sources as a survey's catalogue does: detected, deblended, summed in Kron ellipses.

    Pixels that sep gives to other sources are left out and made up for. A source that is not found
    within 3 pixels of its true place (merged into its neighbour, mostly) is summed in a circle of
    one FWHM around that place.

    Parameters
    ----------
    image : numpy.ndarray (H, W)
        Counts, sky subtracted.
    sigma : float
        Noise of the sky.
    places : numpy.ndarray (K, 2)
        True (x, y).
    fwhm : float
        Of the PSF, in pixels.

    Returns
    -------
    fluxes : numpy.ndarray (K,)
    found : numpy.ndarray of bool (K,)

    Raises
    ------
    ImportError
        If sep is not installed.
    """
    sep = optional("sep")
    image = np.ascontiguousarray(image, np.float64)
    objects, labels = sep.extract(image, _THRESHOLD, err=sigma, minarea=5, segmentation_map=True)
    fluxes, found = np.zeros(len(places)), np.zeros(len(places), bool)
    left = list(range(len(objects)))
    for k, (x, y) in enumerate(places):
        away = [np.hypot(objects["x"][i] - x, objects["y"][i] - y) for i in left]
        if not left or min(away) > 3.0:
            fluxes[k] = sep.sum_circle(image, [x], [y], fwhm)[0][0]
            continue
        found[k], number = True, left.pop(int(np.argmin(away)))
        one = [objects[name][number : number + 1] for name in ("x", "y", "a", "b", "theta")]
        name = np.array([number + 1], np.int32)
        kron, _ = sep.kron_radius(image, *one, 6.0, seg_id=name, segmap=labels)
        scale = max(_KRON * float(np.nan_to_num(kron[0])), 3.0)
        fluxes[k] = sep.sum_ellipse(image, *one, scale, subpix=5, seg_id=name, segmap=labels)[0][0]
    return fluxes, found
