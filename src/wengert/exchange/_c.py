r"""A network as one file of C99 that needs nothing but ``math.h``.

The file computes one row. Operations on each element become one loop,

.. math:: v_{i} = h\Bigl(\sum_k x_k\,w_{ki} + b_i\Bigr),

with a local number for every equation; what only moves numbers about (a transpose, a slice) becomes another way
to count the places of an array. Numbers are written with as many digits as bring them back to the last bit.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wengert._files import write_atomically
from wengert._version import __version__
from wengert.core.evaluate import evaluate
from wengert.core.trace import Atom, Equation, Literal, Trace, Var, type_for
from wengert.errors import ExchangeError
from wengert.exchange._c_views import Gather, View, contiguous, gathered, indexed
from wengert.exchange._compositions import C
from wengert.exchange._names import Names
from wengert.exchange._program import (
    Source,
    Target,
    names_of,
    one_size,
    promoted,
    source_of,
    untranslated,
)
from wengert.core import tree
from wengert.ops.indexing import ARRAY

Function = Callable[[Any], Any]
Shape = tuple[int, ...]

WIDTH = 100
TARGET = Target("C", C, prepared=promoted)
TYPES = {
    "float32": "float", "float64": "double", "bool": "int", "int64": "long long", "int32": "int",
    "int16": "short", "int8": "signed char", "uint8": "unsigned char", "uint16": "unsigned short",
    "uint32": "unsigned int", "uint64": "unsigned long long",
}  # fmt: skip
KEYWORDS = (
    "auto break case char const continue default do double else enum extern float for goto if inline int long "
    "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile "
    "while predict predict_rows rows main NAN INFINITY i j k l m n o p"
).split()


def to_c(
    network: Function,
    inputs: Any,
    path: str | Path | None = None,
    *,
    dtype: Any = None,
    preprocessing: Function | None = None,
    postprocessing: Function | None = None,
) -> str:
    r"""A network as the text of a C99 file: ``predict`` for one row, ``predict_rows`` for many.

    Parameters
    ----------
    network, inputs, dtype, preprocessing, postprocessing
        As in :func:`to_numpy`. With ``dtype=np.float32`` all numbers are of type ``float``.
    path : str or Path, optional
        Where the file is written.

    Returns
    -------
    str
        The text of the file. Integers are ``long long`` and truth values ``int``. A category out of range takes the
        vector of the nearest one.

    Raises
    ------
    ExchangeError
        Where an operation has no translation, what is computed depends on the values of the inputs, or the
        prediction of a row depends on other rows.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import nn
    >>> network = nn.Dense(np.array([[2.0], [3.0]]), np.array([1.0]), nn.relu)
    >>> print(to_c(network, 2, dtype=np.float32))
    /* A network, written by wengert ...
    void predict(const float *x, float *y)
    {
        float v1[1];
        v1[0] = 0;
        for (int i = 0; i < 2; i++) {
            v1[0] += x[i] * weights[i];
        }
        const float v2 = v1[0] + biases[0];
        const int v3 = v2 > 0.0f;
        const float v4 = v3 ? v2 : 0.0f;
        y[0] = v4;
    }
    ...
    """
    source = source_of(network, inputs, dtype, preprocessing, postprocessing)
    trace, structure = one_size(source, 1, TARGET)
    _require_independent(source, trace)
    names = names_of(tree.unflatten(structure, list(trace.outputs)), source.output)
    text = _Writer(source, trace, names).text()
    if path is not None:
        write_atomically(path, text.encode())
    return text


def _require_independent(source: Source, trace: Trace) -> None:
    """The example row by row gives what the function gives for all of it at once."""
    rows = min(3, len(tree.flatten(source.example)[0][0]))
    with np.errstate(all="ignore"):
        together, _ = tree.flatten(source.function(source.batch(rows)))
        for row in range(rows):
            one = tree.map(lambda x: x[row : row + 1], source.batch(rows))  # noqa: B023
            for y, found in zip(together, evaluate(trace, tree.flatten(one)[0]), strict=True):
                _require_same(np.asarray(y), row, np.asarray(found))


def _require_same(together: np.ndarray, row: int, found: np.ndarray) -> None:
    if found.shape[:1] != (1,) or together.shape[1:] != found.shape[1:] or row >= len(together):
        raise ExchangeError(
            f"an output of shape {together.shape} has no row for each pattern; give outputs whose first axis "
            "counts the patterns"
        )
    tolerance = 1e3 * np.finfo(together.dtype).eps if together.dtype.kind == "f" else 0
    if not np.allclose(together[row], found[0], tolerance, tolerance, equal_nan=True):
        raise ExchangeError(
            "the prediction of a row depends on the other rows, and C code is given one at a time; compute "
            "what they have in common before, and give it to the function as a constant"
        )


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


def _expression(equation: Equation, operands: Sequence[str]) -> str:
    name, dtype = equation.primitive.name, equation.inputs[0].type.dtype
    if name in CASTS:
        return CASTS[name](equation, *operands)
    table = ELEMENTWISE if dtype.kind != "f" else ELEMENTWISE | FLOATING
    if name not in table:
        raise untranslated(equation, TARGET.name)
    return table[name].format(*operands, f="f" if dtype == np.float32 else "")


def _integer_power(equation: Equation, x: str) -> str:
    exponent, dtype = equation.params["exponent"], equation.inputs[0].type.dtype
    if 1 <= exponent <= 3:
        return " * ".join([x] * exponent)
    if dtype.kind != "f":
        raise untranslated(equation, TARGET.name)
    return f"pow{'f' if dtype == np.float32 else ''}({x}, {exponent})"


def _absolute_or_cast(equation: Equation, x: str) -> str:
    dtype = equation.params["dtype"]
    return f"{x} != 0" if dtype == bool else f"({type_name(equation, dtype)}){x}"


CASTS: dict[str, Callable[..., str]] = {
    "integer_power": _integer_power,
    "convert": _absolute_or_cast,
    "discretise": _absolute_or_cast,
}


def type_name(equation: Equation | None, dtype: np.dtype[Any]) -> str:
    """The type in C of numbers of a dtype."""
    if dtype.name not in TYPES:
        where = f"in {equation.source}: " if equation is not None and equation.source else ""
        raise ExchangeError(f"{where}numbers of type {dtype} have no translation to C; convert to float64")
    return TYPES[dtype.name]


def number(value: Any, dtype: np.dtype[Any]) -> str:
    """A number with as many digits as it takes."""
    if dtype.kind != "f":
        text = str(int(value))
        return f"{text}LL" if abs(int(value)) > 2**31 - 1 else text
    if not np.isfinite(value):
        return "NAN" if np.isnan(value) else "-INFINITY" if value < 0 else "INFINITY"
    text = str(np.asarray(value, dtype)[()]) if dtype == np.float32 else repr(float(value))
    text = text if any(c in text for c in ".en") else text + ".0"
    return text + ("f" if dtype == np.float32 else "")


# --- the file ---------------------------------------------------------------------------------------------

AT = """
/* The place of element i of n: negative ones count from the end; those out of range are moved to the nearest. */
static long long at(long long i, long long n)
{
    i = i < 0 ? i + n : i;
    return i < 0 ? 0 : i < n ? i : n - 1;
}
"""


class Local(NamedTuple):
    """A number of the loop that is being written."""

    equation: Equation
    name: str


class _Writer:
    """Writes the body of ``predict``, and collects the arrays that it reads."""

    def __init__(self, source: Source, trace: Trace, outputs: Sequence[str]) -> None:
        self.source, self.trace = source, trace
        self.names = Names(source.name_of, (*KEYWORDS, "at"))
        self.inputs = [self.names.fresh(name) for name in source.inputs]
        self.results = [self.names.fresh(name) for name in outputs]
        self.constants: list[tuple[str, np.ndarray]] = []
        self.lines: list[str] = []
        self.views: dict[Atom, View] = {}
        self.group: list[Local] = []
        self.owned = dict(zip(reversed(trace.outputs), reversed(self.results), strict=True))
        self.layer = ""
        self.bytes = 0
        self.last: dict[Atom, int] = {a: i for i, e in enumerate(trace.equations) for a in e.inputs}
        self.last.update(dict.fromkeys(trace.outputs, len(trace)))

    def text(self) -> str:
        for var, name in zip(self.trace.inputs, self.inputs, strict=True):
            self.views[var] = View.of(name, var.type.shape)
        for i, equation in enumerate(self.trace.equations):
            self._write(equation, i)
        self._flush(len(self.trace))
        for atom, name in zip(self.trace.outputs, self.results, strict=True):
            self._deliver(atom, name)
        return self._file()

    def _write(self, equation: Equation, i: int) -> None:
        name = equation.primitive.name
        if equation.source and equation.source != self.layer:
            self._flush(i)
            self.lines.append(f"/* {equation.source} */")
            self.layer = equation.source
        if name in ELEMENTWISE or name in FLOATING or name in CASTS:
            if not self._joins(equation):
                self._flush(i)
            self.group.append(Local(equation, self.names.variable()))
            return
        self._flush(i)
        if name not in WRITERS:
            raise untranslated(equation, TARGET.name)
        WRITERS[name](self, equation, **equation.params)

    # operands

    def view(self, atom: Atom, layer: str = "") -> View:
        """Where an operand stands."""
        if type(atom) is Literal:
            return self._constant(np.asarray(atom.value, atom.type.dtype), layer)
        return self.views[atom]

    def _constant(self, value: np.ndarray, layer: str) -> View:
        if value.ndim == 0:
            return View(number(value, value.dtype), 0, (), ())
        name, new = self.names.constant(value, layer)
        if new:
            self.constants.append((name, value))
        return View.of(name, value.shape)

    def table(self, places: np.ndarray, extent: int, layer: str) -> View:
        """Places that are constants: negative ones counted from the front."""
        return self._constant(np.where(places < 0, places + extent, places).astype(np.int64), f"{layer}.index")

    def allocate(self, equation: Equation, var: Var) -> View:
        """A new array; that of the caller where it is a result."""
        size = math.prod(var.type.shape)
        name = self.owned.pop(var, None)
        kind = type_name(equation, var.type.dtype)
        if name is None:
            name = self.names.variable()
            self.lines.append(f"{kind} {name}[{max(size, 1)}];")
            self.bytes += var.type.nbytes
        self.views[var] = View.of(name, var.type.shape)
        return self.views[var]

    def stored(self, view: View, equation: Equation, atom: Atom) -> View:
        """The same numbers without gaps."""
        if view.is_contiguous:
            return view
        copy = self.allocate(equation, Var(type_for(view.shape, atom.type.dtype)))
        self.copy(view, copy)
        return copy

    def copy(self, source: View, target: View) -> None:
        """A loop that copies."""
        self.loop(target.shape, lambda at: [f"{target.at(at)} = {source.at(at)};"])

    def loop(self, shape: Shape, body: Callable[[Sequence[str]], Iterable[str]]) -> None:
        """Nested loops over a shape."""
        self.lines += nest(shape, body)

    # elementwise

    def _joins(self, equation: Equation) -> bool:
        """Whether an equation may stand in the loop that is being written."""
        if not self.group:
            return True
        mine = {local.equation.outputs[0] for local in self.group}
        shape = self.group[0].equation.outputs[0].type.shape
        return equation.outputs[0].type.shape == shape and all(
            a.type.shape == shape for a in equation.inputs if a in mine
        )

    def _flush(self, now: int) -> None:
        """Write the loop; what is read behind it is stored."""
        group, self.group = self.group, []
        if not group:
            return
        names = {local.equation.outputs[0]: local.name for local in group}
        inner = {id(local.equation) for local in group}
        kept = [v for v in names if self._is_read_behind(v, inner)]
        operands = {
            a: self.view(a, e.source).broadcast(e.outputs[0].type.shape)
            for e in (local.equation for local in group)
            for a in e.inputs
            if a not in names
        }
        targets = {v: self.allocate(group[0].equation, v) for v in kept}

        def body(at: Sequence[str]) -> Iterable[str]:
            for equation, name in group:
                texts = [names[a] if a in names else operands[a].at(at) for a in equation.inputs]
                kind = type_name(equation, equation.outputs[0].type.dtype)
                yield f"const {kind} {name} = {_expression(equation, texts)};"
                if (var := equation.outputs[0]) in targets:
                    yield f"{targets[var].at(at)} = {name};"

        self.loop(group[0].equation.outputs[0].type.shape, body)

    def _is_read_behind(self, var: Var, inner: set[int]) -> bool:
        last = self.last.get(var, -1)
        return last == len(self.trace) or id(self.trace.equations[last]) not in inner

    # the end

    def _deliver(self, atom: Atom, name: str) -> None:
        view = self.view(atom)
        if view.name != name:
            self.copy(view, View.of(name, atom.type.shape))

    def _file(self) -> str:
        body = "\n".join(self.lines)
        arrays = [_array(name, value) for name, value in self.constants]
        helpers = [AT] if "at(" in body else []
        one = f"void predict({self._parameters('')})\n{{\n{textwrap.indent(body, '    ')}\n}}\n"
        return "\n".join([self._comment(), "#include <math.h>\n", *arrays, *helpers, one, self._many()])

    def _ends(self) -> list[tuple[str, str, Atom]]:
        inputs = [("const ", name, var) for name, var in zip(self.inputs, self.trace.inputs, strict=True)]
        return inputs + [("", n, a) for n, a in zip(self.results, self.trace.outputs, strict=True)]

    def _parameters(self, first: str) -> str:
        ends = [f"{const}{type_name(None, atom.type.dtype)} *{name}" for const, name, atom in self._ends()]
        return ", ".join([first, *ends] if first else ends)

    def _many(self) -> str:
        shifted = [f"{name} + {atom.type.size} * r" for _, name, atom in self._ends()]
        return "\n".join(
            [
                f"void predict_rows({self._parameters('long rows')})",
                "{",
                "    for (long r = 0; r < rows; r++) {",
                f"        predict({', '.join(shifted)});",
                "    }",
                "}",
                "",
            ]
        )

    def _comment(self) -> str:
        digest = hashlib.sha256(b"".join(np.ascontiguousarray(v).tobytes() for _, v in self.constants))
        count = sum(v.size for _, v in self.constants)
        shapes = [
            f" *   {name}: {atom.type.size} of type {type_name(None, atom.type.dtype)}" for _, name, atom in self._ends()
        ]
        return "\n".join(
            [
                f"/* A network, written by wengert {__version__}. C99, needs math.h alone.",
                " *",
                " * predict(...) computes one row, predict_rows(rows, ...) as many as there are, which stand one",
                " * behind the other:",
                *shapes,
                f" * {count} constants, {self.bytes} bytes of memory on the stack.",
                f" * SHA-256 of the constants: {digest.hexdigest()}",
                " */",
            ]
        )


def nest(shape: Shape, body: Callable[[Sequence[str]], Iterable[str]], letters: str = "ijklmnop") -> list[str]:
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


def _array(name: str, value: np.ndarray) -> str:
    numbers = ", ".join(number(x, value.dtype) for x in value.ravel().tolist()) if value.dtype != np.float32 else (
        ", ".join(number(x, value.dtype) for x in value.ravel())
    )
    wrapped = textwrap.fill(numbers, WIDTH, initial_indent="    ", subsequent_indent="    ")
    return f"static const {type_name(None, value.dtype)} {name}[{max(value.size, 1)}] = {{\n{wrapped or '    0'}\n}};"


# --- all other operations ---------------------------------------------------------------------------------


def _reshape(w: _Writer, e: Equation, **_: Any) -> None:
    source = w.stored(w.view(e.inputs[0], e.source), e, e.inputs[0])
    shape = e.outputs[0].type.shape
    w.views[e.outputs[0]] = View(source.name, source.offset, shape, contiguous(shape))


def _transpose(w: _Writer, e: Equation, axes: Sequence[int]) -> None:
    w.views[e.outputs[0]] = w.view(e.inputs[0], e.source).transposed(axes)


def _broadcast(w: _Writer, e: Equation, **_: Any) -> None:
    w.views[e.outputs[0]] = w.view(e.inputs[0], e.source).broadcast(e.outputs[0].type.shape)


def _flip(w: _Writer, e: Equation, axes: Sequence[int]) -> None:
    view = w.view(e.inputs[0], e.source)
    lead = len(view.shape)
    index = tuple(slice(None, None, -1) if i - lead in axes else slice(None) for i in range(lead))
    w.views[e.outputs[0]] = indexed(view, index)


def _getitem(w: _Writer, e: Equation, index: Any) -> None:
    x, *_ = e.inputs
    view = w.view(x, e.source)
    if ARRAY not in index:
        w.views[e.outputs[0]] = indexed(view, index)
        return
    source = _gather(w, e, view, e.inputs[1:], index)
    target = w.allocate(e, e.outputs[0])
    w.loop(target.shape, lambda at: [f"{target.at(at)} = {source.at(at)};"])


def _gather(w: _Writer, e: Equation, view: View, arrays: Sequence[Atom], index: Any) -> Gather:
    def place(atom: Atom, extent: int) -> tuple[View, bool]:
        if type(atom) is Literal:
            return w.table(np.asarray(atom.value), extent, e.source), False
        return w.view(atom, e.source), True

    found = gathered(view, index, arrays, place)
    if found is None:
        raise untranslated(e, TARGET.name, "with this index")
    return found


def _setitem(w: _Writer, e: Equation, index: Any) -> None:
    x, value, *arrays = e.inputs
    target = w.allocate(e, e.outputs[0])
    w.copy(w.view(x, e.source), target)
    part: View | Gather = _gather(w, e, target, arrays, index) if arrays else indexed(target, index)
    source = w.view(value, e.source).broadcast(part.shape)
    w.loop(part.shape, lambda at: [f"{part.at(at)} = {source.at(at)};"])


def _joined(w: _Writer, e: Equation, axis: int) -> None:
    target = w.allocate(e, e.outputs[0])
    start, stacked = 0, e.primitive.name == "stack"
    for atom in e.inputs:
        length = 1 if stacked else atom.type.shape[axis]
        part = slice(start, start + length) if not stacked else start
        place = indexed(target, (Ellipsis, part, *[slice(None)] * (-axis - 1)))
        w.copy(w.view(atom, e.source), place)
        start += length


def _pad(w: _Writer, e: Equation, widths: Any) -> None:
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


def _reduction(w: _Writer, e: Equation, axis: Sequence[int], keepdims: bool) -> None:
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


def _place_of_extremum(w: _Writer, e: Equation, axis: int, keepdims: bool) -> None:
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


def _running(w: _Writer, e: Equation, axis: int) -> None:
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


def _matmul(w: _Writer, e: Equation) -> None:
    a, b = e.inputs
    lead = "".join(itertools.islice("ABCDEFGH", max(a.type.ndim, b.type.ndim) - 2))
    first, second = lead[len(lead) - a.type.ndim + 2 :], lead[len(lead) - b.type.ndim + 2 :]
    _contraction(w, e, f"{first}ik,{second}kj->{lead}ij")


def _contraction(w: _Writer, e: Equation, spec: str) -> None:
    """Sum products over all letters of ``ik,kj->ij`` that the result does not have."""
    left, out = spec.split("->")
    parts = left.split(",")
    views = [w.view(atom, e.source) for atom in e.inputs]
    if "." in spec or any(len(p) != len(v.shape) for p, v in zip(parts, views, strict=True)):
        raise untranslated(e, TARGET.name, "with more axes than it names")
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
