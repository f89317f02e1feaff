r"""Every number of one pass through a network of single units, as worked examples show it.

Forwards, from the inputs to the outputs, and backwards, from the outputs to the inputs,

.. math:: a_j = b_j + \sum_i w_{ji} z_i, \quad z_j = h_j(a_j), \qquad
          \delta_j = h_j'(a_j) \Bigl( \sum_k w_{kj} \delta_k + \frac{\partial E}{\partial z_j} \Bigr), \quad
          \frac{\partial E}{\partial w_{ji}} = \delta_j z_i, \quad \frac{\partial E}{\partial b_j} = \delta_j,

where the error depends on :math:`z_j` itself only where j is an output. A number that several connections
share has the sum of their derivatives.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.api import jvp, value_and_grad
from wengert.nn._schedule import NONE, Topology
from wengert.tables import WorkedExample, number

Array = np.ndarray
Loss = Callable[..., Any]


@dataclass(frozen=True)
class UnitExplained:
    r"""One unit in a pass of one pattern.

    Attributes
    ----------
    name
        That of the unit.
    output
        Its activation :math:`z_j`.
    pre_activation, derivative
        :math:`a_j` and :math:`h_j'(a_j)`; None of an input.
    delta
        The error signal :math:`\delta_j`; None of an input, and without a target.
    bias
        :math:`b_j`, if it has one.
    sources, weights, inputs, gradient
        The units that it reads, the weights of these connections, what comes in through them, and the
        derivatives of the error by them.
    stepped_weights, stepped_bias
        Those after a step of gradient descent, if one is shown; what is fixed stays.
    """

    name: Any
    output: float
    pre_activation: float | None = None
    derivative: float | None = None
    delta: float | None = None
    bias: float | None = None
    sources: tuple[Any, ...] = ()
    weights: tuple[float, ...] = ()
    inputs: tuple[float, ...] = ()
    gradient: tuple[float, ...] | None = None
    stepped_weights: tuple[float, ...] | None = None
    stepped_bias: float | None = None

    def forward(self) -> Iterator[tuple[str, Any]]:
        """The sum with the numbers in it, and the activation."""
        if self.pre_activation is not None:
            yield "a", f"{self._sum()} = {number(self.pre_activation)}"
        yield "z", self.output

    def _sum(self) -> str:
        """``b + w z + w z``, with the numbers in it."""
        terms = [] if self.bias is None else [_short(self.bias)]
        terms += [f"{_short(w)}*{_short(z)}" for w, z in zip(self.weights, self.inputs)]
        return " + ".join(terms) or "0"

    def backward(self) -> Iterator[tuple[str, Any]]:
        """The error signal, and derivatives by what the unit reads with."""
        if self.delta is None or self.gradient is None:
            return
        yield "h'(a)", self.derivative
        yield "δ", self.delta
        for source, derivative in zip(self.sources, self.gradient):
            yield f"∂E/∂w {source}", derivative
        if self.bias is not None:
            yield "∂E/∂b", self.delta

    def update(self, rate: float) -> Iterator[tuple[str, Any]]:
        """Weights and bias after the step."""
        for source, weight in zip(self.sources, self.stepped_weights or ()):
            yield f"w {source}", weight
        if self.stepped_bias is not None:
            yield "b", self.stepped_bias


def _short(value: float) -> str:
    text = number(value)
    return f"({text})" if text.startswith("-") else text


class UnitsExplained(WorkedExample):
    """Every number of one pass; printing it gives a table.

    Attributes
    ----------
    units
        The units, from the inputs to the outputs.
    output, error, learning_rate
        As of any worked example: the outputs of the network, the error of the pattern where its target is
        known, and the learning rate of the step that is shown, if one is.
    """

    @property
    def units(self) -> tuple[UnitExplained, ...]:
        """The units, from the inputs to the outputs."""
        return self.parts


# --- passes -------------------------------------------------------------------------------------------------


def explained(
    topology: Topology, numbers: Array, trained: Array, x: Array, t: Any = None, loss: Loss | None = None,
    rate: float | None = None,
) -> UnitsExplained:  # fmt: skip
    """The passes of one pattern; ``numbers`` are weights, biases and what is fixed, and some are trained."""
    order = np.argsort(topology.levels, kind="stable")
    a, z = _activations(topology, numbers, order, x)
    y = z[list(topology.outputs)]
    y = y if topology.joint is None else topology.joint(y)
    if loss is None:
        return UnitsExplained(tuple(_unit(topology, numbers, j, a, z) for j in order), y)
    slopes = _slopes(topology, a)
    error, deltas = _error_signals(topology, numbers, order, z, slopes, t, loss)
    step = np.where(trained, _gradient(topology, z, deltas), 0.0)
    stepped = None if rate is None else numbers - rate * step
    backwards = {"slopes": slopes, "deltas": deltas, "stepped": stepped}
    units = tuple(_unit(topology, numbers, j, a, z, **backwards) for j in order)
    return UnitsExplained(units, y, error, rate)


def _activations(topology: Topology, numbers: Array, order: Array, x: Array) -> tuple[Array, Array]:
    """Pre-activations, NaN of inputs, and activations of all units."""
    a, z = np.full(len(order), np.nan), np.zeros(len(order))
    z[list(topology.inputs)] = x
    for j in order:
        if j not in topology.inputs:
            edges = np.flatnonzero(topology.targets == j)
            terms = numbers[topology.places[edges]] * z[topology.sources[edges]]
            bias = topology.bias_places[j]
            a[j] = terms.sum() + (0.0 if bias == NONE else numbers[bias])
            z[j] = topology.activations[j](a[j : j + 1])[0]
    return a, z


def _slopes(topology: Topology, a: Array) -> Array:
    """``h'(a)`` of every unit, 0 of inputs."""
    one = np.ones(1)
    pairs = zip(topology.activations, a[:, None])
    found = [0.0 if np.isnan(at[0]) else float(np.asarray(jvp(h, (at,), (one,))[1])[0]) for h, at in pairs]
    return np.array(found)


def _error_signals(
    topology: Topology, numbers: Array, order: Array, z: Array, slopes: Array, t: Any, loss: Loss
) -> tuple[float, Array]:
    """The error, and its derivatives by all pre-activations."""

    def error_of(z: Array) -> Any:
        y = z if topology.joint is None else topology.joint(z)
        return loss(y[None], _as_batch(t, len(topology.outputs)))

    outputs, arriving = list(topology.outputs), np.zeros(len(order))
    error, arriving[outputs] = value_and_grad(error_of)(z[outputs])
    deltas = np.zeros(len(order))
    for j in order[::-1]:
        deltas[j] = slopes[j] * arriving[j]
        edges = np.flatnonzero(topology.targets == j)
        np.add.at(arriving, topology.sources[edges], numbers[topology.places[edges]] * deltas[j])
    return float(error), deltas


def _as_batch(t: Any, outputs: int) -> Array:
    """The target as those of a single pattern: the index of a class, or a number for each output."""
    t = np.asarray(t)
    is_class = t.ndim == 0 and t.dtype.kind in "iu" and outputs > 1
    return t[None] if is_class else t.reshape(1, -1)


def _gradient(topology: Topology, z: Array, deltas: Array) -> Array:
    """The derivatives of the error by all numbers, each the sum over where it stands."""
    found = np.zeros(topology.size)
    np.add.at(found, topology.places, deltas[topology.targets] * z[topology.sources])
    biased = np.flatnonzero(topology.bias_places != NONE)
    np.add.at(found, topology.bias_places[biased], deltas[biased])
    return found


def _unit(
    topology: Topology, numbers: Array, j: int, a: Array, z: Array,
    slopes: Array | None = None, deltas: Array | None = None, stepped: Array | None = None,
) -> UnitExplained:  # fmt: skip
    """What is known of a unit."""
    name = topology.names[j]
    if j in topology.inputs:
        return UnitExplained(name, float(z[j]))
    edges, bias = np.flatnonzero(topology.targets == j), topology.bias_places[j]
    places, sources = topology.places[edges], topology.sources[edges]
    return UnitExplained(
        name,
        float(z[j]),
        float(a[j]),
        None if slopes is None else float(slopes[j]),
        None if deltas is None else float(deltas[j]),
        None if bias == NONE else float(numbers[bias]),
        tuple(topology.names[i] for i in sources),
        tuple(numbers[places].tolist()),
        tuple(z[sources].tolist()),
        None if deltas is None else tuple((deltas[j] * z[sources]).tolist()),
        None if stepped is None else tuple(stepped[places].tolist()),
        None if stepped is None or bias == NONE else float(stepped[bias]),
    )
