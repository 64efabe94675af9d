"""A training step asks the card for its loss, and for nothing else."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers, losses, optimizers


@pytest.fixture
def reads(monkeypatch):
    """Give the list of shapes that were read from the card since the test began."""
    from tinygrad_astro.kernels.cuda.driver import card

    found, real = [], type(card()).download

    def download(self, array, memory):
        found.append(array.shape)
        real(self, array, memory)

    monkeypatch.setattr(type(card()), "download", download)
    return found


HARD = {
    "mse": losses.MeanSquaredError(),
    "huber": losses.Huber(0.7),
    "gaussian": losses.GaussianNegativeLogLikelihood(),
    "bce": losses.BinaryCrossentropy(True, 0.1),
    "cce": losses.CategoricalCrossentropy(),
    "scce": losses.SparseCategoricalCrossentropy(),
    "scce_logits": losses.SparseCategoricalCrossentropy(True, ignore_index=2),
    "binary_focal": losses.BinaryFocalCrossentropy(True, 0.3),
    "focal": losses.CategoricalFocalCrossentropy([0.3, 0.5, 0.2]),
    "dice": losses.Dice(axis=1),
    "tversky": losses.Tversky(),
    "function": losses.get(lambda y, p: ta.ops.mean(ta.ops.abs(y - p), axis=-1)),
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("given", ["", "mask weight"])
def test_losses_of_eager_and_recorded_steps(rng, reads, name, given):
    model = ta.Sequential([ta.Input((4,)), layers.Dense(6 if name == "gaussian" else 3)])
    if name in ("cce", "scce", "focal"):
        model.add(layers.Softmax())
    model.compile(optimizers.Adam(global_clipnorm=1.0), HARD[name], jit_compile=True)
    model.to("cuda")
    x = rng.standard_normal((5, 4)).astype(np.float32)
    numbers = np.array([0, 1, 2, 1, 0])
    y = numbers if name.startswith("scce") else np.eye(3, dtype=np.float32)[numbers]
    weight = rng.random(5).astype(np.float32) if given else None
    mask = np.array([1, 1, 1, 0, 1], bool) if given else None
    for step in range(3):
        reads.clear()
        model.train_on_batch(x, y, sample_weight=weight, mask=mask)
        assert reads == [()], f"step {step}"
    assert next(iter(model.objective.recorded.entries.values())).graph is not None


def test_several_outputs_are_read_at_once(rng, reads):
    inputs = ta.Input((4,))
    model = ta.Model(inputs, [layers.Dense(1)(inputs), layers.Dense(1)(inputs)])
    for jit in (True, False):
        model.compile(optimizers.SGD(0.1, clipnorm=0.1), ["mse", "mae"], jit_compile=jit)
        model.to("cuda")
        x = rng.standard_normal((5, 4)).astype(np.float32)
        for _ in range(3):
            reads.clear()
            model.train_on_batch(x, [x[:, :1], x[:, 1:2]])
            assert reads == [(3,)]


def test_a_read_in_the_step_is_caught(rng, reads):
    class Reading(losses.MeanSquaredError):
        def call(self, y_true, y_pred):
            return super().call(y_true, y_pred) / float(y_pred.detach().max())

    model = ta.Sequential([ta.Input((4,)), layers.Dense(1)])
    model.compile("sgd", Reading(), jit_compile=False)
    model.to("cuda")
    model.train_on_batch(np.ones((2, 4), np.float32), np.ones((2, 1), np.float32))
    assert len(reads) > 1


def test_indices_that_the_host_knows_are_not_read(up, rng, reads):
    """And those that others may have written are."""
    x, index = rng.standard_normal((5, 3)).astype(np.float32), np.array([4, 0, 1])
    there, where = up(x), up(index)
    found = there[where]
    assert reads == []
    np.testing.assert_array_equal(found.copy_to_host(), x[index])
    reads.clear()
    where[...] = 7
    with pytest.raises(IndexError, match="out of bounds"):
        there[where]
    for write in (lambda a: a.__dlpack__(), lambda a: a.__cuda_array_interface__, own_kernel):
        where = up(index)
        write(where)
        reads.clear()
        _ = there[where]
        assert len(reads) == 2


def own_kernel(array):
    @ta.cuda.kernel("i*")
    def nothing(out):
        pass

    nothing(1, array)


def test_numbers_are_put_where_picked_ones_come_from(up, rng):
    from tinygrad_astro.kernels.cuda import namespace

    for shape, axis in (((3, 1), 1), ((3, 4, 1), -1), ((1, 4), 0)):
        size = list(shape)
        size[axis] = 5
        index, value = rng.integers(-5, 5, shape), rng.standard_normal(shape).astype(np.float32)
        expected, found = np.zeros(size, np.float32), up(np.zeros(size, np.float32))
        np.put_along_axis(expected, index, value, axis)
        namespace.put_along_axis(found, up(index), up(value), axis)
        np.testing.assert_array_equal(found.copy_to_host(), expected)
    with pytest.raises(IndexError, match="out of bounds"):
        namespace.put_along_axis(found, up(index + 9), up(value), axis)
