"""How levels and rows are put together: few tables, little padding, nothing lost."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from tests.nn.graphs import networks
from wengert import nn
from wengert.nn._schedule import FREE, LARGE, MOST_SEGMENTS, MOST_TABLES, SPARE, _allocated, merged


def cost(part):
    return part[0] * part[1]


def join(a, b):
    return a[0] + b[0], max(a[1], b[1])


@given(
    st.lists(st.tuples(st.integers(1, 200), st.integers(1, 50)), min_size=1, max_size=30), st.integers(1, 5)
)
def test_neighbours_are_joined_until_there_are_few(parts, most):
    found = merged(parts, join, cost, most)
    assert len(found) <= max(most, 1)
    assert sum(rows for rows, _ in found) == sum(rows for rows, _ in parts)
    assert max(width for _, width in found) == max(width for _, width in parts)
    extra = {pair: cost(join(*pair)) - cost(pair[0]) - cost(pair[1]) for pair in pairwise(found)}
    if extra:
        cheapest = min(extra, key=extra.get)
        assert extra[cheapest] > max(FREE, SPARE * cost(join(*cheapest)))


@settings(max_examples=60, deadline=None)
@given(networks())
def test_every_connection_stands_in_one_place(network):
    topology = network.topology
    schedule = topology.schedule
    assert len(schedule.segments) <= MOST_SEGMENTS
    weights = np.array([place for segment in schedule.segments for place in _places(schedule, segment)], int)
    found, expected = np.sort(weights[weights < topology.size]), np.sort(topology.places)
    np.testing.assert_array_equal(found, expected)


def _places(schedule, segment):
    ranges = [table.weights for product in segment.outer for table in product.tables]
    ranges += [segment.inner.weights] if segment.inner else []
    for at in ranges:
        places = np.arange(at.start, at.start + np.prod(at.shape))
        yield from schedule.gathered[places] if at.gathered else places


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 6)), max_size=40))
def test_a_slot_holds_one_value_until_it_has_been_read(spans):
    spans = [(made, made + length) for made, length in sorted(spans)]
    slots, count = _allocated(*map(list, zip(*spans, strict=True))) if spans else ([], 1)
    assert all(1 <= slot < count for slot in slots)
    for i, (made, end) in enumerate(spans):
        assert all(slots[j] != slots[i] for j in range(i) if spans[j][1] > made), (made, end)
    most = max((sum(made <= t < end for made, end in spans) for t in range(21)), default=0)
    assert count == 1 + most


def test_rows_of_many_lengths_are_a_few_tables():
    rng = np.random.default_rng(0)
    network = nn.UnitGraph.random_sparse(rng, (2000, 500, 5), 3 * LARGE)
    products = [product for segment in network.topology.schedule.segments for product in segment.outer]
    assert all(len(product.tables) <= MOST_TABLES for product in products)
    tables = [table for product in products for table in product.tables]
    assert sum(np.prod(table.weights.shape) for table in tables) < 1.5 * 3 * LARGE


def test_levels_of_one_size_are_one_run():
    edges = [(f"z{i}.{j}", f"z{i + 1}.{k}") for i in range(100) for j in range(3) for k in range(3)]
    ends = [[f"z{i}.{j}" for j in range(3)] for i in (0, 100)]
    network = nn.UnitGraph.from_edges(edges, inputs=ends[0], outputs=ends[1], rng=np.random.default_rng(0))
    first, *rest = network.topology.schedule.segments
    assert (first.levels, first.width) == (99, 3)
    assert [segment.levels for segment in rest] == [1]  # the outputs have another activation


def test_layers_are_matrix_products_of_weights_as_they_stand():
    network = nn.UnitGraph.from_layers(np.random.default_rng(0), (4, 7, 5, 2))
    schedule = network.topology.schedule
    assert len(schedule.gathered) == 0
    tables = [product.tables[0] for segment in schedule.segments for product in segment.outer]
    assert [table.weights.shape for table in tables] == [(7, 4), (5, 7), (2, 5)]
    assert all(table.reads is None for table in tables)


def test_inputs_that_many_read_are_multiplied_apart():
    """So that nothing is propagated back to them: no sum over connections goes to a row of the inputs."""
    network = nn.UnitGraph.random_sparse(np.random.default_rng(0), (1000, 200, 100, 5), 6 * LARGE)
    products = network.topology.schedule.segments[1].outer
    assert products[0].blocks == (0,) and 0 not in products[1].blocks
    x = np.ones((8, 1000))
    kernels = wg.jit(wg.grad(lambda network, x: np.sum(network(x)))).explain(network, x).rows
    assert "1000×8" not in {row.shape for row in kernels if row.depth == 1}


def test_a_topology_checks_itself():
    topology = nn.UnitGraph.from_layers(np.random.default_rng(0), (2, 2, 1)).topology
    topology.check()
    for field, value, message in (
        ("sources", np.array([0, 1, 0, 1, 9, 3]), "leads from nowhere"),
        ("targets", np.array([2, 3, 2, 3, 4, 1]), "leads to an input"),
        ("targets", np.array([2, 3, 3, 2, 2, 3]), "cycle"),
        ("places", np.arange(5), "half a connection"),
        ("activations", topology.activations[1:], "its units do not fit"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(topology, **{field: value}).check()
