"""Profile fits: the fast renderer against astropy and our exact one; known galaxies come back."""

import numpy as np
import pytest

from tinygrad_astro.data.sky.profiles import Sersic, draw_profile
from tinygrad_astro.data.sky.psf import convolve
from tinygrad_astro.sizes.fitting import MODELS, fit
from tinygrad_astro.sizes.quantities import QUANTITIES
from tinygrad_astro.sizes.rendering import Renderer
from tinygrad_astro.sizes.sky import draw_psf, simulate

PSF = draw_psf(3.0)


def ellipticity(ratio, angle):
    strength, turn = (1 - ratio) / (1 + ratio), 2 * np.radians(angle)
    return strength * np.cos(turn), strength * np.sin(turn)


@pytest.mark.parametrize(
    "radius, n, within", [(3.0, 4.0, 5e-3), (6.0, 1.0, 5e-4), (1.5, 2.3, 3e-3)]
)
def test_renderer_equals_the_exact_integral(radius, n, within):
    exact = convolve(draw_profile((70, 70), Sersic(radius, n), 35.1, 34.3, 0.6, 25.0), PSF)
    fast = Renderer(40, PSF)(0.6, -0.2, *ellipticity(0.6, 25.0), np.log(radius), n)
    np.testing.assert_allclose(fast, exact[15:-15, 15:-15], atol=within * exact.max())


def test_renderer_draws_what_astropy_says():
    modeling = pytest.importorskip("astropy.modeling.models")
    y, x = np.mgrid[:41, :41]
    sersic = modeling.Sersic2D(1, 4.0, 1.0, 20.3, 19.8, 1 - 0.7, np.radians(50.0))(x, y)
    ours = Renderer(41, np.ones((1, 1)))(0.3, -0.2, *ellipticity(0.7, 50.0), np.log(4.0), 1.0)
    ratio = (ours / sersic)[np.hypot(x - 20, y - 20) > 10]
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=0.03)  # theirs is not over the pixel


def test_a_bright_single_profile_comes_back():
    model = draw_profile((70, 70), Sersic(4.0, 2.0), 35.3, 34.9, 0.5, 60.0)
    image = 3e6 * convolve(model, PSF)[15:-15, 15:-15]
    rng = np.random.default_rng(0)
    found = fit(image + np.sqrt(image + 425) * rng.standard_normal(image.shape), PSF, 425.0)
    assert found.values["half_light_radius"] == pytest.approx(4.0, rel=0.02)
    assert found.values["axis_ratio"] == pytest.approx(0.5, rel=0.02)
    assert np.isnan(found.values["bulge_fraction"]) and found.drawn > 10
    assert 0.8 < found.chi2 < 1.3 and 0 < found.errors["half_light_radius"] < 0.02


def test_bulges_and_discs_come_back_within_their_errors():
    sample = simulate(12, seed=4, radius=(4, 7), fwhm=(1.5, 2.5), snr=(600, 900))
    sample = sample[(np.abs(sample.truth["bulge_fraction"] - 0.5) < 0.4)]
    fits = [fit(i, p, 425.0, "bulge and disc") for i, p in zip(sample.images(), sample.psfs)]
    for q in QUANTITIES:
        found, error = (
            np.array([getattr(one, what)[q.name] for one in fits]) for what in ("values", "errors")
        )
        off = np.abs(q.residual(found, sample.truth[q.name]))
        assert np.median(off) < (0.25 if q.name == "bulge_radius" else 0.08), q.name
        assert np.median(off / error) < 2.5, q.name


def test_masked_and_missing_pixels_do_not_count():
    sample = simulate(1, seed=2, radius=(3, 4), snr=(200, 201))
    image, mask = sample.images()[0], np.zeros((48, 48), bool)
    mask[2:8, 2:8] = True
    spoiled = image.copy()
    spoiled[mask] = 1e6
    holes = np.where(mask, np.nan, image)
    first = fit(spoiled, sample.psfs[0], 425.0, mask=mask)
    second = fit(holes, sample.psfs[0], 425.0)
    assert first.values == second.values
    assert first.values["half_light_radius"] == pytest.approx(
        sample.truth["half_light_radius"][0], rel=0.2
    )


def test_mistakes_are_named():
    image = np.zeros((24, 24))
    with pytest.raises(ValueError, match="unknown model 'king'.*sersic, bulge and disc"):
        fit(image, PSF, 1.0, "king")
    with pytest.raises(ValueError, match="0 pixels are left to fit"):
        fit(image * np.nan, PSF, 1.0)
    assert MODELS[0] == "sersic"
