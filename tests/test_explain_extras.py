"""Without an extra's package, the message says which extra to install, and nothing else breaks."""

import subprocess
import sys

import pytest

from tinygrad_astro.explain.extras import optional


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_missing_packages_name_the_extra():
    out = run(
        "import sys\n"
        "sys.modules['matplotlib'] = None\n"
        "import tinygrad_astro as ta\n"
        "layer = ta.layers.Conv2D(2, 3)\n"
        "layer.build((None, 8, 8, 1))\n"
        "try:\n    ta.explain.filters(layer)\n"
        "except ImportError as error:\n    print(error)\n"
        "sys.modules['scipy'] = None\n"
        "try:\n    ta.explain.conv_matrix([[1.0]], (2, 2))\n"
        "except ImportError as error:\n    print(error)\n"
    )
    assert "pip install 'tinygrad_astro[plot]'" in out
    assert "pip install 'tinygrad_astro[explain]'" in out


def test_importing_needs_neither_package():
    out = run(
        "import sys, numba\n"
        "before = set(sys.modules)\n"  # numba itself may import scipy
        "import tinygrad_astro as ta\n"
        "ta.explain.receptive_field([ta.layers.Conv2D(2, 3)])\n"
        "new = set(sys.modules) - before\n"
        "print([m for m in new if m.split('.')[0] in ('scipy', 'matplotlib')])\n"
    )
    assert out.strip() == "[]"


def test_an_error_inside_a_package_is_not_hidden():
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        optional("scipy.nowhere")
