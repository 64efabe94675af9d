"""What only a fresh process shows: start-up with the first step, and the peak of memory.

Both sides take the first training step of a U-Net (base 32, depth 4, batch norm, 4x128x128x1, Adam)
in a process of their own; our kernels come from the cache on disk. Runs alternate.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

STEP_OURS = """
import numpy as np
import tinygrad_astro as ta
x = np.random.default_rng(0).random(({batch}, {side}, {side}, 1), np.float32)
y = (x[..., 0] > 0.5).astype(np.int64)
model = ta.models.unet(({side}, {side}, 1), 2, filters={base}, depth=4)
model.compile("adam", ta.losses.SparseCategoricalCrossentropy(from_logits=True))
model.train_on_batch(x, y)
"""

STEP_TORCH = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np
import twins_torch as twins
from torch import nn
x = np.random.default_rng(0).random(({batch}, {side}, {side}, 1), np.float32)
y = (x[..., 0] > 0.5).astype(np.int64)
steps = twins.steps(lambda: twins.UNet({base}), nn.CrossEntropyLoss(), x, y)
steps["channels last"]()
"""

# The most that a process held, in KiB. (getrusage would give the parent's, which fork hands down.)
REPORT = """
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""


def _run(code):
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code + REPORT], capture_output=True, text=True, env=os.environ
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return time.perf_counter() - start, int(done.stdout.splitlines()[-1]) / 1024


def first_steps(runs=5, batch=4, side=128, base=32):
    """Give the rows "import + first step" and "peak memory": medians and ratios of pairs."""
    sizes = dict(batch=batch, side=side, base=base, folder=str(Path(__file__).parent))
    codes = STEP_OURS.format(**sizes), STEP_TORCH.format(**sizes)
    _run(codes[0])  # fills the cache on disk
    pairs = np.array([[_run(code) for code in codes] for _ in range(runs)])
    rows = {}
    for i, (name, unit) in enumerate([("import + first U-Net step", "s"), ("peak memory", "MiB")]):
        ours, theirs = pairs[:, 0, i], pairs[:, 1, i]
        rows[name] = {
            "ours": float(np.median(ours)),
            "peer": float(np.median(theirs)),
            "unit": unit,
            "ratio": float(np.median(theirs / ours)),
            "quartiles": [float(q) for q in np.quantile(theirs / ours, [0.25, 0.75])],
            "bar": 1.0,
        }
    return rows
