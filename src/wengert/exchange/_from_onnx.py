r"""An ONNX file as a network that can be trained further.

Every node that the output depends on becomes a layer,

.. math:: \text{MatMul, Add, Tanh} \;\to\; \mathbf z = \tanh(\mathbf x \mathbf W + \mathbf b),

and nodes that together make up an activation become this activation. Layers in a row are a
:class:`wengert.nn.Sequential`; where paths part and meet, they are a :class:`wengert.nn.Graph`. Nothing in
the file is executed, no other file is read, and no more memory is taken than its numbers need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wengert import nn
from wengert.core import tree
from wengert.core.recorder import type_of
from wengert.core.recording import record
from wengert.core.trace import Trace, Type, type_for
from wengert.errors import ExchangeError, WengertError
from wengert.exchange._onnx_nodes import ALONG_UNITS, FOLDED, READERS, RESHAPING, Node, weights_of
from wengert.exchange._onnx_steps import Simplified, Step, reached
from wengert.exchange._protobuf import Message, decode
from wengert.exchange._tensors import DATA_TYPES

Array = np.ndarray

OLDEST, NEWEST = 9, 28  # operator sets in which the operations below mean the same
ROWS, MOST_UNITS = 2, 1 << 24  # of the batch that shapes are found for; of a layer
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


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
        biases, scales and slopes are trained; other constants, such as means that are subtracted, are not. A
        :class:`wengert.nn.UnitGraph` comes back as the operations that it is made of, with fixed numbers.

    Raises
    ------
    ExchangeError
        Where the file cannot be read, is damaged, or keeps its numbers in another file; and where it has an
        operation that makes no layer here, whose node is named.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import nn
    >>> from wengert.exchange import to_onnx
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
    with np.errstate(all="ignore"):
        reader.read(wanted)
    network = reader.network(wanted)
    _require_fit(network, graph, reader.inputs)
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
            f"the operator set of the model is {found}, and {OLDEST} to {NEWEST} are read here; export it "
            "with operator set 17"
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
    mapped = {
        node["output"][0] for node in graph["node"] if node.get("op_type") == "ZipMap" and node["output"]
    }
    found = [v["name"] for v in graph["output"] if "name" in v and (_is_floating(v) or v["name"] in mapped)]
    if not found:
        raise ExchangeError(f"no output of the model is of floating-point numbers; it has {_listed(names)}")
    return found


def _is_floating(value: Message) -> bool:
    kind = value.get("type", {}).get("tensor_type", {}).get("elem_type", 0)
    return DATA_TYPES.get(kind, "").startswith("float")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "") or "none"


# --- steps ------------------------------------------------------------------------------------------------


class _Reader:
    """Reads the nodes that an output depends on, from first to last."""

    def __init__(self, graph: Message) -> None:
        self.graph = graph
        self.constants = {t.get("name", ""): weights_of(t, t.get("name", "")) for t in graph["initializer"]}
        self.inputs = [
            v["name"] for v in graph["input"] if v.get("name", "") not in self.constants and "name" in v
        ]
        self.steps: dict[str, Step] = {}
        self.alias: dict[str, str] = {}
        self.is_flat = True  # whether all values so far are known to have a row for each pattern, and no more

    def read(self, wanted: Sequence[str]) -> None:
        """Make a step of every node that is needed."""
        known = {*self.constants, *self.inputs}
        for message in _needed(self.graph["node"], wanted):
            node = Node(message, self.constants)
            self._require_known(node, known)
            self._read(node)
            known.update(node.outputs)

    def _require_known(self, node: Node, known: set[str]) -> None:
        unknown = [name for name in node.inputs if name and name not in known]
        node.require(not unknown, f"it reads {_listed(unknown)}, which nothing before it gives")
        node.require(bool(node.outputs), "it has no output")
        twice = [name for name in node.outputs if name and name in known]
        node.require(not twice, f"{_listed(twice)} is given twice")

    def _read(self, node: Node) -> None:
        if node.domain not in DOMAINS or node.operation not in READERS | FOLDED:
            raise node.refusal("this operation makes no layer here")
        if node.operation in FOLDED and all(map(node.is_constant, range(len(node.inputs)))):
            self.constants[node.outputs[0]] = FOLDED[node.operation](node)
            return
        if node.operation not in READERS:
            raise node.refusal("this operation makes no layer here, except of constants")
        if not self.is_flat and node.operation in ALONG_UNITS and node.integer("axis", -1) != -1:
            raise node.refusal("its axis is counted from the front, behind values of more axes than two")
        self.is_flat = self.is_flat and node.operation not in RESHAPING
        found = READERS[node.operation](node)
        reads = [self.alias.get(name, name) for name in found.reads]
        if found.layer is None:
            self.alias[node.outputs[0]] = reads[0]
            return
        operands = tuple(
            self.constants[name] if name in self.constants else self.alias.get(name, name)
            for name in node.inputs
        )
        self.steps[node.outputs[0]] = Step(node.operation, found.layer, tuple(reads), operands)

    def network(self, wanted: Sequence[str]) -> Any:
        """The steps as a network."""
        names = [self.alias.get(name, name) for name in wanted]
        if len(names) == 1 and names[0] in self.inputs:
            return nn.Sequential((nn.Function(nn.identity),))
        simpler = Simplified(self.steps, names)
        steps = {name: simpler.steps[name] for name in reached(simpler.steps, names)}
        if names[0] in self.inputs or not steps:
            raise ExchangeError("the output of the model is a constant; there is nothing to compute")
        if len(names) == 1 and _is_chain(steps, names[0], self.inputs):
            return nn.Sequential(tuple(step.layer for step in steps.values()))
        return self._graph(steps, dict(zip(wanted, names, strict=True)))

    def _graph(self, steps: Mapping[str, Step], outputs: Mapping[str, str]) -> nn.Graph:
        read = {name for step in steps.values() for name in step.reads}
        inputs = tuple(name for name in self.inputs if name in read)
        nodes = tuple(nn.Node(name, s.reads, _function(s)) for name, s in steps.items())
        layers = {name: s.layer for name, s in steps.items() if _function(s) is None}
        keys = tuple(outputs) if len(outputs) > 1 else None
        return nn.Graph(layers, nn.Wiring(inputs, nodes, tuple(outputs.values()), keys, keys is None))


def _needed(nodes: Sequence[Message], wanted: Sequence[str]) -> list[Message]:
    """The nodes that the wanted outputs depend on."""
    needed = set(wanted)
    found = []
    for node in reversed(nodes):
        if not needed.isdisjoint(node["output"]):
            found.append(node)
            needed.update(node["input"])
    return found[::-1]


def _is_chain(steps: Mapping[str, Step], last: str, inputs: Sequence[str]) -> bool:
    """Whether every step reads the one before alone."""
    before = [next((name for name in inputs if name == next(iter(steps.values())).reads[0]), ""), *steps]
    pairs = zip(before, steps.values())
    return all(s.reads == (b,) and _function(s) is None for b, s in pairs) and before[-1] == last


def _function(step: Step) -> Callable[..., Any] | None:
    """The function of several values that a step is, or None where it is a layer."""
    return None if hasattr(step.layer, "__dataclass_fields__") else step.layer  # type: ignore[no-any-return]


def _require_fit(network: Any, graph: Message, inputs: Sequence[str]) -> None:
    """Layers have to fit, where the sizes of the inputs are given; shapes are found without the numbers."""
    given = [value for value in graph["input"] if value.get("name") in inputs]
    types: dict[str, Type | None] = {value["name"]: _type_of(value) for value in given}
    if isinstance(network, nn.Graph):
        types = {name: types[name] for name in network.wiring.inputs}
    if None in types.values():
        return
    leaves, structure = tree.flatten(network)

    def call(f: Any, tracers: Sequence[Any]) -> Any:
        inner, values = tree.unflatten(structure, tracers[: len(leaves)]), tracers[len(leaves) :]
        return inner(dict(zip(types, values, strict=True)) if isinstance(network, nn.Graph) else values[0])

    try:
        recording = record(lambda: None, [*map(type_of, leaves), *types.values()], call, abstract=True)
    except (ValueError, TypeError, IndexError, WengertError) as error:
        raise ExchangeError(f"the layers of the model do not fit together: {error}") from error
    _require_moderate(recording.trace())
    for output in recording.outputs:
        shape = np.shape(output)
        if shape[:1] != (ROWS,):
            raise ExchangeError(
                f"the output of the model has the shape {shape} for {ROWS} patterns, and a network gives a "
                "row for each"
            )


def _require_moderate(trace: Trace) -> None:
    most = max((var.type.size // ROWS for e in trace.equations for var in e.outputs), default=0)
    if most > MOST_UNITS:
        raise ExchangeError(f"the model has a layer of {most} units, and up to {MOST_UNITS} are read here")


def _type_of(value: Message) -> Type | None:
    """The type of a batch of an input; None where its size is not given, or is absurd."""
    tensor = value.get("type", {}).get("tensor_type", {})
    dims = [dim.get("dim_value", 0) for dim in tensor.get("shape", {}).get("dim", [])]
    name = DATA_TYPES.get(tensor.get("elem_type", 0))
    if name is None or not dims or len(dims) > 2 or any(not 0 < n <= MOST_UNITS for n in dims[1:]):
        return None
    return type_for((ROWS, *dims[1:]), np.dtype(name))
