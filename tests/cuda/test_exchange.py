"""Arrays given to and taken from other libraries, without a copy."""

import gc

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro.kernels.cuda.array import borrow


class Foreign:
    """Stands for an array of Numba or CuPy: all it has is the CUDA array interface."""

    def __init__(self, pointer, shape, strides=None, typestr="<f4", owner=None):
        self.owner = owner
        self.__cuda_array_interface__ = {
            "shape": shape, "typestr": typestr, "data": (pointer, False), "version": 3,
            "strides": strides, "stream": 1,
        }  # fmt: skip


def test_the_array_interface_is_complete():
    x = ta.tensor(np.arange(6.0, dtype=np.float32).reshape(2, 3), device="cuda")
    told = x.__cuda_array_interface__
    assert told["version"] == 3 and told["shape"] == (2, 3) and told["typestr"] == "<f4"
    assert told["strides"] is None and told["data"] == (x.data.pointer, False)
    assert told["stream"] not in (None, 0)  # 0 is not allowed by version 3
    assert x.data.pointer % 16 == 0


def test_only_untracked_tensors_on_the_card_have_it():
    x = ta.tensor([1.0], device="cuda", requires_grad=True)
    assert not hasattr(x, "__cuda_array_interface__") and not hasattr(
        ta.tensor([1.0]), "__cuda_array_interface__"
    )
    with pytest.raises(AttributeError, match="detach"):
        _ = x.__cuda_array_interface__
    assert x.detach().__cuda_array_interface__["shape"] == (1,)


def test_memory_is_shared_both_ways(simulated):
    x = ta.tensor(np.arange(6.0, dtype=np.float32), device="cuda")
    y = ta.from_dlpack(Foreign(x.data.pointer, (2, 3), owner=x))
    assert y.device == "cuda" and y.data.pointer == x.data.pointer
    x[1] = 40.0
    assert y.numpy().tolist() == [[0, 40, 2], [3, 4, 5]]
    assert float(ta.tensor(Foreign(x.data.pointer, (6,), owner=x)).sum()) == 54
    seen = np.from_dlpack(x)  # the simulator's memory is the host's
    y[0, 0] = 7.0
    assert seen[0] == 7 and seen.ctypes.data == x.data.pointer


def test_an_exported_array_keeps_its_memory(simulated):
    x = ta.tensor(np.full(400, 3.0, np.float32), device="cuda")
    seen = np.from_dlpack(x)
    del x
    gc.collect()
    others = [ta.tensor(np.zeros(400, np.float32), device="cuda") for _ in range(3)]
    assert (seen == 3).all() and len(others) == 3


def test_foreign_memory_is_kept_and_copied_only_where_it_is_not_aligned(simulated):
    x = ta.tensor(np.arange(12.0, dtype=np.float32), device="cuda").data
    start = Foreign(x.pointer, (8,), owner=x)
    there = borrow(start)
    assert there.memory.owner is start and there.pointer == x.pointer
    shifted = borrow(Foreign(x.pointer + 4, (8,), owner=x))
    assert shifted.pointer % 16 == 0 and shifted.pointer != x.pointer + 4
    np.testing.assert_array_equal(shifted.copy_to_host(), np.arange(1, 9))


def test_strides_matter_only_where_there_are_several_elements(simulated):
    x = ta.tensor(np.arange(12.0, dtype=np.float32), device="cuda").data
    flat = borrow(Foreign(x.pointer, (3, 1, 4), strides=(16, 999 * 4, 4), owner=x))
    assert flat.shape == (3, 1, 4)
    with pytest.raises(ValueError, match="strided array of shape"):
        borrow(Foreign(x.pointer, (4, 3), strides=(4, 16), owner=x))


def test_waiting_for_an_export_is_refused_while_a_graph_is_recorded():
    x = ta.tensor(np.ones(3, np.float32), device="cuda")
    with pytest.raises(RuntimeError, match="is recorded"):
        ta.cuda.graph(lambda v: (v.data.__dlpack__(), v)[1], x)
