r"""Vectors between memory and registers, and the equations of a loop body on them.

A vector holds neighbours along one axis of a loop. Where they are neighbours in memory too they are loaded at
once, where they are one number it is spread, and else they are gathered; a mask keeps ragged ends from
touching what lies outside an array.

.. math:: y_l = f(x_l), \qquad l = 0, \ldots, \text{lanes} - 1
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.core.trace import Atom, Equation, Literal, Type, Var
from wengert.native.elementary.lanes import Lanes
from wengert.native.machine import ir
from wengert.native.machine.host import Host
from wengert.native.planning.plan import COSTLY, UNCHANGED
from wengert.native.planning.unlowerable import Unlowerable
from wengert.transforms.constants import uniform


@dataclass(frozen=True)
class Place:
    """Where a vector stands: its first element, the step from lane to lane (None: pointers), its mask."""

    pointer: ir.Value
    stride: int | None
    dtype: np.dtype[Any]
    lanes: int
    mask: ir.Value | None

    @property
    def element(self) -> str:
        """LLVM's type of one element."""
        return ir.type_name(self.dtype)

    def read(self, f: ir.Function) -> ir.Value:
        """The vector, as it is in registers."""
        return as_register(f, self._loaded(f), self.dtype)

    def _loaded(self, f: ir.Function) -> ir.Value:
        size = self.dtype.itemsize
        if self.lanes == 1:
            return f.load(self.element, self.pointer, size)
        if self.stride == 0:
            return f.splat(f.load(self.element, self.pointer, size), self.lanes)
        type = ir.vector(self.element, self.lanes)
        if self.stride != 1:
            return f.gather(type, self._pointers(f), self._mask(), size)
        if self.mask is None:
            return f.load(type, self.pointer, size)
        return f.masked_load(type, self.pointer, self.mask, size)

    def through(
        self, f: ir.Function, whole: ir.Value | None, lanes: ir.Value | None, safe: ir.Value
    ) -> Windowed:
        """The place through a window that shows all lanes or none, and a window that shows some of them."""
        return Windowed(self.pointer, self.stride, self.dtype, self.lanes, self.mask, whole, lanes, safe)

    def write(self, f: ir.Function, value: ir.Value) -> None:
        """Store a vector."""
        value, size = as_memory(f, value, self.dtype), self.dtype.itemsize
        if self.lanes == 1 or (self.stride == 1 and self.mask is None):
            f.store(value, self.pointer, size)
        elif self.stride == 1 and self.mask is not None:
            f.masked_store(value, self.pointer, self.mask, size)
        else:
            f.scatter(value, self._pointers(f), self._mask(), size)

    def _mask(self) -> ir.Value:
        return self.mask or ir.constant(True, ir.vector("i1", self.lanes))

    def _pointers(self, f: ir.Function) -> ir.Value:
        if self.stride is None:
            return self.pointer
        steps = f"<{', '.join(f'i64 {self.stride * lane}' for lane in range(self.lanes))}>"
        type = ir.vector("i64", self.lanes)
        return f.offset(self.pointer, self.element, ir.Value(steps, type))


@dataclass(frozen=True)
class Windowed(Place):
    """A place through windows: of the whole vector, of its lanes; an address to read if nothing shows."""

    whole: ir.Value | None
    inside: ir.Value | None
    safe: ir.Value

    def _loaded(self, f: ir.Function) -> ir.Value:
        shown = self._shown(f)
        if self.lanes > 1 and self.stride != 0:
            mask = shown if self.mask is None else f.binary("and", shown, self.mask)
            return Place(self.pointer, self.stride, self.dtype, self.lanes, mask)._loaded(f)
        pointer = self.pointer if self.whole is None else f.select(self.whole, self.pointer, self.safe)
        value = Place(pointer, self.stride, self.dtype, self.lanes, self.mask)._loaded(f)
        return f.select(shown, value, ir.constant(0, value.type))

    def _shown(self, f: ir.Function) -> ir.Value:
        """The lanes that are there."""
        parts = [f.splat(self.whole, self.lanes)] if self.whole is not None else []
        parts += [self.inside] if self.inside is not None else []
        return parts[0] if len(parts) == 1 else f.binary("and", *parts)


# --- registers and memory -----------------------------------------------------------------------------------


def register(dtype: np.dtype[Any]) -> str:
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
    if target.kind == "b":
        op = "fcmp une" if source.kind == "f" else "icmp ne"
        return f.compare(op, value, ir.constant(0, value.type))
    if source.kind == "f" and target.kind in "iu":
        return _whole(f, value, source, target)
    cast = _cast(source, target)
    return f.cast(cast, value, ir.vector(register(target), ir.lanes_of(value.type))) if cast else value


def _whole(f: ir.Function, value: ir.Value, source: np.dtype[Any], target: np.dtype[Any]) -> ir.Value:
    """The whole part of a number, cut off as by NumPy: its last bits, of those of a signed number."""
    lanes, bits = ir.lanes_of(value.type), 8 * target.itemsize
    if target == np.uint64:
        half = ir.constant(2.0**63, value.type)
        low = f.cast("fptosi", value, ir.vector("i64", lanes))
        high = f.cast("fptosi", f.binary("fsub", value, half), ir.vector("i64", lanes))
        high = f.binary("xor", high, ir.constant(-(2**63), high.type))
        return f.select(f.compare("fcmp oge", value, half), high, low)
    wide = max(32, bits if target.kind == "i" else 2 * bits)
    whole = f.cast("fptosi", value, ir.vector(f"i{wide}", lanes))
    return whole if wide == bits else f.cast("trunc", whole, ir.vector(f"i{bits}", lanes))


def _cast(source: np.dtype[Any], target: np.dtype[Any]) -> str:
    kinds = source.kind + target.kind
    if kinds in ("bf", "uf"):
        return "uitofp"
    if kinds == "if":
        return "sitofp"
    if kinds == "ff":
        return "fpext" if target.itemsize > source.itemsize else "fptrunc"
    if source.kind == "b" or (source.kind == "u" and target.itemsize > source.itemsize):
        return "zext"
    wider, narrower = target.itemsize > source.itemsize, target.itemsize < source.itemsize
    return "sext" if wider else "trunc" if narrower else ""


# --- equations ----------------------------------------------------------------------------------------------


class Values:
    """What a loop body has computed or read; ``get`` reads an operand that it has not."""

    def __init__(self, f: ir.Function, host: Host, lanes: int, get: Callable[[Atom], ir.Value]) -> None:
        self.f, self.host, self.lanes, self.get = f, host, lanes, get
        self.known: dict[Atom, ir.Value] = {}

    def read(self, atom: Atom, dtype: np.dtype[Any]) -> ir.Value:
        """An operand in the dtype that an equation works in."""
        if type(atom) is Literal and atom not in self.known:
            number = uniform(atom)
            if number is not None:
                return self.constant(number, dtype)
        if atom not in self.known:
            self.known[atom] = self.get(atom)
        return convert(self.f, self.known[atom], atom.type.dtype, dtype)

    def constant(self, number: Any, dtype: np.dtype[Any]) -> ir.Value:
        """A number in every lane."""
        return ir.constant(np.asarray(number).astype(dtype)[()], ir.vector(register(dtype), self.lanes))

    def compute(self, equation: Equation) -> None:
        """Evaluate an elementwise equation."""
        found = element(self, equation, equation.outputs[0].type)
        vectors = found if equation.primitive.multiple else (found,)
        self.known.update(zip(equation.outputs, vectors, strict=True))

    def called(self, name: str, dtype: np.dtype[Any], *operands: ir.Value) -> ir.Value:
        """A long operation on single numbers, through a function that the module has once."""
        module, full = self.f.module, f"{name}.{ir.type_name(dtype)}"
        if full not in module.names:
            params = [(f"x{i}", value.type) for i, value in enumerate(operands)]
            f = module.function(full, operands[0].type, params, "internal")
            f.attributes = "nounwind noinline"
            rule = Values(f, self.host, 1, self.get).operation(name, dtype)
            f.ret(rule(*(f.param(p) for p, _ in params)))
        return self.f.call(full, operands[0].type, *operands)

    def operation(self, name: str, dtype: np.dtype[Any]) -> Callable[..., ir.Value]:
        """The native form of an elementwise operation on numbers of a dtype."""
        rule = getattr(Lanes(self.f, dtype, self.lanes, self.host), name, None)
        if rule is None:
            raise Unlowerable(name)
        return rule  # type: ignore[no-any-return]


# Operations whose result is of another kind than their operands; ldexp's operands are of two kinds.
_FROM_OPERANDS = frozenset({"exponent", "bitwise_count"})


def element(values: Values, equation: Equation, type: Type) -> Any:
    """The vector that an elementwise equation computes; several for one of several outputs."""
    name, inputs = equation.primitive.name, equation.inputs
    if name in UNCHANGED:
        return values.read(inputs[0], type.dtype)
    if name == "where":
        mask = values.read(inputs[0], np.dtype(bool))
        return values.f.select(mask, values.read(inputs[1], type.dtype), values.read(inputs[2], type.dtype))
    working = type.dtype
    if type.dtype.kind == "b" or name in _FROM_OPERANDS:
        working = _common(inputs)
    dtypes = [working] * len(inputs)
    if name == "ldexp":
        dtypes[1] = np.result_type(inputs[1].type.dtype, np.int32)
    try:
        operands = [values.read(a, dtype) for a, dtype in zip(inputs, dtypes, strict=True)]
        if values.lanes == 1 and name in COSTLY and not (equation.params or equation.primitive.multiple):
            return values.called(name, working, *operands)
        return values.operation(name, working)(*operands, **equation.params)
    except NotImplementedError as error:
        raise Unlowerable(f"{name} of {working}") from error


def _common(atoms: Sequence[Atom]) -> np.dtype[Any]:
    """The dtype in which numbers meet, as in NumPy's promotion: Python's take that of the others.

    Among whole numbers, one that is not known yet may need a dtype of its own.
    """
    whole = all(atom.type.dtype.kind in "biu" for atom in atoms)
    strong = [not atom.type.weak or (whole and type(atom) is Var) for atom in atoms]
    dtypes = [atom.type.dtype for atom in atoms]
    return np.result_type(*(d if s else d.type(0).item() for d, s in zip(dtypes, strong, strict=True)))
