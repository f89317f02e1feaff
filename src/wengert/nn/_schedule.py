r"""How a network of single units is evaluated: units of one level together, for a whole batch of patterns.

The pre-activations of the units :math:`j` of a level are sums over what each of them reads. Written as a
table with a row for every unit and a column for every connection of it,

.. math:: a_j = \sum_{f=1}^{F} w_{p(j, f)}\, z_{i(j, f)},

they are one loop of native code, which takes the activations :math:`z` and never stores a product. Rows that
are shorter than their table are padded: with the weight 0 and a unit that is always 0. Rows are sorted by
their length and cut into a few tables, so that little is padded; where most connections are there, the table
is a matrix over all units that are read, and the loop a matrix product.

Many narrow levels would make many loops, each compiled for itself. Levels of about the same size are
therefore joined to a *run*: what they read from before the run is one table for all of them, what they read
from each other a scan over tables of equal size, which carries the activations that are still to be read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from heapq import heappop, heappush
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from wengert._refusals import require
from wengert.nn._topology import levels, require_acyclic

Array = np.ndarray
Activation = Callable[[Array], Array]

NONE = -1
MOST_SEGMENTS = 6  # levels or runs with a program of its own, which takes about 0.1 s to compile
MOST_TABLES = 4  # for the rows of a level
SPARE = 0.2  # of the entries of two tables, which may be padding if they become one
FREE = 64  # entries that cost less than another loop
LARGE = 1 << 12  # connections from which on it matters how they are multiplied
DENSE = 0.3  # share of the possible connections from which on a matrix product is faster than a table


@dataclass(frozen=True, eq=False, repr=False)
class Topology:
    """Which unit reads which, and what it does with that: everything about a network but its numbers.

    The parameters are one vector: trained weights, trained biases, fixed numbers. ``places[e]`` says which of
    them is the weight of connection e, ``bias_places[j]`` which is the bias of unit j, or `NONE`. ``joint``
    is what transforms all outputs together, if anything does (softmax). A topology counts as equal to another
    one with the same content, so that a network is compiled once.
    """

    names: tuple[Any, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activations: tuple[Activation, ...]
    joint: Activation | None
    sources: Array
    targets: Array
    places: Array
    bias_places: Array
    size: int

    @cached_property
    def schedule(self) -> "Schedule":
        """The order of evaluation, found on first use."""
        return _Scheduler(self).schedule()

    @cached_property
    def levels(self) -> Array:
        """The level of each unit: inputs on level 0, all others above, also one that reads nothing."""
        found = levels(len(self.names), self.sources, self.targets)
        computed = np.ones(len(found), bool)
        computed[list(self.inputs)] = False
        return found + (computed & (found[computed] == 0).any())

    @cached_property
    def _key(self) -> tuple[Any, ...]:
        arrays = (self.sources, self.targets, self.places, self.bias_places)
        digest = blake2b(b"".join(a.tobytes() for a in arrays)).digest()
        return self.names, self.inputs, self.outputs, self.activations, self.joint, self.size, digest

    @cached_property
    def _hash(self) -> int:
        return hash(self._key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Topology) and self._hash == other._hash and self._key == other._key

    def check(self) -> None:
        """Refuse what is no feed-forward network of units, such as a file may say.

        Raises
        ------
        ValueError
            Where a place is none, a connection leads to an input, or connections form a cycle.
        """
        count = len(self.names)
        ends = np.array([*self.inputs, *self.outputs, -1], np.int64)[:-1]
        require(len(self.activations) == len(self.bias_places) == count, "its units do not fit")
        require(_are_places(ends, 0, count), "a unit is missing")
        require(_are_places(self.sources, 0, count), "a connection leads from nowhere")
        require(_are_places(self.targets, 0, count), "a connection leads nowhere")
        require(_are_places(self.places, 0, self.size), "a connection has no weight")
        require(_are_places(self.bias_places, NONE, self.size), "a bias is missing")
        require(len(self.sources) == len(self.targets) == len(self.places), "half a connection")
        require(not np.isin(self.targets, self.inputs).any(), "a connection leads to an input")
        require_acyclic("UnitGraph", range(count), self.sources, self.targets)

    def __repr__(self) -> str:
        return f"Topology({len(self.names)} units, {len(self.sources)} connections)"

    def __getstate__(self) -> dict[str, Any]:
        found_on_use = {"schedule", "levels", "_key", "_hash"}  # a hash is of one process
        return {name: value for name, value in self.__dict__.items() if name not in found_on_use}


def _are_places(places: Array, first: int, end: int) -> bool:
    whole = isinstance(places, np.ndarray) and places.ndim == 1 and places.dtype == np.int64
    return bool(whole and ((places >= first) & (places < end)).all())


class Range(NamedTuple):
    """Numbers that stand together: in the parameter vector itself, or among those gathered from it."""

    gathered: bool
    start: int
    shape: tuple[int, ...]


class Table(NamedTuple):
    """Rows of connections: their weights, and what each of them reads.

    Where all rows read the same, that is said once, and by None if it is everything in order.
    """

    weights: Range
    reads: Array | None


class Product(NamedTuple):
    """Pre-activations from blocks: tables below each other, then rows of 0, brought in order by ``order``.

    Where rows are padded, a unit that is always 0 stands behind the blocks.
    """

    blocks: tuple[int, ...]
    padded: bool
    tables: tuple[Table, ...]
    empty: int
    order: Array | None


class Inner(NamedTuple):
    """The connections within a run, level by level: weights, the slots they read, and the slots afterwards.

    Slot 0 is always 0. Behind the slots stand the units of the level.
    """

    weights: Range
    reads: Array
    kept: Array


class Segment(NamedTuple):
    """A level, or a run of them: what comes from before, from within, and the activations row by row."""

    levels: int
    width: int
    outer: tuple[Product, ...]
    biases: Range | None
    inner: Inner | None
    activations: tuple[tuple[Activation, int], ...]


class Schedule(NamedTuple):
    """Segments in order, each of which makes a block of activations; the inputs are block 0.

    ``gathered`` are the places of parameters that do not stand in the order in which they are needed: they
    are taken at once, so that their derivatives are put back at once.
    """

    gathered: Array
    segments: tuple[Segment, ...]
    output_blocks: tuple[int, ...]
    output_rows: Array


# --- tables -------------------------------------------------------------------------------------------------


def merged(parts: list[Any], join: Callable[[Any, Any], Any], cost: Callable[[Any], float], most: int) -> Any:
    """Neighbours joined, the cheapest pair first, until there are few and more would cost too much."""
    parts = list(parts)
    more = lambda a, b: cost(join(a, b)) - cost(a) - cost(b)
    extra = [more(a, b) for a, b in pairwise(parts)]
    while extra:
        i = extra.index(min(extra))
        joined = join(parts[i], parts[i + 1])
        if len(parts) <= most and extra[i] > max(FREE, SPARE * cost(joined)):
            break
        parts[i : i + 2] = [joined]
        del extra[i]
        for k in range(max(i - 1, 0), min(i + 1, len(extra))):
            extra[k] = more(parts[k], parts[k + 1])
    return parts


def _cut(lengths: Array) -> list[tuple[int, int]]:
    """Rows of falling length as a few tables: (rows, width)."""
    widths, counts = np.unique(lengths[lengths > 0], return_counts=True)
    rows = list(zip(counts[::-1].tolist(), widths[::-1].tolist()))
    return merged(rows, lambda a, b: (a[0] + b[0], max(a[1], b[1])), lambda t: t[0] * t[1], MOST_TABLES)


def _is_matrix(connections: int, possible: int) -> bool:
    """Whether a matrix product is faster than tables, which are exact for infinite activations, too."""
    return 0 < connections == possible or connections > max(LARGE, DENSE * possible)


def _places_in_row(rows: Array) -> Array:
    """Of sorted row numbers: how many entries of its row stand before each one."""
    first = np.searchsorted(rows, rows)
    return np.arange(len(rows)) - first


def _tables(
    rows: Array, columns: Array, places: Array, lengths: Array, zero: int, void: int
) -> list[tuple[Array, Array]]:
    """Tables of connections (row, column, place of the weight) whose rows are sorted by falling length."""
    order = np.argsort(rows, kind="stable")
    rows, columns, places = rows[order], columns[order], places[order]
    within, found, start = _places_in_row(rows), [], 0
    for count, width in _cut(lengths):
        chosen = (rows >= start) & (rows < start + count)
        at = rows[chosen] - start, within[chosen]
        weights, index = np.full((count, width), zero), np.full((count, width), void)
        weights[at], index[at] = places[chosen], columns[chosen]
        found.append((weights, index))
        start += count
    return found


class _Pool:
    """Collects the places of numbers that have to be gathered."""

    def __init__(self) -> None:
        self.places: list[Array] = []
        self.size = 0

    def range(self, places: Array) -> Range:
        """Where these numbers will stand: in the parameter vector if they are there in order."""
        flat = places.reshape(-1)
        if (np.diff(flat) == 1).all():
            return Range(False, int(flat[0]), places.shape)
        self.places.append(flat)
        self.size += len(flat)
        return Range(True, self.size - len(flat), places.shape)

    def all(self) -> Array:
        return np.concatenate(self.places) if self.places else np.zeros(0, int)


# --- the schedule -------------------------------------------------------------------------------------------


class _Run(NamedTuple):
    """Levels that may become one segment: units of each activation, and connections of a unit, at most."""

    first: int
    last: int
    sizes: Array
    longest: int

    def join(self, other: "_Run") -> "_Run":
        """Both, this one first."""
        sizes, longest = np.maximum(self.sizes, other.sizes), max(self.longest, other.longest)
        return _Run(self.first, other.last, sizes, longest)


class _Scheduler:
    """Makes the schedule of a topology; knows where each unit stands as soon as its segment is made."""

    def __init__(self, topology: Topology) -> None:
        self.topology, count = topology, len(topology.names)
        self.fan_in = np.bincount(topology.targets, minlength=count)
        kinds: dict[Activation, int] = {}
        self.kind = np.array([kinds.setdefault(h, len(kinds)) for h in topology.activations])
        self.kinds = list(kinds)
        self.level = topology.levels
        self.block, self.row = np.zeros(count, int), np.zeros(count, int)
        self.row[list(topology.inputs)] = np.arange(len(topology.inputs))
        self.heights = [len(topology.inputs)]
        self.pool = _Pool()
        by_level = np.argsort(self.level, kind="stable")
        last_read = self.level.copy()
        np.maximum.at(last_read, topology.sources, self.level[topology.targets])
        self._made, self._last_read = self.level[by_level], last_read[by_level]

    def schedule(self) -> Schedule:
        outputs = list(self.topology.outputs)
        segments = tuple(self._segment(first, last) for first, last in self._runs())
        blocks, columns, _ = self._columns(outputs)
        return Schedule(self.pool.all(), segments, blocks, columns)

    def _runs(self) -> list[tuple[int, int]]:
        """First and last level of each segment."""
        count, kinds = self.level.max(initial=0) + 1, len(self.kinds)
        sizes, longest = np.zeros((count, kinds), int), np.ones(count, int)
        np.add.at(sizes, (self.level, self.kind), 1)
        np.maximum.at(longest, self.level, self.fan_in)
        alone = [_Run(i, i, sizes[i], int(longest[i])) for i in range(1, count)]
        found = alone if len(alone) <= MOST_SEGMENTS else merged(alone, _Run.join, self._cost, MOST_SEGMENTS)
        return [(run.first, run.last) for run in found]

    def _cost(self, run: "_Run") -> float:
        """The entries of a run's tables, and what is carried along: it is copied twice."""
        carried = 2 * self._most_carried(run) if run.last > run.first else 0
        return float((run.last - run.first + 1) * (run.sizes.sum() * run.longest + carried))

    def _most_carried(self, run: "_Run") -> int:
        """How many units of a run are to be read after their level, at most, if all reading is within it."""
        start, stop = np.searchsorted(self._made, [run.first, run.last + 1])
        changes = np.zeros(run.last - run.first + 2, int)
        np.add.at(changes, self._made[start:stop] - run.first, 1)
        np.add.at(changes, np.minimum(self._last_read[start:stop], run.last) - run.first, -1)
        return int(np.cumsum(changes).max())

    def _segment(self, first: int, last: int) -> Segment:
        units, width, groups = self._place_units(first, last)
        within = (self.level[self.topology.targets] >= first) & (self.level[self.topology.targets] <= last)
        inside = within & (self.level[self.topology.sources] >= first)
        outer = tuple(self._product(len(units), c) for c in self._by_block(np.flatnonzero(within & ~inside)))
        inner = self._inner(first, last, width, np.flatnonzero(inside)) if last > first else None
        self.heights.append(len(units))
        return Segment(last - first + 1, width, outer, self._biases(units), inner, groups)

    def _place_units(self, first: int, last: int) -> tuple[Array, int, tuple[tuple[Activation, int], ...]]:
        """Give the units of a run their rows: level by level, by activation, by falling fan-in."""
        units = np.flatnonzero((self.level >= first) & (self.level <= last))
        units = units[np.lexsort((-self.fan_in[units], self.kind[units], self.level[units]))]
        group = (self.level[units] - first) * len(self.kinds) + self.kind[units]
        sizes = np.bincount(group, minlength=(last - first + 1) * len(self.kinds))
        sizes = sizes.reshape(-1, len(self.kinds)).max(axis=0)
        starts, width = np.cumsum(sizes) - sizes, int(sizes.sum())
        rows = (self.level[units] - first) * width + starts[self.kind[units]] + _places_in_row(group)
        self.block[units], self.row[units] = len(self.heights), rows
        placed = np.full((last - first + 1) * width, NONE)
        placed[rows] = units
        return placed, width, tuple((h, int(n)) for h, n in zip(self.kinds, sizes) if n)

    def _columns(self, units: Any) -> tuple[tuple[int, ...], Array, int]:
        """The blocks that units stand in, their places in these blocks together, and how high those are."""
        blocks = np.unique(self.block[units])
        heights = np.array(self.heights)[blocks] if len(blocks) else np.zeros(0, int)
        starts = np.cumsum(heights) - heights
        columns = starts[np.searchsorted(blocks, self.block[units])] + self.row[units]
        return tuple(blocks.tolist()), columns, int(heights.sum())

    def _by_block(self, connections: Array) -> list[Array]:
        """Those from a block that many come from by themselves: nothing is propagated back to the inputs."""
        blocks = self.block[self.topology.sources[connections]]
        large = np.flatnonzero(np.bincount(blocks) > LARGE)
        rest = connections[~np.isin(blocks, large)]
        found = [connections[blocks == block] for block in large]
        return [*found, rest] if len(rest) or not found else found

    def _product(self, count: int, connections: Array) -> Product:
        topology, zero = self.topology, self.topology.size
        rows, places = self.row[topology.targets[connections]], topology.places[connections]
        blocks, columns, height = self._columns(topology.sources[connections])
        lengths = np.bincount(rows, minlength=count)
        read = np.unique(columns)
        if _is_matrix(len(connections), count * len(read)):
            matrix = np.full((count, len(read)), zero)
            matrix[rows, np.searchsorted(read, columns)] = places
            table = Table(self.pool.range(matrix), None if len(read) == height else read)
            return Product(blocks, False, (table,), 0, None)
        order = np.argsort(-lengths, kind="stable")
        rank = np.argsort(order)
        tables = _tables(rank[rows], columns, places, lengths[order], zero, height)
        padded = any((reads == height).any() for _, reads in tables)
        back = None if (rank == np.arange(count)).all() else rank
        made = tuple(Table(self.pool.range(weights), reads) for weights, reads in tables)
        return Product(blocks, padded, made, int((lengths == 0).sum()), back)

    def _biases(self, units: Array) -> Range | None:
        places = np.where(units == NONE, NONE, self.topology.bias_places[units])
        if (places == NONE).all():
            return None
        return self.pool.range(np.where(places == NONE, self.topology.size, places))

    def _inner(self, first: int, last: int, width: int, connections: Array) -> Inner:
        topology, steps = self.topology, last - first + 1
        sources, targets = topology.sources[connections], topology.targets[connections]
        slots, kept = self._slots(first, steps, width, sources, targets)
        order = np.argsort(self.row[targets], kind="stable")
        rows = self.row[targets][order]
        within = _places_in_row(rows)
        shape = steps, width, int(within.max(initial=0)) + 1
        places, index = np.full(shape, topology.size), np.zeros(shape, int)
        at = rows // width, rows % width, within
        places[at], index[at] = topology.places[connections][order], slots[sources][order]
        return Inner(self.pool.range(places), index, kept)

    def _slots(
        self, first: int, steps: int, width: int, sources: Array, targets: Array
    ) -> tuple[Array, Array]:
        """Where each unit is carried while it is still to be read, and what each step puts where."""
        last_read = np.full(len(self.level), NONE)
        np.maximum.at(last_read, sources, self.level[targets] - first)
        carried = np.unique(sources)
        carried = carried[np.argsort(self.level[carried], kind="stable")]
        made = self.level[carried] - first
        slots, count = np.zeros(len(self.level), int), 1
        if len(carried):
            slots[carried], count = _allocated(made.tolist(), last_read[carried].tolist())
        kept = np.tile(np.arange(count), (steps, 1))
        kept[made, slots[carried]] = count + self.row[carried] % width
        return slots, kept


def _allocated(made: list[int], last_read: list[int]) -> tuple[list[int], int]:
    """A slot for each value, free again when it has been read for the last time; and one more than the last.

    Values come in the order in which they are made. Slot 0 is left out.
    """
    free: list[int] = []
    busy: list[tuple[int, int]] = []
    slots, count = [], 1
    for step, end in zip(made, last_read):
        while busy and busy[0][0] <= step:
            free.append(heappop(busy)[1])
        if not free:
            free, count = [count], count + 1
        slots.append(free.pop())
        heappush(busy, (end, slots[-1]))
    return slots, count
