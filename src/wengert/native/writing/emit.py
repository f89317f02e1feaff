r"""Kernels to LLVM IR: one function for a plan, a nest of loops for each kernel.

Every thread of a team runs the same function with its index and takes its share of each kernel; a barrier
stands only where a kernel touches what another thread has touched since the last one. How a share is cut
cannot be seen in the results.

.. math:: \text{share of thread } t \text{ of } T
          = \bigl[\lfloor U t / T\rfloor,\ \lfloor U (t+1) / T\rfloor\bigr) \quad\text{of } U \text{ units}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from wengert.core.trace import Var, type_for
from wengert.native.machine import ir, team
from wengert.native.machine.host import Host
from wengert.native.machine.underflow import Underflow
from wengert.native.planning.footprint import ALONE, ANYWHERE, Footprint, Rows, Touches, grain, rows
from wengert.native.planning.kernels import (
    ALIGNMENT,
    Access,
    Around,
    Buffer,
    Choice,
    Contract,
    Kernel,
    Map,
    Repeat,
    Routine,
    Stream,
    While,
    Write,
)
from wengert.native.planning.plan import Plan
from wengert.native.planning.work import is_worth_waking, operations_of
from wengert.native.product.plans import round_up
from wengert.native.writing.blocks import Group, grouped, in_runs
from wengert.native.writing.merging import merge
from wengert.native.writing.nest import Nest
from wengert.native.writing.products import Oriented, scratch_of, write_product

ZERO = ir.index(0)
SMALL = 30_000  # operations that take no longer than some barriers
AHEAD = 16  # kernels among which the next one is chosen
HEADER = 64  # bytes at the start of the arena: whether an index was out of bounds

# The frame that kernels are handed: pointers and numbers of eight bytes each, then inputs and outputs.
TABLE, ARENA, STATUS, SCRATCH, INDEX, COUNT, BARRIER, FIRST = range(8)


COLD = "nounwind cold"
FEW = 1 << 14  # elements of a loop that takes less time than it would take to compile it better

Same = dict[tuple[str, int], tuple[str, int]]


class Touched(NamedTuple):
    """A range of memory and the part of it that a thread has touched since the last barrier."""

    key: tuple[str, int]
    low: int
    high: int
    footprint: Footprint
    written: bool

    def depends(self, other: Touched) -> bool:
        """Whether the order of both matters."""
        if not (self.written or other.written) or self.key != other.key:
            return False
        return self.low < other.high and other.low < self.high

    def conflicts(self, other: Touched) -> bool:
        """Whether one thread may need what another one writes."""
        return self.depends(other) and not self.footprint.agrees(other.footprint)


class Writer:
    """Writes kernels into a function that is handed a frame.

    The frame says where the plan's inputs, outputs, constants and arena stand, ``same`` which inputs and
    outputs are the same memory.
    """

    def __init__(
        self, plan: Plan, host: Host, threads: bool, f: ir.Function, frame: ir.Value,
        same: Same | None = None, underflow: Underflow = Underflow.GRADUAL,
    ) -> None:  # fmt: skip
        self.plan, self.host, self.threads, self.f, self.frame = plan, host, threads, f, frame
        self.same, self.underflow = same or {}, underflow
        self.masks = host.vector_bytes >= 32
        self.slots: dict[int, ir.Value] = {}
        self.given: list[ir.Value] = []
        self.touched: list[Touched] = []
        self.in_blocks = False
        self.private: dict[int, Rows] = {}
        self.blocks = 1

    def dividing(self) -> Writer:
        """A writer to the same place whose kernels do a part of their work at a time."""
        found = Writer(self.plan, self.host, self.threads, self.f, self.frame, self.same, self.underflow)
        found.in_blocks = True
        return found

    @property
    def divides(self) -> bool:
        """Whether kernels do a part of their work at a time."""
        return self.threads or self.in_blocks

    def write(self) -> None:
        """Write all kernels."""
        for group in in_runs(grouped(self)):
            if group.blocks > 1:
                self._write_in_blocks(group)
            else:
                self._write_in_turn(self._few_barriers(group.kernels) if self.threads else group.kernels)

    def _write_in_turn(self, kernels: Iterable[Kernel]) -> None:
        for kernel in kernels:
            WRITERS[type(kernel)](self, kernel)

    def _write_in_blocks(self, group: Group) -> None:
        """Kernels that a thread runs block by block, as if it were so many threads."""
        self.touches(group.reads, group.writes)
        f, blocks = self.f, ir.index(group.blocks)
        index, count = (
            self.slot(n, "i64") if self.threads else ir.index(v) for n, v in ((INDEX, 0), (COUNT, 1))
        )
        self._set(COUNT, f.binary("mul", count, blocks))
        with f.loop(ZERO, blocks, 1) as loop:
            self._set(INDEX, f.binary("add", f.binary("mul", index, blocks), loop.index))
            inside = self.dividing()
            inside.private, inside.blocks = group.private, group.blocks
            inside._write_in_turn(group.kernels)
        self._set(INDEX, index)
        self._set(COUNT, count)

    def _set(self, number: int, value: ir.Value) -> None:
        self.f.store(value, self.f.offset(self.frame, "i64", ir.index(number)), 8)

    @contextmanager
    def function(self, hint: str, *values: ir.Value) -> Iterator[Writer]:
        """A function of its own for a kernel or a part of one, called from here.

        Inside, ``given`` stands for the values.
        """
        module = self.f.module
        name = f"{hint}.{len(module.functions)}"
        passed = list(dict.fromkeys(v for v in values if v.name.startswith("%")))
        names = {v: f"given{i}" for i, v in enumerate(passed)}
        params = [("frame", "ptr noalias readonly"), *((names[v], v.type) for v in passed)]
        f = module.function(name, "void", params, "private")
        inner = Writer(self.plan, self.host, self.threads, f, f.param("frame"), self.same, self.underflow)
        inner.in_blocks, inner.private, inner.blocks = self.in_blocks, self.private, self.blocks
        inner.given = [f.param(names[v]) if v in names else v for v in values]
        yield inner
        f.ret()
        self.f.call(name, "void", self.frame, *passed)

    def covers(self, elements: int) -> None:
        """The function's loops cover so many elements: where they are few, they are counted plainly."""
        self.f.counted_plainly = elements <= FEW

    def stands_around(self) -> None:
        """The function does little besides calling others that work long: it is to be compiled quickly."""
        if self.threads:
            self.f.attributes = COLD

    # --- memory ---------------------------------------------------------------------------------------------

    def slot(self, number: int, type: str = "ptr") -> ir.Value:
        """What stands in the frame; in a kernel's function what the first block has read stays known."""
        if number in self.slots:
            return self.slots[number]
        found = self.f.load(type, self.f.offset(self.frame, "i64", ir.index(number)), 8)
        if self.f.label == "entry" and self.frame.name == "%frame":
            self.slots[number] = found
        return found

    def base(self, buffer: Buffer) -> ir.Value:
        """The address of a buffer."""
        if buffer.kind == "arena":
            # Also where the offset is 0: kernels on other buffers then read alike (`native.writing.merging`).
            start = self.f.pure(f"getelementptr i8, ptr {self.slot(ARENA).name}, i64 {buffer.offset}", "ptr")
            rows = self.private.get(id(buffer))
            return start if rows is None else self.f.advance(start, self._back(rows))
        if buffer.kind == "constant":
            return self.f.load("ptr", self.f.offset(self.slot(TABLE), "ptr", ir.index(buffer.index)), 8)
        before = 0 if buffer.kind == "input" else len(self.plan.inputs)
        return self.slot(FIRST + before + buffer.index)

    def _back(self, rows: Rows) -> ir.Value:
        """How far back the first row of the thread's first block is from that of this one, in bytes."""
        f, index = self.f, self.slot(INDEX, "i64")
        blocks = ir.index(self.blocks)
        first = f.binary("mul", f.binary("sdiv", index, blocks), blocks)
        edges = [self._edge(place, rows.extent, rows.grain) for place in (first, index)]
        return f.binary("mul", f.binary("sub", *edges), ir.index(rows.stride))

    def pointer(self, access: Access) -> ir.Value:
        """The address of the first element of an access."""
        base = self.base(access.buffer)
        if not access.offset:
            return base
        return self.f.offset(base, ir.type_name(access.dtype), ir.index(access.offset))

    def place(self, stream: Stream, i: ir.Value) -> ir.Value:
        """Where a stream stands in round i."""
        start = self.pointer(stream.access)
        if not stream.step:
            return start
        step = self.f.binary("mul", i, ir.index(stream.step))
        return self.f.offset(start, ir.type_name(stream.access.dtype), step)

    def frame_of(self, plan: Plan, arena: Access, streams: Sequence[Stream]) -> Writer:
        """A writer for a body, with a frame of its own that holds what stays the same from round to round."""
        f = self.f
        frame = f.alloca(8 * (FIRST + len(plan.inputs) + len(plan.outputs)))
        for number in (TABLE, STATUS, SCRATCH, *((INDEX, COUNT, BARRIER) if self.threads else ())):
            f.store(self.slot(number), f.offset(frame, "i64", ir.index(number)), 8)
        f.store(self.pointer(arena), f.offset(frame, "i64", ir.index(ARENA)), 8)
        owners: dict[int, tuple[str, int]] = {}
        count = len(plan.inputs)
        keys = [("input", k) for k in range(count)] + [("output", k) for k in range(len(plan.outputs))]
        same = {
            key: owners.setdefault(id(s.access.buffer), key) for key, s in zip(keys, streams, strict=True)
        }
        body = Writer(plan, self.host, self.threads, f, frame, same, self.underflow)
        self.step(body, [s if s.step == 0 else None for s in streams], ZERO)
        return body

    def step(self, body: Writer, streams: Sequence[Stream | None], i: ir.Value) -> None:
        """Put into a body's frame where streams stand in round i."""
        for k, stream in enumerate(streams):
            if stream is not None:
                slot = self.f.offset(body.frame, "i64", ir.index(FIRST + k))
                self.f.store(self.place(stream, i), slot, 8)

    def around(
        self, shape: Sequence[int], accesses: Sequence[Access], pointers: list[ir.Value],
        code: Callable[[Writer, list[ir.Value]], None], part: tuple[ir.Value, ir.Value] | None = None,
    ) -> None:  # fmt: skip
        """Loops over first axes of accesses, or part of the first, around code that is told their places."""
        if not shape:
            code(self, pointers)
            return
        begin, end = part or (ZERO, ir.index(shape[0]))
        with self.f.loop(begin, end, 1) as loop:
            inside = [a.view(a.shape[1:], a.strides[1:]) for a in accesses]
            moved = [self.place_at(p, a, loop.index) for p, a in zip(pointers, accesses, strict=True)]
            self.around(shape[1:], inside, moved, code)

    def place_at(self, pointer: ir.Value, access: Access, i: ir.Value) -> ir.Value:
        """The address i steps along the first axis of an access."""
        if not access.strides[0]:
            return pointer
        step = self.f.binary("mul", i, ir.index(access.strides[0]))
        return self.f.offset(pointer, ir.type_name(access.dtype), step)

    def run(self, body: Writer) -> None:
        """Write a body's kernels, after which all threads have met."""
        body.write()
        body.meet()

    # --- threads --------------------------------------------------------------------------------------------

    def share(self, extent: int, grain: int) -> tuple[ir.Value, ir.Value]:
        """Begin and end of the part of a thread or block, in multiples of a grain."""
        if not self.divides:
            return ZERO, ir.index(extent)
        first = self.slot(INDEX, "i64")
        following = self.f.binary("add", first, ir.index(1))
        return self._edge(first, extent, grain), self._edge(following, extent, grain)

    def _edge(self, index: ir.Value, extent: int, grain: int) -> ir.Value:
        """Where the part of a thread or block begins."""
        f, units = self.f, -(-extent // grain)
        unit = f.binary("sdiv", f.pure(f"mul i64 {index.name}, {units}", "i64"), self.slot(COUNT, "i64"))
        return f.intrinsic("smin", "i64", f.binary("mul", unit, ir.index(grain)), ir.index(extent))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Code that the first thread runs, in its first block."""
        if not self.divides:
            yield
            return
        f = self.f
        first, after = f.new_label("first"), f.new_label("after")
        f.branch(f.compare("icmp eq", self.slot(INDEX, "i64"), ZERO), first, after)
        f.start(first)
        yield
        f.jump(after)
        f.start(after)

    def meet(self) -> None:
        """Wait for all threads, if anything has been touched since the last time."""
        if self.touched:
            self.wait()
        self.touched = []

    def wait(self) -> None:
        """Wait for all threads."""
        if self.threads:
            name = team.barrier_function(self.f.module, self.host)
            self.f.call(name, "void", self.slot(BARRIER), self.slot(COUNT, "i64"))

    def touches_of(self, kernel: Kernel) -> tuple[Touches, Touches]:
        """What a kernel reads and writes, with the part that each thread touches."""
        if isinstance(kernel, Map):
            return Nest(self, kernel).touches()
        if isinstance(kernel, Contract):
            return Oriented(kernel, self.host).touches()
        if isinstance(kernel, Routine):
            share = _routine_share(kernel)
            return [(a, share(a)) for a in kernel.reads], [(a, share(a)) for a in kernel.writes]
        return [(a, ANYWHERE) for a in kernel.reading()], [(a, ANYWHERE) for a in kernel.writing()]

    def touches(self, reads: Touches, writes: Touches) -> None:
        """Note what a kernel reads and writes, and which part each thread touches; meet before if need be."""
        if not self.threads or self.in_blocks:
            return
        new = self.ranges(reads, writes)
        if self._conflict(new):
            self.meet()
        self.touched += new

    def _conflict(self, new: Sequence[Touched]) -> bool:
        return any(old.conflicts(now) for old in self.touched for now in new)

    def _few_barriers(self, kernels: Sequence[Kernel]) -> Iterator[Kernel]:
        """The kernels in an order of few barriers: one that needs none overtakes those it is apart from."""
        ranges = [self.ranges(*self.touches_of(kernel)) for kernel in kernels]
        depends = cache(lambda i, j: any(a.depends(b) for a in ranges[i] for b in ranges[j]))
        left = list(range(len(kernels)))
        while left:
            window = left[:AHEAD]
            free = (j for n, j in enumerate(window) if not any(depends(i, j) for i in window[:n]))
            following = next((j for j in free if self._needs_no_barrier(kernels[j], ranges[j])), left[0])
            left.remove(following)
            yield kernels[following]

    def _needs_no_barrier(self, kernel: Kernel, ranges: Sequence[Touched]) -> bool:
        if isinstance(kernel, Around):
            return not self.touched
        return not self._conflict(ranges) or self.better_alone(kernel, ranges)

    def better_alone(self, kernel: Kernel, ranges: Sequence[Touched]) -> bool:
        """Whether the first thread is done with a small kernel before the others have met."""
        if not isinstance(kernel, Map) or operations_of(kernel) > SMALL or not self._conflict(ranges):
            return False
        return not self._conflict([found._replace(footprint=ALONE) for found in ranges])

    def ranges(self, reads: Touches, writes: Touches) -> list[Touched]:
        """The ranges of memory that a kernel reads and writes."""
        read = [self._range(access, part, False) for access, part in reads]
        return read + [self._range(access, part, True) for access, part in writes]

    def _range(self, access: Access, footprint: Footprint, written: bool) -> Touched:
        buffer = access.buffer
        if buffer.kind == "arena":
            begin, end = buffer.offset, buffer.offset + buffer.nbytes
            return Touched(("arena", 0), begin, end, footprint.moved(begin), written)
        key = (buffer.kind, buffer.index)
        return Touched(self.same.get(key, key), 0, 1, footprint, written)

    # --- errors ---------------------------------------------------------------------------------------------

    def fail_if(self, wrong: ir.Value) -> None:
        """Note in the header of the arena that an index is out of bounds."""
        f, count = self.f, ir.lanes_of(wrong.type)
        if count > 1:
            wrong = f.call(f"llvm.vector.reduce.or.v{count}i1", "i1", wrong)
        bad, after = f.new_label("outside"), f.new_label("after")
        f.branch(wrong, bad, after)
        f.start(bad)
        f.store(ir.index(1), self.slot(STATUS), 8)
        f.jump(after)
        f.start(after)


# --- modules ------------------------------------------------------------------------------------------------


def write_module(
    plan: Plan, host: Host, name: str = "run", threads: bool = False, underflow: Underflow = Underflow.GRADUAL
) -> str:
    """A module with ``i64 run(ptr table, ptr arena)``: 0, or 1 where an index is out of bounds.

    The table holds the addresses of inputs, outputs and constants; the arena has `arena_parts`.
    """
    module = ir.Module()
    _write_body(module, plan, host, threads, underflow)
    body = underflow.entrance(module, "body", BODY, host)
    f = module.function(name, "i64", [("table", "ptr"), ("arena", "ptr")])
    f.store(ZERO, f.param("arena"), 8)
    if threads:
        f.attributes = COLD
        margin = ir.index(team.ALWAYS if is_worth_waking(plan) else 0)
        f.call(team.RUN, "void", ir.Value(f"@{body}", "ptr"), f.param("table"), f.param("arena"), margin)
    else:
        f.call(body, "void", f.param("table"), f.param("arena"), ZERO, ir.index(1), ir.Value("null", "ptr"))
    f.ret(f.load("i64", f.param("arena"), 8))
    merge(module)
    return str(module)


def arena_parts(plan: Plan, host: Host) -> tuple[int, int]:
    """Bytes of the arena that threads share, header and values; and of each the scratch memory of its own."""
    return HEADER + _up(plan.shared_bytes), _up(scratch_bytes(plan, host))


def scratch_bytes(plan: Plan, host: Host) -> int:
    """Memory that the products and routines of one thread need."""
    own = [scratch_of(k, host) for k in plan.kernels if isinstance(k, Contract)]
    own += [k.scratch for k in plan.kernels if isinstance(k, Routine)]
    inner = [scratch_bytes(body, host) for k in plan.kernels for body in k.bodies()]
    return max([0, *own, *inner])


def _up(size: int) -> int:
    return round_up(size, ALIGNMENT)


BODY = [
    ("table", "ptr noalias readonly"),
    ("arena", "ptr noalias"),
    ("index", "i64"),
    ("count", "i64"),
    ("barrier", "ptr"),
]


def _write_body(module: ir.Module, plan: Plan, host: Host, threads: bool, underflow: Underflow) -> None:
    """The function that every thread runs: it fills the first frame."""
    f = module.function("body", "void", BODY, "private")
    count = len(plan.inputs) + len(plan.outputs)
    table, arena = f.param("table"), f.advance(f.param("arena"), ir.index(HEADER))
    scratch = f.advance(arena, ir.index(_up(plan.shared_bytes)))
    if threads:
        each = ir.index(_up(scratch_bytes(plan, host)))
        scratch = f.advance(scratch, f.binary("mul", f.param("index"), each))
    frame = f.alloca(8 * (FIRST + count))
    constants = f.offset(table, "ptr", ir.index(count))
    numbers = [f.param(name) for name in ("index", "count", "barrier")] if threads else []
    for number, value in enumerate([constants, arena, f.param("arena"), scratch, *numbers]):
        f.store(value, f.offset(frame, "i64", ir.index(number)), 8)
    f.copy(f.offset(frame, "i64", ir.index(FIRST)), table, ir.index(8 * count))
    same: Same = {("input", i): ("output", o) for i, o in plan.in_place}
    writer = Writer(plan, host, threads, f, frame, same, underflow)
    writer.stands_around()
    writer.write()
    f.ret()


# --- kernels ------------------------------------------------------------------------------------------------


def write_map(writer: Writer, kernel: Map) -> None:
    """A loop over elements."""
    copied = kernel.copied()
    if copied is not None and copied[1].shape and not writer.divides:
        _copy(writer, writer.pointer(copied[1]), copied[1], writer.pointer(copied[0]), copied[0])
        return
    with writer.function("map") as inner:
        inner.covers(math.prod(kernel.shape))
        if not kernel.shape:
            inner.stands_around()
        nest = Nest(inner, kernel)
        if writer.threads and writer.better_alone(kernel, writer.ranges(*nest.touches())):
            nest.shared = None
        writer.touches(*nest.touches())
        if nest.shared is not None:
            nest.write()
        else:
            with inner.alone():
                nest.write()


def write_contract(writer: Writer, kernel: Contract) -> None:
    """A matrix product."""
    with writer.function("product") as inner:
        inner.stands_around()
        writer.touches(*writer.touches_of(kernel))
        write_product(inner, kernel)


def write_routine(writer: Writer, kernel: Routine) -> None:
    """A loop around code of the kernel's own, whose first axis threads divide among themselves."""
    with writer.function(kernel.name) as inner:
        writer.touches(*writer.touches_of(kernel))
        if kernel.is_shared:
            _write_places(inner, kernel, inner.share(kernel.shape[0], grain(kernel.shape[0])))
        else:
            with inner.alone():
                _write_places(inner, kernel, (ZERO, ir.index(kernel.shape[0] if kernel.shape else 1)))


def _routine_share(kernel: Routine) -> Callable[[Access], Footprint]:
    """Which part of a buffer a thread touches."""
    if not kernel.is_shared:
        return lambda access: ALONE

    def share(access: Access) -> Footprint:
        (stride, *inner), (count, *extents) = access.strides, access.shape
        others = zip(inner, extents, strict=True)
        return rows(stride, count, grain(count), access.offset, others, access.dtype.itemsize)

    return share


def _write_places(writer: Writer, kernel: Routine, part: tuple[ir.Value, ir.Value]) -> None:
    """Code for the places of a part of the first axis."""
    accesses = [*kernel.reads, *kernel.writes]
    pointers = [writer.pointer(access) for access in accesses]

    def code(writer: Writer, places: list[ir.Value]) -> None:
        kernel.code(writer, places, writer.slot(SCRATCH))

    writer.around(kernel.shape, accesses, pointers, code, part)


def write_repeat(writer: Writer, kernel: Repeat) -> None:
    """A scan as a loop around its body's kernels."""
    f = writer.f
    writer.meet()
    streams = [*kernel.inputs, *kernel.outputs]
    body = writer.frame_of(kernel.body, kernel.arena, streams)
    with f.loop(ZERO, ir.index(kernel.length), 1) as loop:
        i = loop.index
        if kernel.reverse:
            i = f.binary("sub", ir.index(kernel.length - 1), i)
        for history, current in kernel.histories:
            _copy(writer, writer.place(history, i), history.access, writer.pointer(current), current)
        if kernel.histories:
            writer.wait()
        writer.step(body, [s if s.step else None for s in streams], i)
        writer.run(body)
        _carry(writer, kernel.carries)


def write_choice(writer: Writer, kernel: Choice) -> None:
    """A cond as a branch."""
    f = writer.f
    writer.meet()
    labels = [f.new_label(hint) for hint in ("yes", "no", "after")]
    answer = f.load("i8", writer.pointer(kernel.predicate), 1)
    f.branch(f.compare("icmp ne", answer, ir.constant(0, "i8")), labels[0], labels[1])
    for label, plan, inputs in zip(labels, kernel.branches, kernel.inputs, strict=False):
        f.start(label)
        writer.run(writer.frame_of(plan, kernel.arena, [*inputs, *kernel.writes]))
        f.jump(labels[2])
    f.start(labels[2])
    writer.touches([(kernel.predicate, ANYWHERE)], [])


def write_while(writer: Writer, kernel: While) -> None:
    """A while_loop as a loop that tests at its head."""
    f = writer.f
    writer.meet()
    test = writer.frame_of(kernel.test, kernel.arena, [*kernel.test_inputs, Stream(kernel.answer, 0)])
    step = writer.frame_of(kernel.body, kernel.arena, [*kernel.inputs, *kernel.outputs])
    head, body, after = (f.new_label(hint) for hint in ("head", "body", "after"))
    f.jump(head)
    f.start(head)
    writer.run(test)
    answer = f.load("i8", writer.pointer(kernel.answer), 1)
    f.branch(f.compare("icmp ne", answer, ir.constant(0, "i8")), body, after)
    f.start(body)
    writer.run(step)
    _carry(writer, kernel.carries)
    writer.wait()
    f.jump(head)
    f.start(after)
    writer.touches([(kernel.answer, ANYWHERE)], [])


def _carry(writer: Writer, carries: Sequence[tuple[Access, Access]]) -> None:
    """Copy the new carries over the current ones."""
    for new, current in carries:
        _copy(writer, writer.pointer(current), current, writer.pointer(new), new)
    if carries:
        writer.wait()


def _copy(writer: Writer, target: ir.Value, to: Access, source: ir.Value, like: Access) -> None:
    """Copy an array within a round of a loop: at once where both stand alike in memory, else by a loop."""
    f = writer.f
    strides = to.strides[len(to.shape) - len(like.shape) :]
    with writer.alone():
        if strides == like.strides:
            size = int(np.prod(like.shape, dtype=np.int64)) * like.dtype.itemsize
            f.copy(target, source, ir.index(size))
        else:
            _copy_in_loop(writer, target, source, like, strides)


def _copy_in_loop(
    writer: Writer, target: ir.Value, source: ir.Value, like: Access, strides: tuple[int, ...]
) -> None:
    value = Var(type_for(like.shape, like.dtype))
    ends = [Buffer("input", like.dtype, like.buffer.size, k) for k in range(2)]
    read, written = (Access(b, like.shape, s) for b, s in zip(ends, (like.strides, strides), strict=True))
    frame = writer.f.alloca(8 * (FIRST + 2))
    for k, pointer in enumerate((source, target)):
        writer.f.store(pointer, writer.f.offset(frame, "i64", ir.index(FIRST + k)), 8)
    kernel = Map(0, like.shape, reads={value: read}, writes=[Write(value, written)])
    Nest(Writer(writer.plan, writer.host, False, writer.f, frame), kernel).write()


WRITERS: dict[type[Kernel], Callable[[Writer, Any], None]] = {
    Map: write_map,
    Contract: write_contract,
    Routine: write_routine,
    Repeat: write_repeat,
    Choice: write_choice,
    While: write_while,
}
