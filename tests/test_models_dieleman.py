"""The network of the Galaxy Zoo challenge: its count by hand, its views one by one."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro.models.dieleman import GalaxyViews, JoinViews, dieleman15


def test_count_by_hand():
    model = dieleman15()
    convolutions = [(6 * 6 * 3 + 1) * 32, (25 * 32 + 1) * 64, (9 * 64 + 1) * 128]
    convolutions += [(9 * 128 + 1) * 128]
    dense = [(16 * 2 * 2 * 128 + 1) * 2 * 2048, (2048 + 1) * 2 * 2048, (2048 + 1) * 37]
    sizes = [layer.count_params() for layer in model.layers if layer.weights]
    assert sizes == convolutions + dense
    assert model.count_params() == sum(sizes) == 42_303_237
    # With a bias for each position, as in the code that won: the 42,377,125 of the challenge.
    positions = 32 * 40**2 + 64 * 16**2 + 128 * 6**2 + 128 * 4**2
    assert 42_303_237 - (32 + 64 + 128 + 128) + positions == 42_377_125
    assert model.output_shape == (None, 37)


def test_upright_views_are_crops_of_turned_images(rng):
    image = rng.standard_normal((1, 9, 9, 2)).astype(np.float32)
    views = GalaxyViews(9, 6)(image).numpy()
    assert views.shape == (16, 6, 6, 2)
    for k in range(4):
        np.testing.assert_array_equal(views[k], np.rot90(image[0], k)[:6, :6])
        mirrored = image[0, :, ::-1]
        np.testing.assert_array_equal(views[4 + k], np.rot90(mirrored, k)[:6, :6])


def test_every_view_has_the_centre_at_the_same_place():
    image = np.zeros((2, 69, 69, 1), np.float32)
    image[1, 34, 34] = 1
    views = GalaxyViews()(image).numpy()
    assert (views[:16] == 0).all()
    at = [np.unravel_index(view.argmax(), view.shape) for view in views[16:]]
    assert set(at) == {(34, 34, 0)}
    np.testing.assert_allclose(views[16:, 34, 34, 0], 1, rtol=1e-6)


def test_turned_views_equal_those_of_scipy(rng):
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(rng.standard_normal((41, 41)), 2).astype(np.float32)
    views = GalaxyViews(25, 15)(smooth[None, :, :, None]).numpy()[..., 0]
    expected = ndimage.rotate(smooth, 45, reshape=False, order=1)[8:33, 8:33]
    for k in range(4):
        np.testing.assert_allclose(views[8 + k], np.rot90(expected, k)[:15, :15], atol=1e-6)
        np.testing.assert_allclose(
            views[12 + k], np.rot90(expected[:, ::-1], k)[:15, :15], atol=1e-6
        )


def test_beyond_the_image_its_edge_is_repeated():
    image = np.full((1, 9, 9, 1), 3.0, np.float32)
    np.testing.assert_allclose(GalaxyViews(9, 6)(image).numpy(), 3, rtol=1e-6)


def test_views_are_linear_with_the_right_adjoint(rng):
    ta.testing.check_adjoint(GalaxyViews(7, 4), rng.standard_normal((2, 9, 9, 2)))


def test_views_of_an_image_are_joined_in_one_row():
    views = np.arange(2 * 16 * 3.0).reshape(32, 1, 1, 3)
    joined = JoinViews()(views).numpy()
    np.testing.assert_array_equal(joined, views.reshape(2, 48))


@pytest.mark.parametrize("shape", [(1, 70, 70, 3), (1, 67, 67, 3), (1, 69, 71, 3)])
def test_images_that_have_no_such_centre_are_refused(shape):
    with pytest.raises(ValueError, match="squares of 69 pixels or of an even number more"):
        GalaxyViews()(np.zeros(shape))


def test_views_that_miss_the_centre_are_refused():
    with pytest.raises(ValueError, match="crops of 34 out of 69"):
        GalaxyViews(69, 34)


def test_quarter_turns_only_permute_what_the_dense_layers_see(rng):
    """A turn of the image by 90 degrees reorders its views, so the features are the same ones."""
    image = rng.random((1, 69, 69, 1)).astype(np.float32)
    views = GalaxyViews()
    seen, turned = views(image).numpy(), views(np.rot90(image, axes=(1, 2)).copy()).numpy()
    np.testing.assert_allclose(turned[[0, 1, 2]], seen[[1, 2, 3]], atol=1e-6)
    np.testing.assert_allclose(turned[[8, 9, 10]], seen[[9, 10, 11]], atol=1e-6)


def test_it_runs_and_its_views_come_back_from_a_file(tmp_path, rng):
    small = ta.Sequential(
        [
            ta.Input((11, 11, 2)),
            GalaxyViews(9, 6),
            ta.layers.Conv2D(3, 3),
            JoinViews(),
            ta.layers.Dense(2),
        ]
    )
    small.compile("sgd", "mse")
    x, y = rng.random((3, 11, 11, 2)), rng.random((3, 2))
    assert np.isfinite(small.train_on_batch(x, y))
    small.save(tmp_path / "views.safetensors")
    again = ta.models.load_model(tmp_path / "views.safetensors")
    np.testing.assert_array_equal(again.predict(x, verbose=0), small.predict(x, verbose=0))
    assert small.predict(x, verbose=0).shape == (3, 2)
