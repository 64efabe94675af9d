"""Spectra: rebinning against loops, masks that hold, files read, objects kept apart."""

import numpy as np
import pytest

from tinygrad_astro.spectra.survey import Spectra, check_apart, folds, read_boss


def make(n=4, pixels=12, seed=0):
    rng = np.random.default_rng(seed)
    flux, ivar = rng.normal(1, 0.3, (n, pixels)), rng.uniform(0.5, 2, (n, pixels))
    names = np.array([f"{seed}-{i}" for i in range(n)])
    grid = 10 ** (3.55 + 1e-4 * np.arange(pixels))
    return Spectra(grid, flux, ivar, rng.integers(0, 3, n), rng.uniform(0, 3, n), names)


def test_rebinning_against_a_loop():
    spectra = make(pixels=14)
    spectra.ivar[0, 2] = 0.0
    spectra.flux[1, 4:8] = np.nan
    made = spectra.rebinned(4)
    assert made.flux.shape == (4, 3) and made.flux.dtype == np.float32
    for n in range(4):
        for k in range(3):
            above = below = 0.0
            for i in range(4 * k, 4 * k + 4):
                if spectra.ivar[n, i] > 0 and np.isfinite(spectra.flux[n, i]):
                    above += spectra.flux[n, i] * spectra.ivar[n, i]
                    below += spectra.ivar[n, i]
            assert made.ivar[n, k] == pytest.approx(below, rel=1e-6)
            assert made.flux[n, k] == pytest.approx(above / below if below else 0.0, rel=1e-6)
    logs = np.log10(spectra.wavelength[:12]).reshape(3, 4).mean(axis=1)
    np.testing.assert_allclose(np.log10(made.wavelength), logs)


def test_rebinning_keeps_signal_to_noise(rng):
    spectra = make(400, 40)
    spectra.ivar[:] = 4.0
    spectra.flux[:] = 1 + 0.5 * rng.standard_normal(spectra.flux.shape)
    made = spectra.rebinned(8)
    pull = (made.flux - 1) * np.sqrt(made.ivar)
    assert pull.std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("junk", [np.nan, np.inf, -np.inf, 1e30])
def test_what_a_dead_pixel_holds_never_matters(junk):
    clean, spoiled = make(), make()
    for one, value in ((clean, 0.0), (spoiled, junk)):
        one.ivar[:, 5] = 0.0
        one.flux[:, 5] = value
    np.testing.assert_array_equal(clean.rebinned(3).flux, spoiled.rebinned(3).flux)
    np.testing.assert_array_equal(clean.good, spoiled.good & np.isfinite(clean.flux))
    assert not spoiled.good[:, 5].any()


def test_rebinning_by_too_much_is_refused():
    for factor in (0, 13):
        with pytest.raises(ValueError, match=f"12 pixels by {factor}: .* from 1 to 12"):
            make().rebinned(factor)


def boss_file(path, classes=(1, 3, 4, 30, 99)):
    n, rng = len(classes), np.random.default_rng(1)
    ivar = rng.uniform(0, 1, (n, 20)).astype(">f4")
    np.savez(
        path,
        wavelength=(10 ** (3.55 + 1e-4 * np.arange(20))).astype(">f4"),
        flux=rng.normal(size=(n, 20)).astype(">f4"),
        ivar=ivar,
        plate=np.full(n, 7102),
        mjd=np.full(n, 56666),
        fiber=np.arange(n),
        vi_class=np.array(classes, np.int16),
        vi_z=np.linspace(0, 2, n),
        pipe_class=np.array(["STAR", "QSO", "GALAXY", "QSO", "STAR"][:n]),
        pipe_z=np.linspace(0, 1, n),
    )
    return path


def test_files_give_labels_by_eye_or_by_pipeline(tmp_path):
    path = boss_file(tmp_path / "boss.npz")
    seen = read_boss(path)
    assert seen.label.tolist() == [0, 2, 1, 2, -1]
    assert seen.identifier.tolist() == [f"7102-56666-{i}" for i in range(5)]
    assert seen.flux.dtype.isnative and seen.redshift[-1] == 2.0
    told = read_boss(path, "pipeline")
    assert told.label.tolist() == [0, 2, 1, 2, 0] and told.redshift[-1] == 1.0
    with pytest.raises(ValueError, match="labels='votes', expected inspected or pipeline"):
        read_boss(path, "votes")


def test_what_is_no_survey_is_refused():
    good = make()
    with pytest.raises(ValueError, match=r"ivar has shape \(4, 11\), expected \(4, 12\)"):
        Spectra(
            good.wavelength, good.flux, good.ivar[:, 1:], good.label, good.redshift, good.identifier
        )
    with pytest.raises(ValueError, match="equal steps of their logarithm"):
        linear = np.linspace(3500, 9000, 12)
        Spectra(linear, good.flux, good.ivar, good.label, good.redshift, good.identifier)
    with pytest.raises(ValueError, match="occurs more than once"):
        good[[0, 1, 1]]


def test_folds_hold_each_class_evenly_and_every_object_once():
    label = np.repeat([0, 1, 2], [26, 5, 52])
    made = folds(label, 5, seed=3)
    for kind in range(3):
        sizes = np.bincount(made[label == kind], minlength=5)
        assert sizes.max() - sizes.min() <= 1
    sizes = np.bincount(made)
    assert len(sizes) == 5 and sizes.max() - sizes.min() <= 1
    assert (folds(label, 5, seed=4) != made).any()
    with pytest.raises(ValueError, match="3 objects in 5 folds"):
        folds(label[:3], 5)


def test_shared_objects_are_refused():
    check_apart(make(seed=1), make(seed=2))
    with pytest.raises(ValueError, match="2 objects are in .* the first of them '0-2'"):
        check_apart(make()[:4], make(6)[2:])


@pytest.mark.realdata
def test_the_survey_file_has_what_its_readme_says(survey_data):
    found = read_boss(survey_data / "spectra" / "boss_plate7102_open.npz")
    assert np.bincount(found.label).tolist() == [26, 5, 52]
    assert found.flux.shape == (83, 4700) and 0.97 < found.good.mean() < 0.99
    assert np.isnan(found.flux[~found.good]).any()
