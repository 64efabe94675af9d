"""Functional and subclassed models: graphs, nests, sharing, nesting, training, errors."""

import gc
import weakref

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers
from tinygrad_astro.models import Model, Sequential


class Net(Model):
    """A subclass whose call only hands on to layers."""

    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first = layers.Dense(units, "relu")
        self.rest = [layers.Dropout(0.5), layers.Dense(1)]

    def call(self, inputs, training=False):
        x = self.first(inputs)
        for layer in self.rest:
            x = layer(x, training=training)
        return x


def skip_net():
    image = ta.Input((8, 8, 2), name="image")
    x = layers.Conv2D(4, 3, padding="same", name="a")(image)
    y = layers.Conv2D(4, 3, padding="same", name="b")(x)
    joined = layers.Concatenate(name="join")([x, y, image])
    return Model(image, layers.Conv2D(1, 1, name="head")(joined))


def test_a_skip_connection_computes_what_it_says(rng):
    model, x = skip_net(), rng.standard_normal((2, 8, 8, 2)).astype("float32")
    a, b, head = (model.get_layer(name) for name in ("a", "b", "head"))
    first = a(x).numpy()
    second = b(first).numpy()
    expected = head(np.concatenate([first, second, x], -1)).numpy()
    np.testing.assert_array_equal(model(x).numpy(), expected)
    assert model.input_shape == (None, 8, 8, 2) and model.output_shape == (None, 8, 8, 1)
    assert [layer.name for layer in model.layers] == ["image", "a", "b", "join", "head"]
    assert model.count_params() == 4 * 19 + 4 * 37 + 11


def test_gradients_flow_through_skips_and_shared_layers(rng):
    x = ta.Input((4,))
    shared = layers.Dense(4, "tanh", dtype="float64")
    model = Model(x, layers.Add()([shared(shared(x)), shared(x)]))
    assert len(model.weights) == 2 and len(model.layers) == 3

    def f(kernel, bias):
        shared.kernel, shared.bias = kernel, bias
        return ta.ops.sum(model(ta.tensor(data)))

    data = rng.standard_normal((2, 4))
    ta.testing.check_grads(f, rng.standard_normal((4, 4)), rng.standard_normal(4), order=2)


def test_several_inputs_and_outputs_as_lists_and_dictionaries():
    a, b = ta.Input((2,), name="a"), ta.Input((2,), name="b")
    model = Model([a, b], [layers.Add()([a, b]), layers.Multiply()([a, b])])
    x, y = np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])
    for given in ([x, y], (x, y), {"a": x, "b": y}, {"b": y, "a": x}):
        total, product = model(given)
        np.testing.assert_array_equal(total.numpy(), x + y)
        np.testing.assert_array_equal(product.numpy(), x * y)
    named = Model({"p": a, "q": b}, {"sum": layers.Add()([a, b])})
    np.testing.assert_array_equal(named({"q": y, "p": x})["sum"].numpy(), x + y)
    assert named.output_shape == {"sum": (None, 2)}
    assert named.compute_output_shape({"p": (None, 2), "q": (None, 2)}) == {"sum": (None, 2)}


def test_models_are_layers_of_models(rng):
    inner = Sequential([ta.Input((3,)), layers.Dense(4, "relu"), layers.Dense(3)])
    x = ta.Input((3,))
    model = Model(x, layers.Add()([inner(x), x]))
    data = rng.standard_normal((5, 3)).astype("float32")
    np.testing.assert_allclose(model(data).numpy(), inner(data).numpy() + data, rtol=1e-6)
    assert len(model.weights) == 4 and model.count_params() == inner.count_params()
    assert model.layers[1] is inner


def test_features_of_an_inner_layer(rng):
    model, x = skip_net(), rng.standard_normal((1, 8, 8, 2))
    features = Model(model.inputs, model.get_layer("b").output)
    assert features(x).shape == (1, 8, 8, 4)
    rest = Model(model.get_layer("join").output, model.outputs)
    joined = Model(model.input, model.get_layer("join").output)(x)
    np.testing.assert_array_equal(rest(joined)[0].numpy(), model(x).numpy())


def test_training_is_handed_on_unless_a_call_fixed_it():
    x = ta.Input((200,))
    always = Model(x, layers.Dropout(0.5)(x, training=True))
    never = Model(x, layers.Dropout(0.5)(x, training=False))
    asked = Model(x, layers.Dropout(0.5)(x))
    ones = np.ones((1, 200))
    assert (always(ones).numpy() != 1).any() and (never(ones, training=True).numpy() == 1).all()
    assert (asked(ones).numpy() == 1).all() and (asked(ones, training=True).numpy() != 1).any()


def test_shapes_are_inferred_without_computing():
    class Bomb(layers.Layer):
        def call(self, inputs):
            raise AssertionError("computed")

        def compute_output_shape(self, input_shape):
            return (*input_shape[:-1], 7)

    x = ta.Input((None, 3))
    model = Model(x, Bomb()(x))
    assert model.output_shape == (None, None, 7)
    assert model.compute_output_shape((None, 50, 3)) == (None, 50, 7)


def test_intermediate_values_are_freed_in_inference():
    alive = []

    class Watch(layers.Layer):
        def call(self, inputs):
            alive.append(weakref.ref(inputs))
            return inputs + 1.0

        def compute_output_shape(self, input_shape):
            return input_shape

    x = y = ta.Input((3,))
    for _ in range(4):
        y = Watch()(y)
    with ta.no_grad():
        out = Model(x, y)(ta.tensor(np.zeros((1, 3), "float32")))
    gc.collect()
    assert float(out.numpy()[0, 0]) == 4.0 and all(ref() is None for ref in alive)


def test_a_graph_of_a_thousand_layers_needs_no_recursion():
    x = y = ta.Input((2,))
    for _ in range(1500):
        y = y + 1.0
    model = Model(x, y)
    assert float(model(np.zeros((1, 2))).numpy()[0, 0]) == 1500.0


def test_subclass_learns_traces_and_counts():
    net = Net()
    assert net.name.startswith("net")
    net.build((None, 4))
    assert net.built and net.count_params() == 3 * 5 + 4
    assert [layer.name for layer in net.layers] == [net.first.name, *[x.name for x in net.rest]]
    assert net.compute_output_shape((None, 4)) == (None, 1)
    x = ta.Input((4,))
    assert Model(x, net(x)).output_shape == (None, 1)


def test_subclass_with_ops_in_its_call(rng):
    class Halves(Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs[:, :2] * 2.0 + ta.ops.exp(inputs[:, 2:]))

    model = Halves()
    assert model(rng.standard_normal((3, 4))).shape == (3, 2)
    assert model.compute_output_shape((None, 4)) == (None, 2) and model.count_params() == 6


def test_subclass_with_a_functional_beginning():
    class Wrapped(Model):
        def __init__(self):
            x = ta.Input((3,))
            super().__init__(x, layers.Dense(2)(x))

    assert Wrapped()(np.ones((1, 3))).shape == (1, 2)


def test_freezing_a_model_freezes_its_layers():
    model = skip_net()
    model.trainable = False
    assert model.trainable_weights == [] and len(model.non_trainable_weights) == 6
    assert not model(np.ones((1, 8, 8, 2))).requires_grad
    model.trainable = True
    model.get_layer("a").trainable = False
    assert len(model.trainable_weights) == 4


@pytest.mark.parametrize("make", [skip_net, Net])
def test_fitting_lowers_the_loss(make, rng):
    ta.manual_seed(3)
    model = make()
    shape = (8, 8, 2) if make is skip_net else (4,)
    x = rng.standard_normal((64, *shape)).astype("float32")
    y = x.sum(-1, keepdims=True)
    model.compile(optimizer=ta.optimizers.Adam(0.02), loss="mse", metrics=["mae"])
    history = model.fit(x, y, batch_size=16, epochs=12, verbose=0)
    assert history.history["loss"][-1] < 0.7 * history.history["loss"][0]
    loss, mae = model.evaluate(x, y, verbose=0)
    predicted = model.predict(x, verbose=0)
    assert mae == pytest.approx(np.abs(predicted - y).mean(), rel=1e-4)
    assert loss == pytest.approx(((predicted - y) ** 2).mean(), rel=1e-4)
    assert np.isfinite(model.train_on_batch(x[:8], y[:8])).all()
    np.testing.assert_allclose(model.predict_on_batch(x), predicted, atol=0.2)
    assert len(model.test_on_batch(x, y)) == 2


def test_metrics_are_the_third_argument_of_compile_or_a_keyword():
    model = Sequential([ta.Input((3,)), layers.Dense(2, kernel_initializer="zeros")])
    x, y = np.ones((4, 3)), np.arange(8.0).reshape(4, 2)
    for arguments, named in (
        (("sgd", "mse", ["mae"]), {}),
        (("sgd", "mse"), {"loss_weights": [1.0], "metrics": ["mae"]}),  # Keras's order of keywords
        ((), {"optimizer": "sgd", "loss": "mse", "metrics": ["mae"], "loss_weights": None}),
        (("sgd", "mse", "mae", [1.0]), {}),
    ):
        model.compile(*arguments, **named)
        assert model.evaluate(x, y, verbose=0) == [(y**2).mean(), y.mean()]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("sgd", "mse", 0.5), "the number 0.5 among the metrics.*loss_weights="),
        (("sgd", "mse", [1.0, 0.5]), "the number 1.0 among the metrics.*loss_weights="),
        (("sgd", "mse", {"a": 2}), "the number 2 among the metrics.*loss_weights="),
        (("sgd", "mse", None, ["mae"]), "'mae' among the loss_weights.*fourth.*metrics="),
    ],
)
def test_positions_of_keras_that_mean_something_else_are_refused(arguments, text):
    with pytest.raises(TypeError, match=text):
        Sequential([ta.Input((3,)), layers.Dense(1)]).compile(*arguments)


def disconnected():
    x, other = ta.Input((3,)), ta.Input((3,), name="forgotten")
    return Model(x, layers.Add()([x, other]))


def same_names():
    x = ta.Input((3,))
    return Model(x, layers.Dense(3, name="d")(layers.Dense(3, name="d")(x)))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (disconnected, ValueError, "depend on the Input 'forgotten' of shape .* add it to them"),
        (same_names, ValueError, "layer names must be unique in a model, but 'd'"),
        (lambda: Model(ta.Input((3,))), TypeError, "only one of inputs and outputs"),
        (lambda: Model(np.ones(3), np.ones(3)), TypeError, "Model got inputs with a ndarray"),
        (lambda: Model()(np.ones((1, 3))), NotImplementedError, "has no graph"),
        (lambda: Model().inputs, AttributeError, "no symbolic inputs and outputs"),
        (lambda: skip_net().get_layer("c"), ValueError, "has no layer 'c'; it has image, a, b"),
        (lambda: skip_net().get_layer(index=9), ValueError, "has no layer 9"),
        (
            lambda: skip_net()(np.ones((1, 8, 9, 2))),
            ValueError,
            r"input 'image' of shape \(1, 8, 9, 2\), expected \(None, 8, 8, 2\) with any batch",
        ),
        (lambda: skip_net()(np.ones((8, 8, 2))), ValueError, "add the missing axis"),
        (lambda: skip_net()([np.ones((1, 8, 8, 2))] * 2), ValueError, "got 2 inputs, expected 1"),
        (lambda: skip_net()({"x": np.ones((1, 8, 8, 2))}), ValueError, r"named \['x'\], expected"),
    ],
)
def test_errors_name_what_was_received_and_expected(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_get_layer_by_index():
    assert (
        skip_net().get_layer(index=1).name == "a" and skip_net().get_layer(index=-1).name == "head"
    )
