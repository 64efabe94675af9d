"""Gradients through values that were overwritten: refused, and nothing else is."""

import gc

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers, ops, optimizers, writes

LINE = r"test_writes\.py:\d+"
FIX = r"call backward\(\) before the write, or compute the loss again after it"


def weight(*shape):
    return ta.tensor(np.arange(1.0, 1 + np.prod(shape)).reshape(shape), requires_grad=True)


def step(w):
    optimizers.SGD(0.5).apply([ta.tensor(np.ones(w.shape))], [w])


def square(w):
    return (w * w).sum()


def through_a_view(w):
    return ops.square(ops.transpose(w)[1:]).sum()


def through_detach(w):
    return (w.detach() * w).sum()


def through_a_convolution(w):
    """The kernel of a spectrum is lifted to that of an image: the record keeps a view of it."""
    kernel = ops.reshape(w, (2, 1, 3))
    x = ta.tensor(np.ones((1, 5, 1)), requires_grad=True)
    return ops.conv(x, kernel).sum()


@pytest.mark.parametrize("f", [square, through_a_view, through_detach, through_a_convolution])
def test_backward_after_an_optimizer_step_names_op_line_and_fix(f):
    w = weight(2, 3)
    loss = f(w)
    step(w)
    with pytest.raises(RuntimeError, match=rf"recorded at .*{LINE}, .* its .* shape .*{FIX}"):
        loss.backward()
    assert w.grad is None
    f(w).backward()  # computed again, all is well
    assert np.isfinite(w.grad.numpy()).all()


def test_the_op_and_its_line_are_those_of_the_user():
    w = weight(2)
    first = ops.exp(w + 0.0)
    line = first.record.line
    loss = (first * w).sum()
    step(w)
    with pytest.raises(RuntimeError) as caught:
        loss.backward()
    told = str(caught.value)
    assert told.startswith("multiply, recorded at ") and line.rpartition(":")[0] in told
    assert "its input 1 of shape (2,)" in told


def by_set_weights(layer):
    layer.set_weights([np.zeros((2, 1)), np.zeros(1)])


def by_loading(layer, path):
    model = ta.Sequential([ta.Input((2,)), layer])
    model.save_weights(path)
    model.load_weights(path)


def test_weights_set_or_loaded_in_between(tmp_path):
    layer = layers.Dense(1)
    x = ta.tensor(np.ones((3, 2), np.float32), requires_grad=True)
    for write in (by_set_weights, lambda one: by_loading(one, tmp_path / "w.safetensors")):
        loss = layer(x).sum()
        write(layer)
        with pytest.raises(RuntimeError, match=rf"{LINE}, has no gradient any more.*{FIX}"):
            loss.backward()


def test_items_set_through_another_tensor_on_the_same_memory():
    values, w = np.ones(3), weight(3)
    loss = (w * values).sum()
    ta.tensor(values)[0] = 5.0
    with pytest.raises(RuntimeError, match="its input 1 of shape .3,"):
        loss.backward()


def test_pullbacks_and_second_derivatives_are_refused_too():
    w = weight(2)
    _, pullback = ta.vjp(square, w)
    loss = square(w)
    loss.backward(create_graph=True)
    slope = (w.grad * w.grad).sum()
    step(w)
    with pytest.raises(RuntimeError, match=FIX):
        pullback()
    with pytest.raises(RuntimeError, match=FIX):
        slope.backward()


def test_what_no_rule_reads_may_be_written():
    w, bias = weight(2), weight(2)
    loss = (ops.relu(w) + bias).sum()
    step(bias)
    loss.backward()
    np.testing.assert_array_equal(bias.grad.numpy(), [1.0, 1.0])


def test_a_write_before_the_op_does_no_harm():
    w = weight(2)
    step(w)
    square(w).backward()
    np.testing.assert_allclose(w.grad.numpy(), 2 * w.numpy())


def test_a_write_is_forgotten_with_its_memory():
    gc.collect()
    before = len(writes._last)
    for _ in range(200):
        x = weight(4)  # takes the address of the one before
        loss = square(x)
        loss.backward()
        step(x)
        del x, loss
    gc.collect()
    assert len(writes._last) <= before + 1


# ---- writes through NumPy ------------------------------------------------------------------------


@pytest.mark.parametrize("changed", ["weight", "data", "value"])
def test_detect_anomaly_sees_writes_through_numpy(changed):
    w, data = weight(3), np.ones(3)
    with ta.detect_anomaly():
        value = ops.exp(w * data)
        {"weight": w.data, "data": data, "value": value.data}[changed][1] = 0.5
        with pytest.raises(RuntimeError, match=rf"recorded at .*{LINE}.*through its array.*{FIX}"):
            value.sum().backward()


def test_detect_anomaly_lets_an_untouched_tape_pass():
    w = weight(2, 3)
    with ta.detect_anomaly():
        through_a_view(w).backward()
        ops.concatenate([w, w]).sum().backward()
    assert np.isfinite(w.grad.numpy()).all()


def test_without_it_they_are_not_seen_as_documented():
    w = weight(2)
    loss = square(w)
    w.data[...] = 10.0
    loss.backward()
    np.testing.assert_array_equal(w.grad.numpy(), [20.0, 20.0])
