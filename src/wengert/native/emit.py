r"""Kernels to LLVM IR: one function for a plan, a nest of loops for each kernel.

Every thread of a team runs the same function with its index and takes its share of each kernel; a barrier stands only where a kernel
touches what another thread has touched since the last one. How a share is cut cannot be seen in the results.

.. math:: \text{share of thread } t \text{ of } T = \bigl[\lfloor U t / T\rfloor,\ \lfloor U (t+1) / T\rfloor\bigr)
          \quad\text{of } U \text{ units}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from wengert.native import ir, team
from wengert.native.host import Host
from wengert.native.kernels import (
    ALIGNMENT,
    Access,
    Buffer,
    Choice,
    Contract,
    Kernel,
    Map,
    Repeat,
    Stream,
    While,
    Write,
)
from wengert.native.nest import Nest
from wengert.native.plan import Plan
from wengert.native.products import write_product

ZERO = ir.index(0)
HEADER = 64  # bytes at the start of the arena: whether an index was out of bounds

Bases = dict[tuple[str, int], ir.Value]


class Team(NamedTuple):
    """The thread that runs the function: its index, how many there are, and where they meet."""

    index: ir.Value
    count: ir.Value
    barrier: ir.Value


class Touched(NamedTuple):
    """A range of memory and the part of it that a thread has touched since the last barrier."""

    key: tuple[str, int]
    low: int
    high: int
    footprint: tuple[int, ...] | None
    written: bool

    def conflicts(self, other: Touched) -> bool:
        """Whether one thread may need what another one writes."""
        if self.key != other.key or not (self.written or other.written):
            return False
        if self.high <= other.low or other.high <= self.low:
            return False
        return self.footprint is None or self.footprint != other.footprint


@dataclass
class Around:
    """What a writer shares with those of the bodies inside it."""

    host: Host
    team: Team | None
    arena: ir.Value
    scratch: ir.Value


class Writer:
    """Writes the kernels of a plan into a function. ``bases`` says where the plan's inputs, outputs and constants stand."""

    def __init__(
        self, plan: Plan, around: Around, f: ir.Function, bases: Bases, arena: ir.Value, same: dict[Any, Any]
    ) -> None:
        self.plan, self.around, self.f, self.bases, self.arena, self.same = plan, around, f, bases, arena, same
        self.host, self.team = around.host, around.team
        self.masks = self.host.vector_bytes >= 32
        self.touched: list[Touched] = []

    def write(self) -> None:
        """Write all kernels."""
        for kernel in self.plan.kernels:
            WRITERS[type(kernel)](self, kernel)

    # --- memory ---------------------------------------------------------------------------------------------

    def base(self, buffer: Buffer) -> ir.Value:
        """The address of a buffer."""
        if buffer.kind == "arena":
            return self.f.advance(self.arena, ir.index(buffer.offset)) if buffer.offset else self.arena
        return self.bases[buffer.kind, buffer.index]

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

    def inside(
        self, plan: Plan, inputs: Sequence[Stream], outputs: Sequence[Stream], arena: Access, i: ir.Value
    ) -> None:
        """Write the kernels of a body, whose inputs and outputs stand in this plan's memory."""
        bases = {key: value for key, value in self.bases.items() if key[0] == "constant"}
        for kind, streams in (("input", inputs), ("output", outputs)):
            bases |= {(kind, k): self.place(stream, i) for k, stream in enumerate(streams)}
        owners: dict[int, tuple[str, int]] = {}
        same = {}
        for kind, streams in (("input", inputs), ("output", outputs)):
            for k, stream in enumerate(streams):
                same[kind, k] = owners.setdefault(id(stream.access.buffer), (kind, k))
        body = Writer(plan, self.around, self.f, bases, self.pointer(arena), same)
        body.write()
        body.meet()

    # --- threads --------------------------------------------------------------------------------------------

    def share(self, extent: int, grain: int) -> tuple[ir.Value, ir.Value]:
        """This thread's part of a range, in multiples of a grain."""
        if self.team is None:
            return ZERO, ir.index(extent)
        f, units = self.f, -(-extent // grain)
        edges = []
        for index in (self.team.index, f.binary("add", self.team.index, ir.index(1))):
            unit = f.binary("sdiv", f.binary("mul", index, ir.index(units)), self.team.count)
            edges.append(f.intrinsic("smin", "i64", f.binary("mul", unit, ir.index(grain)), ir.index(extent)))
        return edges[0], edges[1]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Code that the first thread runs."""
        if self.team is None:
            yield
            return
        f = self.f
        first, after = f.new_label("first"), f.new_label("after")
        f.branch(f.compare("icmp eq", self.team.index, ZERO), first, after)
        f.start(first)
        yield
        f.jump(after)
        f.start(after)

    def meet(self) -> None:
        """Wait for all threads, if anything has been touched since the last time."""
        if self.team is not None and self.touched:
            self.f.call(team.barrier_function(self.f.module, self.host), "void", self.team.barrier, self.team.count)
        self.touched = []

    def touches(self, reads: Sequence[tuple[Access, Any]], writes: Sequence[tuple[Access, Any]]) -> None:
        """Note what a kernel reads and writes, with the part that each thread touches; meet before if need be."""
        if self.team is None:
            return
        new = [self._range(a, part, False) for a, part in reads] + [self._range(a, part, True) for a, part in writes]
        if any(old.conflicts(now) for old in self.touched for now in new):
            self.meet()
        self.touched += new

    def _range(self, access: Access, footprint: Any, written: bool) -> Touched:
        buffer = access.buffer
        if buffer.kind == "arena":
            return Touched(("arena", 0), buffer.offset, buffer.offset + buffer.nbytes, footprint, written)
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
        f.store(ir.index(1), self.around.arena, 8)
        f.jump(after)
        f.start(after)


# --- modules ------------------------------------------------------------------------------------------------


def write_module(plan: Plan, host: Host, name: str = "run", threads: bool = False) -> str:
    """A module with ``i64 run(ptr table, ptr arena)``: 0, or 1 where an index is out of bounds.

    The table holds the addresses of inputs, outputs and constants; the arena has `arena_bytes`.
    """
    module = ir.Module()
    _write_body(module, plan, host, threads)
    f = module.function(name, "i64", [("table", "ptr"), ("arena", "ptr")])
    f.store(ZERO, f.param("arena"), 8)
    if threads:
        body = ir.Value("@body", "ptr")
        f.call(team.RUN, "void", body, f.param("table"), f.param("arena"))
    else:
        f.call("body", "void", f.param("table"), f.param("arena"), ZERO, ir.index(1), ir.Value("null", "ptr"))
    f.ret(f.load("i64", f.param("arena"), 8))
    return str(module)


def arena_bytes(plan: Plan, host: Host, threads: int = 1) -> int:
    """Memory that a run needs: header, values, and for every thread the scratch memory of its products."""
    return HEADER + _up(plan.shared_bytes) + threads * _up(scratch_bytes(plan, host))


def scratch_bytes(plan: Plan, host: Host) -> int:
    """Memory that the products of one thread need."""
    from wengert.native.products import product_of

    own = [product_of(k, host).scratch_bytes for k in plan.kernels if isinstance(k, Contract)]
    inner = [scratch_bytes(body, host) for k in plan.kernels for body in k.bodies()]
    return max([0, *own, *inner])


def _up(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


BODY = [
    ("table", "ptr noalias readonly"),
    ("arena", "ptr noalias"),
    ("index", "i64"),
    ("count", "i64"),
    ("barrier", "ptr"),
]


def _write_body(module: ir.Module, plan: Plan, host: Host, threads: bool) -> None:
    """The function that every thread runs."""
    f = module.function("body", "void", BODY, "internal")
    counts = {"input": len(plan.inputs), "output": len(plan.outputs), "constant": len(plan.constants)}
    keys = [(kind, i) for kind, count in counts.items() for i in range(count)]
    bases: Bases = {}
    for slot, key in enumerate(keys):
        bases[key] = f.load("ptr", f.offset(f.param("table"), "ptr", ir.index(slot)), 8)
    members = Team(f.param("index"), f.param("count"), f.param("barrier")) if threads else None
    arena = f.advance(f.param("arena"), ir.index(HEADER))
    scratch = f.advance(arena, ir.index(_up(plan.shared_bytes)))
    if threads:
        each = ir.index(_up(scratch_bytes(plan, host)))
        scratch = f.advance(scratch, f.binary("mul", f.param("index"), each))
    Writer(plan, Around(host, members, f.param("arena"), scratch), f, bases, arena, {}).write()
    f.ret()


# --- kernels ------------------------------------------------------------------------------------------------


def write_map(writer: Writer, kernel: Map) -> None:
    """A loop over elements."""
    nest = Nest(writer, kernel)
    reads = [(a, nest.footprint(a)) for a in nest.accesses]
    written = {id(w.access) for part in (nest.main, *nest.epilogues) for w in part.writes}
    writer.touches(reads, [(a, nest.footprint(a)) for a in nest.accesses if id(a) in written])
    if nest.shared is not None:
        nest.write()
        return
    with writer.alone():
        nest.write()


def write_repeat(writer: Writer, kernel: Repeat) -> None:
    """A scan as a loop around its body's kernels."""
    f = writer.f
    writer.meet()
    with f.loop(ZERO, ir.index(kernel.length), 1) as loop:
        i = loop.index
        if kernel.reverse:
            i = f.binary("sub", ir.index(kernel.length - 1), i)
        for history, current in kernel.histories:
            _copy(writer, writer.place(history, i), history.access, writer.pointer(current), current)
        if kernel.histories:
            _wait(writer)
        writer.inside(kernel.body, kernel.inputs, kernel.outputs, kernel.arena, i)
        _carry(writer, kernel.carries)


def write_choice(writer: Writer, kernel: Choice) -> None:
    """A cond as a branch."""
    f = writer.f
    writer.meet()
    labels = [f.new_label(hint) for hint in ("yes", "no", "after")]
    answer = f.load("i8", writer.pointer(kernel.predicate), 1)
    f.branch(f.compare("icmp ne", answer, ir.constant(0, "i8")), labels[0], labels[1])
    for label, body, inputs in zip(labels, kernel.branches, kernel.inputs, strict=False):
        f.start(label)
        writer.inside(body, inputs, kernel.writes, kernel.arena, ZERO)
        f.jump(labels[2])
    f.start(labels[2])


def write_while(writer: Writer, kernel: While) -> None:
    """A while_loop as a loop that tests at its head."""
    f = writer.f
    writer.meet()
    head, body, after = (f.new_label(hint) for hint in ("head", "body", "after"))
    f.jump(head)
    f.start(head)
    writer.inside(kernel.test, kernel.test_inputs, [Stream(kernel.answer, 0)], kernel.arena, ZERO)
    answer = f.load("i8", writer.pointer(kernel.answer), 1)
    f.branch(f.compare("icmp ne", answer, ir.constant(0, "i8")), body, after)
    f.start(body)
    writer.inside(kernel.body, kernel.inputs, kernel.outputs, kernel.arena, ZERO)
    _carry(writer, kernel.carries)
    _wait(writer)
    f.jump(head)
    f.start(after)


def _carry(writer: Writer, carries: Sequence[tuple[Access, Access]]) -> None:
    """Copy the new carries over the current ones."""
    for new, current in carries:
        _copy(writer, writer.pointer(current), current, writer.pointer(new), new)
    if carries:
        _wait(writer)


def _wait(writer: Writer) -> None:
    """Meet, whatever has been noted."""
    if writer.team is not None:
        f = writer.f
        f.call(team.barrier_function(f.module, writer.host), "void", writer.team.barrier, writer.team.count)


def _copy(writer: Writer, target: ir.Value, to: Access, source: ir.Value, like: Access) -> None:
    """Copy an array within a round of a loop: at once where both stand alike in memory, else by a loop of its own."""
    f = writer.f
    strides = to.strides[len(to.shape) - len(like.shape) :]
    with writer.alone():
        if strides == like.strides:
            size = int(np.prod(like.shape, dtype=np.int64)) * like.dtype.itemsize
            name = "llvm.memcpy.p0.p0.i64"
            f.module.declare(name, "void", ["ptr", "ptr", "i64", "i1"])
            f.do(f"call void @{name}(ptr {target.name}, ptr {source.name}, i64 {size}, i1 false)")
            return
        _copy_in_loop(writer, target, source, like, strides)


def _copy_in_loop(
    writer: Writer, target: ir.Value, source: ir.Value, like: Access, strides: tuple[int, ...]
) -> None:
    from wengert.core.trace import Var, type_for

    value = Var(type_for(like.shape, like.dtype))
    ends = [Buffer(kind, like.dtype, like.buffer.size, 0) for kind in ("source", "target")]
    read, written = (Access(b, like.shape, s) for b, s in zip(ends, (like.strides, strides), strict=True))
    kernel = Map(0, like.shape, reads={value: read}, writes=[Write(value, written)])
    bases: Bases = {("source", 0): source, ("target", 0): target}
    alone = Around(writer.host, None, writer.around.arena, writer.around.scratch)
    Nest(Writer(writer.plan, alone, writer.f, bases, writer.arena, {}), kernel).write()


WRITERS: dict[type[Kernel], Callable[[Writer, Any], None]] = {
    Map: write_map,
    Contract: write_product,
    Repeat: write_repeat,
    Choice: write_choice,
    While: write_while,
}
