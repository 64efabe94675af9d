"""The border between the user's data and raw arrays."""

import numpy as np
import pytest

from tinygrad_astro.arrays import as_array, native_dtype, take_over


@pytest.mark.parametrize(
    "data, dtype",
    [
        (1.5, np.float32),
        ([1.0, 2.0], np.float32),
        ([[1, 2], [3, 4]], np.int64),
        ([True, False], np.bool_),
        (np.ones(2), np.float64),
        (np.float64(3.0), np.float64),
        (np.ones(2, ">f4"), np.float32),
        (np.ones(2, ">f8"), np.float64),
        (np.arange(3, dtype=">i2"), np.int16),
        (np.arange(3, dtype=np.uint16), np.uint16),
        (np.ones(2, np.float16), np.float32),
        (np.ones(2, np.longdouble), np.float64),
        (np.ma.masked_array([1.0, 2.0], [False, False]), np.float64),
    ],
)
def test_dtype_and_byte_order(data, dtype):
    made = as_array(data)
    assert type(made) is np.ndarray
    assert made.dtype == dtype and made.dtype.isnative
    np.testing.assert_array_equal(made, np.asarray(data))


def test_an_object_with_a_dtype_of_its_own_keeps_it():
    class Column:
        dtype = np.dtype(np.float64)

        def __array__(self, dtype=None, copy=None):
            return np.array([0.1, 0.2])

    assert as_array(Column()).dtype == np.float64


def test_memory_is_shared_where_nothing_has_to_change():
    data = np.ones(3)
    assert np.shares_memory(as_array(data), data)
    strided = np.ones((4, 6))[::2, ::3]
    assert np.shares_memory(as_array(strided), strided)


@pytest.mark.parametrize(
    "data, text",
    [
        ([[1.0], [1.0, 2.0]], "ragged"),
        (["a", "b"], "dtype <U1"),
        ([None], "dtype object"),
        (np.array([1j]), "dtype complex128"),
        (np.array(["2020-01-01"], "M8[D]"), "datetime64"),
        (np.zeros(2, [("flux", "f4")]), "flux"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "lose its mask"),
    ],
)
def test_what_is_no_array_of_real_numbers_is_refused(data, text):
    with pytest.raises(TypeError, match=text):
        as_array(data)


@pytest.mark.parametrize("dtype", [np.float16, complex, "U3", object, np.longdouble])
def test_a_dtype_that_kernels_cannot_compute_in_is_refused(dtype):
    with pytest.raises(TypeError, match="expected float32, float64, an integer or bool"):
        native_dtype(dtype)
    with pytest.raises(TypeError, match="expected float32"):
        as_array([1.0], dtype)


def test_a_foreign_byte_order_is_asked_for_in_vain():
    assert native_dtype(">f4") == np.float32 and native_dtype(">f4").isnative
    assert as_array([1.0], ">f8").dtype.isnative


class Exporter:
    """Stands for an array of another library, handed over by DLPack."""

    dtype = "exporter.float8"

    def __init__(self, array=None):
        self.array = array

    def __dlpack__(self, **kwargs):
        if self.array is None:
            raise RuntimeError("no such dtype in DLPack")
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return (1, 0)


def test_dlpack_exporters_are_taken_over_without_a_copy():
    source = np.arange(3.0)
    made = as_array(Exporter(source))
    assert np.shares_memory(made, source) and made.dtype == np.float64


def test_a_failing_exporter_is_named():
    with pytest.raises(TypeError, match="Exporter of dtype exporter.float8.*no such dtype"):
        take_over(Exporter())
