"""The CUDA tests run in the simulator, in a process of their own.

NUMBA_ENABLE_CUDASIM=1 python -m pytest tests/cuda
"""

import os

import pytest

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def pytest_collection_modifyitems(items):
    """Skip where the simulator is not switched on."""
    reason = "needs the simulator: NUMBA_ENABLE_CUDASIM=1 python -m pytest tests/cuda"
    for item in items:
        if "cuda" in item.path.parts and not SIMULATED:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def gpu():
    """Give the folder of CUDA kernels."""
    from tinygrad_astro.kernels import cuda

    return cuda


@pytest.fixture
def up():
    """Give the function that puts an array on the card."""
    from tinygrad_astro.kernels import moved

    return lambda x: moved(x, "cuda")


@pytest.fixture
def blank():
    """Give the function that makes an unset array on the card."""
    from tinygrad_astro.kernels.cuda import namespace

    return namespace.empty
