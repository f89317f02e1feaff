r"""Graphs of layers: several inputs and outputs, layers that are skipped, paths that part and meet again.

A node computes its value from those of the nodes that it reads,

.. math:: \mathbf z_j = f_j\bigl(\mathbf z_{i_1}, \mathbf z_{i_2}, \dots\bigr), \qquad i_1, i_2, \dots \to j,

and the error reaches a node that several others read by all of these ways: the derivative is the sum over
them. A residual block :math:`\mathbf z + f(\mathbf z)` is a node that reads two.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from wengert._refusals import choice
from wengert.core import tree
from wengert.nn._activations import Activation
from wengert.nn._containers import passed
from wengert.nn._dense import Dense
from wengert.nn._initialisers import Initialiser
from wengert.nn._layer import Layer, brief
from wengert.nn._topology import levels, listed, reaches, require_acyclic
from wengert.nn._training import needs_key
from wengert.tables import aligned

Array = np.ndarray
Shape = int | Sequence[int]
Outputs = str | Sequence[str] | Mapping[str, str]


@dataclass(frozen=True)
class Units:
    """A layer of units in the description of a graph, each of which sees everything that the node reads.

    Parameters
    ----------
    count
        How many units.
    activation, initialiser
        As in :meth:`Dense.init <wengert.nn.Dense.init>`.
    """

    count: int
    activation: str | Activation = "identity"
    initialiser: str | Initialiser | None = None


class Node(NamedTuple):
    """A node: its name, what it reads, and the join or function of that; None where a layer stands for it."""

    name: str
    reads: tuple[str, ...]
    function: str | Callable[..., Array] | None


class Wiring(NamedTuple):
    """Inputs, nodes in the order of evaluation, and outputs: one, several, or by key."""

    inputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    keys: tuple[str, ...] | None
    single: bool


# --- joins --------------------------------------------------------------------------------------------------


def total(*values: Array) -> Array:
    """The sum of values of one shape."""
    return _folded(np.add, values)


def product(*values: Array) -> Array:
    """The product of values of one shape, element by element."""
    return _folded(np.multiply, values)


def concatenated(*values: Array) -> Array:
    """The values side by side, along the last axis."""
    return values[0] if len(values) == 1 else np.concatenate(values, axis=-1)


def _folded(f: Callable[..., Array], values: Sequence[Array]) -> Array:
    if len({tuple(v.shape) for v in values}) > 1:
        raise ValueError("the shapes differ")
    found = values[0]
    for value in values[1:]:
        found = f(found, value)
    return found


JOINS: dict[str, Callable[..., Array]] = {"sum": total, "product": product, "concatenate": concatenated}


# --- the network --------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False, eq=False)
class Graph(Layer):
    r"""A network of layers with any acyclic connections; make one with :meth:`init`.

    Parameters
    ----------
    layers
        The layers by the names of their nodes.
    wiring
        Which node reads which. It is part of the structure of the tree, not one of its leaves.

    Examples
    --------
    A hidden layer, a residual block around a second one, and an output that sees the inputs, too:

    >>> network = Graph.init(
    ...     np.random.default_rng(0),
    ...     {
    ...         "h": (Units(8, "tanh"), "x"),
    ...         "f": (Units(8, "tanh"), "h"),
    ...         "z": ("sum", "h", "f"),
    ...         "y": (Units(1), "z", "x"),
    ...     },
    ...     inputs={"x": 3},
    ...     outputs="y",
    ... )
    >>> network(np.zeros((5, 3))).shape
    (5, 1)
    >>> network
    Graph: x -> y
    node  reads  computes
    h     x      Dense 3-8 tanh
    f     h      Dense 8-8 tanh
    z     h, f   sum
    y     z, x   Dense 11-1 identity
    """

    layers: dict[str, Any]
    wiring: Wiring = field(metadata={"static": True})

    @classmethod
    def init(
        cls,
        rng: np.random.Generator,
        nodes: Mapping[str, Sequence[Any]],
        *,
        inputs: Mapping[str, Shape | tuple[Shape, Any]],
        outputs: Outputs,
        dtype: Any = np.float64,
    ) -> "Graph":
        """Draw a network from its description.

        Parameters
        ----------
        rng
            Where the weights of :class:`Units` are drawn from.
        nodes
            For each name a layer or function, and the names of what it reads, nodes or inputs in any order:
            ``"h": (Units(8, "tanh"), "x")``. A layer may be :class:`Units`, or any layer or network that is
            there already; what it reads is put side by side. A function of as many arrays as the node reads
            gets them as arguments; ``"sum"``, ``"product"`` and ``"concatenate"`` name three.
        inputs
            For each name the number of variables (or the shape) of a pattern; with a type beside it where
            that is not the network's, as of numbers of categories: ``"city": ((), int)``.
        outputs
            A name, whose value the network gives; several names, for a tuple of values; or a dict from keys
            to names, for a dict of values.
        dtype
            The precision of the weights.

        Raises
        ------
        ValueError
            Where nodes form a cycle (which is shown), a name is unknown or used twice, nothing reads a node
            or an input, or a node cannot take what it reads.
        """
        given = {name: _description(name, node) for name, node in nodes.items()}
        keys, names, single = _read_outputs(outputs)
        order = _ordered(given, tuple(inputs), names)
        layers: dict[str, Any] = {}
        shapes = {name: _example(described, dtype) for name, described in inputs.items()}
        found = []
        for name in order:
            layer, reads = given[name]
            layer = _drawn(layer, rng, [shapes[r] for r in reads], dtype)
            is_layer = not tree.is_leaf(layer)
            layers |= {name: layer} if is_layer else {}
            node = Node(name, reads, None if is_layer else layer)
            found.append(node)
            with np.errstate(all="ignore"):
                shapes[name] = _computed(node, layers.get(name), shapes)
        return cls(layers, Wiring(tuple(inputs), tuple(found), names, keys, single))

    def __call__(self, x: Any) -> Any:
        """The outputs for an array, or for several: a tuple in the order of the inputs, or a dict by name."""
        values = self._inputs(x)
        for node in self.wiring.nodes:
            values[node.name] = _computed(node, self.layers.get(node.name), values)
        return self._outputs(values)

    def forward(self, x: Any, key: Any = None) -> tuple[Any, "Graph"]:
        """The pass in training: the outputs, and the network as it is afterwards."""
        values, after = self._inputs(x), dict(self.layers)
        for number, node in enumerate(self.wiring.nodes):
            layer = self.layers.get(node.name)
            values[node.name], after[node.name] = _computed_in_training(node, layer, number, values, key)
        return self._outputs(values), Graph({name: after[name] for name in self.layers}, self.wiring)

    @property
    def draws(self) -> bool:
        """Whether the pass in training draws random numbers."""
        return any(needs_key(layer) for layer in self.layers.values())

    def _inputs(self, x: Any) -> dict[str, Array]:
        names = self.wiring.inputs
        if isinstance(x, Mapping):
            if set(x) != set(names):
                raise ValueError(f"Graph: the inputs are {listed(names)}, not {listed(list(x))}")
            return dict(x)
        values = tuple(x) if isinstance(x, tuple | list) else (x,)
        if len(values) != len(names):
            raise ValueError(f"Graph: give {len(names)} inputs, {listed(names)}, not {len(values)}")
        return dict(zip(names, values))

    def _outputs(self, values: Mapping[str, Array]) -> Any:
        found = tuple(values[name] for name in self.wiring.outputs)
        if self.wiring.keys is not None:
            return dict(zip(self.wiring.keys, found))
        return found[0] if self.wiring.single else found

    def __repr__(self) -> str:
        wiring = self.wiring
        rows = [(n.name, ", ".join(n.reads), _shown(n.function or self.layers[n.name])) for n in wiring.nodes]
        heading = f"Graph: {', '.join(wiring.inputs)} -> {', '.join(wiring.outputs)}"
        return f"{heading}\n{aligned([('node', 'reads', 'computes'), *rows])}"


def _example(described: Any, dtype: Any) -> Array:
    """A batch of one pattern of an input: ones, or of whole numbers zeros, which every category has."""
    typed = isinstance(described, tuple) and len(described) == 2 and not isinstance(described[1], Integral)
    shape, kind = described if typed else (described, dtype)
    is_whole = np.issubdtype(kind, np.integer)
    return np.full((1, *np.atleast_1d(np.asarray(shape, int))), 0 if is_whole else 1, kind)


def _shown(layer: Any) -> str:
    if isinstance(layer, Dense):
        return f"Dense {'-'.join(map(str, layer.weights.shape))} {brief(layer.activation)}"
    return layer if isinstance(layer, str) else getattr(layer, "__name__", type(layer).__name__)


# --- nodes --------------------------------------------------------------------------------------------------


def _computed(node: Node, layer: Any, values: Mapping[str, Array]) -> Array:
    """The value of a node in prediction."""
    read = [values[name] for name in node.reads]
    try:
        return layer(concatenated(*read)) if node.function is None else _function(node)(*read)
    except ValueError as error:
        raise _refusal(node, read, error) from error


def _computed_in_training(
    node: Node, layer: Any, number: int, values: Mapping[str, Array], key: Any
) -> tuple[Array, Any]:
    """The value of a node, and its layer as it is afterwards."""
    if node.function is not None:
        return _computed(node, layer, values), layer
    read = [values[name] for name in node.reads]
    try:
        return passed(layer, number, concatenated(*read), key)
    except ValueError as error:
        raise _refusal(node, read, error) from error


def _function(node: Node) -> Callable[..., Array]:
    return JOINS[node.function] if isinstance(node.function, str) else node.function  # type: ignore[return-value]


def _refusal(node: Node, read: Sequence[Array], error: Exception) -> ValueError:
    shapes = ", ".join(f"{name!r} of shape {tuple(np.shape(v))}" for name, v in zip(node.reads, read))
    return ValueError(f"Graph: node {node.name!r} cannot take {shapes}: {error}")


def _drawn(layer: Any, rng: np.random.Generator, read: Sequence[Array], dtype: Any) -> Any:
    """The layer itself, or the one that stands for so many units."""
    if not isinstance(layer, Units):
        return layer
    inputs = sum(value.shape[-1] for value in read)
    return Dense.init(rng, inputs, layer.count, layer.activation, layer.initialiser, dtype)


def _description(name: str, node: Any) -> tuple[Any, tuple[str, ...]]:
    """What a node computes, and what it reads."""
    if not isinstance(node, tuple | list) or len(node) < 2 or not all(isinstance(r, str) for r in node[1:]):
        raise ValueError(
            f"Graph: node {name!r} is {node!r}; write (layer, read, ...) with names of what it reads"
        )
    layer, *reads = node
    if isinstance(layer, str) and layer not in JOINS:
        raise ValueError(f"Graph: node {name!r} is an unknown join {layer!r}; {choice(layer, JOINS)}")
    if not isinstance(layer, str | Units) and not callable(layer):
        raise ValueError(f"Graph: node {name!r} computes {layer!r}, which is no layer and no function")
    return layer, tuple(reads)


def _read_outputs(outputs: Outputs) -> tuple[tuple[str, ...] | None, tuple[str, ...], bool]:
    """The keys of the outputs if any, their names, and whether there is just the one."""
    if isinstance(outputs, str):
        return None, (outputs,), True
    if isinstance(outputs, Mapping):
        return tuple(outputs), tuple(outputs.values()), False
    return None, tuple(outputs), False


def _ordered(given: Mapping[str, Any], inputs: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """The nodes in an order in which they can be evaluated; refuses what is no feed-forward network."""
    both = [name for name in inputs if name in given]
    if both:
        raise ValueError(f"Graph: {listed(both)} is an input and a node; give one of them another name")
    names = [*inputs, *given]
    _require_known(given, names, outputs)
    number = {name: i for i, name in enumerate(names)}
    pairs = [(number[read], number[name]) for name, (_, reads) in given.items() for read in reads]
    sources, targets = np.array(pairs, int).reshape(-1, 2).T
    require_acyclic("Graph", names, sources, targets)
    goals = np.array([number[name] for name in outputs], int)
    unused = [names[i] for i in np.flatnonzero(~reaches(len(names), sources, targets, goals))]
    if unused:
        raise ValueError(
            f"Graph: no output depends on {listed(unused)}; read it, make it an output, or leave it out"
        )
    level = levels(len(names), sources, targets)
    return sorted(given, key=lambda name: level[number[name]])


def _require_known(given: Mapping[str, Any], names: Sequence[str], outputs: Sequence[str]) -> None:
    if not outputs:
        raise ValueError("Graph: there are no outputs; name a node in outputs")
    known = set(names)
    for name, (_, reads) in given.items():
        unknown = [read for read in reads if read not in known]
        if unknown:
            raise ValueError(f"Graph: node {name!r} reads {listed(unknown)}; there are {listed(names, 20)}")
    unknown = [name for name in outputs if name not in known]
    if unknown:
        raise ValueError(f"Graph: the outputs name {listed(unknown)}; there are {listed(names, 20)}")
