"""How cost grows: time per pixel against image side and batch, and one thread against all.

    python benchmarks/bench_growth.py

Times the prediction of a U-Net (base 16, depth 4) on images of 64 to 2048 pixels a side and batches
of 1 to 32 at 128 pixels, and a training step (base 32, 4x128x128x1) on 1 to all threads, in turns;
writes benchmarks/results/<processor>/growth.json and growth.png.
"""

import argparse
import json
import time

import numpy as np
from pairs import machine, results_folder

import tinygrad_astro as ta

SIDES = (64, 128, 256, 512, 1024, 2048)
BATCHES = (1, 2, 4, 8, 16, 32)


def nanoseconds_per_pixel(predict, shapes, rounds):
    """Give the least time of interleaved runs, by shape (batch, side)."""
    images = [np.random.default_rng(0).random((n, s, s, 1), np.float32) for n, s in shapes]
    best = np.full(len(shapes), np.inf)
    for _ in range(rounds + 1):
        for i, x in enumerate(images):
            repeats = max(1, (1 << 20) // (x.shape[0] * x.shape[1] ** 2))
            start = time.perf_counter()
            for _ in range(repeats):
                predict(x)
            best[i] = min(best[i], (time.perf_counter() - start) / repeats / x.size * 1e9)
    return [float(b) for b in best]


def thread_gain(rounds):
    """Give time on one thread / time on all, the median of pairs, for the training step."""
    x = np.random.default_rng(0).random((4, 128, 128, 1), np.float32)
    y = (x[..., 0] > 0.5).astype(np.int64)
    model = ta.models.unet((128, 128, 1), 2, filters=32, depth=4)
    model.compile("adam", ta.losses.SparseCategoricalCrossentropy(from_logits=True))
    all_threads, ratios = ta.get_num_threads(), []
    for _ in range(rounds + 2):
        times = []
        for threads in (1, all_threads):
            ta.set_num_threads(threads)
            start = time.perf_counter()
            model.train_on_batch(x, y)
            times.append(time.perf_counter() - start)
        ratios.append(times[0] / times[1])
    ta.set_num_threads(all_threads)
    return {"threads": all_threads, "gain": float(np.median(ratios[2:]))}


def draw(report, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
    for ax, key, label in (
        (axes[0], "side", "image side [pixels], one image"),
        (axes[1], "batch", "images of 128 x 128 pixels in a batch"),
    ):
        ax.plot(report[key]["at"], report[key]["ns_per_pixel"], "o-")
        ax.set_xscale("log", base=2)
        ax.set_xlabel(label)
    axes[0].set_ylabel("U-Net prediction [ns per pixel]")
    axes[0].set_ylim(bottom=0)
    figure.suptitle(
        f"{report['machine']['processor']}, {report['training_step']['threads']} threads: a "
        f"training step gains {report['training_step']['gain']:.2f}",
        fontsize=9,
    )
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    model = ta.models.unet((None, None, 1), 2, filters=16, depth=4)

    def predict(x):
        with ta.no_grad():
            model(x)

    one_image = nanoseconds_per_pixel(predict, [(1, s) for s in SIDES], options.rounds)
    batches = nanoseconds_per_pixel(predict, [(n, 128) for n in BATCHES], options.rounds)
    report = {
        "machine": machine(),
        "side": {"at": SIDES, "ns_per_pixel": one_image},
        "batch": {"at": BATCHES, "ns_per_pixel": batches},
        "training_step": thread_gain(3 * options.rounds),
    }
    print(json.dumps(report, indent=1))
    folder = results_folder()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "growth.json").write_text(json.dumps(report, indent=1) + "\n")
    draw(report, folder / "growth.png")


if __name__ == "__main__":
    main()
