"""Numbers in few characters."""

import numpy as np

from tinygrad_astro.explain import summaries


def test_values_of_every_kind():
    assert summaries.values(np.array(-0.000123456)) == "-0.0001235"
    assert summaries.values(np.float32(7)) == "7.0" and summaries.values(np.array([7])) == "7"
    assert summaries.values(np.array([True, False])) == "[True, False]"
    assert summaries.values(np.zeros((0, 3))) == "empty"
    assert summaries.values(np.full(6, np.nan)) == "6 NaN"
    assert summaries.values(np.array([1.0, np.nan])) == "[1.0, nan]"
    assert summaries.values(np.arange(6)) == "2.5 ± 1.71, 0 .. 5"
    assert summaries.values(np.array([np.nan, 1, 2, 3, 4, 5])) == "3.0 ± 1.41, 1.0 .. 5.0, 1 NaN"


def test_infinities_warn_of_nothing():
    assert summaries.values(np.array([np.inf, 1, 2, 3, 4])) == "inf ± nan, 1.0 .. inf"


def test_half_precision_means_do_not_overflow():
    assert summaries.values(np.full(1000, 60000, np.float16)).startswith("6e+04 ± 0.0")


def test_memory_and_shapes():
    assert summaries.memory(0) == "0 B" and summaries.memory(1023) == "1023 B"
    assert summaries.memory(5 * 2**30) == "5.0 GB" and summaries.memory(2**41) == "2048.0 GB"
    assert summaries.shape(()) == "scalar" and summaries.shape((2, 3)) == "(2, 3)"


def test_tables_are_aligned():
    text = summaries.table(["a", "number"], [["x", "1"], ["longer", "20"]], right=("number",))
    assert text == "a       number\nx            1\nlonger      20"
