"""Graphs of layers: against the same network written out, and what is refused."""

from dataclasses import dataclass, field

import numpy as np
import pytest

import wengert as wg
from wengert import losses, nn, optim, random, train
from wengert.core import tree

X = np.random.default_rng(3).normal(size=(5, 3))


def residual(**options):
    nodes = {
        "y": (nn.Units(2), "z", "x"),
        "h": (nn.Units(4, "tanh"), "x"),
        "z": ("sum", "h", "f"),
        "f": (nn.Units(4, "relu"), "h"),
    }
    return nn.Graph.init(np.random.default_rng(0), nodes, inputs={"x": 3}, outputs="y", **options)


def by_hand(network, x):
    h, f, y = (network.layers[name] for name in "hfy")
    first = np.tanh(x @ h.weights + h.biases)
    z = first + np.maximum(first @ f.weights + f.biases, 0)
    return np.concatenate([z, x], axis=1) @ y.weights + y.biases


def error(network, x):
    return np.sum(np.sin(network(x)))


def test_residual_and_skip_connections_written_out():
    network = residual()
    np.testing.assert_allclose(network(X), by_hand(network, X), rtol=1e-12)
    np.testing.assert_allclose(network(X[0]), by_hand(network, X)[0], rtol=1e-12)
    found = wg.grad(error)(network, X)
    expected = wg.grad(lambda network, x: np.sum(np.sin(by_hand(network, x))))(network, X)
    native = wg.jit(wg.grad(error))(network, X)
    for a, b, c in zip(*(tree.flatten(t)[0] for t in (found, expected, native)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(c, b, rtol=1e-10, atol=1e-12)


def test_derivatives_are_those_of_central_differences():
    network = residual()
    wg.check_gradients(lambda w: error(nn.replaced(network, w), X), (nn.parameters(network),), order=1)


def test_parameters_are_named_by_node():
    names = [f"layers.{node}.{part}" for node in "fhy" for part in ("weights", "biases")]
    assert list(nn.parameters(residual())) == names
    assert {leaf.dtype for leaf in tree.flatten(residual(dtype=np.float32))[0]} == {np.dtype(np.float32)}


def test_vmap_over_patterns():
    network = residual()
    np.testing.assert_allclose(wg.vmap(network)(X), network(X), rtol=1e-12)


def test_it_is_the_packages_own_unless_a_function_is_not():
    assert nn.is_known(residual())
    assert not nn.is_known(two_by_two("both"))
    assert residual() == residual() and residual() != residual(dtype=np.float32)


def test_it_trains():
    t = np.stack([X[:, 0] * X[:, 1], np.sin(X[:, 2])], axis=1)
    fit = train.fit(residual(), losses.mean_squared_error, X, t, optimiser=optim.Adam(0.02), epochs=300)
    assert fit.curve.training[-1] < 0.01 * fit.curve.training[0]


def two_by_two(outputs):
    nodes = {
        "h": (nn.Units(4, "tanh"), "image", "text"),
        "gate": ("product", "h", "s"),
        "s": (nn.Units(4, "logistic"), "text"),
        "mean": (nn.Units(1), "gate"),
        "scale": (lambda a, b: np.exp(a[..., :1] - b[..., :1]), "h", "s"),
        "both": ("concatenate", "mean", "scale"),
    }
    inputs = {"image": 3, "text": 2}
    return nn.Graph.init(np.random.default_rng(0), nodes, inputs=inputs, outputs=outputs)


def test_several_inputs_and_outputs():
    names = ["both", "mean", "scale"]
    network, x = two_by_two(names), (X, X[:, :2] ** 2)
    both, mean, scale = network(x)
    np.testing.assert_array_equal(both, np.concatenate([mean, scale], axis=1))
    h = np.tanh(np.concatenate(x, axis=1) @ network.layers["h"].weights)
    s = 1 / (1 + np.exp(-x[1] @ network.layers["s"].weights))
    np.testing.assert_allclose(scale, np.exp(h[:, :1] - s[:, :1]), rtol=1e-12)
    np.testing.assert_allclose(mean, (h * s) @ network.layers["mean"].weights, rtol=1e-12)
    for one, other in zip(network({"text": x[1], "image": x[0]}), network(x), strict=True):
        np.testing.assert_array_equal(one, other)
    keyed = two_by_two({"μ": "mean", "σ": "scale", "all": "both"})(x)
    assert list(keyed) == ["μ", "σ", "all"]
    np.testing.assert_array_equal(keyed["σ"], scale)


@dataclass(frozen=True)
class Noise:
    """Adds noise in training, and counts how often."""

    count: np.ndarray = field(default_factory=lambda: np.zeros(()), metadata={"trained": False})
    draws = True

    def __call__(self, x):
        return x

    def forward(self, x, key):
        return x + random.normal(key, x.shape), Noise(self.count + 1)


def noisy():
    nodes = {"a": (Noise(), "x"), "b": (Noise(), "x"), "y": ("sum", "a", "b")}
    return nn.Graph.init(np.random.default_rng(0), nodes, inputs={"x": 3}, outputs="y")


def test_an_input_of_another_type_is_said_so():
    rng = np.random.default_rng(0)
    nodes = {"e": (nn.Embedding.init(rng, 5, 2), "city"), "y": (nn.Units(1), "e", "x")}
    network = nn.Graph.init(rng, nodes, inputs={"x": 3, "city": ((), int)}, outputs="y")
    data = {"x": rng.normal(size=(40, 3)), "city": rng.integers(0, 5, 40)}
    z = np.concatenate([nodes["e"][0](data["city"]), data["x"]], axis=1)
    np.testing.assert_allclose(network(data), network.layers["y"](z))
    result = train.fit(network, losses.mean_squared_error, data, z[:, :1] - z[:, 2:3], epochs=5)
    assert result.curve.training[-1] < result.curve.training[0]
    codes = nn.Graph.init(rng, {"y": (lambda k: k * 2, "k")}, inputs={"k": (2, np.int8)}, outputs="y")
    assert codes(np.ones((3, 2), np.int8)).dtype == np.int8


def test_the_pass_in_training_splits_the_key_and_keeps_what_layers_become():
    key = random.key(1)
    y, after = nn.forward(noisy(), X, key)
    drawn = y - 2 * X
    each = [random.normal(random.fold_in(key, i), X.shape) for i in range(2)]
    np.testing.assert_allclose(drawn, each[0] + each[1], rtol=1e-10, atol=1e-12)
    assert not np.allclose(each[0], each[1])
    assert [after.layers[name].count for name in "ab"] == [1, 1]
    np.testing.assert_array_equal(noisy()(X), 2 * X)


def test_layers_that_draw_and_change_are_trained():
    """Dropout draws from a key at every step, and BatchNorm keeps running statistics."""
    nodes = {
        "a": (nn.Units(16), "x"),
        "b": (nn.BatchNorm.init(16), "a"),
        "c": (lambda a: np.maximum(a, 0), "b"),
        "d": (nn.Dropout(0.1), "c"),
        "y": (nn.Units(1), "d", "x"),
    }
    network = nn.Graph.init(np.random.default_rng(0), nodes, inputs={"x": 3}, outputs="y")
    assert nn.needs_key(network)
    x = np.random.default_rng(0).normal(size=(200, 3))
    fit = lambda seed: train.fit(
        network, losses.mean_squared_error, x, x[:, :1] * x[:, 1:2], optimiser=optim.Adam(0.01), seed=seed
    )
    one, same, other = fit(0), fit(0), fit(1)
    assert one.curve.training == same.curve.training != other.curve.training
    assert one.curve.training[-1] < 0.3 * one.curve.training[0]
    assert not np.allclose(one.network.layers["b"].mean, network.layers["b"].mean)


def test_only_networks_that_draw_need_a_key():
    assert nn.needs_key(noisy())
    assert not nn.needs_key(residual())
    y, after = nn.forward(residual(), X)
    np.testing.assert_array_equal(y, residual()(X))
    assert tree.same_structure(tree.flatten(after)[1], tree.flatten(residual())[1])


def test_networks_are_layers_too():
    inner = nn.UnitGraph.from_layers(np.random.default_rng(0), (3, 4, 2), "tanh")
    mlp = nn.MLP.init(np.random.default_rng(1), (2, 3), "tanh")
    nodes = {"a": (inner, "x"), "y": (mlp, "a")}
    network = nn.Graph.init(np.random.default_rng(0), nodes, inputs={"x": 3}, outputs="y")
    np.testing.assert_allclose(network(X), mlp(inner(X)), rtol=1e-12)
    assert {"layers.a.biases", "layers.y.layers.0.weights"} < set(nn.parameters(network))
    assert [line.split() for line in repr(network).splitlines()[2:]] == [
        ["a", "x", "UnitGraph"],
        ["y", "a", "MLP"],
    ]


UNITS = nn.Units(2)
REFUSED = [
    ({"a": (UNITS, "b"), "b": (UNITS, "a"), "y": (UNITS, "x", "a")}, "cycle, (a -> b -> a|b -> a -> b);"),
    ({"y": (UNITS, "y", "x")}, "form a cycle, y -> y;"),
    ({"y": (UNITS, "z")}, "node 'y' reads 'z'; there are 'x', 'y'"),
    ({"y": (UNITS, "x"), "h": (UNITS, "x")}, "no output depends on 'h'; read it"),
    ({"y": (lambda: 0, "y2"), "y2": (UNITS, "y3")}, "node 'y2' reads 'y3'"),
    ({"x": (UNITS, "x"), "y": (UNITS, "x")}, "'x' is an input and a node"),
    ({"h": (UNITS, "x")}, "the outputs name 'y'; there are 'x', 'h'"),
    ({"y": UNITS}, r"node 'y' is Units\(.*\); write \(layer, read, ...\)"),
    ({"y": (UNITS,)}, r"write \(layer, read, ...\)"),
    ({"y": ("add", "x")}, "node 'y' is an unknown join 'add'; choose one of sum, product, concatenate"),
    ({"y": (7, "x")}, "node 'y' computes 7, which is no layer and no function"),
    ({"h": (UNITS, "x"), "y": ("sum", "h", "x")}, r"take 'h' of shape \(1, 2\), 'x' of shape \(1, 3\)"),
    ({"y": (nn.linear_regression(4, 2), "x")}, r"node 'y' cannot take 'x' of shape \(1, 3\):"),
]  # fmt: skip


@pytest.mark.parametrize("nodes, message", REFUSED)
def test_descriptions_that_are_no_network(nodes, message):
    with pytest.raises(ValueError, match=message):
        nn.Graph.init(np.random.default_rng(0), nodes, inputs={"x": 3}, outputs="y")


def test_inputs_that_are_not_there():
    network = two_by_two("both")
    with pytest.raises(ValueError, match="give 2 inputs, 'image', 'text', not 1"):
        network(X)
    with pytest.raises(ValueError, match="the inputs are 'image', 'text', not 'image'"):
        network({"image": X})
    with pytest.raises(
        ValueError, match=r"node 'h' cannot take 'image' of shape \(5, 3\), 'text' of shape \(5, 3\)"
    ):
        network((X, X))
    with pytest.raises(ValueError, match="there are no outputs"):
        nn.Graph.init(np.random.default_rng(0), {}, inputs={"x": 1}, outputs=[])
