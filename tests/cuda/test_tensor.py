"""Tensors on the card: moving, mixing, differentiating to second order, and errors in words."""

import subprocess
import sys

import numpy as np
import pytest

import tinygrad_astro as ta


def test_moving_is_differentiable():
    x = ta.tensor([1.0, 2.0], requires_grad=True)
    there = x.to("cuda")
    assert there.device == "cuda" and there.to("cuda") is there
    ((there * 3.0).to("cpu") ** 2).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [18.0, 36.0])
    with pytest.raises(ValueError, match='expected "cpu" or "cuda"'):
        x.to("tpu")


def test_mixed_devices_name_both():
    x, w = ta.tensor(np.ones((1, 3, 3, 1), np.float32)), np.ones((2, 2, 1, 1), np.float32)
    for a, b in ((x, ta.tensor(w, device="cuda")), (x.to("cuda"), ta.tensor(w))):
        with pytest.raises(TypeError, match="on cpu.*on cuda|on cuda.*on cpu"):
            ta.ops.conv(a, b)
        with pytest.raises(TypeError, match="on cpu.*on cuda|on cuda.*on cpu"):
            a + b
        with pytest.raises(TypeError, match="on cpu.*on cuda|on cuda.*on cpu"):
            ta.ops.concatenate([a, a.to(b.device)])


def test_derivatives_of_derivatives(rng):
    x = rng.standard_normal((2, 3, 3, 2))
    w = rng.standard_normal((2, 2, 2, 2))

    def f(w, device):
        inputs = ta.tensor(x, device=device)
        return ta.ops.sum(ta.ops.tanh(ta.ops.conv(inputs, w)) ** 3)

    found = []
    for device in ("cpu", "cuda"):
        point = ta.tensor(w, device=device)
        direction = ta.tensor(np.ones_like(w), device=device)
        found.append(ta.hvp(lambda v, d=device: f(v, d), point, direction).numpy())
    np.testing.assert_allclose(*found, rtol=1e-10)


def test_writing_reading_printing():
    x = ta.tensor(np.zeros((2, 2), np.float32), device="cuda")
    x[0] = 1.0
    x[1, 1] = ta.tensor(4.0, device="cuda")
    assert x.numpy().tolist() == [[1, 1], [0, 4]] and float(x[1, 1]) == 4 and "4." in repr(x)
    assert ta.ops.one_hot(ta.tensor([1, 0], device="cuda"), 2).device == "cuda"
    assert x.dtype == np.float32 and len(x) == 2


def test_the_cpu_never_imports_cuda():
    text = (
        "import sys, tinygrad_astro as ta; ta.ops.relu(ta.tensor([1.0]));"
        "assert not [m for m in sys.modules if 'kernels.cuda' in m or m.startswith('cuda')]"
    )
    subprocess.run([sys.executable, "-c", text], check=True)


def test_availability_in_the_simulator(simulated):
    assert ta.cuda.is_available() and ta.cuda.why_not() is None and ta.cuda.is_simulated()
    ta.cuda.synchronize()
