"""Everything to be measured on a GPU, in one run of a few minutes, beside PyTorch.

    pip install 'tinygrad_astro[cuda,test]' torch
    python benchmarks/bench_cuda.py

1. The tests of all kernels, on the card instead of the simulator, every output filled with NaN
   beforehand.
2. Ceilings of this card: copy bandwidth; matrix products of PyTorch in fp32, TF32 and bfloat16.
3. Ours beside PyTorch (cuDNN, channels last), on one stream, by CUDA events, medians of
   interleaved runs; convolutions also with their error against float64.

Writes results/<card>.json and prints a table. A row that could not be measured says so, with the
reason: no number in it is ever an estimate.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import tinygrad_astro as ta

RESULTS = Path(__file__).parent / "results"
REPEATS, WARM = 15, 3
# N, H, W, C -> K, 3x3 "same"
CONVS = [(32, 56, 56, 64, 64), (128, 28, 28, 128, 128), (16, 128, 128, 32, 32)]
DIRECTIONS = ("forward", "input gradient", "weight gradient")
# ours -> what PyTorch is allowed: like is compared with like
PRECISIONS = {"fp32": False, "tf32": True, "3xtf32": False}
TARGETS = {
    "conv fp32": (0.7, 1.0), "conv tf32": (0.4, 0.8), "U-Net step": (0.7, 1.2),
    "small CNN step, graph": (1.0, 2.0), "fraction of copy bandwidth": (0.7, 0.9),
    "U-Net step, CPU / GPU": (50, 200),
}  # fmt: skip


class Bench:
    """The rows of the table, and how each is timed."""

    def __init__(self):
        self.rows = []
        self.torch = None

    def row(self, name, measure):
        """Add what `measure` gives, or why it could not be measured."""
        try:
            found = measure()
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            found = {"result": f"not measured ({reason})"}
        self.rows.append({"name": name, **found})
        print(json.dumps(self.rows[-1]), flush=True)

    def timed(self, **runs):
        """Run each in turn, REPEATS times; give the medians in milliseconds."""
        from cuda.core import EventOptions

        from tinygrad_astro.kernels.cuda.driver import card

        one = card()
        options = EventOptions(timing_enabled=True)
        times = {name: [] for name in runs}
        for _ in range(WARM):
            for run in runs.values():
                run()
        for _ in range(REPEATS):
            for name, run in runs.items():
                start = one.stream.record(options=options)
                run()
                end = one.stream.record(options=options)
                end.sync()
                times[name].append(end - start)
        return {f"{name}_ms": float(np.median(found)) for name, found in times.items()}

    def beside(self, ours, peer):
        """Time ours and PyTorch's: both medians, and PyTorch's time / ours."""
        found = self.timed(ours=ours, peer=peer)
        return {**found, "ratio": found["peer_ms"] / found["ours_ms"]}

    def need_torch(self):
        """Import PyTorch, on our stream."""
        if self.torch is None:
            import torch

            from tinygrad_astro.kernels.cuda.driver import card

            stream = torch.cuda.ExternalStream(int(card().stream.handle))
            torch.cuda.set_stream(stream)
            torch.backends.cudnn.benchmark = True
            self.torch = torch
        return self.torch

    def allow_tf32(self, yes):
        """Let PyTorch use TF32 or not."""
        torch = self.need_torch()
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = yes
        return torch


def check_kernels():
    """Run the kernels' tests on the card."""
    environment = {**os.environ, "TINYGRAD_ASTRO_GPU": "1"}
    environment.pop("NUMBA_ENABLE_CUDASIM", None)
    command = [sys.executable, "-m", "pytest", "tests/cuda", "-q", "-p", "no:cacheprovider"]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    lines = done.stdout.strip().splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return {"result": lines[-1] if lines else done.stderr[-300:], "failed": failed[:20]}


def ceilings(bench):
    """Measure what the card can do: copies and matrix products."""

    def copy():
        torch, n = bench.need_torch(), 2**28
        a = torch.empty(n, device="cuda")
        b = torch.empty_like(a)
        ms = bench.timed(peer=lambda: b.copy_(a))["peer_ms"]
        return {"GB_per_s": 8e-6 * n / ms}

    def product(kind):
        torch, n = bench.allow_tf32(kind == "tf32"), 8192
        dtype = torch.bfloat16 if kind == "bf16" else torch.float32
        a = torch.randn(n, n, device="cuda", dtype=dtype)
        ms = bench.timed(peer=lambda: a @ a)["peer_ms"]
        return {"TFLOP_per_s": 2e-9 * n**3 / ms}

    bench.row("copy bandwidth (PyTorch)", copy)
    for kind in ("fp32", "tf32", "bf16"):
        bench.row(f"matmul 8192 {kind} (PyTorch)", lambda kind=kind: product(kind))


def convolutions(bench):
    """Time forward and both gradients beside cuDNN, channels last."""
    from tinygrad_astro.kernels import cuda as kernels
    from tinygrad_astro.kernels.cuda import namespace as xp

    def one(size, direction, precision):
        n, h, w, c, k = size
        torch = bench.allow_tf32(PRECISIONS[precision])
        rng = np.random.default_rng(0)
        shapes = {"x": (n, h, w, c), "w": (3, 3, c, k), "g": (n, h, w, k)}
        host = {name: rng.standard_normal(s, np.float32) for name, s in shapes.items()}
        inputs, target = {"forward": ("xw", "g"), "input gradient": ("gw", "x"),
                          "weight gradient": ("xg", "w")}[direction]  # fmt: skip
        names = dict(zip(DIRECTIONS, ("conv", "conv_input_grad", "conv_weight_grad")))
        function = getattr(kernels.conv, names[direction])
        arrays = [xp.asarray(host[name]) for name in inputs]
        out = xp.full(shapes[target], np.nan, np.float32)
        geometry = (1, 1), ((1, 1), (1, 1)), (1, 1), 1

        def tensors(dtype):
            form = {"device": "cuda", "dtype": dtype}
            made = {name: torch.as_tensor(host[name]).to(**form) for name in "xwg"}
            orders = {"x": (0, 3, 1, 2), "g": (0, 3, 1, 2), "w": (3, 2, 0, 1)}
            return {
                name: t.permute(orders[name]).contiguous(memory_format=torch.channels_last)
                for name, t in made.items()
            }

        def theirs(t):
            if direction == "forward":
                return torch.nn.functional.conv2d(t["x"], t["w"], padding=1)
            mask = [direction == "input gradient", direction == "weight gradient", False]
            sides = [1, 1], [1, 1], [1, 1], False, [0, 0], 1
            return torch.ops.aten.convolution_backward(t["g"], t["x"], t["w"], None, *sides, mask)[
                mask.index(True)
            ]

        t = tensors(torch.float32)
        with ta.precision(precision):
            found = bench.beside(lambda: function(out, *arrays, *geometry), lambda: theirs(t))
        exact = theirs(tensors(torch.float64))
        exact = exact.permute(2, 3, 1, 0) if target == "w" else exact.permute(0, 2, 3, 1)
        exact = exact.cpu().numpy()
        found["error"] = float(np.abs(out.copy_to_host() - exact).max() / np.abs(exact).max())
        found["TFLOP_per_s"] = 2e-9 * 9 * n * h * w * c * k / found["ours_ms"]
        return found

    for precision in PRECISIONS:
        for size in CONVS:
            for direction in DIRECTIONS:
                name = f"conv {precision} {direction} {'x'.join(map(str, size[:4]))}->{size[4]}"
                bench.row(name, lambda a=(size, direction, precision): one(*a))


def bound_by_memory(bench):
    """Time kernels that only move data, as a fraction of the copy bandwidth measured above."""
    from tinygrad_astro.kernels import cuda as kernels
    from tinygrad_astro.kernels.cuda import namespace as xp

    def fraction(run, nbytes):
        copied = next((r["GB_per_s"] for r in bench.rows if "GB_per_s" in r), None)
        if copied is None:
            raise RuntimeError("the copy bandwidth could not be measured")
        ms = bench.timed(ours=run)["ours_ms"]
        return {"ours_ms": ms, "GB_per_s_ours": nbytes / ms * 1e-6,
                "fraction": nbytes / ms * 1e-6 / copied}  # fmt: skip

    def make(shape):
        return xp.full(shape, 0.5, np.float32)

    def norm():
        x, out, c = make((2**20, 64)), make((2**20, 64)), [make(64) for _ in range(4)]
        return fraction(lambda: kernels.norm.batch_norm(out, x, *c, "relu"), 2 * x.nbytes)

    def moments():
        x, mean, var = make((2**20, 64)), make(64), make(64)
        return fraction(lambda: kernels.norm.moments(mean, var, x), x.nbytes)

    def pool():
        x, out = make((32, 128, 128, 64)), make((32, 64, 64, 64))
        geometry = (2, 2), (2, 2), ((0, 0), (0, 0))
        run = lambda: kernels.pool.sum_windows(out, x, *geometry)  # noqa: E731
        return fraction(run, x.nbytes + out.nbytes)

    def adam():
        w = [make(2**25) for _ in range(4)]
        numbers = 1e-3, 0.9, 0.999, 1e-7, 1, 0.0
        return fraction(lambda: kernels.optimizers.adam(*w, *numbers), 7 * w[0].nbytes)

    for name, measure in (("batch_norm", norm), ("moments", moments), ("sum_windows", pool),
                          ("adam", adam)):  # fmt: skip
        bench.row(f"fraction of copy bandwidth: {name}", measure)


def training_steps(bench):
    """Time whole training steps: the U-Net beside PyTorch and our CPU, the small net replayed."""
    from peers_torch import small_cnn, unet

    def step_of(model, x, y, optimizer):
        weights = model.trainable_weights

        def gradients(x, y):
            values = ta.losses.softmax.softmax_cross_entropy(model(x, training=True), y)
            loss = values.mean()
            for w in weights:
                w.grad = None
            loss.backward()
            return loss, *[w.grad for w in weights]

        return gradients, lambda: optimizer.apply(gradients(x, y)[1:], weights)

    def unet_step(precision, device="cuda"):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((16, 256, 256, 1), np.float32)
        y = (x[..., 0] > 0).astype(np.int64)
        model = ta.models.unet((256, 256, 1), 2, filters=32, depth=4).to(device)
        there = ta.tensor(x, device=device), ta.tensor(y, device=device)
        return step_of(model, *there, ta.optimizers.Adam(1e-3))[1], x, y

    def beside_torch(precision):
        torch = bench.allow_tf32(precision != "fp32")
        step, x, y = unet_step(precision)
        with ta.precision(precision):
            return bench.beside(step, unet(torch, x, y))

    def beside_cpu():
        import time

        step = unet_step("fp32", "cpu")[0]
        step()
        start = time.perf_counter()
        step()
        cpu_ms = 1e3 * (time.perf_counter() - start)
        ours = bench.timed(ours=unet_step("fp32")[0])["ours_ms"]
        return {"ours_ms": ours, "cpu_ms": cpu_ms, "ratio": cpu_ms / ours}

    def small(replayed):
        torch = bench.allow_tf32(False)
        rng = np.random.default_rng(0)
        x = rng.standard_normal((32, 69, 69, 3), np.float32)
        y = rng.integers(0, 2, 32)
        layers = ta.layers
        model = ta.Sequential([
            ta.Input((69, 69, 3)), layers.Conv2D(32, 6, activation="relu"),
            layers.Conv2D(64, 5, activation="relu"), layers.MaxPooling2D(2),
            layers.Conv2D(128, 2, activation="relu"), layers.MaxPooling2D(2),
            layers.Conv2D(128, 3, activation="relu"), layers.Flatten(),
            layers.Dense(64, activation="relu"), layers.Dense(2),
        ]).to("cuda")  # fmt: skip
        there = ta.tensor(x, device="cuda"), ta.tensor(y, device="cuda")
        optimizer = ta.optimizers.SGD(0.01)
        gradients, step = step_of(model, *there, optimizer)
        if replayed:
            replay, weights = ta.cuda.graph(gradients, *there), model.trainable_weights
            step = lambda: optimizer.apply(replay(*there)[1:], weights)  # noqa: E731
        return bench.beside(step, small_cnn(torch, x, y))

    for precision in ("fp32", "tf32"):
        bench.row(f"U-Net step {precision} 16x256x256x1", lambda p=precision: beside_torch(p))
    bench.row("U-Net step, CPU / GPU", beside_cpu)
    bench.row("small CNN step, eager", lambda: small(False))
    bench.row("small CNN step, graph", lambda: small(True))


def describe():
    """Name the card and the versions."""
    from importlib import metadata

    found = {"card": "none", "reason": ta.cuda.why_not()}
    if ta.cuda.is_available() and not ta.cuda.is_simulated():
        from tinygrad_astro.kernels.cuda.driver import card

        found = {"card": card().name, "compute_capability": card().architecture}
    for package in ("numba", "numba-cuda", "cuda-core", "numpy", "torch"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def main():
    machine = describe()
    print(json.dumps(machine))
    if machine["card"] == "none":
        sys.exit(f"nothing was measured: {machine['reason'] or 'this is the simulator'}")
    bench = Bench()
    bench.row("tests of all kernels on the card", check_kernels)
    ceilings(bench)
    convolutions(bench)
    bound_by_memory(bench)
    training_steps(bench)
    RESULTS.mkdir(exist_ok=True)
    name = re.sub(r"\W+", "_", machine["card"]).strip("_").lower()
    kept = {"machine": machine, "targets": TARGETS, "rows": bench.rows}
    (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
