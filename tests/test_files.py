import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import files


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_write_that_is_cut_leaves_the_old_file_and_the_next_one_cleans_up(
    broken, tmp_path, monkeypatch
):
    path = tmp_path / "state"
    files.write_atomically(path, b"old")
    with monkeypatch.context() as patch:
        patch.setattr(files.os, broken, lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            files.write_atomically(path, b"new, and longer")
    assert path.read_bytes() == b"old"
    files.write_atomically(str(path), b"newest")
    assert path.read_bytes() == b"newest"
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def writers(path):
    """Everything public that writes a file, asked to write into a folder that is not there."""
    network = ta.Sequential([ta.Input((2,)), ta.layers.Dense(1)])
    network.compile("sgd", "mse")
    logger = ta.callbacks.CSVLogger(path("log.csv"))
    x, image = np.ones((2, 2)), np.ones((4, 4), np.float32)
    return {
        "bytes": lambda: files.write_atomically(path("state"), b""),
        "model": lambda: network.save(path("m.safetensors")),
        "weights": lambda: network.save_weights(path("w.safetensors")),
        "log": lambda: network.fit(x, x[:, :1], callbacks=[logger], verbose=0),
        "table": lambda: ta.data.write_catalogue(path("t.csv"), {"x": x[0]}),
        "table in FITS": lambda: ta.data.write_catalogue(path("t.fits"), {"x": x[0]}),
        "image": lambda: ta.data.write_image(path("i.fits"), image),
        "packed image": lambda: ta.data.write_image(path("i.fits.gz"), image),
        "tiles": lambda: ta.data.ImageWriter(path("i.fits"), {"A": ((4, 4), "float32")}),
        "tape": lambda: ta.explain.tape(network(x).sum()).save(path("tape.svg")),
    }


@pytest.mark.parametrize("name", writers(lambda name: name))
def test_a_folder_that_is_not_there_is_named_and_the_hidden_file_is_not(name, tmp_path):
    if "FITS" in name or "image" in name or name == "tiles":
        pytest.importorskip("astropy")
    folder = tmp_path / "missing" / "folder"
    with pytest.raises(FileNotFoundError) as caught:
        writers(lambda name: folder / name)[name]()
    told = str(caught.value)
    assert f"there is no folder {folder}; make it first: os.makedirs('{folder}')" in told
    assert ".part" not in told and not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_a_folder_and_a_folder_in_the_place_of_a_file(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(NotADirectoryError, match="run is a file, expected a folder"):
        files.write_atomically(tmp_path / "run" / "deep" / "state", b"")
    with pytest.raises(IsADirectoryError, match="it is a folder; expected a file's name"):
        files.write_atomically(tmp_path, b"")
