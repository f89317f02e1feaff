"""A small writer of LLVM IR: a function is a list of lines, a value a name with a type.

Plain text is written at once, because building instruction objects would take longer than LLVM takes to
compile them. Types are LLVM's own spellings: ``float``, ``<16 x float>``, ``i64``, ``ptr``.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import numpy as np


class Value(NamedTuple):
    """An SSA value or constant: how it is written, and its type."""

    name: str
    type: str


_TYPES = {
    "f4": "float", "f8": "double", "b1": "i8",
    "i1": "i8", "i2": "i16", "i4": "i32", "i8": "i64",
    "u1": "i8", "u2": "i16", "u4": "i32", "u8": "i64",
}  # fmt: skip


@cache
def type_name(dtype: Any) -> str:
    """LLVM's type of one number of a dtype as it lies in memory; booleans are bytes."""
    dtype = np.dtype(dtype)
    return _TYPES[f"{dtype.kind}{dtype.itemsize}"]


@cache
def vector(element: str, lanes: int) -> str:
    """A vector type; one lane is a plain number."""
    return element if lanes == 1 else f"<{lanes} x {element}>"


@cache
def element_of(type: str) -> str:
    """The element type of a vector type."""
    return type.partition(" x ")[2][:-1] if type.startswith("<") else type


@cache
def lanes_of(type: str) -> int:
    """How many lanes a type has."""
    return int(type[1:].partition(" ")[0]) if type.startswith("<") else 1


def number(value: Any, element: str) -> str:
    """A constant as LLVM writes it; floating-point numbers by their bits."""
    if element == "double":
        return f"0x{struct.pack('>d', float(value)).hex().upper()}"
    if element == "float":
        return f"0x{struct.pack('>d', float(np.float32(value))).hex().upper()}"
    return str(int(value)) if element != "i1" else ("true" if value else "false")


def constant(value: Any, type: str) -> Value:
    """A number, or a vector with the number in every lane."""
    element, lanes = element_of(type), lanes_of(type)
    text = number(value, element)
    if lanes == 1:
        return Value(text, type)
    return Value(f"splat ({element} {text})", type)


class Module:
    """Functions, and the declarations they need."""

    def __init__(self) -> None:
        self.functions: list[Function] = []
        self.names: set[str] = set()
        self.declared: dict[str, str] = {}
        self.globals: list[str] = []

    def function(
        self, name: str, result: str, params: Sequence[tuple[str, str]], linkage: str = ""
    ) -> Function:
        """A new function; ``params`` are (name, type with attributes)."""
        function = Function(self, name, result, params, linkage)
        self.functions.append(function)
        self.names.add(name)
        return function

    def declare(self, name: str, result: str, params: Sequence[str]) -> None:
        """Declare an external function or intrinsic."""
        self.declared[name] = f"declare {result} @{name}({', '.join(params)})"

    def __str__(self) -> str:
        return "\n\n".join([*self.globals, *self.declared.values(), *map(str, self.functions)])


class Function:
    """A function while it is being written."""

    def __init__(
        self, module: Module, name: str, result: str, params: Sequence[tuple[str, str]], linkage: str = ""
    ) -> None:
        self.module = module
        self.name = name
        self.result = result
        self.header = f"define {linkage + ' ' if linkage else ''}{result} @{name}"
        self.params = params
        self.lines: list[str] = []
        self.memory: list[str] = []
        self.attributes = "nounwind"
        self._count = 0
        self.label = "entry"
        self.counted_plainly = False  # see `loop`
        self._types = {name: type.split()[0] for name, type in params}
        # Instructions without effects by their text: of the first block, which is before all others, and
        # of this one.
        self._first: dict[str, Value] = {}
        self._known = self._first

    def param(self, name: str) -> Value:
        """A parameter as a value."""
        return Value(f"%{name}", self._types[name])

    def __str__(self) -> str:
        params = ", ".join(f"{type} %{name}" for name, type in self.params)
        return (
            f"{self.header}({params}) {self.attributes} {{\nentry:\n"
            + "\n".join([*self.memory, *self.lines])
            + "\n}"
        )

    # --- instructions ---------------------------------------------------------------------------------------

    def emit(self, text: str, type: str) -> Value:
        """An instruction with a result."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {text}")
        return Value(name, type)

    def pure(self, text: str, type: str) -> Value:
        """An instruction whose result depends on its operands alone: written once."""
        found = self._known.get(text) or self._first.get(text)
        if found is None:
            found = self._known[text] = self.emit(text, type)
        return found

    def do(self, text: str) -> None:
        """An instruction without a result."""
        self.lines.append(f"  {text}")

    def binary(self, op: str, a: Value, b: Value) -> Value:
        """``fadd``, ``fmul``, ``add``, ``and``, ``shl``, ... of two values of one type."""
        if a.type == "i64":
            folded = _folded(op, a, b)
            if folded is not None:
                return folded
        return self.pure(f"{op} {a.type} {a.name}, {b.name}", a.type)

    def unary(self, op: str, a: Value) -> Value:
        """``fneg``."""
        return self.pure(f"{op} {a.type} {a.name}", a.type)

    def compare(self, op: str, a: Value, b: Value) -> Value:
        """``fcmp olt``, ``icmp eq``, ...: a boolean in every lane."""
        return self.pure(f"{op} {a.type} {a.name}, {b.name}", vector("i1", lanes_of(a.type)))

    def select(self, mask: Value, a: Value, b: Value) -> Value:
        """Lanes of a where the mask is set, of b elsewhere."""
        return self.pure(f"select {mask.type} {mask.name}, {a.type} {a.name}, {b.type} {b.name}", a.type)

    def cast(self, op: str, a: Value, type: str) -> Value:
        """``bitcast``, ``sitofp``, ``fptosi``, ``zext``, ``trunc``, ``fpext``, ``fptrunc``, ..."""
        return self.pure(f"{op} {a.type} {a.name} to {type}", type)

    def intrinsic(self, name: str, type: str, *args: Value) -> Value:
        """``llvm.<name>.<suffix>`` overloaded on the result type."""
        full = f"llvm.{name}.{_suffix(type)}"
        return self.call(full, type, *args)

    def call(self, name: str, type: str, *args: Value) -> Value:
        """Call a declared or intrinsic function, declaring it if need be."""
        if name not in self.module.declared and name not in self.module.names:
            self.module.declare(name, type, [a.type for a in args])
        given = ", ".join(f"{a.type} {a.name}" for a in args)
        if type == "void":
            self.do(f"call void @{name}({given})")
            return Value("", "void")
        return self.emit(f"call {type} @{name}({given})", type)

    def alloca(self, nbytes: int) -> Value:
        """Memory of the function's own, whose place is made at its start."""
        self._count += 1
        name = f"%v{self._count}"
        self.memory.append(f"  {name} = alloca [{nbytes} x i8], align 16")
        return Value(name, "ptr")

    # --- memory ---------------------------------------------------------------------------------------------

    def offset(self, pointer: Value, element: str, index: Value) -> Value:
        """The address of ``pointer[index]``; for a vector of indices one address a lane."""
        if index.name == "0":
            return pointer
        type = vector("ptr", lanes_of(index.type))
        return self.pure(f"getelementptr {element}, ptr {pointer.name}, {index.type} {index.name}", type)

    def load(self, type: str, pointer: Value, align: int = 1) -> Value:
        """Read a number or vector."""
        return self.emit(f"load {type}, ptr {pointer.name}, align {align}", type)

    def store(self, value: Value, pointer: Value, align: int = 1) -> None:
        """Write a number or vector."""
        self.do(f"store {value.type} {value.name}, ptr {pointer.name}, align {align}")

    def copy(self, target: Value, source: Value, nbytes: Value) -> None:
        """Copy so many bytes, which do not overlap."""
        name = "llvm.memcpy.p0.p0.i64"
        self.module.declare(name, "void", ["ptr", "ptr", "i64", "i1"])
        self.do(f"call void @{name}(ptr {target.name}, ptr {source.name}, i64 {nbytes.name}, i1 false)")

    def advance(self, pointer: Value, *distances: Value) -> Value:
        """The address so many bytes further on."""
        for distance in distances:
            pointer = self.offset(pointer, "i8", distance)
        return pointer

    def masked_load(self, type: str, pointer: Value, mask: Value, align: int = 1) -> Value:
        """Read the lanes whose mask is set; the others are zero and their memory is not touched."""
        zero = Value("zeroinitializer", type)
        return self.call(
            f"llvm.masked.load.{_suffix(type)}.p0", type, pointer, Value(str(align), "i32"), mask, zero
        )

    def masked_store(self, value: Value, pointer: Value, mask: Value, align: int = 1) -> None:
        """Write the lanes whose mask is set; the memory of the others is not touched."""
        name = f"llvm.masked.store.{_suffix(value.type)}.p0"
        self.call(name, "void", value, pointer, Value(str(align), "i32"), mask)

    def gather(self, type: str, pointers: Value, mask: Value, align: int = 1) -> Value:
        """Read lanes from anywhere; those whose mask is not set are zero and their memory is not touched."""
        name = f"llvm.masked.gather.{_suffix(type)}.v{lanes_of(type)}p0"
        zero = Value("zeroinitializer", type)
        return self.call(name, type, pointers, Value(str(align), "i32"), mask, zero)

    def scatter(self, value: Value, pointers: Value, mask: Value, align: int = 1) -> None:
        """Write the lanes whose mask is set, anywhere."""
        name = f"llvm.masked.scatter.{_suffix(value.type)}.v{lanes_of(value.type)}p0"
        self.call(name, "void", value, pointers, Value(str(align), "i32"), mask)

    # --- vectors --------------------------------------------------------------------------------------------

    def first_lanes(self, count: Value, lanes: int, bits: int = 32) -> Value:
        """A mask of the lanes below a count (an i64), compared as integers of so many bits."""
        type = vector(f"i{bits}", lanes)
        limit = self.splat(count if bits == 64 else self.cast("trunc", count, f"i{bits}"), lanes)
        numbers = "<" + ", ".join(f"i{bits} {lane}" for lane in range(lanes)) + ">" if lanes > 1 else "0"
        return self.compare("icmp ult", Value(numbers, type), limit)

    def splat(self, a: Value, lanes: int) -> Value:
        """A number in every lane."""
        if lanes == 1:
            return a
        type = vector(a.type, lanes)
        one = self.pure(f"insertelement {type} poison, {a.type} {a.name}, i64 0", type)
        return self.pure(
            f"shufflevector {type} {one.name}, {type} poison, <{lanes} x i32> zeroinitializer", type
        )

    def shuffle(self, a: Value, b: Value, picks: Sequence[int]) -> Value:
        """Lanes picked from a and b."""
        element = element_of(a.type)
        mask = "<" + ", ".join(f"i32 {i}" for i in picks) + ">"
        text = f"shufflevector {a.type} {a.name}, {b.type} {b.name}, <{len(picks)} x i32> {mask}"
        return self.pure(text, f"<{len(picks)} x {element}>")

    def extract(self, a: Value, lane: int) -> Value:
        """One lane."""
        return self.pure(f"extractelement {a.type} {a.name}, i64 {lane}", element_of(a.type))

    # --- control --------------------------------------------------------------------------------------------

    def new_label(self, hint: str = "b") -> str:
        """A label that is not taken."""
        self._count += 1
        return f"{hint}{self._count}"

    def start(self, label: str) -> None:
        """Begin a block."""
        self.lines.append(f"{label}:")
        self.label = label
        self._known = {}

    def jump(self, label: str) -> None:
        """Go to a block."""
        self.do(f"br label %{label}")

    def branch(self, condition: Value, yes: str, no: str) -> None:
        """Go to one block or the other."""
        self.do(f"br i1 {condition.name}, label %{yes}, label %{no}")

    def phi(self, type: str, *sources: tuple[str, str]) -> Value:
        """A value by where control came from: (value name, label) pairs."""
        return self.emit(f"phi {type} " + ", ".join(f"[ {v}, %{label} ]" for v, label in sources), type)

    def ret(self, value: Value | None = None) -> None:
        """Return."""
        self.do("ret void" if value is None else f"ret {value.type} {value.name}")

    @contextmanager
    def loop(self, begin: Value, end: Value, step: int, carried: Sequence[Value] = ()) -> Iterator[Loop]:
        """``for i in range(begin, end, step)`` on i64, with values carried round.

        Inside, ``loop.index`` and ``loop.state`` are the values of this round and ``loop.next`` is to be set
        to the next state; afterwards ``loop.state`` is the last.
        """
        head, body, after = self.new_label("head"), self.new_label("body"), self.new_label("after")
        before = self.label
        self.jump(head)
        self.start(head)
        place = len(self.lines)
        loop = Loop(self, carried)
        more = self.compare("icmp slt", loop.index, end)
        self.branch(more, body, after)
        self.start(body)
        yield loop
        following = self.emit(f"add nsw i64 {loop.index.name}, {step}", "i64")
        if self.counted_plainly:
            # A number that LLVM cannot look through is the one index of all accesses, and code is as fast.
            # Otherwise it makes a pointer for every access, which takes a fifth of its time.
            following = self.emit(f'call i64 asm "", "=r,0"(i64 {following.name})', "i64")
        last = self.label
        self.jump(head)
        phis = [(loop.index, begin, following), *zip(loop.first, carried, loop.next, strict=True)]
        self.carry(place, phis, before, last)
        loop.state = list(loop.first)
        self.start(after)

    @contextmanager
    def again(self, carried: Sequence[Value]) -> Iterator[Again]:
        """Code that runs once, and again as long as ``loop.more`` holds at its end.

        Values are carried round: ``loop.first`` are those of this round, and ``loop.next`` is to be set.
        """
        before, head, after = self.label, self.new_label("again"), self.new_label("done")
        self.jump(head)
        self.start(head)
        place, loop = len(self.lines), Again(self, carried)
        yield loop
        last = self.label
        self.branch(loop.more, head, after)
        self.carry(place, zip(loop.first, carried, loop.next, strict=True), before, last)
        self.start(after)

    def carry(self, place: int, values: Iterable[tuple[Value, Value, Value]], before: str, last: str) -> None:
        """Write down at a loop's head what it carries: each value, its first and its next one."""
        self.lines[place:place] = [
            f"  {now.name} = phi {now.type} [ {first.name}, %{before} ], [ {following.name}, %{last} ]"
            for now, first, following in values
        ]


class Loop:
    """A loop while its body is being written."""

    def __init__(self, function: Function, carried: Sequence[Value]) -> None:
        names = ["%" + function.new_label("i") for _ in range(len(carried) + 1)]
        self.index = Value(names[0], "i64")
        self.first = [Value(name, v.type) for name, v in zip(names[1:], carried, strict=True)]
        self.state: list[Value] = list(self.first)
        self.next: list[Value] = []


class Again(Loop):
    """A loop that runs once more if ``more`` holds at its end."""

    more: Value


def _folded(op: str, a: Value, b: Value) -> Value | None:
    """The result of index arithmetic on constants, or with a neutral one."""
    if a.name.isdigit() and b.name.isdigit() and op in _ARITHMETIC:
        return index(_ARITHMETIC[op](int(a.name), int(b.name)))
    if op == "mul" and "0" in (a.name, b.name):
        return index(0)
    if b.name == _NEUTRAL.get(op):
        return a
    return b if op in ("add", "mul") and a.name == _NEUTRAL[op] else None


_NEUTRAL = {"add": "0", "sub": "0", "mul": "1", "sdiv": "1"}
_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul
}  # fmt: skip


@cache
def _suffix(type: str) -> str:
    element, lanes = element_of(type), lanes_of(type)
    short = {"float": "f32", "double": "f64"}.get(element, element)
    return short if lanes == 1 else f"v{lanes}{short}"


@cache
def index(value: int) -> Value:
    """An i64 constant."""
    return Value(str(value), "i64")
