"""The mixture loss against scipy's densities, its gradient against finite differences."""

import math

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro.photoz.losses import NARROWEST, MixtureNegativeLogLikelihood, mixture_of

stats = pytest.importorskip("scipy.stats")


@pytest.fixture
def case(rng):
    return rng.normal(size=(7, 1)), rng.normal(size=(7, 12))


def log_density(y, outputs):
    """Sum the Gaussians one by one."""
    total = []
    for value, row in zip(y[:, 0], outputs, strict=True):
        mean, log_sigma, logit = row[:4], row[4:8], row[8:]
        weight = np.exp(logit) / np.exp(logit).sum()
        sigma = np.maximum(np.exp(log_sigma), NARROWEST)
        parts = [w * stats.norm.pdf(value, m, s) for w, m, s in zip(weight, mean, sigma)]
        total.append(math.log(sum(parts)))
    return np.array(total)


def test_value_against_scipy(case):
    y, outputs = case
    found = MixtureNegativeLogLikelihood(reduction=None)(y, ta.tensor(outputs)).numpy()
    np.testing.assert_allclose(found, -log_density(y, outputs), rtol=1e-12)
    mean = MixtureNegativeLogLikelihood()(y, ta.tensor(outputs)).item()
    assert mean == pytest.approx(-log_density(y, outputs).mean(), rel=1e-12)


def test_gradient(case):
    y, outputs = case
    loss = MixtureNegativeLogLikelihood()
    ta.testing.check_grads(lambda out: loss(y, out), outputs, order=2)


def test_no_gaussian_gets_narrower_than_the_limit():
    outputs = np.array([[0.0, -40.0, 0.0]])
    value = MixtureNegativeLogLikelihood()([[0.0]], ta.tensor(outputs)).item()
    assert value == pytest.approx(-stats.norm.logpdf(0, 0, NARROWEST))
    assert mixture_of(outputs)[2].item() == pytest.approx(NARROWEST)


def test_far_outliers_stay_finite():
    outputs = ta.tensor(
        np.array([[0.0, 1.0, -3.0, -3.0, 0.0, 0.0]], np.float32), requires_grad=True
    )
    loss = MixtureNegativeLogLikelihood()([[1000.0]], outputs)
    loss.backward()
    assert np.isfinite(loss.item()) and np.isfinite(outputs.grad.numpy()).all()


def test_masked_rows_do_not_count(case):
    y, outputs = case
    spoiled_y, spoiled = y.copy(), outputs.copy()
    spoiled_y[2], spoiled[2] = np.nan, 1e30
    mask = np.arange(7) != 2
    loss = MixtureNegativeLogLikelihood()
    a = loss(y, ta.tensor(outputs), mask=mask).item()
    assert a == loss(spoiled_y, ta.tensor(spoiled), mask=mask).item()
    assert a == pytest.approx(-log_density(y, outputs)[mask].mean(), rel=1e-12)


def test_mixture_of_reads_what_the_loss_reads(case):
    weight, mean, sigma = mixture_of(case[1])
    np.testing.assert_allclose(weight.sum(axis=1), 1)
    density = (weight * stats.norm.pdf(case[0], mean, sigma)).sum(axis=1)
    np.testing.assert_allclose(np.log(density), log_density(*case), rtol=1e-12)


@pytest.mark.parametrize(
    "y, shape, text",
    [
        (np.zeros((7, 1)), (7, 4), r"shape \(7, 4\), expected \(N, 3 K\)"),
        (np.zeros((7, 1)), (7, 2, 3), r"shape \(7, 2, 3\)"),
        (np.zeros((6, 1)), (7, 3), r"\(6, 1\) labels for 7 rows"),
    ],
)
def test_shapes_that_do_not_fit(y, shape, text):
    with pytest.raises(ValueError, match=text):
        MixtureNegativeLogLikelihood()(y, ta.tensor(np.zeros(shape)))
