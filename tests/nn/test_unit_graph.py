"""Networks of single units: against recursion unit by unit, and against layered networks."""

import numpy as np
from hypothesis import given, settings

import wengert as wg
from tests.nn.graphs import networks, outputs_of_all
from wengert import nn
from wengert.core import tree

PATTERNS = np.random.default_rng(3).normal(size=(5, 3))


def patterns_for(network):
    return PATTERNS[:, : len(network.topology.inputs)]


def error(network, x):
    return np.sum(np.sin(network(x)))


def small(**options):
    edges = [("x1", "h", 2.0), ("x2", "h", -1.0), ("h", "y", 1.0), ("x1", "y", 0.5)]
    return nn.UnitGraph.from_edges(edges, inputs=["x1", "x2"], outputs=["y"], **options)


# --- values and derivatives ---------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(networks())
def test_every_unit_is_bishops(network):
    x = patterns_for(network)
    expected = outputs_of_all(network, x)
    np.testing.assert_allclose(network(x), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(network(x[0]), expected[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(network(x[None, :2]), expected[None, :2], rtol=1e-12, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(networks())
def test_gradients_are_those_of_central_differences(network):
    x = patterns_for(network)
    found = wg.grad(error)(network, x)
    for name in ("weights", "biases", "fixed"):
        expected = wg.numerical.gradient(
            lambda v, name=name: error(nn.replaced(network, {name: v}), x), getattr(network, name)
        )
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-6, atol=1e-7)


@settings(max_examples=12, deadline=None)
@given(networks())
def test_native_code_computes_the_same(network):
    x = patterns_for(network)
    value, gradient = wg.jit(wg.value_and_grad(error, argnums=(0, 1)))(network, x)
    expected_value, expected = wg.value_and_grad(error, argnums=(0, 1))(network, x)
    np.testing.assert_allclose(value, expected_value, rtol=1e-10)
    for one, other in zip(tree.flatten(gradient)[0], tree.flatten(expected)[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10)


@settings(max_examples=20, deadline=None)
@given(networks())
def test_vmap_over_patterns_and_over_weights(network):
    x = patterns_for(network)
    np.testing.assert_allclose(wg.vmap(network)(x), network(x), rtol=1e-12, atol=1e-12)
    several = np.stack([network.weights, 2 * network.weights])
    found = wg.vmap(lambda w: nn.replaced(network, {"weights": w})(x))(several)
    expected = [nn.replaced(network, {"weights": w})(x) for w in several]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
