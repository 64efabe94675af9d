"""Memory of large arrays: lent, given back with the last view, kept up to the limit."""

import gc
import threading

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro.kernels.cpu import memory

SHAPE = (3, 5, 7919)  # a size that nothing else in these tests asks for
BYTES = 3 * 5 * 7919 * 4


@pytest.fixture
def stats():
    """Start with nothing kept, and count from here on."""
    gc.collect()
    limit = memory.memory_stats()["limit"]
    ta.set_memory_limit(0)
    ta.set_memory_limit(limit)
    before = memory.memory_stats()

    def since():
        now = memory.memory_stats()
        return {key: now[key] - before[key] for key in ("in_use", "kept")}

    yield since
    ta.set_memory_limit(limit)


def test_arrays_are_aligned_writeable_and_their_own():
    first, second = (memory.empty(SHAPE, np.float32) for _ in range(2))
    for array in (first, second):
        assert array.shape == SHAPE and array.dtype == np.float32
        assert array.flags["C_CONTIGUOUS"] and array.flags["WRITEABLE"]
        assert array.ctypes.data % 64 == 0
    first[...], second[...] = 1, 2
    assert (first == 1).all() and (second == 2).all()


def test_the_next_array_of_the_size_takes_the_place(stats):
    array = memory.empty(SHAPE, np.float32)
    place = array.ctypes.data
    assert stats()["in_use"] == BYTES
    del array
    assert stats() == {"in_use": 0, "kept": BYTES}
    assert memory.empty(SHAPE[::-1], np.float32).ctypes.data == place


def test_a_view_keeps_the_memory(stats):
    view = memory.empty(SHAPE, np.float32).reshape(15, -1)[3:4, ::2].T
    view[...] = 7
    others = [memory.empty(SHAPE, np.float32) for _ in range(3)]
    for other in others:
        other[...] = 0
    assert (view == 7).all() and stats()["in_use"] == 4 * BYTES
    del view, other, others
    assert stats()["in_use"] == 0


def test_beyond_the_limit_memory_goes_back(stats):
    ta.set_memory_limit(0)
    array = memory.empty(SHAPE, np.float32)
    del array
    assert memory.memory_stats()["kept"] == 0 and stats()["in_use"] == 0
    ta.set_memory_limit(2 * BYTES)
    arrays = [memory.empty(SHAPE, np.float32) for _ in range(5)]
    del arrays
    assert 0 < memory.memory_stats()["kept"] <= 2 * BYTES


@pytest.mark.parametrize("size", [-1, 1.5, "1 GB", True])
def test_a_limit_is_a_number_of_bytes(size):
    with pytest.raises(ValueError, match="expected a number of bytes"):
        ta.set_memory_limit(size)


def test_only_a_whole_array_owns_its_memory():
    large, small = memory.empty(SHAPE, np.float32), memory.empty((2, 2), np.float32)
    assert memory.owns(large) and memory.owns(small)
    assert not memory.owns(large[1:]) and not memory.owns(small[1:])


def test_many_threads_lend_and_give_back(stats):
    wrong = []

    def work(value):
        for _ in range(200):
            array = memory.empty(SHAPE, np.float32)
            array[0, 0] = value
            if not (array[0, 0] == value).all():
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and stats()["in_use"] == 0


def test_the_tape_gives_its_memory_back(stats):
    """Activations go back as the reverse pass goes, the rest with the loss."""
    x = ta.tensor(np.ones((64, 4096), np.float32), requires_grad=True)
    loss = ta.ops.relu(ta.ops.relu(x)).sum()
    assert stats()["in_use"] >= 2 * x.data.nbytes
    loss.backward()
    x.grad = None
    del loss
    assert stats()["in_use"] == 0
