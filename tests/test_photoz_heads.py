"""Heads: labels and densities that belong together, and that JSON can hold."""

import json

import numpy as np
import pytest

from tinygrad_astro.photoz.heads import Bins, Mixture, head_from


@pytest.fixture
def redshift(rng):
    return rng.uniform(0.1, 0.7, 500)


def test_a_mixture_that_says_the_label_gives_a_density_there(redshift):
    head = Mixture.fit(redshift, 3)
    y = head.labels(redshift)
    assert y.mean() == pytest.approx(0, abs=1e-6) and y.std() == pytest.approx(1, rel=1e-5)
    outputs = np.concatenate([np.repeat(y, 3, axis=1), np.full((500, 3), -3.0), 0 * y, y, -y], 1)
    pdf = head.pdf(outputs)
    np.testing.assert_allclose(pdf.median, redshift, atol=0.01)
    np.testing.assert_allclose(pdf.sigma, np.exp(-3) * redshift.std(), rtol=0.3)
    assert pdf.grid[0] < redshift.min() and pdf.grid[-1] > redshift.max()


def test_bins_that_say_the_label_give_a_density_there(redshift):
    head = Bins.fit(redshift, 60)
    labels = head.labels(redshift)
    assert labels.shape == (500, 60) and labels.dtype == np.float32
    np.testing.assert_allclose(labels.sum(axis=1), 1, rtol=1e-5)
    width = head.edges[1] - head.edges[0]
    np.testing.assert_array_equal(
        labels.argmax(axis=1), ((redshift - head.low) / width).astype(int)
    )
    pdf = head.pdf(np.log(labels + 1e-12))
    np.testing.assert_allclose(pdf.mean, redshift, atol=0.1 * width)


def test_a_label_beyond_the_bins_goes_to_the_last(redshift):
    head = Bins.fit(redshift, 60)
    assert head.labels(np.array([9.0]))[0].argmax() == 59
    assert head.labels(np.array([-9.0]))[0].argmax() == 0


def test_heads_travel_as_json(redshift):
    for head in (Mixture.fit(redshift, 3), Bins.fit(redshift, 60)):
        assert head_from(json.loads(json.dumps(head.to_dict()))) == head
    with pytest.raises(ValueError, match="unknown head 'spline', expected one of mixture, bins"):
        head_from({"head": "spline"})
