r"""A network as one file of C99 that needs nothing but ``math.h``.

The file computes one row. Operations on each element become one loop,

.. math:: v_{i} = h\Bigl(\sum_k x_k\,w_{ki} + b_i\Bigr),

with a local number for every equation; what only moves numbers about (a transpose, a slice) becomes another
way to count the places of an array. Numbers are written with as many digits as bring them back exactly.
"""

from __future__ import annotations

import hashlib
import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wengert._files import write_atomically
from wengert._version import __version__
from wengert.core import tree
from wengert.core.evaluate import evaluate
from wengert.core.trace import Atom, Equation, Literal, Trace, Var, type_for
from wengert.errors import ExchangeError
from wengert.exchange._c_operations import (
    CASTS,
    ELEMENTWISE,
    FLOATING,
    WRITERS,
    expression,
    nest,
    number,
    numbers_of,
    type_name,
)
from wengert.exchange._c_views import View
from wengert.exchange._compositions import COMMON, C
from wengert.exchange._names import Names, plain, wrapped
from wengert.exchange._program import (
    Codes,
    Source,
    Target,
    names_of,
    one_size,
    promoted,
    source_of,
    untranslated,
)

Function = Callable[[Any], Any]
Shape = tuple[int, ...]
Body = Callable[[Sequence[str]], Iterable[str]]  # the lines in a loop, by the counters

IN_A_LINE = 6  # numbers
TARGET = Target("C", C, prepared=promoted)
TRANSLATED = frozenset({*ELEMENTWISE, *FLOATING, *CASTS, *WRITERS, *COMMON, *C})
# What the file itself uses, beside the words of the language.
OWN = ("predict", "predict_rows", "rows", "at", "main", "NAN", "INFINITY", *"ijklmnop")
KEYWORDS = (
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern",
    "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short",
    "signed", "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile",
    "while",
)  # fmt: skip


def to_c(
    network: Function,
    inputs: Any,
    path: str | Path | None = None,
    *,
    dtype: Any = None,
    preprocessing: Function | None = None,
    postprocessing: Function | None = None,
    words: Mapping[str, Codes] | None = None,
    names: tuple[str, str] = ("x", "y"),
    about: Mapping[str, str] | None = None,
) -> str:
    r"""A network as the text of a C99 file: ``predict`` for one row, ``predict_rows`` for many.

    Parameters
    ----------
    network, inputs, dtype, preprocessing, postprocessing, words, names, about
        As in :func:`to_numpy`. With ``dtype=np.float32`` all numbers are of type ``float``.
    path : str or Path, optional
        Where the file is written.

    Returns
    -------
    str
        The text of the file. Integers are ``long long`` and truth values ``int``. A category out of range
        takes the vector of the nearest one.

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
    >>> text = to_c(network, 2, dtype=np.float32)
    >>> print(text[text.index("void predict(") : text.index("void predict_rows(")])
    void predict(const float *x, float *y)
    {
        /* Dense */
        float v1[1];
        v1[0] = 0;
        for (int i = 0; i < 2; i++) {
            v1[0] += x[i] * weights[i];
        }
        const float v2 = v1[0] + biases[0];
        const int v3 = v2 <= 0.0f;
        const float v4 = v3 ? 0.0f : v2;
        y[0] = v4;
    }
    <BLANKLINE>
    """
    source = source_of(network, inputs, dtype, preprocessing, postprocessing, words, names, about)
    trace, structure = one_size(source, 1, TARGET)
    _require_independent(source, trace)
    outputs = names_of(tree.unflatten(structure, list(trace.outputs)), source.output)
    text = _Writer(source, trace, outputs).text()
    if path is not None:
        write_atomically(path, text.encode())
    return text


def _require_independent(source: Source, trace: Trace) -> None:
    """The example row by row gives what the function gives for all of it at once."""
    rows = min(3, len(tree.flatten(source.example)[0][0]))
    with np.errstate(all="ignore"):
        together, _ = tree.flatten(source.function(source.network, source.batch(rows)))
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


# --- the file ---------------------------------------------------------------------------------------------

AT = """
/* The place of element i of n: negative ones count from the end, those out of range mean the nearest. */
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
        self.names = Names(source.name_of, (*KEYWORDS, *OWN))
        self.inputs = [self.names.fresh(name) for name in source.inputs]
        self.outputs, self.results = outputs, [self.names.fresh(name) for name in outputs]
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
        for equation in self.trace.equations:
            self._write(equation)
        self._flush()
        for atom, name in zip(self.trace.outputs, self.results, strict=True):
            self._deliver(atom, name)
        return self._file()

    def _write(self, equation: Equation) -> None:
        name = equation.primitive.name
        if equation.source and equation.source != self.layer:
            self._flush()
            self.lines.append(f"/* {plain(equation.source)} */")
            self.layer = equation.source
        if name in ELEMENTWISE or name in FLOATING or name in CASTS:
            if not self._joins(equation):
                self._flush()
            self.group.append(Local(equation, self.names.variable()))
            return
        self._flush()
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
        found = np.where(places < 0, places + extent, places).astype(np.int64)
        return self._constant(found, f"{layer}.index" if layer else "index")

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

    def loop(self, shape: Shape, body: Body) -> None:
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

    def _flush(self) -> None:
        """Write the loop; what is read behind it is stored."""
        group, self.group = self.group, []
        if group:
            shape = group[0].equation.outputs[0].type.shape
            operands = self._operands(group, shape)
            self.loop(shape, self._body(group, operands, self._targets(group)))

    def _operands(self, group: Sequence[Local], shape: Shape) -> dict[Atom, View]:
        """What the loop reads from memory."""
        inside = {local.equation.outputs[0] for local in group}
        read = [(a, local.equation.source) for local in group for a in local.equation.inputs]
        return {a: self.view(a, layer).broadcast(shape) for a, layer in read if a not in inside}

    def _targets(self, group: Sequence[Local]) -> dict[Atom, View]:
        """What the loop stores: numbers that are read behind it."""
        inside = {id(local.equation) for local in group}
        found = [(e, e.outputs[0]) for e, _ in group if self._is_read_behind(e.outputs[0], inside)]
        return {var: self.allocate(equation, var) for equation, var in found}

    def _body(self, group: Sequence[Local], operands: dict[Atom, View], targets: dict[Atom, View]) -> Body:
        names: dict[Atom, str] = {local.equation.outputs[0]: local.name for local in group}

        def body(at: Sequence[str]) -> Iterable[str]:
            for equation, name in group:
                texts = [names[a] if a in names else operands[a].at(at) for a in equation.inputs]
                var = equation.outputs[0]
                yield f"const {type_name(equation, var.type.dtype)} {name} = {expression(equation, texts)};"
                if var in targets:
                    yield f"{targets[var].at(at)} = {name};"

        return body

    def _is_read_behind(self, var: Var, inner: set[int]) -> bool:
        last = self.last.get(var, -1)
        return last == len(self.trace) or id(self.trace.equations[last]) not in inner

    # the end

    def _deliver(self, atom: Atom, name: str) -> None:
        view = self.view(atom)
        if view.name != name:
            self.copy(view, View.of(name, atom.type.shape))

    def _file(self) -> str:
        unread = [name for v, name in zip(self.trace.inputs, self.inputs, strict=True) if v not in self.last]
        body = "\n".join([*(f"(void){name};" for name in unread), *self.lines])
        arrays = [_array(name, value) for name, value in self.constants]
        helpers = [AT] if "at(" in body else []
        one = f"void predict({self._parameters('')})\n{{\n{textwrap.indent(body, '    ')}\n}}\n"
        head = [self._comment(), "#include <math.h>\n", self._sizes()]
        return "\n".join([*head, *arrays, *helpers, one, self._many()])

    def _sizes(self) -> str:
        """How many numbers a row of each input and output has."""
        sizes = [(self.names.fresh(f"{n}_SIZE".upper()), a.type.size) for _, n, a in self._ends()]
        return f"enum {{ {', '.join(f'{name} = {size}' for name, size in sizes)} }};\n"

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
        return "\n".join(
            [
                f"/* A network, written by wengert {__version__}. C99, needs math.h alone.",
                " *",
                " * predict computes one row, predict_rows as many as there are, one behind the other:",
                *self._shapes(),
                " *",
                " * For example:",
                *(f" *   {line}" for line in self._example()),
                " *",
                f" * {count} constants, {self.bytes} bytes of memory on the stack.",
                f" * SHA-256 of the constants: {digest.hexdigest()}",
                " */",
            ]
        )

    def _shapes(self) -> Iterator[str]:
        """Every input and output: its size, type and meaning, and the numbers of words."""
        given = [*self.source.inputs, *self.outputs]
        for wish, (_, name, atom) in zip(given, self._ends(), strict=True):
            codes = self.source.words.get(wish)
            text = f"{name}: {atom.type.size} of type {type_name(None, atom.type.dtype)}"
            listed = f", {_listed(codes)}" if codes else ""
            yield wrapped(f"{text}{self.source.meaning(wish, name)}{listed}", " *   ", " *       ")

    def _example(self) -> Iterator[str]:
        """A call for one row."""
        arguments = []
        rows = [*self.source.first_row(), *(None for _ in self.results)]
        for (const, name, atom), value in zip(self._ends(), rows, strict=True):
            size, kind = atom.type.size, type_name(None, atom.type.dtype)
            one = "" if value is None else f" = {number(value.reshape(-1)[0], value.dtype)}"
            yield (
                f"{const}{kind} {name}{one};"
                if size == 1
                else f"{const}{kind} {name}[{size}]{' = {0}' * bool(one)};"
            )
            arguments.append(f"&{name}" if size == 1 else name)
        yield f"predict({', '.join(arguments)});"


def _listed(codes: Codes) -> str:
    """Which number stands for which word."""
    listed = [f"{code} for {plain(word) or 'nothing'}" for word, code in codes.items() if word is not None]
    return ", ".join([*listed, f"{codes[None]} for all others"])


def _array(name: str, value: np.ndarray) -> str:
    numbers = numbers_of(value) or ["0"]
    lines = [", ".join(numbers[i : i + IN_A_LINE]) for i in range(0, len(numbers), IN_A_LINE)]
    rows = ",\n    ".join(lines)
    return f"static const {type_name(None, value.dtype)} {name}[{len(numbers)}] = {{\n    {rows}\n}};\n"
