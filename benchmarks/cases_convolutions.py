"""The convolution layers that the CPU benchmark times, forward and with both gradients.

Ours are the ops with their tape; PyTorch's its functional convolution, channels last and NCHW; JAX
where it is installed, jitted, channels last. The gradient with respect to the first layer's input
(one or three channels) is not asked for, as in training.
"""

import numpy as np
import torch
import twins_torch as twins

import tinygrad_astro as ta
from tinygrad_astro.kernels.cpu import memory

# N, C, H, K, k, s
LAYERS = [
    (4, 1, 128, 32, 3, 1),
    (4, 32, 128, 32, 3, 1),
    (4, 64, 64, 64, 3, 1),
    (4, 128, 32, 128, 3, 1),
    (4, 256, 16, 256, 3, 1),
    (4, 64, 64, 128, 1, 1),
    (4, 3, 69, 32, 6, 1),
    (4, 32, 69, 64, 5, 1),
    (4, 64, 64, 128, 3, 2),
    (2, 3, 224, 64, 7, 2),
    (4, 48, 50, 80, 3, 1),
]


def name(layer):
    """Name a layer as the table does."""
    return "{}, {}, {}, {}, {}/{}".format(*layer)


def multiply_adds(layer):
    """Count those of the forward convolution, summed directly."""
    n, c, h, k, size, stride = layer
    side = (h + 2 * (size // 2) - size) // stride + 1
    return n * side * side * k * c * size * size


def _data(layer):
    n, c, h, k, size, stride = layer
    rng, pad = np.random.default_rng(0), size // 2
    side = (h + 2 * pad - size) // stride + 1
    shapes = (n, h, h, c), (size, size, c, k), (n, side, side, k)
    return [rng.standard_normal(shape, dtype=np.float32) for shape in shapes], stride, pad


def _as_made_by_an_op(array):
    """Copy to memory aligned as results of ops are, and as PyTorch's copies of the data are."""
    made = memory.empty(array.shape, array.dtype)
    made[...] = array
    return ta.tensor(made)


def _ours(x, w, g, stride, pad, backward):
    first = x.shape[-1] <= 3
    inputs, kernel, gradient = (_as_made_by_an_op(array) for array in (x, w, g))
    kernel.requires_grad, inputs.requires_grad = True, not first

    def forward():
        with ta.no_grad():
            return ta.ops.conv(inputs, kernel, stride, pad)

    def both():
        kernel.grad = inputs.grad = None
        ta.ops.conv(inputs, kernel, stride, pad).backward(gradient)

    return both if backward else forward


def _torch(x, w, g, stride, pad, backward):
    first, peers = x.shape[-1] <= 3, {}
    for layout, form in twins.LAYOUTS.items():
        inputs, gradient = (
            torch.tensor(a).movedim(-1, 1).contiguous(memory_format=form) for a in (x, g)
        )
        kernel = torch.tensor(w).permute(3, 2, 0, 1).contiguous(memory_format=form)
        kernel.requires_grad_(), inputs.requires_grad_(not first)

        def forward(inputs=inputs, kernel=kernel):
            with torch.no_grad():
                return torch.nn.functional.conv2d(inputs, kernel, stride=stride, padding=pad)

        def both(inputs=inputs, kernel=kernel, gradient=gradient):
            kernel.grad = inputs.grad = None
            torch.nn.functional.conv2d(inputs, kernel, stride=stride, padding=pad).backward(
                gradient
            )

        peers[f"PyTorch {layout}"] = both if backward else forward
    return peers


def _jax(x, w, g, stride, pad, backward):
    try:
        import jax
    except ImportError:
        return {}
    first, forms = x.shape[-1] <= 3, ("NHWC", "HWIO", "NHWC")

    def conv(x, w):
        pads = [(pad, pad)] * 2
        return jax.lax.conv_general_dilated(x, w, (stride,) * 2, pads, dimension_numbers=forms)

    def gradients(x, w, g):
        out, pull = jax.vjp((lambda w: conv(x, w)) if first else conv, *([w] if first else [x, w]))
        return out, pull(g)

    run = jax.jit(gradients if backward else lambda x, w, g: conv(x, w))
    arrays = [jax.numpy.asarray(a) for a in (x, w, g)]
    return {"JAX": lambda: jax.block_until_ready(run(*arrays))}


def case(layer, backward):
    """Give (our function, {name: a peer's function})."""
    arrays, stride, pad = _data(layer)
    peers = {
        **_torch(*arrays, stride, pad, backward),
        **_jax(*arrays, stride, pad, backward),
    }
    return _ours(*arrays, stride, pad, backward), peers
