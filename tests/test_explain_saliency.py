"""Saliency against closed forms and finite differences; its pictures against what they are of."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import explain, layers, ops


def small_model(rng):
    model = ta.Sequential(
        [
            ta.Input((6, 6, 2)),
            layers.Conv2D(3, 3, activation="tanh", dtype="float64"),
            layers.Flatten(),
            layers.Dense(4, dtype="float64"),
        ]
    )
    return model, rng.standard_normal((3, 6, 6, 2))


def test_against_finite_differences(rng):
    model, x = small_model(rng)
    found = explain.saliency(model, x, [0, 2, 3])
    for example, k in enumerate((0, 2, 3)):
        for index in [(0, 0, 0), (3, 2, 1), (5, 5, 0)]:
            moved, step = [], 1e-5
            for sign in (1, -1):
                point = x.copy()
                point[(example, *index)] += sign * step
                moved.append(model(point).numpy()[example, k])
            numeric = (moved[0] - moved[1]) / (2 * step)
            assert found[(example, *index)] == pytest.approx(numeric, abs=1e-7)


def test_a_linear_score_is_its_weights(rng):
    w = rng.standard_normal((5, 3))
    x = rng.standard_normal((4, 5))

    def linear(t):
        return t @ w

    np.testing.assert_allclose(explain.saliency(linear, x, 1), np.tile(w[:, 1], (4, 1)))
    np.testing.assert_allclose(explain.saliency(linear, x, -1), np.tile(w[:, 2], (4, 1)))
    largest = (x @ w).argmax(axis=1)
    np.testing.assert_allclose(explain.saliency(linear, x), w[:, largest].T)


def test_a_callable_target_is_the_score(rng):
    x = rng.standard_normal((2, 5))
    found = explain.saliency(lambda t: t**3, x, target=lambda out: out.sum(axis=1))
    np.testing.assert_allclose(found, 3 * x**2)


def test_an_image_of_scores_is_summed_over_its_pixels(rng):
    w = rng.standard_normal((3, 3, 1, 2))
    x = rng.standard_normal((1, 7, 7, 1))
    found = explain.saliency(lambda t: ops.conv(t, w), x, 1)
    assert found[0, 3, 3, 0] == pytest.approx(w[..., 1].sum())
    assert found[0, 0, 0, 0] == pytest.approx(w[0, 0, 0, 1])


def test_smoothing_averages_over_noise_of_the_given_width(rng):
    x = np.linspace(0, 2, 7)[None]
    plain = explain.saliency(lambda t: t**3, x, lambda out: out.sum(axis=1))
    smooth = explain.saliency(lambda t: t**3, x, lambda out: out.sum(axis=1), 4000, noise=0.25)
    # E[3 (x + e)^2] = 3 x^2 + 3 var(e), with sigma = 0.25 * (2 - 0)
    np.testing.assert_allclose(smooth - plain, 3 * 0.5**2, atol=0.35)
    again = explain.saliency(lambda t: t**3, x, lambda out: out.sum(axis=1), 4000, noise=0.25)
    np.testing.assert_array_equal(smooth, again)


def test_several_inputs_give_several_maps(rng):
    image, table = rng.standard_normal((2, 3)), rng.standard_normal((2, 2))

    def both(pair):
        return (pair[0].sum(axis=1, keepdims=True) * 2.0 + pair[1].sum(axis=1, keepdims=True)) * 1.0

    first, second = explain.saliency(both, [image, table], 0)
    np.testing.assert_allclose(first, np.full((2, 3), 2.0))
    np.testing.assert_allclose(second, np.ones((2, 2)))


def test_weights_input_and_modes_are_left_alone(rng):
    model, x = small_model(rng)
    before = x.copy()
    explain.saliency(model, x, 0, smooth=2)
    np.testing.assert_array_equal(x, before)
    assert all(w.grad is None for w in model.weights) and ta.is_recording()
    integers = explain.saliency(lambda t: t * 2.0, np.ones((1, 3), "int16"), 0)
    assert integers.dtype == np.float32 and integers.tolist() == [[2, 0, 0]]


def test_misuse_is_named(rng):
    model, x = small_model(rng)
    with pytest.raises(ValueError, match="target=4: expected an integer below 4"):
        explain.saliency(model, x, 4)
    with pytest.raises(ValueError, match="one for each of the 3 examples"):
        explain.saliency(model, x, [0, 1])
    with pytest.raises(ValueError, match="smooth=-1"):
        explain.saliency(model, x, 0, smooth=-1)
    with pytest.raises(ValueError, match="expected the same shape"):
        explain.draw_saliency(x, x[:2])


def test_pictures_of_images_show_mean_and_largest(rng):
    x, g = rng.standard_normal((2, 5, 6, 3)), rng.standard_normal((2, 5, 6, 3))
    figure = explain.draw_saliency(x, g, example=1)
    left, right = figure.axes[0].images[0].get_array(), figure.axes[1].images[0].get_array()
    np.testing.assert_allclose(left, x[1].mean(axis=-1))
    np.testing.assert_allclose(right, np.abs(g[1]).max(axis=-1))


def test_pictures_of_spectra_mark_the_lines_in_range(rng):
    x = rng.standard_normal((1, 50, 1))
    wavelength = np.linspace(4000, 7000, 50)
    figure = explain.draw_saliency(x, x, coordinate=wavelength, lines={"Ha": 6563, "Lya": 1216})
    top = figure.axes[0]
    assert [text.get_text() for text in top.texts] == ["Ha"]
    np.testing.assert_allclose(top.lines[0].get_xdata(), wavelength)
    assert figure._repr_png_().startswith(b"\x89PNG")
