"""Kernels to LLVM IR: one function for a plan, a nest of loops for each kernel.

A nest runs the kept axes outside and the reduced axes inside; the last axis of the shape is cut into vectors. Ragged ends are
masked, so nothing outside an array is read or written, and there is one copy of the code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.core.trace import Atom, Equation, Literal, Type
from wengert.native import ir
from wengert.native.host import Host
from wengert.native.lanes import Lanes
from wengert.native.plan import (
    Access,
    Buffer,
    Choice,
    Contract,
    Map,
    Plan,
    Repeat,
    Stream,
    Unlowerable,
    While,
)

ZERO = ir.index(0)


@dataclass
class Axis:
    """One loop: how far, with which strides for each access, whether it is reduced, whether it is cut into vectors."""

    extent: int
    strides: list[int]
    reduced: bool
    lanes: int = 1


class Writer:
    """Writes the kernels of a plan into a function. ``bases`` says where the plan's inputs, outputs and constants stand."""

    def __init__(self, plan: Plan, host: Host, f: ir.Function, bases: Bases, arena: ir.Value) -> None:
        self.plan, self.host, self.f, self.bases, self.arena = plan, host, f, bases, arena

    def write(self) -> None:
        """Write all kernels."""
        for kernel in self.plan.kernels:
            _WRITERS[type(kernel)](self, kernel)

    def base(self, buffer: Buffer) -> ir.Value:
        """The address of a buffer."""
        if buffer.kind == "arena":
            return self.f.emit(f"getelementptr i8, ptr {self.arena.name}, i64 {buffer.offset}", "ptr")
        return self.bases[buffer.kind, buffer.index]

    def pointer(self, access: Access) -> ir.Value:
        """The address of the first element of an access."""
        base = self.base(access.buffer)
        return (
            self.f.offset(base, ir.type_name(access.dtype), ir.index(access.offset))
            if access.offset
            else base
        )

    def inside(
        self, plan: Plan, inputs: Sequence[Stream], outputs: Sequence[Stream], arena: Access, i: ir.Value
    ) -> None:
        """Write the kernels of a body, whose inputs and outputs stand in this plan's memory."""
        bases = {key: value for key, value in self.bases.items() if key[0] == "constant"}
        for kind, streams in (("input", inputs), ("output", outputs)):
            bases |= {(kind, k): self.place(stream, i) for k, stream in enumerate(streams)}
        Writer(plan, self.host, self.f, bases, self.pointer(arena)).write()

    def place(self, stream: Stream, i: ir.Value) -> ir.Value:
        """Where a stream stands in round i."""
        start = self.pointer(stream.access)
        if not stream.step:
            return start
        step = self.f.binary("mul", i, ir.index(stream.step))
        return self.f.offset(start, ir.type_name(stream.access.dtype), step)


Bases = dict[tuple[str, int], ir.Value]


def write_module(plan: Plan, host: Host, name: str = "run") -> str:
    """A module with the function of a plan: ``i64 run(pointers, arena)``, pointers to inputs, outputs and constants."""
    module = ir.Module()
    f = module.function(name, "i64", [("table", "ptr noalias readonly"), ("arena", "ptr noalias")])
    counts = {"input": len(plan.inputs), "output": len(plan.outputs), "constant": len(plan.constants)}
    keys = [(kind, i) for kind, count in counts.items() for i in range(count)]
    bases: Bases = {}
    for slot, key in enumerate(keys):
        bases[key] = f.load("ptr", f.offset(f.param("table"), "ptr", ir.index(slot)), 8)
    Writer(plan, host, f, bases, f.param("arena")).write()
    f.ret(ZERO)
    return str(module)


def write_map(writer: Writer, kernel: Map) -> None:
    """A loop over elements."""
    Nest(writer, kernel).write()


def write_repeat(writer: Writer, kernel: Repeat) -> None:
    """A scan as a loop around its body's kernels."""
    f = writer.f
    with f.loop(ZERO, ir.index(kernel.length), 1) as loop:
        i = loop.index
        if kernel.reverse:
            i = f.binary("sub", ir.index(kernel.length - 1), i)
        for (_, current), history in zip(kernel.carries, kernel.histories, strict=False):
            copy(f, writer.place(history, i), writer.pointer(current), current)
        writer.inside(kernel.body, kernel.inputs, kernel.outputs, kernel.arena, i)
        for new, current in kernel.carries:
            copy(f, writer.pointer(current), writer.pointer(new), current)


def write_choice(writer: Writer, kernel: Choice) -> None:
    """A cond as a branch."""
    f = writer.f
    labels = [f.new_label(hint) for hint in ("yes", "no", "after")]
    answer = f.load("i8", writer.pointer(kernel.predicate), 1)
    f.branch(f.compare("icmp ne", answer, ir.constant(0, "i8")), labels[0], labels[1])
    for label, body, inputs in zip(labels, kernel.bodies, kernel.inputs, strict=False):
        f.start(label)
        writer.inside(body, inputs, kernel.outputs, kernel.arena, ZERO)
        f.jump(labels[2])
    f.start(labels[2])


def write_while(writer: Writer, kernel: While) -> None:
    """A while_loop as a loop that tests at its head."""
    f = writer.f
    head, body, after = (f.new_label(hint) for hint in ("head", "body", "after"))
    f.jump(head)
    f.start(head)
    writer.inside(kernel.test, kernel.test_inputs, [Stream(kernel.answer, 0)], kernel.arena, ZERO)
    answer = f.load("i8", writer.pointer(kernel.answer), 1)
    f.branch(f.compare("icmp ne", answer, ir.constant(0, "i8")), body, after)
    f.start(body)
    writer.inside(kernel.body, kernel.inputs, kernel.outputs, kernel.arena, ZERO)
    for new, current in kernel.carries:
        copy(f, writer.pointer(current), writer.pointer(new), current)
    f.jump(head)
    f.start(after)


def copy(f: ir.Function, target: ir.Value, source: ir.Value, like: Access) -> None:
    """Copy a row-major array."""
    size = int(np.prod(like.shape, dtype=np.int64)) * like.dtype.itemsize
    name = "llvm.memcpy.p0.p0.i64"
    f.module.declare(name, "void", ["ptr", "ptr", "i64", "i1"])
    f.do(f"call void @{name}(ptr {target.name}, ptr {source.name}, i64 {size}, i1 false)")


class Nest:
    """The loops of a map kernel."""

    def __init__(self, writer: Writer, kernel: Map) -> None:
        self.writer, self.kernel, self.f = writer, kernel, writer.f
        self.accesses = [
            *kernel.reads.values(),
            *(a for _, a in kernel.writes),
            *(a for pair in kernel.moves for a in pair),
        ]
        self.bases = {id(a): writer.base(a.buffer) for a in self.accesses}
        self.axes = _order(_merged(kernel.shape, self.accesses, kernel.reduced))
        self.lanes = self._choose_lanes()
        self.position: dict[int, list[ir.Value]] = {}
        self.mask: ir.Value | None = None

    def _choose_lanes(self) -> int:
        """As many as the widest type allows, and no more than the last axis has use for."""
        axis = next((a for a in self.axes if a.lanes), None)
        if axis is None:
            return 1
        types = [np.dtype(a.dtype) for a in self.accesses]
        types += [v.type.dtype for e in self.kernel.equations for v in e.outputs if v.type.dtype.kind == "f"]
        widest = max(t.itemsize for t in types)
        lanes = max(1, self.writer.host.vector_bytes // widest)
        while lanes // 2 >= max(axis.extent, 1):
            lanes //= 2
        axis.lanes = lanes
        return lanes

    # --- loops --------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Write the whole nest."""
        if 0 in self.kernel.shape:
            return
        self._kept(0, [ZERO for _ in self.accesses])

    def _kept(self, level: int, offsets: list[ir.Value]) -> None:
        if level < len(self.axes) and not self.axes[level].reduced:
            with self._loop(self.axes[level], offsets) as (_, inner):
                self._kept(level + 1, inner)
            return
        values = self._reduced(level, offsets, [self._identity(e) for e in self.kernel.reductions])
        self._store_reductions(values, offsets)

    def _reduced(self, level: int, offsets: list[ir.Value], state: list[ir.Value]) -> list[ir.Value]:
        if level == len(self.axes):
            return self._body(offsets, state)
        with self._loop(self.axes[level], offsets, state) as (loop, inner):
            loop.next = self._reduced(level + 1, inner, list(loop.first))
        return loop.state

    def _loop(self, axis: Axis, offsets: list[ir.Value], carried: Sequence[ir.Value] = ()) -> Any:
        return _Stepped(self, axis, offsets, carried)

    def _body(self, offsets: list[ir.Value], state: list[ir.Value]) -> list[ir.Value]:
        values = Values(self, offsets)
        for source, target in self.kernel.moves:
            self.put(target, offsets, convert(self.f, self.get(source, offsets), source.dtype, target.dtype))
        for equation in self.kernel.equations:
            values.compute(equation)
        for atom, access in self.kernel.writes:
            if not any(atom in e.outputs for e in self.kernel.reductions):
                self.put(access, offsets, values.read(atom, atom.type.dtype))
        return [self._accumulate(e, s, values) for e, s in zip(self.kernel.reductions, state, strict=True)]

    # --- memory -------------------------------------------------------------------------------------------------------

    def _address(self, access: Access, offsets: list[ir.Value]) -> ir.Value:
        i = next(i for i, a in enumerate(self.accesses) if a is access)
        start = self.f.offset(self.bases[id(access)], ir.type_name(access.dtype), ir.index(access.offset))
        return self.f.offset(start, ir.type_name(access.dtype), offsets[i])

    def _stride(self, access: Access) -> int:
        """The step from lane to lane."""
        axis = next((a for a in self.axes if a.lanes > 1), None)
        i = next(i for i, a in enumerate(self.accesses) if a is access)
        return axis.strides[i] if axis is not None else 0

    def get(self, access: Access, offsets: list[ir.Value]) -> ir.Value:
        """Read one vector."""
        element, pointer, stride = (
            ir.type_name(access.dtype),
            self._address(access, offsets),
            self._stride(access),
        )
        if self.lanes == 1 or stride == 0:
            one = self.f.load(element, pointer, access.dtype.itemsize)
            found = self.f.splat(one, self.lanes)
        elif stride == 1:
            found = self._load_vector(element, pointer, access.dtype.itemsize)
        else:
            found = self._gather(element, pointer, stride, access.dtype.itemsize)
        return as_register(self.f, found, access.dtype)

    def _load_vector(self, element: str, pointer: ir.Value, align: int) -> ir.Value:
        type = ir.vector(element, self.lanes)
        if self.mask is None:
            return self.f.load(type, pointer, align)
        return masked_load(self.f, type, pointer, self.mask, align)

    def _gather(self, element: str, pointer: ir.Value, stride: int, align: int) -> ir.Value:
        type = ir.vector(element, self.lanes)
        pointers = self._lane_pointers(element, pointer, stride)
        name = f"llvm.masked.gather.{_suffix(type)}.v{self.lanes}p0"
        mask = self.mask or ir.constant(True, ir.vector("i1", self.lanes))
        nothing = ir.constant(0, type)
        self.f.module.declare(name, type, [pointers.type, mask.type, type])
        given = (
            f"{pointers.type} align {align} {pointers.name}, {mask.type} {mask.name}, {type} {nothing.name}"
        )
        return self.f.emit(f"call {type} @{name}({given})", type)

    def _lane_pointers(self, element: str, pointer: ir.Value, stride: int) -> ir.Value:
        steps = "<" + ", ".join(f"i64 {stride * lane}" for lane in range(self.lanes)) + ">"
        many = ir.vector("ptr", self.lanes)
        return self.f.emit(f"getelementptr {element}, ptr {pointer.name}, <{self.lanes} x i64> {steps}", many)

    def put(self, access: Access, offsets: list[ir.Value], value: ir.Value) -> None:
        """Write one vector."""
        value = as_memory(self.f, value, access.dtype)
        element, pointer, stride = (
            ir.type_name(access.dtype),
            self._address(access, offsets),
            self._stride(access),
        )
        if self.lanes == 1:
            self.f.store(value, pointer, access.dtype.itemsize)
        elif stride == 1 and self.mask is None:
            self.f.store(value, pointer, access.dtype.itemsize)
        elif stride == 1:
            masked_store(self.f, value, pointer, self.mask, access.dtype.itemsize)
        else:
            self._scatter(value, element, pointer, stride, access.dtype.itemsize)

    def _scatter(self, value: ir.Value, element: str, pointer: ir.Value, stride: int, align: int) -> None:
        pointers = self._lane_pointers(element, pointer, stride)
        mask = self.mask or ir.constant(True, ir.vector("i1", self.lanes))
        name = f"llvm.masked.scatter.{_suffix(value.type)}.v{self.lanes}p0"
        self.f.module.declare(name, "void", [value.type, pointers.type, mask.type])
        given = f"{value.type} {value.name}, {pointers.type} align {align} {pointers.name}, {mask.type} {mask.name}"
        self.f.do(f"call void @{name}({given})")

    # --- reductions ---------------------------------------------------------------------------------------------------

    def _identity(self, equation: Equation) -> ir.Value:
        dtype = equation.outputs[0].type.dtype
        value = _IDENTITY[equation.primitive.name](dtype)
        return ir.constant(value, ir.vector(_register(dtype), self.lanes))

    def _accumulate(self, equation: Equation, state: ir.Value, values: Values) -> ir.Value:
        dtype = equation.outputs[0].type.dtype
        value = values.read(equation.inputs[0], dtype)
        vector_is_reduced = any(a.lanes > 1 and a.reduced for a in self.axes)
        if self.mask is not None and vector_is_reduced:
            value = self.f.select(self.mask, value, self._identity(equation))
        return self._combine(equation, state, value, self.lanes)

    def _combine(self, equation: Equation, a: ir.Value, b: ir.Value, lanes: int) -> ir.Value:
        s = Lanes(self.f, equation.outputs[0].type.dtype, lanes, self.writer.host)
        return operation(s, _COMBINE[equation.primitive.name])(a, b)

    def _store_reductions(self, values: list[ir.Value], offsets: list[ir.Value]) -> None:
        for equation, value in zip(self.kernel.reductions, values, strict=True):
            access = next(a for atom, a in self.kernel.writes if atom is equation.outputs[0])
            axis = next((a for a in self.axes if a.lanes > 1), None)
            if axis is not None and axis.reduced:
                one = self._across(equation, value)
                pointer = self._address(access, offsets)
                self.f.store(as_memory(self.f, one, access.dtype), pointer, access.dtype.itemsize)
            else:
                self.put(access, offsets, value)

    def _across(self, equation: Equation, value: ir.Value) -> ir.Value:
        """Combine the lanes, halves with halves."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            low = self.f.shuffle(value, value, range(lanes))
            high = self.f.shuffle(value, value, range(lanes, 2 * lanes))
            if lanes == 1:
                low, high = self.f.extract(low, 0), self.f.extract(high, 0)
            value = self._combine(equation, low, high, lanes)
        return value


class _Stepped:
    """A loop of a nest as a context: moves every access along, and masks the ragged end."""

    def __init__(self, nest: Nest, axis: Axis, offsets: list[ir.Value], carried: Sequence[ir.Value]) -> None:
        self.nest, self.axis, self.offsets = nest, axis, offsets
        self.context = nest.f.loop(ZERO, ir.index(axis.extent), max(axis.lanes, 1), carried)

    def __enter__(self) -> tuple[ir.Loop, list[ir.Value]]:
        self.loop = self.context.__enter__()
        if self.axis.lanes > 1 and self.axis.extent % self.axis.lanes:
            self.nest.mask = _inside(self.nest.f, self.loop.index, self.axis)
        moved = [
            self._moved(offset, stride)
            for offset, stride in zip(self.offsets, self.axis.strides, strict=True)
        ]
        return self.loop, moved

    def _moved(self, offset: ir.Value, stride: int) -> ir.Value:
        if stride == 0:
            return offset
        f = self.nest.f
        step = self.loop.index if stride == 1 else f.binary("mul", self.loop.index, ir.index(stride))
        return step if offset is ZERO else f.binary("add", offset, step)

    def __exit__(self, *error: Any) -> None:
        self.context.__exit__(*error)


def _inside(f: ir.Function, index: ir.Value, axis: Axis) -> ir.Value:
    lanes = axis.lanes
    ramp = "<" + ", ".join(f"i64 {i}" for i in range(lanes)) + ">"
    place = f.binary("add", f.splat(index, lanes), ir.Value(ramp, ir.vector("i64", lanes)))
    return f.compare("icmp slt", place, ir.constant(axis.extent, ir.vector("i64", lanes)))


class Values:
    """What a loop body has computed or read."""

    def __init__(self, nest: Nest, offsets: list[ir.Value]) -> None:
        self.nest, self.offsets, self.known = nest, offsets, {}  # type: ignore[var-annotated]

    def read(self, atom: Atom, dtype: np.dtype[Any]) -> ir.Value:
        """An operand in the dtype that an equation works in."""
        f, lanes = self.nest.f, self.nest.lanes
        if isinstance(atom, Literal) and not atom.type.shape:
            return ir.constant(np.asarray(atom.value).astype(dtype)[()], ir.vector(_register(dtype), lanes))
        if atom not in self.known:
            self.known[atom] = self.nest.get(self.nest.kernel.reads[atom], self.offsets)
        return convert(f, self.known[atom], atom.type.dtype, dtype)

    def compute(self, equation: Equation) -> None:
        """Evaluate an elementwise equation."""
        found = element(self, equation, equation.outputs[0].type)
        vectors = found if equation.primitive.multiple else (found,)
        self.known.update(zip(equation.outputs, vectors, strict=True))


def element(values: Values, equation: Equation, type: Type) -> Any:
    """The vector that an elementwise equation computes; several for one of several outputs."""
    name, inputs, nest = equation.primitive.name, equation.inputs, values.nest
    if name in ("convert", "discretise", "item", "stop_gradient", "variable", "positive"):
        return values.read(inputs[0], type.dtype)
    if name == "where":
        mask = values.read(inputs[0], np.dtype(bool))
        return nest.f.select(mask, values.read(inputs[1], type.dtype), values.read(inputs[2], type.dtype))
    working = type.dtype if type.dtype.kind != "b" else _common([a.type for a in inputs])
    s = Lanes(nest.f, working, nest.lanes, nest.writer.host)
    if name == "integer_power":
        return integer_power(s, values.read(inputs[0], working), equation.params["exponent"])
    return operation(s, name)(*[values.read(a, working) for a in inputs], **equation.params)


def operation(s: Lanes, name: str) -> Callable[..., ir.Value]:
    """The native form of an elementwise operation."""
    rule = getattr(s, name, None)
    if rule is None:
        raise Unlowerable(name)
    return rule  # type: ignore[no-any-return]


def integer_power(s: Lanes, x: ir.Value, n: int) -> ir.Value:
    """x to a whole power by repeated squaring."""
    if n < 0:
        return operation(s, "divide")(s.constant(1), integer_power(s, x, -n))
    result = None
    while n:
        if n & 1:
            result = x if result is None else s.multiply(result, x)
        n >>= 1
        if n:
            x = s.multiply(x, x)
    return result if result is not None else s.constant(1)


def _common(types: Sequence[Type]) -> np.dtype[Any]:
    strong = [t.dtype for t in types if not t.weak]
    found = np.result_type(*(strong or [t.dtype for t in types]))
    return np.dtype(found)


# --- registers and memory ---------------------------------------------------------------------------------------------


def _register(dtype: np.dtype[Any]) -> str:
    """The LLVM type of a number in a register: booleans are single bits."""
    return "i1" if dtype.kind == "b" else ir.type_name(dtype)


def as_register(f: ir.Function, value: ir.Value, dtype: np.dtype[Any]) -> ir.Value:
    """Memory's bytes to bits, for booleans."""
    return f.compare("icmp ne", value, ir.constant(0, value.type)) if dtype.kind == "b" else value


def as_memory(f: ir.Function, value: ir.Value, dtype: np.dtype[Any]) -> ir.Value:
    """Bits to bytes, for booleans."""
    return f.cast("zext", value, ir.vector("i8", ir.lanes_of(value.type))) if dtype.kind == "b" else value


def convert(f: ir.Function, value: ir.Value, source: np.dtype[Any], target: np.dtype[Any]) -> ir.Value:
    """A number in another dtype, as NumPy's ``astype``."""
    if source == target:
        return value
    type = ir.vector(_register(target), ir.lanes_of(value.type))
    if target.kind == "b":
        op = "fcmp une" if source.kind == "f" else "icmp ne"
        return f.compare(op, value, ir.constant(0, value.type))
    return f.cast(_cast(source, target), value, type) if _cast(source, target) else value


def _cast(source: np.dtype[Any], target: np.dtype[Any]) -> str:
    kinds = source.kind + target.kind
    if kinds in ("bf", "uf"):
        return "uitofp"
    if kinds == "if":
        return "sitofp"
    if kinds in ("fi", "fu"):
        return "fptosi" if target.kind == "i" else "fptoui"
    if kinds == "ff":
        return "fpext" if target.itemsize > source.itemsize else "fptrunc"
    if source.kind == "b" or (source.kind == "u" and target.itemsize > source.itemsize):
        return "zext"
    return (
        "sext" if target.itemsize > source.itemsize else "trunc" if target.itemsize < source.itemsize else ""
    )


def masked_load(f: ir.Function, type: str, pointer: ir.Value, mask: ir.Value, align: int) -> ir.Value:
    """A vector of which only the lanes in the mask are read; the others are 0."""
    name = f"llvm.masked.load.{_suffix(type)}.p0"
    f.module.declare(name, type, ["ptr", mask.type, type])
    given = f"ptr align {align} {pointer.name}, {mask.type} {mask.name}, {type} {ir.constant(0, type).name}"
    return f.emit(f"call {type} @{name}({given})", type)


def masked_store(
    f: ir.Function, value: ir.Value, pointer: ir.Value, mask: ir.Value | None, align: int
) -> None:
    """Write only the lanes in the mask."""
    assert mask is not None
    name = f"llvm.masked.store.{_suffix(value.type)}.p0"
    f.module.declare(name, "void", [value.type, "ptr", mask.type])
    f.do(
        f"call void @{name}({value.type} {value.name}, ptr align {align} {pointer.name}, {mask.type} {mask.name})"
    )


_suffix = ir._suffix

# --- shapes of loops --------------------------------------------------------------------------------------------------


def _merged(shape: Sequence[int], accesses: Sequence[Access], reduced: Sequence[int]) -> list[Axis]:
    """The axes of a loop nest; neighbours that every access walks through as one are one."""
    n = len(shape)
    axes: list[Axis] = []
    for i, extent in enumerate(shape):
        if extent == 1:
            continue
        axis = Axis(extent, [a.strides[i] for a in accesses], i - n in reduced)
        before = axes[-1] if axes else None
        if before is not None and before.reduced == axis.reduced and _walks_on(before, axis):
            axes[-1] = Axis(before.extent * extent, axis.strides, axis.reduced)
        else:
            axes.append(axis)
    if axes:
        axes[-1].lanes = 2
        for axis in axes[:-1]:
            axis.lanes = 0
    return axes


def _walks_on(outer: Axis, inner: Axis) -> bool:
    return all(a == b * inner.extent for a, b in zip(outer.strides, inner.strides, strict=True))


def _order(axes: list[Axis]) -> list[Axis]:
    """Kept axes outside, reduced axes inside; otherwise as they come."""
    return [a for a in axes if not a.reduced] + [a for a in axes if a.reduced]


def _least(dtype: np.dtype[Any]) -> Any:
    return -np.inf if dtype.kind == "f" else False if dtype.kind == "b" else np.iinfo(dtype).min


def _most(dtype: np.dtype[Any]) -> Any:
    return np.inf if dtype.kind == "f" else True if dtype.kind == "b" else np.iinfo(dtype).max


_IDENTITY = {
    "sum": lambda t: 0,
    "prod": lambda t: 1,
    "max": _least,
    "min": _most,
    "any": lambda t: 0,
    "all": lambda t: 1,
}
_COMBINE = {
    "sum": "add",
    "prod": "multiply",
    "max": "maximum",
    "min": "minimum",
    "any": "logical_or",
    "all": "logical_and",
}


# --- products ---------------------------------------------------------------------------------------------------------


def write_product(writer: Writer, kernel: Contract) -> None:
    """A matrix product over leading axes, by the generated product of `native.matmul`."""
    raise Unlowerable("matmul")


_WRITERS: dict[type, Callable[[Writer, Any], None]] = {
    Map: write_map,
    Contract: write_product,
    Repeat: write_repeat,
    Choice: write_choice,
    While: write_while,
}
