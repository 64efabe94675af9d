"""What is measured of each source: place, size, shape, flux in every band, class.

Sums are taken block by block, so an image need not be in memory. The order of the blocks decides
the last bits of a sum: callers that want equal catalogues use equal blocks.
"""

from collections.abc import Sequence

import numpy as np

_MOMENTS = ("weight", "x", "y", "xx", "yy", "xy")

# Variance of a position that is uniform within its pixel; below it a source has no shape.
_PIXEL_VARIANCE = 1 / 12


class Measurements:
    """Sums over the pixels of each source, from which `table` makes a catalogue.

    A pixel weighs with its signal-to-noise ratio, averaged over the bands, where that is positive;
    a source without any such pixel is measured with equal weights. Masked pixels count as sky.

    Parameters
    ----------
    count : int
        Sources are numbered 1..count.
    bands : sequence of str
    classes : sequence of str
        Names of the kinds of source; their probabilities are averaged.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([[0, 1, 1], [0, 1, 1]])
    >>> flux = np.ones((2, 3, 1))
    >>> sums = Measurements(1, ["r"], ["source"])
    >>> sums.add(0, 10, labels, flux, flux, np.full((2, 3, 1), 0.75))
    >>> found = sums.table()
    >>> found["x"], found["npix"], found["flux_r"], found["p_source"]
    (array([11.5]), array([4]), array([4.]), array([0.75]))
    """

    def __init__(self, count: int, bands: Sequence[str], classes: Sequence[str]):
        self.bands, self.classes = list(bands), list(classes)
        self._pixels = np.zeros(count, np.int64)
        self._weighted, self._plain = np.zeros((2, count, len(_MOMENTS)))
        self._flux = np.zeros((count, len(self.bands)))
        self._probability = np.zeros((count, len(self.classes)))

    def add(self, y0, x0, labels, flux, signal, probability) -> None:
        """Add one block whose first pixel is (y0, x0).

        Parameters
        ----------
        y0, x0 : int
        labels : numpy.ndarray of int (h, w)
        flux : numpy.ndarray (h, w, bands)
            Less the sky, in the image's units; 0 where masked.
        signal : numpy.ndarray (h, w, bands)
            The same in units of the noise of the sky.
        probability : numpy.ndarray (h, w, classes)
        """
        row, column = np.nonzero(labels)
        if not len(row):
            return
        numbers, inverse = np.unique(labels[row, column] - 1, return_inverse=True)
        y, x = (row + y0).astype(np.float64), (column + x0).astype(np.float64)
        weight = np.maximum(signal[row, column].mean(axis=1, dtype=np.float64), 0.0)

        def total(values):
            return np.bincount(inverse, values, len(numbers))

        self._pixels[numbers] += np.bincount(inverse, minlength=len(numbers))
        for sums, w in ((self._weighted, weight), (self._plain, np.ones_like(weight))):
            for i, moment in enumerate((w, w * x, w * y, w * x * x, w * y * y, w * x * y)):
                sums[numbers, i] += total(moment)
        for sums, values in ((self._flux, flux), (self._probability, probability)):
            for i in range(sums.shape[1]):
                sums[numbers, i] += total(values[row, column, i].astype(np.float64))

    def table(self) -> dict[str, np.ndarray]:
        """Give the catalogue: one row per source, by columns.

        Returns
        -------
        dict of str to numpy.ndarray (count,)
            `id`; `x`, `y` (pixels, 0 is the centre of the first); `npix`; `a`, `b`, `theta`: rms
            along the major and minor axis (pixels) and the angle of the major axis from +x towards
            +y (radians, -pi/2 to pi/2), from second moments (Bertin and Arnouts 1996, A&AS 117,
            393, section 6); `flux_<band>`; `p_<class>`, the mean probability, and, where there is
            more than one class, `class`, the name of the most probable.
        """
        sums = np.where(self._weighted[:, :1] > 0, self._weighted, self._plain)
        weight, x, y, xx, yy, xy = sums.T
        x, y = x / weight, y / weight
        xx, yy, xy = xx / weight - x * x, yy / weight - y * y, xy / weight - x * y
        flat = xx * yy - xy * xy < _PIXEL_VARIANCE**2
        xx, yy = xx + flat * _PIXEL_VARIANCE, yy + flat * _PIXEL_VARIANCE
        mean, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
        table = {
            "id": np.arange(1, len(weight) + 1),
            "x": x,
            "y": y,
            "npix": self._pixels,
            "a": np.sqrt(mean + spread),
            "b": np.sqrt(np.maximum(mean - spread, 0.0)),
            "theta": np.arctan2(2 * xy, xx - yy) / 2,
        }
        table |= {f"flux_{band}": self._flux[:, i] for i, band in enumerate(self.bands)}
        shares = self._probability / np.maximum(self._pixels, 1)[:, None]
        table |= {f"p_{name}": shares[:, i] for i, name in enumerate(self.classes)}
        if len(self.classes) > 1:
            table["class"] = np.array(self.classes)[np.argmax(shares, axis=1)]
        return table


UNITS = {"x": "pixel", "y": "pixel", "npix": "pixel", "a": "pixel", "b": "pixel", "theta": "rad"}
