"""Notebooks: in step with their sources, clean, small; the solutions of their exercises hold.

Executing them is `notebooks/run.py`, which `.ci/run` calls.
"""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import signal, special

import tinygrad_astro as ta

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def load(path: Path):
    spec = importlib.util.spec_from_file_location(f"notebook_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def solutions(number: str):
    return load(FOLDER / "solutions" / f"{number}.py")


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


# ---- all notebooks -------------------------------------------------------------------------------


def test_every_source_has_its_notebook_and_none_is_alone():
    sources = {path.stem for path in (FOLDER / "sources").glob("*.md")}
    assert sources == {path.stem for path in NOTEBOOKS}
    assert {name[:2] for name in sources} == {p.stem for p in (FOLDER / "solutions").glob("*.py")}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_what_its_source_says(path):
    built = load(FOLDER / "build.py").cells_of(FOLDER / "sources" / f"{path.stem}.md")
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in read(path)["cells"]]
    assert cells == built, f"run: python notebooks/build.py {path.name[:2]}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_ran_from_top_to_bottom_without_error_or_warning(path):
    code = [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_has_two_exercises_and_names_no_machine(path):
    notebook = read(path)
    text = "".join("".join(cell["source"]) for cell in notebook["cells"])
    exercises = text.partition("## Exercises")[2]
    assert re.findall(r"^\*\*(\d)\. ", exercises, re.MULTILINE) == ["1", "2"]
    outputs = [o for cell in notebook["cells"] for o in cell.get("outputs", ())]
    shown = "".join(str({k: v for k, v in o.get("data", o).items() if k != "image/png"})
                    for o in outputs)  # fmt: skip
    assert not re.search(r"/(home|root|tmp|work|opt|Users|mnt)/|ipykernel", text + shown)


def test_notebooks_are_small():
    assert sum(path.stat().st_size for path in NOTEBOOKS) < 3e6


# ---- 01: the tape --------------------------------------------------------------------------------


def test_magnitude_has_the_right_value_and_two_right_derivatives():
    magnitude = solutions("01").magnitude
    assert magnitude(ta.tensor(100.0)).item() == pytest.approx(-5.0)
    ta.testing.check_grads(magnitude, np.linspace(0.1, 10, 12), order=2)
    assert magnitude(ta.tensor(0.0)).item() == np.inf


def test_newton_finds_the_peak_of_planck_and_of_a_parabola():
    newton = solutions("01").newton
    peak = newton(lambda x: x**3 / ta.ops.expm1(x), 3.0)
    assert peak == pytest.approx(3 + special.lambertw(-3 * np.exp(-3)).real, rel=1e-6)
    assert newton(lambda x: (x - 0.7) ** 2, -5.0) == pytest.approx(0.7, abs=1e-6)


# ---- 02: convolution -----------------------------------------------------------------------------


@pytest.mark.parametrize("f, c_in, c_out", [(5, 3, 32), (1, 7, 2), (3, 1, 1)])
def test_parameters_of_a_convolution_and_a_dense_layer_are_those_that_layers_have(f, c_in, c_out):
    answers = solutions("02")
    layer = ta.layers.Conv2D(c_out, f)
    layer.build((None, 9, 9, c_in))
    assert answers.conv_parameters(f, c_in, c_out) == layer.count_params()
    layer = ta.layers.Dense(c_out)
    layer.build((None, c_in))
    assert answers.dense_parameters(c_in, c_out) == layer.count_params()


def test_the_published_classifier_has_2602849_parameters():
    assert solutions("02").dominguez_sanchez_total() == 2_602_849


def test_find_stars_finds_the_true_stars_and_little_else():
    sky = ta.data.simulate.field(
        (120, 100), n_sources=16, bands="r", seed=0, star_fraction=1.0, blend_fraction=0.0
    )
    moffat = sky.camera.kernels[..., 0]
    middle = len(moffat) // 2
    spot = moffat[middle - 5 : middle + 6, middle - 5 : middle + 6]
    noise = np.sqrt(400.0 + 25.0)
    found = solutions("02").find_stars(sky.image[..., 0], spot, noise)
    truth = np.stack([sky.catalogue["y"], sky.catalogue["x"]], axis=1)
    apart = np.linalg.norm(found[:, None] - truth[None], axis=-1)
    bright = sky.catalogue["snr"] > 15
    assert bright.sum() >= 5  # and no two of them touch
    assert (apart.min(axis=0)[bright] < 1.5).all()
    assert (apart.min(axis=1) < 3).mean() > 0.9


# ---- 03: pooling and a first CNN -----------------------------------------------------------------


@pytest.mark.parametrize("how", ["max", "average", "sum", "L2"])
def test_pool_by_reshape_equals_the_op(how):
    x = np.random.default_rng(0).standard_normal((2, 6, 9, 4))
    op = {"max": ta.ops.max_pool, "average": ta.ops.average_pool, "sum": ta.ops.sum_pool}
    expected = op.get(how, ta.ops.l2_pool)(x, 3).numpy()
    np.testing.assert_allclose(solutions("03").pool(x, 3, how), expected, rtol=1e-12)


def test_occlusion_blames_the_squares_that_cover_what_the_model_looks_at():
    class Looks:
        """Probability of kind 1: the value of pixel (4, 7)."""

        def predict(self, x, verbose):
            return np.stack([1 - x[:, 4, 7, 0], x[:, 4, 7, 0]], axis=1)

    drop = solutions("03").occlusion(Looks(), np.full((10, 12, 1), 0.75), 1, size=3)
    expected = np.zeros((8, 10))
    expected[2:5, 5:8] = 0.75
    np.testing.assert_array_equal(drop, expected)


# ---- 04: going deep ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 3), (5, 4, 6, 3)])
def test_batch_norm_by_hand_equals_the_layer_in_output_and_moving_statistics(rng, shape):
    x = rng.normal(3, 2, shape).astype(np.float32)
    layer = ta.layers.BatchNormalization(momentum=0.8, epsilon=0.01)
    layer.build(x.shape)
    layer.set_weights([rng.random(3, np.float32) for _ in range(4)])
    before = layer.get_weights()
    expected = layer(x, training=True).numpy()
    found = solutions("04").batch_norm(x, *before, momentum=0.8, epsilon=0.01)
    for ours, theirs in zip(found, (expected, *layer.get_weights()[2:])):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_stack_of_residual_blocks_does_nothing_but_relu_at_the_start(rng):
    given = ta.Input((8, 8, 4))
    y = given
    for _ in range(3):
        y = solutions("04").residual_block(y, 4)
    x = rng.standard_normal((2, 8, 8, 4)).astype(np.float32)
    for training in (False, True):
        out = ta.Model(given, y)(x, training=training).numpy()
        np.testing.assert_array_equal(out, np.maximum(x, 0))
    smaller = ta.Model(given, solutions("04").residual_block(given, 6, strides=2))
    assert smaller.output_shape == (None, 4, 4, 6)


# ---- 05: galaxy morphology -----------------------------------------------------------------------


def test_asking_eight_times_equals_the_library_and_needs_the_flips(rng):
    from tinygrad_astro.morphology.orbit import orbit_mean

    weight, images = rng.random((5, 5, 2)), rng.random((3, 5, 5, 2))

    def predict(x):
        return (x * weight).max((1, 2))

    ask_eight = solutions("05").ask_eight
    expected = orbit_mean(predict, images)
    np.testing.assert_allclose(ask_eight(predict, images), expected, rtol=1e-12)
    np.testing.assert_allclose(ask_eight(predict, images[:, ::-1]), expected, rtol=1e-12)


def test_temperature_finds_the_one_that_spoiled_the_logits(rng):
    logits = 2 * rng.standard_normal((20_000, 4))
    share = special.softmax(logits, axis=1)
    labels = (rng.random((20_000, 1)) > share.cumsum(axis=1)).sum(axis=1).clip(max=3)
    temperature = solutions("05").temperature
    for spoiled in (0.4, 1.0, 3.0):
        assert temperature(logits * spoiled, labels) == pytest.approx(spoiled, rel=0.05)


# ---- 06: photometric redshifts -------------------------------------------------------------------


def test_pit_of_bins_equals_the_library_below_within_and_above_the_bins(rng):
    from tinygrad_astro.photoz.metrics import pit
    from tinygrad_astro.photoz.pdf import from_bins

    share = rng.dirichlet(np.ones(6), 40)
    edges = np.sort(rng.random(7))
    z = rng.uniform(-0.2, 1.2, 40)
    z[:3] = edges[0], edges[3], edges[-1]
    expected = pit(from_bins(share, edges), z)
    np.testing.assert_allclose(solutions("06").pit_of_bins(share, edges, z), expected, atol=1e-12)


def test_crps_of_a_sample_is_the_area_between_its_steps_and_that_of_the_truth(rng):
    x, z = rng.random((5, 9)), rng.random(5)
    grid = np.linspace(-0.5, 1.5, 400_001)
    below = np.stack([np.searchsorted(np.sort(row), grid, "right") for row in x]) / 9
    area = np.square(below - (grid >= z[:, None])).sum(axis=1) * (grid[1] - grid[0])
    found = solutions("06").crps_of_sample(x, z)
    np.testing.assert_allclose(found, area, atol=2e-5)
    one = solutions("06").crps_of_sample(x[:, :1], z)
    np.testing.assert_allclose(one, np.abs(x[:, 0] - z))


# ---- 07: sizes and bulges ------------------------------------------------------------------------


def test_coverage_counts_the_central_part():
    pits = np.linspace(0, 1, 1001)
    assert solutions("07").coverage(pits, 0.6827) == pytest.approx(0.6827, abs=2e-3)
    assert solutions("07").coverage([0.02, 0.5, 0.9], 0.9) == pytest.approx(2 / 3)


def test_half_light_is_what_the_profile_was_drawn_with():
    from tinygrad_astro.data.sky.profiles import Sersic, draw_profile

    image = draw_profile((301, 301), Sersic(9.0, 1.0), 150.3, 149.6, 0.5, 40.0)
    found = solutions("07").half_light(image, 150.3, 149.6, 0.5, 40.0)
    assert found == pytest.approx(9.0, rel=0.01)


# ---- 08: beyond classification -------------------------------------------------------------------


@pytest.mark.parametrize("size, stride", [(3, 1), (3, 2), (4, 2), (2, 2)])
def test_stamps_add_up_to_the_transposed_convolution_and_to_the_full_one(rng, size, stride):
    x, kernel = rng.standard_normal((3, 5)), rng.standard_normal((size, size))
    out = solutions("08").stamp(x, kernel, stride)
    ours = ta.ops.conv_transpose(x[None, ..., None], kernel[..., None, None], strides=stride)
    np.testing.assert_allclose(out, ours.numpy()[0, ..., 0], rtol=1e-12, atol=1e-12)
    if stride == 1:
        np.testing.assert_allclose(out, signal.convolve2d(x, kernel, "full"), atol=1e-12)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_bilinear_kernel_interpolates_away_from_the_border(rng, factor):
    x = rng.standard_normal((1, 6, 7, 1))
    kernel = solutions("08").bilinear_kernel(factor)[..., None, None]
    raised = ta.ops.conv_transpose(x, kernel, strides=factor, padding="same").numpy()
    expected = ta.ops.upsample(x, factor, interpolation="bilinear").numpy()
    inside = np.s_[:, factor:-factor, factor:-factor]
    np.testing.assert_allclose(raised[inside], expected[inside], rtol=1e-12, atol=1e-12)


# ---- 09: spectra ---------------------------------------------------------------------------------


def test_wider_pixels_equal_the_library_and_masked_ones_do_not_count():
    from tinygrad_astro.spectra.simulate import simulate

    spectra = simulate(2, seed=3)
    spectra.ivar[0, 100:103], spectra.ivar[1, 49:56] = 0, 0
    spectra.flux[spectra.ivar == 0] = np.nan
    expected = spectra.rebinned(7)
    for k in range(2):
        flux, ivar = solutions("09").rebin(spectra.flux[k], spectra.ivar[k], 7)
        np.testing.assert_allclose(flux, expected.flux[k], rtol=1e-5)
        np.testing.assert_allclose(ivar, expected.ivar[k], rtol=1e-5)
    assert ivar[7] == flux[7] == 0


@pytest.mark.parametrize("shift", [0, 37, 120])
def test_best_shift_finds_a_planted_shift_through_noise_and_spoiled_pixels(rng, shift):
    template = rng.random(320) + 3 * (rng.random(320) < 0.05)
    sigma = rng.uniform(0.2, 1.0, 200)
    flux = 2.5 * template[shift : shift + 200] + sigma * rng.standard_normal(200)
    ivar = np.where(rng.random(200) < 0.2, 0, 1 / sigma**2)
    flux[ivar == 0] = np.resize([np.nan, np.inf, -np.inf, 1e30], (ivar == 0).sum())
    assert solutions("09").best_shift(flux, ivar, template) == shift


# ---- 10: one kernel three ways -------------------------------------------------------------------


def test_max_pool_kernel_equals_the_op_and_lets_nan_through():
    x = np.random.default_rng(0).standard_normal((2, 6, 4, 3))
    x[0, 0, 1, 2] = x[1, 5, 3, 0] = np.nan
    out = np.empty((2, 3, 2, 3))
    solutions("10").max_pool(out, x, 2)
    np.testing.assert_array_equal(out, ta.ops.max_pool(x, 2).numpy())
    assert np.isnan(out).sum() == 2


def test_gathered_input_gradient_equals_the_pullback_of_the_op():
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((2, 7, 6, 3)), rng.standard_normal((3, 2, 3, 4))
    y, pullback = ta.vjp(lambda x: ta.ops.conv(x, w), x)
    g = rng.standard_normal(y.shape)
    out = np.empty_like(x)
    solutions("10").conv_input_grad(out, g, w)
    np.testing.assert_allclose(out, pullback(g)[0].numpy(), rtol=1e-12, atol=1e-12)
