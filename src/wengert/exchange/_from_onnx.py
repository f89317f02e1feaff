r"""An ONNX file as a network that can be trained further.

Every node that the output depends on becomes a layer,

.. math:: \text{MatMul, Add, Tanh} \;\to\; \mathbf z = \tanh(\mathbf x \mathbf W + \mathbf b),

and nodes that together make up an activation become this activation. Layers in a row are a
:class:`wengert.nn.Sequential`; where paths part and meet, they are a :class:`wengert.nn.Graph`. Nothing in the
file is executed, no other file is read, and no more memory is taken than its numbers need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wengert import nn
from wengert.errors import ExchangeError, WengertError
from wengert.exchange._imported import Arithmetic, Clipped, divided_into, flattened, raised_by, subtracted_from
from wengert.exchange._protobuf import Message, decode
from wengert.exchange._tensors import DATA_TYPES, array
from wengert.nn._graph import Node as GraphNode
from wengert.nn._graph import Wiring

Array = np.ndarray

OLDEST, NEWEST = 9, 28  # operator sets in which the operations below mean the same
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
SHOWN = 80


def from_onnx(model: str | Path | bytes, output: str | None = None) -> Any:
    r"""The network in an ONNX file, as a network of this package.

    Parameters
    ----------
    model : str, Path or bytes
        The file, or its content.
    output : str, optional
        The name of the output that is wanted. Without it the one of floating-point numbers; the labels that
        scikit-learn's classifiers give beside the probabilities are left out.

    Returns
    -------
    network
        A :class:`wengert.nn.Sequential`, or a :class:`wengert.nn.Graph` where paths part and meet. Weights,
        biases, scales and slopes are trained; other constants, such as means that are subtracted, are not.

    Raises
    ------
    ExchangeError
        Where the file cannot be read, is damaged, or keeps its numbers in another file; and where it has an
        operation that makes no layer here, whose node is named.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import nn
    >>> network = nn.MLP.init(np.random.default_rng(0), (4, 8, 3), "tanh", "softmax")
    >>> from_onnx(to_onnx(network, 4)).layers[0]
    Dense(weights=float64[4, 8], biases=float64[8], activation=tanh)

    References
    ----------
    Open Neural Network Exchange, *Operators*, https://onnx.ai/onnx/operators.
    """
    graph = _graph_of(decode(_content(model), "Model"))
    reader = _Reader(graph)
    wanted = _wanted(graph, output)
    reader.read(wanted)
    network = reader.network(wanted)
    _require_runs(network, graph, reader.inputs)
    return network


# --- files ------------------------------------------------------------------------------------------------


def _content(model: str | Path | bytes) -> bytes:
    if isinstance(model, bytes):
        return model
    try:
        return Path(model).read_bytes()
    except OSError as error:
        raise ExchangeError(f"{model}: cannot read the file ({error.strerror}); check the path") from error


def _graph_of(model: Message) -> Message:
    """The graph of a model in an operator set that is known here."""
    versions = [o.get("version", 0) for o in model["opset_import"] if o.get("domain", "") in ("", "ai.onnx")]
    if "graph" not in model or not model["graph"]["node"]:
        raise ExchangeError("not an ONNX model: it has no graph of operations")
    if not versions or not OLDEST <= versions[-1] <= NEWEST:
        found = versions[-1] if versions else "none"
        raise ExchangeError(
            f"the operator set of the model is {found}, and {OLDEST} to {NEWEST} are read here; export it with "
            "operator set 17"
        )
    if model["graph"]["sparse_initializer"]:
        raise ExchangeError("the model has sparse tensors, which are not read; export it with dense ones")
    return model["graph"]  # type: ignore[no-any-return]


def _wanted(graph: Message, output: str | None) -> list[str]:
    """The outputs to read: the one named, or those of floating-point numbers."""
    names = [value.get("name", "") for value in graph["output"]]
    if output is not None:
        if output not in names:
            raise ExchangeError(f"the model has no output {output!r}; it has {_listed(names)}")
        return [output]
    mapped = {node["output"][0] for node in graph["node"] if node.get("op_type") == "ZipMap" and node["output"]}
    found = [v["name"] for v in graph["output"] if "name" in v and (_is_floating(v) or v["name"] in mapped)]
    if not found:
        raise ExchangeError(f"no output of the model is of floating-point numbers; it has {_listed(names)}")
    return found


def _is_floating(value: Message) -> bool:
    kind = value.get("type", {}).get("tensor_type", {}).get("elem_type", 0)
    return DATA_TYPES.get(kind, "").startswith("float")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "") or "none"


# --- nodes ------------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """A value of the network: what operation gives it, the layer for that, and what it reads.

    ``constants`` are the numbers among its operands by their places; None is an operand that is read.
    """

    operation: str
    layer: Any
    reads: tuple[str, ...]
    operands: tuple[Any, ...]


class _Node:
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
            raise self.refusal(f"its {what} is computed, and a layer has it as a constant; export it as a number")
        return self.constants[self.inputs[place]]

    def vector_operand(self, place: int, what: str) -> Array:
        """An operand with a number for each unit."""
        value = self.constant(place, what)
        if value.size != (value.shape or (1,))[-1]:
            raise self.refusal(f"its {what} of shape {list(value.shape)} has more than a number for each unit")
        return value.reshape(-1)

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
                raise self.refusal(f"operand {place + 1} is a constant, where what is computed before is expected")
        return tuple(self.inputs[place] for place in places)

    def require(self, holds: bool, why: str) -> None:
        """Refuse what makes no layer."""
        if not holds:
            raise self.refusal(why)


class _Reader:
    """Reads the nodes that an output depends on, from first to last."""

    def __init__(self, graph: Message) -> None:
        self.graph = graph
        self.constants = {t.get("name", ""): _weights(t, t.get("name", "")) for t in graph["initializer"]}
        self.inputs = [
            v["name"] for v in graph["input"] if v.get("name", "") not in self.constants and "name" in v
        ]
        self.steps: dict[str, Step] = {}
        self.alias: dict[str, str] = {}

    def read(self, wanted: Sequence[str]) -> None:
        """Make a step of every node that is needed."""
        known = {*self.constants, *self.inputs}
        for message in _needed(self.graph["node"], wanted):
            node = _Node(message, self.constants)
            self._require_known(node, known)
            self._read(node)
            known.update(node.outputs)

    def _require_known(self, node: _Node, known: set[str]) -> None:
        unknown = [name for name in node.inputs if name and name not in known]
        node.require(not unknown, f"it reads {_listed(unknown)}, which nothing before it gives")
        node.require(bool(node.outputs), "it has no output")
        twice = [name for name in node.outputs if name and name in known]
        node.require(not twice, f"{_listed(twice)} is given twice")

    def _read(self, node: _Node) -> None:
        if node.domain not in DOMAINS or node.operation not in READERS | FOLDED:
            raise node.refusal("this operation makes no layer here")
        if node.operation in FOLDED and all(map(node.is_constant, range(len(node.inputs)))):
            self.constants[node.outputs[0]] = FOLDED[node.operation](node)
            return
        if node.operation not in READERS:
            raise node.refusal("this operation makes no layer here, except of constants")
        found = READERS[node.operation](node)
        reads = [self.alias.get(name, name) for name in found.reads]
        if found.layer is None:
            self.alias[node.outputs[0]] = reads[0]
            return
        operands = tuple(
            self.constants[name] if name in self.constants else self.alias.get(name, name) for name in node.inputs
        )
        self.steps[node.outputs[0]] = Step(node.operation, found.layer, tuple(reads), operands)

    def network(self, wanted: Sequence[str]) -> Any:
        """The steps as a network."""
        names = [self.alias.get(name, name) for name in wanted]
        simpler = _Simplified(self.steps, names)
        steps = {name: simpler.steps[name] for name in _reached(simpler.steps, names)}
        if names[0] in self.inputs or not steps:
            raise ExchangeError("the output of the model is an input, or a constant; there is nothing to compute")
        if len(names) == 1 and _is_chain(steps, names[0], self.inputs):
            return nn.Sequential([step.layer for step in steps.values()])
        return self._graph(steps, dict(zip(wanted, names, strict=True)))

    def _graph(self, steps: Mapping[str, Step], outputs: Mapping[str, str]) -> nn.Graph:
        read = {name for step in steps.values() for name in step.reads}
        inputs = tuple(name for name in self.inputs if name in read)
        nodes = tuple(GraphNode(name, s.reads, _function(s)) for name, s in steps.items())
        layers = {name: s.layer for name, s in steps.items() if _function(s) is None}
        keys = tuple(outputs) if len(outputs) > 1 else None
        return nn.Graph(layers, Wiring(inputs, nodes, tuple(outputs.values()), keys, keys is None))


def _weights(message: Message, what: str) -> Array:
    """An array of the file; numbers of half precision become single."""
    value = array(message, repr(what[:SHOWN]))
    return value.astype(np.float32) if value.dtype == np.float16 else value


def _needed(nodes: Sequence[Message], wanted: Sequence[str]) -> list[Message]:
    """The nodes that the wanted outputs depend on."""
    needed = set(wanted)
    found = []
    for node in reversed(nodes):
        if not needed.isdisjoint(node["output"]):
            found.append(node)
            needed.update(node["input"])
    return found[::-1]


def _reached(steps: Mapping[str, Step], names: Sequence[str]) -> list[str]:
    """The steps that these depend on, in their order."""
    needed = set(names)
    for name in reversed(list(steps)):
        if name in needed:
            needed.update(steps[name].reads)
    return [name for name in steps if name in needed]


def _is_chain(steps: Mapping[str, Step], last: str, inputs: Sequence[str]) -> bool:
    """Whether every step reads the one before alone."""
    before = [next((name for name in inputs if name == next(iter(steps.values())).reads[0]), ""), *steps]
    pairs = zip(before, steps.values())
    return all(s.reads == (b,) and _function(s) is None for b, s in pairs) and before[-1] == last


def _function(step: Step) -> Callable[..., Any] | None:
    """The function of several values that a step is, or None where it is a layer."""
    return None if hasattr(step.layer, "__dataclass_fields__") else step.layer  # type: ignore[no-any-return]


def _require_runs(network: Any, graph: Message, inputs: Sequence[str]) -> None:
    """Layers have to fit: the network is tried on a batch of two, where the sizes of its inputs are given."""
    values = {v["name"]: _example(v) for v in graph["input"] if v.get("name") in inputs}
    if isinstance(network, nn.Graph):
        values = {name: values[name] for name in network.wiring.inputs}
    if any(value is None for value in values.values()):
        return
    try:
        with np.errstate(all="ignore"):
            network(values if isinstance(network, nn.Graph) else next(iter(values.values())))
    except (ValueError, TypeError, IndexError, WengertError) as error:
        raise ExchangeError(f"the layers of the model do not fit together: {error}") from error


def _example(value: Message) -> Array | None:
    """Zeros like an input, with two patterns; None where its size is not given, or is absurd."""
    tensor = value.get("type", {}).get("tensor_type", {})
    dims = [dim.get("dim_value", 0) for dim in tensor.get("shape", {}).get("dim", [])]
    name = DATA_TYPES.get(tensor.get("elem_type", 0))
    if name is None or not dims or any(not 0 < n <= 1 << 20 for n in dims[1:]) or len(dims) > 2:
        return None
    return np.zeros((2, *dims[1:]), name)


# --- what each operation becomes --------------------------------------------------------------------------


class Found(NamedTuple):
    """What a node becomes: a layer, a function of several values, or nothing; and what it reads."""

    layer: Any
    reads: tuple[str, ...]


def _nothing(node: _Node) -> Found:
    return Found(None, node.read(0))


def _activation(h: Callable[..., Any]) -> Callable[[_Node], Found]:
    return lambda node: Found(nn.Function(h), node.read(0))


def _with_option(name: str, option: str, attribute: str, default: float) -> Callable[[_Node], Found]:
    def read(node: _Node) -> Found:
        h = nn.activation_named(name, **{option: _short(node.number(attribute, default))})
        return Found(nn.Function(h), node.read(0))

    return read


def _short(number: float) -> float:
    """The decimal number that was meant by a number of single precision."""
    return float(str(np.float32(number)))


def _selu(node: _Node) -> Found:
    usual = np.isclose(node.number("alpha", 1.67326), 1.67326, 1e-4), np.isclose(node.number("gamma", 1.0507), 1.0507, 1e-4)
    node.require(all(usual), "its alpha and gamma are not those of self-normalising units")
    return Found(nn.Function(nn.selu), node.read(0))


def _gelu(node: _Node) -> Found:
    h = nn.gelu_tanh if node.text("approximate", "none") == "tanh" else nn.gelu
    return Found(nn.Function(h), node.read(0))


def _along_units(h: Callable[..., Any]) -> Callable[[_Node], Found]:
    def read(node: _Node) -> Found:
        node.require(node.integer("axis", -1) in (-1, 1), "it goes along another axis than that of the units")
        return Found(nn.Function(h), node.read(0))

    return read


def _gemm(node: _Node) -> Found:
    node.require(node.integer("transA", 0) == 0, "it transposes its inputs")
    weights = node.matrix(1, "matrix")
    weights = (weights.T if node.integer("transB", 0) else weights) * weights.dtype.type(node.number("alpha", 1.0))
    biases = None
    if node.given(2):
        factor = weights.dtype.type(node.number("beta", 1.0))
        biases = _per_unit(node, node.vector_operand(2, "bias") * factor, weights.shape[1])
    return Found(nn.Dense(np.ascontiguousarray(weights), biases, nn.identity), node.read(0))


def _per_unit(node: _Node, values: Array, units: int) -> Array:
    node.require(values.size in (1, units), f"there are {values.size} numbers for {units} units")
    return np.ascontiguousarray(np.broadcast_to(values, (units,)))


def _matmul(node: _Node) -> Found:
    return Found(nn.Dense(np.ascontiguousarray(node.matrix(1, "matrix")), None, nn.identity), node.read(0))


def _batch_norm(node: _Node) -> Found:
    node.require(node.integer("training_mode", 0) == 0, "it is meant for training; export the model for inference")
    parts = [node.vector_operand(i, what) for i, what in enumerate(("scale", "bias", "mean", "variance"), 1)]
    units = max(part.size for part in parts)
    arrays = [_per_unit(node, part, units).copy() for part in parts]
    momentum = round(1 - _short(node.number("momentum", 0.9)), 7)
    return Found(nn.BatchNorm(*arrays, momentum, _short(node.number("epsilon", 1e-5))), node.read(0))


def _layer_norm(node: _Node) -> Found:
    node.require(node.integer("axis", -1) in (-1, 1), "it goes along another axis than that of the units")
    scale = node.vector_operand(1, "scale")
    shift = node.vector_operand(2, "bias") if node.given(2) else np.zeros_like(scale)
    layer = nn.LayerNorm(scale.copy(), _per_unit(node, shift, scale.size).copy(), _short(node.number("epsilon", 1e-5)))
    return Found(layer, node.read(0))


def _dropout(node: _Node) -> Found:
    rate = float(node.constant(1, "ratio").reshape(-1)[0]) if node.given(1) else node.number("ratio", 0.5)
    node.require(0 <= rate < 1, f"its ratio {rate} is no probability below 1")
    return Found(nn.Dropout(_short(rate)), node.read(0))


def _prelu(node: _Node) -> Found:
    return Found(nn.PReLU(node.vector_operand(1, "slope").copy()), node.read(0))


def _clip(node: _Node) -> Found:
    low, high = (
        float(node.constant(i, end).reshape(-1)[0]) if node.given(i) else node.number(end, far)
        for i, end, far in ((1, "min", -np.inf), (2, "max", np.inf))
    )
    known = {(-1.0, 1.0): nn.hard_tanh, (0.0, np.inf): nn.relu}
    return Found(nn.Function(known.get((low, high), Clipped(low, high))), node.read(0))


def _flatten(node: _Node) -> Found:
    node.require(node.integer("axis", 1) == 1, "it flattens more than the patterns")
    return Found(nn.Function(flattened), node.read(0))


def _reshape(node: _Node) -> Found:
    shape = node.constant(1, "shape").reshape(-1).tolist()
    rows = len(shape) == 2 and shape[0] in (-1, 0) and (shape[1] > 0 or shape == [0, -1])
    node.require(rows, f"the shape {shape} is not that of a batch of patterns")
    return Found(nn.Function(flattened), node.read(0))


def _cast(node: _Node) -> Found:
    kind = DATA_TYPES.get(node.integer("to", 0), "")
    node.require(kind.startswith("float"), "it makes whole numbers of what is computed")
    return Found(None, node.read(0))


def _concat(node: _Node) -> Found:
    node.require(node.integer("axis", -1) in (-1, 1), "it joins along another axis than that of the units")
    return Found(_concatenated, node.read(*range(len(node.inputs))))


def _concatenated(*values: Any) -> Any:
    return np.concatenate(values, axis=-1)


def _embedding(node: _Node) -> Found:
    node.require(node.integer("axis", 0) == 0, "it takes along another axis than the first")
    return Found(nn.Embedding(node.matrix(0, "table")), node.read(1))


def _scaler(node: _Node) -> Found:
    """(x - offset) scale, of scikit-learn's scalers."""
    offset, scale = node.vector("offset"), node.vector("scale")
    node.require(offset.size > 0 and scale.size > 0, "it has no offset, or no scale")
    layers = [Arithmetic(offset, np.subtract), Arithmetic(scale, np.multiply)]
    return Found(nn.Sequential(layers), node.read(0))


def _binary(operation: Callable[..., Any], turned: Callable[..., Any]) -> Callable[[_Node], Found]:
    """An operation on two values, or on one and a constant, which ``turned`` has in front."""

    def read(node: _Node) -> Found:
        node.require(len(node.inputs) == 2, "it has not two operands")
        if node.is_constant(1):
            return Found(Arithmetic(_fixed(node, 1), operation), node.read(0))
        if node.is_constant(0):
            return Found(Arithmetic(_fixed(node, 0), turned), node.read(1))
        return Found(operation, node.read(0, 1))

    return read


def _fixed(node: _Node, place: int) -> Array:
    """A constant that every pattern meets alike."""
    value = node.constant(place, "operand")
    node.require(value.ndim <= 2 and value.size == (value.shape or (1,))[-1], "its constant has rows of its own")
    return value.reshape(value.shape[-1:] if value.size > 1 else ())


def _where(node: _Node) -> Found:
    return Found(_chosen, node.read(0, 1, 2))


def _chosen(condition: Any, a: Any, b: Any) -> Any:
    return np.where(condition, a, b)


def _elementwise(name: str) -> Callable[[_Node], Found]:
    return _activation(getattr(np, name))


def _erf(x: Any) -> Any:
    from scipy.special import erf

    return erf(x)


Reader = Callable[[_Node], Found]

READERS: dict[str, Reader] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "Dropout": _dropout,
    "Gather": _embedding,
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
    "Greater": _binary(np.greater, np.less),
    "GreaterOrEqual": _binary(np.greater_equal, np.less_equal),
    "Less": _binary(np.less, np.greater),
    "LessOrEqual": _binary(np.less_equal, np.greater_equal),
    **{
        operation: _elementwise(name)
        for operation, name in {
            "Neg": "negative", "Abs": "absolute", "Log": "log", "Sqrt": "sqrt", "Sin": "sin", "Cos": "cos",
            "Atan": "arctan", "Sign": "sign", "Floor": "floor", "Ceil": "ceil", "Reciprocal": "reciprocal",
        }.items()
    },
    "Erf": _activation(_erf),
}  # fmt: skip

# --- constants --------------------------------------------------------------------------------------------


def _constant_value(node: _Node) -> Array:
    attributes = node.attributes
    if "t" in attributes.get("value", {}):
        return _weights(attributes["value"]["t"], node.name)
    for name, key in (("value_float", "f"), ("value_floats", "floats")):
        if name in attributes:
            return np.asarray(attributes[name].get(key, 0.0), np.float32)
    for name, key in (("value_int", "i"), ("value_ints", "ints")):
        if name in attributes:
            return np.asarray(attributes[name].get(key, 0), np.int64)
    raise node.refusal("its value is neither a tensor nor a number")


def _operand(node: _Node) -> Array:
    return node.constant(0, "operand")


def _cast_constant(node: _Node) -> Array:
    kind = node.integer("to", 0)
    node.require(kind in DATA_TYPES, f"the type {kind} is unknown")
    return _operand(node).astype(DATA_TYPES[kind])


def _transposed(node: _Node) -> Array:
    value = _operand(node)
    order = node.attributes.get("perm", {}).get("ints") or list(range(value.ndim))[::-1]
    node.require(sorted(order) == list(range(value.ndim)), f"perm {order} is no order of the axes")
    return value.transpose(order)


def _reshaped(node: _Node) -> Array:
    value, shape = _operand(node), node.constant(1, "shape").reshape(-1).tolist()
    try:
        return value.reshape([value.shape[i] if n == 0 else n for i, n in enumerate(shape)])
    except (ValueError, IndexError):
        raise node.refusal(f"{value.size} numbers have not the shape {shape}") from None


FOLDED: dict[str, Callable[[_Node], Array]] = {
    "Constant": _constant_value,
    "Identity": _operand,
    "Cast": _cast_constant,
    "Transpose": _transposed,
    "Reshape": _reshaped,
    "Squeeze": lambda node: np.squeeze(_operand(node)),
    "Unsqueeze": lambda node: _operand(node),
    "Flatten": lambda node: _operand(node),
}

# --- steps that make up one layer -------------------------------------------------------------------------

X = object()  # what an activation is computed of
ROOT_TWO = 2**0.5
ROOT_TWO_OVER_PI = (2 / np.pi) ** 0.5
CUBE = ("Mul", X, ("Mul", X, X))
_INNER = ("Add", X, ("Mul", 0.044715, CUBE))
_POWERED = ("Add", X, ("Mul", 0.044715, ("Pow", X, 3.0)))

# Activations as the trees of operations that they are exported as; operands of Add and Mul in any order.
COMPOSED: tuple[tuple[Callable[..., Any], Any], ...] = (
    (nn.silu, ("Mul", X, ("Sigmoid", X))),
    (nn.mish, ("Mul", X, ("Tanh", ("Softplus", X)))),
    (nn.softsign, ("Div", X, ("Add", ("Abs", X), 1.0))),
    (nn.softplus, ("Where", ("Greater", X, 20.0), X, ("Softplus", X))),
    (nn.gelu, ("Mul", ("Mul", X, ("Add", ("Erf", ("Div", X, ROOT_TWO)), 1.0)), 0.5)),
    (nn.gelu, ("Mul", ("Mul", X, 0.5), ("Add", ("Erf", ("Div", X, ROOT_TWO)), 1.0))),
    (nn.gelu, ("Mul", X, ("Mul", 0.5, ("Sub", 1.0, ("Erf", ("Mul", -1 / ROOT_TWO, X)))))),
    (nn.gelu_tanh, ("Mul", 0.5, ("Mul", X, ("Add", 1.0, ("Tanh", ("Mul", ROOT_TWO_OVER_PI, _INNER)))))),
    (nn.gelu_tanh, ("Mul", X, ("Sigmoid", ("Mul", 2 * ROOT_TWO_OVER_PI, _POWERED)))),
    (nn.gaussian, ("Exp", ("Neg", ("Mul", X, X)))),
    (nn.gudermannian, ("Mul", 2.0, ("Atan", ("Tanh", ("Mul", 0.5, X))))),
    (nn.hard_tanh, ("Where", ("Less", ("Abs", X), 1.0), X, ("Sign", X))),
    (nn.leaky_relu, ("Where", ("Greater", X, 0.0), X, ("Mul", 0.01, X))),
)


class _Simplified:
    """The steps with biases and activations brought into their layers, until nothing more fits."""

    def __init__(self, steps: Mapping[str, Step], outputs: Sequence[str]) -> None:
        self.steps = dict(steps)
        self.outputs = outputs
        for name in steps:
            self._recognise(name)
        self._forget_unread()
        for name in list(self.steps):
            self._join(name)
        self._forget_unread()

    def _forget_unread(self) -> None:
        self.steps = {name: self.steps[name] for name in _reached(self.steps, self.outputs)}
        self.uses = Counter(name for step in self.steps.values() for name in step.reads)
        self.uses.update(self.outputs)

    def _recognise(self, name: str) -> None:
        for h, form in COMPOSED:
            found: list[Any] = []
            if self.steps[name].operation == form[0] and self._matches(form, name, found):
                self.steps[name] = Step(h.__name__, nn.Function(h), (found[0],), (found[0],))
                return

    def _matches(self, form: Any, given: Any, found: list[Any]) -> bool:
        """Whether an operand is of a form; ``found`` is then what stands for X."""
        if form is X:
            found[:] = found or [given]
            return isinstance(given, str) and found[0] == given
        if isinstance(form, float):
            return isinstance(given, np.ndarray) and given.size == 1 and np.isclose(given.item(), form, 1e-5)
        step = self.steps.get(given) if isinstance(given, str) else None
        if step is None or step.operation != form[0] or len(step.operands) != len(form) - 1:
            return False
        orders = [form[1:], form[:0:-1]] if form[0] in ("Add", "Mul") else [form[1:]]
        return any(self._all_match(order, step.operands, found) for order in orders)

    def _all_match(self, forms: Sequence[Any], operands: Sequence[Any], found: list[Any]) -> bool:
        trial = list(found)
        holds = all(self._matches(form, given, trial) for form, given in zip(forms, operands, strict=True))
        if holds:
            found[:] = trial
        return holds

    def _join(self, name: str) -> None:
        """Bring a step into the layer that it alone reads."""
        step = self.steps[name]
        before = self.steps.get(step.reads[0]) if len(step.reads) == 1 else None
        if before is None or self.uses[step.reads[0]] != 1 or step.reads[0] in self.outputs:
            return
        layer = _joined(before.layer, step.layer)
        if layer is not None:
            self.steps[name] = Step("Dense", layer, before.reads, before.operands)


def _joined(before: Any, layer: Any) -> Any:
    """A dense layer with the bias or the activation that follows it; None where they make no layer."""
    if not isinstance(before, nn.Dense) or before.activation is not nn.identity:
        return None
    if isinstance(layer, nn.Function) and layer.function is not flattened:
        return nn.Dense(before.weights, before.biases, layer.function)
    if isinstance(layer, Arithmetic) and layer.operation is np.add and before.biases is None:
        units = before.weights.shape[1]
        if layer.constant.size in (1, units):
            return nn.Dense(before.weights, np.broadcast_to(layer.constant, (units,)).copy(), nn.identity)
    return None

