r"""The loops of a map kernel: kept axes outside, reduced axes inside, one axis cut into vectors.

.. math:: y_i = \varphi\Bigl(\bigoplus_{k} f(x_{ik})\Bigr)

Neighbouring axes that every access walks through as one are one loop. The axis that is cut into vectors is
the one that costs least: along it numbers should be neighbours in memory, and it should not be reduced if
another one will do, since lanes are combined at the end. Ragged ends are masked where the processor has
masks, else a second loop takes the rest one by one. Where something is read across its rows, as a transpose
is, the cut axis is taken in strips, so that the lines of memory of one step serve the next steps too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wengert.core.trace import Atom
from wengert.native.machine import ir
from wengert.native.planning.footprint import ALONE, ANYWHERE, LINE, MANY, Footprint, Touches, grain, rows
from wengert.native.planning.kernels import POSITIONS, Access, Lookup, Map, Reduction, Shape, Write
from wengert.native.planning.plan import COSTLY
from wengert.native.writing.vectors import Place, Values, register

if TYPE_CHECKING:
    from wengert.native.writing.emit import Writer

ZERO = ir.index(0)
SHORT = 4  # vectors that are written out in place of a loop
JAM = 4  # vectors at a time where a reduction would wait for each addition
STRIP = 4  # vectors along the cut axis before the next step of the axis outside
NEAR = 1 << 14  # bytes that stay at hand anyway


@dataclass(eq=False)
class Axis:
    """One loop: how far, with which strides for each access, and whether it is reduced.

    Where axes have become one, ``width`` is how many elements belong to a step along the first of them.
    """

    extent: int
    strides: tuple[int, ...]
    reduced: bool
    width: int = 1


class Cut(NamedTuple):
    """Vectors along the cut axis: how many lanes, how many vectors at a time, the mask of each."""

    lanes: int
    masks: tuple[ir.Value | None, ...] = (None,)

    @property
    def vectors(self) -> int:
        """Vectors at a time."""
        return len(self.masks)


class Part(NamedTuple):
    """A map kernel or one of its epilogues, its accesses seen from the whole loop."""

    kernel: Map
    reads: dict[Atom, Access]
    writes: list[Write]


Offsets = list[ir.Value]
States = list[list[ir.Value]]
SCALAR = Cut(1)


class Nest:
    """Writes the loops of one kernel."""

    def __init__(self, writer: Writer, kernel: Map) -> None:
        self.writer, self.kernel, self.f = writer, kernel, writer.f
        self.main = Part(kernel, kernel.reads, kernel.writes)
        self.epilogues = [_widened(kernel, e) for e in kernel.epilogues.values()]
        self.accesses = _accesses([self.main, *self.epilogues])
        self.memory = [a for a in self.accesses if a.buffer is not POSITIONS]
        self.position = {id(access): i for i, access in enumerate(self.accesses)}
        self.axes = merged(kernel.shape, self.accesses, kernel.axes, writer.divides)
        self.cut = self._choose_cut()
        self.lanes = self._lanes(self.cut) if self.cut is not None else 1
        self.kept = self._ordered(reduced=False)
        self.inner = self._ordered(reduced=True)
        self.shared = self._divided()
        self.strip: tuple[ir.Value, ir.Value] | None = None

    # --- which axis is cut ----------------------------------------------------------------------------------

    def _choose_cut(self) -> Axis | None:
        able = [axis for axis in self.axes if not self._collides(axis) and not self._runs(axis)]
        return min(able, key=self._cost, default=None)

    def _runs(self, axis: Axis) -> bool:
        """Whether an axis is walked through step by step."""
        return axis.reduced and bool(self.kernel.running)

    def _collides(self, axis: Axis) -> bool:
        """Whether lanes could meet at an element: where they add to it, or write to it out of order."""
        writes = [w for part in (self.main, *self.epilogues) for w in part.writes]
        return any(self._meets(axis, w.access) if w.add else self._overtakes(axis, w.access) for w in writes)

    def _meets(self, axis: Axis, access: Access) -> bool:
        """Whether neighbours along an axis may be one element."""
        if access.lookups:
            return any(self._stride(axis, look.index) != 0 for look in access.lookups)
        return self._stride(axis, access) == 0

    def _overtakes(self, axis: Axis, access: Access) -> bool:
        """Whether looked up places would be written in another order if an axis became the innermost loop."""
        turning = [a for a in self.axes if any(self._stride(a, look.index) for look in access.lookups)]
        return axis in turning[:-1]

    def _cost(self, axis: Axis) -> tuple[float, int]:
        lanes = self._lanes(axis)
        total = float(np.prod([a.extent for a in self.axes], dtype=float))
        rounds = total / max(axis.extent, 1) * -(-axis.extent // lanes)
        each = sum(self._effort(axis, a, lanes) for a in self.memory) + len(self.kernel.equations)
        results = float(np.prod([a.extent for a in self.axes if not a.reduced], dtype=float))
        across = 12.0 * results * len(self.kernel.reductions) if axis.reduced else 0.0
        return rounds * each + across, -self.axes.index(axis)

    def _effort(self, axis: Axis, access: Access, lanes: int) -> float:
        """Of a step along an axis: a vector that stands together, or one lane after the other."""
        looked_up = any(self._stride(axis, look.index) for look in access.lookups)
        return 0.7 * lanes if looked_up or self._stride(axis, access) not in (0, 1) else 1.0

    def _lanes(self, axis: Axis) -> int:
        """As many as the widest type allows, and no more than the axis has use for."""
        lanes = max(1, self.writer.host.vector_bytes // self._widest())
        while lanes > 1 and lanes // 2 >= axis.extent:
            lanes //= 2
        if axis.reduced and not self.writer.masks:
            while axis.extent % lanes:
                lanes //= 2
        return lanes

    def _widest(self) -> int:
        sizes = [a.dtype.itemsize for a in self.memory]
        sizes += [v.type.dtype.itemsize for e in self.kernel.equations for v in e.outputs if v.type.inexact]
        return max(sizes, default=1)

    def _ordered(self, reduced: bool) -> list[Axis]:
        """The axes of a kind, the cut one innermost."""
        axes = [axis for axis in self.axes if axis.reduced == reduced]
        return sorted(axes, key=lambda axis: axis is self.cut)

    def _stride(self, axis: Axis | None, access: Access) -> int:
        return axis.strides[self.position[id(access)]] if axis is not None else 0

    @property
    def written(self) -> list[Access]:
        """All accesses that are written."""
        return [w.access for part in (self.main, *self.epilogues) for w in _written(part)]

    # --- threads --------------------------------------------------------------------------------------------

    def _divided(self) -> Axis | None:
        """The axis whose range threads divide among themselves: the first, if what is written is apart."""
        axis = next((axis for axis in self.axes if not axis.reduced), None)
        if axis is None or axis.extent <= self._grain(axis):
            return None
        apart = all(not a.lookups and self._stride(axis, a) != 0 for a in self.written)
        return axis if apart else None

    def _width(self, axis: Axis) -> int:
        """Places that belong to a row, of which threads take whole ones."""
        return axis.width if axis.extent // axis.width >= MANY else 1

    def _grain(self, axis: Axis) -> int:
        """Threads take multiples of so many places: whole vectors, and whole lines where a row is shared."""
        width = self._width(axis)
        least = max(self.lanes * self._vectors(axis), LINE) if axis is self.cut else 1
        return width * grain(axis.extent // width, least)

    def touches(self) -> tuple[Touches, Touches]:
        """What is read and what is written, with the part that each thread touches; all of it is read."""
        written = {id(access) for access in self.written}
        touched = [(access, self.footprint(access)) for access in self.memory]
        return touched, [pair for pair in touched if id(pair[0]) in written]

    def footprint(self, access: Access) -> Footprint:
        """Which part of a buffer each thread touches by an access."""
        axis = self.shared
        if axis is None:
            return ALONE
        if access.lookups or any(self._stride(axis, window.position) for window in access.windows):
            return ANYWHERE
        shown = {id(a): self._shown(a, access) for a in self.axes if a is not axis}
        first = sum(self._stride(a, access) * shown[id(a)].start for a in self.axes if a is not axis)
        stride, width, size = self._stride(axis, access), self._width(axis), access.dtype.itemsize
        others = [(self._stride(a, access), len(shown[id(a)])) for a in self.axes if a is not axis]
        others.append((stride, width))
        count, take = axis.extent // width, self._grain(axis) // width
        return rows(stride * width, count, take, access.offset + first, others, size)

    def _shown(self, axis: Axis, access: Access) -> range:
        """The part of an axis that windows show, as far as one window has to do with that axis alone."""
        shown = range(axis.extent)
        for window in access.windows:
            step, start = self._stride(axis, window.position), window.position.offset
            alone = all(a is axis or not self._stride(a, window.position) for a in self.axes)
            if alone and step == 1:
                shown = range(max(shown.start, -start), max(0, min(shown.stop, window.extent - start)))
        return shown

    # --- loops ----------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Write the whole nest."""
        if any(axis.extent == 0 for axis in self.kept):
            return
        self.bases = {id(a): self.writer.base(a.buffer) for a in self.memory}
        offsets = [ir.index(access.offset) for access in self.accesses]
        if self.shared is not None:
            self.range = self.writer.share(self.shared.extent, self._grain(self.shared))
        self._keep(0, self._resolved(offsets, 0), SCALAR)

    def _keep(self, level: int, offsets: Offsets, cut: Cut) -> None:
        """Loops over the kept axes."""
        if level == len(self.kept):
            states = self._reduce(0, offsets, cut, self._identities(cut))
            self._finish(states, offsets, cut)
            return
        axis = self.kept[level]
        if self.strip is None and self._is_crossed(level):
            self._in_strips(level, offsets, cut)
            return
        if self._is_short(axis):
            for start in range(0, axis.extent, self.lanes):
                inner = self._moved(axis, offsets, ir.index(start))
                self._keep(level + 1, self._resolved(inner, level + 1), self._fixed(axis, start, 1))
            return
        for low, high, lanes in self._segments(axis, *self._bounds(axis)):
            vectors = self._vectors(axis) if lanes > 1 else 1
            with self.f.loop(low, high, lanes * vectors) as loop:
                inner = self._moved(axis, offsets, loop.index)
                here = self._cut(axis, loop.index, high, lanes, vectors) if axis is self.cut else cut
                self._keep(level + 1, self._resolved(inner, level + 1), here)

    def _bounds(self, axis: Axis) -> tuple[ir.Value, ir.Value]:
        """From where to where a loop goes: the strip it is in, this thread's share, or all."""
        if axis is self.cut and self.strip is not None:
            return self.strip
        return self.range if axis is self.shared else (ZERO, ir.index(axis.extent))

    def _is_crossed(self, level: int) -> bool:
        """Whether the innermost pair of loops goes across memory that has its neighbours along the outer."""
        if level != len(self.kept) - 2 or self.inner or self.kept[-1] is not self.cut:
            return False
        outer, cut = self.kept[-2:]
        long = cut.extent > STRIP * self.lanes and outer.extent > 1
        return long and not self._in_order and any(self._crosses(outer, cut, a) for a in self.memory)

    @property
    def _in_order(self) -> bool:
        """Whether the order of steps can be seen in what is written."""
        return any(w.add or w.access.lookups for part in (self.main, *self.epilogues) for w in part.writes)

    def _crosses(self, outer: Axis, cut: Axis, access: Access) -> bool:
        """Whether steps along the cut axis leave a line of memory, and steps along the outer one do not."""
        size = access.dtype.itemsize
        beside, apart = (abs(self._stride(axis, access)) * size for axis in (outer, cut))
        return 0 < beside < LINE <= apart and apart * cut.extent > NEAR

    def _in_strips(self, level: int, offsets: Offsets, cut: Cut) -> None:
        """A pair of loops, strip by strip of the inner one."""
        begin, end = self._bounds(self.kept[-1])
        width = ir.index(STRIP * self.lanes)
        with self.f.loop(begin, end, STRIP * self.lanes) as loop:
            after = self.f.intrinsic("smin", "i64", self.f.binary("add", loop.index, width), end)
            self.strip = loop.index, after
            self._keep(level, offsets, cut)
            self.strip = None

    def _is_short(self, axis: Axis) -> bool:
        """Whether a few vectors along an axis are written out in place of a loop."""
        alone = axis is self.cut and axis is not self.shared and not self.inner
        return alone and self.lanes > 1 and axis.extent <= SHORT * self.lanes and self._ends_well(axis)

    def _ends_well(self, axis: Axis) -> bool:
        return self.writer.masks or axis.extent % self.lanes == 0

    def _fixed(self, axis: Axis, start: int, vectors: int) -> Cut:
        """Vectors from a place on that is known now, and so are their masks."""
        left = [axis.extent - start - v * self.lanes for v in range(vectors)]
        return Cut(self.lanes, tuple(_first_of(n, self.lanes) if n < self.lanes else None for n in left))

    def _segments(
        self, axis: Axis, begin: ir.Value, end: ir.Value
    ) -> Iterator[tuple[ir.Value, ir.Value, int]]:
        """Begin, end and lanes of loops that cover a range: without masks whole vectors, then the rest."""
        lanes = self.lanes if axis is self.cut else 1
        if lanes == 1 or self.writer.masks or axis.extent % lanes == 0:
            yield begin, end, lanes
            return
        middle = ir.index(axis.extent // lanes * lanes)
        if begin is not ZERO:
            rest = self.f.binary("srem", self.f.binary("sub", end, begin), ir.index(lanes))
            middle = self.f.binary("sub", end, rest)
        yield begin, middle, lanes
        yield middle, end, 1

    def _vectors(self, axis: Axis) -> int:
        """Vectors at a time."""
        if (
            axis is not self.cut
            or self.lanes == 1
            or not self.kernel.reductions
            or len(self.kernel.equations) > 4
        ):
            return 1
        if not self.writer.masks and axis.extent % (self.lanes * JAM):
            return 1
        return max(1, min(self._jam, -(-axis.extent // self.lanes)))

    @property
    def _jam(self) -> int:
        """Vectors at a time that keep additions busy; fewer where each would be a copy of much other work."""
        if any(e.primitive.name in COSTLY for e in self.kernel.equations):
            return 1
        after = sum(len(epilogue.equations) for epilogue in self.kernel.epilogues.values())
        return JAM if after <= 4 else JAM // 2

    def _cut(self, axis: Axis, index: ir.Value, end: ir.Value, lanes: int, vectors: int) -> Cut:
        whole = axis.extent % (lanes * vectors) == 0
        if lanes == 1 or whole or not self.writer.masks:
            return Cut(lanes, (None,) * vectors)
        left = self.f.binary("sub", end, index)
        bits = 8 * min(self._widest(), 8)
        counts = [left if v == 0 else self.f.binary("sub", left, ir.index(v * lanes)) for v in range(vectors)]
        return Cut(lanes, tuple(self._mask(count, lanes, bits) for count in counts))

    def _mask(self, count: ir.Value, lanes: int, bits: int) -> ir.Value:
        """The lanes below a count, which may be negative."""
        return self.f.first_lanes(self.f.intrinsic("smax", "i64", count, ZERO), lanes, max(bits, 32))

    def _reduce(self, level: int, offsets: Offsets, cut: Cut, states: States) -> States:
        """Loops over the reduced axes: the states of all reductions, vector by vector, after them."""
        if level == len(self.inner):
            return [self._body(offsets, cut, v, state) for v, state in enumerate(states)]
        axis = self.inner[level]
        lanes, vectors = (self.lanes, self._vectors(axis)) if axis is self.cut else (1, 1)
        if lanes > 1 and axis.extent <= lanes * vectors and self._ends_well(axis):
            inner = self._resolved(offsets, len(self.kept) + level + 1)
            return self._reduce(level + 1, inner, self._fixed(axis, 0, vectors), states)
        carried = [value for state in states for value in state]
        end = ir.index(axis.extent)
        with self.f.loop(ZERO, end, lanes * vectors, carried) as loop:
            inner = self._moved(axis, offsets, loop.index)
            here = self._cut(axis, loop.index, end, lanes, vectors) if axis is self.cut else cut
            inner = self._resolved(inner, len(self.kept) + level + 1)
            found = self._reduce(level + 1, inner, here, _rows(loop.first, len(states)))
            loop.next = [value for state in found for value in state]
        return _rows(loop.state, len(states))

    def _moved(self, axis: Axis, offsets: Offsets, index: ir.Value) -> Offsets:
        """Every access moved along an axis."""
        steps: dict[int, ir.Value] = {0: ZERO, 1: index}
        moved = []
        for offset, stride in zip(offsets, axis.strides, strict=True):
            if stride not in steps:
                steps[stride] = self.f.binary("mul", index, ir.index(stride))
            moved.append(self.f.binary("add", offset, steps[stride]))
        return moved

    # --- lookups --------------------------------------------------------------------------------------------

    def _resolved(self, offsets: Offsets, level: int) -> Offsets:
        """Read the positions that are known from this level on, and move by them."""
        for i, access in enumerate(self.accesses):
            for lookup in access.lookups:
                if self._level(lookup) == level and not self._is_cut(lookup):
                    offsets = [*offsets]
                    offsets[i] = self.f.binary("add", offsets[i], self._position(lookup, offsets, SCALAR, 0))
        return offsets

    def _level(self, lookup: Lookup) -> int:
        """How many loops must be entered before a position is known."""
        loops = [*self.kept, *self.inner]
        return max((i + 1 for i, axis in enumerate(loops) if self._stride(axis, lookup.index)), default=0)

    def _is_cut(self, lookup: Lookup) -> bool:
        return self._stride(self.cut, lookup.index) != 0 and self.lanes > 1

    def _position(self, lookup: Lookup, offsets: Offsets, cut: Cut, vector: int) -> ir.Value:
        """How far a lookup moves: positions from the end made positive, and checked."""
        f, index = self.f, self._place(lookup.index, offsets, cut, vector).read(self.f)
        dtype = lookup.index.dtype
        if dtype.itemsize < 8:
            index = f.cast("sext" if dtype.kind == "i" else "zext", index, ir.vector("i64", cut.lanes))
        extent = ir.constant(lookup.extent, index.type)
        below = f.compare("icmp slt", index, ir.constant(0, index.type))
        index = f.select(below, f.binary("add", index, extent), index)
        outside = f.compare("icmp uge", index, extent)
        self.writer.fail_if(outside)
        index = f.select(outside, ir.constant(0, index.type), index)
        return f.binary("mul", index, ir.constant(lookup.stride, index.type))

    # --- memory ---------------------------------------------------------------------------------------------

    def _place(self, access: Access, offsets: Offsets, cut: Cut, vector: int) -> Place:
        """Where a vector of an access stands."""
        f, stride = self.f, self._stride(self.cut, access)
        element = ir.type_name(access.dtype)
        pointer = f.offset(self.bases[id(access)], element, offsets[self.position[id(access)]])
        if vector and stride:
            pointer = f.offset(pointer, element, ir.index(vector * cut.lanes * stride))
        mask = cut.masks[vector] if cut.lanes > 1 else None
        if access.windows:
            place = Place(pointer, stride, access.dtype, cut.lanes, mask)
            return self._through_windows(place, access, offsets, cut, vector)
        turning = [look for look in access.lookups if self._is_cut(look)] if cut.lanes > 1 else []
        if turning:
            return self._scattered(access, pointer, turning, offsets, cut, vector, mask)
        found = Place(pointer, stride, access.dtype, cut.lanes, mask)
        return found if cut.lanes > 1 else self._after_lookups(found, access, offsets)

    def _through_windows(
        self, place: Place, access: Access, offsets: Offsets, cut: Cut, vector: int
    ) -> Place:
        """A place of which only that is read which stands within the windows of an access."""
        f, whole, lanes = self.f, None, None
        for window in access.windows:
            position = offsets[self.position[id(window.position)]]
            step = self._stride(self.cut, window.position) if cut.lanes > 1 else 0
            if step:
                numbers = f"<{', '.join(f'i64 {step * (vector * cut.lanes + i)}' for i in range(cut.lanes))}>"
                far = ir.Value(numbers, ir.vector("i64", cut.lanes))
                position = f.binary("add", f.splat(position, cut.lanes), far)
            here = f.compare("icmp ult", position, ir.constant(window.extent, position.type))
            if step:
                lanes = here if lanes is None else f.binary("and", lanes, here)
            else:
                whole = here if whole is None else f.binary("and", whole, here)
        return place.through(f, whole, lanes, self.bases[id(access)])

    def _after_lookups(self, place: Place, access: Access, offsets: Offsets) -> Place:
        """In a loop that goes one by one along the cut axis: positions that vectors look up lane by lane."""
        for lookup in access.lookups:
            if self._is_cut(lookup):
                step = self._position(lookup, offsets, SCALAR, 0)
                place = replace(place, pointer=self.f.offset(place.pointer, place.element, step))
        return place

    def _scattered(
        self, access: Access, pointer: ir.Value, turning: Sequence[Lookup], offsets: Offsets, cut: Cut,
        vector: int, mask: ir.Value | None,
    ) -> Place:  # fmt: skip
        """A place with a pointer for every lane."""
        f, stride = self.f, self._stride(self.cut, access)
        lanes = f"<{', '.join(f'i64 {stride * lane}' for lane in range(cut.lanes))}>"
        far = ir.Value(lanes, ir.vector("i64", cut.lanes))
        for lookup in turning:
            far = f.binary("add", far, self._position(lookup, offsets, cut, vector))
        pointers = f.offset(pointer, ir.type_name(access.dtype), far)
        return Place(pointers, None, access.dtype, cut.lanes, mask)

    # --- bodies ---------------------------------------------------------------------------------------------

    def _values(self, part: Part, offsets: Offsets, cut: Cut, vector: int) -> Values:
        def get(atom: Atom) -> ir.Value:
            return self._place(part.reads[atom], offsets, cut, vector).read(self.f)

        return Values(self.f, self.writer.host, cut.lanes, get)

    def _body(self, offsets: Offsets, cut: Cut, vector: int, state: list[ir.Value]) -> list[ir.Value]:
        values = self._values(self.main, offsets, cut, vector)
        self._compute(self.main, values, offsets, cut, vector)
        pairs = zip(self.kernel.reductions, state, strict=True)
        found = [self._accumulated(r, s, values, cut, vector) for r, s in pairs]
        values.known.update(zip((r.out for r in self.kernel.reductions), found, strict=True))
        self._store(self.kernel.running, values, offsets, cut, vector)
        return found

    def _compute(self, part: Part, values: Values, offsets: Offsets, cut: Cut, vector: int) -> None:
        for equation in part.kernel.equations:
            values.compute(equation)
        for atom in part.kernel.required:
            self._require(values.read(atom, atom.type.dtype), cut.masks[vector])
        self._store(part.writes, values, offsets, cut, vector)

    def _require(self, condition: ir.Value, mask: ir.Value | None) -> None:
        """Fail where a condition does not hold in a lane that counts."""
        wrong = self.f.binary("xor", condition, ir.constant(True, condition.type))
        if mask is not None and ir.lanes_of(condition.type) > 1:
            wrong = self.f.binary("and", wrong, mask)
        self.writer.fail_if(wrong)

    def _store(
        self, writes: Sequence[Write], values: Values, offsets: Offsets, cut: Cut, vector: int
    ) -> None:
        for write in writes:
            place = self._place(write.access, offsets, cut, vector)
            value = values.read(write.atom, write.access.dtype)
            if write.add:
                value = values.operation("add", write.access.dtype)(place.read(self.f), value)
            place.write(self.f, value)

    # --- reductions -----------------------------------------------------------------------------------------

    def _identities(self, cut: Cut) -> States:
        """Where reductions start, for every vector at a time."""
        lanes, vectors = cut.lanes, cut.vectors
        if self.cut is not None and self.cut.reduced:
            lanes, vectors = self.lanes, self._vectors(self.cut)
        return [[self._identity(r, lanes) for r in self.kernel.reductions] for _ in range(vectors)]

    def _identity(self, reduction: Reduction, lanes: int) -> ir.Value:
        dtype = reduction.out.type.dtype
        return ir.constant(IDENTITY[reduction.kind](dtype), ir.vector(register(dtype), lanes))

    def _accumulated(
        self, reduction: Reduction, state: ir.Value, values: Values, cut: Cut, vector: int
    ) -> ir.Value:
        dtype = reduction.out.type.dtype
        operands = [values.read(atom, dtype) for atom in reduction.operands]
        if reduction.kind == "dot":
            return values.operation("fma", dtype)(*operands, state)
        if reduction.kind == "recurrence":
            return values.operation("fma", dtype)(operands[0], state, operands[1])
        mask = cut.masks[vector]
        if mask is not None and self.cut is not None and self.cut.reduced:
            operands[0] = self.f.select(mask, operands[0], self._identity(reduction, cut.lanes))
        return values.operation(COMBINE[reduction.kind], dtype)(state, operands[0])

    def _finish(self, states: States, offsets: Offsets, cut: Cut) -> None:
        """The epilogues, on what the reductions came to."""
        if not self.kernel.reductions:
            return
        if self.cut is not None and self.cut.reduced:
            states, cut = [self._across(states)], SCALAR
        for vector, state in enumerate(states):
            for part in self.epilogues:
                values = self._values(part, offsets, cut, vector)
                values.known.update(zip((r.out for r in self.kernel.reductions), state, strict=True))
                self._compute(part, values, offsets, cut, vector)

    def _across(self, states: States) -> list[ir.Value]:
        """Combine vectors with vectors, then halves with halves: one number is left of each reduction."""
        return [
            self._one(reduction, [state[i] for state in states])
            for i, reduction in enumerate(self.kernel.reductions)
        ]

    def _one(self, reduction: Reduction, vectors: list[ir.Value]) -> ir.Value:
        while len(vectors) > 1:
            pairs = zip(vectors[::2], vectors[1::2], strict=False)
            vectors = [
                *(self._combined(reduction, a, b) for a, b in pairs),
                *vectors[len(vectors) // 2 * 2 :],
            ]
        value, lanes = vectors[0], ir.lanes_of(vectors[0].type)
        while lanes > 1:
            lanes //= 2
            low = self.f.shuffle(value, value, range(lanes)) if lanes > 1 else self.f.extract(value, 0)
            high = (
                self.f.shuffle(value, value, range(lanes, 2 * lanes))
                if lanes > 1
                else self.f.extract(value, 1)
            )
            value = self._combined(reduction, low, high)
        return value

    def _combined(self, reduction: Reduction, a: ir.Value, b: ir.Value) -> ir.Value:
        values = Values(self.f, self.writer.host, ir.lanes_of(a.type), _no_read)
        return values.operation(COMBINE[reduction.kind], reduction.out.type.dtype)(a, b)


def _first_of(count: int, lanes: int) -> ir.Value:
    """A mask of the first lanes."""
    return ir.Value(
        f"<{', '.join(f'i1 {int(lane < count)}' for lane in range(lanes))}>", ir.vector("i1", lanes)
    )


def _no_read(atom: Atom) -> ir.Value:
    raise AssertionError(f"{atom} is not read here")


def _rows(flat: Sequence[ir.Value], count: int) -> States:
    each = len(flat) // count if count else 0
    return [list(flat[i * each : (i + 1) * each]) for i in range(count)]


def _widened(kernel: Map, epilogue: Map) -> Part:
    wide = lambda access: access.widened(kernel.shape, kernel.axes)
    reads = {atom: wide(access) for atom, access in epilogue.reads.items()}
    return Part(epilogue, reads, [replace(write, access=wide(write.access)) for write in epilogue.writes])


def _written(part: Part) -> list[Write]:
    """All writes of a part, those of running reductions included."""
    return [*part.writes, *part.kernel.running]


def _accesses(parts: Sequence[Part]) -> list[Access]:
    """All accesses of a nest, and those of their lookups and windows."""
    found = [a for part in parts for a in (*part.reads.values(), *(w.access for w in _written(part)))]
    found += [lookup.index for access in found for lookup in access.lookups]
    return [*found, *(window.position for access in found for window in access.windows)]


def merged(shape: Shape, accesses: Sequence[Access], reduced: Sequence[int], split: bool) -> list[Axis]:
    """The axes of a loop nest; neighbours that every access walks through as one are one.

    With ``split`` the first axis stays apart where the others are long enough for vectors: threads divide
    rows then, in products and in loops alike.
    """
    n = len(shape)
    axes: list[Axis] = []
    for i, extent in enumerate(shape):
        if extent == 1:
            continue
        axis = Axis(extent, tuple(a.strides[i] for a in accesses), i - n in reduced)
        before = axes[-1] if axes else None
        if before is not None and _is_one(before, axis) and not (split and len(axes) == 1 and extent >= LINE):
            axes[-1] = Axis(before.extent * extent, axis.strides, axis.reduced, before.width * extent)
        else:
            axes.append(axis)
    return axes


def _is_one(outer: Axis, inner: Axis) -> bool:
    pairs = zip(outer.strides, inner.strides, strict=True)
    return outer.reduced == inner.reduced and all(a == b * inner.extent for a, b in pairs)


def _least(dtype: np.dtype[Any]) -> Any:
    return -np.inf if dtype.kind == "f" else False if dtype.kind == "b" else np.iinfo(dtype).min


def _most(dtype: np.dtype[Any]) -> Any:
    return np.inf if dtype.kind == "f" else True if dtype.kind == "b" else np.iinfo(dtype).max


IDENTITY = {
    "sum": lambda t: 0,
    "dot": lambda t: 0,
    "recurrence": lambda t: 0,
    "prod": lambda t: 1,
    "max": _least,
    "min": _most,
    "any": lambda t: 0,
    "all": lambda t: 1,
}
COMBINE = {
    "sum": "add",
    "dot": "add",
    "prod": "multiply",
    "max": "maximum",
    "min": "minimum",
    "any": "logical_or",
    "all": "logical_and",
}
