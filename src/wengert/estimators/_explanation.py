r"""One pass through a trained network, with every number on the way.

.. math:: \delta_j = \frac{\partial E_n}{\partial a_j}, \qquad
          \frac{\partial E_n}{\partial w_{ji}} = \delta_j z_i.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert import nn
from wengert.api import jvp, value_and_grad
from wengert.estimators._objective import error_of
from wengert.estimators._prediction import ACTIVATIONS
from wengert.tables import WorkedExample

Array = np.ndarray


@dataclass(frozen=True)
class LayerExplained:
    r"""One layer in a pass of one pattern.

    Attributes
    ----------
    name
        What it is, with its place in the network.
    inputs, outputs
        The activations :math:`z` that come in and go out.
    weights, biases
        Of a dense layer.
    pre_activations, derivatives
        :math:`a` and :math:`h'(a)`, of a dense layer; the second where its activation function takes every
        unit by itself and is not the identity.
    deltas, gradient
        Error signals :math:`\delta_j`, which are the derivatives of the error by the biases, and derivatives
        of the error by the weights, of a dense layer where the target is known.
    """

    name: str
    inputs: Array
    outputs: Array
    weights: Array | None = None
    biases: Array | None = None
    pre_activations: Array | None = None
    derivatives: Array | None = None
    deltas: Array | None = None
    gradient: Array | None = None

    def forward(self) -> list[tuple[str, Any]]:
        """Sums and activations."""
        return _known(
            ("z in", self.inputs),
            ("w", self.weights),
            ("b", self.biases),
            ("a", self.pre_activations),
            ("z out", self.outputs),
        )

    def backward(self) -> list[tuple[str, Any]]:
        """Error signals and derivatives."""
        return _known(
            ("h'(a)", self.derivatives),
            ("δ", self.deltas),
            ("∂E/∂w", self.gradient),
            ("∂E/∂b", self.deltas),
        )

    def update(self, rate: float) -> list[tuple[str, Any]]:
        """The weights and biases after a step of gradient descent."""
        pairs = (("w", self.weights, self.gradient), ("b", self.biases, self.deltas))
        return [(f"{w} - η ∂E/∂{w}", x - rate * d) for w, x, d in pairs if x is not None and d is not None]


def _known(*values: tuple[str, Any]) -> list[tuple[str, Any]]:
    """The values that there are."""
    return [(symbol, value) for symbol, value in values if value is not None]


class Explanation(WorkedExample):
    """Every number of one pass; printing it gives a table.

    Attributes
    ----------
    layers
        The layers, from the inputs to the outputs.
    output, error, learning_rate
        As of any worked example: the activations of the output units, the error of the pattern where its
        target is known, and the learning rate of the step that is shown, if one is.
    """

    @property
    def layers(self) -> tuple[LayerExplained, ...]:
        """The layers, from the inputs to the outputs."""
        return self.parts


def explained(e: Any, x: Array, t: Array | None, rate: float | None) -> Explanation:
    """One pass of one pattern; with a target the way back too, with a learning rate a step."""
    network, y = e.network_, ACTIVATIONS[e.out_activation_](e.network_(x))[0]
    if t is None:
        return Explanation(tuple(_numbered(_layers(network, x))), y)
    of_pattern = error_of(e._loss, e.out_activation_)
    error, gradient = value_and_grad(lambda network: of_pattern((network(x), 0.0), t))(network)
    return Explanation(tuple(_numbered(_layers(network, x, gradient))), y, float(error), rate)


def _numbered(layers: Iterable[LayerExplained]) -> Iterator[LayerExplained]:
    return (replace(layer, name=f"{i} {layer.name}") for i, layer in enumerate(layers, 1))


def _layers(layer: Any, z: Array, gradient: Any = None) -> Iterator[LayerExplained]:
    """What is inside a layer, in the order of the pass, and then the layer if it does something itself."""
    if isinstance(layer, nn.Sequential):
        for i, inner in enumerate(layer.layers):
            yield from _layers(inner, z, gradient and gradient.layers[i])
            z = inner(z)
        return
    if isinstance(layer, nn.Residual | nn.Skip):
        yield from _layers(layer.layer, z, gradient and gradient.layer)
    found = LayerExplained(type(layer).__name__, z[0], layer(z)[0])
    yield _dense_explained(layer, found, gradient) if isinstance(layer, nn.Dense) else found


def _dense_explained(layer: nn.Dense, found: LayerExplained, gradient: Any) -> LayerExplained:
    """Of one pattern, the derivative by the biases is the error signal."""
    w, b = layer.weights, layer.biases
    a = found.inputs @ w + b
    deltas = gradient and gradient.biases, gradient and gradient.weights
    return LayerExplained(
        found.name, found.inputs, found.outputs, w, b, a, _derivatives(layer.activation, a), *deltas
    )


def _derivatives(h: Any, a: Array) -> Array | None:
    """The slope at each unit, of a function that takes each by itself: then a column of units is as good."""
    column = a[:, None]
    if h is nn.identity or not np.array_equal(h(column)[:, 0], h(a)):
        return None
    return np.asarray(jvp(h, (column,), (np.ones_like(column),))[1])[:, 0]
