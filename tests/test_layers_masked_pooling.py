"""Pooling of valid pixels beside NumPy's functions of the chosen pixels."""

import numpy as np
import pytest

from tinygrad_astro import layers

POOLS = ["MaskedMaxPooling", "MaskedAveragePooling"]


def sample(rng, shape, channels=1, share=0.6):
    x = rng.normal(size=shape).astype(np.float32)
    return x, rng.random((*shape[:-1], channels)) < share


@pytest.mark.parametrize("name, function", [*zip(POOLS, [np.max, np.mean], strict=True)])
@pytest.mark.parametrize("channels", [1, 2])
def test_pooling_takes_valid_pixels_only(rng, name, function, channels):
    x, valid = sample(rng, (2, 6, 8, 2), channels, share=0.4)
    y, seen = getattr(layers, name + "2D")(2)(np.where(valid, x - 5, np.nan), valid)
    good = np.broadcast_to(valid, x.shape)
    for b, i, j, c in np.ndindex(*y.shape):
        window = (b, slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2), c)
        inside = x[window][good[window]] - 5
        assert bool(seen.numpy()[b, i, j, min(c, channels - 1)]) == bool(inside.size)
        expected = function(inside) if inside.size else 0.0
        assert y.numpy()[b, i, j, c] == pytest.approx(expected, rel=1e-5)


def test_global_pooling_takes_valid_pixels_only(rng):
    x, valid = sample(rng, (3, 7, 4), 4)
    valid[1, :, 2] = False
    hidden = np.where(valid, x, 1e30)
    chosen = np.ma.masked_array(x, ~valid)
    mean = layers.MaskedGlobalAveragePooling1D()(hidden, valid).numpy()
    most = layers.MaskedGlobalMaxPooling1D()(hidden, valid).numpy()
    np.testing.assert_allclose(mean, chosen.mean(axis=1).filled(0), rtol=1e-5)
    np.testing.assert_array_equal(most, chosen.max(axis=1).filled(0))
