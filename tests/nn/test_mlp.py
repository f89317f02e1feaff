import dataclasses

import numpy as np
import pytest

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
