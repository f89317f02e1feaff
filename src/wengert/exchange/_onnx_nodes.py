r"""What every node of an ONNX graph becomes: a layer, a function of several values, or a constant.

.. math:: \texttt{Gemm} \;\to\; \mathbf x \mathbf W + \mathbf b, \qquad
          \texttt{Relu} \;\to\; \max(0, \mathbf a)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from wengert import nn
from wengert.errors import ExchangeError
from wengert.exchange._imported import (
    Arithmetic,
    Choice,
    Clipped,
    Extended,
    Extents,
    Joined,
    Moved,
    Multiplied,
    Reduced,
    Reshaped,
    Sliced,
    Spread,
    Squeezed,
    Taken,
    Widened,
    divided_into,
    flattened,
    raised_by,
    spread,
    subtracted_from,
)
from wengert.exchange._protobuf import Message
from wengert.exchange._tensors import DATA_TYPES, array

Array = np.ndarray

SHOWN = 80  # letters of a name from a file that a message shows


class Node:
    """A node of the graph, with what is known of its operands."""

    def __init__(self, message: Message, constants: Mapping[str, Array]) -> None:
        self.operation = message.get("op_type", "")
        self.domain = message.get("domain", "")
        self.inputs: list[str] = message["input"]
        self.outputs: list[str] = message["output"]
        self.name = message.get("name") or (self.outputs[0] if self.outputs else "")
        self.attributes = {a.get("name", ""): a for a in message["attribute"]}
        self.constants = constants

    def refusal(self, why: str) -> ExchangeError:
        """The error that names this node."""
        return ExchangeError(f"node {self.name[:SHOWN]!r} ({self.operation[:SHOWN]}): {why}")

    def number(self, name: str, default: float) -> float:
        """An attribute that is a floating-point number."""
        return float(self.attributes.get(name, {}).get("f", default))

    def integer(self, name: str, default: int) -> int:
        """An attribute that is a whole number."""
        return int(self.attributes.get(name, {}).get("i", default if name not in self.attributes else 0))

    def text(self, name: str, default: str) -> str:
        """An attribute that is a text."""
        return self.attributes.get(name, {}).get("s", default.encode()).decode("utf-8", "replace")  # type: ignore[no-any-return]

    def vector(self, name: str) -> Array:
        """An attribute that is several numbers."""
        return np.array(self.attributes.get(name, {}).get("floats", []), np.float32)

    def given(self, place: int) -> bool:
        """Whether there is an operand in this place."""
        return place < len(self.inputs) and self.inputs[place] != ""

    def is_constant(self, place: int) -> bool:
        """Whether an operand is a constant."""
        return self.given(place) and self.inputs[place] in self.constants

    def constant(self, place: int, what: str) -> Array:
        """An operand that has to be a constant."""
        if not self.is_constant(place):
            raise self.refusal(
                f"its {what} is computed, and a layer has it as a constant; export it as a number"
            )
        return self.constants[self.inputs[place]]

    def vector_operand(self, place: int, what: str) -> Array:
        """An operand with a number for each unit."""
        value = self.constant(place, what)
        if value.size != (value.shape or (1,))[-1]:
            raise self.refusal(
                f"its {what} of shape {list(value.shape)} has more than a number for each unit"
            )
        return value.reshape(-1)

    def integers(self, place: int, what: str) -> tuple[int, ...]:
        """An operand that is constant whole numbers."""
        value = self.constant(place, what)
        self.require(value.dtype.kind == "i", f"its {what} is not of whole numbers")
        return tuple(value.reshape(-1).tolist())

    def matrix(self, place: int, what: str) -> Array:
        """An operand that is a constant matrix."""
        value = self.constant(place, what)
        if value.ndim != 2:
            raise self.refusal(f"its {what} of shape {list(value.shape)} is no matrix")
        return value

    def read(self, *places: int) -> tuple[str, ...]:
        """The names of operands that are computed."""
        for place in places:
            if not self.given(place):
                raise self.refusal(f"operand {place + 1} is missing")
            if self.is_constant(place):
                raise self.refusal(
                    f"operand {place + 1} is a constant, where what is computed before is expected"
                )
        return tuple(self.inputs[place] for place in places)

    def require(self, holds: bool, why: str) -> None:
        """Refuse what makes no layer."""
        if not holds:
            raise self.refusal(why)


def weights_of(message: Message, what: str) -> Array:
    """An array of the file; numbers of half precision become single."""
    value = array(message, repr(what[:SHOWN]))
    return value.astype(np.float32) if value.dtype == np.float16 else value


# --- what each operation becomes --------------------------------------------------------------------------


class Found(NamedTuple):
    """What a node becomes: a layer, a function of several values, or nothing; and what it reads."""

    layer: Any
    reads: tuple[str, ...]


Reader = Callable[[Node], Found]


def _nothing(node: Node) -> Found:
    return Found(None, node.read(0))


def _activation(h: Callable[..., Any]) -> Callable[[Node], Found]:
    return lambda node: Found(nn.Function(h), node.read(0))


def _function(f: Any) -> nn.Function:
    return nn.Function(f)


def _with_option(name: str, option: str, attribute: str, default: float) -> Callable[[Node], Found]:
    def read(node: Node) -> Found:
        h = nn.activation_named(name, **{option: _short(node.number(attribute, default))})
        return Found(nn.Function(h), node.read(0))

    return read


def _short(number: float) -> float:
    """The decimal number that was meant by a number of single precision."""
    return float(str(np.float32(number)))


def _selu(node: Node) -> Found:
    usual = (
        np.isclose(node.number("alpha", 1.67326), 1.67326, 1e-4),
        np.isclose(node.number("gamma", 1.0507), 1.0507, 1e-4),
    )
    node.require(all(usual), "its alpha and gamma are not those of self-normalising units")
    return Found(nn.Function(nn.selu), node.read(0))


def _gelu(node: Node) -> Found:
    h = nn.gelu_tanh if node.text("approximate", "none") == "tanh" else nn.gelu
    return Found(nn.Function(h), node.read(0))


def _along_units(h: Callable[..., Any]) -> Callable[[Node], Found]:
    def read(node: Node) -> Found:
        node.require(node.integer("axis", -1) in (-1, 1), "it goes along another axis than that of the units")
        return Found(nn.Function(h), node.read(0))

    return read


def _gemm(node: Node) -> Found:
    node.require(node.integer("transA", 0) == 0, "it transposes its inputs")
    weights = node.matrix(1, "matrix")
    weights = (weights.T if node.integer("transB", 0) else weights) * weights.dtype.type(
        node.number("alpha", 1.0)
    )
    biases = None
    if node.given(2):
        factor = weights.dtype.type(node.number("beta", 1.0))
        biases = _per_unit(node, node.vector_operand(2, "bias") * factor, weights.shape[1])
    return Found(nn.Dense(np.ascontiguousarray(weights), biases, nn.identity), node.read(0))


def _per_unit(node: Node, values: Array, units: int) -> Array:
    node.require(values.size in (1, units), f"there are {values.size} numbers for {units} units")
    return np.ascontiguousarray(np.broadcast_to(values, (units,)))


def _matmul(node: Node) -> Found:
    if node.is_constant(0) and not node.is_constant(1):
        return Found(Multiplied(node.matrix(0, "matrix")), node.read(1))
    return Found(nn.Dense(np.ascontiguousarray(node.matrix(1, "matrix")), None, nn.identity), node.read(0))


def _batch_norm(node: Node) -> Found:
    node.require(
        node.integer("training_mode", 0) == 0, "it is meant for training; export the model for inference"
    )
    parts = [node.vector_operand(i, what) for i, what in enumerate(("scale", "bias", "mean", "variance"), 1)]
    units = max(part.size for part in parts)
    arrays = [_per_unit(node, part, units).copy() for part in parts]
    momentum = round(1 - _short(node.number("momentum", 0.9)), 7)
    epsilon = _short(node.number("epsilon", 1e-5))
    scale, shift, mean, variance = arrays
    return Found(nn.BatchNorm(scale, shift, mean, variance, momentum, epsilon), node.read(0))


def _layer_norm(node: Node) -> Found:
    node.require(node.integer("axis", -1) in (-1, 1), "it goes along another axis than that of the units")
    scale = node.vector_operand(1, "scale")
    shift = node.vector_operand(2, "bias") if node.given(2) else np.zeros_like(scale)
    layer = nn.LayerNorm(
        scale.copy(), _per_unit(node, shift, scale.size).copy(), _short(node.number("epsilon", 1e-5))
    )
    return Found(layer, node.read(0))


def _dropout(node: Node) -> Found:
    rate = float(node.constant(1, "ratio").reshape(-1)[0]) if node.given(1) else node.number("ratio", 0.5)
    node.require(0 <= rate < 1, f"its ratio {rate} is no probability below 1")
    return Found(nn.Dropout(_short(rate)), node.read(0))


def _prelu(node: Node) -> Found:
    return Found(nn.PReLU(node.vector_operand(1, "slope").copy()), node.read(0))


def _clip(node: Node) -> Found:
    low, high = (
        float(node.constant(i, end).reshape(-1)[0]) if node.given(i) else node.number(end, far)
        for i, end, far in ((1, "min", -np.inf), (2, "max", np.inf))
    )
    known = {(-1.0, 1.0): nn.hard_tanh, (0.0, np.inf): nn.relu}
    return Found(nn.Function(known.get((low, high), Clipped(low, high))), node.read(0))


def _flatten(node: Node) -> Found:
    node.require(node.integer("axis", 1) == 1, "it flattens more than the patterns")
    return Found(nn.Function(flattened), node.read(0))


def _reshape(node: Node) -> Found:
    shape = node.integers(1, "shape")
    if len(shape) == 2 and shape[0] in (-1, 0) and (shape[1] > 0 or shape == (0, -1)):
        return Found(nn.Function(flattened), node.read(0))
    return Found(_function(Reshaped(shape)), node.read(0))


def _cast(node: Node) -> Found:
    kind = DATA_TYPES.get(node.integer("to", 0), "")
    node.require(kind.startswith("float"), "it makes whole numbers of what is computed")
    return Found(None, node.read(0))


def _concat(node: Node) -> Found:
    computed = [place for place in range(len(node.inputs)) if not node.is_constant(place)]
    if len(computed) == 1 and len(node.inputs) > 1:
        return _extended(node, computed[0])
    return Found(Joined(node.integer("axis", -1)), node.read(*range(len(node.inputs))))


def _extended(node: Node, place: int) -> Found:
    """A shape that is put together from what is known and the number of rows."""
    behind = [node.integers(i, "operand") for i in range(place + 1, len(node.inputs))]
    before = [node.integers(i, "operand") for i in range(place)]
    return Found(_function(Extended(sum(before, ()), sum(behind, ()))), node.read(place))


def _expand(node: Node) -> Found:
    if node.is_constant(0):
        return Found(Spread(node.constant(0, "operand")), node.read(1))
    return Found(spread, node.read(0, 1))


def _transpose(node: Node) -> Found:
    order = tuple(node.attributes.get("perm", {}).get("ints", ()))
    return Found(_function(Moved(order)), node.read(0))


def _shape(node: Node) -> Found:
    end = node.integer("end", 0) if "end" in node.attributes else None
    return Found(_function(Extents(node.integer("start", 0), end)), node.read(0))


def _slice(node: Node) -> Found:
    starts, ends = node.integers(1, "start"), node.integers(2, "end")
    axes = node.integers(3, "axes") if node.given(3) else tuple(range(len(starts)))
    steps = node.integers(4, "steps") if node.given(4) else (1,) * len(starts)
    node.require(len(starts) == len(ends) == len(axes) == len(steps), "its operands differ in length")
    return Found(_function(Sliced(tuple(zip(axes, starts, ends, steps, strict=True)))), node.read(0))


def _axes_of(node: Node) -> tuple[int, ...]:
    """The axes, which were an attribute once."""
    return (
        node.integers(1, "axes") if node.given(1) else tuple(node.attributes.get("axes", {}).get("ints", ()))
    )


def _squeeze(node: Node) -> Found:
    return Found(_function(Squeezed(_axes_of(node))), node.read(0))


def _unsqueeze(node: Node) -> Found:
    return Found(_function(Widened(_axes_of(node))), node.read(0))


def _reduction(reduce: Callable[..., Any]) -> Reader:
    def read(node: Node) -> Found:
        keepdims = bool(node.integer("keepdims", 1))
        return Found(_function(Reduced(reduce, _axes_of(node), keepdims)), node.read(0))

    return read


def _gather(node: Node) -> Found:
    """Rows of a table by computed numbers, or computed entries by fixed places."""
    if not node.is_constant(1) or node.is_constant(0):
        return _embedding(node)
    places = node.constant(1, "places")
    node.require(places.dtype.kind == "i", "its places are no whole numbers")
    taken = Taken(node.integer("axis", 0), places.shape, tuple(places.reshape(-1).tolist()))
    return Found(_function(taken), node.read(0))


def _embedding(node: Node) -> Found:
    node.require(node.integer("axis", 0) in (0, -2), "it takes along another axis than the first")
    return Found(nn.Embedding(node.matrix(0, "table")), node.read(1))


def _scaler(node: Node) -> Found:
    """(x - offset) scale, of scikit-learn's scalers."""
    offset, scale = node.vector("offset"), node.vector("scale")
    node.require(offset.size > 0 and scale.size > 0, "it has no offset, or no scale")
    layers = [Arithmetic(offset, np.subtract), Arithmetic(scale, np.multiply)]
    return Found(nn.Sequential(tuple(layers)), node.read(0))


def _binary(operation: Callable[..., Any], turned: Callable[..., Any]) -> Callable[[Node], Found]:
    """An operation on two values, or on one and a constant, which ``turned`` has in front."""

    def read(node: Node) -> Found:
        node.require(len(node.inputs) == 2, "it has not two operands")
        if node.is_constant(1):
            return Found(Arithmetic(_fixed(node, 1), operation), node.read(0))
        if node.is_constant(0):
            return Found(Arithmetic(_fixed(node, 0), turned), node.read(1))
        return Found(operation, node.read(0, 1))

    return read


def _fixed(node: Node, place: int) -> Array:
    """A constant that every pattern meets alike."""
    value = node.constant(place, "operand")
    if value.size == (value.shape or (1,))[-1]:
        return value.reshape(value.shape[-1:] if value.size > 1 else ())
    node.require(value.shape[-1] == 1, "its constant has rows of its own")
    return value


def _number(node: Node, place: int) -> float:
    value = node.constant(place, "operand")
    node.require(value.size == 1, f"its operand {place + 1} is a constant of {value.size} numbers")
    return float(value.reshape(-1)[0])


def _where(node: Node) -> Found:
    """A choice between two values, each computed or a number."""
    numbers = [_number(node, i) if node.is_constant(i) else None for i in (1, 2)]
    return Found(Choice(*numbers), node.read(0, *(i for i, n in zip((1, 2), numbers) if n is None)))


def _elementwise(name: str) -> Callable[[Node], Found]:
    return _activation(getattr(np, name))


def _erf(x: Any) -> Any:
    from scipy.special import erf

    return erf(x)


READERS: dict[str, Reader] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "Dropout": _dropout,
    "Gather": _gather,
    "Transpose": _transpose,
    "Shape": _shape,
    "Expand": _expand,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "ReduceSum": _reduction(np.sum),
    "ReduceMean": _reduction(np.mean),
    "ReduceMax": _reduction(np.max),
    "ReduceMin": _reduction(np.min),
    "ReduceProd": _reduction(np.prod),
    "Identity": _nothing,
    "ZipMap": _nothing,
    "Cast": _cast,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Concat": _concat,
    "Scaler": _scaler,
    "Where": _where,
    # activations
    "Relu": _activation(nn.relu),
    "Tanh": _activation(nn.tanh),
    "Sigmoid": _activation(nn.logistic),
    "Softplus": _activation(nn.softplus),
    "Softsign": _activation(nn.softsign),
    "Mish": _activation(nn.mish),
    "Exp": _activation(nn.exponential),
    "Elu": _with_option("elu", "alpha", "alpha", 1.0),
    "LeakyRelu": _with_option("leaky_relu", "slope", "alpha", 0.01),
    "Selu": _selu,
    "Gelu": _gelu,
    "PRelu": _prelu,
    "Clip": _clip,
    "Softmax": _along_units(nn.softmax),
    "LogSoftmax": _along_units(nn.log_softmax),
    # arithmetic
    "Add": _binary(np.add, np.add),
    "Sub": _binary(np.subtract, subtracted_from),
    "Mul": _binary(np.multiply, np.multiply),
    "Div": _binary(np.divide, divided_into),
    "Pow": _binary(np.power, raised_by),
    "Max": _binary(np.maximum, np.maximum),
    "Min": _binary(np.minimum, np.minimum),
    "Equal": _binary(np.equal, np.equal),
    "Greater": _binary(np.greater, np.less),
    "GreaterOrEqual": _binary(np.greater_equal, np.less_equal),
    "Less": _binary(np.less, np.greater),
    "LessOrEqual": _binary(np.less_equal, np.greater_equal),
    **{
        operation: _elementwise(name)
        for operation, name in {
            "Neg": "negative", "Abs": "absolute", "Log": "log", "Sqrt": "sqrt", "Sin": "sin", "Cos": "cos",
            "Atan": "arctan", "Sign": "sign", "Floor": "floor", "Ceil": "ceil", "Reciprocal": "reciprocal",
            "Tan": "tan", "Asin": "arcsin", "Acos": "arccos", "Sinh": "sinh", "Cosh": "cosh", "Round": "rint",
            "Asinh": "arcsinh", "Acosh": "arccosh", "Atanh": "arctanh",
        }.items()
    },
    "Erf": _activation(_erf),
}  # fmt: skip

# Operations whose axis is that of the units, and operations that change the number of axes.
ALONG_UNITS = ("Softmax", "LogSoftmax", "LayerNormalization")
RESHAPING = ("Reshape", "Squeeze", "Unsqueeze", "Gather", "Expand", *(r for r in READERS if "Reduce" in r))

# --- constants --------------------------------------------------------------------------------------------


def _constant_value(node: Node) -> Array:
    attributes = node.attributes
    if "t" in attributes.get("value", {}):
        return weights_of(attributes["value"]["t"], node.name)
    for name, key in (("value_float", "f"), ("value_floats", "floats")):
        if name in attributes:
            return np.asarray(attributes[name].get(key, 0.0), np.float32)
    for name, key in (("value_int", "i"), ("value_ints", "ints")):
        if name in attributes:
            return np.asarray(attributes[name].get(key, 0), np.int64)
    raise node.refusal("its value is neither a tensor nor a number")


def _operand(node: Node) -> Array:
    return node.constant(0, "operand")


def _cast_constant(node: Node) -> Array:
    kind = node.integer("to", 0)
    node.require(kind in DATA_TYPES, f"the type {kind} is unknown")
    return _operand(node).astype(DATA_TYPES[kind])


def _transposed(node: Node) -> Array:
    value = _operand(node)
    order = node.attributes.get("perm", {}).get("ints") or list(range(value.ndim))[::-1]
    node.require(sorted(order) == list(range(value.ndim)), f"perm {order} is no order of the axes")
    return value.transpose(order)


def _reshaped(node: Node) -> Array:
    value, shape = _operand(node), node.constant(1, "shape").reshape(-1).tolist()
    try:
        return value.reshape([value.shape[i] if n == 0 else n for i, n in enumerate(shape)])
    except (ValueError, IndexError):
        raise node.refusal(f"{value.size} numbers have not the shape {shape}") from None


FOLDED: dict[str, Callable[[Node], Array]] = {
    "Constant": _constant_value,
    "Identity": _operand,
    "Cast": _cast_constant,
    "Transpose": _transposed,
    "Reshape": _reshaped,
    "Squeeze": lambda node: np.squeeze(_operand(node)),
    "Unsqueeze": lambda node: _operand(node),
    "Flatten": lambda node: _operand(node),
}
