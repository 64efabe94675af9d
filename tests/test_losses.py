import math
import warnings

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import losses
from tinygrad_astro.losses.softmax import softmax_cross_entropy

GARBAGE = [np.nan, np.inf, -np.inf, 1e30]


def probabilities(rng, *shape):
    values = rng.random(shape) + 0.05
    return values / values.sum(axis=-1, keepdims=True)


def one_hot(rng, *shape):
    return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]


def case(name, rng, shape=(3, 4, 5, 3)):
    """Give (loss, y_true, y_pred) for float64 data of `shape`."""
    truth, pred = rng.normal(size=shape), rng.normal(size=shape)
    soft, hard = probabilities(rng, *shape), one_hot(rng, *shape)
    numbers = hard.argmax(axis=-1)
    return {
        "mse": (losses.MeanSquaredError(), truth, pred),
        "mae": (losses.MeanAbsoluteError(), truth, pred),
        "huber": (losses.Huber(0.7), truth, pred),
        "log_cosh": (losses.LogCosh(), truth, pred),
        "poisson": (losses.Poisson(), np.abs(truth), np.exp(pred)),
        "gaussian": (
            losses.GaussianNegativeLogLikelihood(full=True),
            truth,
            np.concatenate([pred, truth / 2], axis=-1),
        ),
        "bce": (losses.BinaryCrossentropy(), hard, soft),
        "bce_logits": (losses.BinaryCrossentropy(True, 0.1), soft, pred),
        "cce": (losses.CategoricalCrossentropy(), hard, soft),
        "cce_logits": (losses.CategoricalCrossentropy(True, 0.1), soft, pred),
        "scce": (losses.SparseCategoricalCrossentropy(), numbers, soft),
        "scce_logits": (losses.SparseCategoricalCrossentropy(True), numbers, pred),
        "binary_focal": (losses.BinaryFocalCrossentropy(True, 0.3), hard, soft),
        "binary_focal_logits": (losses.BinaryFocalCrossentropy(from_logits=True), soft, pred),
        "focal": (losses.CategoricalFocalCrossentropy([0.1, 0.2, 0.7]), hard, soft),
        "focal_logits": (losses.CategoricalFocalCrossentropy(from_logits=True), numbers, pred),
        "dice": (losses.Dice(), hard, soft),
        "dice_logits": (losses.Dice(axis=(0, 1, 2), from_logits=True), numbers, pred),
        "jaccard": (losses.Jaccard(axis=(1, 2)), hard, soft),
        "tversky": (losses.Tversky(0.3, 0.7, axis=(1, 2, 3)), hard, soft),
    }[name]


NAMES = """mse mae huber log_cosh poisson gaussian bce bce_logits cce cce_logits scce scce_logits
binary_focal binary_focal_logits focal focal_logits dice dice_logits jaccard tversky""".split()


def value_and_grad(loss, y_true, y_pred, **kwargs):
    y_pred = ta.tensor(np.asarray(y_pred), requires_grad=True)
    out = loss(y_true, y_pred, **kwargs)
    out.backward()
    return out.numpy().copy(), y_pred.grad.numpy().copy()


@pytest.mark.parametrize("name", NAMES)
def test_gradient_is_that_of_finite_differences(name, rng):
    loss, y_true, y_pred = case(name, rng, (2, 2, 2, 3))
    weight = rng.random((2, 2, 2)) + 0.5
    mask = np.ones((2, 2, 2), bool)
    mask[0, 1] = False
    _, gradient = value_and_grad(loss, y_true, y_pred, sample_weight=weight, mask=mask)
    step, numeric = 1e-6, np.zeros_like(y_pred)
    for index in np.ndindex(y_pred.shape):
        moved = []
        for sign in (1, -1):
            shifted = y_pred.copy()
            shifted[index] += sign * step
            moved.append(float(loss(y_true, ta.tensor(shifted), weight, mask)))
        numeric[index] = (moved[0] - moved[1]) / (2 * step)
    np.testing.assert_allclose(gradient, numeric, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("how", ["mask", "weight"])
@pytest.mark.parametrize("name", NAMES)
def test_what_masked_cells_hold_changes_no_bit_of_value_or_gradient(name, how, rng):
    loss, y_true, y_pred = case(name, rng)
    mask = rng.random((3, 4, 5)) > 0.4
    kwargs = {"mask": mask} if how == "mask" else {"sample_weight": np.where(mask, 1.5, 0.0)}
    clean = value_and_grad(loss, y_true, y_pred, **kwargs)
    for garbage in GARBAGE:
        dirty_pred = np.where(mask[..., None], y_pred, garbage)
        spread = mask if y_true.ndim == 3 else mask[..., None]
        dirty_true = np.where(spread, y_true, garbage)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            dirty = value_and_grad(loss, dirty_true, dirty_pred, **kwargs)
        np.testing.assert_array_equal(clean[0], dirty[0])
        np.testing.assert_array_equal(clean[1], dirty[1])
        assert not dirty[1][~mask].any()


@pytest.mark.parametrize("name", NAMES)
def test_with_nothing_to_learn_from_the_loss_is_zero_and_says_so(name, rng):
    loss, y_true, y_pred = case(name, rng)
    nothing = np.zeros((3, 4, 5), bool)
    with pytest.warns(UserWarning, match="every cell is masked"):
        value, gradient = value_and_grad(loss, y_true, y_pred * np.nan, mask=nothing)
    assert value == 0.0 and not gradient.any()


@pytest.mark.parametrize("name", NAMES)
def test_an_ignored_label_equals_a_mask(name, rng):
    loss, y_true, y_pred = case(name, rng)
    mask = rng.random((3, 4, 5)) > 0.4
    spread = mask if y_true.ndim == 3 else mask[..., None]
    marked = np.where(spread, y_true, -99)
    masked = value_and_grad(loss, y_true, y_pred, mask=mask)
    loss.ignore_index = -99
    ignored = value_and_grad(loss, marked, y_pred)
    np.testing.assert_array_equal(masked[0], ignored[0])
    np.testing.assert_array_equal(masked[1], ignored[1])


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("dice", "jaccard", "tversky")])
def test_a_mask_equals_leaving_rows_out_and_weights_equal_repeating_them(name, rng):
    loss, y_true, y_pred = case(name, rng, (6, 3))
    kept = np.array([True, False, True, True, False, True])
    if name == "dice_logits":
        loss.axis = None
    np.testing.assert_allclose(
        float(loss(y_true, y_pred, mask=kept)), float(loss(y_true[kept], y_pred[kept])), rtol=1e-12
    )
    if name == "dice_logits":
        return
    loss.reduction = "mean_with_sample_weight"
    repeats = np.array([1, 2, 1, 3, 1, 1])
    np.testing.assert_allclose(
        float(loss(y_true, y_pred, sample_weight=repeats)),
        float(loss(y_true.repeat(repeats, axis=0), y_pred.repeat(repeats, axis=0))),
        rtol=1e-6,
    )


@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 4, 5), (3, 4, 5, 1), (1, 4, 1), (3, 4, 5, 3)])
def test_weights_are_aligned_at_the_first_axis(shape, rng):
    truth, pred = rng.normal(size=(2, 3, 4, 5, 3))
    weight = rng.random(shape)
    full = np.broadcast_to(weight.reshape(shape + (1,) * (4 - len(shape))), pred.shape)
    expected = np.sum(full * (truth - pred) ** 2) / pred.size
    assert float(losses.MeanSquaredError()(truth, pred, weight)) == pytest.approx(expected)


def test_reductions_follow_their_formulas(rng):
    truth, pred, weight = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rng.random(4)
    rows = ((truth - pred) ** 2).mean(axis=1) * weight
    expected = {
        "sum_over_batch_size": rows.mean(),
        "mean": rows.mean(),
        "sum": rows.sum(),
        "mean_with_sample_weight": rows.sum() / weight.sum(),
        None: rows,
        "none": rows,
    }
    for reduction, value in expected.items():
        found = losses.MeanSquaredError(reduction=reduction)(truth, pred, weight).numpy()
        np.testing.assert_allclose(found, value)


def test_a_row_of_which_a_part_is_masked_is_the_mean_of_the_rest():
    loss = losses.MeanSquaredError(reduction="none")
    mask = np.array([[True, False], [False, False]])
    np.testing.assert_array_equal(loss([[1.0, 9.0], [9, 9]], np.zeros((2, 2)), mask=mask), [1, 0])


def test_values_known_in_closed_form():
    assert float(losses.Huber(1.0)([0.0, 0.0], [0.5, -3.0])) == (0.125 + 2.5) / 2
    assert float(losses.LogCosh()([0.0], [1e4])) == pytest.approx(1e4 - math.log(2))
    gaussian = losses.GaussianNegativeLogLikelihood(full=True)
    density = math.exp(-((1.0 - 3.0) ** 2) / (2 * 4.0)) / math.sqrt(2 * math.pi * 4.0)
    value = float(gaussian([[1.0]], [[3.0, math.log(4.0)]]))
    assert value == pytest.approx(-math.log(density))
    third = losses.SparseCategoricalCrossentropy(from_logits=True)([2], [[0.0, 0.0, 0.0]])
    assert float(third) == pytest.approx(math.log(3))
    assert float(losses.Jaccard()([[1.0, 1.0, 0.0]], [[1.0, 0.0, 1.0]])) == pytest.approx(2 / 3)
    assert float(losses.Dice()([[1.0, 1.0, 0.0]], [[1.0, 0.0, 1.0]])) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["bce_logits", "scce_logits", "binary_focal_logits"])
def test_wrong_and_confident_logits_still_have_a_finite_loss_and_a_gradient(name, rng):
    loss, _, _ = case(name, rng)
    labels = np.array([0]) if name == "scce_logits" else np.array([[1.0, 0.0]])
    value, gradient = value_and_grad(loss, labels, np.array([[-500.0, 500.0]]))
    assert 100 < value < 2000 and np.abs(gradient).min() > 0.1


def test_weights_of_samples_multiply_regions_kept_apart_and_enter_joint_ones(rng):
    truth, pred = one_hot(rng, 3, 4, 4, 2), probabilities(rng, 3, 4, 4, 2)
    weight = np.array([0.5, 0.0, 2.0])
    apart = losses.Dice("none", axis=(1, 2, 3))
    single = np.array([float(losses.Dice()(truth[i], pred[i])) for i in range(3)])
    np.testing.assert_allclose(apart(truth, pred, weight).numpy(), single * weight)
    twice = losses.Dice()(truth[[0, 2, 2]], pred[[0, 2, 2]])
    np.testing.assert_allclose(float(losses.Dice()(truth, pred, [1, 0, 2])), float(twice))


def test_a_region_without_a_valid_pixel_does_not_count(rng):
    truth, pred = one_hot(rng, 2, 4, 4, 2), probabilities(rng, 2, 4, 4, 2)
    mask = np.array([True, False])
    loss = losses.Dice(axis=(1, 2, 3))
    assert float(loss(truth, pred, mask=mask)) == float(loss(truth[:1], pred[:1]))


@pytest.mark.parametrize("weights", [{2: 5.0, 0: 0.5}, [0.5, 1.0, 5.0]])
@pytest.mark.parametrize("name", ["scce", "cce", "focal", "dice", "focal_logits"])
def test_class_weights_equal_the_map_of_weights_looked_up(name, weights, rng):
    loss, y_true, y_pred = case(name, rng)
    labels = y_true if y_true.ndim == 3 else y_true.argmax(axis=-1)
    pixels = np.array([0.5, 1.0, 5.0])[labels]
    expected = float(loss(y_true, y_pred, sample_weight=pixels))
    loss.class_weight = weights
    assert float(loss(y_true, y_pred)) == pytest.approx(expected, rel=1e-12)
    half = float(loss(y_true, y_pred, sample_weight=np.full(3, 0.5)))
    if name != "dice":
        assert half == pytest.approx(expected / 2)


def test_class_weights_of_binary_labels(rng):
    y_true, y_pred = rng.integers(0, 2, (4, 1)), rng.random((4, 1))
    loss = losses.BinaryCrossentropy(class_weight={1: 3.0})
    plain = losses.BinaryCrossentropy()
    expected = float(plain(y_true, y_pred, sample_weight=1 + 2 * y_true))
    assert float(loss(y_true, y_pred)) == pytest.approx(expected)
    dice = losses.Dice(class_weight={1: 3.0})
    weighted = losses.Dice()(y_true, y_pred, sample_weight=1 + 2 * y_true)
    assert float(dice(y_true, y_pred)) == pytest.approx(float(weighted))


def test_functions_give_one_value_per_row(rng):
    pred = probabilities(rng, 4, 3)
    truth, hard = rng.normal(size=(4, 3)), one_hot(rng, 4, 3)
    rows = ((truth - pred) ** 2).mean(axis=1)
    np.testing.assert_allclose(losses.mean_squared_error(truth, pred).numpy(), rows)
    np.testing.assert_allclose(
        losses.mean_absolute_error(truth, pred).numpy(), np.abs(truth - pred).mean(axis=1)
    )
    own = -np.log((pred * hard).sum(axis=1))
    np.testing.assert_allclose(losses.categorical_crossentropy(hard, pred).numpy(), own)
    numbers = hard.argmax(axis=1)
    np.testing.assert_allclose(losses.sparse_categorical_crossentropy(numbers, pred).numpy(), own)
    weights = np.array([1.0, 0.0, 2.0, 1.0])
    for function in (
        losses.huber,
        losses.log_cosh,
        losses.poisson,
        losses.binary_crossentropy,
        losses.binary_focal_crossentropy,
        losses.categorical_focal_crossentropy,
    ):
        plain, weighted = function(hard, pred), function(hard, pred, weights)
        assert plain.shape == (4,)
        np.testing.assert_allclose(weighted.numpy(), plain.numpy() * weights, rtol=1e-6)
    wide = np.concatenate([pred, pred], axis=1)
    assert losses.gaussian_nll(truth, wide).shape == (4,)
    assert losses.dice(hard, pred, axis=1).shape == losses.jaccard(hard, pred, axis=1).shape == (4,)
    assert losses.tversky(hard, pred, alpha=0.2).shape == ()


def test_fused_softmax_cross_entropy_equals_the_composed_form_to_second_order(rng):
    labels = rng.integers(0, 4, (2, 3))

    def fused(x):
        return ta.ops.sum(softmax_cross_entropy(x, labels) ** 2)

    def composed(x):
        picked = ta.ops.one_hot(labels, 4) * ta.ops.log_softmax(x, axis=-1)
        return ta.ops.sum(ta.ops.sum(picked, axis=-1) ** 2)

    x, v = ta.tensor(rng.normal(size=(2, 3, 4))), ta.tensor(rng.normal(size=(2, 3, 4)))
    np.testing.assert_allclose(fused(x).numpy(), composed(x).numpy())
    np.testing.assert_allclose(ta.grad(fused)(x).numpy(), ta.grad(composed)(x).numpy(), rtol=1e-9)
    np.testing.assert_allclose(ta.hvp(fused, x, v).numpy(), ta.hvp(composed, x, v).numpy())


def test_tracked_labels_get_a_gradient_too(rng):
    a, b = (ta.tensor(rng.normal(size=(2, 3)), requires_grad=True) for _ in range(2))
    losses.MeanSquaredError()(a, b, mask=np.array([True, False])).backward()
    np.testing.assert_allclose(a.grad.numpy(), -b.grad.numpy())
    assert a.grad.numpy()[0].all() and not a.grad.numpy()[1].any()


def test_integer_and_single_axis_inputs(rng):
    assert losses.MeanSquaredError()([1, 2], [[1], [4]]).dtype == np.float32
    assert float(losses.MeanSquaredError()([1, 2], [[1], [4]])) == 2.0
    assert float(losses.MeanSquaredError()([[1], [2]], [1.0, 4.0], [1.0, 0.5])) == 1.0


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: losses.get("mse")(np.ones((3, 2)), np.ones((3, 4))), ValueError, r"\(3, 2\)"),
        (lambda: losses.get("bce")([0, 3], [0.1, 0.2]), ValueError, r"label 3 at \(1,\).*0 to 1"),
        (
            lambda: losses.get("sparse_categorical_crossentropy")([0, 5], np.ones((2, 3))),
            ValueError,
            r"label 5 at \(1,\), expected labels from 0 to 2",
        ),
        (
            lambda: losses.get("sparse_categorical_crossentropy")([0, -1], np.ones((2, 3))),
            ValueError,
            "label -1",
        ),
        (
            lambda: losses.get("sparse_categorical_crossentropy")([0, 1.5], np.ones((2, 3))),
            ValueError,
            "whole class numbers",
        ),
        (
            lambda: losses.get("sparse_categorical_crossentropy")(np.eye(3), np.ones((3, 3))),
            ValueError,
            "one-hot labels go with categorical",
        ),
        (
            lambda: losses.get("categorical_crossentropy")([0, 1], np.ones((2, 3))),
            ValueError,
            "sparse_categorical_crossentropy",
        ),
        (lambda: losses.get("dice")([0, 7], np.ones((2, 3))), ValueError, "label 7"),
        (lambda: losses.get("mse")([np.nan, 1.0], [0.0, 1.0]), ValueError, "1 values that are not"),
        (lambda: losses.get("mse")([0.0], [0.0], [np.nan]), ValueError, "sample_weight holds 1"),
        (
            lambda: losses.get("mse")([0.0, 1.0], [0.0, 1.0], [1.0, -0.5]),
            ValueError,
            r"sample_weight holds 1 .* negative or not finite, the first -0.5 at \(1,\)",
        ),
        (
            lambda: losses.get("mse")(np.ones((2, 3)), np.ones((2, 3)), np.ones(3)),
            ValueError,
            "sam",
        ),
        (lambda: losses.get("mse")([0.0], [0.0], mask=[True, True]), ValueError, "mask has shape"),
        (lambda: losses.get("gaussian_nll")([0.0], [[0.0]]), ValueError, "even last axis"),
        (lambda: losses.Huber(reduction="max"), ValueError, "unknown reduction 'max'"),
        (lambda: losses.get("rmse"), ValueError, "unknown loss 'rmse'"),
        (lambda: losses.get(3), TypeError, "got 3"),
        (lambda: losses.get("mse")(["a"], [0.0]), TypeError, "dtype"),
        (
            lambda: losses.BinaryCrossentropy(class_weight=[1.0])([0, 1], [0.5, 0.5]),
            ValueError,
            "class_weight has 1 entries",
        ),
        (
            lambda: losses.get("mse")([0.0], [0.0], ta.tensor([1.0], requires_grad=True)),
            TypeError,
            "sample_weight is tracked",
        ),
        (
            lambda: losses.MeanSquaredError(ignore_index=0)(
                ta.tensor([1.0], requires_grad=True), [0.0]
            ),
            TypeError,
            "ignore_index needs labels",
        ),
        (lambda: losses.Loss()([0.0], [0.0]), NotImplementedError, "define call"),
    ],
)
def test_bad_input_names_what_came_and_what_was_expected(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_get_takes_names_classes_functions_and_configs():
    assert isinstance(losses.get("MSE"), losses.MeanSquaredError)
    assert isinstance(losses.get("SparseCategoricalCrossentropy"), losses.Loss)
    assert isinstance(losses.get(losses.Dice), losses.Dice)
    assert isinstance(losses.get(losses.huber), losses.Huber)
    tversky = losses.Tversky(0.1, 0.9, axis=(1, 2), class_weight=[1, 2])
    config = {"class_name": "Tversky", "config": tversky.get_config()}
    assert losses.get(config).get_config() == tversky.get_config()
    assert losses.get(tversky) is tversky and "alpha=0.1" in repr(tversky)
    for name, cls in losses.CLASSES.items():
        assert isinstance(losses.get(name), cls)
        assert cls.from_config(cls().get_config()).get_config() == cls().get_config()


def test_a_function_becomes_a_loss_with_weights_and_masks(rng):
    def cubed(y_true, y_pred):
        return ta.ops.mean(ta.ops.abs(y_pred - y_true) ** 3, axis=-1)

    truth, pred, weight = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rng.random(4)
    loss = losses.get(cubed)
    rows = np.mean(np.abs(pred - truth) ** 3, axis=1)
    assert loss.name == "cubed"
    np.testing.assert_allclose(float(loss(truth, pred, weight)), np.mean(rows * weight))
    mask = np.array([True, False, True, True])
    dirty = np.where(mask[:, None], pred, np.nan)
    np.testing.assert_allclose(float(loss(truth, dirty, mask=mask)), rows[mask].mean())


KERAS = {
    "mse": "MeanSquaredError",
    "mae": "MeanAbsoluteError",
    "huber": "Huber",
    "log_cosh": "LogCosh",
    "poisson": "Poisson",
    "bce": "BinaryCrossentropy",
    "bce_logits": "BinaryCrossentropy",
    "cce": "CategoricalCrossentropy",
    "cce_logits": "CategoricalCrossentropy",
    "scce": "SparseCategoricalCrossentropy",
    "scce_logits": "SparseCategoricalCrossentropy",
    "binary_focal": "BinaryFocalCrossentropy",
    "binary_focal_logits": "BinaryFocalCrossentropy",
    "focal": "CategoricalFocalCrossentropy",
    "dice": "Dice",
    "tversky": "Tversky",
}


@pytest.mark.peer
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", None])
@pytest.mark.parametrize("name", KERAS)
def test_values_equal_keras(name, reduction, keras, rng):
    ours, y_true, y_pred = case(name, rng)
    options = {
        key: value
        for key, value in ours.get_config().items()
        if key not in ("name", "reduction", "ignore_index", "class_weight")
        and not (name in ("dice", "tversky") and key == "from_logits")
    }
    theirs = getattr(keras.losses, KERAS[name])(**options, reduction=reduction, dtype="float64")
    ours.reduction = reduction
    weights = [None] if name in ("dice",) else [None, rng.random(3), rng.random((3, 4, 5))]
    for weight in weights:
        if weight is not None and name == "tversky":
            weight = rng.random(3)
        if weight is not None and weight.ndim == 1 and name != "tversky":
            weight = weight.reshape(3, 1, 1)  # Keras does not align a vector with pixels
        np.testing.assert_allclose(
            ours(y_true, y_pred, weight).numpy(),
            np.asarray(theirs(y_true, y_pred, weight).cpu()),
            rtol=2e-6,
        )


@pytest.mark.peer
def test_ignoring_a_class_equals_keras(keras, rng):
    y_pred, y_true = rng.normal(size=(6, 5, 3)), rng.integers(0, 3, (6, 5))
    y_true[rng.random((6, 5)) < 0.3] = 7
    ours = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=7)
    theirs = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=7)
    assert float(ours(y_true, y_pred)) == pytest.approx(float(theirs(y_true, y_pred)), rel=1e-5)


@pytest.mark.peer
def test_probabilities_at_the_edge_are_clipped_as_in_keras(keras):
    y_true, y_pred = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    for name in ("BinaryCrossentropy", "CategoricalCrossentropy"):
        ours = getattr(losses, name)()(y_true.astype("float32"), y_pred.astype("float32"))
        theirs = getattr(keras.losses, name)()(y_true, y_pred)
        assert float(ours) == pytest.approx(float(theirs), rel=1e-6)


@pytest.mark.peer
def test_gaussian_likelihood_equals_torch(rng):
    torch = pytest.importorskip("torch")
    truth, mean, log_var = rng.normal(size=(3, 5, 2))
    ours = losses.GaussianNegativeLogLikelihood()(truth, np.concatenate([mean, log_var], axis=-1))
    variance = torch.exp(torch.tensor(log_var))
    theirs = torch.nn.functional.gaussian_nll_loss(
        torch.tensor(mean), torch.tensor(truth), variance
    )
    assert float(ours) == pytest.approx(float(theirs), rel=1e-9)
