r"""Descriptions of networks of units, read and checked: from names and numbers to a topology and its vectors.

A description is wrong if a unit would depend on itself, if two connections join the same two units (their
weights could not be told apart, :math:`w z + v z = (w + v) z`), if a name stands for nothing, or if no output
depends on a unit, whose weights would then never be trained.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.nn._activations import JOINT, Activation, activation_named, identity
from wengert.nn._initialisers import Initialiser
from wengert.nn._schedule import NONE, Topology
from wengert.nn._topology import listed, reaches, require_acyclic

Array = np.ndarray
Name = Hashable
WHERE = "UnitGraph"


class Fixed(NamedTuple):
    """A weight or a bias that training does not change.

    Examples
    --------
    >>> edges = [("x", "h"), ("x", "y", Fixed(1.0))]
    """

    value: float


class Wires(NamedTuple):
    """Names, and the numbers of inputs, outputs, and both ends of every connection."""

    names: Sequence[Name]
    inputs: Array
    outputs: Array
    sources: Array
    targets: Array

    def pairs(self, chosen: Array) -> list[tuple[Name, Name]]:
        """The names at the ends of some connections."""
        ends = zip(self.sources[chosen].tolist(), self.targets[chosen].tolist())
        return [(self.names[s], self.names[t]) for s, t in ends]


class Numbers(NamedTuple):
    """The parameter vector in its three parts, and the places in it of weights and biases."""

    weights: Array
    biases: Array
    fixed: Array
    places: Array
    bias_places: Array


# --- connections --------------------------------------------------------------------------------------------


def read_edges(edges: Iterable[Sequence[Any]]) -> tuple[list[tuple[Name, Name]], list[Any]]:
    """The ends of every connection, and what is said about its weight; None where nothing is."""
    ends, weights = [], []
    for edge in edges:
        if isinstance(edge, str) or not 2 <= len(edge) <= 3:
            raise ValueError(
                f"{WHERE}: {edge!r} is no connection; write (source, target) or (source, target, weight)"
            )
        ends.append((edge[0], edge[1]))
        weights.append(edge[2] if len(edge) == 3 else None)
    return ends, weights


def names_in(
    ends: Sequence[tuple[Name, Name]],
    inputs: Sequence[Name],
    outputs: Sequence[Name],
    declared: Iterable[Name],
) -> list[Name]:
    """All names: inputs first, then in the order in which they are met.

    A name that is no input and receives nothing is probably a mistake, unless it is declared.
    """
    names = list(dict.fromkeys([*inputs, *(name for pair in ends for name in pair), *outputs]))
    known = {*inputs, *(target for _, target in ends), *declared}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"{WHERE}: {listed(unknown)} is no input and receives no connection; correct the name, add it to "
            "inputs, or give it an activation or a bias of its own if it is meant to be constant"
        )
    return names


def require_known(what: str, given: Mapping[Any, Any], known: Iterable[Any]) -> None:
    """Refuse what is said about a name that nothing has."""
    there = list(known)
    unknown = [name for name in given if name not in set(there)]
    if unknown:
        found = listed(there, 20) or "none"
        raise ValueError(f"{WHERE}: {what} is given for {listed(unknown)}; the names are {found}")


def check(wires: Wires) -> None:
    """Refuse what is no feed-forward network of units."""
    for what, ends in (("inputs", wires.inputs), ("outputs", wires.outputs)):
        if not len(ends):
            raise ValueError(f"{WHERE}: there are no {what}; name at least one unit in {what}")
        _require_single(f"{what} name", [wires.names[i] for i in ends.tolist()])
    into = wires.pairs(np.isin(wires.targets, wires.inputs))
    if into:
        raise ValueError(f"{WHERE}: the connections {listed(into)} lead to an input, which receives nothing")
    require_acyclic(WHERE, wires.names, wires.sources, wires.targets)
    _require_single("edges join", wires.pairs(_repeated(wires.sources, wires.targets)))
    _require_used(wires)


def _require_used(wires: Wires) -> None:
    dead = ~reaches(len(wires.names), wires.sources, wires.targets, wires.outputs)
    dead[wires.inputs] = False
    if dead.any():
        units = listed([wires.names[i] for i in np.flatnonzero(dead).tolist()])
        raise ValueError(
            f"{WHERE}: no output depends on {units}; connect it, make it an output, or leave it out"
        )


def _repeated(sources: Array, targets: Array) -> Array:
    """Which connections join units that another one joins, too."""
    pairs = np.stack([sources, targets])
    _, which, counts = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
    return np.flatnonzero(counts[which.reshape(-1)] > 1)


def _require_single(what: str, names: Sequence[Any]) -> None:
    counts = Counter(names)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise ValueError(f"{WHERE}: {what} {listed(repeated)} more than once; once is enough")


# --- activations --------------------------------------------------------------------------------------------


def functions_of(
    names: Sequence[Name],
    outputs: Sequence[Name],
    hidden: str | Activation,
    output: str | Activation,
    single: Mapping[Any, str | Activation],
) -> list[Activation]:
    """The activation of every unit: its own, or that of all hidden units or outputs."""
    last = set(outputs)
    default = {False: activation_named(hidden), True: activation_named(output)}
    return [activation_named(single[name]) if name in single else default[name in last] for name in names]


def apart(wires: Wires, functions: Sequence[Activation]) -> tuple[list[Activation], Activation | None]:
    """The activations of single units, and the one that joins all output units if there is such."""
    given = set(wires.inputs.tolist())
    joined = [i for i, h in enumerate(functions) if h in JOINT and i not in given]
    found = {functions[i] for i in joined}
    if joined and (
        len(found) > 1 or set(joined) != set(wires.outputs.tolist()) or np.isin(wires.sources, joined).any()
    ):
        units, name = listed([wires.names[i] for i in joined]), functions[joined[0]].__name__
        raise ValueError(
            f"{WHERE}: {name} is the activation of {units}; it joins all output units, and nothing may read "
            "them, so give it to exactly those"
        )
    kept = [identity if i in given or h in JOINT else h for i, h in enumerate(functions)]
    return kept, next(iter(found), None)


# --- numbers ------------------------------------------------------------------------------------------------


class _Vectors:
    """Weights, biases and fixed numbers as they are met. A fixed number's place is kept as -2, -3, ..."""

    def __init__(self) -> None:
        self.weights: list[float | None] = []
        self.biases: list[float] = []
        self.fixed: list[float] = []
        self.named: dict[str, int] = {}
        self.first: list[int] = []  # the connection that each weight was met at

    def weight(self, connection: int, given: Any, values: Mapping[str, Any]) -> int:
        if not isinstance(given, str):
            return self._weight(connection, given)
        if given not in self.named:
            self.named[given] = self._weight(connection, values.get(given))
        return self.named[given]

    def _weight(self, connection: int, given: Any) -> int:
        if isinstance(given, Fixed):
            return self._fixed(given)
        self.weights.append(None if given is None else float(given))
        self.first.append(connection)
        return len(self.weights) - 1

    def bias(self, given: Any) -> int:
        if given is None:
            return NONE
        if isinstance(given, Fixed):
            return self._fixed(given)
        self.biases.append(float(given))
        return len(self.biases) - 1

    def _fixed(self, given: Fixed) -> int:
        self.fixed.append(float(given.value))
        return NONE - len(self.fixed)

    def located(self, places: Array, offset: int) -> Array:
        """Places in the whole vector, of numbers whose own part starts at the offset."""
        first = len(self.weights) + len(self.biases)
        return np.where(
            places < NONE, first + NONE - 1 - places, np.where(places == NONE, NONE, places + offset)
        )


def numbers_of(
    weights: Sequence[Any],
    named: Mapping[str, Any],
    biases: Sequence[Any],
    draw: Callable[[], Array],
    dtype: Any,
) -> Numbers:
    """The vectors of a description; weights that it gives no value for are drawn."""
    vectors = _Vectors()
    places = np.array([vectors.weight(e, given, named) for e, given in enumerate(weights)], int)
    require_known("a value", named, vectors.named)
    bias_places = np.array([vectors.bias(given) for given in biases], int)
    missing = np.array([w is None for w in vectors.weights], bool)
    found = np.array([0.0 if w is None else w for w in vectors.weights])
    if missing.any():
        found[missing] = draw()[np.array(vectors.first)[missing]]
    places = vectors.located(places, 0)
    bias_places = vectors.located(bias_places, len(found))
    fixed = np.asarray(vectors.fixed, dtype)
    return Numbers(found.astype(dtype), np.asarray(vectors.biases, dtype), fixed, places, bias_places)


def drawn(rng: np.random.Generator | None, initialiser: Initialiser, targets: Array) -> Array:
    """Weights of all connections, those of a unit drawn like those of a layer of this one unit."""
    if rng is None:
        raise ValueError(f"{WHERE}: some weights have no value; give them one, or a generator: rng=...")
    found = np.zeros(len(targets))
    order = np.argsort(targets, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(targets[order])) + 1):
        found[rows] = initialiser(rng, len(rows), 1)[:, 0]
    return found


def topology_of(wires: Wires, functions: Sequence[Activation], numbers: Numbers) -> Topology:
    """The topology of a network whose connections have been checked."""
    kept, joint = apart(wires, functions)
    size = len(numbers.weights) + len(numbers.biases) + len(numbers.fixed)
    ends = tuple(wires.inputs.tolist()), tuple(wires.outputs.tolist())
    arrays = wires.sources, wires.targets, numbers.places, numbers.bias_places
    return Topology(tuple(wires.names), *ends, tuple(kept), joint, *arrays, size)


def plain_numbers(weights: Array, biases: Array, biased: Array, count: int) -> Numbers:
    """The vectors of a network of so many units whose weights are all its own; some units have a bias."""
    places = np.full(count, NONE)
    places[biased] = len(weights) + np.arange(len(biases))
    return Numbers(weights, biases, np.zeros(0, weights.dtype), np.arange(len(weights)), places)


# --- other descriptions -------------------------------------------------------------------------------------


def entries_of(matrix: Any) -> tuple[Array, Array, Array, int]:
    """Rows, columns and values of a square matrix, dense or SciPy's sparse, and how many rows it has."""
    shape = np.shape(matrix)
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"{WHERE}: an adjacency matrix is square, with a row for each unit, not {shape}")
    if hasattr(matrix, "tocsr"):
        found = matrix.tocsr().tocoo()
        return found.row.astype(int), found.col.astype(int), found.data, shape[0]
    dense = np.asarray(matrix)
    rows, columns = np.nonzero(dense)
    return rows, columns, dense[rows, columns], shape[0]


def layer_names(sizes: Sequence[int]) -> list[str]:
    """x1, x2, ... for the inputs, z1.1, z1.2, ... for the hidden units, y1, y2, ... for the outputs."""
    letters = ["x", *(f"z{layer}." for layer in range(1, len(sizes) - 1)), "y"]
    return [f"{letter}{i}" for letter, size in zip(letters, sizes) for i in range(1, size + 1)]


def layered(sizes: Sequence[int], sources: Array, targets: Array) -> Wires:
    """Connections between units in layers, the first of inputs and the last of outputs."""
    names, count = layer_names(sizes), sum(sizes)
    return Wires(names, np.arange(sizes[0]), np.arange(count - sizes[-1], count), sources, targets)


def random_connections(rng: np.random.Generator, sizes: Sequence[int], count: int) -> tuple[Array, Array]:
    """So many different pairs of a unit and one of a later layer."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    before = np.repeat(starts[:-1], sizes)  # of each unit: how many stand in earlier layers
    needed, possible = _needed(rng, sizes, starts), int(before.sum())
    if not len(needed) <= count <= possible:
        raise ValueError(
            f"{WHERE}: {count} connections do not fit layers of {tuple(sizes)}; "
            f"give from {len(needed)} to {possible}"
        )
    found = needed
    while len(found) < count:
        more = np.unique(rng.integers(0, possible, 2 * (count - len(found)) + 8))
        more = np.setdiff1d(more, found)
        found = np.concatenate([found, rng.permutation(more)[: count - len(found)]])
    return _as_pairs(np.sort(found), before)


def _needed(rng: np.random.Generator, sizes: Sequence[int], starts: Array) -> Array:
    """Connections without which a unit would receive nothing, or a hidden unit send nothing."""
    inward = [rng.integers(0, starts[layer], size) for layer, size in enumerate(sizes) if layer]
    targets = np.arange(sizes[0], starts[-1])
    sources = np.concatenate(inward)
    silent = np.setdiff1d(np.arange(sizes[0], starts[-2]), sources)
    later = starts[np.searchsorted(starts, silent, side="right")]
    sources = np.concatenate([sources, silent])
    targets = np.concatenate([targets, rng.integers(later, starts[-1])])
    before = np.repeat(starts[:-1], sizes)
    return np.unique(np.cumsum(before)[targets] - before[targets] + sources)


def _as_pairs(numbers: Array, before: Array) -> tuple[Array, Array]:
    """The pairs of these numbers, counted target by target."""
    ends = np.cumsum(before)
    targets = np.searchsorted(ends, numbers, side="right")
    return numbers - (ends - before)[targets], targets
