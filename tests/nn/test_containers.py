import numpy as np
import pytest

import wengert as wg
from tests.nn.helpers import every_layer, generator, inputs, same, weighted
from wengert import nn, optim
from wengert.errors import MismatchError

KEY = wg.random.key(3)
rng = generator()
X = rng.normal(size=(6, 4))
F, G = nn.Dense.init(rng, 4, 4, "tanh"), nn.Dense.init(rng, 4, 2)


def test_sequential_is_composition():
    network = nn.Sequential([F, np.sin, G])
    np.testing.assert_array_equal(network(X), G(np.sin(F(X))))
    y, after = network.forward(X)
    np.testing.assert_array_equal(y, network(X))
    assert after == network


def test_it_prints_a_layer_to_a_line():
    assert repr(nn.Sequential([F, nn.Residual(nn.Sequential([np.sin]))])) == (
        "Sequential(\n"
        "    Dense(weights=float64[4, 4], biases=float64[4], activation=tanh),\n"
        "    Residual(layer=Sequential(\n"
        "        Function(function=sin),\n"
        "    ), shortcut=None),\n"
        ")"
    )


def test_activations_are_layers_by_name_too():
    network = nn.Sequential([F, "relu", nn.activation_named("elu", alpha=0.5)])
    np.testing.assert_array_equal(network(X), nn.elu(nn.relu(F(X)), alpha=0.5))
    assert list(nn.state(network)) == ["layers.0.weights", "layers.0.biases"]


def test_a_class_is_no_layer():
    with pytest.raises(
        TypeError, match=r"BatchNorm is a class of layers; give a layer, such as BatchNorm.init"
    ):
        nn.Sequential([F, nn.BatchNorm])


def test_in_training_every_layer_draws_for_itself():
    network = nn.Sequential([nn.Dropout(0.5), np.sin, nn.Dropout(0.5)])
    y, _ = nn.forward(network, np.ones((50, 4)), KEY)
    first, _ = nn.Dropout(0.5).forward(np.ones((50, 4)), wg.random.fold_in(KEY, 0))
    expected, _ = nn.Dropout(0.5).forward(np.sin(first), wg.random.fold_in(KEY, 2))
    np.testing.assert_array_equal(y, expected)
    assert nn.needs_key(network)
    assert not nn.needs_key(nn.Sequential([F, nn.BatchNorm.init(4)]))


def test_running_statistics_are_found_again_wherever_they_stand():
    norm = nn.BatchNorm.init(4)
    after = norm.forward(X)[1]
    for around, inside in [
        (nn.Sequential([norm]), lambda n: n.layers[0]),
        (nn.Residual(norm), lambda n: n.layer),
        (nn.Residual(F, norm), lambda n: n.shortcut),
        (nn.Skip(norm), lambda n: n.layer),
        (nn.Branches({"a": norm}), lambda n: n.layers["a"]),
    ]:
        assert inside(nn.forward(around, X)[1]) == after
    assert nn.forward(nn.Parallel([norm]), (X,))[1].layers[0] == after


def test_residual_adds():
    np.testing.assert_array_equal(nn.Residual(F)(X), X + F(X))
    np.testing.assert_array_equal(nn.Residual(G, nn.Dense.init(generator(), 4, 2))(X),
                                  nn.Dense.init(generator(), 4, 2)(X) + G(X))  # fmt: skip
    assert nn.needs_key(nn.Residual(F, nn.Dropout(0.5)))
    y, _ = nn.forward(nn.Residual(nn.Dropout(0.5)), X, KEY)
    np.testing.assert_array_equal(y, X + nn.Dropout(0.5).forward(X, wg.random.fold_in(KEY, 0))[0])


@pytest.mark.parametrize("units", [1, 3])
def test_residual_refuses_outputs_of_another_shape_also_such_as_could_be_broadcast(units):
    layer = nn.Residual(nn.Dense.init(generator(), 4, units))
    for y in (lambda: layer(X), lambda: nn.forward(layer, X)):
        with pytest.raises(
            MismatchError, match=rf"adds outputs of shape \({len(X)}, {units}\) to inputs of shape"
        ):
            y()


def test_an_object_that_cannot_be_called_is_no_layer():
    with pytest.raises(TypeError, match=r"SGD\(.*\) is no layer: it cannot be called"):
        nn.Sequential([optim.SGD(0.1)])


def test_skip_concatenates():
    np.testing.assert_array_equal(nn.Skip(G)(X), np.concatenate([X, G(X)], axis=1))
    np.testing.assert_array_equal(nn.Skip(G)(X[0]), np.concatenate([X[0], G(X[0])]))
    np.testing.assert_array_equal(nn.forward(nn.Skip(G), X)[0], nn.Skip(G)(X))


def test_a_frozen_layer_predicts_and_stays():
    network = nn.Frozen(nn.Sequential([nn.BatchNorm.init(4), nn.Dropout(0.5), G]))
    y, after = nn.forward(network, X)
    np.testing.assert_array_equal(y, network.layer(X))
    assert after is network
    assert not nn.parameters(network)
    assert not nn.needs_key(network)


def test_several_outputs():
    assert {name: y.shape for name, y in nn.Branches({"f": F, "g": G})(X).items()} == {
        "f": (6, 4),
        "g": (6, 2),
    }
    f, g = nn.forward(nn.Branches([F, nn.Dropout(0.5)]), X, KEY)[0]
    np.testing.assert_array_equal(f, F(X))
    np.testing.assert_array_equal(g, nn.Dropout(0.5).forward(X, wg.random.fold_in(KEY, 1))[0])


def test_several_inputs():
    found = nn.Parallel({"a": F, "b": G})({"b": X + 1, "a": X, "c": None})
    np.testing.assert_array_equal(found["a"], F(X))
    np.testing.assert_array_equal(found["b"], G(X + 1))
    assert list(nn.Concatenate()(found)[0]) == [*F(X)[0], *G(X + 1)[0]]
    with pytest.raises(KeyError, match="no input 'b'; the layers in parallel are a, b"):
        nn.Parallel({"a": F, "b": G})({"a": X})
    with pytest.raises(ValueError, match="2 layers in parallel need as many inputs, not 1"):
        nn.Parallel((F, G))((X,))


def test_gradients_through_every_layer_are_those_of_central_differences():
    network, x, rng = every_layer(), inputs(), generator(5)
    parameters = nn.parameters(network)

    def error(w):
        return weighted(nn.forward(nn.replaced(network, w), x, KEY)[0])

    gradient = wg.grad(error)(parameters)
    for name, w in parameters.items():
        d = 1e-6 * rng.normal(size=w.shape)
        difference = (error(parameters | {name: w + d}) - error(parameters | {name: w - d})) / 2
        assert np.sum(gradient[name] * d) == pytest.approx(difference, rel=1e-6, abs=1e-13), name


def test_native_code_passes_as_the_interpreter_does():
    network = every_layer()
    y, after = nn.forward(network, inputs(), KEY)
    native, native_after = wg.jit(nn.forward)(network, inputs(), KEY)
    np.testing.assert_allclose(native, y, rtol=1e-12, atol=1e-14)
    for name, array in nn.state(after).items():
        np.testing.assert_allclose(nn.state(native_after)[name], array, rtol=1e-12, atol=1e-14)
    assert same(nn.replaced(native_after, nn.state(network)), network)
