"""Every network of this package comes back from a file as it was; what somebody has written is refused."""

import dataclasses
import inspect

import numpy as np
import pytest
from hypothesis import given, settings

from tests.nn import graphs
from tests.nn.helpers import every_layer, generator, inputs
from wengert import models, nn
from wengert.core import tree
from wengert.errors import ModelFileError
from wengert.models._networks import CLASSES, described


def graph(dtype=np.float64):
    block = nn.Sequential([nn.Dense.init(generator(), 8, 8, "silu", dtype=dtype), nn.Dropout(0.2)])
    nodes = {
        "h": (nn.Units(8, "leaky_relu(slope=0.2)"), "x"),
        "f": (block, "h"),
        "z": ("sum", "h", "f"),
        "s": (np.sin, "z"),
        "y": (nn.Units(1), "s", "x"),
        "p": ("product", "h", "f"),
    }
    outputs = {"first": "y", "second": "p"}
    return nn.Graph.init(generator(), nodes, inputs={"x": 3}, outputs=outputs, dtype=dtype)


def units(dtype=np.float64):
    edges = [
        ("x1", "h", "v"),
        ("x2", "h", "v"),
        ("h", "y", nn.Fixed(2.0)),
        ("x1", "y", 0.5),
        ("x2", ("z", 1)),
    ]
    return nn.UnitGraph.from_edges(
        [*edges, (("z", 1), "y")],
        inputs=["x1", "x2"],
        outputs=["y"],
        activations={"h": "elu(alpha=0.5)"},
        biases={"h": nn.Fixed(0.25), "y": None},
        rng=generator(),
        dtype=dtype,
    )


NETWORKS = {
    "every layer": every_layer,
    "graph": graph,
    "units": units,
    "softmax of units": lambda dtype: nn.UnitGraph.from_layers(
        generator(), (3, 4, 3), output="softmax", dtype=dtype
    ),
    "perceptron": lambda dtype: nn.Perceptron(np.ones((2, 3), dtype), np.zeros(3, dtype)),
    "one unit": lambda dtype: nn.Perceptron(np.ones(2, dtype), dtype(-1.5)),
    "dictionary in an order of its own": lambda dtype: nn.Parallel(
        {name: nn.Dense.init(generator(), 2, 1, dtype=dtype) for name in "zab"}
    ),
    "tree": lambda dtype: nn.Frozen({"b": [np.ones(2, dtype), None], "a": (3, 0.5, dtype(2))}),
    "embedded": lambda dtype: models.Embedded(
        (np.ones((5, 2), dtype),), nn.MLP.init(generator(), (4, 3, 1), dropout=0.1, dtype=dtype)
    ),
}


def returned(network):
    return models.network_from_bytes(models.network_to_bytes(network))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_loaded_is_what_was_saved(name, dtype):
    network = NETWORKS[name](dtype)
    again = returned(network)
    leaves, structure = tree.flatten(network)
    others, same = tree.flatten(again)
    assert tree.same_structure(structure, same)
    for leaf, other in zip(leaves, others, strict=True):
        np.testing.assert_array_equal(leaf, other, strict=True)
        assert type(leaf) is type(other)
    assert models.network_to_bytes(again) == models.network_to_bytes(network)


def test_every_layer_predicts_the_same():
    network = every_layer()
    np.testing.assert_array_equal(returned(network)(inputs()), network(inputs()))
    x = generator(2).normal(size=(5, 3))
    for key, y in graph()(x).items():
        np.testing.assert_array_equal(returned(graph())(x)[key], y)


@given(graphs.networks())
@settings(max_examples=30, deadline=None)
def test_any_graph_of_units(network):
    x = generator().normal(size=(4, len(network.topology.inputs)))
    again = returned(network)
    np.testing.assert_array_equal(again(x), network(x))
    assert again == network


def test_the_order_of_a_dictionary_is_kept():
    assert list(returned(NETWORKS["dictionary in an order of its own"](np.float64)).layers) == ["z", "a", "b"]


def test_arrays_have_their_names():
    network = every_layer()
    assert set(described(network)[1]) == set(nn.state(network))


def test_all_classes_of_layers_are_known():
    classes = {name: getattr(nn, name) for name in nn.__all__ if inspect.isclass(getattr(nn, name))}
    stored = {n for n, c in classes.items() if dataclasses.is_dataclass(c) and "__call__" in dir(c)}
    assert (
        {"Dense", "MLP", "Graph", "UnitGraph", "Perceptron", "Embedding", "Frozen"} <= stored <= set(CLASSES)
    )


# --- what cannot be stored


class Own(nn.Dense):
    """Who knows what it computes."""


def own(a):
    return a * a


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            nn.Sequential([nn.Dense(np.ones((2, 2)), None, own)]),
            r"^layers\.0\.activation: own cannot be stored",
        ),
        (nn.Sequential([nn.relu, lambda a: a]), r"^layers\.1\.function: <lambda> cannot be stored"),
        (nn.Residual(np.vectorize(own)), r"^layer\.function: .* cannot be stored, for a model file holds no"),
        (Own(np.ones((2, 2))), "^network: an object of class Own cannot be stored"),
        (nn.Frozen({"a": {1, 2}}), r"^layer\.a: an object of class set cannot be stored"),
        ({"a": np.ones(2)}, "^network: an object of class dict cannot be stored"),
        (nn.relu, "^network: relu cannot be stored"),
        (nn.Dense(np.array([["a"]])), "^weights: cannot be stored: an array of <U1 holds no real numbers"),
        (nn.Dense(np.array([[1j]])), "^weights: cannot be stored: an array of complex128 holds no real"),
        (nn.Dense(np.array([[np.nan]])), "^weights: cannot be stored: holds nan or infinite numbers"),
        (nn.BatchNorm.init(2, epsilon=np.inf), "^epsilon: cannot be stored: inf is not a finite number"),
        (
            nn.Frozen({"a.b": np.ones(1), "a": {"b": np.ones(1)}}),
            r"^layer\.a\.b: cannot be stored: two arrays have this name",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_be_stored_is_named(network, message, tmp_path):
    with pytest.raises(ModelFileError, match=message):
        models.save_network(network, tmp_path / "n.wengert")
    assert not list(tmp_path.iterdir())
