import copy
import pickle

import joblib
import numpy as np
import pytest

from tests.nn.helpers import arrays, every_layer, inputs, same
from wengert import nn


def by_joblib(network, path):
    joblib.dump(network, path / "network.joblib")
    return joblib.load(path / "network.joblib")


@pytest.mark.parametrize(
    "copied",
    [
        lambda n, _: pickle.loads(pickle.dumps(n)),
        lambda n, _: copy.deepcopy(n),
        by_joblib,
        lambda n, _: nn.replaced(every_layer(), nn.state(n)),
    ],
    ids=["pickle", "deepcopy", "joblib", "state"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_with_every_layer_comes_back(copied, dtype, tmp_path):
    network = every_layer(dtype)
    again = copied(network, tmp_path)
    assert again == network
    assert same(again, network)
    assert {a.dtype for a in arrays(again)} == {np.dtype(dtype)}
    np.testing.assert_array_equal(again(inputs(dtype=dtype)), network(inputs(dtype=dtype)))


def test_a_copy_shares_no_array():
    network = every_layer()
    again = copy.deepcopy(network)
    assert not any(np.shares_memory(a, b) for a, b in zip(arrays(network), arrays(again)))


def test_the_state_is_flat_and_named():
    state = nn.state(every_layer())
    assert all(isinstance(array, np.ndarray) for array in state.values())
    assert list(state)[:3] == [
        "layers.0.layers.city.weights",
        "layers.2.layer.weights",
        "layers.2.layer.biases",
    ]


def test_networks_of_known_parts_are_known():
    assert nn.is_known(every_layer())
    assert nn.is_known(nn.Sequential([nn.relu, np.sin]))
    graph = {"h": (nn.Units(3, "tanh"), "x"), "y": ("sum", "h", "x")}
    assert nn.is_known(nn.Graph.init(np.random.default_rng(0), graph, inputs={"x": 3}, outputs="y"))


def test_what_a_user_writes_is_not_known():
    class Own(nn.Dense):
        """Who knows what it computes."""

    made_here = nn.activation_named("relu"), np.vectorize(nn.relu), lambda a: a
    assert [nn.is_known(nn.Function(h)) for h in made_here] == [True, False, False]
    assert not nn.is_known(nn.Sequential([nn.Dropout(0.5), nn.Residual(nn.Function(made_here[2]))]))
    assert not nn.is_known(Own.init(np.random.default_rng(0), 2, 1))
