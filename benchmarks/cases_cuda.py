"""What bench_cuda.py times: convolutions, kernels bound by memory, whole training steps.

Each case is made anew in its row, so that a failure of one leaves the others alone, and its memory
is free before the next.
"""

import time
from dataclasses import dataclass

import numpy as np

import tinygrad_astro as ta


@dataclass(frozen=True)
class Sizes:
    """How large everything is; the tests run the whole script in small."""

    repeats: int = 15
    warm: int = 3
    copy: int = 2**28
    product: int = 8192
    # N, H, W, C -> K, 3x3 "same"
    convs: tuple = ((32, 56, 56, 64, 64), (128, 28, 28, 128, 128), (16, 128, 128, 32, 32))
    rows: tuple = (2**20, 64)  # of batch norm
    image: tuple = (32, 128, 128, 64)  # to be pooled
    weights: int = 2**25  # of Adam
    unet: tuple = (16, 256, 32, 4)  # images, side, filters, depth
    cnn: tuple = (32, 69, (32, 64, 128, 128, 64))  # images, side, channels of each layer


FULL = Sizes()
TOY = Sizes(
    repeats=1, warm=1, copy=64, product=8, convs=((1, 4, 4, 8, 16),), rows=(4, 2),
    image=(1, 4, 4, 2), weights=5, unet=(1, 8, 2, 1), cnn=(2, 24, (2, 2, 2, 2, 2)),
)  # fmt: skip
DIRECTIONS = {"forward": "conv", "input gradient": "conv_input_grad",
              "weight gradient": "conv_weight_grad"}  # fmt: skip
# ours -> what PyTorch is allowed: like is compared with like
PRECISIONS = {"fp32": False, "tf32": True, "3xtf32": False}
# (at least, aim for)
CONV_TARGETS = {"fp32": (0.7, 1.0), "tf32": (0.4, 0.8)}
UNET, SMALL, FRACTION, DEVICES = (0.7, 1.2), (1.0, 2.0), (0.7, 0.9), (50, 200)


def convolutions(bench):
    """Time forward and both gradients beside cuDNN, channels last."""
    for precision in PRECISIONS:
        for size in bench.sizes.convs:
            for direction in DIRECTIONS:
                name = f"conv {precision} {direction} {'x'.join(map(str, size[:4]))}->{size[4]}"
                one = lambda a=(size, direction, precision): convolution(bench, *a)  # noqa: E731
                bench.row(name, one, CONV_TARGETS.get(precision))


def convolution(bench, size, direction, precision):
    """Time one, and measure its error against float64."""
    from tinygrad_astro.kernels import cuda as kernels
    from tinygrad_astro.kernels.cuda import namespace as xp

    n, h, w, c, k = size
    torch = bench.allow_tf32(PRECISIONS[precision])
    rng = np.random.default_rng(0)
    shapes = {"x": (n, h, w, c), "w": (3, 3, c, k), "g": (n, h, w, k)}
    host = {name: rng.standard_normal(s, np.float32) for name, s in shapes.items()}
    inputs, target = {"forward": ("xw", "g"), "input gradient": ("gw", "x"),
                      "weight gradient": ("xg", "w")}[direction]  # fmt: skip
    function = getattr(kernels.conv, DIRECTIONS[direction])
    arrays = [xp.asarray(host[name]) for name in inputs]
    out = xp.full(shapes[target], np.nan, np.float32)
    geometry = (1, 1), ((1, 1), (1, 1)), (1, 1), 1

    def theirs(t):
        if direction == "forward":
            return torch.nn.functional.conv2d(t["x"], t["w"], padding=1)
        mask = [direction == "input gradient", direction == "weight gradient", False]
        sides = [1, 1], [1, 1], [1, 1], False, [0, 0], 1
        found = torch.ops.aten.convolution_backward(t["g"], t["x"], t["w"], None, *sides, mask)
        return found[mask.index(True)]

    single = channels_last(torch, host, bench.device, torch.float32)
    with ta.precision(precision):
        found = bench.beside(lambda: function(out, *arrays, *geometry), lambda: theirs(single))
    exact = theirs(channels_last(torch, host, bench.device, torch.float64))
    exact = exact.permute(2, 3, 1, 0) if target == "w" else exact.permute(0, 2, 3, 1)
    exact = exact.cpu().numpy()
    found["error"] = float(np.abs(out.copy_to_host() - exact).max() / np.abs(exact).max())
    found["TFLOP_per_s"] = 2e-9 * 9 * n * h * w * c * k / found["ours_ms"]
    return found


def channels_last(torch, host, device, dtype):
    """Give x, w, g as PyTorch wants them: its axes, our order in memory."""
    orders = {"x": (0, 3, 1, 2), "g": (0, 3, 1, 2), "w": (3, 2, 0, 1)}
    found = {}
    for name, order in orders.items():
        tensor = torch.as_tensor(host[name]).to(device=device, dtype=dtype).permute(order)
        found[name] = tensor.contiguous(memory_format=torch.channels_last)
    return found


def bound_by_memory(bench):
    """Time kernels that only move data, as a fraction of the copy bandwidth measured before."""
    from tinygrad_astro.kernels import cuda as kernels
    from tinygrad_astro.kernels.cuda import namespace as xp

    rows, channels = bench.sizes.rows

    def fraction(run, nbytes):
        copied = bench.rows.get("copy bandwidth (PyTorch)", {}).get("GB_per_s")
        if copied is None:
            raise RuntimeError("the copy bandwidth could not be measured")
        ms = bench.timed(ours=run)["ours_ms"]
        return {"ours_ms": ms, "GB_per_s_ours": nbytes / ms * 1e-6,
                "fraction": nbytes / ms * 1e-6 / copied}  # fmt: skip

    def make(*shape):
        return xp.full(shape, 0.5, np.float32)

    def norm():
        x, out, c = make(rows, channels), make(rows, channels), [make(channels) for _ in range(4)]
        return fraction(lambda: kernels.norm.batch_norm(out, x, *c, "relu"), 2 * x.nbytes)

    def moments():
        x, mean, var = make(rows, channels), make(channels), make(channels)
        return fraction(lambda: kernels.norm.moments(mean, var, x), x.nbytes)

    def norm_grad():
        x, g, out = (make(rows, channels) for _ in range(3))
        c, sums = [make(channels) for _ in range(4)], make(2, channels)

        def run():
            kernels.norm.batch_norm_sums(sums, g, x, *c, "relu")
            kernels.norm.batch_norm_input_grad(out, g, x, *c, "relu", sums)

        return fraction(run, 5 * x.nbytes)  # both are read twice, one is written

    def pool():
        n, h, w, c = bench.sizes.image
        x, out = make(n, h, w, c), make(n, h // 2, w // 2, c)
        geometry = (2, 2), (2, 2), ((0, 0), (0, 0))
        run = lambda: kernels.pool.sum_windows(out, x, *geometry)  # noqa: E731
        return fraction(run, x.nbytes + out.nbytes)

    def adam():
        w = [make(bench.sizes.weights) for _ in range(4)]
        numbers = 1e-3, 0.9, 0.999, 1e-7, 1, 0.0
        return fraction(lambda: kernels.optimizers.adam(*w, *numbers), 7 * w[0].nbytes)

    for name, measure in (("batch_norm", norm), ("moments", moments), ("its gradient", norm_grad),
                          ("sum_windows", pool), ("adam", adam)):  # fmt: skip
        bench.row(f"fraction of copy bandwidth: {name}", measure, FRACTION)


def training_steps(bench):
    """Time whole training steps: the U-Net beside PyTorch and our CPU, the small net replayed."""
    from peers_torch import small_cnn, unet

    images, side, filters, depth = bench.sizes.unet

    def beside_torch(precision):
        torch = bench.allow_tf32(precision != "fp32")
        step, x, y = unet_step(bench, "cuda")
        with ta.precision(precision):
            return bench.beside(step, unet(torch, x, y, filters, depth, bench.device))

    def beside_cpu():
        step = unet_step(bench, "cpu")[0]
        step()
        start = time.perf_counter()
        step()
        cpu_ms = 1e3 * (time.perf_counter() - start)
        ours = bench.timed(ours=unet_step(bench, "cuda")[0])["ours_ms"]
        return {"ours_ms": ours, "cpu_ms": cpu_ms, "ratio": cpu_ms / ours}

    def small(replayed):
        torch = bench.allow_tf32(False)
        step, x, y = cnn_step(bench, replayed)
        return bench.beside(step, small_cnn(torch, x, y, bench.sizes.cnn[2], bench.device))

    shape = f"{images}x{side}x{side}x1"
    for precision in ("fp32", "tf32"):
        run = lambda p=precision: beside_torch(p)  # noqa: E731
        bench.row(f"U-Net step {precision} {shape}", run, UNET)
    bench.row("small CNN step, eager", lambda: small(False))
    bench.row("small CNN step, graph", lambda: small(True), SMALL)
    bench.row("U-Net step, CPU / GPU", beside_cpu, DEVICES)


def step_of(model, x, y, optimizer, replayed=False):
    """Give a whole step, forward to optimizer, launch by launch or as a graph."""
    weights = model.trainable_weights

    def step(x, y):
        values = ta.losses.softmax.softmax_cross_entropy(model(x, training=True), y)
        loss = values.mean()
        for w in weights:
            w.grad = None
        loss.backward()
        optimizer.apply([w.grad for w in weights], weights)
        return loss

    if replayed:
        step = ta.cuda.graph(step, x, y)
    return lambda: step(x, y)


def unet_step(bench, device):
    """Give our U-Net's training step, and its data."""
    images, side, filters, depth = bench.sizes.unet
    rng = np.random.default_rng(0)
    x = rng.standard_normal((images, side, side, 1), np.float32)
    y = (x[..., 0] > 0).astype(np.int64)
    model = ta.models.unet((side, side, 1), 2, filters=filters, depth=depth).to(device)
    there = ta.tensor(x, device=device), ta.tensor(y, device=device)
    return step_of(model, *there, ta.optimizers.Adam(1e-3)), x, y


def cnn_step(bench, replayed):
    """Give the small net's training step, launch by launch or as a graph, and its data."""
    images, side, (a, b, c, d, e) = bench.sizes.cnn
    rng = np.random.default_rng(0)
    x = rng.standard_normal((images, side, side, 3), np.float32)
    y = rng.integers(0, 2, images)
    layers = ta.layers
    model = ta.Sequential([
        ta.Input((side, side, 3)), layers.Conv2D(a, 6, activation="relu"),
        layers.Conv2D(b, 5, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(c, 2, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(d, 3, activation="relu"), layers.Flatten(),
        layers.Dense(e, activation="relu"), layers.Dense(2),
    ]).to("cuda")  # fmt: skip
    there = ta.tensor(x, device="cuda"), ta.tensor(y, device="cuda")
    return step_of(model, *there, ta.optimizers.SGD(0.01), replayed), x, y
