import os
import subprocess
import sys

SCRIPT = """
import hashlib
import numpy as np
from tinygrad_astro.kernels import cpu
rng = np.random.default_rng(0)
for shape in ((2, 8, 3), (5, 4, 8), (3, 17, 9)):
    a, b = rng.normal(size=shape[:2]).astype("f"), rng.normal(size=shape[1:]).astype("f")
    out = np.empty((shape[0], shape[2]), "f")
    cpu.matmul.matmul(out, a, b)
    print(hashlib.sha256(out.tobytes()).hexdigest())
x, w = rng.normal(size=(2, 7, 6, 5)).astype("f"), rng.normal(size=(3, 3, 5, 3)).astype("f")
out = np.empty((2, 7, 6, 3), "f")
cpu.conv.conv(out, x, w, (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
print(hashlib.sha256(out.tobytes()).hexdigest())
"""


def test_a_kernel_gives_the_same_bits_just_compiled_and_from_the_cache(tmp_path):
    environment = os.environ | {"TINYGRAD_ASTRO_CACHE": str(tmp_path)}
    found = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True
        )
        for _ in range(2)
    ]
    assert found[0].returncode == 0, found[0].stderr
    assert list(tmp_path.rglob("*.nbc"))
    assert found[0].stdout == found[1].stdout
