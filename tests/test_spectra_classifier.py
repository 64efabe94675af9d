"""The classifier: redshifts read off bins, grids that must fit, one file that holds it all."""

from dataclasses import replace

import numpy as np
import pytest

from tinygrad_astro.models import Sequential
from tinygrad_astro.photoz.networks import perceptron
from tinygrad_astro.spectra.classifier import (
    BINS,
    Classifier,
    fitted,
    load,
    redshift_bins,
    softmax,
    verdict,
)
from tinygrad_astro.spectra.networks import line_net
from tinygrad_astro.spectra.simulate import grid, simulate


@pytest.fixture(scope="module")
def classifier():
    model = line_net(94, 3, {"class": 3, "redshift": BINS}, 8, blocks=((4, 5, 4), (4, 3, 4)))
    return Classifier(model, grid(94, 5e-3, 3.5522))


def test_a_sharp_answer_gives_its_redshift():
    z = np.array([0.01, 0.5, 2.345, 5.0])
    bins = redshift_bins()
    said = verdict(np.tile([0.1, 0.1, 0.8], (4, 1)), bins.labels(np.log1p(z)))
    np.testing.assert_allclose(said.redshift, z, atol=0.003 * (1 + z).max())
    assert (said.label == 2).all() and (said.spread > 0).all()


def test_a_second_peak_does_not_pull_the_first():
    bins = redshift_bins()
    near, far = bins.labels(np.log1p([1.0, 3.0]))
    said = verdict(np.array([[0.0, 0.0, 1.0]]), (0.6 * near + 0.4 * far)[None])
    assert said.redshift[0] == pytest.approx(1.0, abs=0.01)
    assert said.spread[0] > 0.3


def test_stars_stand_still():
    said = verdict(np.array([[0.9, 0.1, 0.0]]), np.full((1, BINS), 1 / BINS))
    assert said.redshift[0] == 0 and said.spread[0] == 0


def test_softmax_against_its_definition(rng):
    logits = rng.normal(size=(3, 4))
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(logits + 1000), expected)


def test_finer_spectra_are_rebinned_and_others_refused():
    native = simulate(2, wavelength=10 ** (3.55 + 1e-4 * np.arange(4700)))
    np.testing.assert_array_equal(fitted(native, grid()).flux, native.rebinned(5).flux)
    same = simulate(2)
    np.testing.assert_array_equal(fitted(same, grid()).flux, same.rebinned(1).flux)
    with pytest.raises(ValueError, match="200 pixels from 3981.1 .* the network's 940"):
        fitted(simulate(1, wavelength=grid(200, 5e-4, 3.6)), grid())


def test_a_model_file_gives_the_same_verdict(classifier, tmp_path):
    spectra = simulate(5, wavelength=classifier.wavelength)
    classifier.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    np.testing.assert_allclose(again.wavelength, classifier.wavelength)
    first, second = classifier.classify(spectra), again.classify(spectra)
    np.testing.assert_array_equal(first.probability, second.probability)
    np.testing.assert_array_equal(first.redshift, second.redshift)
    other: Sequential = perceptron(3, 1)
    other.save(tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="a model for None, expected 'spectra'"):
        load(tmp_path / "other.safetensors")


@pytest.mark.parametrize("junk", [np.nan, np.inf, 1e30])
def test_dead_pixels_change_no_verdict(classifier, junk):
    spectra = simulate(4, seed=6, wavelength=classifier.wavelength)
    flux = spectra.flux.copy()
    flux[spectra.ivar == 0] = junk
    clean, spoiled = (classifier.classify(s) for s in (spectra, replace(spectra, flux=flux)))
    np.testing.assert_array_equal(clean.probability, spoiled.probability)
    np.testing.assert_array_equal(clean.redshift, spoiled.redshift)
