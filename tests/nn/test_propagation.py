"""The forward pass through units in any order: against recursion unit by unit, in and out of native code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from tests.nn.graphs import error, networks, outputs_of_all, patterns_for
from wengert import nn
from wengert.core import tree
from wengert.nn._schedule import LARGE, MOST_SEGMENTS


@settings(max_examples=60, deadline=None)
@given(networks())
def test_every_unit_is_bishops(network):
    x = patterns_for(network)
    expected = outputs_of_all(network, x)
    np.testing.assert_allclose(network(x), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(network(x[0]), expected[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(network(x[None, :2]), expected[None, :2], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["weights", "biases", "fixed"])
@settings(max_examples=15, deadline=None)
@given(network=networks())
def test_gradients_are_those_of_central_differences(name, network):
    x = patterns_for(network)
    found = getattr(wg.grad(error)(network, x), name)
    with_numbers = lambda v: error(nn.replaced(network, {name: v}), x)
    expected = wg.numerical.gradient(with_numbers, getattr(network, name))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-9), (np.float32, 2e-3)])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_native_code_computes_the_same(dtype, rtol, data):
    network = data.draw(networks(dtype))
    x = patterns_for(network).astype(dtype)
    value, gradient = wg.jit(wg.value_and_grad(error, argnums=(0, 1)))(network, x)
    expected_value, expected = wg.value_and_grad(error, argnums=(0, 1))(network, x)
    np.testing.assert_allclose(value, expected_value, rtol=rtol, atol=rtol)
    assert value.dtype == dtype
    for one, other in zip(tree.flatten(gradient)[0], tree.flatten(expected)[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)
        assert one.dtype == dtype


@settings(max_examples=20, deadline=None)
@given(networks())
def test_vmap_over_patterns_and_over_weights(network):
    x = patterns_for(network)
    np.testing.assert_allclose(wg.vmap(network)(x), network(x), rtol=1e-12, atol=1e-12)
    several = np.stack([network.weights, 2 * network.weights])
    found = wg.vmap(lambda w: nn.replaced(network, {"weights": w})(x))(several)
    expected = [nn.replaced(network, {"weights": w})(x) for w in several]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_many_levels_with_long_skips_are_a_few_runs():
    """A chain of 80 units, some of which read the input and one far back: few programs, the same numbers."""
    edges = [(f"z{i}", f"z{i + 1}") for i in range(80)] + [("z0", f"z{i}") for i in range(5, 80, 7)]
    edges += [(f"z{i}", f"z{i + 33}") for i in range(3, 40, 6)]
    rng = np.random.default_rng(0)
    network = nn.UnitGraph.from_edges(edges, inputs=["z0"], outputs=["z80", "z30"], rng=rng)
    x = rng.normal(size=(4, 1))
    segments = network.topology.schedule.segments
    assert len(segments) <= MOST_SEGMENTS
    assert sum(segment.levels for segment in segments) == 80
    np.testing.assert_allclose(network(x), outputs_of_all(network, x), rtol=1e-12)
    found, expected = wg.jit(wg.grad(error))(network, x), wg.grad(error)(network, x)
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-9, atol=1e-14)


def test_second_derivatives_through_a_run():
    edges = [(f"z{i}", f"z{i + 1}") for i in range(20)] + [("z0", "z9"), ("z4", "z17")]
    rng = np.random.default_rng(0)
    network = nn.UnitGraph.from_edges(edges, inputs=["z0"], outputs=["z20"], rng=rng)
    x, along = rng.normal(size=(4, 1)), rng.normal(size=len(network.weights))
    gradient = wg.grad(lambda w: error(nn.replaced(network, {"weights": w}), x))
    hvp = lambda w, v: wg.jvp(gradient, (w,), (v,))[1]
    expected = (gradient(network.weights + 1e-5 * along) - gradient(network.weights - 1e-5 * along)) / 2e-5
    np.testing.assert_allclose(hvp(network.weights, along), expected, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(wg.jit(hvp)(network.weights, along), hvp(network.weights, along), atol=1e-12)


@pytest.mark.parametrize("sizes, connections", [((20, 30, 4), 200), ((99, 80, 20, 2), 2 * LARGE)])
def test_nothing_is_left_to_the_interpreter(sizes, connections):
    rng = np.random.default_rng(0)
    network = nn.UnitGraph.random_sparse(rng, sizes, connections)
    told = wg.jit(wg.grad(error)).explain(network, np.ones((4, sizes[0])))
    assert told.interpreted == [] and told.guards == []


def test_no_patterns_have_no_outputs():
    network = nn.UnitGraph.from_layers(np.random.default_rng(0), (3, 4, 2))
    assert network(np.zeros((0, 3))).shape == wg.jit(network)(np.zeros((0, 3))).shape == (0, 2)


def test_connections_enough_for_tables_that_look_up_again():
    """Rows of many lengths, more than what is stored; and a level that is a matrix product."""
    rng = np.random.default_rng(0)
    network = nn.UnitGraph.random_sparse(rng, (200, 150, 20, 3), 2 * LARGE, "tanh")
    x = rng.normal(size=(3, 200))
    np.testing.assert_allclose(network(x), outputs_of_all(network, x), rtol=1e-9, atol=1e-12)
    found, expected = wg.jit(wg.grad(error))(network, x), wg.grad(error)(network, x)
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-8, atol=1e-12)
    along = rng.normal(size=len(network.weights))
    slope = wg.numerical.derivative(
        lambda s: error(nn.replaced(network, {"weights": network.weights + s * along}), x), 0.0
    )
    assert expected.weights @ along == pytest.approx(slope, rel=1e-6)


def test_infinite_activations_do_not_spread_through_padding():
    """Shorter rows are padded; what stands there is nobody's activation."""
    edges = [
        ("x1", "h1", 1.0),
        *((f"x{i}", "h2", 1.0) for i in (1, 2, 3)),
        ("h1", "y1", 1.0),
        ("h2", "y2", 1.0),
    ]
    network = nn.UnitGraph.from_edges(
        edges, inputs=["x1", "x2", "x3"], outputs=["y1", "y2"], activation="identity"
    )
    np.testing.assert_array_equal(network(np.array([1.0, np.inf, 2.0])), [1.0, np.inf])
    np.testing.assert_array_equal(network(np.array([[1.0, np.inf, 2.0]])), [[1.0, np.inf]])
