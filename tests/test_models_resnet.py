"""Residual networks: published counts, sizes, and the outputs of a residual block."""

import numpy as np
import pytest

from tinygrad_astro.models import resnet18, resnet34, resnet50


@pytest.mark.parametrize(
    ("build", "thousand", "ten"),
    [
        (resnet18, 11_689_512, 11_181_642),
        (resnet34, 21_797_672, 21_289_802),
        (resnet50, 25_557_032, 23_528_522),
    ],
)
def test_published_counts_of_trainable_parameters(build, thousand, ten):
    model = build()
    count = sum(w.size for w in model.trainable_weights)
    assert count == thousand and model.output_shape == (None, 1000)
    head = model.get_layer("head")
    assert count - head.count_params() + (head.kernel.shape[0] + 1) * 10 == ten
    before = model.get_layer("pool").input
    assert before.shape[1:3] == (7, 7)


def test_a_small_one_runs_on_any_size_and_trains_every_weight():
    model = resnet18((None, None, 2), classes=3, activation="softmax")
    x = np.random.default_rng(0).standard_normal((2, 40, 33, 2))
    out = model(x, training=True)
    np.testing.assert_allclose(out.numpy().sum(-1), 1, rtol=1e-5)
    out[:, 0].sum().backward()
    assert all(np.isfinite(w.grad.numpy()).all() for w in model.trainable_weights)


def test_a_block_adds_its_shortcut():
    model = resnet18((32, 32, 1), classes=2)
    add = model.get_layer("stage1_block1_add")
    assert [s.node.layer.name for s in add.input] == ["stage1_block1_2_norm", "stem_pool"]
    add = model.get_layer("stage2_block1_add")
    assert add.input[1].node.layer.name == "stage2_block1_shortcut_norm"
