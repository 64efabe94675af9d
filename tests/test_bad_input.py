"""Bad input of every kind ends in a specific Python exception that names it and what was expected.

One table for the whole package; the files of single parts test their own errors more closely.
"""

import contextlib
import io
import sys

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import (
    activations,
    callbacks,
    data,
    explain,
    initializers,
    layers,
    losses,
    metrics,
    models,
    mosaic,
    ops,
    optimizers,
    random,
    schedules,
)

X = np.ones((4, 8, 8, 3), np.float32)
Y = np.array([0, 1, 1, 0])
NAN = float("nan")
MASKED = np.ma.masked_array(X, X > 0)


def image(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


def network(outputs=2, activation="softmax"):
    return ta.Sequential(
        [layers.Conv2D(2, 3), layers.GlobalAveragePooling2D(), layers.Dense(outputs, activation)]
    )


def fit(x=X, y=Y, loss="sparse_categorical_crossentropy", compile=None, model=None, **options):
    model = model or network()
    model.compile("adam", loss, **(compile or {}))
    return model.fit(x, y, **{"epochs": 1, "batch_size": 2, "verbose": 0} | options)


def trained():
    model = network()
    model.compile("adam", "mse")
    model(X)
    return model


CASES = {
    # ---- tensors ---------------------------------------------------------------------------------
    "ragged list": (lambda: ta.tensor([[1.0], [1.0, 2.0]]), TypeError, "ragged data.*pad it"),
    "text": (lambda: ta.tensor(["NGC 1300"]), TypeError, "dtype <U8; expected real numbers"),
    "nothing": (lambda: ta.tensor(None), TypeError, "dtype object; expected real numbers"),
    "complex numbers": (lambda: ta.tensor([1j]), TypeError, "complex128; expected real"),
    "dates": (lambda: ta.tensor(np.array(["2026-01-01"], "M8[D]")), TypeError, "datetime64"),
    "table rows": (lambda: ta.tensor(np.zeros(2, [("flux", "f4")])), TypeError, "flux"),
    "masked array": (lambda: ta.tensor(MASKED), TypeError, "lose its mask.*filled"),
    "half precision": (lambda: ta.tensor([1.0], "float16"), TypeError, "float16; expected float32"),
    "unknown dtype": (lambda: ta.tensor([1.0], "flaot32"), TypeError, "flaot32"),
    "unknown device": (lambda: ta.tensor([1.0], device="tpu"), ValueError, "'tpu'.*expected"),
    "adding text": (lambda: ta.tensor([1.0]) + "1", TypeError, "expected real numbers"),
    "truth of many values": (lambda: bool(ta.tensor([1.0, 2.0])), ValueError, "one value.*(2,)"),
    "fractional index": (lambda: ta.tensor([1.0])[0.5], IndexError, "float; expected integers"),
    "index outside": (lambda: ta.tensor([1.0])[3], IndexError, "3 is out of bounds.*size 1"),
    "write into the tape": (
        lambda: ta.tensor([1.0], requires_grad=True).__setitem__(0, 2.0), TypeError, "where",
    ),
    "gradient of integers": (lambda: ta.grad(lambda x: x)(3), TypeError, "int64; .*astype"),
    "gradient of many values": (
        lambda: ta.grad(lambda x: x * 2)([1.0, 2.0]), ValueError, "shape .2,..*single value",
    ),
    "backward of nothing tracked": (lambda: ta.tensor(1.0).backward(), ValueError, "requires_grad"),
    "no dtype": (lambda: ops.astype(X, None), TypeError, "None; expected float32"),
    "no DLPack": (lambda: ta.from_dlpack(3), TypeError, "a int does not speak DLPack.*ta.tensor"),
    "derivative of no function": (lambda: ta.vjp(3, 1.0), TypeError, "got 3 .*expected a callable"),
    "gradient of no function": (lambda: ta.grad(3), TypeError, "got 3 .*a callable.*backward"),
    "jacobian of no function": (lambda: ta.jacobian("x"), TypeError, "got 'x' .*a callable"),
    "argument by name": (lambda: ta.grad(abs, "x"), TypeError, "argnums='x', expected an integer"),
    "seed of text": (lambda: ta.manual_seed("one"), TypeError, "'one' .str., expected an integer"),
    "random state of another kind": (lambda: random.set_state([1]), ValueError, "expected the"),
    "too many threads": (lambda: ta.set_num_threads(9999), ValueError, "9999, expected .* 1 to"),
    # ---- ops -------------------------------------------------------------------------------------
    "shapes that do not broadcast": (
        lambda: ops.add(image(2, 3), image(2)), ValueError, r"\(2, 3\) and \(2,\) do not broadcast",
    ),
    "reshape to another size": (
        lambda: ops.reshape(image(6), (4, 2)), ValueError, r"\(6,\) \(6 values\) into \(4, 2\)",
    ),
    "axis outside": (lambda: ops.sum(image(2), 1), ValueError, "axis=1 is out of range .* 1 axes"),
    "matrices that do not fit": (
        lambda: ops.matmul(image(2, 3), image(2, 3)), ValueError, "sums over 3 .* and 2",
    ),
    "kernel larger than the image": (
        lambda: ops.conv(image(1, 2, 9, 1), image(3, 3, 1, 1)), ValueError, "height 2 .* 3 pixels",
    ),
    "channels that differ": (
        lambda: ops.conv(image(1, 4, 4, 2), image(3, 3, 1, 1)), ValueError, "2 input ch.*expects 1",
    ),
    "image without a batch axis": (
        lambda: ops.conv(image(4, 4), image(3, 3, 1, 1)), ValueError, r"\(4, 4\), expected \(N, L",
    ),
    "stride zero": (lambda: ops.max_pool(X, 2, 0), ValueError, "strides=0: expected integers of a"),
    "unknown padding": (lambda: ops.conv(X, image(3, 3, 3, 1), padding="full"), ValueError,
                        "padding='full': expected \"valid\""),
    "output padding too large": (
        lambda: ops.conv_transpose(X, image(2, 2, 1, 3), 2, output_padding=2), ValueError,
        "output_padding=2 must be less than strides=.2, 2.",
    ),
    "groups that do not divide": (
        lambda: ops.conv(X, image(3, 3, 1, 4), groups=3), ValueError, "groups=3 .* the 4 output",
    ),
    "unpool beyond the image": (
        lambda: ops.max_unpool(image(1, 1, 1), np.full((1, 1, 1), 7), 4), ValueError,
        "run from 7 to 7.* only 4 pixels",
    ),
    "label outside one_hot": (lambda: ops.one_hot([0, 5], 3), ValueError, "to 5, expected 0 to 2"),
    "fractional label": (lambda: ops.one_hot([0.5], 3), ValueError, "whole numbers"),
    "dropout of everything": (lambda: ops.dropout(X, 1.0, 1), ValueError, "1.0: expected .*0, 1"),
    "statistics of an empty batch": (
        lambda: ops.batch_normalization(image(0, 2), image(2), image(2)), ValueError, r"\(0, 2\)",
    ),
    "maximum of nothing": (lambda: ops.max(image(0, 2), 0), ValueError, r"no value .*\(0, 2\)"),
    "shape of text": (lambda: ops.reshape(X, "a"), TypeError, "shape='a', expected integers"),
    "joining a number": (lambda: ops.concatenate(3.0), TypeError, "a float, expected a list of"),
    "cutting at fractions": (lambda: ops.split(X, [1.5]), ValueError, r"\[1.5\], expected a numbe"),
    "tiles below none": (lambda: ops.tile(X, -1), ValueError, r"reps=\(-1,\), expected integers"),
    "one axis for two": (lambda: ops.tensordot(X, X, "a"), ValueError, "axes='a', expected a numb"),
    "subscripts that are none": (lambda: ops.einsum(3, X), TypeError, "=3, expected text"),
    "bits of floats": (lambda: ops.bitwise_and(X, X), TypeError, "float32 and float32, expected i"),
    "bits of a float": (lambda: ops.invert(X), TypeError, "invert got float32, expected integers"),
    "dropout by a seed of text": (
        lambda: ops.dropout(X, 0.5, "a"), TypeError, "seed='a' .str., expected an integer",
    ),
    "negative epsilon": (
        lambda: ops.batch_normalization(X, image(3), image(3), epsilon=-1), ValueError,
        "epsilon=-1, expected a number of at least 0",
    ),
    # ---- arguments that are numbers --------------------------------------------------------------
    "Huber below zero": (lambda: losses.Huber(delta=-1), ValueError, "delta=-1, expected .* above"),
    "Huber of NaN": (lambda: losses.Huber(delta=NAN), ValueError, "delta=nan, expected .* above 0"),
    "smoothing beyond one": (
        lambda: losses.BinaryCrossentropy(label_smoothing=2), ValueError, "=2, expected .* 0 to 1",
    ),
    "focal exponent below zero": (
        lambda: losses.BinaryFocalCrossentropy(gamma=-1), ValueError, "gamma=-1, .* at least 0",
    ),
    "focal balance beyond one": (
        lambda: losses.BinaryFocalCrossentropy(alpha=2), ValueError, "alpha=2, expected .* 0 to 1",
    ),
    "Tversky below zero": (lambda: losses.Tversky(-1), ValueError, "alpha=-1, expected .*least 0"),
    "ignoring NaN": (
        lambda: losses.MeanSquaredError(ignore_index=NAN), ValueError, "nan.*mask=np.isfinite",
    ),
    "cosine from below zero": (
        lambda: schedules.CosineDecay(-1, 9), ValueError, "initial_learning_rate=-1, expected a nu",
    ),
    "cosine of no steps": (
        lambda: schedules.CosineDecay(0.1, 0), ValueError, "decay_steps=0, expected a number above",
    ),
    "decay below zero": (
        lambda: schedules.ExponentialDecay(0.1, 9, -0.5), ValueError, "decay_rate=-0.5, expected",
    ),
    "pieces below zero": (
        lambda: schedules.PiecewiseConstantDecay([1], [0.1, -1]), ValueError, "value=-1, expected",
    ),
    "pieces that are no list": (
        lambda: schedules.PiecewiseConstantDecay(1, 0.1), ValueError, "boundaries=1, expected a li",
    ),
    "cycle of NaN": (lambda: schedules.OneCycle(NAN, 9), ValueError, "max_learning_rate=nan, exp"),
    "learning rate of NaN": (
        lambda: optimizers.SGD(NAN), ValueError, "learning_rate=nan: expected a finite number of a",
    ),
    "learning rate without end": (
        lambda: optimizers.SGD(float("inf")), ValueError, "learning_rate=inf: expected a finite",
    ),
    "beta beyond one": (lambda: optimizers.Adam(beta_1=2), ValueError, "beta_1=2, expected .* 0 t"),
    "beta of one": (lambda: optimizers.Adam(beta_2=1.0), ValueError, "beta_2=1.*, expected .* bel"),
    "epsilon below zero": (lambda: optimizers.Adam(epsilon=-1), ValueError, "epsilon=-1, expected"),
    "decay of NaN": (lambda: optimizers.AdamW(weight_decay=NAN), ValueError, "weight_decay=nan, e"),
    "clipping at text": (lambda: optimizers.SGD(clipnorm="a"), ValueError, "clipnorm='a', expecte"),
    "momentum of text": (lambda: optimizers.SGD(momentum="a"), ValueError, "momentum='a', expecte"),
    "mean square beyond one": (lambda: optimizers.RMSprop(rho=2), ValueError, "rho=2, expected a"),
    "gradient of another shape": (
        lambda: optimizers.SGD().apply([ta.tensor([1.0, 2.0])], [ta.tensor([1.0])]), ValueError,
        r"gradient of shape \(2,\) for weight 0 of shape \(1,\)",
    ),
    "gradients without weights": (
        lambda: optimizers.SGD().apply([ta.tensor([1.0])], []), ValueError, "1 gradients for 0",
    ),
    "gradient that is an array": (
        lambda: optimizers.SGD().apply([image(1)], [ta.tensor([1.0])]), TypeError, "a ndarray as",
    ),
    "seed of an initializer": (
        lambda: initializers.GlorotUniform(seed="a"), ValueError, "seed='a', expected a whole numb",
    ),
    "spread below zero": (lambda: initializers.RandomNormal(0, -1), ValueError, "stddev=-1, exp"),
    "range upside down": (
        lambda: initializers.RandomUniform(1, 0), ValueError, "maxval=0, expected .* at least 1",
    ),
    "turn of nine": (lambda: data.d4(X, 9), ValueError, "k=9, expected a whole number from 0 to 7"),
    "turn of a line": (lambda: data.d4(image(4), 1), ValueError, r"images .*received shape \(4,\)"),
    "density of NaN": (
        lambda: data.simulate.field((32, 32), density=NAN), ValueError, "density=nan, expected",
    ),
    "field of one side": (lambda: data.simulate.field(32), ValueError, "must be .height, width.*3"),
    # ---- layers ----------------------------------------------------------------------------------
    "units below zero": (lambda: layers.Dense(-3), ValueError, "units=-3, expected an integer of"),
    "dropping more than all": (lambda: layers.Dropout(1.5), ValueError, "rate=1.5, .* from 0 to 1"),
    "nothing to flatten": (lambda: layers.Flatten()(None), TypeError, "called on None, expected a"),
    "one number per example": (
        lambda: layers.Dense(2)([1.0]), ValueError, r"input of 1 axes, .*x\[None\]",
    ),
    "scaling by NaN": (lambda: layers.Rescaling(NAN), ValueError, "scale=nan, expected a finite"),
    "axis of text": (lambda: layers.Softmax("a"), ValueError, "axis='a', expected an integer"),
    "size of text": (lambda: layers.Reshape(("a",)), ValueError, "target_shape=.'a',., expected i"),
    "weights that are a number": (
        lambda: trained().set_weights(3), TypeError, "are a int, expected a list of 4 arrays",
    ),
    "weights of text": (
        lambda: trained().layers[-1].set_weights([image(2, 2), np.array(["a", "b"])]), TypeError,
        "dtype <U1, expected real numbers",
    ),
    "no filters": (lambda: layers.Conv2D(0, 3), ValueError, "filters=0, expected an integer of at"),
    "unknown argument": (lambda: layers.Conv2D(2, 3, stride=2), TypeError, "'stride'.*takes"),
    "unknown activation": (lambda: activations.get("swosh"), ValueError, "'swosh'; known are"),
    "unknown initializer": (lambda: initializers.get("glorat"), ValueError, "'glorat'; known are"),
    "other channels than built for": (
        lambda: trained()(image(1, 8, 8, 4)), ValueError, "got 4 channels .* built for 3",
    ),
    "image without channels": (
        lambda: layers.Conv2D(2, 3)(image(8, 8, 3)), ValueError, r"expected 4 axes .*x\[None\]",
    ),
    "image smaller than the window": (
        lambda: layers.MaxPooling2D(9)(X), ValueError, "height 8 .* less than the 9",
    ),
    "joining unequal maps": (
        lambda: layers.Concatenate()([image(1, 4, 4, 1), image(1, 5, 4, 1)]), ValueError,
        r"\(1, 4, 4, 1\), \(1, 5, 4, 1\).*crop or pad",
    ),
    "cropping all": (
        lambda: layers.Cropping2D(5)(image(1, 4, 4, 1)), ValueError, "leaves nothing .*4, 4, 1",
    ),
    "wrong weights": (
        lambda: trained().layers[-1].set_weights([image(3, 2)]), ValueError, "1 arrays, expected 2",
    ),
    # ---- models ----------------------------------------------------------------------------------
    "a number as a layer": (lambda: ta.Sequential([3]), TypeError, "a int .3., expected a layer"),
    "inputs of no graph": (lambda: ta.Model(X, X), TypeError, "ndarray, expected what Input"),
    "an input left out": (
        lambda: ta.Model(ta.Input((3,)), layers.Dense(2)(ta.Input((3,)))), ValueError, "not among",
    ),
    "fit before compile": (lambda: network().fit(X, Y), RuntimeError, "call model.compile"),
    "unknown optimizer": (lambda: optimizers.get("adamm"), ValueError, "'adamm', expected one of"),
    "unknown loss": (lambda: losses.get("msee"), ValueError, "'msee', expected one of Bin"),
    "unknown metric": (lambda: metrics.get("acurracy"), ValueError, "'acurracy', expected one of"),
    "unknown metric in fit": (
        lambda: fit(compile={"metrics": ["acurracy"]}), ValueError, "'acurracy', expected one of",
    ),
    "a model of a number": (lambda: ta.Sequential(3), TypeError, "a int .3., expected a list of"),
    "classes below one": (lambda: metrics.MeanIoU(0), ValueError, "num_classes=0, .* at least 1"),
    "threshold beyond one": (lambda: metrics.Precision(2), ValueError, "thresholds=2, .* 0 to 1"),
    "best of none": (
        lambda: metrics.get("top_k_categorical_accuracy").__class__(k=0), ValueError, "k=0, expect",
    ),
    "more labels than predictions": (
        lambda: metrics.ConfusionMatrix(2)([0, 1], [0]), ValueError, r"\(2,\) for predictions \(1,",
    ),
    "patience below zero": (
        lambda: callbacks.EarlyStopping(patience=-1), ValueError, "patience=-1, .* at least 0",
    ),
    "plateau of NaN": (
        lambda: callbacks.ReduceLROnPlateau(factor=NAN), ValueError, "factor=nan, .* 0 to 1",
    ),
    "rates by a number": (
        lambda: callbacks.LearningRateScheduler(3), TypeError, "schedule=3, expected a function",
    ),
    "hook that is a number": (
        lambda: callbacks.LambdaCallback(on_epoch_end=3), TypeError, "=3, expected a function",
    ),
    "columns parted by nothing": (
        lambda: callbacks.CSVLogger("log", ""), ValueError, "separator='', expected one character",
    ),
    "class weights that are a number": (
        lambda: fit(class_weight=3), TypeError, "class_weight=3: expected a dict",
    ),
    "class weights by name": (
        lambda: fit(class_weight={"spiral": 2.0}), ValueError, "the key 'spiral', expected class n",
    ),
    "class weights below zero": (
        lambda: fit(class_weight={0: -1}), ValueError, r"\[0\]=-1, expected a number of at least 0",
    ),
    "split by text": (lambda: fit(validation_split="a"), ValueError, "='a': expected a fraction"),
    "step on nothing": (
        lambda: trained().train_on_batch(X[:0], image(0, 2)), ValueError, "no samples: x is empty",
    ),
    "metrics that are numbers": (
        lambda: network().compile("adam", "mse", [0.5]), TypeError, "0.5 among .*loss_weights=",
    ),
    "negative learning rate": (
        lambda: optimizers.Adam(learning_rate=-1), ValueError, "learning_rate=-1: expected",
    ),
    "labels beyond the outputs": (lambda: fit(y=0 * Y + 2), ValueError, "label 2 .*from 0 to 1"),
    "negative labels": (lambda: fit(y=0 * Y - 1), ValueError, "label -1 .*from 0 to 1"),
    "fractional labels": (lambda: fit(y=0 * Y + 0.5), ValueError, "label 0.5 .*whole class"),
    "labels of text": (lambda: fit(y=["E", "S", "S", "E"]), TypeError, "y: .*<U1; expected real"),
    "labels that are NaN": (lambda: fit(y=Y * np.nan, loss="mse"), ValueError, "not finite.*mask"),
    "more images than labels": (lambda: fit(y=Y[:3]), ValueError, "x: 4, y: 3"),
    "no images": (lambda: fit(X[:0], Y[:0]), ValueError, "no samples"),
    "images of unequal size": (lambda: fit([[1.0], [1.0, 2.0]], Y), TypeError, "x: .*ragged"),
    "masked images": (lambda: fit(MASKED), TypeError, "lose its mask"),
    "images left out": (lambda: fit(None), TypeError, "x is a NoneType, expected arrays"),
    "labels left out": (lambda: fit(y=None), ValueError, "no labels y"),
    "batches of none": (lambda: fit(batch_size=0), ValueError, "batch_size=0: expected .* 1"),
    "epochs below zero": (lambda: fit(epochs=-1), ValueError, "epochs=-1: expected .* at least 0"),
    "split of everything": (lambda: fit(validation_split=1.5), ValueError, "=1.5: expected a"),
    "weights of another length": (
        lambda: fit(sample_weight=np.ones(3)), ValueError, "sample_weight: 3",
    ),
    "a number as a callback": (lambda: fit(callbacks=[3]), TypeError, "3 .int., expected call"),
    "unknown direction": (
        lambda: callbacks.EarlyStopping(mode="up"), ValueError, "mode='up', expected .auto",
    ),
    "one-hot labels expected": (
        lambda: losses.get("categorical_crossentropy")(Y, image(4, 2) / 2), ValueError,
        r"\(4,\) .*expected one-hot",
    ),
    "probabilities expected": (
        lambda: losses.get("binary_crossentropy")([[2.0]], [[0.5]]), ValueError,
        "label 2.0 .*expected labels from 0 to 1",
    ),
    "images of other bands": (
        lambda: trained().predict(X[..., :2], verbose=0), ValueError, "2 channels .*built for 3",
    ),
    "U-Net of no channels": (
        lambda: models.unet((32, 32), 2), ValueError, r"\(32, 32\), expected \(height, width, ch",
    ),
    "U-Net deeper than its image": (
        lambda: models.unet((32, 32, 1), 2, padding="valid"), ValueError, "by 184 pixels, got .*32",
    ),
    "U-Net of an unknown kind": (
        lambda: models.unet((32, 32, 1), 2, up="bilin"), ValueError, "up='bilin', expected one of",
    ),
    "convolution matrix of one size": (
        lambda: explain.conv_matrix(image(3, 3), 4), ValueError, "input_shape=4, expected e.g.",
    ),
    "catalogue of a number": (
        lambda: data.write_catalogue("a.csv", 3), TypeError, "a mapping .*received int",
    ),
    "mosaic of a line": (
        lambda: mosaic.predict(trained(), image(8)), ValueError, r"\(H, W, C\), received shape \(8",
    ),
    "convolution matrix that does not fit": (
        lambda: explain.conv_matrix(image(3, 3), (2, 2)), ValueError, "height 2 .* 3 pixels",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_names_what_came_and_what_was_expected(name):
    make, error, text = CASES[name]
    with pytest.raises(error, match=text) as caught:
        make()
    assert caught.type in (error, np.exceptions.AxisError), "a specific exception"
    told = str(caught.value)
    assert not any(word in told for word in ("numba", "LLVM", "Traceback", "nopython")), told
    assert len(told) < 700


def test_there_are_many_kinds():
    assert len(CASES) >= 140


# ---- files ---------------------------------------------------------------------------------------

FILES = {
    "missing": None,
    "empty": b"",
    "garbage": b"not what it claims to be" * 40,
    "cut short": b"SIMPLE  =                    T" + b" " * 50,
}
READERS = {
    "model": (models.load_model, ".safetensors"),
    "npz": (data.read_npz, ".npz"),
    "table": (data.read_table, ".csv"),
}


@pytest.mark.parametrize(
    "reader, kind",
    [
        (reader, kind)
        for reader in [*READERS, "fits", "hdf5"]
        for kind in FILES
        if reader != "table" or kind in ("missing", "empty")  # a line of text is a table's header
    ],
)
def test_files_that_are_not_what_they_should_be(tmp_path, reader, kind):
    if reader == "fits":
        pytest.importorskip("astropy")
    if reader == "hdf5":
        pytest.importorskip("h5py")
    read, ending = (READERS | {"fits": (data.read_image, ".fits"), "hdf5": (data.HDF5File, ".h5")})[
        reader
    ]
    path = tmp_path / f"file{ending}"
    if FILES[kind] is not None:
        path.write_bytes(FILES[kind])
    with pytest.raises(FileNotFoundError if kind == "missing" else ValueError) as caught:
        read(path)
    assert path.name in str(caught.value)


EXTRAS = {
    "astropy": (lambda path: data.read_image(path), "astro"),
    "h5py": (lambda path: data.HDF5File(path), "astro"),
    "scipy": (lambda path: explain.conv_matrix(image(2, 2), (4, 4)), "explain"),
    "matplotlib": (lambda path: explain.filters(trained().layers[0]), "plot"),
}


@pytest.mark.parametrize("module", EXTRAS)
def test_a_missing_package_is_named_with_the_command_that_brings_it(module, tmp_path, monkeypatch):
    task, extra = EXTRAS[module]
    path = tmp_path / "file.fits"
    path.write_bytes(b"")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"pip install 'tinygrad_astro\[{extra}\]'"):
        task(path)


# ---- the command line ----------------------------------------------------------------------------

COMMANDS = {
    "no command": ([], "required: COMMAND"),
    "unknown command": (["observe"], "'observe'"),
    "unknown task": (["train", "photometry"], "'photometry'"),
    "steps below one": (["demo", "--steps", "-3"], "'-3' is not a whole number of at least 1"),
    "missing image": (
        ["train", "segmentation", "--images", "no.fits", "--labels", "no.fits", "--out", "run"],
        "no.fits",
    ),
    "missing model": (["predict", "no.safetensors", "--images", "a.fits", "--out", "o.fits"],
                      "no model file no.safetensors"),
    "unknown architecture": (["summary", "unett"], "unett"),
    "image of no size": (["summary", "unet", "--shape", "0", "3", "1"], "'0' is not a whole"),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_answer_with_one_line_and_code_2(name, tmp_path, monkeypatch):
    from tinygrad_astro.cli import main

    monkeypatch.chdir(tmp_path)
    arguments, text = COMMANDS[name]
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        code = main(arguments)
    lines = told.getvalue().strip().splitlines()
    assert code == 2 and len(lines) == 1, lines
    assert text in lines[0] and "Traceback" not in lines[0]
    assert not any(tmp_path.iterdir()), "nothing is left behind"
