r"""Looking into a trained network: its sensitivity, every number of one pass, the course of training.

.. math:: J_{ki} = \frac{\partial y_k}{\partial x_i}, \qquad
          \delta_j = \frac{\partial E_n}{\partial a_j}, \qquad
          \frac{\partial E_n}{\partial w_{ji}} = \delta_j z_i.
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert import nn
from wengert.api import jacobian, jit, jvp, value_and_grad, vmap
from wengert.estimators._inputs import is_sparse, patterns
from wengert.estimators._objective import error_of
from wengert.estimators._prediction import ACTIVATIONS

Array = np.ndarray
Row = tuple[str, str, Any]


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

        rows = [("forward pass", "", ""), *self._forward(), ("output", "y", self.output)]
        if self.error is not None:
            rows += [("error", "E", self.error), ("backward pass", "", ""), *self._backward()]
        if self.learning_rate is not None:
            rows += [("update", "η", self.learning_rate), *self._update(self.learning_rate)]
        return tables.aligned([(a, b, v if isinstance(v, str) else tables.number(v)) for a, b, v in rows])

    def _forward(self) -> list[Row]:
        return [
            row
            for layer in self.layers
            for row in _rows(
                layer.name,
                ("z in", layer.inputs),
                ("w", layer.weights),
                ("b", layer.biases),
                ("a", layer.pre_activations),
                ("z out", layer.outputs),
            )
        ]

    def _backward(self) -> list[Row]:
        return [
            row
            for layer in reversed(self.layers)
            for row in _rows(
                layer.name,
                ("h'(a)", layer.derivatives),
                ("δ", layer.deltas),
                ("∂E/∂w", layer.gradient),
                ("∂E/∂b", layer.deltas),
            )
        ]

    def _update(self, rate: float) -> list[Row]:
        """The weights and biases after a step of gradient descent."""
        return [
            row
            for layer in self.layers
            for row in _rows(
                layer.name,
                ("w - η ∂E/∂w", _stepped(layer.weights, rate, layer.gradient)),
                ("b - η ∂E/∂b", _stepped(layer.biases, rate, layer.deltas)),
            )
        ]


def _stepped(w: Any, rate: float, gradient: Any) -> Any:
    """The weights after a step of gradient descent, if there are any."""
    return None if w is None else w - rate * gradient


def _rows(name: str, *values: tuple[str, Any]) -> list[Row]:
    """Rows of the values that there are, the first with a name."""
    there = [(symbol, value) for symbol, value in values if value is not None]
    return [("" if i else name, symbol, value) for i, (symbol, value) in enumerate(there)]


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

        Examples
        --------
        >>> import wengert as wg
        >>> x = np.random.default_rng(0).normal(size=(100, 3))
        >>> regressor = wg.MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0.0, random_state=0)
        >>> regressor.fit(x, 2 * x[:, 0] - x[:, 2]).sensitivity(x[:1]).round(3) + 0.0
        array([[[ 2.,  0., -1.]]])
        """
        e: Any = self
        e._require_fitted()
        x = patterns(e, X, first=False)
        return _jacobians(e.out_activation_)(e.network_, x.toarray() if is_sparse(x) else x)

    def explain(self, x: Any, y: Any = None, learning_rate: float | None = None) -> Explanation:
        r"""One pass through the network, layer by layer: activations, error signals, gradients, a step.

        Parameters
        ----------
        x
            One pattern, as a row or a table of one row.
        y
            Its target; without one there is no error, and nothing to propagate back. The error is that of
            the pattern, without the penalty on weights.
        learning_rate
            Of the step of gradient descent to show, :math:`\mathbf w - \eta \nabla E_n`; without one there is
            none.

        Returns
        -------
        Explanation
            Printing it gives a table.

        Raises
        ------
        ValueError
            Where there is more than one pattern, or a learning rate is given and no target.

        Examples
        --------
        >>> import wengert as wg
        >>> classifier = wg.MLPClassifier(2, activation="logistic", solver="lbfgs", random_state=0)
        >>> classifier = classifier.fit([[0.5, 0.1], [0.1, 0.5]], [1, 0])
        >>> classifier.coefs_ = [np.array([[0.2, 0.3], [0.4, 0.7]]), np.array([[0.6], [0.9]])]
        >>> classifier.intercepts_ = [np.array([0.1, 0.2]), np.array([0.3])]
        >>> classifier.explain([0.5, 0.1], 1, learning_rate=0.01)
        forward pass
        1 Dense         z in          [0.5 0.1]
                        w             [[0.2 0.3] [0.4 0.7]]
                        b             [0.1 0.2]
                        a             [0.24 0.42]
                        z out         [0.559714 0.603483]
        2 Dense         z in          [0.559714 0.603483]
                        w             [[0.6] [0.9]]
                        b             [0.3]
                        a             [1.178963]
                        z out         [1.178963]
        output          y             [0.764761]
        error           E             0.268191
        backward pass
        2 Dense         δ             [-0.235239]
                        ∂E/∂w         [[-0.131666] [-0.141963]]
                        ∂E/∂b         [-0.235239]
        1 Dense         h'(a)         [0.246434 0.239291]
                        δ             [-0.034783 -0.050661]
                        ∂E/∂w         [[-0.017391 -0.025331] [-0.003478 -0.005066]]
                        ∂E/∂b         [-0.034783 -0.050661]
        update          η             0.01
        1 Dense         w - η ∂E/∂w   [[0.200174 0.300253] [0.400035 0.700051]]
                        b - η ∂E/∂b   [0.100348 0.200507]
        2 Dense         w - η ∂E/∂w   [[0.601317] [0.90142 ]]
                        b - η ∂E/∂b   [0.302352]
        """
        e: Any = self
        e._require_fitted()
        if learning_rate is not None and y is None:
            raise ValueError("explain: a step needs the target of the pattern; give y too")
        found = patterns(e, _one_row(x), first=False)
        row = found.toarray() if is_sparse(found) else found
        return _explained(e, row, None if y is None else e._more_targets(_one_target(y), row), learning_rate)

    def plot_learning_curve(self, axes: Any = None) -> Any:
        """Draw the course of training with Matplotlib: the error, and the score of patterns kept aside.

        With ``early_stopping`` there is a line at the epoch that the network is from.

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
        scores = e.validation_scores_ or []
        axes = curve.plot(axes, best=1 + int(np.nanargmax(scores)) if scores and e.early_stopping else None)
        if scores:
            _draw_scores(axes, scores)
        return axes


def _draw_scores(axes: Any, scores: list[float]) -> None:
    """Scores on a scale of their own, at the right."""
    beside = axes.twinx()
    beside.plot(range(1, len(scores) + 1), scores, color="C1", label="validation score")
    beside.set_ylabel("validation score", color="C1")
    axes.get_legend().remove()
    beside.legend(handles=[*axes.lines, *beside.lines], loc="center right")


def _one_row(x: Any) -> Any:
    """One pattern as a matrix, or a table, of one row."""
    row = x if hasattr(x, "shape") and len(x.shape) == 2 else np.atleast_2d(np.asarray(x))
    if row.shape[0] != 1:
        raise ValueError(f"explain takes one pattern, not {row.shape[0]}; give one row, such as X[:1]")
    return row


def _one_target(y: Any) -> Array:
    t = np.asarray([y]).reshape(1, -1)
    return t[0] if t.size == 1 else t


@functools.cache
def _jacobians(activation: str) -> Any:
    h = ACTIVATIONS[activation]
    return jit(lambda network, x: vmap(jacobian(lambda row: h(network(row))))(x))


def _explained(e: Any, x: Array, t: Array | None, rate: float | None) -> Explanation:
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
