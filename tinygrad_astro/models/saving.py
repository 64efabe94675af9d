"""Models in files: weights and architecture in one .safetensors, written all or nothing.

The file holds arrays and, as text in its metadata, the architecture and the user's own metadata as
JSON. Nothing in it is ever executed or unpickled.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from tinygrad_astro import random
from tinygrad_astro._version import __version__
from tinygrad_astro.files import write_atomically
from tinygrad_astro.layers.symbolic import flat_shapes
from tinygrad_astro.layers.weights import assign
from tinygrad_astro.models import architecture

__all__ = ["load_model", "load_weights", "save_model", "save_weights"]

FORMAT, VERSION = "tinygrad_astro.model", 1


def save_model(model, path) -> None:
    """Write a model to a file, all or nothing.

    Parameters
    ----------
    model : Model
        Built; its `metadata` goes along.
    path : path-like
        Ends in .safetensors.

    Raises
    ------
    ValueError
        If the model has no weights yet, the path ends otherwise, or an argument of a layer or the
        metadata are nothing that JSON can hold.
    """
    _check_path(path)
    write_atomically(path, model_bytes(model))


def model_bytes(model) -> bytes:
    """Give the bytes of the file that `save_model` would write.

    Raises
    ------
    ValueError
        As for `save_model`.
    """
    return _packed(model, {"architecture": json.dumps(_described(model))})


def fingerprint(model) -> str:
    """Give 32 hexadecimal digits that differ between models of other layers, weights or metadata.

    Raises
    ------
    ValueError
        As for `save_model`.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> model = ta.Sequential([ta.Input((3,)), ta.layers.Dense(2, name="a")], name="b")
    >>> before = fingerprint(model)
    >>> model.set_weights([2 * w for w in model.get_weights()])
    >>> len(before), before == fingerprint(model)
    (32, False)
    """
    # Not the shapes it was built for: a call may add to them.
    told = json.dumps([architecture.describe_layer(model), model.metadata], sort_keys=True)
    digest = hashlib.blake2b(told.encode(), digest_size=16)
    for name, weight in model.named_weights():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(weight.tensor.detach().numpy()).tobytes())
    return digest.hexdigest()


def save_weights(model, path) -> None:
    """Write the weights and the metadata of a model to a file, all or nothing.

    Parameters
    ----------
    model : Model
        Built.
    path : path-like
        Ends in .safetensors.

    Raises
    ------
    ValueError
        As for `save_model`.
    """
    _check_path(path)
    write_atomically(path, _packed(model, {}))


def load_model_for(task: str, path):
    """Load a model whose metadata say that it was saved for `task`; other models are refused.

    Raises
    ------
    ValueError
        If it was saved for another task, or as `load_model`.
    """
    model = load_model(path)
    told = model.metadata.get("task")
    if told != task:
        raise ValueError(f"{path} holds a model for {told!r}, expected {task!r}")
    return model


def load_model(path, custom_objects=None):
    """Make the model that `model.save` wrote.

    Parameters
    ----------
    path : path-like
        A .safetensors file.
    custom_objects : dict of str to class, optional
        Layers, models and initializers of your own that the model uses, by their class's name.

    Returns
    -------
    Model
        To be compiled anew before it is fitted. The library's random stream is left as it was.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a whole model file of this library, saying why, or a class is missing.

    Examples
    --------
    >>> import tempfile, tinygrad_astro as ta
    >>> model = ta.Sequential([ta.Input((3,)), ta.layers.Dense(2)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(folder + "/small.safetensors")
    ...     again = ta.models.load_model(folder + "/small.safetensors")
    >>> again.count_params()
    8
    """
    arrays, header = _read(path)
    if "architecture" not in header:
        raise ValueError(
            f"{path} holds weights without an architecture (save_weights wrote it); make the model "
            "and call model.load_weights(path)"
        )
    state = random.get_state()
    try:
        described = json.loads(header["architecture"])
        model = architecture.make_layer(described, custom_objects)
        shapes = [tuple(shape) for shape in described.get("build_shapes", [])]
        if shapes and not model.built:
            model.build(shapes[0] if len(shapes) == 1 else shapes)
    except Exception as error:
        raise ValueError(f"{path}: the model cannot be rebuilt: {error}") from error
    finally:
        random.set_state(state)
    _put(model, arrays, path)
    model.metadata = _metadata(header, path)
    return model


def load_weights(model, path) -> None:
    """Read weights into a model of the same architecture.

    Parameters
    ----------
    model : Model
        Built.
    path : path-like
        A file that `save` or `save_weights` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no such file, or a weight differs in shape; the model is unchanged then.
    """
    arrays, header = _read(path)
    _put(model, arrays, path)
    model.metadata = _metadata(header, path)


def _described(model) -> dict:
    described = architecture.describe_layer(model)
    described["build_shapes"] = [list(s) for s in flat_shapes(model.build_shapes or [])]
    return described


def _check_path(path) -> None:
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(
            f"{path} ends in {path.suffix or 'nothing'}, expected .safetensors, the one format "
            "that models are saved in"
        )


def _packed(model, header) -> bytes:
    if not model.built:
        raise ValueError(
            f"{model.title} has no weights to save before its input shape is known; call it on "
            "data, or build((None, ...))"
        )
    try:
        header = header | {"metadata": json.dumps(model.metadata)}
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{model.title}: metadata must be what JSON can hold (text, numbers, lists, "
            f"dictionaries): {error}"
        ) from None
    header |= {"format": FORMAT, "version": str(VERSION), "library": __version__}
    arrays = {
        f"{i:05d}/{name}": weight.tensor.detach().numpy()
        for i, (name, weight) in enumerate(model.named_weights())
    }
    return safetensors.numpy.save(arrays, header)


def _read(path) -> tuple[dict, dict]:
    """Read arrays and header; any defect of the file becomes one ValueError."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no model file {path}")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise ValueError(
                    "it is a safetensors file, but tinygrad_astro did not write it; its arrays can "
                    "be read with safetensors.numpy.load_file and set with model.set_weights"
                )
            if not header.get("version", "").isdigit() or int(header["version"]) > VERSION:
                raise ValueError(
                    f"it has format version {header.get('version')}, this library reads up to "
                    f"{VERSION}; upgrade tinygrad_astro"
                )
            return {key: file.get_tensor(key) for key in sorted(file.keys())}, header
    except Exception as error:
        raise ValueError(f"{path} is not a model file that can be read: {error}") from error


def _put(model, arrays, path) -> None:
    own = model.named_weights()
    if len(own) != len(arrays):
        raise ValueError(f"{path} holds {len(arrays)} weights, {model.title} has {len(own)}")
    for (key, array), (name, weight) in zip(arrays.items(), own, strict=True):
        if array.shape != weight.tensor.shape or array.dtype.kind != "f":
            raise ValueError(
                f"{path}: weight {key!r} has shape {array.shape} and dtype {array.dtype}, "
                f"{model.title} expects shape {weight.tensor.shape} for {name!r}"
            )
    for array, (_, weight) in zip(arrays.values(), own, strict=True):
        assign(weight.tensor, array)


def _metadata(header, path) -> dict:
    try:
        return dict(json.loads(header.get("metadata", "{}")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: its metadata are not JSON: {error}") from None
