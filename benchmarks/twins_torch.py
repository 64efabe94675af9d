"""The networks of the CPU benchmark in PyTorch, layer for layer those of tinygrad_astro.models."""

import torch
from torch import nn

LAYOUTS = {"channels last": torch.channels_last, "NCHW": torch.contiguous_format}


class Block(nn.Sequential):
    """Two 3x3 convolutions, each with batch norm and relu."""

    def __init__(self, c_in, c_out):
        layers = []
        for first in (c_in, c_out):
            layers += [nn.Conv2d(first, c_out, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(c_out), nn.ReLU(True)]
        super().__init__(*layers)


class UNet(nn.Module):
    """Ronneberger et al. 2015 with "same" padding and batch norm, as `ta.models.unet` builds it."""

    def __init__(self, base, depth=4, channels=1, classes=2):
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
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat([kept.pop(), up(x)], 1))
        return self.head(x)


def dominguez_sanchez18():
    """Give the galaxy classifier of Dominguez Sanchez et al. 2018, with a logit at its end."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 6, padding="same"), nn.ReLU(), nn.Dropout(0.5),
        nn.Conv2d(32, 64, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Conv2d(64, 128, 2, padding="same"), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Conv2d(128, 128, 3, padding="same"), nn.ReLU(), nn.Dropout(0.25),
        nn.Flatten(), nn.Linear(128 * 17 * 17, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 1),
    )  # fmt: skip


class Residual(nn.Module):
    """The basic block of He et al. 2016."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(True),
            nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False), nn.BatchNorm2d(c_out),
        )  # fmt: skip
        project = [nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)]
        self.shortcut = nn.Sequential(*(project if stride > 1 or c_in != c_out else []))

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet18(classes):
    """Give ResNet-18."""
    blocks, c_in = [], 64
    for stage, c_out in enumerate((64, 128, 256, 512)):
        for k in range(2):
            blocks.append(Residual(c_in, c_out, 2 if stage and not k else 1))
            c_in = c_out
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(True),
        nn.MaxPool2d(3, 2, 1), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(512, classes),
    )  # fmt: skip


def starnet(length):
    """Give the 1-D network of Fabbro et al. 2018: two convolutions over a spectrum, pool 4."""
    return nn.Sequential(
        nn.Conv1d(1, 4, 8, padding="same"), nn.ReLU(), nn.Conv1d(4, 16, 8, padding="same"),
        nn.ReLU(), nn.MaxPool1d(4), nn.Flatten(), nn.Linear(16 * (length // 4), 256), nn.ReLU(),
        nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 3),
    )  # fmt: skip


def mlp():
    """Give the 8-16-1 network, where overhead is everything."""
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))


def channels_first(x):
    """Move our channels-last array to PyTorch's order of axes."""
    t = torch.tensor(x)
    return t.movedim(-1, 1) if t.ndim > 2 else t


def variants(make, x, compiled):
    """Give name -> (model, input) for each way of running the network that suits the data."""
    first = channels_first(x)
    layouts = LAYOUTS if first.ndim == 4 else {"eager": torch.contiguous_format}
    found = {}
    for name, layout in layouts.items():
        data = first.contiguous(memory_format=layout)
        found[name] = make().to(memory_format=layout), data
        if compiled:
            found[f"compiled, {name}"] = torch.compile(make().to(memory_format=layout)), data
    return found


def steps(make, loss, x, y, compiled=False):
    """Give name -> one training step with Adam."""

    def step_of(model, data):
        optimizer, target = torch.optim.Adam(model.parameters(), lr=1e-3), torch.tensor(y)

        def step():
            optimizer.zero_grad()
            value = loss(model(data), target)
            value.backward()
            optimizer.step()
            return value.item()

        return step

    return {name: step_of(*pair) for name, pair in variants(make, x, compiled).items()}


def predictions(make, x, compiled=False):
    """Give name -> one prediction."""

    def predict_of(model, data):
        model.eval()

        def predict():
            with torch.no_grad():
                return model(data)

        return predict

    return {name: predict_of(*pair) for name, pair in variants(make, x, compiled).items()}
