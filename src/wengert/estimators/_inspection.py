r"""Looking into a trained network: its sensitivity, every number of one pass, the course of training.

.. math:: J_{ki} = \frac{\partial y_k}{\partial x_i}
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.api import jacobian, jit, vmap
from wengert.estimators._inputs import densified, patterns
from wengert.estimators._prediction import ACTIVATIONS

if TYPE_CHECKING:
    from wengert.estimators._explanation import Explanation

Array = np.ndarray


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
        return _jacobians(e.out_activation_)(e.network_, densified(x))

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
        row = densified(found)
        from wengert.estimators._explanation import explained

        return explained(e, row, None if y is None else e._more_targets(_one_target(y), row), learning_rate)

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
            raise ValueError(
                "training on all patterns at once keeps no learning curve; choose solver='adam' or 'sgd'"
            )
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
