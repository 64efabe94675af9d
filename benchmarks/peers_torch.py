"""The same networks in PyTorch, channels last, for timing beside ours."""


def _step(torch, model, x, y, optimizer, device):
    x = torch.as_tensor(x).permute(0, 3, 1, 2).to(device, memory_format=torch.channels_last)
    y = torch.as_tensor(y).to(device)
    loss = torch.nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(model(x), y).backward()
        optimizer.step()

    return step


def unet(torch, x, y, filters, depth, device="cuda"):
    """Give one training step of a U-Net with batch norm and Adam."""
    nn = torch.nn

    class Double(nn.Sequential):
        def __init__(self, a, b):
            layers = []
            for inputs in (a, b):
                layers += [nn.Conv2d(inputs, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(True)]
            super().__init__(*layers)

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            sizes = [filters * 2**i for i in range(depth + 1)]
            self.down = nn.ModuleList([Double(a, b) for a, b in zip([1, *sizes], sizes)])
            self.up = nn.ModuleList(
                [nn.ConvTranspose2d(2 * b, b, 2, stride=2) for b in reversed(sizes[:-1])]
            )
            self.join = nn.ModuleList([Double(2 * b, b) for b in reversed(sizes[:-1])])
            self.last = nn.Conv2d(filters, 2, 1)

        def forward(self, x):
            kept = []
            for i, block in enumerate(self.down):
                x = block(x if i == 0 else nn.functional.max_pool2d(x, 2))
                kept.append(x)
            for up, join, skip in zip(self.up, self.join, reversed(kept[:-1])):
                x = join(torch.cat([skip, up(x)], 1))
            return self.last(x)

    model = UNet().to(device, memory_format=torch.channels_last)
    return _step(torch, model, x, y, torch.optim.Adam(model.parameters(), 1e-3), device)


def small_cnn(torch, x, y, channels=(32, 64, 128, 128, 64), device="cuda"):
    """Give one training step of a small galaxy CNN, after Dominguez Sanchez et al. 2018."""
    nn, (a, b, c, d, e) = torch.nn, channels
    model = nn.Sequential(
        nn.Conv2d(3, a, 6), nn.ReLU(), nn.Conv2d(a, b, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(b, c, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(c, d, 3), nn.ReLU(),
        nn.Flatten(), nn.LazyLinear(e), nn.ReLU(), nn.Linear(e, 2),
    )  # fmt: skip
    model(torch.zeros(1, 3, *x.shape[1:3]))  # gives the lazy layer its size, before it can move
    model = model.to(device, memory_format=torch.channels_last)
    return _step(torch, model, x, y, torch.optim.SGD(model.parameters(), 0.01), device)
