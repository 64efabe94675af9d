"""The CUDA tests run in the simulator, in a process of their own, or on a card.

NUMBA_ENABLE_CUDASIM=1 python -m pytest tests/cuda
TINYGRAD_ASTRO_GPU=1 python -m pytest tests/cuda
"""

import os

import pytest

SIMULATED, ON_CARD = (
    os.environ.get(name, "0") not in ("", "0")
    for name in ("NUMBA_ENABLE_CUDASIM", "TINYGRAD_ASTRO_GPU")
)


def pytest_collection_modifyitems(items):
    """Skip where the simulator is not switched on."""
    reason = "needs the simulator: NUMBA_ENABLE_CUDASIM=1 python -m pytest tests/cuda"
    for item in items:
        if "cuda" in item.path.parts and not (SIMULATED or ON_CARD):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def simulated():
    """Skip on a card what only the simulator can show."""
    if not SIMULATED:
        pytest.skip("shown by the simulator alone")


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
