r"""Directed acyclic graphs: the order in which a feed-forward network can be evaluated.

A node can be computed as soon as everything that it reads is there. Its *level* is the length of the longest
path that leads to it,

.. math:: \ell_j = 1 + \max_{i \to j} \ell_i, \qquad \ell = 0 \text{ for inputs},

so that nodes of one level do not read each other and are computed together. There are levels for all nodes
if and only if the graph has no cycle.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray


def levels(count: int, sources: Array, targets: Array) -> Array:
    """The level of each of the nodes 0, 1, ...; that of nodes on a cycle, and behind one, is -1.

    Nodes that read nothing are on level 0.
    """
    found, waiting = np.full(count, -1), np.bincount(targets, minlength=count)
    starts, sorted_targets = _by_source(count, sources, targets)
    front, level = np.flatnonzero(waiting == 0), 0
    while len(front):
        found[front] = level
        reached = _slices(sorted_targets, starts[front], starts[front + 1])
        np.subtract.at(waiting, reached, 1)
        front, level = np.unique(reached[waiting[reached] == 0]), level + 1
    return found


def _by_source(count: int, sources: Array, targets: Array) -> tuple[Array, Array]:
    """The targets sorted by their source, and where those of each source start."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(sources, minlength=count))])
    return starts, targets[np.argsort(sources, kind="stable")]


def _slices(values: Array, starts: Array, stops: Array) -> Array:
    """``values[start:stop]`` for all pairs, one behind the other."""
    lengths = stops - starts
    before = np.cumsum(lengths) - lengths
    return values[np.arange(lengths.sum()) + np.repeat(starts - before, lengths)]


def reaches(count: int, sources: Array, targets: Array, goals: Array) -> Array:
    """Whether a path leads from each node to one of the goals."""
    found = np.zeros(count, bool)
    starts, sorted_sources = _by_source(count, targets, sources)
    front = np.unique(goals)
    while len(front):
        found[front] = True
        behind = _slices(sorted_sources, starts[front], starts[front + 1])
        front = np.unique(behind[~found[behind]])
    return found


def cycle_in(sources: Array, targets: Array, level: Array) -> list[int]:
    """A cycle in a graph whose levels were not all found: its nodes in order, the first one again at the end.

    From a node without a level one goes back to another one without a level, and so in the end in a circle.
    """
    stuck = level < 0
    inside = stuck[sources] & stuck[targets]
    before = dict(zip(targets[inside].tolist(), sources[inside].tolist()))
    path: dict[int, int] = {}
    node = next(iter(before))
    while node not in path:
        path[node], node = len(path), before[node]
    return [node, *list(path)[path[node] :][::-1]]


def require_acyclic(where: str, names: Sequence[Any], sources: Array, targets: Array) -> Array:
    """The levels of the nodes; an error that shows a cycle if there is one."""
    level = levels(len(names), sources, targets)
    if (level < 0).any():
        cycle = " -> ".join(str(names[i]) for i in cycle_in(sources, targets, level))
        raise ValueError(
            f"{where}: the connections form a cycle, {cycle}; a feed-forward network has none. Leave one out"
        )
    return level


def listed(names: Sequence[Any], most: int = 5) -> str:
    """The names, or the first of them and how many more there are."""
    shown = ", ".join(map(repr, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
