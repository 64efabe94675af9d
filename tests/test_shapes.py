"""Geometry in plain Python: sizes against counting, pads against their meaning, errors in words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_astro import shapes

QUICK = settings(max_examples=200, deadline=None, derandomize=True)
small = st.integers(1, 6)


def places(n, before, after, k, s, d):
    """Count where a window fits, by trying every start."""
    span = (k - 1) * d + 1
    return sum(1 for start in range(0, n + before + after - span + 1, s))


@QUICK
@given(st.integers(1, 30), st.integers(0, 4), st.integers(0, 4), small, small, small)
def test_a_window_fits_where_counting_says(n, before, after, k, s, d):
    expected = places(n, before, after, k, s, d)
    arguments = ((n,), (k,), (s,), ((before, after),), (d,), "the window")
    if expected:
        assert shapes.window_sizes(*arguments) == (expected,)
    else:
        with pytest.raises(ValueError, match="the window does not fit: length"):
            shapes.window_sizes(*arguments)


@QUICK
@given(st.integers(1, 30), small, small, small)
def test_same_gives_one_output_per_stride_with_the_odd_pixel_at_the_end(n, k, s, d):
    ((before, after),) = shapes.pads("same", (n,), (k,), (s,), (d,))
    assert 0 <= after - before <= 1
    shape, *_ = shapes.conv((1, n, 1), (k, 1, 1), s, "same", d)
    assert shape == (1, -(-n // s), 1)
    if before + after:  # and not a pixel more than needed
        assert places(n, before, after - 1, k, s, d) < -(-n // s)


@QUICK
@given(st.integers(1, 30), small, small)
def test_causal_puts_all_before(n, k, d):
    assert shapes.pads("causal", (n,), (k,), (1,), (d,)) == (((k - 1) * d, 0),)
    shape, *_ = shapes.conv((1, n, 1), (k, 1, 1), 1, "causal", d)
    assert shape == (1, n, 1)


@QUICK
@given(st.integers(1, 9), small, small, st.integers(1, 3), st.data())
def test_transposed_sizes_are_inputs_of_the_convolution_they_transpose(n, k, s, d, data):
    """The adjoint's output must be an input size that the convolution maps back to n."""
    span = (k - 1) * d + 1
    padding = data.draw(
        st.sampled_from(["valid", "same"])
        | st.tuples(st.tuples(st.integers(0, 5), st.integers(0, 5)))
    )
    extra = data.draw(st.none() | st.integers(0, s - 1))
    cropped = (
        2 * (span // 2)
        if padding == "same"
        else sum(map(sum, padding))
        if padding != "valid"
        else 0
    )
    if (n - 1) * s + span - cropped + (extra or 0) < 1 and (padding, extra) != ("same", None):
        return  # nothing is left, which is an error
    shape, _, pads, _ = shapes.conv_transpose((1, n, 1), (k, 1, 1), s, padding, extra, d)
    ((before, after),) = pads
    assert places(shape[1], before, after, k, s, d) == n


def keras_transposed_size(n, k, s, padding, extra, d):
    """keras.src.backend.common.backend_utils.compute_conv_transpose_output_length, rewritten."""
    span = (k - 1) * d + 1
    if extra is None:
        return n * s if padding == "same" else (n - 1) * s + max(span, s)
    pad = span // 2 if padding == "same" else 0
    return (n - 1) * s + span - 2 * pad + extra


@QUICK
@given(st.integers(1, 9), small, small, st.integers(1, 3), st.sampled_from(["valid", "same"]))
def test_transposed_sizes_are_keras_sizes(n, k, s, d, padding):
    for extra in (None, *range(s)):
        size = keras_transposed_size(n, k, s, padding, extra, d)
        if size < 1:
            with pytest.raises(ValueError, match="output of .0,. pixels"):
                shapes.conv_transpose((2, n, 3), (k, 4, 3), s, padding, extra, d)
            continue
        shape, *_ = shapes.conv_transpose((2, n, 3), (k, 4, 3), s, padding, extra, d)
        assert shape == (2, size, 4)


def test_sizes_that_are_not_known_yet_stay_unknown():
    shape, *_ = shapes.conv((None, None, 8, 3), (3, 3, 3, 5), 2, "same", 1)
    assert shape == (None, None, 4, 5)
    shape, *_ = shapes.conv((None, None, 8, 3), (3, 3, 3, 5), 1, "valid", 1)
    assert shape == (None, None, 6, 5)
    shape, *_ = shapes.conv_transpose((None, None, 8, 3), (2, 2, 5, 3), 2, "valid", None, 1)
    assert shape == (None, None, 16, 5)
    assert shapes.pool((None, None, 8, 3), 2, None, "valid")[0] == (None, None, 4, 3)


@pytest.mark.parametrize("padding", [1, (1, 1), ((1, 1), (1, 1)), [1, (1, 1)], np.int64(1)])
def test_numeric_pads_in_all_their_forms(padding):
    assert shapes.explicit_pads(padding, 2) == ((1, 1), (1, 1))


def test_cropping_a_transposed_convolution_to_nothing_is_refused():
    assert shapes.conv_transpose((1, 4, 4, 1), (3, 3, 1, 1), 2, 4, None, 1)[0] == (1, 1, 1, 1)
    with pytest.raises(ValueError, match="output of .0, 0. pixels; use a larger input, or less"):
        shapes.conv_transpose((1, 4, 4, 1), (3, 3, 1, 1), 1, 3, None, 1)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: shapes.per_axis((1, 2, 3), 2, "strides"), r"strides=\(1, 2, 3\).*or 2 integers"),
        (lambda: shapes.per_axis(0, 2, "strides"), "strides=0: expected integers of at least 1"),
        (lambda: shapes.per_axis(1.5, 2, "strides"), "strides=1.5"),
        (lambda: shapes.per_axis("12", 2, "strides"), "strides='12'"),
        (lambda: shapes.per_axis((True, 1), 2, "size"), "size"),
        (lambda: shapes.explicit_pads("full", 2), '"valid", "same", an integer'),
        (lambda: shapes.explicit_pads(-1, 2), "at least 0"),
        (lambda: shapes.explicit_pads(((1, 2, 3), (0, 0)), 2), "pair"),
        (lambda: shapes.explicit_pads((1, 2, 3), 2), "2 axes"),
        (lambda: shapes.explicit_pads(((1, -1), (0, 0)), 2), "pair"),
        (lambda: shapes.explicit_pads(None, 2), "padding=None"),
        (lambda: shapes.explicit_pads((1.5, 1), 2), "pair"),
        (lambda: shapes.pads("causal", (3, 3), (1, 1), (1, 1), (1, 1)), "one axis"),
        (lambda: shapes.spatial_rank((3, 3), "conv"), r"\(3, 3\), expected \(N, L, C\)"),
        (lambda: shapes.conv((1, 4, 4, 3), (3, 3, 1), 1, "valid", 1), "2 window axes"),
        (
            lambda: shapes.conv((1, 4, 4, 3), (3, 3, 2, 1), 1, "valid", 1),
            "3 input channels.*expects 2",
        ),
        (
            lambda: shapes.conv((1, 4, 4, 4), (3, 3, 2, 3), 1, "valid", 1, 2),
            "does not divide the 3",
        ),
        (lambda: shapes.conv((1, 4, 4, 4), (3, 3, 2, 4), 1, "valid", 1, 0), "groups=0"),
        (lambda: shapes.conv((1, 4, 4, 4), (3, 3, 2, 4), 1, "valid", 1, 1.0), "groups=1.0"),
        (lambda: shapes.conv((1, 4, 4, 1), (0, 3, 1, 1), 1, "valid", 1), "no taps"),
        (
            lambda: shapes.conv((1, 2, 9, 1), (3, 3, 1, 1), 1, "valid", 2),
            "height 2.*5 pixels spanned",
        ),
        (lambda: shapes.conv((1, 9, 2, 1), (3, 3, 1, 1), 1, "valid", 1), "width 2"),
        (lambda: shapes.conv((1, 0, 4, 1), (3, 3, 1, 1), 1, "same", 1), "height 0"),
        (
            lambda: shapes.conv_transpose((1, 4, 3), (3, 2, 4), 1, "valid", None, 1),
            "3 input channels",
        ),
        (lambda: shapes.conv_transpose((1, 4, 3), (3, 3), 1, "valid", None, 1), "1 window axes"),
        (lambda: shapes.conv_transpose((1, 4, 3), (0, 2, 3), 1, "valid", None, 1), "without taps"),
        (
            lambda: shapes.conv_transpose((1, 4, 3), (3, 2, 3), 2, "valid", 2, 1),
            "less than strides",
        ),
        (lambda: shapes.pool((1, 4, 4, 1), 5, None, "valid"), "the pooling window does not fit"),
        (lambda: shapes.pool((1, 4, 4, 1), 2, 1, 2), "wholly outside"),
        (lambda: shapes.unpool((1, 2, 2, 1), (1, 2, 2, 2), 4), "same shape"),
        (lambda: shapes.unpool((1, 2, 2, 1), (1, 2, 2, 1), (4, 4, 4)), "output_size"),
        (lambda: shapes.normal_axes(3, 2), "axis=3 is out of range for a tensor of 2 axes"),
        (lambda: shapes.normal_axes((0, -2), 2), "twice"),
        (lambda: shapes.normal_axes(0.5, 2), "axis"),
        (lambda: shapes.normal_axis(None, 2), "axis=None: expected one integer"),
        (lambda: shapes.normal_axis(True, 2), "axis=True"),
        (lambda: shapes.normal_axis(-3, 2), "out of range"),
        (lambda: shapes.broadcast((3, 2), (4, 2)), r"\(3, 2\) and \(4, 2\) do not broadcast"),
    ],
)
def test_errors_carry_what_was_received_and_expected(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@QUICK
@given(st.lists(st.lists(st.integers(0, 3), max_size=4), min_size=1, max_size=3))
def test_broadcast_is_numpys(given_shapes):
    try:
        expected = np.broadcast_shapes(*map(tuple, given_shapes))
    except ValueError:
        with pytest.raises(ValueError, match="do not broadcast"):
            shapes.broadcast(*given_shapes)
    else:
        assert shapes.broadcast(*given_shapes) == expected


@QUICK
@given(st.lists(st.tuples(st.integers(2, 3), st.booleans()), max_size=4), st.integers(0, 4))
def test_broadcast_axes_are_those_that_a_sum_undoes(axes, dropped):
    wide = tuple(n for n, _ in axes)
    narrow = tuple(1 if one else n for n, one in axes)[dropped:]
    summed = np.ones(wide).sum(axis=shapes.broadcast_axes(wide, narrow)).size
    assert summed == np.prod(narrow, dtype=int)


def test_axes_are_sorted_and_counted_from_the_front():
    assert shapes.normal_axes(None, 3) == (0, 1, 2)
    assert shapes.normal_axes((-1, 0), 3) == (0, 2)
    assert shapes.normal_axis(-1, 3) == 2 and shapes.normal_axis(np.int64(1), 3) == 1
