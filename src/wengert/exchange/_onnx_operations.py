r"""What every operation becomes in ONNX: a node, a few nodes, or one node together with others.

.. math:: \mathbf x \mathbf W + \mathbf b \;\to\; \texttt{Gemm}, \qquad
          \max(0, \mathbf a) \;\to\; \texttt{Relu}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert import nn
from wengert.core.trace import Equation
from wengert.exchange._patterns import Dtypes, Pattern
from wengert.exchange._program import Rows, untranslated
from wengert.exchange._tensors import number_of
from wengert.ops.indexing import ARRAY

Writer = Any  # that of `wengert.exchange._onnx`

TARGET = "ONNX"

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


def _not_equal(w: Writer, e: Equation, a: str, b: str) -> str:
    return w.node("Not", [w.node("Equal", [a, b])])


def _integer_power(w: Writer, e: Equation, x: str, exponent: int) -> str:
    if exponent == 2:
        return w.node("Mul", [x, x])
    return w.node("Pow", [x, w.constant(np.asarray(exponent, e.inputs[0].type.dtype))])


def _fmod(w: Writer, e: Equation, a: str, b: str) -> str:
    return w.node("Mod", [a, b], fmod=1)


def _reshape(w: Writer, e: Equation, x: str, shape: Any, ndim: int) -> str:
    dims = w.dims(e.outputs[0])
    if sum(isinstance(n, Rows) for n in dims) > 1:
        return w.node("Reshape", [x, w.shape(dims)])
    return w.node("Reshape", [x, w.integers(*(-1 if isinstance(n, Rows) else n for n in dims))])


def _transpose(w: Writer, e: Equation, x: str, axes: Sequence[int]) -> str:
    ndim = e.inputs[0].type.ndim
    lead = range(ndim - len(axes))
    return w.node("Transpose", [x], perm=[*lead, *(a + ndim for a in axes)])


def _broadcast(w: Writer, e: Equation, x: str, shape: Any) -> str:
    dims, own = w.dims(e.outputs[0]), w.dims(e.inputs[0])
    padded = (1,) * (len(dims) - len(own)) + own
    wanted = [1 if have == want else want for have, want in zip(padded, dims, strict=True)]
    return w.node("Expand", [x, w.shape(wanted)])


def _concatenate(w: Writer, e: Equation, *parts: str, axis: int) -> str:
    return w.node("Concat", parts, axis=axis)


def _stack(w: Writer, e: Equation, *parts: str, axis: int) -> str:
    return w.node("Concat", [w.node("Unsqueeze", [p, w.integers(axis)]) for p in parts], axis=axis)


def _cast(w: Writer, e: Equation, x: str, dtype: Any) -> str:
    return w.node("Cast", [x], to=number_of(np.dtype(dtype)))


def _flip(w: Writer, e: Equation, x: str, axes: Sequence[int]) -> str:
    ends = [w.integers(*[n] * len(axes)) for n in (-1, np.iinfo(np.int64).min)]
    return w.node("Slice", [x, *ends, w.integers(*axes), w.integers(*[-1] * len(axes))])


def _pad(w: Writer, e: Equation, x: str, widths: Any) -> str:
    lead = [0] * (e.inputs[0].type.ndim - len(widths))
    pads = [*lead, *(low for low, _ in widths), *lead, *(high for _, high in widths)]
    return w.node("Pad", [x, w.integers(*pads)])


def _cumsum(w: Writer, e: Equation, x: str, axis: int) -> str:
    return w.node("CumSum", [x, w.constant(np.asarray(axis, np.int64))])


def _einsum(w: Writer, e: Equation, a: str, b: str, spec: str) -> str:
    left, out = spec.split("->")
    first, second = left.split(",")
    free = any(atom.type.ndim > len(p) for atom, p in zip(e.inputs, (first, second), strict=True))
    equation = f"...{first},...{second}->...{out}" if free else spec
    return w.node("Einsum", [a, b], equation=equation)


def _sum(w: Writer, e: Equation, x: str, axis: Sequence[int], keepdims: bool) -> str:
    if not axis:
        return w.node("Identity", [x])
    return w.node("ReduceSum", [x, w.integers(*axis)], keepdims=int(keepdims))


def _reduction(operation: str) -> Translation:
    def write(w: Writer, e: Equation, x: str, axis: Sequence[int], keepdims: bool) -> str:
        return (
            w.node(operation, [x], axes=list(axis), keepdims=int(keepdims))
            if axis
            else w.node("Identity", [x])
        )

    return write


def _truth(operation: str) -> Translation:
    def write(w: Writer, e: Equation, x: str, axis: Sequence[int], keepdims: bool) -> str:
        number = w.node("Cast", [w.node("Cast", [x], to=9)], to=6)
        return w.node("Cast", [w.node(operation, [number], axes=list(axis), keepdims=int(keepdims))], to=9)

    return write


def _place(operation: str) -> Translation:
    def write(w: Writer, e: Equation, x: str, axis: int, keepdims: bool) -> str:
        return w.node(operation, [x], axis=axis, keepdims=int(keepdims))

    return write


def _getitem(w: Writer, e: Equation, x: str, *arrays: str, index: Any) -> str:
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


def _sliced(w: Writer, x: str, parts: list[tuple[int, Any]]) -> str:
    cut = [(axis, _as_slice(part)) for axis, part in parts if part != slice(None)]
    if not cut:
        return x
    far = np.iinfo(np.int64)
    steps = [1 if s.step is None else s.step for _, s in cut]
    starts = [
        (0 if t > 0 else far.max) if s.start is None else s.start
        for (_, s), t in zip(cut, steps, strict=True)
    ]
    stops = [
        (far.max if t > 0 else far.min) if s.stop is None else s.stop
        for (_, s), t in zip(cut, steps, strict=True)
    ]
    ends = [w.integers(*starts), w.integers(*stops), w.integers(*(axis for axis, _ in cut))]
    return w.node("Slice", [x, *ends, w.integers(*steps)])


def _as_slice(part: Any) -> slice:
    if isinstance(part, slice):
        return part
    return slice(part, part + 1 if part != -1 else None)


def _taken(w: Writer, e: Equation, x: str, arrays: Sequence[str], parts: list[Any]) -> str:
    if len(arrays) != 1 or any(part is None or isinstance(part, int) for part in parts):
        raise untranslated(e, TARGET, "with this index")
    axis = next(i for i, part in enumerate(parts) if part is ARRAY)
    others = [(i - len(parts), part) for i, part in enumerate(parts) if part is not ARRAY]
    x = _sliced(w, x, others)
    return w.node("Gather", [x, arrays[0]], axis=axis - len(parts) + e.inputs[0].type.ndim)


# --- several equations in one node ------------------------------------------------------------------------

SINGLE: Dtypes = ("float32",)  # onnxruntime has these in float32 alone


def _dense(x: Any, weights: Any, biases: Any) -> Any:
    return x @ weights + biases


def _slopes(x: Any, slopes: Any) -> Any:
    return np.where(x > 0, x, slopes * x)


def _layer_norm(x: Any, epsilon: Any, scale: Any, shift: Any) -> Any:
    return nn.LayerNorm(scale, shift, epsilon)(x)


def _attributed(operation: str, attribute: str) -> Translation:
    def write(w: Writer, e: Equation, x: str, *constant: str) -> str:
        values = [float(atom.value) for atom in e.inputs[1:]]  # type: ignore[union-attr]
        return w.node(operation, [x], **{attribute: (values or [1.0])[0]})

    return write


def _unscaled_norm(x: Any, epsilon: Any, shift: Any) -> Any:
    return nn.LayerNorm(np.ones(shift.shape, shift.dtype), shift, epsilon)(x)


def _normalised(w: Writer, e: Equation, x: str, epsilon: str, *factors: str) -> str:
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
