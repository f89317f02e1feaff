import dataclasses

import numpy as np
import pytest

from tests.nn.helpers import same
from wengert import nn
from wengert.core import tree


def network(**options):
    return nn.MLP.init(np.random.default_rng(0), (4, 6, 5, 3), **options)


def test_forward_propagation_is_bishops():
    layer = nn.Dense.init(np.random.default_rng(1), 3, 2, "tanh")
    x = np.array([0.5, -1.0, 2.0])
    for j in range(2):
        a = sum(layer.weights[i, j] * x[i] for i in range(3)) + layer.biases[j]
        assert layer(x)[j] == pytest.approx(np.tanh(a))


def test_a_batch_is_its_patterns():
    x = np.random.default_rng(2).normal(size=(8, 4))
    np.testing.assert_allclose(network()(x), [network()(row) for row in x])


def test_sizes_and_activations():
    net = network(activation="tanh", output="softmax")
    assert net.sizes == (4, 6, 5, 3)
    assert [layer.activation for layer in net.layers] == [nn.tanh, nn.tanh, nn.softmax]


def test_a_network_is_a_tree_of_its_arrays():
    net = network()
    leaves, structure = tree.flatten(net)
    assert [leaf.shape for leaf in leaves] == [(4, 6), (6,), (6, 5), (5,), (5, 3), (3,)]
    again = tree.unflatten(structure, leaves)
    assert again == net or all(a is b for a, b in zip(tree.flatten(again)[0], leaves))
    assert again.layers[0].activation is nn.relu


def test_the_activation_is_structure():
    static = [f.name for f in dataclasses.fields(nn.Dense) if f.metadata.get("static")]
    assert static == ["activation"]


def test_the_same_generator_gives_the_same_weights():
    one, two = (tree.flatten(network())[0] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two))


def test_dtype():
    net = network(dtype=np.float32)
    assert {leaf.dtype for leaf in tree.flatten(net)[0]} == {np.dtype(np.float32)}
    assert net(np.ones(4, np.float32)).dtype == np.float32


def test_rectifiers_start_with_he_and_others_with_glorot():
    def spread(h):
        return nn.Dense.init(np.random.default_rng(0), 400, 100, h).weights.std()

    assert spread("relu") == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    assert spread("tanh") == pytest.approx((2 / 500) ** 0.5, rel=0.02)


@pytest.mark.parametrize("sizes", [(4,), (4, 0, 2), ()])
def test_sizes_that_are_no_network(sizes):
    with pytest.raises(ValueError, match="a network needs inputs and outputs, at least one of each"):
        nn.MLP.init(np.random.default_rng(0), sizes)


def kinds(net):
    return [type(layer).__name__ for layer in net.layers]


def test_an_activation_for_each_hidden_layer():
    net = network(activation=["tanh", np.sin], output="softmax")
    assert [layer.activation for layer in net.layers] == [nn.tanh, np.sin, nn.softmax]


def test_biases_start_where_one_says():
    assert [layer.biases.tolist() for layer in network(biases=0.1).layers] == [[0.1] * n for n in (6, 5, 3)]
    assert all(layer.biases is None for layer in network(biases=None).layers)


def test_dropout_follows_hidden_layers():
    assert kinds(network(dropout=0.2)) == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]
    net = network(dropout=[0.0, 0.3])
    assert kinds(net) == ["Dense", "Dense", "Dropout", "Dense"]
    assert (net.layers[2].rate, net.sizes) == (0.3, (4, 6, 5, 3))
    assert same(net, network())


@pytest.mark.parametrize(("name", "kind"), [("batch", "BatchNorm"), ("layer", "LayerNorm")])
def test_normalisation_comes_before_the_activation(name, kind):
    net = network(normalisation=name, activation="tanh", dtype=np.float32)
    assert kinds(net) == ["Dense", kind, "Function", "Dense", kind, "Function", "Dense"]
    assert net.layers[0].biases is None
    assert (net.layers[0].activation, net.layers[2].function) == (nn.identity, nn.tanh)
    assert {leaf.dtype for leaf in tree.flatten(net)[0]} == {np.dtype(np.float32)}
    x = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    first = nn.forward(net.layers[1], x @ net.layers[0].weights)[0]
    np.testing.assert_allclose(nn.forward(nn.MLP(net.layers[:3]), x)[0], np.tanh(first), rtol=1e-6)


def test_normalised_rectifiers_start_as_rectifiers():
    plain, normal = network(activation="relu"), network(activation="relu", normalisation="batch")
    np.testing.assert_array_equal(plain.layers[0].weights, normal.layers[0].weights)


def test_inputs_are_added_where_there_are_as_many():
    net = nn.MLP.init(np.random.default_rng(0), (4, 6, 6, 6, 1), "tanh", skip="add")
    assert kinds(net) == ["Dense", "Residual", "Residual", "Dense"]
    assert net.sizes == (4, 6, 6, 6, 1)
    x = np.random.default_rng(1).normal(size=(9, 4))
    first = net.layers[0](x)
    np.testing.assert_array_equal(nn.MLP(net.layers[:2])(x), first + net.layers[1].layer(first))


def test_inputs_are_set_beside_outputs():
    net = network(skip="concatenate")
    assert kinds(net) == ["Skip", "Skip", "Dense"]
    assert net.sizes == (4, 6, 5, 3)
    assert net.layers[-1].weights.shape == (4 + 6 + 5, 3)
    assert net(np.ones((2, 4))).shape == (2, 3)


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (
            {"normalisation": "bach"},
            r"unknown normalisation 'bach'; did you mean 'batch'\? Choose one of batch",
        ),
        ({"skip": "ad"}, r"unknown skip connection 'ad'; did you mean 'add'"),
        ({"skip": "add"}, r"no hidden layer of \(4, 6, 5, 3\) has as many units as inputs"),
        ({"activation": ["tanh"]}, "activation: 1 are given for 2 hidden layers; give one for each"),
        ({"dropout": [0.1] * 3}, "dropout: 3 are given for 2 hidden layers"),
        ({"dropout": 1.0}, "the rate of dropout is a probability below 1, not 1.0"),
        ({"activation": "rleu"}, "unknown activation 'rleu'"),
    ],
)
def test_options_that_are_none(options, answer):
    with pytest.raises(ValueError, match=answer):
        network(**options)
