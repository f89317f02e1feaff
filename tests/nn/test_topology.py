"""Levels, cycles and reachability against plain recursion."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wengert.nn._topology import cycle_in, levels, listed, reaches, require_acyclic


@st.composite
def graphs(draw, acyclic):
    count = draw(st.integers(1, 12))
    node = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(node, node), max_size=25))
    if acyclic:
        order = draw(st.permutations(range(count)))
        pairs = [(order[min(p)], order[max(p)]) for p in pairs if p[0] != p[1]]
    sources, targets = np.array(pairs, int).reshape(-1, 2).T
    return count, sources, targets


@given(graphs(acyclic=True))
def test_a_level_is_the_length_of_the_longest_path(graph):
    count, sources, targets = graph

    def longest(j):
        return max((1 + longest(s) for s, t in zip(sources, targets, strict=True) if t == j), default=0)

    assert levels(*graph).tolist() == [longest(j) for j in range(count)]


@given(graphs(acyclic=False))
def test_a_cycle_is_found_if_there_is_one(graph):
    _, sources, targets = graph
    level = levels(*graph)
    if (level >= 0).all():
        assert (level[sources] < level[targets]).all()
        return
    cycle = cycle_in(sources, targets, level)
    assert cycle[0] == cycle[-1] and len(set(cycle)) == len(cycle) - 1
    edges = set(zip(sources.tolist(), targets.tolist(), strict=True))
    assert all(edge in edges for edge in pairwise(cycle))


@given(graphs(acyclic=False), st.integers(0, 11))
def test_what_reaches_a_node(graph, goal):
    count, sources, targets = graph
    found = {goal % count}
    for _ in range(count):
        found |= {s for s, t in zip(sources.tolist(), targets.tolist(), strict=True) if t in found}
    assert np.flatnonzero(reaches(*graph, np.array([goal % count]))).tolist() == sorted(found)


def test_the_cycle_is_shown():
    with pytest.raises(
        ValueError, match=r"Net: the connections form a cycle, (b -> c -> b|c -> b -> c); .* Leave"
    ):
        require_acyclic("Net", ["a", "b", "c"], np.array([0, 1, 2]), np.array([1, 2, 1]))


def test_long_lists_are_cut_short():
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed(list("abcdefgh"), 2) == "'a', 'b' and 6 more"
