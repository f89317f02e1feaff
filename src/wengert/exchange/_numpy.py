r"""A network as one Python file that needs nothing but NumPy.

Every equation of the program is a line of NumPy code,

.. math:: v_i = \mathrm{op}_i(v_{\mathrm{pa}(i)}),

where an expression that is read once, and is short, stands in the line that reads it. The numbers are those
of the network to the last bit, as far as the same NumPy computes them.
"""

from __future__ import annotations

import base64
import keyword
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wengert._files import write_atomically
from wengert._version import __version__
from wengert.core.trace import Atom, Equation, Literal, Trace
from wengert.exchange._compositions import COMMON, NUMPY
from wengert.exchange._names import Names, plain, wrapped
from wengert.exchange._program import Codes, Program, Rows, Target, program, shown, source_of, untranslated
from wengert.ops.indexing import fill

Function = Callable[[Any], Any]

WIDTH = 110
LITERAL = 8  # numbers; longer arrays are written in base64
LINE = 100  # letters of it in a line

TARGET = Target("NumPy", NUMPY)
SHOWN_WORDS = 5  # of an input, in the comment


def to_numpy(
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
    r"""A network as the text of a Python module with a function ``predict``, which needs NumPy alone.

    Parameters
    ----------
    network : callable
        A network, or any function of a batch of patterns whose prediction can be traced.
    inputs : int or tree of arrays
        How many inputs there are; or an example of them with a row for each pattern, where they are not an
        array of floating-point numbers.
    path : str or Path, optional
        Where the module is written.
    dtype : dtype, optional
        The precision of the exported network; its own unless given.
    preprocessing, postprocessing : callable, optional
        Functions before and behind the network, which become part of what is exported.
    words : dict, optional
        For inputs of whole numbers that are given as words: the number of each word, and under None that of
        every other, ``{"town": {"Bonn": 0, "": -1, None: -2}}``. In C the numbers themselves are given.
    names : tuple of str
        What input and output are called. Several in a dictionary have the names of its keys, and several in a
        tuple are numbered.
    about : dict, optional
        What inputs and outputs stand for, by name, for the comments of the file: units, codes, an order.

    Returns
    -------
    str
        The text of the module.

    Raises
    ------
    ExchangeError
        Where an operation has no translation, or what is computed depends on the values of the inputs or on
        the number of rows.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import nn
    >>> network = nn.Dense(np.array([[2.0], [3.0]]), np.array([1.0]), nn.relu)
    >>> module = {}
    >>> exec(to_numpy(network, 2), module)
    >>> module["predict"](np.array([[1.0, 1.0], [-1.0, 0.0]]))
    array([[6.],
           [0.]])
    """
    source = source_of(network, inputs, dtype, preprocessing, postprocessing, words, names, about)
    text = _Writer(program(source, TARGET)).text()
    if path is not None:
        write_atomically(path, text.encode())
    return text


# --- expressions ------------------------------------------------------------------------------------------

Expression = Callable[..., str]
# Operators, and how tightly they bind.
OPERATORS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "remainder": "%", "floor_divide": "//",
    "matmul": "@", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==",
    "not_equal": "!=", "power": "**", "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^",
    "left_shift": "<<", "right_shift": ">>",
}  # fmt: skip
FUNCTIONS = (
    "reciprocal", "square", "sqrt", "cbrt", "hypot", "fmod", "float_power", "exp", "exp2", "expm1", "log",
    "log2", "log10", "log1p", "logaddexp", "logaddexp2", "sin", "cos", "tan", "arcsin", "arccos", "arctan",
    "arctan2", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "degrees", "radians", "maximum",
    "minimum", "fmax", "fmin", "absolute", "fabs", "copysign", "nextafter", "ldexp", "sign", "floor", "ceil",
    "trunc", "rint", "signbit", "heaviside", "isnan", "isinf", "isfinite", "logical_not", "logical_and",
    "logical_or", "logical_xor", "invert", "where", "gcd", "lcm",
)  # fmt: skip
# With the arguments that stand behind the operands.
REDUCTIONS = ("sum", "prod", "max", "min", "any", "all", "argmax", "argmin", "count_nonzero")


def _call(name: str) -> Expression:
    return lambda *operands: f"np.{name}({', '.join(map(bare, operands))})"


def _reduction(name: str) -> Expression:
    def write(x: str, axis: Any, keepdims: bool) -> str:
        axis = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
        kept = ", keepdims=True" if keepdims else ""
        return f"np.{name}({bare(x)}, axis={axis}{kept})"

    return write


def _joined(name: str) -> Expression:
    return lambda *parts, axis: f"np.{name}([{', '.join(map(bare, parts))}], axis={axis})"


def _index(part: Any) -> str:
    if part is Ellipsis:
        return "..."
    if not isinstance(part, slice):
        return str(part)
    ends = ["" if end is None else str(end) for end in (part.start, part.stop, part.step)]
    return ":".join(ends[:2] if part.step is None else ends)


def _getitem(x: str, *arrays: str, index: Any) -> str:
    return f"{x}[{', '.join(map(_index, _trimmed(fill(index, arrays))))}]"


def _trimmed(index: Any) -> list[Any]:
    """Without slices that take everything after an ellipsis that does the same."""
    parts = list(index)
    while len(parts) > 2 and parts[1] == slice(None):
        del parts[1]
    return parts


def _slices(index: Any) -> str:
    """An index as an argument of a function."""
    return f"np.s_[{', '.join(map(_index, _trimmed(index)))}]"


def _shape(shape: Any) -> str:
    words = [_extent(n) for n in shape]
    return f"({', '.join(words)}{',' if len(words) == 1 else ''})"


def _extent(n: Any) -> str:
    if not isinstance(n, Rows):
        return str(n)
    return "rows" if n.times == 1 else f"{n.times} * rows"


def _dtype(dtype: np.dtype[Any]) -> str:
    """A dtype's name in every version of NumPy."""
    return "bool_" if dtype.kind == "b" else str(dtype)


EXPRESSIONS: dict[str, Expression] = {
    **{name: _call(name) for name in FUNCTIONS},
    **{name: _reduction(name) for name in REDUCTIONS},
    "concatenate": _joined("concatenate"),
    "stack": _joined("stack"),
    "negative": lambda x: f"(-{x})",
    "integer_power": lambda x, exponent: f"{x}**{exponent}",
    "reshape": lambda x, shape, ndim: f"np.reshape({bare(x)}, {_shape(shape)})",
    "transpose": lambda x, axes: f"np.transpose({bare(x)}, {axes})",
    "broadcast_to": lambda x, shape: f"np.broadcast_to({bare(x)}, {_shape(shape)})",
    "convert": lambda x, dtype: f"np.asarray({bare(x)}, np.{_dtype(dtype)})",
    "discretise": lambda x, dtype: f"np.asarray({bare(x)}, np.{_dtype(dtype)})",
    "round": lambda x, decimals: f"np.round({x}, {decimals})",
    "getitem": _getitem,
    "flip": lambda x, axes: f"np.flip({x}, {axes})",
    "roll": lambda x, shift, axes: f"np.roll({x}, {shift}, {axes})",
    "pad": lambda x, widths: f"np.pad({x}, {widths})",
    "cumsum": lambda x, axis: f"np.cumsum({x}, axis={axis})",
    "cumprod": lambda x, axis: f"np.cumprod({x}, axis={axis})",
    "searchsorted": lambda a, v, side: f"np.searchsorted({bare(a)}, {bare(v)}, {side!r})",
    "setitem": lambda x, value, *arrays, index: (
        f"_put({bare(x)}, {_slices(fill(index, arrays))}, {bare(value)})"
    ),
    "einsum": lambda a, b, spec: f"np.einsum({spec!r}, {a}, {b})",
    "erf": lambda x: f"_each(math.erf, {bare(x)})",
    "erfc": lambda x: f"_each(math.erfc, {bare(x)})",
}

TRANSLATED = frozenset({*EXPRESSIONS, *OPERATORS, *COMMON, *NUMPY})

# What the module itself uses, beside the words of the language.
OWN = ("np", "math", "base64", "predict", "rows", "word", "len", "float", "_each", "_put", "_array")
HELPERS = {
    "_each(": '''
def _each(function, x):
    """A function of Python's on every element."""
    return np.vectorize(function, otypes=[x.dtype])(x)
''',
    "_put(": '''
def _put(x, index, value):
    """The array with other numbers in some places."""
    x = np.array(x)
    x[index] = value
    return x
''',
    "_array(": '''
def _array(dtype, shape, text):
    """An array from its bytes in base64."""
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)
''',
}


# --- the module -------------------------------------------------------------------------------------------


class _Writer:
    """Writes the lines of a module for a program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names = Names(program.source.name_of, (*keyword.kwlist, *OWN))
        self.constants: list[str] = []
        self.lines: list[str] = []
        self.text_of: dict[Atom, str] = {}
        self.layer = ""
        self.uses = Counter(atom for e in program.trace.equations for atom in e.inputs)
        self.uses.update(program.trace.outputs)

    def text(self) -> str:
        trace = self.program.trace
        for var, name in zip(trace.inputs, self.program.source.inputs, strict=True):
            self.text_of[var] = self.names.fresh(name)
        for equation in trace.equations:
            self._write(equation)
        result = self._result(trace)
        body = [*self._preamble(trace, result), *self.lines, f"return {result}"]
        return self._module(trace, body)

    def _write(self, equation: Equation) -> None:
        operands = [self._operand(atom, equation) for atom in equation.inputs]
        expression = self._expression(equation, operands)
        (out,) = equation.outputs
        if self.uses[out] == 1 and len(expression) < WIDTH // 2 and "\n" not in expression:
            self.text_of[out] = expression
            return
        name = self.text_of[out] = self.names.variable()
        if equation.source and equation.source != self.layer:
            self.lines.append(f"# {plain(equation.source)}")
        self.layer = equation.source
        self.lines.append(f"{name} = {bare(expression)}")

    def _expression(self, equation: Equation, operands: list[str]) -> str:
        name = equation.primitive.name
        if name in OPERATORS:
            return f"({operands[0]} {OPERATORS[name]} {operands[1]})"
        if name not in EXPRESSIONS:
            raise untranslated(equation, TARGET.name)
        return EXPRESSIONS[name](*operands, **equation.params)

    def _operand(self, atom: Atom, equation: Equation) -> str:
        if type(atom) is Literal:
            return self._literal(atom, equation.source)
        return self.text_of[atom]

    def _literal(self, atom: Literal, layer: str) -> str:
        value: Any = atom.value
        if atom.type.weak:
            return repr(value) if np.isfinite(value) else f"float('{value}')"
        if np.ndim(value) == 0:
            return f"np.{_dtype(atom.type.dtype)}({_number(value)})"
        name, new = self.names.constant(np.asarray(value), layer)
        if new:
            self.constants.append(f"{name} = {written(np.asarray(value))}")
        return name

    def _result(self, trace: Trace) -> str:
        words = [self._literal(a, "") if type(a) is Literal else bare(self.text_of[a]) for a in trace.outputs]
        if len(words) == 1:
            return words[0]
        pairs = zip(self.program.outputs, words, strict=True)
        return "{" + ", ".join(f"{name!r}: {word}" for name, word in pairs) + "}"

    def _preamble(self, trace: Trace, result: str) -> list[str]:
        """Inputs as arrays of the dtype that the program is for, and the number of rows where it is named."""
        names = [self.text_of[var] for var in trace.inputs]
        lines = []
        for name, given, var in zip(names, self.program.source.inputs, trace.inputs, strict=True):
            lines += self._coded(name, self.program.source.words.get(given))
            lines.append(f"{name} = np.asarray({name}, np.{_dtype(var.type.dtype)})")
        return lines + [f"rows = len({names[0]})"] * any("rows" in line for line in [*self.lines, result])

    def _coded(self, name: str, codes: Codes | None) -> list[str]:
        """Words become their numbers."""
        if codes is None:
            return []
        table = self.names.fresh(f"{name}_words")
        listed = {word: code for word, code in codes.items() if word is not None}
        self.constants.append(f"{table} = {listed!r}")
        return [f"{name} = [{table}.get(word, {codes[None]}) for word in {name}]"]

    def _module(self, trace: Trace, body: list[str]) -> str:
        arguments = ", ".join(self.text_of[var] for var in trace.inputs)
        code = "\n".join(self.constants + body)
        helpers = [text for mark, text in HELPERS.items() if mark in code]
        modules = [name for name in ("base64", "math") if name + "." in "".join([code, *helpers])]
        imports = [f"import {name}" for name in modules] + [""] * bool(modules)
        head = [f'"""{self._documentation(trace)}"""', "", *imports, "import numpy as np", *helpers, ""]
        function = [f"def predict({arguments}):", *textwrap.indent("\n".join(body), "    ").splitlines()]
        return "\n".join([*head, *self.constants, "", "", *function, ""])

    def _documentation(self, trace: Trace) -> str:
        source = self.program.source
        given = [(n, self.text_of[var], var) for n, var in zip(source.inputs, trace.inputs, strict=True)]
        found = [(n, plain(n), atom) for n, atom in zip(self.program.outputs, trace.outputs, strict=True)]
        inputs, outputs = map(self._about, given), map(self._about, found)
        head = f"A network, written by wengert {__version__}: predict gives its outputs, row by row."
        call = wrapped(f"predict({', '.join(self._example([name for _, name, _ in given]))})", "  ", "      ")
        return "\n".join([head, "", "Inputs:", *inputs, "Outputs:", *outputs, "Example:", call, ""])

    def _about(self, end: tuple[str, str, Atom]) -> str:
        """An input or output: its name, dtype, shape and meaning."""
        source, (given, name, atom) = self.program.source, end
        codes = source.words.get(given, {})
        words = [plain(word) for word in codes if word][:SHOWN_WORDS]
        kind = "words" if words else atom.type.dtype
        known = f", for instance {', '.join(words)}" if words else ""
        lacking = ", empty where missing" if "" in codes else ""
        text = f"{name}: {kind} {shown(self.program.dims[atom])}{source.meaning(given, name)}{known}{lacking}"
        return wrapped(text, "  ", "      ")

    def _example(self, names: Sequence[str]) -> Iterator[str]:
        """The arguments of a call for one row."""
        source = self.program.source
        for given, name, value in zip(source.inputs, names, source.first_row(), strict=True):
            if value.ndim:
                yield f"{name}=np.zeros({(1, *value.shape)}, np.{_dtype(value.dtype)})"
            else:
                words = {code: word for word, code in source.words.get(given, {}).items() if word}
                yield (
                    f"{name}=[{plain(words.get(value.item(), ''))!r}]"
                    if words
                    else f"{name}=[{value.item()}]"
                )


def bare(expression: str) -> str:
    """Without the parentheses around the whole."""
    if not (expression.startswith("(") and expression.endswith(")")):
        return expression
    depth = 0
    for i, letter in enumerate(expression):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and i < len(expression) - 1:
            return expression
    return expression[1:-1]


def _number(value: Any) -> str:
    number = value.item()
    return repr(number) if np.isfinite(number) else f"'{number}'"


def written(value: np.ndarray) -> str:
    """An array as a Python expression: short ones as numbers, others in base64."""
    if value.size <= LITERAL and np.all(np.isfinite(value)):
        return f"np.array({value.tolist()}, np.{_dtype(value.dtype)})"
    little = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"))
    text = base64.b64encode(little.tobytes()).decode()
    lines = "\n".join(f'    "{text[i : i + LINE]}"' for i in range(0, len(text), LINE))
    return f'_array("{little.dtype.str}", {value.shape}, (\n{lines}\n))'
