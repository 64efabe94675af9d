"""Training steps beside PyTorch: `python benchmarks/bench_training.py [--threads 2]`.

Prints a table and writes benchmarks/results/training-<threads>.json. Needs PyTorch, which is no
dependency of the project. Method: pairs.py; the peer is the fastest of PyTorch's variants.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from pairs import compare, machine
from torch import nn

import tinygrad_astro as ta

RESULTS = Path(__file__).parent / "results"


class Block(nn.Sequential):
    """Two 3x3 convolutions, each with batch norm and relu."""

    def __init__(self, c_in, c_out):
        layers = []
        for first in (c_in, c_out):
            layers += [nn.Conv2d(first, c_out, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(c_out), nn.ReLU(True)]
        super().__init__(*layers)


class TorchUNet(nn.Module):
    """The same network as `ta.models.unet` builds."""

    def __init__(self, base, depth, channels, classes):
        super().__init__()
        c = [base << i for i in range(depth + 1)]
        self.down = nn.ModuleList(Block([channels, *c][i], c[i]) for i in range(depth))
        self.bottom = Block(c[-2], c[-1])
        levels = list(reversed(range(depth)))
        self.up = nn.ModuleList(nn.ConvTranspose2d(c[i + 1], c[i], 2, 2) for i in levels)
        self.join = nn.ModuleList(Block(c[i + 1], c[i]) for i in levels)
        self.head = nn.Conv2d(base, classes, 1)

    def forward(self, x):
        kept = []
        for block in self.down:
            x = block(x)
            kept.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for up, join in zip(self.up, self.join):
            x = join(torch.cat([kept.pop(), up(x)], 1))
        return self.head(x)


def torch_step(model, x, y, loss):
    """Make a training step of PyTorch's Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step():
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value.item()

    return step


def unet(base, depth, batch, side):
    """Give our U-Net step, and PyTorch's in both memory layouts."""
    rng = np.random.default_rng(0)
    x = rng.random((batch, side, side, 1), np.float32)
    y = (x[..., 0] > 0.5).astype(np.int64)
    ours = ta.models.unet((side, side, 1), 2, filters=base, depth=depth)
    ours.compile("adam", ta.losses.SparseCategoricalCrossentropy(from_logits=True))
    peers, tx, ty = {}, torch.tensor(x).permute(0, 3, 1, 2), torch.tensor(y)
    for layout in (torch.channels_last, torch.contiguous_format):
        model = TorchUNet(base, depth, 1, 2).to(memory_format=layout)
        data = tx.contiguous(memory_format=layout)
        peers[str(layout).removeprefix("torch.")] = torch_step(
            model, data, ty, nn.CrossEntropyLoss()
        )
    return lambda: ours.train_on_batch(x, y), peers


def mlp():
    """Give the step of an 8-16-1 network, where overhead is everything."""
    rng = np.random.default_rng(0)
    x = rng.random((32, 8), np.float32)
    y = x.sum(1, keepdims=True)
    layers = ta.layers
    ours = ta.Sequential([layers.Input((8,)), layers.Dense(16, "relu"), layers.Dense(1)])
    ours.compile("adam", "mse")
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    step = torch_step(model, torch.tensor(x), torch.tensor(y), nn.MSELoss())
    return lambda: ours.train_on_batch(x, y), {"eager": step}


CASES = {
    "U-Net base 32 depth 4, 4x128x128x1": lambda: unet(32, 4, 4, 128),
    "U-Net base 16 depth 4, 2x256x256x1": lambda: unet(16, 4, 2, 256),
    "MLP 8-16-1, batch 32": mlp,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0, help="per row")
    options = parser.parse_args()
    ta.set_num_threads(options.threads)
    torch.set_num_threads(options.threads)
    rows = {}
    print(f"{'step':38s} {'ours':>9s} {'PyTorch':>9s}  ratio (quartiles)")
    for name, make in CASES.items():
        ours, peers = make()
        row = rows[name] = compare(ours, peers, options.seconds)
        low, high = row["quartiles"]
        print(
            f"{name:38s} {row['ours_ms']:7.1f}ms {row['peer_ms']:7.1f}ms  "
            f"{row['ratio']:.2f} ({low:.2f} to {high:.2f}), {row['peer']}"
        )
    report = {"machine": machine(), "torch": torch.__version__, "threads": options.threads}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"training-{options.threads}.json"
    path.write_text(json.dumps({**report, "rows": rows}, indent=1) + "\n")
    print(f"written to {path}")


if __name__ == "__main__":
    main()
