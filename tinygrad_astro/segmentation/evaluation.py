"""How well a map of sources agrees with a reference: by pixel, and source by source.

Definitions, for label maps in which 0 is sky:

- **IoU**: source pixels of both maps / source pixels of either.
- Two sources **match** if they share at least half the pixels of the smaller of them. A reference
  may be split finer than the detections, so one detection may match several sources.
- **completeness**: the share of reference sources of at least `min_pixels` that match a detection
  of any size.
- **purity**: the share of detections of at least `min_pixels` that match a reference source of any
  size.
- **one_to_one**: the share of reference sources of at least `min_pixels` whose IoU with a single
  detection is above 1/2; no two sources can share such a detection (Kirillov et al. 2019,
  arXiv:1801.00868, section 4.1).
- **blended**: how many of the sources found have a detection that matches another one as well.
"""

from dataclasses import asdict, dataclass

import numpy as np


@dataclass
class Agreement:
    """What `compare` found; shares are between 0 and 1, and NaN where there is nothing to count.

    Attributes
    ----------
    iou, pixel_precision, pixel_recall : float
        Of source pixels.
    completeness, purity, one_to_one : float
    reference_sources, found, blended, detections, real : int
        Counts of sources of at least `min_pixels`; `found` match a detection, `real` a source.
    min_pixels : int
    missed, spurious : list of int
        Labels of the reference sources, and of the detections, of any size that match nothing.
    """

    iou: float
    pixel_precision: float
    pixel_recall: float
    completeness: float
    purity: float
    one_to_one: float
    reference_sources: int
    found: int
    blended: int
    detections: int
    real: int
    min_pixels: int
    missed: list[int]
    spurious: list[int]

    def to_dict(self) -> dict:
        """Give plain numbers for JSON; a share of nothing is None."""
        return {k: None if v != v else v for k, v in asdict(self).items()}


def compare(detected: np.ndarray, reference: np.ndarray, min_pixels: int = 25) -> Agreement:
    """Compare a label map with a reference, by the definitions at the top of this file.

    Parameters
    ----------
    detected, reference : numpy.ndarray of int (H, W)
        0 is sky, a positive number names a source.
    min_pixels : int
        Smaller sources may be matched but are not counted.

    Returns
    -------
    Agreement

    Raises
    ------
    ValueError
        If the maps differ in shape or hold negative labels.

    Examples
    --------
    >>> import numpy as np
    >>> reference = np.zeros((8, 8), int); reference[1:4, 1:4] = 1; reference[6, 6] = 2
    >>> detected = np.zeros((8, 8), int); detected[1:4, 2:5] = 1
    >>> found = compare(detected, reference, min_pixels=1)
    >>> round(found.iou, 3), found.completeness, found.purity, found.missed
    (0.462, 0.5, 1.0, [2])
    """
    detected, reference = np.asarray(detected), np.asarray(reference)
    if detected.shape != reference.shape or detected.ndim != 2:
        raise ValueError(
            f"label maps must be (H, W) and alike, received {detected.shape} and {reference.shape}"
        )
    if min(detected.min(initial=0), reference.min(initial=0)) < 0:
        raise ValueError("label maps hold 0 for sky and positive numbers, found a negative one")
    d_area, r_area = np.bincount(detected.ravel()), np.bincount(reference.ravel())
    d, r, shared = _overlaps(detected, reference)
    matches = 2 * shared >= np.minimum(d_area[d], r_area[r])
    several = np.bincount(d[matches], minlength=len(d_area))[d] > 1
    wanted, shown = _at_least(r_area, min_pixels), _at_least(d_area, min_pixels)
    found, real = _marked(len(r_area), r[matches]), _marked(len(d_area), d[matches])
    single = _marked(len(r_area), r[2 * shared > d_area[d] + r_area[r] - shared])
    blended = _marked(len(r_area), r[matches & several])
    both, in_d, in_r = shared.sum(), d_area[1:].sum(), r_area[1:].sum()
    return Agreement(
        iou=_share(both, in_d + in_r - both),
        pixel_precision=_share(both, in_d),
        pixel_recall=_share(both, in_r),
        completeness=_share((found & wanted).sum(), wanted.sum()),
        purity=_share((real & shown).sum(), shown.sum()),
        one_to_one=_share((single & wanted).sum(), wanted.sum()),
        reference_sources=int(wanted.sum()),
        found=int((found & wanted).sum()),
        blended=int((blended & wanted).sum()),
        detections=int(shown.sum()),
        real=int((real & shown).sum()),
        min_pixels=int(min_pixels),
        missed=np.flatnonzero(_at_least(r_area, 1) & ~found).tolist(),
        spurious=np.flatnonzero(_at_least(d_area, 1) & ~real).tolist(),
    )


def compare_classes(
    predicted: np.ndarray, true: np.ndarray, reference: np.ndarray, min_pixels: int = 25
) -> float:
    """Give the share of reference sources whose class is right, among those that are detected.

    Parameters
    ----------
    predicted, true : numpy.ndarray of int (H, W)
        Class of each pixel, 0 is sky. A source has the class of most of its pixels; predicted sky
        has no say.
    reference : numpy.ndarray of int (H, W)
        Label map.
    min_pixels : int
        Smaller sources are not counted.

    Returns
    -------
    float
        NaN where no source counts.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([[1, 1, 1, 0, 2]])
    >>> compare_classes(labels * 0 + 2, np.array([[1, 1, 1, 0, 2]]), labels, min_pixels=1)
    0.5
    """
    area = np.bincount(reference.ravel())
    classes = int(max(predicted.max(initial=0), true.max(initial=0))) + 1

    def votes(kinds):
        inside = (reference > 0) & (kinds > 0)
        cells = reference[inside].astype(np.int64) * classes + kinds[inside]
        return np.bincount(cells, minlength=len(area) * classes).reshape(-1, classes)

    told, meant = votes(predicted), votes(true)
    counted = _at_least(area, min_pixels) & (told.sum(axis=1) > 0)
    right = told.argmax(axis=1) == meant.argmax(axis=1)
    return _share((right & counted).sum(), counted.sum())


def _overlaps(detected, reference) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List the pairs of labels that share pixels, and how many."""
    both = (detected > 0) & (reference > 0)
    pairs = np.stack([detected[both], reference[both]]).astype(np.int64)
    (d, r), shared = np.unique(pairs, axis=1, return_counts=True)
    return d, r, shared


def _at_least(area: np.ndarray, pixels: int) -> np.ndarray:
    counted = area >= max(pixels, 1)
    counted[:1] = False
    return counted


def _marked(count: int, indices: np.ndarray) -> np.ndarray:
    marked = np.zeros(count, bool)
    marked[indices] = True
    return marked


def _share(part, whole) -> float:
    return float(part / whole) if whole else float("nan")
