"""Receptive fields against the gradient's footprint, closed forms, and published numbers."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import explain, layers
from tinygrad_astro.explain.receptive_field import AxisField


def footprints(model, x, positions):
    """First and last input pixel, per axis, where the gradient of one output is not zero.

    All weights are positive, and so is x. A maximum passes its gradient to one pixel only, which
    one is left to chance; so several x are tried.
    """
    model.set_weights([np.abs(w) + 0.1 for w in model.get_weights()])
    touched = np.zeros((len(positions), *x.shape[1:-1]), bool)
    for rolled in range(24):
        out, pullback = ta.vjp(model, np.roll(x, rolled, axis=1))
        for seen, position in zip(touched, positions, strict=True):
            g = np.zeros(out.shape, "float32")
            g[(0, *position)] = 1
            seen |= pullback(g)[0].numpy()[0].any(axis=-1)
        x = np.ascontiguousarray(x[:, ::-1])
    ends = [[np.flatnonzero(seen.any(axis=1 - axis)) for axis in (0, 1)] for seen in touched]
    return [tuple((int(at[0]), int(at[-1])) for at in both) for both in ends]


def unet():
    return ta.models.unet((None, None, 1), 1, filters=1, depth=1, batch_norm=False)


def residual():
    x = ta.Input((None, None, 1))
    y = layers.Conv2D(1, 5, 2, padding="same")(x)
    z = layers.Conv2D(1, 3, padding="same", dilation_rate=(1, 2))(y)
    y = layers.Add()([y, z])
    return ta.Model(x, layers.Conv2D(1, (1, 3))(layers.ReLU()(y)))


MODELS = {
    "unet": (unet, 32),
    "residual": (residual, 32),
    "pooled": (
        lambda: ta.Sequential(
            [
                ta.Input((None, None, 1)),
                layers.Conv2D(1, 3),
                layers.MaxPooling2D(2),
                layers.Conv2D(1, 3, 2),
            ]
        ),
        24,
    ),
    "raised": (
        lambda: ta.Sequential(
            [
                ta.Input((None, None, 1)),
                layers.AveragePooling2D(3),
                layers.Conv2DTranspose(1, 3, 3, padding="same"),
                layers.Conv2D(1, 2),
            ]
        ),
        24,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_boxes_are_the_footprint_of_the_gradient(rng, name):
    make, size = MODELS[name]
    model = make()
    x = rng.uniform(1, 2, (1, size, size, 1)).astype("float32")
    middle = np.array(model(x).shape[1:3]) // 2
    total = explain.receptive_field(model).total
    places = [(int(middle[0]) + step, int(middle[1])) for step in range(3)]
    assert [total.box(*at) for at in places] == footprints(model, x, places)
    widths = [[high - low + 1 for low, high in total.box(*(middle + i))] for i in range(16)]
    assert total.size == tuple(np.max(widths, axis=0))


def test_a_path_follows_the_closed_form(rng):
    kernels, strides = rng.integers(1, 6, 8), rng.integers(1, 4, 8)
    stack = [layers.Conv1D(2, int(k), int(s)) for k, s in zip(kernels, strides, strict=True)]
    fields = explain.receptive_field(stack)
    for depth in range(1, 9):
        jumps = np.cumprod([1, *strides[:depth]])
        size = 1 + sum((k - 1) * j for k, j in zip(kernels[:depth], jumps, strict=False))
        field = fields.layers[depth - 1]
        assert field.size == (size,) and field.jump == (jumps[-1],) and field.start == (0,)


def test_published_sizes():
    alexnet = [
        layers.Conv2D(1, 11, 4), layers.MaxPooling2D(3, 2), layers.Conv2D(1, 5, padding=2),
        layers.MaxPooling2D(3, 2), layers.Conv2D(1, 3, padding=1), layers.Conv2D(1, 3, padding=1),
        layers.Conv2D(1, 3, padding=1), layers.MaxPooling2D(3, 2),
    ]  # fmt: skip
    total = explain.receptive_field(alexnet).total  # Araujo et al. 2019, table 1: 195, stride 32
    assert total.size == (195, 195) and total.jump == (32, 32)
    vgg = []
    for count in (2, 2, 3, 3, 3):
        vgg += [layers.Conv2D(1, 3, padding="same") for _ in range(count)]
        vgg.append(layers.MaxPooling2D(2, 2))
    assert explain.receptive_field(vgg).total.size == (212, 212)  # VGG-16
    stem = [layers.Conv2D(1, 7, 2), layers.MaxPooling2D(3, 2)]
    for blocks, step in ((3, 1), (4, 2), (6, 2), (3, 2)):
        for block in range(blocks):
            stem += [layers.Conv2D(1, 1, step if block == 0 else 1), layers.Conv2D(1, 3)]
    total = explain.receptive_field(stem).total  # ResNet-50 v1, their table: 483, stride 32
    assert total.size == (483, 483) and total.jump == (32, 32)
    # With the strides in the 3x3: 11 + 3*8 + (8 + 3*16) + (16 + 5*32) + (32 + 2*64)
    resnet = explain.receptive_field(ta.models.resnet50((224, 224, 3), 10)).layers
    last = [field for field in resnet if field.size[0] is not None][-1]
    assert last.size == (427, 427) and last.jump == (32, 32)


def test_the_valid_unet():
    fields = explain.receptive_field(
        ta.models.unet((572, 572, 1), 2, filters=1, padding="valid", batch_norm=False)
    )
    assert fields.total.size == (204, 204) and fields.total.jump == (1, 1)
    low, high = zip(*(fields.total.box(i, i)[0] for i in range(388)), strict=True)
    assert min(low) == 0 and max(high) == 571


def test_up_sampling_halves_the_jump_and_flattening_sees_all():
    model = ta.Sequential(
        [
            ta.Input((16, 2)),
            layers.UpSampling1D(2, name="up"),
            layers.Conv1D(3, 2, name="conv"),
            layers.Flatten(name="flat"),
            layers.Dense(1, name="dense"),
        ]
    )
    fields = explain.receptive_field(model)
    assert fields["up"].jump == (0.5,) and fields["up"].size == (1,)
    assert [fields["conv"].box(i) for i in range(3)] == [((0, 0),), ((0, 1),), ((1, 1),)]
    assert fields.total.size == (None,) and fields["flat"].box(0) == (None,)
    assert "all" in fields.table().splitlines()[-1]
    assert fields.table() == str(fields) and "all pixels" in repr(fields)


def test_two_outputs_and_a_shared_layer():
    x = ta.Input((None, None, 1))
    shared = layers.Conv2D(1, 3, padding="same", name="shared")
    once = shared(x)
    twice = shared(once)
    model = ta.Model(x, [once, twice])
    fields = explain.receptive_field(model)
    assert fields["shared"].size == (3, 3) and fields["shared (call 2)"].size == (5, 5)
    assert fields.total.size == (5, 5)


def test_a_subclassed_model_is_followed_once_it_is_built():
    class Twice(ta.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = layers.Conv2D(1, 3), layers.Conv2D(1, 5)

        def call(self, inputs):
            return self.second(self.first(inputs))

    model = Twice()
    with pytest.raises(ValueError, match="is not built: call build"):
        explain.receptive_field(model)
    model.build((None, 16, 16, 1))
    assert explain.receptive_field(model).total.size == (7, 7)


def test_an_unbuilt_sequential_needs_no_shape():
    model = ta.Sequential([layers.Conv1D(4, 7), layers.MaxPooling1D(4)])
    assert explain.receptive_field(model).total.size == (10,)
    assert explain.receptive_field(layers.Conv2D(1, (3, 5))).total.size == (3, 5)


def test_misuse_is_named():
    with pytest.raises(TypeError, match="expected a Model or a list of layers"):
        explain.receptive_field("unet")
    with pytest.raises(TypeError, match="a list with 3, expected layers"):
        explain.receptive_field([3])
    with pytest.raises(ValueError, match="takes tables"):
        explain.receptive_field(ta.Sequential([ta.Input((8,)), layers.Dense(2)]))
    fields = explain.receptive_field([layers.Conv2D(1, 3, name="one")])
    with pytest.raises(ValueError, match="expected 2 positions"):
        fields.total.box(1)
    with pytest.raises(KeyError, match="no layer 'two'; there are one"):
        fields["two"]


def test_a_layer_whose_intervals_never_repeat_is_refused():
    class Squares(layers.Layer):
        def sees(self, axis, low, high):
            return low**2, high**2

    with pytest.raises(ValueError, match="does not repeat within"):
        explain.receptive_field([Squares()])


def test_an_axis_repeats_with_its_period():
    axis = AxisField(np.array([0, 0]), np.array([0, 1]), shift=1)
    assert [axis.at(i) for i in (-1, 0, 5)] == [(-1, 0), (0, 0), (2, 3)]
