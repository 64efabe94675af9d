"""Saliency in the frame of the source: a planted line is found where the redshift puts it."""

import numpy as np
import pytest

from tinygrad_astro import layers
from tinygrad_astro.models import Model
from tinygrad_astro.spectra.classifier import BINS, Classifier
from tinygrad_astro.spectra.saliency import Stack, stack
from tinygrad_astro.spectra.simulate import grid
from tinygrad_astro.spectra.survey import Spectra

GRID = grid(400, 1e-3, 3.56)


def quasars_with_one_line(z, at=1549.1):
    """Flat spectra with one line, at its redshifted place."""
    flux = np.ones((len(z), len(GRID)), np.float32)
    for row, shift in zip(flux, z, strict=True):
        row += 4 * np.exp(-0.5 * ((GRID / (at * (1 + shift)) - 1) / 0.004) ** 2)
    names = np.array([str(i) for i in range(len(z))])
    ivar = np.full(flux.shape, 100.0, np.float32)
    return Spectra(GRID, flux, ivar, np.full(len(z), 2), np.array(z), names)


def detector(kind=2):
    """A network that sums what peaks above 3 in contrast, and calls it a class."""
    given = layers.Input((len(GRID), 3))
    dense = layers.Conv1D(1, 1, activation="relu")
    summed = layers.GlobalAveragePooling1D()(dense(given))
    ends = [layers.Dense(3, use_bias=False)(summed), layers.Dense(BINS)(summed)]
    model = Model(given, ends)
    dense.set_weights([np.array([[[0.0], [1.0], [0.0]]], np.float32), np.array([-2.0], np.float32)])
    row = np.zeros((1, 3), np.float32)
    row[0, kind] = 1.0
    ends[0].node.layer.set_weights([row])
    return Classifier(model, GRID)


def test_the_line_lights_up_at_rest_and_nothing_else():
    found = stack(detector(), quasars_with_one_line([1.6, 2.0, 2.4, 2.9]), "quasar")
    seen = np.isfinite(found.strength)
    centre = np.average(found.wavelength[seen], weights=found.strength[seen])
    assert centre == pytest.approx(1549.1, rel=4e-3)
    lines = found.at_lines()
    assert lines["C IV"] > 20 and max(v for k, v in lines.items() if k != "C IV") < 1
    assert found.objects == 4 and "H alpha" not in lines
    # Where fewer than three spectra reach, nothing is said.
    assert np.isnan(found.strength[0]) and np.isnan(found.flux[0])


def test_the_mean_spectrum_is_stacked_alike():
    found = stack(detector(), quasars_with_one_line([1.6, 2.0, 2.4, 2.9]), "quasar")
    seen = np.isfinite(found.flux)
    assert found.wavelength[seen][found.flux[seen].argmax()] == pytest.approx(1549.1, rel=4e-3)


def test_a_deeper_line_that_speaks_for_a_class_is_negative():
    classifier = detector()
    for layer in classifier.model.layers:
        if isinstance(layer, layers.Dense) and layer.units == 3:
            layer.set_weights([-layer.get_weights()[0]])
    found = stack(classifier, quasars_with_one_line([2.0, 2.1, 2.2]), "quasar")
    assert np.nanmin(found.strength) < -1 and np.nanmax(found.strength) <= 0


def test_lines_by_hand():
    wavelength = np.linspace(1200, 3000, 1801)
    strength = np.full(1801, 0.5)
    strength[np.abs(wavelength / 1549.1 - 1) < 4000 / 299792.458] = -2.0
    found = Stack("quasar", wavelength, strength, strength, 3).at_lines()
    assert found["C IV"] == pytest.approx(4.0) and found["C III]"] == pytest.approx(1.0)


def test_a_class_without_spectra_is_refused():
    with pytest.raises(ValueError, match="no spectrum is of class 'star'"):
        stack(detector(), quasars_with_one_line([2.0]), "star")
