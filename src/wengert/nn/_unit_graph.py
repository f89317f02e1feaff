r"""The general feed-forward network: single units, joined in any way that has no cycle.

Each unit forms a weighted sum of the activations of the units (or inputs) that send a connection to it, and
transforms it,

.. math:: a_j = \sum_i w_{ji} z_i + b_j, \qquad z_j = h_j(a_j),

and the error signals :math:`\delta_j = \partial E_n/\partial a_j` travel back along the same connections,

.. math:: \delta_j = h_j'(a_j) \sum_k w_{kj} \delta_k, \qquad
          \frac{\partial E_n}{\partial w_{ji}} = \delta_j z_i.

Layered networks are a special case; so are connections that skip layers, missing connections, weights that
several connections share (whose derivative is the sum over those connections), and fixed weights.

References
----------
Bishop, *Pattern Recognition and Machine Learning*, 5.1 and 5.3.1; Bishop and Bishop, *Deep Learning:
Foundations and Concepts*, 8.1.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wengert._refusals import counted
from wengert.nn._activations import Activation, identity
from wengert.nn._connections import (
    Fixed,
    Numbers,
    Wires,
    check,
    drawn,
    entries_of,
    functions_of,
    layered,
    names_in,
    numbers_of,
    plain_numbers,
    random_connections,
    read_edges,
    require_known,
    topology_of,
)
from wengert.nn._dense import Dense
from wengert.nn._initialisers import Initialiser, initialiser_named
from wengert.nn._layer import Layer
from wengert.nn._mlp import MLP
from wengert.nn._propagation import propagated
from wengert.nn._schedule import NONE, Topology
from wengert.tables import aligned

if TYPE_CHECKING:
    from wengert.nn._unit_passes import UnitsExplained

Array = np.ndarray
Name = Hashable
Loss = Callable[..., Any]
SHOWN = 20  # units in the table that stands for a network, at most


class Connection(NamedTuple):
    """A connection of a network: where from, where to, its weight, and whether training changes that."""

    source: Name
    target: Name
    weight: float
    trained: bool


class Unit(NamedTuple):
    """A unit of a network; an input has no activation, and the bias of a unit without is None."""

    name: Name
    level: int
    activation: str | None
    bias: float | None
    fan_in: int
    fan_out: int


@dataclass(frozen=True, repr=False, eq=False)
class UnitGraph(Layer):
    r"""A network of single units with any acyclic connections.

    Make one with :meth:`from_edges`, :meth:`from_layers`, :meth:`from_adjacency`, :meth:`from_mlp` or
    :meth:`random_sparse`. It is called with one pattern (inputs,) or a batch (patterns, inputs), in the order
    in which the inputs were named, and gives the outputs in theirs.

    Parameters
    ----------
    weights, biases
        The numbers that training changes, each a vector.
    fixed
        The numbers that it does not.
    topology
        Which unit reads which. It is part of the structure of the tree, not one of its leaves.

    Examples
    --------
    >>> network = UnitGraph.from_edges(
    ...     [("x1", "h", 2.0), ("x2", "h", -1.0), ("h", "y", 1.0), ("x1", "y", 0.5)],
    ...     inputs=["x1", "x2"],
    ...     outputs=["y"],
    ...     activation="relu",
    ... )
    >>> network(np.array([4.0, 3.0]))
    array([7.])
    >>> network
    UnitGraph: 2 inputs, 2 units on 2 levels, 1 output; 4 connections, 6 numbers trained, 0 fixed
    unit  level  activation  bias  fan-in  fan-out
    x1    0      -           -     0       2
    x2    0      -           -     0       1
    h     1      relu        0     2       1
    y     2      identity    0     2       0
    """

    weights: Array
    biases: Array
    fixed: Array = field(metadata={"trained": False})
    topology: Topology = field(metadata={"static": True})

    # --- making one -----------------------------------------------------------------------------------------

    @classmethod
    def from_edges(
        cls,
        edges: Iterable[Sequence[Any]],
        *,
        inputs: Sequence[Name],
        outputs: Sequence[Name],
        activation: str | Activation = "tanh",
        output: str | Activation = "identity",
        activations: Mapping[Any, str | Activation] | None = None,
        bias: float | Fixed | None = 0.0,
        biases: Mapping[Any, float | Fixed | None] | None = None,
        weights: Mapping[str, float | Fixed] | None = None,
        rng: np.random.Generator | None = None,
        initialiser: str | Initialiser = "glorot",
        dtype: Any = np.float64,
    ) -> "UnitGraph":
        """A network from its connections.

        Parameters
        ----------
        edges
            A connection each: ``(source, target)`` draws the weight, ``(source, target, 0.5)`` starts it
            there, ``(source, target, Fixed(0.5))`` leaves it there, and ``(source, target, "v")`` names it:
            all connections with the weight ``"v"`` share it.
        inputs, outputs
            Names of units. Inputs receive no connections. An output may be any unit, an input too.
        activation, output
            The activation of hidden units and of output units. ``"softmax"`` joins all output units.
        activations
            That of single units, by name.
        bias, biases
            The starting bias of all units and of single ones, by name: a number, ``Fixed(number)``, or None
            for a unit without.
        weights
            The values of named weights; those not given are drawn.
        rng
            Where weights without a value are drawn from.
        initialiser
            How: those of a unit like those of a layer of one unit.
        dtype
            The precision of all numbers.

        Raises
        ------
        ValueError
            Where the connections form a cycle (which is shown), one is given twice, a name is unknown, an
            input receives a connection, or no output depends on a unit.

        Examples
        --------
        >>> network = UnitGraph.from_edges(
        ...     [("x1", "y", "v"), ("x2", "y", "v")], inputs=["x1", "x2"], outputs=["y"], weights={"v": 3.0}
        ... )
        >>> network.weights, network(np.array([1.0, 2.0]))
        (array([3.]), array([9.]))
        """
        ends, given = read_edges(edges)
        own, starts = activations or {}, biases or {}
        names = names_in(ends, inputs, outputs, {*own, *starts})
        units = [name for name in names if name not in set(inputs)]
        require_known("an activation", own, units)
        require_known("a bias", starts, units)
        number = {name: i for i, name in enumerate(names)}
        at = lambda chosen: np.array([number[name] for name in chosen], int)
        sources, targets = (at(pair[end] for pair in ends) for end in (0, 1))
        wires = Wires(names, at(inputs), at(outputs), sources, targets)
        check(wires)
        first = [None] * (len(names) - len(units)) + [starts.get(name, bias) for name in units]
        draw = lambda: drawn(rng, initialiser_named(initialiser), targets)
        numbers = numbers_of(given, weights or {}, first, draw, dtype)
        functions = functions_of(names, outputs, activation, output, own)
        return cls._assembled(wires, functions, numbers)

    @classmethod
    def from_adjacency(
        cls,
        matrix: Any,
        *,
        inputs: Sequence[int] | int,
        outputs: Sequence[int] | int,
        names: Sequence[Name] | None = None,
        activation: str | Activation = "tanh",
        output: str | Activation = "identity",
        bias: float | None = 0.0,
        dtype: Any = np.float64,
    ) -> "UnitGraph":
        """A network from the matrix of its weights.

        Parameters
        ----------
        matrix
            ``matrix[i, j]`` is the weight of the connection from unit i to unit j, 0 where there is none. An
            array, or a sparse matrix of SciPy's, of which every stored number is a connection.
        inputs, outputs
            Numbers of units; a single number n stands for the first n units, or the last n.
        names
            What the units are called; their numbers unless given.
        activation, output, bias, dtype
            As in :meth:`from_edges`.

        Examples
        --------
        >>> network = UnitGraph.from_adjacency([[0, 2, 1], [0, 0, 3], [0, 0, 0]], inputs=1, outputs=1)
        >>> network.connections
        [Connection(source=0, target=1, weight=2.0, trained=True),
         Connection(source=0, target=2, weight=1.0, trained=True),
         Connection(source=1, target=2, weight=3.0, trained=True)]
        """
        sources, targets, weights, count = entries_of(matrix)
        chosen = list(range(count)) if names is None else list(names)
        if len(chosen) != count:
            raise ValueError(f"UnitGraph: there are {len(chosen)} names for {count} units; give one to each")
        first = np.arange(inputs) if isinstance(inputs, int) else np.asarray(inputs, int)
        last = np.arange(count - outputs, count) if isinstance(outputs, int) else np.asarray(outputs, int)
        wires = Wires(chosen, first, last, sources, targets)
        return cls._plain(wires, weights.astype(dtype), activation, output, bias)

    @classmethod
    def from_mlp(cls, network: MLP) -> "UnitGraph":
        """The units of a multilayer perceptron, with the same weights: inputs x, hidden units z, outputs y.

        Raises
        ------
        ValueError
            Where there are other layers than dense ones, or softmax is the activation of a hidden layer.

        Examples
        --------
        >>> mlp = MLP.init(np.random.default_rng(0), (2, 2, 1), "tanh")
        >>> [unit.name for unit in UnitGraph.from_mlp(mlp).units]
        ['x1', 'x2', 'z1.1', 'z1.2', 'y1']
        """
        sizes, layers = network.sizes, _dense_layers(network)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        pairs = [
            (np.tile(np.arange(d), m) + start, np.repeat(np.arange(m), d) + start + d)
            for start, d, m in zip(starts, sizes, sizes[1:])
        ]
        sources, targets = (np.concatenate(ends) for ends in zip(*pairs))
        weights = np.concatenate([layer.weights.T.reshape(-1) for layer in layers])
        biases = [np.zeros(0, weights.dtype) if layer.biases is None else layer.biases for layer in layers]
        biased = [np.arange(first, first + len(b)) for first, b in zip(starts[1:], biases)]
        functions = [identity] * sizes[0] + [h.activation for h in layers for _ in range(h.weights.shape[1])]
        numbers = plain_numbers(weights, np.concatenate(biases), np.concatenate(biased), sum(sizes))
        return cls._assembled(layered(sizes, sources, targets), functions, numbers)

    @classmethod
    def from_layers(
        cls,
        rng: np.random.Generator,
        sizes: Sequence[int],
        activation: str | Activation = "relu",
        output: str | Activation = "identity",
        initialiser: str | Initialiser | None = None,
        dtype: Any = np.float64,
    ) -> "UnitGraph":
        """A layered network, drawn as :meth:`MLP.init <wengert.nn.MLP.init>` draws it.

        Examples
        --------
        >>> UnitGraph.from_layers(np.random.default_rng(0), (4, 8, 3)).weights.shape
        (56,)
        """
        return cls.from_mlp(MLP.init(rng, sizes, activation, output, initialiser, dtype))

    @classmethod
    def random_sparse(
        cls,
        rng: np.random.Generator,
        sizes: Sequence[int],
        connections: int,
        activation: str | Activation = "tanh",
        output: str | Activation = "identity",
        initialiser: str | Initialiser = "glorot",
        dtype: Any = np.float64,
    ) -> "UnitGraph":
        """Units in layers, and so many connections drawn at random, each from any layer to any later one.

        Every unit receives a connection, and every hidden unit sends one.

        Parameters
        ----------
        rng
            Where connections and weights are drawn from.
        sizes
            Inputs, hidden units layer by layer, outputs.
        connections
            How many connections there are.
        activation, output, initialiser, dtype
            As in :meth:`from_edges`.

        Raises
        ------
        ValueError
            Where so many connections are too few, or more than there are pairs of units.

        Examples
        --------
        >>> network = UnitGraph.random_sparse(np.random.default_rng(0), (10, 20, 5), 60)
        >>> len(network.connections), network(np.ones(10)).shape
        (60, (5,))
        """
        sources, targets = random_connections(rng, sizes, connections)
        weights = drawn(rng, initialiser_named(initialiser), targets).astype(dtype)
        return cls._plain(layered(sizes, sources, targets), weights, activation, output, 0.0)

    @classmethod
    def _plain(
        cls,
        wires: Wires,
        weights: Array,
        activation: str | Activation,
        output: str | Activation,
        bias: float | None,
    ) -> "UnitGraph":
        """A network in which every connection has its own weight, and every unit or none a bias."""
        check(wires)
        functions = functions_of(wires.names, [wires.names[i] for i in wires.outputs], activation, output, {})
        computed = np.setdiff1d(np.arange(len(wires.names)), wires.inputs)
        biased = computed[:0] if bias is None else computed
        biases = np.full(len(biased), 0.0 if bias is None else bias, weights.dtype)
        return cls._assembled(wires, functions, plain_numbers(weights, biases, biased, len(wires.names)))

    @classmethod
    def _assembled(cls, wires: Wires, functions: Sequence[Activation], numbers: Numbers) -> "UnitGraph":
        topology = topology_of(wires, functions, numbers)
        return cls(numbers.weights, numbers.biases, numbers.fixed, topology)

    # --- looking at one -------------------------------------------------------------------------------------

    @property
    def units(self) -> list[Unit]:
        """All units, inputs first: name, level, activation, bias, and the numbers of connections."""
        topology, numbers = self.topology, self._numbers()
        count = len(topology.names)
        into, out = (np.bincount(ends, minlength=count) for ends in (topology.targets, topology.sources))
        levels, places = topology.levels.tolist(), topology.bias_places.tolist()
        columns = zip(topology.names, levels, self._activation_names(), places, into, out)
        return [
            Unit(name, level, h, None if place == NONE else float(numbers[place]), int(fan_in), int(fan_out))
            for name, level, h, place, fan_in, fan_out in columns
        ]

    def _activation_names(self) -> list[str | None]:
        """The name of every unit's activation; inputs have none."""
        topology = self.topology
        names: list[str | None] = [getattr(h, "__name__", repr(h)) for h in topology.activations]
        for i in topology.outputs if topology.joint else ():
            names[i] = getattr(topology.joint, "__name__", repr(topology.joint))
        for i in topology.inputs:
            names[i] = None
        return names

    @property
    def connections(self) -> list[Connection]:
        """All connections with their weights, in the order in which they were given."""
        topology, trained = self.topology, len(self.weights)
        ends = zip(topology.sources.tolist(), topology.targets.tolist(), topology.places.tolist())
        numbers, names = self._numbers().tolist(), topology.names
        return [Connection(names[s], names[t], numbers[place], place < trained) for s, t, place in ends]

    def adjacency(self) -> Array:
        """The weights as a matrix: ``[i, j]`` is that of the connection from unit i to unit j."""
        topology, count = self.topology, len(self.topology.names)
        found = np.zeros((count, count), self.weights.dtype)
        found[topology.sources, topology.targets] = self._numbers()[topology.places]
        return found

    def explain(
        self,
        x: Array,
        t: Any = None,
        loss: Loss | None = None,
        learning_rate: float | None = None,
    ) -> "UnitsExplained":
        r"""One pass through the network, unit by unit: activations, error signals, derivatives, a step.

        Parameters
        ----------
        x
            One pattern, a number for each input.
        t, loss
            Its target, and the error of outputs and target as of a batch; without them nothing goes back.
        learning_rate
            Of the step of gradient descent to show; without one there is none.

        Returns
        -------
        UnitsExplained
            Printing it gives a table.

        Raises
        ------
        ValueError
            Where x is not one pattern, or one of t and loss is missing that the rest needs.

        Examples
        --------
        >>> from wengert import losses
        >>> network = UnitGraph.from_edges(
        ...     [("x", "h", 2.0), ("h", "y", 1.0), ("x", "y", 0.5)], inputs=["x"], outputs=["y"]
        ... )
        >>> network.explain([0.5], 1.0, losses.sum_of_squares, learning_rate=0.1)
        forward pass
        x               z         0.5
        h               a         0 + 2*0.5 = 1
                        z         0.761594
        y               a         0 + 1*0.761594 + 0.5*0.5 = 1.01159
                        z         1.01159
        output          y         [1.011594]
        error           E         6.72122e-05
        backward pass
        y               h'(a)     1
                        δ         0.0115942
                        ∂E/∂w h   0.00883004
                        ∂E/∂w x   0.00579708
                        ∂E/∂b     0.0115942
        h               h'(a)     0.419974
                        δ         0.00486925
                        ∂E/∂w x   0.00243462
                        ∂E/∂b     0.00486925
        update          η         0.1
        h               w x       1.99976
                        b         -0.000486925
        y               w h       0.999117
                        w x       0.49942
                        b         -0.00115942
        """
        from wengert.nn._unit_passes import explained

        x, count = np.asarray(x, np.float64), len(self.topology.inputs)
        if x.size != count:
            raise ValueError(
                f"UnitGraph: explain takes {counted(count, 'number')}, not an array of shape {x.shape}; give "
                "one pattern"
            )
        if (t is None) != (loss is None) or (learning_rate is not None and loss is None):
            raise ValueError("UnitGraph: explain goes back from an error; give the target t and the loss")
        trained = np.arange(self.topology.size) < len(self.weights) + len(self.biases)
        return explained(self.topology, self._numbers(), trained, x.ravel(), t, loss, learning_rate)

    def _numbers(self) -> Array:
        return np.concatenate([self.weights, self.biases, self.fixed])

    def __repr__(self) -> str:
        if any(type(part) is not np.ndarray for part in (self.weights, self.biases, self.fixed)):
            return super().__repr__()  # while it is recorded, or a tree of something else
        return table_of(self._heading(), self.units, SHOWN)

    def _heading(self) -> str:
        topology = self.topology
        inputs, outputs = len(topology.inputs), len(topology.outputs)
        counts = [
            f"UnitGraph: {counted(inputs, 'input')}, {counted(len(topology.names) - inputs, 'unit')}",
            f"on {counted(int(topology.levels.max(initial=0)), 'level')}, {counted(outputs, 'output')};",
            f"{counted(len(topology.sources), 'connection')},",
            f"{len(self.weights) + len(self.biases)} numbers trained, {len(self.fixed)} fixed",
        ]
        return " ".join(counts)

    # --- evaluation -----------------------------------------------------------------------------------------

    def __call__(self, x: Array) -> Array:
        """The outputs for one pattern (inputs,) or a batch of them (patterns, inputs)."""
        count, shape = len(self.topology.inputs), np.shape(x)
        if shape[-1:] != (count,):
            raise ValueError(
                f"UnitGraph: x of shape {shape} does not end with the {count} inputs of the network"
            )
        if len(shape) > 2:
            return np.reshape(self(np.reshape(x, (-1, count))), (*shape[:-1], len(self.topology.outputs)))
        y = np.transpose(self._propagated(np.transpose(x)))
        return y if self.topology.joint is None else self.topology.joint(y)

    def _propagated(self, x: Array) -> Array:
        """The outputs for inputs of shape (inputs,) or (inputs, patterns), each a row."""
        parts = [self.weights, self.biases, self.fixed, np.zeros(1, self.weights.dtype)]
        parameters = np.concatenate([part for part in parts if part.shape[0]])
        return propagated(self.topology.schedule, parameters, x)


def _dense_layers(network: MLP) -> tuple[Dense, ...]:
    other = [layer for layer in network.layers if not isinstance(layer, Dense)]
    if other:
        kind = type(other[0]).__name__
        raise ValueError(f"UnitGraph: a {kind} has no single units; give a network of dense layers only")
    return network.layers


def table_of(heading: str, units: Sequence[Unit], most: int) -> str:
    """The heading and a line for each of the first units."""
    rows = [("unit", "level", "activation", "bias", "fan-in", "fan-out"), *map(_cells, units[:most])]
    more = [f"and {len(units) - most} more units"] if len(units) > most else []
    return "\n".join([heading, aligned(rows), *more])


def _cells(unit: Unit) -> tuple[str, ...]:
    bias = "-" if unit.bias is None else f"{unit.bias:.4g}"
    return str(unit.name), str(unit.level), unit.activation or "-", bias, str(unit.fan_in), str(unit.fan_out)
