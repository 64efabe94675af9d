"""Asteroids: groups of classes, spectra with the bands of their minerals, inputs by hand."""

import numpy as np
import pytest

from tinygrad_astro.spectra.asteroids import (
    GROUPS,
    NAMES,
    Reflectance,
    group_of,
    network_inputs,
    read_asteroids,
    simulate_asteroids,
)


def test_no_class_is_in_two_groups():
    classes = [name for members in GROUPS.values() for name in members]
    assert len(classes) == len(set(classes))
    assert [NAMES[group_of(c)] for c in ("S", "Cb ", "T", "Xk", "L", "Q", "A")] == list("SCDXKQV")
    assert group_of("U") == -1


def test_asteroids_depend_on_seed_and_number_alone():
    whole, tail = simulate_asteroids(10, seed=2), simulate_asteroids(3, seed=2, start=7)
    np.testing.assert_array_equal(whole.reflectance[7:], tail.reflectance)
    assert whole.identifier[7:].tolist() == tail.identifier.tolist()
    at = np.abs(whole.wavelength - 550).argmin()
    np.testing.assert_allclose(whole.reflectance[:, at], 1, atol=0.03)


def test_bands_of_pyroxene_are_deep_in_v_and_absent_in_d():
    made = simulate_asteroids(400, seed=1)

    def band(group):
        mean = made.reflectance[made.group == NAMES.index(group)].mean(axis=0)
        at = {nm: np.abs(made.wavelength - nm).argmin() for nm in (740, 940, 1300)}
        return 1 - mean[at[940]] / (0.5 * (mean[at[740]] + mean[at[1300]]))

    assert band("V") > 0.3 > band("S") > 0.08 > abs(band("D"))


def test_files_are_read_and_the_unusual_left_out(tmp_path):
    path = tmp_path / "asteroids.npz"
    spectra = np.ones((3, 5), ">f4") * [[1], [2], [3]]
    np.savez(
        path,
        spectra=spectra.astype(">f4"),
        wavelength_nm=np.arange(5.0),
        taxonomy=np.array(["S", "U", "Cgh"]),
        asteroid=np.array(["1", "2", "3"]),
    )
    found = read_asteroids(path)
    assert found.identifier.tolist() == ["1", "3"] and found.reflectance[:, 0].tolist() == [1, 3]
    assert [NAMES[g] for g in found.group] == ["S", "C"]


def test_inputs_by_hand(rng):
    sample = simulate_asteroids(3)
    x = network_inputs(sample).astype(np.float64)
    np.testing.assert_allclose(x[..., 0], (sample.reflectance - 1) / 0.3, atol=1e-5)
    for n in range(3):
        slope, level = np.polyfit(sample.wavelength, sample.reflectance[n].astype(float), 1)
        expected = 10 * (sample.reflectance[n] - slope * sample.wavelength - level)
        np.testing.assert_allclose(x[n, :, 1], expected, atol=1e-4)


def test_what_is_no_sample_is_refused():
    good = simulate_asteroids(3)
    with pytest.raises(ValueError, match=r"shape \(3, 400\), expected \(3, 401\)"):
        Reflectance(good.wavelength, good.reflectance[:, 1:], good.group, good.identifier)
    with pytest.raises(ValueError, match="occurs more than once"):
        good[[0, 0]]
    spoiled = good.reflectance.copy()
    spoiled[1, 7] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        Reflectance(good.wavelength, spoiled, good.group, good.identifier)
