import math

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import metrics


def batches(rng, *arrays):
    """Cut arrays into uneven batches."""
    n = len(arrays[0])
    cuts = [0, 1, n // 3, n // 3, n]
    for a, b in zip(cuts, cuts[1:], strict=False):
        if a < b:
            yield tuple(None if x is None else x[a:b] for x in arrays)


def streamed(metric, rng, y_true, y_pred, weight=None, mask=None):
    metric.reset_state()
    for t, p, *extra in batches(rng, y_true, y_pred, weight, mask):
        metric.update_state(t, ta.tensor(p), *extra)
    return metric.result()


def binary(rng, n=60):
    return rng.integers(0, 2, n), rng.random(n).round(2), rng.random(n)


def classes(rng, shape=(12, 3, 4), count=5):
    scores = rng.normal(size=(*shape, count))
    return rng.integers(0, count, shape), scores, rng.random(shape)


def test_accuracies_equal_plain_loops(rng):
    labels, scores, weight = classes(rng)
    hits = total = top = 0.0
    for index in np.ndindex(labels.shape):
        order = sorted(range(5), key=lambda c: -scores[index][c])
        hits += weight[index] * (order[0] == labels[index])
        top += weight[index] * (labels[index] in order[:3])
        total += weight[index]
    one_hot = np.eye(5)[labels]
    for metric, truth, expected in (
        (metrics.SparseCategoricalAccuracy(), labels, hits),
        (metrics.SparseCategoricalAccuracy(), labels[..., None], hits),
        (metrics.CategoricalAccuracy(), one_hot, hits),
        (metrics.get("accuracy"), labels, hits),
        (metrics.get("accuracy"), one_hot, hits),
        (metrics.SparseTopKCategoricalAccuracy(k=3), labels, top),
        (metrics.TopKCategoricalAccuracy(k=3), one_hot, top),
    ):
        assert streamed(metric, rng, truth, scores, weight) == pytest.approx(expected / total)


def test_binary_accuracy_counts_predictions_above_the_threshold(rng):
    labels, scores, weight = binary(rng)
    for threshold in (0.2, 0.5):
        right = [w * ((p > threshold) == t) for t, p, w in zip(labels, scores, weight, strict=True)]
        metric = metrics.BinaryAccuracy(threshold=threshold)
        assert streamed(metric, rng, labels, scores, weight) == pytest.approx(
            sum(right) / weight.sum()
        )
    assert metrics.get("acc")(labels, scores[:, None]) == np.mean((scores > 0.5) == labels)


def test_top_k_counts_ties_as_right_and_nan_as_wrong():
    metric = metrics.SparseTopKCategoricalAccuracy(k=1)
    assert metric([0, 1, 0, 9], [[0.5, 0.5], [0.5, 0.5], [np.nan, 0.1], [0.3, 0.1]]) == 0.5


def test_confusion_matrix_and_iou_equal_plain_counts(rng):
    labels, scores, weight = classes(rng, count=4)
    matrix = np.zeros((4, 4))
    for index in np.ndindex(labels.shape):
        matrix[labels[index], scores[index].argmax()] += weight[index]
    found = streamed(metrics.ConfusionMatrix(4), rng, labels, scores, weight)
    np.testing.assert_allclose(found, matrix)
    ious = [matrix[c, c] / (matrix[c].sum() + matrix[:, c].sum() - matrix[c, c]) for c in range(4)]
    assert streamed(metrics.MeanIoU(4), rng, labels, scores, weight) == pytest.approx(np.mean(ious))
    chosen = metrics.IoU(4, target_class_ids=[1, 3])
    numbers = scores.argmax(axis=-1)
    expected = (ious[1] + ious[3]) / 2
    assert streamed(chosen, rng, np.eye(4)[labels], numbers, weight) == pytest.approx(expected)


def test_iou_leaves_out_classes_that_never_occur_and_the_ignored_one():
    assert metrics.MeanIoU(9)([2, 2, 5], [2, 5, 5]) == 0.5
    assert metrics.MeanIoU(9, ignore_class=255)([2, 2, 255], [2, 2, 7]) == 1.0
    assert metrics.MeanIoU(2).result() == 0.0


def test_one_sigmoid_output_is_thresholded_into_two_classes():
    labels = np.array([[[0], [1]], [[1], [1]]])
    scores = np.array([[[0.1], [0.9]], [[0.2], [0.7]]], np.float32)
    assert metrics.IoU(2, target_class_ids=[1])(labels, scores) == pytest.approx(2 / 3)
    logits = metrics.ConfusionMatrix(2, threshold=0.0)(labels[..., 0], np.log(scores))
    np.testing.assert_array_equal(logits, [[1, 0], [3, 0]])


def test_precision_and_recall_equal_plain_counts(rng):
    labels, scores, weight = binary(rng)
    for threshold in (0.3, 0.5):
        above = scores > threshold
        hits = weight[(labels == 1) & above].sum()
        precision = streamed(metrics.Precision(threshold), rng, labels, scores, weight)
        recall = streamed(metrics.Recall(threshold), rng, labels, scores, weight)
        assert precision == pytest.approx(hits / weight[above].sum())
        assert recall == pytest.approx(hits / weight[labels == 1].sum())
    several = metrics.Recall([0.3, 0.5])(labels, scores, weight)
    assert several.shape == (2,) and several[1] == pytest.approx(recall)


def test_precision_of_one_class_takes_class_numbers_and_one_hot_labels(rng):
    labels, scores, _ = classes(rng, (20,), 3)
    scores = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    above = scores[:, 2] > 0.4
    expected = np.mean(labels[above] == 2)
    assert metrics.Precision(0.4, class_id=2)(labels, scores) == pytest.approx(expected)
    assert metrics.Precision(0.4, class_id=2)(np.eye(3)[labels], scores) == pytest.approx(expected)


def test_precision_without_a_positive_is_zero():
    assert metrics.Precision()([0, 1], [0.1, 0.2]) == 0.0
    assert metrics.Recall()([0, 0], [0.1, 0.9]) == 0.0


def test_exact_auc_equals_counting_all_pairs(rng):
    labels, scores, weight = binary(rng)
    area = total = 0.0
    for i in np.flatnonzero(labels == 1):
        for j in np.flatnonzero(labels == 0):
            pair = weight[i] * weight[j]
            area += pair * ((scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]))
            total += pair
    assert streamed(metrics.ROCAUC(), rng, labels, scores, weight) == pytest.approx(area / total)
    assert math.isnan(metrics.ROCAUC().result()) and math.isnan(metrics.ROCAUC()([1], [0.5]))
    assert math.isnan(metrics.ROCAUC()([1, 0], [0.5, np.nan]))


def test_auc_on_many_thresholds_approaches_the_exact_one(rng):
    labels, scores, weight = binary(rng, 400)
    exact = metrics.ROCAUC()(labels, scores, weight)
    assert streamed(metrics.AUC(2000), rng, labels, scores, weight) == pytest.approx(
        exact, abs=2e-3
    )


def test_auc_of_logits_equals_that_of_their_sigmoid(rng):
    labels, scores, _ = binary(rng)
    scores = scores * 0.98 + 0.01
    logits = np.log(scores / (1 - scores))
    ours = metrics.AUC(from_logits=True)(labels, logits)
    assert ours == pytest.approx(metrics.AUC()(labels, scores), abs=1e-3)


def test_regression_metrics_equal_numpy(rng):
    truth, pred, weight = rng.normal(size=(3, 30, 2)) + 5
    weight = np.abs(weight[:, 0])
    full = np.repeat(weight[:, None], 2, axis=1)
    square = np.average((truth - pred) ** 2, weights=full)
    assert streamed(metrics.get("mse"), rng, truth, pred, weight) == pytest.approx(square)
    assert streamed(metrics.get("rmse"), rng, truth, pred, weight) == pytest.approx(square**0.5)
    assert streamed(metrics.get("mae"), rng, truth, pred, weight) == pytest.approx(
        np.average(np.abs(truth - pred), weights=full)
    )
    mean = np.average(truth, axis=0, weights=weight)
    r2 = 1 - (full * (truth - pred) ** 2).sum(0) / (full * (truth - mean) ** 2).sum(0)
    found = streamed(metrics.get("r2_score"), rng, truth, pred, weight)
    assert found == pytest.approx(r2.mean())


def test_r2_stays_accurate_on_a_large_offset(rng):
    truth, noise = rng.normal(size=200), 0.1 * rng.normal(size=200)
    offset = 1e8
    expected = 1 - np.sum(noise**2) / np.sum((truth - truth.mean()) ** 2)
    found = streamed(metrics.R2Score(), rng, truth + offset, truth + noise + offset)
    assert found == pytest.approx(expected, rel=1e-5)
    assert metrics.R2Score().result() == 0.0


ALL = {
    "accuracy": (lambda: metrics.get("accuracy"), "classes"),
    "binary": (metrics.BinaryAccuracy, "binary"),
    "same": (metrics.Accuracy, "binary"),
    "top": (lambda: metrics.TopKCategoricalAccuracy(2), "one_hot"),
    "matrix": (lambda: metrics.ConfusionMatrix(5), "classes"),
    "iou": (lambda: metrics.MeanIoU(5), "one_hot"),
    "precision": (lambda: metrics.Precision([0.2, 0.5]), "binary"),
    "recall": (metrics.Recall, "binary"),
    "auc": (metrics.AUC, "binary"),
    "pr": (lambda: metrics.AUC(curve="PR"), "binary"),
    "rocauc": (metrics.ROCAUC, "binary"),
    "mse": (metrics.MeanSquaredError, "binary"),
    "r2": (metrics.R2Score, "binary"),
    "function": (lambda: metrics.get("huber"), "binary"),
}


@pytest.mark.parametrize("name", ALL)
def test_masked_cells_never_count_and_the_state_survives_a_checkpoint(name, rng):
    make, kind = ALL[name]
    if kind == "binary":
        y_true, y_pred, weight = binary(rng)
        y_true = y_true.astype(float)
    else:
        labels, y_pred, weight = classes(rng)
        y_true = np.eye(5)[labels] if kind == "one_hot" else labels.astype(float)
    mask = rng.random(weight.shape) > 0.4
    spread = mask if y_true.ndim == mask.ndim else mask[..., None]
    spread_pred = mask if y_pred.ndim == mask.ndim else mask[..., None]
    clean = streamed(make(), rng, y_true, y_pred, weight, mask)
    for garbage in (np.nan, np.inf, 1e30):
        dirty_true = np.where(spread, y_true, garbage)
        dirty_pred = np.where(spread_pred, y_pred, garbage)
        np.testing.assert_array_equal(
            streamed(make(), rng, dirty_true, dirty_pred, weight, mask), clean
        )
        hidden = np.where(mask, weight, 0)
        np.testing.assert_array_equal(streamed(make(), rng, dirty_true, dirty_pred, hidden), clean)
    metric, again = make(), make()
    metric.update_state(y_true[:5], y_pred[:5], weight[:5], mask[:5])
    again.set_state({key: value.copy() for key, value in metric.get_state().items()})
    for m in (metric, again):
        m.update_state(y_true[5:], y_pred[5:], weight[5:], mask[5:])
    np.testing.assert_array_equal(metric.result(), again.result())
    np.testing.assert_allclose(metric.result(), clean)
    assert type(metric).__name__ in repr(metric)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: metrics.get("acuracy"), ValueError, "unknown metric 'acuracy'"),
        (lambda: metrics.get(7), TypeError, "got 7"),
        (lambda: metrics.AUC(curve="DET"), ValueError, "curve='DET'"),
        (lambda: metrics.AUC(summation_method="x"), ValueError, "summation_method='x'"),
        (lambda: metrics.AUC(num_thresholds=1), ValueError, "num_thresholds=1"),
        (lambda: metrics.AUC()([1], [3.0]), ValueError, "prediction 3.0.*from_logits"),
        (lambda: metrics.AUC()([1], [np.nan]), ValueError, "prediction nan"),
        (lambda: metrics.MeanIoU(2)([3], [1]), ValueError, "label 3"),
        (lambda: metrics.MeanIoU(2)([1], [3]), ValueError, r"y_pred\) got the label 3"),
        (lambda: metrics.MeanIoU(3)([1], [[0.1, 0.2]]), ValueError, "last axis of 3 classes"),
        (lambda: metrics.MeanSquaredError()([1, 2], [1, 2, 3]), ValueError, r"\(2,\).*\(3,\)"),
        (lambda: metrics.MeanSquaredError()([1], [1], [1, 2]), ValueError, "sample_weight has"),
        (lambda: metrics.Metric().result(), NotImplementedError, "result"),
        (lambda: metrics.Metric().update_state([1], [1]), NotImplementedError, "update"),
        (lambda: metrics.metric.MeanOfCells()([1], [1]), NotImplementedError, "values"),
    ],
)
def test_bad_input_names_what_came_and_what_was_expected(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_get_takes_names_classes_functions_and_losses(rng):
    truth, pred = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    assert metrics.get("AUC").name == "auc" and metrics.get("acc").name == "acc"
    assert isinstance(metrics.get(metrics.Recall), metrics.Recall)
    metric = metrics.get("log_cosh")
    expected = np.mean(np.log(np.cosh(pred - truth)))
    assert metric.name == "log_cosh" and metric(truth, pred) == pytest.approx(expected)

    def worst(y_true, y_pred):
        return ta.ops.max(ta.ops.abs(y_true - y_pred), axis=-1)

    metric = metrics.get(worst)
    assert metric.name == "worst" and metrics.get(metric) is metric
    assert metric(truth, pred) == pytest.approx(np.abs(truth - pred).max(axis=1).mean())


def test_mean_takes_weights_that_broadcast():
    mean = metrics.Mean()
    assert mean.result() == 0.0
    mean.update_state([[1.0, 3.0], [5.0, 7.0]], [[1.0], [3.0]])
    assert mean.result() == (1 + 3 + 15 + 21) / 8


@pytest.mark.peer
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("AUC", {}),
        ("AUC", dict(curve="PR")),
        ("AUC", dict(curve="PR", summation_method="majoring")),
        ("AUC", dict(summation_method="minoring", num_thresholds=11)),
        ("AUC", dict(thresholds=[0.2, 0.7])),
        ("Precision", dict(thresholds=[0.2, 0.5])),
        ("Recall", {}),
        ("BinaryAccuracy", dict(threshold=0.4)),
        ("MeanSquaredError", {}),
        ("RootMeanSquaredError", {}),
        ("MeanAbsoluteError", {}),
    ],
)
def test_binary_and_regression_metrics_equal_keras(name, options, weighted, keras, rng):
    labels, _, weight = binary(rng)
    scores = rng.random(len(labels))
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    for t, p, w in batches(rng, labels, scores.astype("float32"), weight):
        w = w if weighted else None
        ours.update_state(t, p, w)
        theirs.update_state(t[:, None], p[:, None], w if w is None else w[:, None])
    np.testing.assert_allclose(ours.result(), np.asarray(theirs.result().cpu()), rtol=1e-5)


@pytest.mark.peer
@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("SparseCategoricalAccuracy", {}, "sparse"),
        ("CategoricalAccuracy", {}, "one_hot"),
        ("TopKCategoricalAccuracy", dict(k=2), "one_hot"),
        ("SparseTopKCategoricalAccuracy", dict(k=2), "sparse"),
        ("MeanIoU", dict(num_classes=5, sparse_y_pred=False), "sparse"),
        ("IoU", dict(num_classes=5, target_class_ids=[0, 3], sparse_y_pred=False), "sparse"),
        ("R2Score", {}, "one_hot"),
        ("Precision", dict(class_id=1), "one_hot"),
    ],
)
def test_class_metrics_equal_keras(name, options, kind, keras, rng):
    labels, scores, weight = classes(rng, (40,))
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    truth = np.eye(5, dtype="float32")[labels] if kind == "one_hot" else labels
    for t, p, w in batches(rng, truth, scores.astype("float32"), weight.astype("float32")):
        w = None if "IoU" in name else w  # Keras casts these weights to integers
        ours.update_state(t, p, w)
        theirs.update_state(t, p, w[:, None] if name == "R2Score" else w)
    assert float(ours.result()) == pytest.approx(float(theirs.result()), rel=1e-5)
