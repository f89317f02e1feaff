r"""Looking into a trained network: its sensitivity, every number of one pass, the course of training.

.. math:: J_{ki} = \frac{\partial y_k}{\partial x_i}, \qquad
          \delta_j = \frac{\partial E_n}{\partial a_j}, \qquad
          \frac{\partial E_n}{\partial w_{ji}} = \delta_j z_i.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import nn
from wengert.api import grad, jacobian, jit, vmap
from wengert.estimators._inputs import is_sparse, patterns
from wengert.estimators._objective import error_of
from wengert.estimators._prediction import ACTIVATIONS

Array = np.ndarray


@dataclass(frozen=True)
class LayerExplained:
    r"""One layer in a pass of one pattern.

    Attributes
    ----------
    name
        What it is.
    inputs, outputs
        The activations :math:`z` that come in and go out.
    pre_activations
        :math:`a`, of a dense layer.
    deltas, gradient
        Error signals :math:`\delta_j` and derivatives of the error by the weights, of a dense layer where
        the target is known.
    """

    name: str
    inputs: Array
    outputs: Array
    pre_activations: Array | None = None
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
    """

    layers: tuple[LayerExplained, ...]
    output: Array
    error: float | None

    def __repr__(self) -> str:
        from wengert import tables

        rows = [("layer", "", "values")]
        for i, layer in enumerate(self.layers, 1):
            rows += [(f"{i} {layer.name}", "z in", tables.number(layer.inputs))]
            rows += [("", name, tables.number(v)) for name, v in _named(layer) if v is not None]
        rows += [("output", "y", tables.number(self.output))]
        rows += [] if self.error is None else [("error", "E", f"{self.error:.6g}")]
        return tables.aligned(rows)


def _named(layer: LayerExplained) -> list[tuple[str, Any]]:
    return [
        ("a", layer.pre_activations),
        ("z out", layer.outputs),
        ("δ", layer.deltas),
        ("∂E/∂w", layer.gradient),
    ]


class Inspection:
    """What can be asked of a trained network besides predictions."""

    def sensitivity(self, X: Any) -> Array:
        r"""How the outputs depend on the inputs, :math:`\partial y_k/\partial x_i` for each pattern.

        The outputs are those of the output units: probabilities of a classifier (of two classes that of the
        second), numbers of a regressor. Of a table with categories the inputs are its encoded columns.

        Parameters
        ----------
        X
            Patterns, one a row.

        Returns
        -------
        array of shape (patterns, outputs, inputs)
        """
        e: Any = self
        e._require_fitted()
        x = patterns(e, X, first=False)
        return _jacobians(e.out_activation_)(e.network_, x.toarray() if is_sparse(x) else x)

    def explain(self, x: Any, y: Any = None) -> Explanation:
        r"""One pass through the network, layer by layer: activations, error signals, gradients.

        Parameters
        ----------
        x
            One pattern, as a row or a table of one row.
        y
            Its target; without one there is no error, and nothing to propagate back.

        Returns
        -------
        Explanation
            Printing it gives a table.
        """
        e: Any = self
        e._require_fitted()
        found = patterns(e, _one_row(x), first=False)
        row = found.toarray() if is_sparse(found) else found
        return _explained(e, row, None if y is None else e._more_targets(_one_target(y), row))

    def plot_learning_curve(self, axes: Any = None) -> Any:
        """Draw the course of training with Matplotlib: the error, and the score of patterns kept aside.

        Parameters
        ----------
        axes
            Where to draw; by default in a new figure.

        Returns
        -------
        Axes
            Matplotlib's, to go on drawing in.
        """
        from wengert.train import Epoch, LearningCurve

        e: Any = self
        e._require_fitted()
        if not hasattr(e, "loss_curve_"):
            raise ValueError("the solver 'lbfgs' keeps no learning curve; choose 'adam' or 'sgd'")
        curve = LearningCurve([Epoch(i, loss) for i, loss in enumerate(e.loss_curve_, 1)])
        axes = curve.plot(axes)
        if e.validation_scores_:
            beside = axes.twinx()
            beside.plot(range(1, len(e.validation_scores_) + 1), e.validation_scores_, color="C1")
            beside.set_ylabel("validation score", color="C1")
        return axes


def _one_row(x: Any) -> Any:
    return np.asarray(x)[None] if not hasattr(x, "shape") or len(x.shape) == 1 else x


def _one_target(y: Any) -> Array:
    t = np.asarray([y]).reshape(1, -1)
    return t[0] if t.size == 1 else t


@functools.cache
def _jacobians(activation: str) -> Any:
    h = ACTIVATIONS[activation]
    return jit(lambda network, x: vmap(jacobian(lambda row: h(network(row))))(x))


def _explained(e: Any, x: Array, t: Array | None) -> Explanation:
    network, h = e.network_, ACTIVATIONS[e.out_activation_]
    error, gradient = None, None
    if t is not None:
        of_pattern = error_of(e._loss, e.out_activation_)
        error = float(of_pattern((network(x), 0.0), t))
        gradient = grad(lambda network: of_pattern((network(x), 0.0), t))(network)
    layers, z = [], x
    for i, layer in enumerate(network.layers):
        layers.append(_layer_explained(layer, z, gradient and gradient.layers[i]))
        z = layer(z)
    return Explanation(tuple(layers), h(z)[0], error)


def _layer_explained(layer: Any, z: Array, gradient: Any) -> LayerExplained:
    """Of one pattern, the derivative by the biases is the error signal."""
    name, inputs, outputs = type(layer).__name__, z[0], layer(z)[0]
    if not isinstance(layer, nn.Dense):
        return LayerExplained(name, inputs, outputs)
    a = inputs @ layer.weights + layer.biases
    if gradient is None:
        return LayerExplained(name, inputs, outputs, a)
    return LayerExplained(name, inputs, outputs, a, gradient.biases, gradient.weights)
