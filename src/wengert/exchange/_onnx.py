r"""A network as an ONNX file: a graph of operations that other programs run.

Every equation of the program is a node, or a few; the number of rows stays open:

.. math:: v_i = \mathrm{op}_i(v_{\mathrm{pa}(i)}), \qquad v_i \in \mathbb R^{N \times \cdots}.

The operator set is 17 of 2022 (IR version 8), which programs of the last years read, and which has every
operation that is needed. The file is written without the package ``onnx``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wengert import nn
from wengert._files import write_atomically
from wengert._version import __version__
from wengert.core.trace import Atom, Equation, Literal
from wengert.exchange._compositions import ONNX
from wengert.exchange._names import Names
from wengert.exchange._patterns import Dtypes, Pattern
from wengert.exchange._program import (
    Dims,
    Program,
    Rows,
    Target,
    program,
    promoted,
    source_of,
    untranslated,
)
from wengert.exchange._protobuf import Message, encode
from wengert.exchange._tensors import number_of, tensor
from wengert.ops.indexing import ARRAY

Function = Callable[[Any], Any]

OPSET, IR_VERSION = 17, 8


def to_onnx(
    network: Function,
    inputs: Any,
    path: str | Path | None = None,
    *,
    dtype: Any = None,
    preprocessing: Function | None = None,
    postprocessing: Function | None = None,
    names: tuple[str, str] = ("x", "y"),
) -> bytes:
    r"""A network as an ONNX model, for any number of rows.

    Parameters
    ----------
    network, inputs, dtype, preprocessing, postprocessing
        As in :func:`to_numpy`. Many programs that run ONNX models know more operations on float32.
    path : str or Path, optional
        Where the model is written.
    names : tuple of str
        What input and output are called. Several in a dictionary have the names of its keys, and several in a
        tuple are numbered.

    Returns
    -------
    bytes
        The content of the file: operator set 17, IR version 8.

    Raises
    ------
    ExchangeError
        Where an operation has no translation, or what is computed depends on the values of the inputs or on
        the number of rows.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import nn
    >>> network = nn.MLP.init(np.random.default_rng(0), (4, 8, 3), "tanh", "softmax")
    >>> content = to_onnx(network, 4, dtype=np.float32)
    >>> from_onnx(content)(np.ones((5, 4), np.float32)).shape
    (5, 3)
    """
    source = source_of(network, inputs, dtype, preprocessing, postprocessing, names)
    content = encode(_Writer(program(source, TARGET)).model(), "Model")
    if path is not None:
        write_atomically(path, content)
    return content


# --- the graph --------------------------------------------------------------------------------------------


class _Writer:
    """Writes the nodes of a graph for a program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names = Names(program.source.name_of, form=str)
        self.nodes: list[Message] = []
        self.initializers: list[Message] = []
        self.name_of: dict[Atom, str] = {}
        self.equation: Equation | None = None

    def model(self) -> Message:
        """The whole file."""
        return {
            "ir_version": IR_VERSION,
            "producer_name": "wengert",
            "producer_version": __version__,
            "graph": self._graph(),
            "opset_import": [{"domain": "", "version": OPSET}],
        }

    def _graph(self) -> Message:
        trace, source = self.program.trace, self.program.source
        for var, name in zip(trace.inputs, source.inputs, strict=True):
            self.name_of[var] = self.names.fresh(name)
        results = [self.names.fresh(name) for name in self.program.outputs]
        for self.equation in trace.equations:
            self._write(self.equation)
        self.equation = None
        for atom, name in zip(trace.outputs, results, strict=True):
            self.node("Identity", [self.operand(atom)], output=name)
        pairs = list(zip(trace.outputs, results, strict=True))
        return {
            "node": _renamed(self.nodes, set(results)),
            "name": "network",
            "initializer": self.initializers,
            "input": [self._value(var, self.name_of[var]) for var in trace.inputs],
            "output": [self._value(atom, name) for atom, name in pairs],
        }

    def _value(self, atom: Atom, name: str) -> Message:
        dims = [_dim(n) for n in self.program.dims[atom]]
        kind = {"elem_type": number_of(atom.type.dtype), "shape": {"dim": dims}}
        return {"name": name, "type": {"tensor_type": kind}}

    def _write(self, equation: Equation) -> None:
        (out,) = equation.outputs
        operation, name = SIMPLE.get(equation.primitive.name), equation.primitive.name
        operands = [self.operand(atom) for atom in equation.inputs]
        if operation is not None:
            self.name_of[out] = self.node(operation, operands)
        elif name in TRANSLATIONS:
            self.name_of[out] = TRANSLATIONS[name](self, equation, *operands, **equation.params)
        else:
            raise untranslated(equation, TARGET.name)

    # what translations are made of

    def node(self, operation: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        """Add a node with one output, and give its name."""
        layer = self.equation.source if self.equation is not None else ""
        output = output or self.names.variable()
        node: Message = {
            "input": list(inputs),
            "output": [output],
            "name": self.names.fresh(f"{layer}/{operation}" if layer else operation),
            "op_type": operation,
            "attribute": [_attribute(name, value) for name, value in attributes.items()],
        }
        self.nodes.append(node)
        return output

    def operand(self, atom: Atom) -> str:
        """The name of an operand."""
        if type(atom) is Literal:
            return self.constant(np.asarray(atom.value, atom.type.dtype))
        return self.name_of[atom]

    def constant(self, value: np.ndarray) -> str:
        """The name of a constant."""
        name, new = self.names.constant(value, self.equation.source if self.equation is not None else "")
        if new:
            self.initializers.append(tensor(name, value))
        return name

    def integers(self, *values: int) -> str:
        """The name of a vector of whole numbers."""
        return self.constant(np.array(values, np.int64))

    def rows(self, times: int) -> str:
        """So many times the number of rows, in a vector of length 1."""
        first = self.program.source.inputs[0]
        rows = self.node("Shape", [first], start=0, end=1)
        return rows if times == 1 else self.node("Mul", [rows, self.integers(times)])

    def shape(self, dims: Sequence[Any]) -> str:
        """A shape that may name the number of rows."""
        if not any(isinstance(n, Rows) for n in dims):
            return self.integers(*dims)
        parts = [self.rows(n.times) if isinstance(n, Rows) else self.integers(n) for n in dims]
        return parts[0] if len(parts) == 1 else self.node("Concat", parts, axis=0)

    def dims(self, atom: Atom) -> Dims:
        """The shape of an operand."""
        return self.program.dims[atom]


def _dim(extent: Any) -> Message:
    if not isinstance(extent, Rows):
        return {"dim_value": extent}
    return {"dim_param": "rows" if extent.times == 1 else f"{extent.times}*rows"}


def _attribute(name: str, value: Any) -> Message:
    if isinstance(value, str):
        return {"name": name, "s": value.encode(), "type": 3}
    if isinstance(value, float):
        return {"name": name, "f": value, "type": 1}
    if isinstance(value, int):
        return {"name": name, "i": value, "type": 2}
    return {"name": name, "ints": [int(i) for i in value], "type": 7}


def _renamed(nodes: list[Message], results: set[str]) -> list[Message]:
    """Without the last copies, where what they copy can have the name of the result itself."""
    new: dict[str, str] = {}
    made = {name for node in nodes for name in node["output"]}
    for node in nodes:
        source, target = node["input"][0] if node["input"] else "", node["output"][0]
        if node["op_type"] == "Identity" and target in results and source in made and source not in new:
            new[source] = target
    kept = [n for n in nodes if not (n["output"][0] in results and new.get((n["input"] or [""])[0]) == n["output"][0])]
    swap = lambda names: [new.get(name, name) for name in names]
    return [node | {"input": swap(node["input"]), "output": swap(node["output"])} for node in kept]


# --- translations -----------------------------------------------------------------------------------------

# Operations that are one node.
SIMPLE: dict[str, str] = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "negative": "Neg", "sqrt": "Sqrt",
    "exp": "Exp", "log": "Log", "sin": "Sin", "cos": "Cos", "tan": "Tan", "arcsin": "Asin", "arccos": "Acos",
    "arctan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh", "arcsinh": "Asinh", "arccosh": "Acosh",
    "arctanh": "Atanh", "absolute": "Abs", "floor": "Floor", "ceil": "Ceil", "rint": "Round", "sign": "Sign",
    "erf": "Erf", "maximum": "Max", "minimum": "Min", "power": "Pow", "float_power": "Pow", "where": "Where",
    "less": "Less", "less_equal": "LessOrEqual", "greater": "Greater", "greater_equal": "GreaterOrEqual",
    "equal": "Equal", "logical_and": "And", "logical_or": "Or", "logical_not": "Not", "isnan": "IsNaN",
    "isinf": "IsInf", "matmul": "MatMul",
}  # fmt: skip

Translation = Callable[..., str]


def _node(operation: str) -> Translation:
    return lambda w, e, *operands: w.node(operation, operands)


def _not_equal(w: _Writer, e: Equation, a: str, b: str) -> str:
    return w.node("Not", [w.node("Equal", [a, b])])


def _integer_power(w: _Writer, e: Equation, x: str, exponent: int) -> str:
    if exponent == 2:
        return w.node("Mul", [x, x])
    return w.node("Pow", [x, w.constant(np.asarray(exponent, e.inputs[0].type.dtype))])


def _fmod(w: _Writer, e: Equation, a: str, b: str) -> str:
    return w.node("Mod", [a, b], fmod=1)


def _reshape(w: _Writer, e: Equation, x: str, shape: Any, ndim: int) -> str:
    dims = w.dims(e.outputs[0])
    if sum(isinstance(n, Rows) for n in dims) > 1:
        return w.node("Reshape", [x, w.shape(dims)])
    return w.node("Reshape", [x, w.integers(*(-1 if isinstance(n, Rows) else n for n in dims))])


def _transpose(w: _Writer, e: Equation, x: str, axes: Sequence[int]) -> str:
    ndim = e.inputs[0].type.ndim
    lead = range(ndim - len(axes))
    return w.node("Transpose", [x], perm=[*lead, *(a + ndim for a in axes)])


def _broadcast(w: _Writer, e: Equation, x: str, shape: Any) -> str:
    dims, own = w.dims(e.outputs[0]), w.dims(e.inputs[0])
    padded = (1,) * (len(dims) - len(own)) + own
    wanted = [1 if have == want else want for have, want in zip(padded, dims, strict=True)]
    return w.node("Expand", [x, w.shape(wanted)])


def _concatenate(w: _Writer, e: Equation, *parts: str, axis: int) -> str:
    return w.node("Concat", parts, axis=axis)


def _stack(w: _Writer, e: Equation, *parts: str, axis: int) -> str:
    return w.node("Concat", [w.node("Unsqueeze", [p, w.integers(axis)]) for p in parts], axis=axis)


def _cast(w: _Writer, e: Equation, x: str, dtype: Any) -> str:
    return w.node("Cast", [x], to=number_of(np.dtype(dtype)))


def _flip(w: _Writer, e: Equation, x: str, axes: Sequence[int]) -> str:
    ends = [w.integers(*[n] * len(axes)) for n in (-1, np.iinfo(np.int64).min)]
    return w.node("Slice", [x, *ends, w.integers(*axes), w.integers(*[-1] * len(axes))])


def _pad(w: _Writer, e: Equation, x: str, widths: Any) -> str:
    lead = [0] * (e.inputs[0].type.ndim - len(widths))
    pads = [*lead, *(low for low, _ in widths), *lead, *(high for _, high in widths)]
    return w.node("Pad", [x, w.integers(*pads)])


def _cumsum(w: _Writer, e: Equation, x: str, axis: int) -> str:
    return w.node("CumSum", [x, w.constant(np.asarray(axis, np.int64))])


def _einsum(w: _Writer, e: Equation, a: str, b: str, spec: str) -> str:
    left, out = spec.split("->")
    first, second = left.split(",")
    free = any(atom.type.ndim > len(p) for atom, p in zip(e.inputs, (first, second), strict=True))
    equation = f"...{first},...{second}->...{out}" if free else spec
    return w.node("Einsum", [a, b], equation=equation)


def _sum(w: _Writer, e: Equation, x: str, axis: Sequence[int], keepdims: bool) -> str:
    if not axis:
        return w.node("Identity", [x])
    return w.node("ReduceSum", [x, w.integers(*axis)], keepdims=int(keepdims))


def _reduction(operation: str) -> Translation:
    def write(w: _Writer, e: Equation, x: str, axis: Sequence[int], keepdims: bool) -> str:
        return w.node(operation, [x], axes=list(axis), keepdims=int(keepdims)) if axis else w.node("Identity", [x])

    return write


def _truth(operation: str) -> Translation:
    def write(w: _Writer, e: Equation, x: str, axis: Sequence[int], keepdims: bool) -> str:
        number = w.node("Cast", [w.node("Cast", [x], to=9)], to=6)
        return w.node("Cast", [w.node(operation, [number], axes=list(axis), keepdims=int(keepdims))], to=9)

    return write


def _place(operation: str) -> Translation:
    def write(w: _Writer, e: Equation, x: str, axis: int, keepdims: bool) -> str:
        return w.node(operation, [x], axis=axis, keepdims=int(keepdims))

    return write


def _getitem(w: _Writer, e: Equation, x: str, *arrays: str, index: Any) -> str:
    """Slices first, then the index array, then the axes that go and those that come."""
    parts = [part for part in index if part is not Ellipsis]
    if any(part is ARRAY for part in parts):
        return _taken(w, e, x, arrays, parts)
    axes = [i for i, part in enumerate(parts) if part is not None]
    places = {i: n - len(axes) for n, i in enumerate(axes)}
    x = _sliced(w, x, [(places[i], parts[i]) for i in axes])
    gone = [places[i] for i in axes if isinstance(parts[i], int)]
    x = w.node("Squeeze", [x, w.integers(*gone)]) if gone else x
    kept = [part for part in parts if not isinstance(part, int)]
    new = [i - len(kept) for i, part in enumerate(kept) if part is None]
    return w.node("Unsqueeze", [x, w.integers(*new)]) if new else x


def _sliced(w: _Writer, x: str, parts: list[tuple[int, Any]]) -> str:
    cut = [(axis, _as_slice(part)) for axis, part in parts if part != slice(None)]
    if not cut:
        return x
    far = np.iinfo(np.int64)
    steps = [1 if s.step is None else s.step for _, s in cut]
    starts = [(0 if t > 0 else far.max) if s.start is None else s.start for (_, s), t in zip(cut, steps, strict=True)]
    stops = [(far.max if t > 0 else far.min) if s.stop is None else s.stop for (_, s), t in zip(cut, steps, strict=True)]
    ends = [w.integers(*starts), w.integers(*stops), w.integers(*(axis for axis, _ in cut))]
    return w.node("Slice", [x, *ends, w.integers(*steps)])


def _as_slice(part: Any) -> slice:
    if isinstance(part, slice):
        return part
    return slice(part, part + 1 if part != -1 else None)


def _taken(w: _Writer, e: Equation, x: str, arrays: Sequence[str], parts: list[Any]) -> str:
    if len(arrays) != 1 or any(part is None or isinstance(part, int) for part in parts):
        raise untranslated(e, TARGET.name, "with this index")
    axis = next(i for i, part in enumerate(parts) if part is ARRAY)
    others = [(i - len(parts), part) for i, part in enumerate(parts) if part is not ARRAY]
    x = _sliced(w, x, others)
    return w.node("Gather", [x, arrays[0]], axis=axis - len(parts))


# --- several equations in one node ------------------------------------------------------------------------

SINGLE: Dtypes = ("float32",)  # onnxruntime has these in float32 alone


def _dense(x: Any, weights: Any, biases: Any) -> Any:
    return x @ weights + biases


def _slopes(x: Any, slopes: Any) -> Any:
    return np.where(x > 0, x, slopes * x)


def _layer_norm(x: Any, epsilon: Any, scale: Any, shift: Any) -> Any:
    return nn.LayerNorm(scale, shift, epsilon)(x)


def _attributed(operation: str, attribute: str) -> Translation:
    def write(w: _Writer, e: Equation, x: str, *constant: str) -> str:
        values = [float(atom.value) for atom in e.inputs[1:]]  # type: ignore[union-attr]
        return w.node(operation, [x], **{attribute: value for value in values or [1.0]})

    return write


def _unscaled_norm(x: Any, epsilon: Any, shift: Any) -> Any:
    return nn.LayerNorm(np.ones(shift.shape, shift.dtype), shift, epsilon)(x)


def _normalised(w: _Writer, e: Equation, x: str, epsilon: str, *factors: str) -> str:
    shift: Any = e.inputs[-1]
    scale = factors[0] if len(factors) == 2 else w.constant(np.ones_like(shift.value))
    value = float(e.inputs[1].value)  # type: ignore[union-attr]
    return w.node("LayerNormalization", [x, scale, factors[-1]], axis=-1, epsilon=value)


def _along_last(operation: str) -> Translation:
    return lambda w, e, x: w.node(operation, [x], axis=-1)


PATTERNS = (
    Pattern("Gemm", _dense, (2, 1)),
    Pattern("Relu", nn.relu),
    Pattern("Sigmoid", nn.logistic),
    Pattern("Softmax", nn.softmax),
    Pattern("LogSoftmax", nn.log_softmax),
    Pattern("LayerNormalization", _layer_norm, (0, 1, 1), SINGLE),
    Pattern("LayerNormalization", _unscaled_norm, (0, 1), SINGLE),
    Pattern("Softplus", nn.softplus, (), SINGLE),
    Pattern("Softsign", nn.softsign, (), SINGLE),
    Pattern("Selu", nn.selu, (), SINGLE),
    Pattern("Elu", nn.elu, (), SINGLE),
    Pattern("Elu", nn.elu, (0,), SINGLE),
    Pattern("LeakyRelu", nn.leaky_relu, (0,), SINGLE),
    Pattern("PRelu", _slopes, (1,), SINGLE),
)
TARGET = Target("ONNX", ONNX, PATTERNS, promoted)


TRANSLATIONS: dict[str, Translation] = {
    **{name: _node(name) for name in ("Gemm", "Relu", "Sigmoid", "Softplus", "Softsign", "Selu", "PRelu")},
    **{name: _along_last(name) for name in ("Softmax", "LogSoftmax")},
    "LayerNormalization": _normalised,
    "Elu": _attributed("Elu", "alpha"),
    "LeakyRelu": _attributed("LeakyRelu", "alpha"),
    "not_equal": _not_equal,
    "integer_power": _integer_power,
    "fmod": _fmod,
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast,
    "concatenate": _concatenate,
    "stack": _stack,
    "convert": _cast,
    "discretise": _cast,
    "flip": _flip,
    "pad": _pad,
    "cumsum": _cumsum,
    "einsum": _einsum,
    "getitem": _getitem,
    "sum": _sum,
    "prod": _reduction("ReduceProd"),
    "max": _reduction("ReduceMax"),
    "min": _reduction("ReduceMin"),
    "any": _truth("ReduceMax"),
    "all": _truth("ReduceMin"),
    "argmax": _place("ArgMax"),
    "argmin": _place("ArgMin"),
}
