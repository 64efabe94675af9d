"""HDF5 arrays: any index NumPy takes on the first axis, read lazily."""

import numpy as np
import pytest

from tinygrad_astro.data import HDF5File

h5py = pytest.importorskip("h5py")


@pytest.fixture
def galaxies(tmp_path, rng):
    images = rng.integers(0, 255, (20, 6, 5, 3)).astype(np.uint8)
    with h5py.File(tmp_path / "g.h5", "w") as made:
        made["images"], made["truth/ans"] = images, np.arange(20, dtype=">i4")
    return tmp_path / "g.h5", images


@pytest.mark.parametrize(
    "index",
    [3, -1, slice(2, 9), np.array([7, 0, 7, 19]), [4, 3], np.array([], int), np.array([-1, 0]),
     (slice(0, 4), slice(1, 3)), (np.array([5, 1]), slice(2, 4)), np.arange(20) % 3 == 0,
     np.array([[1, 2], [3, 1]])],
)  # fmt: skip
def test_indexing_equals_numpy(galaxies, index):
    path, images = galaxies
    with HDF5File(path) as opened:
        np.testing.assert_array_equal(opened["images"][index], images[index])


def test_names_shapes_and_types(galaxies):
    path, images = galaxies
    with HDF5File(path) as opened:
        assert sorted(opened) == ["images", "truth/ans"] and len(opened) == 2
        lazy = opened["images"]
        assert (lazy.shape, lazy.ndim, len(lazy)) == (images.shape, 4, 20)
        np.testing.assert_array_equal(np.asarray(lazy), images)
        assert opened["truth/ans"][:].dtype == np.int32
        with pytest.raises(KeyError, match="no array 'ra'; it has images, truth/ans"):
            opened["ra"]
        with pytest.raises(IndexError, match="has 20"):
            lazy[[3, 20]]
        with pytest.raises(IndexError, match="boolean"):
            lazy[np.ones(3, bool)]
        with pytest.raises(ValueError, match="makes a copy"):
            lazy.__array__(copy=False)


def test_wrong_files(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"SIMPLE  = T" * 99)
    with pytest.raises(ValueError, match="not an HDF5 file"):
        HDF5File(tmp_path / "a.h5")
    with pytest.raises(FileNotFoundError):
        HDF5File(tmp_path / "b.h5")
