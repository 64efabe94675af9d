"""Sources of a mosaic labelled tile by tile, with the numbers that the whole would give them."""

import numpy as np

from tinygrad_astro.segmentation.components import join, label, seams

Section = tuple[slice, slice]


class TiledLabels:
    """Number the sources of a mosaic that is never in memory, in two passes.

    First `add` every tile, in reading order: its sources get provisional numbers, written to
    `target`, and those that touch across a seam are noted as one. Then `finish`, and read each
    block of `target` through `final`. Memory grows with the number of sources only.

    Parameters
    ----------
    target : array of int32 (H, W)
        A NumPy array, a memory map, anything whose sections can be read and assigned.
    diagonal : bool
        As in `label`.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.array([[0, 0, 1, 1], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]], bool)
    >>> target = np.zeros((4, 4), np.int32)
    >>> labels = TiledLabels(target)
    >>> for y in (0, 2):
    ...     for x in (0, 2):
    ...         core = slice(y, y + 2), slice(x, x + 2)
    ...         labels.add(core, mask[core])
    >>> labels.finish(min_pixels=1)
    3
    >>> labels.final(target)
    array([[0, 0, 1, 1],
           [2, 0, 0, 0],
           [0, 0, 0, 3],
           [0, 0, 0, 3]], dtype=int32)
    """

    def __init__(self, target, diagonal: bool = True):
        self.target, self.diagonal = target, diagonal
        self.count = 0
        self._area: list[np.ndarray] = []
        self._first: list[np.ndarray] = []
        self._pairs: list[np.ndarray] = []
        self._number = np.zeros(1, np.int32)

    def add(self, core: Section, mask: np.ndarray) -> None:
        """Label the source pixels of one tile; tiles to its left and above must have been added."""
        labels, found = label(mask, self.diagonal)
        if found:
            labels[labels > 0] += self.count
            pixels = np.flatnonzero(labels)
            _, where, area = np.unique(
                labels.ravel()[pixels], return_index=True, return_counts=True
            )
            row, column = np.divmod(pixels[where], labels.shape[1])
            width = self.target.shape[1]
            first = (row + core[0].start) * width + column + core[1].start
            self._area.append(area)
            self._first.append(first)
            self.count += found
        self.target[core] = labels
        self._note_seams(core, labels)

    def _note_seams(self, core: Section, labels: np.ndarray) -> None:
        rows, columns = core
        if rows.start > 0:
            # One pixel more at both ends, for sources that touch at the corner of a tile.
            wide = slice(max(columns.start - 1, 0), min(columns.stop + 1, self.target.shape[1]))
            above = np.asarray(self.target[rows.start - 1 : rows.start, wide])[0]
            mine = np.zeros_like(above)
            mine[columns.start - wide.start :][: labels.shape[1]] = labels[0]
            self._pair(above, mine)
        if columns.start > 0:
            tall = slice(rows.start, rows.stop)
            before = np.asarray(self.target[tall, columns.start - 1 : columns.start])[:, 0]
            self._pair(before, labels[:, 0])

    def _pair(self, first: np.ndarray, second: np.ndarray) -> None:
        if self.diagonal:
            self._pairs.append(np.stack(seams(first, second)))
        else:
            both = (first > 0) & (second > 0)
            self._pairs.append(np.unique(np.stack([first[both], second[both]]), axis=1))

    def finish(self, min_pixels: int = 1) -> int:
        """Join what touches, drop sources below `min_pixels`, and give how many are left."""
        if not self.count:
            return 0
        pairs = np.concatenate([np.zeros((2, 0), np.int64), *self._pairs], axis=1) - 1
        root = join(self.count, *pairs.astype(np.int64))
        area = np.bincount(root, np.concatenate(self._area), self.count)
        first = np.concatenate(self._first)
        np.minimum.at(first, root, first.copy())
        kept = np.flatnonzero((root == np.arange(self.count)) & (area >= min_pixels))
        number = np.zeros(self.count, np.int32)
        number[kept[np.argsort(first[kept])]] = np.arange(1, len(kept) + 1)
        self._number = np.concatenate([[0], number[root]]).astype(np.int32)
        return len(kept)

    def final(self, block: np.ndarray) -> np.ndarray:
        """Translate provisional numbers, once `finish` has run, into int32 of the same shape."""
        return self._number[block]
