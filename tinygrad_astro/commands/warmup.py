"""`tinygrad-astro warmup`: compiles the kernels ahead, so that nothing has to later."""

import sys
import time

from tinygrad_astro.commands.arguments import describe


def add(commands) -> None:
    """Describe the arguments (there are none)."""
    one = describe(
        commands,
        "warmup",
        "compile the kernels ahead; they are kept for all later runs",
        "tinygrad-astro warmup",
    )
    one.set_defaults(run=run)


def run(arguments) -> None:
    """Go through small pieces of every kind of work."""
    from tqdm import tqdm

    from tinygrad_astro.kernels.cpu.target import cache_folder, on_compile

    compiled: list[str] = []
    start = time.perf_counter()
    watched = sys.stderr.isatty()
    with tqdm(WORK.items(), unit="job", dynamic_ncols=True, disable=not watched) as bar:

        def report(kernel):
            # Numba's own replacements of NumPy functions are all called "impl".
            if kernel != "impl":
                compiled.append(kernel)
                bar.set_postfix_str(f"compiling {kernel.lstrip('_')}", refresh=True)

        with on_compile(report):
            for name, work in bar:
                bar.set_description(name)
                if not watched:
                    print(f"kernels for {name} ...", flush=True)
                work()
                bar.set_postfix_str("")
    took = time.perf_counter() - start
    print(f"{len(compiled)} kernels compiled in {took:.1f} s, kept in {cache_folder()}")


def segmentation() -> None:
    """Train U-Nets by one step, and predict with them."""
    import numpy as np

    from tinygrad_astro.losses import SparseCategoricalCrossentropy
    from tinygrad_astro.models.unet import UPS, unet

    image, labels = np.zeros((2, 64, 64, 3), np.float32), np.zeros((2, 64, 64), np.int64)
    for up in UPS:
        network = unet((None, None, 3), 2, filters=8, depth=2, up=up, dropout=0.1)
        network.compile("adam", SparseCategoricalCrossentropy(from_logits=True))
        network.train_on_batch(image, labels)
        network.predict(image, verbose=0)


def images() -> None:
    """Train a small classifier by a step of each optimizer."""
    from tinygrad_astro import layers
    from tinygrad_astro.layers import Input

    stack = [
        Input((32, 32, 3)),
        layers.Conv2D(8, 5, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(8, 3, strides=2, padding="same"),
        layers.BatchNormalization(),
        layers.AveragePooling2D(),
        layers.SpatialDropout2D(0.1),
        layers.Flatten(),
        layers.Dense(8, activation="relu"),
        layers.Dropout(0.1),
        layers.Dense(1, "sigmoid"),
    ]
    _train(stack, (32, 32, 3), ("sgd", "rmsprop", "adam"))


def spectra() -> None:
    """Train a small network on spectra by one step."""
    from tinygrad_astro import layers
    from tinygrad_astro.layers import Input

    stack = [
        Input((256, 1)),
        layers.Conv1D(8, 7, activation="relu"),
        layers.MaxPooling1D(4),
        layers.GlobalAveragePooling1D(),
        layers.Dense(1, "sigmoid"),
    ]
    _train(stack, (256, 1), ("adam",))


def _train(stack, shape, optimizers) -> None:
    import numpy as np

    from tinygrad_astro.models import Sequential

    network = Sequential(stack)
    for optimizer in optimizers:
        network.compile(optimizer, "binary_crossentropy")
        network.train_on_batch(np.zeros((4, *shape), np.float32), np.zeros((4, 1), np.float32))
    network.predict(np.zeros((4, *shape), np.float32), verbose=0)


WORK = {"segmentation": segmentation, "images": images, "spectra": spectra}
