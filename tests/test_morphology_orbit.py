"""The eight symmetries of a square: every one drawn, and an average that does not care for them."""

import numpy as np
import pytest

from tinygrad_astro.data.augmentation import d4
from tinygrad_astro.morphology.orbit import orbit_mean, turned


def test_every_element_occurs_and_nothing_else(rng):
    image = rng.random((5, 5, 2))
    drawn = turned(np.repeat(image[None], 200, axis=0), rng)
    known = [d4(image, k) for k in range(8)]
    found = [next(k for k in range(8) if np.array_equal(x, known[k])) for x in drawn]
    assert set(found) == set(range(8))


def test_the_average_is_the_same_whichever_way_the_image_lies(rng):
    weight, images = rng.random((6, 6, 2)), rng.random((3, 6, 6, 2))

    def predict(x):
        return np.stack([(x * weight).sum((1, 2, 3)), (x**2 * weight).max((1, 2, 3))], axis=1)

    expected = orbit_mean(predict, images)
    for k in range(8):
        laid = np.stack([d4(image, k) for image in images])
        np.testing.assert_allclose(orbit_mean(predict, laid), expected, rtol=1e-12)
    assert not np.allclose(predict(images), expected)
    by_hand = np.mean([predict(np.stack([d4(i, k) for i in images])) for k in range(8)], axis=0)
    np.testing.assert_allclose(expected, by_hand, rtol=1e-12)


@pytest.mark.parametrize("shape", [(2, 5, 6, 1), (5, 5, 1)])
def test_what_is_not_square_is_refused(shape, rng):
    for call in (lambda x: turned(x, rng), lambda x: orbit_mean(np.mean, x)):
        with pytest.raises(ValueError, match="need images"):
            call(np.zeros(shape))
