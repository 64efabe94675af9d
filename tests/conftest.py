"""Fixtures that several test files share: the survey data, a seeded generator, a clean seed."""

import os
from pathlib import Path

import numpy as np
import pytest

import tinygrad_astro as ta


@pytest.fixture
def rng():
    """Give a NumPy generator with a fixed seed."""
    return np.random.default_rng(20260707)


@pytest.fixture(autouse=True)
def fixed_seed():
    """Make every test start from the same global seed, so that order does not matter."""
    ta.manual_seed(0)


@pytest.fixture(scope="session")
def survey_data():
    """Give the folder with real survey files, or skip with the reason that it is absent."""
    named = os.environ.get("TINYGRAD_ASTRO_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real survey data not found at {folder}; set TINYGRAD_ASTRO_DATA")
    return folder


@pytest.fixture(scope="session")
def keras():
    """Give Keras on the PyTorch backend, or skip: it is a peer to compare with, no dependency."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")
