"""NaN and inf among the inputs of `fit`: named with the batch and the way out, or handled."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers
from tinygrad_astro.training import finite
from tinygrad_astro.training.feed import make_feed


def line(*before):
    model = ta.Sequential([layers.Input((3,)), *before, layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def spoilt(value=np.nan, at=(17, 2), dtype=np.float32):
    x = np.ones((20, 3), dtype)
    x[at] = value
    return x


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4"])
def test_the_value_the_batch_and_the_way_out_are_named(value, dtype):
    model = line()
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"x holds 1 .*at \(17, 2\); batch 4 .*nan_to_num.*mask"):
        model.fit(spoilt(value, dtype=dtype), np.ones(20), batch_size=4, shuffle=False, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_the_batch_is_that_of_the_shuffled_order():
    x = spoilt(at=(slice(3, 20, 5), 0))
    feed = make_feed(x, np.ones(20), batch_size=2, seed=5)
    batches = [bool(np.isnan(batch.x).any()) for batch in feed.batches(0)]
    with pytest.raises(ValueError, match=f"x holds 4 .*; batch {batches.index(True)} of the first"):
        finite.check_inputs(line(), feed)


def test_large_arrays_are_looked_at_in_pieces(monkeypatch):
    monkeypatch.setattr(finite, "AT_ONCE", 10)
    for row in range(20):
        assert not finite._finite(spoilt(at=(row, 0)))
    assert finite._finite(np.ones((20, 3))) and finite._finite(np.ones((0, 3)))


def test_one_of_several_inputs_and_the_validation_data():
    a, b = layers.Input((3,)), layers.Input((3,))
    model = ta.Model([a, b], layers.Dense(1)(layers.Add()([a, b])))
    model.compile("sgd", "mse")
    good, y = np.ones((20, 3)), np.ones(20)
    with pytest.raises(ValueError, match=r"x holds 1 .*\(17, 2\)"):
        model.fit([good, spoilt()], y, verbose=0)
    held_out = [good, spoilt()], y
    with pytest.raises(ValueError, match="x of the validation data holds 1"):
        model.fit([good, good], y, validation_data=held_out, verbose=0)


class Fill(layers.Layer):
    """Zeros for what is not finite."""

    def call(self, x):
        return ta.ops.where(ta.ops.isfinite(x), x, 0.0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_that_replaces_them_itself_is_left_in_peace(value):
    model = line(Fill())
    history = model.fit(spoilt(value), np.ones(20), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert np.isfinite(model.get_weights()[0]).all()


def test_a_bounded_output_does_not_hide_an_infinity():
    model = ta.Sequential([layers.Input((3,)), layers.Dense(1, "sigmoid")])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="the first inf at"):
        model.fit(spoilt(np.inf), np.ones(20), verbose=0)


def test_integers_have_no_nan():
    line().fit(np.ones((4, 3), np.uint8), np.ones(4), verbose=0)


def test_a_stream_or_a_single_batch_is_named_when_the_loss_is_nan():
    batches = [(np.ones((2, 3)), np.ones(2)), (spoilt(), np.ones(20))]
    with pytest.raises(ValueError, match="loss of batch 1 of epoch 0 is NaN, and x holds 1.*again"):
        line().fit(iter(batches), verbose=0)
    with pytest.raises(ValueError, match="the loss is NaN, and x holds 1"):
        line().train_on_batch(spoilt(), np.ones(20))


def test_a_file_mapped_from_disk_is_not_read_ahead(tmp_path):
    np.save(tmp_path / "x.npy", spoilt())
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for x in (mapped, mapped[:]):
        finite.check_inputs(line(), make_feed(x, np.ones(20)))
    with pytest.raises(ValueError, match="the loss of batch 0 of epoch 0 is NaN"):
        line().fit(mapped, np.ones(20), shuffle=False, verbose=0)


def test_a_loss_that_is_nan_for_finite_inputs_is_left_to_callbacks():
    finite.check_step(float("nan"), np.ones((2, 3)))
    finite.check_step(1.0, spoilt())
