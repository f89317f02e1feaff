r"""What a plan is made of: memory and ways to read it, and the loops that work on it.

A buffer is a piece of memory; an access is a way to read or write one as an array,

.. math:: x_{i j \ldots} \text{ stands at }
          \mathrm{offset} + i\,s_0 + j\,s_1 + \cdots + \sum_l n_l(i, j, \ldots)\,t_l,

with strides s in elements, and *lookups* n: positions that are read from memory themselves. Through *windows*
it is seen between zeros, :math:`0 \le p(i, j, \ldots) < w`, so that padding an array costs nothing. A kernel
is a loop nest with the accesses that it reads and writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.core.trace import Atom, Equation, Var

if TYPE_CHECKING:
    from wengert.native.machine import ir
    from wengert.native.planning.plan import Plan
    from wengert.native.writing.emit import Writer

Shape = tuple[int, ...]
ALIGNMENT = 64


@dataclass(eq=False)
class Buffer:
    """Memory: an ``input``, ``output`` or ``constant`` (by its place in the table), or of the ``arena``.

    ``first`` and ``last`` are the positions of the kernels that use it.
    """

    kind: str
    dtype: np.dtype[Any]
    size: int
    index: int = -1
    first: int = 0
    last: int = 0
    offset: int = 0

    def is_as(self, other: Buffer) -> bool:
        """Whether it is the same memory: the same buffer, or the same output."""
        return self is other or (self.kind, self.index) == (other.kind, other.index) == ("output", self.index)

    def overlaps(self, other: Buffer) -> bool:
        """Whether they have places of the arena in common."""
        both = self.kind == other.kind == "arena"
        return both and self.offset < other.offset + other.nbytes and other.offset < self.offset + self.nbytes

    @property
    def nbytes(self) -> int:
        """Bytes, rounded up so that the next buffer is aligned."""
        return -(-self.size * self.dtype.itemsize // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True, eq=False)
class Lookup:
    """Positions along an axis of ``extent`` elements, read from memory; neighbours are ``stride`` apart."""

    index: Access
    extent: int
    stride: int


@dataclass(frozen=True, eq=False)
class Window:
    """What an access shows: elements whose ``position`` is one of the first ``extent``, else zeros.

    A position is counted as the offset of an access to memory is, but there is none.
    """

    position: Access
    extent: int


@dataclass(frozen=True, eq=False)
class Access:
    """A way to read or write a buffer."""

    buffer: Buffer
    shape: Shape
    strides: Shape
    offset: int = 0
    lookups: tuple[Lookup, ...] = ()
    windows: tuple[Window, ...] = ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the elements are."""
        return self.buffer.dtype

    def broadcast(self, shape: Shape) -> Access:
        """Read as an array of another shape, by NumPy's rule."""
        extra = len(shape) - len(self.shape)
        strides = (0,) * extra + tuple(
            0 if n == 1 and m != 1 else s
            for n, m, s in zip(self.shape, shape[extra:], self.strides, strict=True)
        )
        lookups = tuple(replace(found, index=found.index.broadcast(shape)) for found in self.lookups)
        windows = self._windows(lambda position: position.broadcast(shape))
        return replace(self, shape=shape, strides=strides, lookups=lookups, windows=windows)

    def _windows(self, change: Callable[[Access], Access]) -> tuple[Window, ...]:
        return tuple(replace(window, position=change(window.position)) for window in self.windows)

    def view(self, shape: Shape, strides: Shape, offset: int | None = None) -> Access:
        """The same memory with other axes. Lookups and windows belong to their axes and do not follow."""
        assert not self.lookups and not self.windows
        return replace(self, shape=shape, strides=strides, offset=self.offset if offset is None else offset)

    def is_contiguous(self) -> bool:
        """Whether elements stand in row-major order without gaps."""
        expected = row_major(self.shape)
        return not (self.lookups or self.windows) and all(
            s == r or n == 1 for s, r, n in zip(self.strides, expected, self.shape, strict=True)
        )

    def stands_as(self, other: Access) -> bool:
        """Whether each element stands where that of another access stands, if their buffers are one."""
        same = (self.shape, self.strides, self.offset) == (other.shape, other.strides, other.offset)
        return same and not self.windows

    def reshaped(self, shape: Shape) -> Access | None:
        """The elements in row-major order as another shape, if no copy is needed for that."""
        if self.is_contiguous():
            return self.view(shape, row_major(shape))
        if self.windows:
            return self._with_units(shape)
        probe = np.lib.stride_tricks.as_strided(np.empty(1, np.int8), self.shape, self.strides)
        try:
            found = probe.reshape(shape, copy=False)
        except ValueError:
            return None
        return self.view(shape, tuple(found.strides))

    def _with_units(self, shape: Shape) -> Access | None:
        """Axes of length 1 put in or left out, if nothing else is asked for."""
        if [n for n in self.shape if n != 1] != [n for n in shape if n != 1]:
            return None
        return self._with_ones(shape)

    def _with_ones(self, shape: Shape) -> Access:
        steps = iter([s for n, s in zip(self.shape, self.strides, strict=True) if n != 1])
        strides = tuple(0 if n == 1 else next(steps) for n in shape)
        windows = self._windows(lambda position: position._with_ones(shape))
        return replace(self, shape=shape, strides=strides, windows=windows)

    def transposed(self, axes: Sequence[int]) -> Access:
        """The last axes in another order."""
        n = len(self.shape)
        order = [*range(n - len(axes)), *(i + n for i in axes)]
        shape, strides = (tuple(numbers[i] for i in order) for numbers in (self.shape, self.strides))
        windows = self._windows(lambda position: position.transposed(axes))
        return replace(self, shape=shape, strides=strides, windows=windows)

    def between(self, axis: int, before: int, extent: int) -> Access:
        """An axis as part of one with ``extent`` elements, ``before`` of which come first: zeros around."""
        n = self.shape[axis]
        if n == extent:
            return self
        shape = (*self.shape[:axis], extent, *self.shape[axis + 1 :])
        steps = tuple(int(i == axis) for i in range(len(shape)))
        moved = lambda a: replace(a, shape=shape, offset=a.offset - before * a.strides[axis])
        window = Window(Access(POSITIONS, shape, steps, -before), n)
        return replace(moved(self), windows=(*self._windows(moved), window))

    def sliced(self, index: tuple[Any, ...]) -> Access:
        """A basic index of the last axes: whole numbers, slices and None."""
        assert not self.lookups
        shape, strides, offset, axis = [], [], self.offset, 0
        lead = len(self.shape) - sum(part is not None for part in index)
        for part in (*(slice(None),) * lead, *index):
            if part is None:
                shape.append(1)
                strides.append(0)
                continue
            n, s = self.shape[axis], self.strides[axis]
            axis += 1
            if isinstance(part, slice):
                start, stop, step = part.indices(n)
                shape.append(len(range(start, stop, step)))
                strides.append(s * step)
                offset += start * s
            else:
                offset += (part + n if part < 0 else part) * s
        windows = self._windows(lambda position: position.sliced(index))
        return replace(self, shape=tuple(shape), strides=tuple(strides), offset=offset, windows=windows)

    def widened(self, shape: Shape, axes: Sequence[int]) -> Access:
        """A reduction's result seen from the loop over what is reduced: it stays along the reduced axes."""
        kept = [i for i in range(len(shape)) if i - len(shape) not in axes]
        if len(self.shape) == len(shape):  # the axes were kept, with length 1
            return self.broadcast(shape)
        strides = [0] * len(shape)
        for i, stride in zip(kept, self.strides, strict=True):
            strides[i] = stride
        lookups = tuple(replace(look, index=look.index.widened(shape, axes)) for look in self.lookups)
        windows = self._windows(lambda position: position.widened(shape, axes))
        return replace(self, shape=shape, strides=tuple(strides), lookups=lookups, windows=windows)


POSITIONS = Buffer("position", np.dtype(np.int64), 0)


def row_major(shape: Shape) -> Shape:
    """Strides of a row-major array, in elements."""
    strides, size = [], 1
    for n in reversed(shape):
        strides.append(size)
        size *= max(n, 1)
    return tuple(reversed(strides))


def one_stride(shape: Shape, strides: Shape) -> int | None:
    """The stride from element to element through all axes of a shape, if it is one."""
    found = [(n, s) for n, s in zip(shape, strides, strict=False) if n != 1]
    if any(outer != n * inner for (_, outer), (n, inner) in pairwise(found)):
        return None
    return found[-1][1] if found else 0


def whole(buffer: Buffer, shape: Shape) -> Access:
    """A buffer as a row-major array."""
    return Access(buffer, shape, row_major(shape))


@dataclass(frozen=True, eq=False)
class Write:
    """What a loop writes and where; ``add`` adds to what is there."""

    atom: Atom
    access: Access
    add: bool = False


@dataclass(frozen=True, eq=False)
class Reduction:
    """``out`` is reduced from ``operands``: one, or for a ``dot`` two whose products are added.

    In a ``recurrence`` what has been found is multiplied by the first, and the second is added.
    """

    kind: str
    operands: tuple[Atom, ...]
    out: Var


@dataclass(eq=False)
class Kernel:
    """A piece of work at a stage."""

    stage: float

    def reading(self) -> Iterator[Access]:
        """All accesses that are read, lookups included."""
        for access in (*self.elementwise(), *self.wholly()):
            yield access
            for lookup in access.lookups:
                yield lookup.index

    def elementwise(self) -> Iterator[Access]:
        """What is read at the place that is written at the same moment, or not written at all."""
        yield from ()

    def wholly(self) -> Iterator[Access]:
        """What is read in any other order."""
        yield from ()

    def writing(self) -> Iterator[Access]:
        """All accesses that are written."""
        yield from ()

    def bodies(self) -> Sequence[Plan]:
        """The plans of the bodies of a loop or the branches of a choice."""
        return ()

    def maps(self) -> Iterator[Map]:
        """The loop and its epilogues, or those of a product."""
        yield from ()

    def has_work(self) -> bool:
        """Whether it writes anything."""
        return True


@dataclass(eq=False)
class Map(Kernel):
    """A loop over ``shape`` that evaluates elementwise equations, and reduces some of them over ``axes``.

    ``running`` are writes of what the reductions have come to after every step, so that the axis is walked
    through in order. Where a ``required`` condition does not hold the run fails. As an epilogue it has a
    ``parent``, a product or a reduction whose results it finds in registers.
    """

    shape: Shape
    equations: list[Equation] = field(default_factory=list)
    reads: dict[Atom, Access] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    reductions: list[Reduction] = field(default_factory=list)
    running: list[Write] = field(default_factory=list)
    required: list[Atom] = field(default_factory=list)
    axes: tuple[int, ...] = ()
    epilogues: dict[Shape, Map] = field(default_factory=dict)
    parent: Kernel | None = None
    scalar: bool = False
    closed: bool = False
    costly: int = 0

    def takes(self, costly: bool) -> bool:
        """Whether equations may join; costly ones do not join where numbers come one by one."""
        return not self.closed and not (costly and self.scalar)

    def epilogue(self, shape: Shape) -> Map:
        """What is computed from reductions with results of a shape."""
        if shape not in self.epilogues:
            self.epilogues[shape] = Map(self.stage, shape, parent=self, scalar=self.reduces_vectors())
        return self.epilogues[shape]

    def copied(self) -> tuple[Access, Access] | None:
        """Source and target, if all there is to do is to copy memory without gaps."""
        if self.equations or self.reductions or len(self.reads) != 1 or len(self.writes) != 1:
            return None
        (source,), write = self.reads.values(), self.writes[0]
        same = source.strides == write.access.strides and source.dtype == write.access.dtype
        return (
            (source, write.access)
            if same and source.is_contiguous() and write.access.is_contiguous() and not write.add
            else None
        )

    def reduces_vectors(self) -> bool:
        """Whether results come one by one, because the last axis is cut into vectors and reduced."""
        return -1 in self.axes and self.shape[-1] >= 16

    def maps(self) -> Iterator[Map]:
        yield self
        yield from self.epilogues.values()

    def prune(self) -> None:
        """Forget what nobody uses: other loops have computed it anew."""
        needed = {atom for reduction in self.reductions for atom in reduction.operands}
        needed |= {*self.required, *(write.atom for write in (*self.writes, *self.running))}
        kept = []
        for equation in reversed(self.equations):
            if needed.intersection(equation.outputs):
                kept.append(equation)
                needed.update(equation.inputs)
        self.equations = kept[::-1]
        self.reads = {atom: access for atom, access in self.reads.items() if atom in needed}

    def elementwise(self) -> Iterator[Access]:
        if not self.reductions:
            yield from self.reads.values()
        for epilogue in self.epilogues.values():
            yield from epilogue.reads.values()

    def wholly(self) -> Iterator[Access]:
        if self.reductions:
            yield from self.reads.values()
        for write in self.writes:
            if write.add:
                yield write.access
            yield from (lookup.index for lookup in write.access.lookups)

    def writing(self) -> Iterator[Access]:
        for part in self.maps():
            yield from (write.access for write in (*part.writes, *part.running))

    def has_work(self) -> bool:
        return any(part.writes or part.running or part.required for part in self.maps())


@dataclass(eq=False)
class Contract(Kernel):
    """A matrix product ``c = a @ b`` over leading axes of both; the epilogue says what becomes of c."""

    out: Var
    a: Access
    b: Access
    result: Map

    def maps(self) -> Iterator[Map]:
        yield self.result

    def elementwise(self) -> Iterator[Access]:
        yield from self.result.reads.values()

    def wholly(self) -> Iterator[Access]:
        yield from (self.a, self.b)

    def writing(self) -> Iterator[Access]:
        yield from (write.access for write in self.result.writes)

    def has_work(self) -> bool:
        return bool(self.result.writes)


@dataclass(eq=False)
class Routine(Kernel):
    """Code of its own for every place of a loop over ``shape``, the first axes of all accesses.

    ``code(writer, pointers, memory)`` writes it; the pointers say where what is read and then what is written
    stands at the place, and in memory a thread has ``scratch`` bytes of its own. Threads divide places that
    count some ``operations`` each.
    """

    name: str
    shape: Shape
    reads: list[Access]
    writes: list[Access]
    code: Callable[[Writer, list[ir.Value], ir.Value], None]
    operations: int
    scratch: int = 0

    @property
    def is_shared(self) -> bool:
        """Whether threads can divide the first axis among themselves: what they write does not overlap."""
        several = self.operations > 0 and self.shape != () and self.shape[0] > 1
        return several and all(a.strides[0] for a in self.writes)

    def wholly(self) -> Iterator[Access]:
        yield from self.reads

    def writing(self) -> Iterator[Access]:
        yield from self.writes


@dataclass(frozen=True, eq=False)
class Stream:
    """Memory that a loop walks through: ``step`` elements further every round (0 where it stays)."""

    access: Access
    step: int


def still(accesses: Sequence[Access]) -> list[Stream]:
    """Memory that stays where it is."""
    return [Stream(access, 0) for access in accesses]


def walking(accesses: Sequence[Access]) -> list[Stream]:
    """Memory that is walked through along its first axis."""
    return [Stream(access, access.strides[0]) for access in accesses]


@dataclass(eq=False)
class Around(Kernel):
    """A kernel around bodies: what it reads and writes are streams."""

    arena: Access
    reads: list[Stream]
    writes: list[Stream]

    def wholly(self) -> Iterator[Access]:
        yield from (stream.access for stream in self.reads)

    def writing(self) -> Iterator[Access]:
        yield from (stream.access for stream in self.writes)
        yield self.arena


@dataclass(eq=False)
class Repeat(Around):
    """A scan: the kernels of ``body`` for every element of a sequence.

    ``inputs`` and ``outputs`` stand for those of the body's trace. After each round ``carries``, pairs of
    (new, current), are copied; before it the current ones are kept in ``histories``.
    """

    length: int
    reverse: bool
    body: Plan
    inputs: list[Stream]
    outputs: list[Stream]
    carries: list[tuple[Access, Access]]
    histories: list[tuple[Stream, Access]]

    def bodies(self) -> Sequence[Plan]:
        return (self.body,)


@dataclass(eq=False)
class Choice(Around):
    """A cond: the kernels of one body or the other."""

    predicate: Access
    branches: tuple[Plan, Plan]
    inputs: tuple[list[Stream], list[Stream]]

    def bodies(self) -> Sequence[Plan]:
        return self.branches


@dataclass(eq=False)
class While(Around):
    """A while_loop: the kernels of ``test``, and as long as it gives true those of ``body``."""

    test: Plan
    body: Plan
    test_inputs: list[Stream]
    inputs: list[Stream]
    answer: Access
    outputs: list[Stream]
    carries: list[tuple[Access, Access]]

    def bodies(self) -> Sequence[Plan]:
        return (self.test, self.body)
