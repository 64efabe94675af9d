"""The base layer: building, weights, freezing, configuration, symbols, layers of one's own."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers
from tinygrad_astro.layers import structure
from tinygrad_astro.layers.layer import takes_training


class Scale(layers.Layer):
    """A layer with ops in its call."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.gain = self.add_weight(input_shape[-1:], "ones", name="gain")
        self.count = self.add_weight((), "zeros", trainable=False, name="count")

    def call(self, inputs):
        return ta.ops.exp(inputs) * self.gain * self.factor


class Pair(layers.Layer):
    """A layer that only hands its inputs to other layers, kept in a list and a dictionary."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.parts = [layers.Dense(3), layers.Dropout(0.5)]
        self.by_name = {"last": layers.Dense(2, use_bias=False)}

    def call(self, inputs, training=False):
        x = self.parts[1](self.parts[0](inputs), training=training)
        return self.by_name["last"](x)


def test_weights_appear_with_the_first_shape():
    layer = layers.Dense(4)
    assert not layer.built and layer.weights == []
    with pytest.raises(ValueError, match="no weights before its input shape is known"):
        layer.count_params()
    assert layer(np.ones((2, 3))).shape == (2, 4)
    assert layer.built and [w.shape for w in layer.weights] == [(3, 4), (4,)]
    assert layer.build_shapes == ((None, 3),)


def test_building_by_hand_is_not_repeated():
    layer = layers.Dense(4)
    layer.build((None, 3))
    kernel = layer.kernel
    layer(np.ones((2, 3)))
    for same in ((None, 3), (7, 3), (None, None)):
        layer.build(same)
    assert layer.kernel is kernel and len(layer.weights) == 2
    assert layer.build_shapes == ((None, 3),)


def built_model():
    x = layers.Input((3,))
    return ta.Model(x, layers.Dense(4)(x))


def built_by_data():
    model = ta.Sequential([layers.Dense(4)])
    model(np.ones((2, 3)))
    return model


class Own(ta.Model):
    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(4)

    def call(self, x):
        return self.inner(x)


@pytest.mark.parametrize(
    "make", [lambda: layers.Dense(4), Own, built_model, built_by_data, ta.Sequential]
)
def test_what_is_built_is_not_built_for_another_shape(make):
    made = make() if make is not ta.Sequential else ta.Sequential([layers.Dense(4)])
    made.build((None, 3))
    weights = made.weights
    made.build((8, 3))
    for other in ((None, 5), (None, 2, 3)):
        with pytest.raises(ValueError, match=r"build got .*built for \((None|2), 3\) already.*new"):
            made.build(other)
    assert [id(w) for w in made.weights] == [id(w) for w in weights]


@pytest.mark.parametrize(
    "data",
    [
        [[1, 2], [3, 4]],
        np.array([[1, 2], [3, 4]]),
        np.array([[1, 2], [3, 4]], ">f4"),
        np.array([[1, 2], [3, 4]], "uint8"),
        np.array([[1.0, 0, 2], [3, 0, 4]])[:, ::2],
        ta.tensor([[1.0, 2.0], [3.0, 4.0]], dtype="float64"),
        ta.tensor(np.array([[1, 2], [3, 4]])),
    ],
    ids=["list", "int", "big-endian", "uint8", "strided", "float64 tensor", "int tensor"],
)
def test_inputs_of_all_kinds_become_float32(data):
    out = layers.Dense(1, kernel_initializer="ones")(data)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out.numpy(), [[3.0], [7.0]])


def test_a_float64_layer_computes_in_float64():
    layer = layers.Dense(1, kernel_initializer="ones", dtype="float64")
    out = layer(np.array([[1.0, 1e-12]]))
    assert out.dtype == np.float64 and float(out.item()) == 1.0 + 1e-12


def test_a_layer_without_weights_keeps_a_float64_tensor():
    x = ta.tensor(np.ones((1, 4, 4, 1)))
    assert layers.MaxPooling2D(2)(x).dtype == np.float64


def test_freezing_stops_gradients_and_listing():
    layer = Pair()
    layer(np.ones((2, 5)))
    assert len(layer.trainable_weights) == 3 and not layer.non_trainable_weights
    layer.trainable = False
    assert layer.trainable_weights == [] and len(layer.non_trainable_weights) == 3
    assert not layer(np.ones((2, 5))).requires_grad
    layer.trainable = True
    layer.parts[0].trainable = False
    assert [w.shape for w in layer.trainable_weights] == [(3, 2)]
    assert len(layer.non_trainable_weights) == 2
    frozen = layers.Dense(2, trainable=False)
    frozen(np.ones((1, 2)))
    assert frozen.trainable_weights == [] and not frozen.kernel.requires_grad


def test_statistics_are_never_trainable():
    layer = Scale()
    layer(np.ones((1, 2)))
    layer.trainable = False
    layer.trainable = True
    assert layer.gain.requires_grad and not layer.count.requires_grad
    assert [w.shape for w in layer.non_trainable_weights] == [()]


def test_weights_go_out_and_in():
    layer = layers.Dense(2)
    layer(np.ones((1, 3)))
    copies = layer.get_weights()
    copies[0][:] = 7.0
    assert not (layer.kernel.numpy() == 7.0).any()
    layer.set_weights([np.full((3, 2), 2.0), np.array([1.0, -1.0])])
    np.testing.assert_array_equal(layer(np.ones((1, 3))).numpy(), [[7.0, 5.0]])


def test_refused_weights_change_nothing():
    layer = layers.Dense(2, name="d")
    layer(np.ones((1, 3)))
    before = layer.get_weights()
    with pytest.raises(ValueError, match=r"got 1 arrays, expected 2: .*'d/kernel', \(3, 2\)"):
        layer.set_weights([np.ones((3, 2))])
    with pytest.raises(
        ValueError, match=r"'d/bias' has shape \(2,\), got an array of shape \(3,\)"
    ):
        layer.set_weights([np.ones((3, 2)), np.ones(3)])
    for now, then in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_inner_layers_are_found_once_each_in_order():
    layer = Pair()
    layer.again = layer.parts[0]
    layer(np.ones((2, 5)))
    assert [x.name for x in layer.children()] == [
        layer.parts[0].name,
        layer.parts[1].name,
        layer.by_name["last"].name,
    ]
    names = [name for name, _ in layer.named_weights()]
    assert names == [f"{layer.name}/{layer.parts[0].name}/kernel",
                     f"{layer.name}/{layer.parts[0].name}/bias",
                     f"{layer.name}/{layer.by_name['last'].name}/kernel"]  # fmt: skip


def test_output_shapes_of_own_layers_are_traced_or_tried_out():
    assert Pair().compute_output_shape((None, 5)) == (None, 2)
    assert Scale().compute_output_shape((None, 4, 5)) == (None, 4, 5)
    with pytest.raises(ValueError, match=r"define compute_output_shape\(input_shape\)"):
        Scale().compute_output_shape((None, None, 5))


def test_tracing_leaves_no_nodes_behind():
    layer = Pair()
    layer.compute_output_shape((None, 5))
    assert all(inner.nodes == [] for inner in layer.sublayers())


def test_training_reaches_only_layers_that_ask():
    ta.manual_seed(1)
    layer, x = Pair(), np.ones((64, 5))
    still = layer(x).numpy()
    np.testing.assert_array_equal(layer(x, training=False).numpy(), still)
    assert (layer(x, training=True).numpy() != still).any()
    assert takes_training(Pair) and not takes_training(Scale)


def test_automatic_names_count():
    first, second = layers.Conv1D(1, 1), layers.Conv1D(1, 1)
    stem, number = second.name.rsplit("_", 1)
    assert stem == "conv1d" and first.name in ("conv1d", f"conv1d_{int(number) - 1}")
    assert layers.PReLU().name.startswith("p_re_lu")
    assert layers.Dense(1, name="mine").name == "mine"


def test_configuration_of_own_layers():
    layer = Scale(2.0, name="s", trainable=False)
    config = layer.get_config()
    assert config == {"factor": 2.0, "name": "s", "trainable": False, "dtype": "float32"}
    assert Scale.from_config(config).get_config() == config


def test_configuration_needs_the_arguments_kept():
    class Forgetful(layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)

    with pytest.raises(ValueError, match="keeps no attribute 'units'"):
        Forgetful(3).get_config()


def test_a_function_cannot_be_written_to_a_file():
    with pytest.raises(ValueError, match="activation is .*which a file cannot hold"):
        layers.Dense(1, activation=lambda x: x).get_config()


def test_the_constructor_of_the_base_must_run():
    class Rootless(layers.Layer):
        def __init__(self):
            pass

        def call(self, inputs):
            return inputs

    with pytest.raises(RuntimeError, match=r"must call super\(\).__init__"):
        Rootless()(np.ones((1, 2)))


def test_symbols_have_no_values():
    x = layers.Input((3,), name="in")
    for use in (np.asarray, bool, float, list, ta.ops.exp):
        with pytest.raises(TypeError, match=r"Symbol shape=\(None, 3\) from 'in'> has no values"):
            use(x)


def test_symbols_cannot_be_mixed_with_arrays():
    x = layers.Input((3,))
    with pytest.raises(
        TypeError, match=r"symbolic inputs together with a ndarray of shape \(1, 3\)"
    ):
        layers.Add()([x, np.ones((1, 3))])


def test_symbolic_calls_compute_nothing():
    class Bomb(layers.Layer):
        def call(self, inputs):
            raise AssertionError("computed")

        def compute_output_shape(self, input_shape):
            return input_shape

    assert Bomb()(layers.Input((3,))).shape == (None, 3)


def test_inputs_of_integers_and_of_one_axis():
    x = layers.Input(3, dtype="uint8", batch_size=4)
    assert x.shape == (None, 3) and x.dtype == np.float32
    assert layers.Input((3,), dtype="float64").dtype == np.float64
    data = np.ones((2, 3), "uint8")
    np.testing.assert_array_equal(x.node.layer(data).numpy(), data)


def test_input_and_output_of_a_layer():
    x = layers.Input((3,))
    layer = layers.Dense(2)
    with pytest.raises(AttributeError, match="called on 0 symbolic inputs"):
        _ = layer.output
    y = layer(x)
    assert layer.output is y and layer.input is x
    layer(x)
    with pytest.raises(AttributeError, match="called on 2 symbolic inputs"):
        _ = layer.output


def test_nests():
    nest = {"a": [1, (2, 3)], "b": 4}
    assert structure.leaves(nest) == [1, 2, 3, 4]
    assert structure.map_leaves(lambda n: -n, nest) == {"a": [-1, (-2, -3)], "b": -4}
    assert structure.is_numbers([[1.0], [2.0]]) and not structure.is_numbers([np.ones(2)])
    assert structure.is_shape((None, 3)) and not structure.is_shape([(None, 3)])


def test_weights_move_to_where_they_are_and_nowhere_else():
    layer = layers.Dense(2)
    layer(np.ones((1, 3)))
    assert layer.to("cpu") is layer
    with pytest.raises((ValueError, RuntimeError), match="cuda|device"):
        layer.to("nowhere")


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: layers.Dense(3, kernel_regularizer="l2"), ValueError, "AdamW"),
        (lambda: layers.Conv2D(3, 3, kernel_constraint="max_norm"), ValueError, "not supported"),
        (lambda: layers.Conv2D(3, 3, data_format="channels_first"), ValueError, "moveaxis"),
        (
            lambda: layers.Dense(3, color="red"),
            TypeError,
            "unknown argument 'color'; it takes units",
        ),
        (lambda: layers.Dense(0), ValueError, "units=0, expected an integer of at least 1"),
        (lambda: layers.Dense(2.5), ValueError, "units=2.5"),
        (lambda: layers.Dense(2, dtype="float16"), ValueError, "expected one of float32, float64"),
        (lambda: layers.Dense(2, "relux"), ValueError, "unknown activation 'relux'; known are elu"),
        (lambda: layers.Dense(2, 3), ValueError, "activation=3: expected a name"),
        (lambda: layers.Input(3.5), ValueError, r"Input got shape=3.5, expected a tuple"),
        (lambda: layers.Input((0, 3)), ValueError, "expected a tuple of positive integers"),
        (
            lambda: layers.Layer()(np.ones(2)),
            NotImplementedError,
            r"does not define call\(inputs\)",
        ),
        (lambda: layers.Dense(2)([["a"]]), TypeError, "expected real numbers"),
        (lambda: layers.Dense(2)([[1.0], [1.0, 2.0]]), (TypeError, ValueError), "ragged|inhomogen"),
    ],
)
def test_errors_name_what_was_received_and_expected(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_none_regularizers_pass():
    assert layers.Dense(3, kernel_regularizer=None, bias_constraint=None).units == 3


def test_an_initializer_of_the_wrong_shape_is_named():
    layer = layers.Dense(2, kernel_initializer=lambda shape, dtype: np.zeros(3))
    with pytest.raises(ValueError, match=r"initializer of 'kernel' gave shape \(3,\), expected"):
        layer(np.ones((1, 3)))
