r"""One pass through a trained network, with every number on the way.

.. math:: \delta_j = \frac{\partial E_n}{\partial a_j}, \qquad
          \frac{\partial E_n}{\partial w_{ji}} = \delta_j z_i.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert import nn
from wengert.api import jvp, value_and_grad
from wengert.estimators._objective import error_of
from wengert.estimators._prediction import ACTIVATIONS

if TYPE_CHECKING:
    from wengert.tables import Group

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


@dataclass(frozen=True, repr=False)
class Explanation:
    """Every number of one pass; printing it gives a table.

    Attributes
    ----------
    layers
        The layers, from the inputs to the outputs.
    output
        The activations of the output units.
    error
        The error of the pattern, where its target is known.
    learning_rate
        Of the step that is shown, if one is.
    """

    layers: tuple[LayerExplained, ...]
    output: Array
    error: float | None = None
    learning_rate: float | None = None

    def __repr__(self) -> str:
        from wengert import tables

        forward, update = map(self._forward, self.layers), map(self._update, self.layers)
        backward = map(self._backward, reversed(self.layers))
        return tables.worked_example(forward, backward, update, self.output, self.error, self.learning_rate)

    def _forward(self, layer: LayerExplained) -> Group:
        return _group(
            layer.name,
            ("z in", layer.inputs),
            ("w", layer.weights),
            ("b", layer.biases),
            ("a", layer.pre_activations),
            ("z out", layer.outputs),
        )

    def _backward(self, layer: LayerExplained) -> Group:
        return _group(
            layer.name,
            ("h'(a)", layer.derivatives),
            ("δ", layer.deltas),
            ("∂E/∂w", layer.gradient),
            ("∂E/∂b", layer.deltas),
        )

    def _update(self, layer: LayerExplained) -> Group:
        """The weights and biases after a step of gradient descent."""
        return _group(
            layer.name,
            ("w - η ∂E/∂w", self._stepped(layer.weights, layer.gradient)),
            ("b - η ∂E/∂b", self._stepped(layer.biases, layer.deltas)),
        )

    def _stepped(self, w: Any, gradient: Any) -> Any:
        return None if w is None else w - self.learning_rate * gradient


def _group(name: str, *values: tuple[str, Any]) -> Group:
    """The values that there are."""
    return name, [(symbol, value) for symbol, value in values if value is not None]


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
