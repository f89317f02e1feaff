import numpy as np
import pytest

import wengert as wg
from tests.nn.helpers import generator, weighted
from wengert import nn
from wengert.errors import MismatchError


def layer(**options):
    return nn.Dense.init(generator(), 3, 2, **options)


def test_it_is_weights_biases_and_activation():
    found, x = layer(activation="tanh", biases=0.5), generator(1).normal(size=(5, 3))
    np.testing.assert_allclose(found(x), np.tanh(x @ found.weights + 0.5))
    assert found.biases.tolist() == [0.5, 0.5]


def test_without_biases():
    found, x = layer(biases=None), generator(1).normal(size=(5, 3))
    np.testing.assert_array_equal(found(x), x @ found.weights)
    assert list(nn.parameters(found)) == ["weights"]


def test_biases_may_be_drawn_after_the_weights():
    def draw(rng, inputs, units):
        return rng.uniform(-1, 1, units)

    found, rng = layer(biases=draw, initialiser="uniform", dtype=np.float32), generator()
    np.testing.assert_array_equal(found.weights, rng.uniform(-1, 1, (3, 2)).astype(np.float32))
    np.testing.assert_array_equal(found.biases, rng.uniform(-1, 1, 2).astype(np.float32))


def test_gradients_are_those_of_central_differences():
    found, x = layer(activation="gelu", biases=0.1), generator(1).normal(size=(5, 3))
    wg.check_gradients(lambda w, x: weighted(nn.replaced(found, w)(x)), (nn.parameters(found), x))


def test_it_prints_without_its_numbers():
    assert repr(layer(activation="leaky_relu(slope=0.2)", dtype=np.float32)) == (
        "Dense(weights=float32[3, 2], biases=float32[2], activation=leaky_relu(slope=0.2))"
    )


def test_layers_are_equal_where_structure_and_numbers_are():
    assert layer() == layer()
    assert layer() != nn.Dense.init(generator(1), 3, 2)
    assert layer() != layer(activation="tanh")
    assert layer() != layer(biases=None)
    assert layer() != "a layer"


@pytest.mark.parametrize("shape", [(5, 4), (4,), (3, 5), ()])
def test_inputs_of_a_wrong_size_are_refused(shape):
    expected = (
        rf"Dense\(weights=float64\[3, 2\].* cannot take inputs of shape \({str(shape)[1:-1]}\); give \(3,\)"
    )
    with pytest.raises(MismatchError, match=expected):
        layer()(np.ones(shape))
    with pytest.raises(MismatchError, match=expected):
        wg.jit(layer())(np.ones(shape))


@pytest.mark.parametrize("biases", [np.ones(3), np.array(1.0), np.ones((2, 1))])
def test_weights_and_biases_of_different_layers_are_refused(biases):
    with pytest.raises(
        MismatchError, match=r"weights of shape \(3, 2\) and biases of shape .* are not of one layer"
    ):
        nn.Dense(np.ones((3, 2)), biases)


def test_an_ensemble_is_a_layer_of_stacked_arrays():
    rng = generator()
    many, x = nn.Dense(rng.normal(size=(5, 3, 2)), rng.normal(size=(5, 2)), nn.tanh), np.ones((4, 3))
    found = wg.vmap(lambda one: one(x))(many)
    assert found.shape == (5, 4, 2)
    np.testing.assert_allclose(found[3], nn.Dense(many.weights[3], many.biases[3], nn.tanh)(x))
