"""Where batches come from: arrays cut and shuffled here, or any iterable of batches.

Batch k of epoch e of a run is always the same one, whether the run got there or was resumed there:
arrays are cut by (seed, pass, position), streams with an `epoch` are told which pass to make, and a
plain generator is read past what was used before.
"""

import itertools
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_astro.arrays import as_array
from tinygrad_astro.layers.structure import is_numbers, leaves, map_leaves
from tinygrad_astro.tape import Tensor


class Batch(NamedTuple):
    """Inputs, labels, weights and mask of some samples; each an array, a nest of them, or None."""

    x: object
    y: object = None
    sample_weight: object = None
    mask: object = None

    @property
    def size(self) -> int:
        """The number of samples."""
        return int(leaves(self.x)[0].shape[0])


class ArrayFeed:
    """Batches of arrays in memory (or mapped from disk), in order or shuffled anew in every pass.

    Parameters
    ----------
    data : Batch
        All samples; every array has them along its first axis.
    batch_size : int
    steps : int, optional
        Batches per epoch; by default one pass over the data. Epochs of another length go on where
        the last one ended.
    seed : int, optional
        Shuffle by this seed; None: keep the order.

    Raises
    ------
    ValueError
        If there are no samples, or lengths differ.
    """

    def __init__(self, data: Batch, batch_size=32, steps=None, seed=None):
        check_count("batch_size", batch_size)
        if steps is not None:
            check_count("steps_per_epoch", steps)
        self.data, self.batch_size, self.seed = data, batch_size, seed
        self.samples = common_length(data)
        self.per_pass = -(-self.samples // batch_size)
        self.steps = steps or self.per_pass

    def first(self) -> Batch:
        """Give one sample, to build a model by."""
        return self._cut(slice(0, 1))

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """Give the batches of an epoch, all but the first `skip`."""
        order, drawn = np.arange(0), None
        for number in range(epoch * self.steps + skip, (epoch + 1) * self.steps):
            turn, position = divmod(number, self.per_pass)
            chosen = slice(position * self.batch_size, (position + 1) * self.batch_size)
            if self.seed is None:
                yield self._cut(chosen)
                continue
            if turn != drawn:
                order, drawn = self.order(turn), turn
            yield self._cut(order[chosen])

    def order(self, turn: int) -> np.ndarray:
        """Give the order of the samples in a pass, from the seed and the pass alone."""
        sequence = np.random.SeedSequence(self.seed, spawn_key=(turn,))
        return np.random.Generator(np.random.Philox(sequence)).permutation(self.samples)

    def _cut(self, chosen) -> Batch:
        return Batch(*(cut(part, chosen) for part in self.data))


class IterableFeed:
    """Batches that an iterable gives: tuples (x, y), (x, y, weights) or (x, y, weights, mask).

    Parameters
    ----------
    source : iterable
        With a length and read anew in every epoch, as `data.Batches`; or a generator.
    steps : int, optional
        Batches per epoch; by default one pass. Needed to read a generator for several epochs.
    epochs : int
        How many epochs will be asked for.

    Raises
    ------
    ValueError
        If a generator would be read twice, or there are no batches.
    """

    def __init__(self, source: Any, steps=None, epochs=1):
        if steps is not None:
            check_count("steps_per_epoch", steps)
        self.source, self.once = source, iter_once(source)
        self.length = len(source) if hasattr(source, "__len__") else None
        self.steps = steps or self.length
        if self.length == 0:
            raise ValueError(f"there are no batches in {type(source).__name__}: its length is 0")
        if self.once and steps is None and epochs > 1:
            raise ValueError(
                f"a generator can be read once, but epochs={epochs}: give steps_per_epoch, or "
                "something that can be iterated again, such as ta.data.Batches"
            )
        self.seed = getattr(source, "seed", None)
        # The number of the batch that the iterator gives next; -1: it must be made first.
        self._iterator: Iterator[Any] = source if self.once else iter(())
        self._at = 0 if self.once else -1

    def first(self) -> Batch:
        """Give the first batch, to build a model by; it will be given again."""
        self._seek(0)
        found = next(self._iterator, None)
        if found is None:
            raise ValueError(f"there are no batches: {type(self.source).__name__} gave none")
        self._iterator = itertools.chain([found], self._iterator)
        return unpack(found)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """Give the batches of an epoch, all but the first `skip`."""
        if self.steps is None:
            self._seek(0, epoch)
            yield from map(unpack, itertools.islice(self._iterator, skip, None))
            return
        for number in range(epoch * self.steps + skip, (epoch + 1) * self.steps):
            if number != self._at:
                self._seek(number)
            found = next(self._iterator, None)
            if found is None and not self.once:
                self._seek(number)
                found = next(self._iterator, None)
            if found is None:
                warnings.warn(
                    f"the data ran out after {number} batches; epochs of {self.steps} were asked "
                    "for. Give more batches, or a smaller steps_per_epoch",
                    stacklevel=3,
                )
                return
            self._at = number + 1
            yield unpack(found)

    def _seek(self, number: int, turn: int | None = None) -> None:
        """Make the iterator give batch `number` next."""
        if self.once:
            skip = number - self._at
        else:
            turn, skip = divmod(number, self.length) if turn is None and self.length else (turn, 0)
            if hasattr(self.source, "epoch"):
                self.source.seed, self.source.epoch = self.seed, turn or 0
            self._iterator = iter(self.source)
        next(itertools.islice(self._iterator, skip, skip), None)
        self._at = number


def make_feed(x, y=None, sample_weight=None, mask=None, batch_size=None, **options):
    """Make a feed of arrays, or of an iterable of batches.

    Raises
    ------
    ValueError
        If labels are given beside an iterable, or arrays do not fit together.
    TypeError
        If the data are neither.
    """
    if is_arrays(x):
        data = Batch(
            *(
                arrays(part, name)
                for part, name in zip((x, y, sample_weight, mask), NAMES, strict=True)
            )
        )
        options.pop("epochs", None)
        return ArrayFeed(data, 32 if batch_size is None else batch_size, **options)
    if not isinstance(x, Iterable) or isinstance(x, (str, bytes)):
        raise TypeError(
            f"x is a {type(x).__name__}, expected arrays, or an iterable of batches (x, y)"
        )
    given = {"y": y, "sample_weight": sample_weight, "mask": mask, "batch_size": batch_size}
    wrong = [name for name, value in given.items() if value is not None]
    if wrong:
        raise ValueError(
            f"x gives batches of its own ({type(x).__name__}), so {', '.join(wrong)} must not be "
            "given; let it yield (x, y, sample_weight, mask)"
        )
    options.pop("seed", None)
    return IterableFeed(x, **options)


NAMES = ("x", "y", "sample_weight", "mask")


def is_arrays(x) -> bool:
    """Tell arrays, and nests of them, from iterables of batches."""
    if isinstance(x, (list, tuple, dict)):
        return True
    return hasattr(x, "shape") or hasattr(x, "__array__")


def arrays(part, name):
    """Make native arrays of all leaves; big ones on disk stay there."""
    if part is None or isinstance(part, np.ndarray):
        return as_input(part, name)
    if is_numbers(part):
        part = as_input(part, name)
    return map_leaves(lambda leaf: as_input(leaf, name), part)


def as_input(values, name):
    """Make one array, refusing what is not numbers."""
    if values is None:
        return None
    if isinstance(values, Tensor):
        return values.detach().numpy()
    lazy = hasattr(values, "shape") and hasattr(values, "__getitem__")
    try:
        # What is on disk stays there, and arrays of any byte order are converted batch by batch.
        keep = is_real(values) or (lazy and not isinstance(values, (np.ndarray, np.generic)))
        found = values if keep else as_array(values)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    if len(found.shape) == 0:
        raise ValueError(f"{name} is the single number {values!r}, expected one row per sample")
    return found


def is_real(values) -> bool:
    """Tell arrays of real numbers."""
    return isinstance(values, np.ndarray) and values.dtype.kind in "fiub"


def cut(part, chosen):
    """Take samples from every array of a nest."""
    return None if part is None else map_leaves(lambda a: None if a is None else a[chosen], part)


def common_length(data: Batch) -> int:
    """Give the number of samples, the same in all arrays.

    Raises
    ------
    ValueError
        If it is not the same, or 0.
    """
    lengths = {
        name: [int(leaf.shape[0]) for leaf in leaves(part) if leaf is not None]
        for name, part in zip(NAMES, data, strict=True)
        if part is not None
    }
    found = {n for each in lengths.values() for n in each}
    if len(found) > 1:
        told = ", ".join(f"{name}: {' and '.join(map(str, n))}" for name, n in lengths.items())
        raise ValueError(f"the numbers of samples differ: {told}")
    if not found or found == {0}:
        raise ValueError("there are no samples: x is empty")
    return found.pop()


def check_count(name, value, least=1) -> None:
    """Raise unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}={value!r}: expected a whole number of at least {least}")


def iter_once(source) -> bool:
    """Tell whether iterating uses the source up."""
    return iter(source) is source if not hasattr(source, "__len__") else False


def unpack(found) -> Batch:
    """Make a Batch of what an iterable gave."""
    if not isinstance(found, (tuple, list)):
        return Batch(found)
    if not 1 <= len(found) <= 4:
        raise ValueError(
            f"a batch has {len(found)} parts, expected x, (x, y), (x, y, sample_weight) or "
            "(x, y, sample_weight, mask)"
        )
    return Batch(*found)
