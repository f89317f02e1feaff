r"""What every operation becomes in C: an expression for each element, or loops.

.. math:: c_{ij} = \sum_k a_{ik} b_{kj} \;\to\; \texttt{c[n * i + j] += a[m * i + k] * b[n * k + j];}
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from wengert.core.trace import Atom, Equation, Literal
from wengert.errors import ExchangeError
from wengert.exchange._c_views import Gather, View, contiguous, gathered, indexed
from wengert.exchange._program import untranslated
from wengert.ops.indexing import ARRAY

Shape = tuple[int, ...]
Writer = Any  # that of `wengert.exchange._c`

TARGET = "C"
TYPES = {
    "float32": "float", "float64": "double", "bool": "int", "int64": "long long", "int32": "int",
    "int16": "short", "int8": "signed char", "uint8": "unsigned char", "uint16": "unsigned short",
    "uint32": "unsigned int", "uint64": "unsigned long long",
}  # fmt: skip


# --- operations on each element ---------------------------------------------------------------------------

# {0}, {1}, {2} are the operands, {f} is f for float: tanhf.
ELEMENTWISE: dict[str, str] = {
    "add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": "{0} * {1}", "divide": "{0} / {1}",
    "negative": "-{0}", "where": "{0} ? {1} : {2}",
    "less": "{0} < {1}", "less_equal": "{0} <= {1}", "greater": "{0} > {1}", "greater_equal": "{0} >= {1}",
    "equal": "{0} == {1}", "not_equal": "{0} != {1}", "logical_and": "{0} && {1}",
    "logical_or": "{0} || {1}", "logical_not": "!{0}", "isnan": "{0} != {0}", "isinf": "isinf({0}) != 0",
    "isfinite": "isfinite({0}) != 0", "bitwise_and": "{0} & {1}", "bitwise_or": "{0} | {1}",
    "bitwise_xor": "{0} ^ {1}",
    "maximum": "({0} > {1} || {0} != {0}) ? {0} : {1}", "minimum": "({0} < {1} || {0} != {0}) ? {0} : {1}",
    "sign": "({0} > 0) ? 1 : ({0} < 0) ? -1 : {0}",
    "heaviside": "({0} > 0) ? 1 : ({0} < 0) ? 0 : ({0} == 0) ? {1} : {0}",
}  # fmt: skip
# On floating-point numbers only.
FLOATING: dict[str, str] = {
    "absolute": "fabs{f}({0})",
    "remainder": "{0} - {1} * floor{f}({0} / {1})",
    "floor_divide": "floor{f}({0} / {1})",
    **{name: name + "{f}({0})" for name in (
        "sqrt", "cbrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh",
        "cosh", "tanh", "floor", "ceil", "trunc", "rint", "erf", "erfc",
    )},
    **{name: name + "{f}({0}, {1})" for name in ("hypot", "fmod", "fmax", "fmin", "copysign", "nextafter")},
    **{"arc" + name: "a" + name + "{f}({0})" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "arctan2": "atan2{f}({0}, {1})", "power": "pow{f}({0}, {1})", "float_power": "pow{f}({0}, {1})",
    "gammaln": "lgamma{f}({0})", "gamma": "tgamma{f}({0})",
}  # fmt: skip


def expression(equation: Equation, operands: Sequence[str]) -> str:
    name, dtype = equation.primitive.name, equation.inputs[0].type.dtype
    if name in CASTS:
        return CASTS[name](equation, *operands)
    table = ELEMENTWISE if dtype.kind != "f" else ELEMENTWISE | FLOATING
    if name not in table:
        raise untranslated(equation, TARGET)
    return table[name].format(*operands, f="f" if dtype == np.float32 else "")


def _integer_power(equation: Equation, x: str) -> str:
    exponent, dtype = equation.params["exponent"], equation.inputs[0].type.dtype
    if 1 <= exponent <= 3:
        return " * ".join([x] * exponent)
    if dtype.kind != "f":
        raise untranslated(equation, TARGET)
    return f"pow{'f' if dtype == np.float32 else ''}({x}, {exponent})"


def _cast(equation: Equation, x: str) -> str:
    dtype = equation.params["dtype"]
    return f"{x} != 0" if dtype.kind == "b" else f"({type_name(equation, dtype)}){x}"


CASTS: dict[str, Callable[..., str]] = {
    "integer_power": _integer_power,
    "convert": _cast,
    "discretise": _cast,
}


def type_name(equation: Equation | None, dtype: np.dtype[Any]) -> str:
    """The type in C of numbers of a dtype."""
    if dtype.name not in TYPES:
        where = f"in {equation.source}: " if equation is not None and equation.source else ""
        raise ExchangeError(f"{where}numbers of type {dtype} have no translation to C; convert to float64")
    return TYPES[dtype.name]


def number(value: Any, dtype: np.dtype[Any]) -> str:
    """A number with as many digits as it takes."""
    type_name(None, dtype)
    if dtype.kind != "f":
        text = str(int(value))
        return f"{text}LL" if abs(int(value)) > 2**31 - 1 else text
    if not np.isfinite(value):
        return "NAN" if np.isnan(value) else "-INFINITY" if value < 0 else "INFINITY"
    text = str(np.asarray(value, dtype)[()]) if dtype == np.float32 else repr(float(value))
    text = text if any(c in text for c in ".en") else text + ".0"
    return text + ("f" if dtype == np.float32 else "")


def numbers_of(value: np.ndarray) -> list[str]:
    """The numbers of an array; those of floating point by NumPy's and Python's shortest form at once."""
    if value.dtype.kind != "f" or not np.all(np.isfinite(value)):
        return [number(x, value.dtype) for x in value.ravel()]
    if value.dtype == np.float32:
        return [f"{x}f" for x in value.ravel().astype("U")]
    return [repr(x) for x in value.ravel().tolist()]


# --- loops ---------------------------------------------------------------------------------------------


def nest(
    shape: Shape, body: Callable[[Sequence[str]], Iterable[str]], letters: str = "ijklmnop"
) -> list[str]:
    """Nested loops; there is none along an axis of length 1."""
    if len([n for n in shape if n > 1]) > len(letters):
        raise ExchangeError(f"an array with {len(shape)} axes has no translation to C; use fewer")
    free = iter(letters)
    at = [next(free) if n > 1 else "0" for n in shape]
    loops = [(letter, n) for letter, n in zip(at, shape, strict=True) if n > 1]
    lines = [] if 0 in shape else list(body(at))
    for letter, n in reversed(loops):
        head = f"for (int {letter} = 0; {letter} < {n}; {letter}++) {{"
        lines = [head, *(f"    {line}" for line in lines), "}"]
    return lines if 0 not in shape else []


# --- all other operations ---------------------------------------------------------------------------------


def _reshape(w: Writer, e: Equation, **_: Any) -> None:
    source = w.stored(w.view(e.inputs[0], e.source), e, e.inputs[0])
    shape = e.outputs[0].type.shape
    w.views[e.outputs[0]] = View(source.name, source.offset, shape, contiguous(shape))


def _transpose(w: Writer, e: Equation, axes: Sequence[int]) -> None:
    w.views[e.outputs[0]] = w.view(e.inputs[0], e.source).transposed(axes)


def _broadcast(w: Writer, e: Equation, **_: Any) -> None:
    w.views[e.outputs[0]] = w.view(e.inputs[0], e.source).broadcast(e.outputs[0].type.shape)


def _flip(w: Writer, e: Equation, axes: Sequence[int]) -> None:
    view = w.view(e.inputs[0], e.source)
    lead = len(view.shape)
    index = tuple(slice(None, None, -1) if i - lead in axes else slice(None) for i in range(lead))
    w.views[e.outputs[0]] = indexed(view, index)


def _getitem(w: Writer, e: Equation, index: Any) -> None:
    x, *_ = e.inputs
    view = w.view(x, e.source)
    if ARRAY not in index:
        w.views[e.outputs[0]] = indexed(view, index)
        return
    source = _gather(w, e, view, e.inputs[1:], index)
    target = w.allocate(e, e.outputs[0])
    w.loop(target.shape, lambda at: [f"{target.at(at)} = {source.at(at)};"])


def _gather(w: Writer, e: Equation, view: View, arrays: Sequence[Atom], index: Any) -> Gather:
    def place(atom: Atom, extent: int) -> tuple[View, bool]:
        if type(atom) is Literal:
            return w.table(np.asarray(atom.value), extent, e.source), False
        return w.view(atom, e.source), True

    found = gathered(view, index, arrays, place)
    if found is None:
        raise untranslated(e, TARGET, "with this index")
    return found


def _setitem(w: Writer, e: Equation, index: Any) -> None:
    x, value, *arrays = e.inputs
    target = w.allocate(e, e.outputs[0])
    w.copy(w.view(x, e.source), target)
    part: View | Gather = _gather(w, e, target, arrays, index) if arrays else indexed(target, index)
    source = w.view(value, e.source).broadcast(part.shape)
    w.loop(part.shape, lambda at: [f"{part.at(at)} = {source.at(at)};"])


def _joined(w: Writer, e: Equation, axis: int) -> None:
    target = w.allocate(e, e.outputs[0])
    start, stacked = 0, e.primitive.name == "stack"
    for atom in e.inputs:
        length = 1 if stacked else atom.type.shape[axis]
        part = slice(start, start + length) if not stacked else start
        place = indexed(target, (Ellipsis, part, *[slice(None)] * (-axis - 1)))
        w.copy(w.view(atom, e.source), place)
        start += length


def _pad(w: Writer, e: Equation, widths: Any) -> None:
    target = w.allocate(e, e.outputs[0])
    w.loop(target.shape, lambda at: [f"{target.at(at)} = 0;"])
    shape = e.inputs[0].type.shape[-len(widths) :]
    inner = tuple(slice(low, low + n) for (low, _), n in zip(widths, shape, strict=True))
    w.copy(w.view(e.inputs[0], e.source), indexed(target, (Ellipsis, *inner)))


REDUCTIONS: dict[str, str] = {
    "sum": "{s} += {x};",
    "prod": "{s} *= {x};",
    "max": "{s} = ({x} > {s} || {x} != {x}) ? {x} : {s};",
    "min": "{s} = ({x} < {s} || {x} != {x}) ? {x} : {s};",
    "any": "{s} = {s} || {x} != 0;",
    "all": "{s} = {s} && {x} != 0;",
}
STARTS = {"sum": "0", "prod": "1", "any": "0", "all": "1"}


def _reduction(w: Writer, e: Equation, axis: Sequence[int], keepdims: bool) -> None:
    name, source = e.primitive.name, w.view(e.inputs[0], e.source)
    target = w.allocate(e, e.outputs[0]).spread(source.shape, axis, keepdims)
    ndim = len(source.shape)
    gone = [i for i in range(ndim) if i - ndim in axis]
    outer = tuple(1 if i in gone else n for i, n in enumerate(source.shape))
    inner = tuple(n if i in gone else 1 for i, n in enumerate(source.shape))

    def body(at: Sequence[str]) -> Iterable[str]:
        s = target.at(at)
        yield f"{s} = {STARTS.get(name) or source.at(at)};"

        def step(inside: Sequence[str]) -> Iterable[str]:
            x = source.at([b if i in gone else a for i, (a, b) in enumerate(zip(at, inside, strict=True))])
            yield REDUCTIONS[name].format(s=s, x=x)

        yield from nest(inner, step, _unused(at))

    w.loop(outer, body)


def _unused(at: Sequence[str]) -> str:
    return "".join(letter for letter in "ijklmnop" if letter not in at)


def _place_of_extremum(w: Writer, e: Equation, axis: int, keepdims: bool) -> None:
    source = w.view(e.inputs[0], e.source)
    target = w.allocate(e, e.outputs[0]).spread(source.shape, [axis], keepdims)
    ndim, sign = len(source.shape), ">" if e.primitive.name == "argmax" else "<"
    outer = tuple(1 if i - ndim == axis else n for i, n in enumerate(source.shape))

    def body(at: Sequence[str]) -> Iterable[str]:
        s, letter = target.at(at), _unused(at)[0]
        place = lambda index: source.at([index if i - ndim == axis else a for i, a in enumerate(at)])
        new, best = place(letter), place(f"(int){s}")
        yield f"{s} = 0;"
        yield f"for (int {letter} = 1; {letter} < {source.shape[axis]}; {letter}++) {{"
        yield f"    {s} = ({new} {sign} {best} || ({new} != {new} && {best} == {best})) ? {letter} : {s};"
        yield "}"

    w.loop(outer, body)


def _running(w: Writer, e: Equation, axis: int) -> None:
    source, target = w.view(e.inputs[0], e.source), w.allocate(e, e.outputs[0])
    ndim, sign = len(source.shape), "+" if e.primitive.name == "cumsum" else "*"
    outer = tuple(1 if i - ndim == axis else n for i, n in enumerate(source.shape))

    def body(at: Sequence[str]) -> Iterable[str]:
        letter = _unused(at)[0]
        place = lambda view, index: view.at([index if i - ndim == axis else a for i, a in enumerate(at)])
        yield f"{place(target, '0')} = {place(source, '0')};"
        yield f"for (int {letter} = 1; {letter} < {source.shape[axis]}; {letter}++) {{"
        before = place(target, f"({letter} - 1)")
        yield f"    {place(target, letter)} = {before} {sign} {place(source, letter)};"
        yield "}"

    w.loop(outer, body)


def _matmul(w: Writer, e: Equation) -> None:
    a, b = e.inputs
    lead = "".join(itertools.islice("ABCDEFGH", max(a.type.ndim, b.type.ndim) - 2))
    first, second = lead[len(lead) - a.type.ndim + 2 :], lead[len(lead) - b.type.ndim + 2 :]
    _contraction(w, e, f"{first}ik,{second}kj->{lead}ij")


def _contraction(w: Writer, e: Equation, spec: str) -> None:
    """Sum products over all letters of ``ik,kj->ij`` that the result does not have."""
    left, out = spec.split("->")
    parts = left.split(",")
    views = [w.view(atom, e.source) for atom in e.inputs]
    if "." in spec or any(len(p) != len(v.shape) for p, v in zip(parts, views, strict=True)):
        raise untranslated(e, TARGET, "with more axes than it names")
    extents: dict[str, int] = {}
    for part, view in zip(parts, views, strict=True):
        extents |= {c: max(n, extents.get(c, 1)) for c, n in zip(part, view.shape, strict=True)}
    views = [v.broadcast(tuple(extents[c] for c in p)) for p, v in zip(parts, views, strict=True)]
    target = w.allocate(e, e.outputs[0])
    summed = [c for c in extents if c not in out]
    order = [*out[:-1], *summed, *out[-1:]]

    def body(at: Sequence[str]) -> Iterable[str]:
        place = dict(zip(order, at, strict=True))
        factors = [v.at([place[c] for c in p]) for p, v in zip(parts, views, strict=True)]
        yield f"{target.at([place[c] for c in out])} += {' * '.join(factors)};"

    w.loop(target.shape, lambda at: [f"{target.at(at)} = 0;"])
    w.loop(tuple(extents[c] for c in order), body)


WRITERS: dict[str, Callable[..., None]] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast,
    "flip": _flip,
    "getitem": _getitem,
    "setitem": _setitem,
    "concatenate": _joined,
    "stack": _joined,
    "pad": _pad,
    **dict.fromkeys(REDUCTIONS, _reduction),
    "argmax": _place_of_extremum,
    "argmin": _place_of_extremum,
    "cumsum": _running,
    "cumprod": _running,
    "matmul": _matmul,
    "einsum": _contraction,
}
