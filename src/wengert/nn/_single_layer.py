r"""Networks of a single layer: the linear models, from which networks with hidden units are built.

An output is a function of a linear combination of the inputs,

.. math:: y_k(\mathbf x, \mathbf w) = f\Bigl(\sum_i w_{ki} x_i + b_k\Bigr),

the identity for regression, the logistic sigmoid for two classes, softmax for several. With the error
that belongs to each of them (sum of squares, cross-entropy), the error signal of an output is
:math:`y_k - t_k`, and

.. math:: \frac{\partial E_n}{\partial w_{ki}} = (y_{nk} - t_{nk})\, x_{ni}.

These errors have one minimum only, so the weights may start at zero.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from wengert._refusals import require_floating, require_whole
from wengert.nn._activations import Activation, activation_named
from wengert.nn._dense import Dense


def linear_regression(inputs: int, outputs: int = 1, dtype: Any = np.float64) -> Dense:
    r"""Linear regression, :math:`y_k = \sum_i w_{ki} x_i + b_k`, with all weights zero.

    Train it with :func:`wengert.losses.mean_squared_error` or :func:`~wengert.losses.sum_of_squares`.

    Examples
    --------
    >>> linear_regression(3)(np.ones((2, 3)))
    array([[0.],
           [0.]])
    """
    return _single(inputs, outputs, "identity", dtype)


def logistic_regression(inputs: int, outputs: int = 1, dtype: Any = np.float64) -> Dense:
    r"""Logistic regression, :math:`p(t_k = 1 | \mathbf x) = \sigma(\sum_i w_{ki} x_i + b_k)`.

    With several outputs they are separate binary classifications. Train
    ``with_output(network, "identity")`` with :func:`wengert.losses.binary_cross_entropy`, which takes
    pre-activations, and give it its activation back with ``with_output(network, "logistic")``.

    Examples
    --------
    >>> logistic_regression(3)(np.ones(3))
    array([0.5])
    """
    return _single(inputs, outputs, "logistic", dtype)


def softmax_regression(inputs: int, classes: int, dtype: Any = np.float64) -> Dense:
    r"""Multiclass logistic regression, :math:`p(k | \mathbf x) = e^{a_k} / \sum_j e^{a_j}`.

    Train ``with_output(network, "identity")`` with :func:`wengert.losses.softmax_cross_entropy`.

    Examples
    --------
    >>> softmax_regression(3, 4)(np.ones(3))
    array([0.25, 0.25, 0.25, 0.25])
    """
    return _single(inputs, classes, "softmax", dtype)


def _single(inputs: int, outputs: int, activation: str, dtype: Any) -> Dense:
    require_whole(1, inputs=inputs, outputs=outputs)
    require_floating(dtype)
    return Dense(np.zeros((inputs, outputs), dtype), np.zeros(outputs, dtype), activation_named(activation))


def with_output(network: Any, activation: str | Activation) -> Any:
    """The same network with another activation of its output units.

    The errors for classes take pre-activations: train with ``"identity"``, predict with ``"logistic"`` or
    ``"softmax"``.

    Parameters
    ----------
    network
        A layer of units, or a network whose last layer is one.
    activation
        A name or a function.

    Raises
    ------
    ValueError
        Where the last layer is none of units.

    Examples
    --------
    >>> network = logistic_regression(2)
    >>> with_output(network, "identity")(np.zeros(2)), network(np.zeros(2))
    (array([0.]), array([0.5]))
    """
    if isinstance(network, Dense):
        return replace(network, activation=activation_named(activation))
    if not getattr(network, "layers", ()):
        raise ValueError(f"with_output: {network!r} has no layer of output units; it must end with a Dense")
    *before, last = network.layers
    return replace(network, layers=(*before, with_output(last, activation)))
