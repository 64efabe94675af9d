"""Peak memory and time of predicting mosaics of growing size, FITS to FITS, section by section.

    python benchmarks/bench_mosaic.py --out benchmarks/results/mosaic.json

The mosaic, one band of noise and sources, is written by sections; each size is then predicted by a
process of its own, whose peak resident memory Linux reports. One thread.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from pairs import machine

TILE, STRIP = 1024, 512


def write_mosaic(path, side):
    from tinygrad_astro.data import ImageWriter

    rng = np.random.default_rng(0)
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0}
    cards |= {"CRPIX1": side / 2, "CRPIX2": side / 2, "CDELT1": -5e-5, "CDELT2": 5e-5}
    with ImageWriter(path, {"SCI": ((side, side), "float32")}, cards) as writer:
        for y in range(0, side, STRIP):
            strip = rng.standard_normal((min(STRIP, side - y), side), np.float32)
            strip[::97, ::89] += 50
            writer["SCI"][y : y + STRIP] = strip
            writer.flush()


def tiny_network():
    from tinygrad_astro import layers
    from tinygrad_astro.models import Sequential

    return Sequential(
        [
            layers.Input((None, None, 1)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.UpSampling2D(2),
            layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
        ]
    )


def predict_one(image, out):
    """Predict, and print what this process took."""
    import tinygrad_astro as ta
    from tinygrad_astro import mosaic

    ta.manual_seed(0)
    model = tiny_network()
    mosaic.predict(model, np.zeros((64, 64, 1), np.float32))  # compiled before the clock runs
    told = {"rss_before_mib": peak_mib()}
    start = time.perf_counter()
    mosaic.predict_files(model, image, out, TILE)
    told["seconds"] = round(time.perf_counter() - start, 1)
    print(json.dumps(told | {"peak_rss_mib": peak_mib()}))


def peak_mib():
    """Give the peak resident memory; getrusage would count that of the parent before exec."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return round(int(kib) / 1024, 1)


def check(image, out, side):
    """Compare a section in the middle, away from the edges, with predicting it alone."""
    import tinygrad_astro as ta
    from tinygrad_astro import mosaic
    from tinygrad_astro.data import read_image

    ta.manual_seed(0)
    start, margin = side // 2 - side // 2 % 2, 16
    wide = slice(start - margin, start + 200 + margin)
    section = read_image(image, section=(wide, wide)).data[..., None]
    expected = mosaic.predict(tiny_network(), section)[margin:-margin, margin:-margin, 0]
    inner = slice(start, start + 200)
    found = read_image(out, section=(inner, inner))
    return bool((found.data == expected).all()) and found.header["CRVAL1"] == 150.0


def measure(side, folder):
    image, out = f"{folder}/sky_{side}.fits", f"{folder}/out_{side}.fits"
    write_mosaic(image, side)
    told = subprocess.run(
        [sys.executable, __file__, "--predict", image, out],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "NUMBA_NUM_THREADS": "1"},
    )
    row = {"side": side, "image_mib": round(side * side * 4 / 2**20, 1)} | json.loads(told.stdout)
    row["same_bits_as_alone"] = check(image, out, side)
    os.remove(image)
    os.remove(out)
    print(row, flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[2000, 4000, 8000, 20000])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--predict", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.predict:
        predict_one(*arguments.predict)
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(side, folder) for side in arguments.sides]
    result = {
        "command": "python " + " ".join(["benchmarks/bench_mosaic.py", *sys.argv[1:]]),
        "machine": machine(),
        "threads": 1,
        "tile": TILE,
        "network": "3 convolutions 3x3 of 4 channels, one level of pooling and up-sampling",
        "rows": rows,
    }
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
