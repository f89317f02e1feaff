r"""Activation functions: a unit's activation from its pre-activation.

A unit forms the pre-activation :math:`a_j = \sum_i w_{ji} z_i + b_j` of its inputs and gives on the
activation

.. math:: z_j = h(a_j).

Each function here is plain NumPy, works element by element (softmax: along the last axis), neither overflows
nor loses its small values at large :math:`|a|`, and keeps the precision of its argument.
"""

from collections.abc import Callable

import numpy as np

Array = np.ndarray
Activation = Callable[[Array], Array]


def identity(a: Array) -> Array:
    r"""Linear unit, :math:`h(a) = a`; with sum-of-squares error at the output."""
    return a


def logistic(a: Array) -> Array:
    r"""Logistic sigmoid, :math:`\sigma(a) = 1/(1 + e^{-a})`, with :math:`\sigma' = \sigma(1-\sigma)`.

    Evaluated as :math:`e^{-\ln(1 + e^{-a})}`, which stays accurate where :math:`\sigma` is tiny.
    """
    return np.exp(-np.logaddexp(0.0, -a))


def tanh(a: Array) -> Array:
    r"""Hyperbolic tangent, with :math:`h' = 1 - h^2`."""
    return np.tanh(a)


def relu(a: Array) -> Array:
    r"""Rectified linear unit, :math:`h(a) = \max(0, a)`, with :math:`h'(0) = 0`."""
    return np.where(a > 0, a, 0.0)


def leaky_relu(a: Array) -> Array:
    r"""Leaky rectified linear unit: :math:`a` where positive, :math:`0.01\,a` elsewhere."""
    return np.where(a > 0, a, 0.01 * a)


def softplus(a: Array) -> Array:
    r"""Smooth rectifier, :math:`h(a) = \ln(1 + e^a)`, with :math:`h' = \sigma(a)`."""
    return np.logaddexp(0.0, a)


def exponential(a: Array) -> Array:
    r"""Exponential unit, :math:`h(a) = e^a`: the rate of counts whose logarithm is a; may overflow."""
    return np.exp(a)


def softmax(a: Array) -> Array:
    r"""Normalised exponential over the last axis, :math:`y_k = e^{a_k} / \sum_j e^{a_j}`.

    Its derivatives are :math:`\partial y_k/\partial a_l = \delta_{kl} y_k - y_k y_l`.
    """
    e = np.exp(a - np.max(a, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


ACTIVATIONS: dict[str, Activation] = {
    h.__name__: h for h in (identity, logistic, tanh, relu, leaky_relu, softplus, exponential, softmax)
}


def activation_named(activation: str | Activation) -> Activation:
    """The activation function of that name; a function is its own answer."""
    if callable(activation):
        return activation
    if activation not in ACTIVATIONS:
        raise ValueError(f"unknown activation {activation!r}; choose one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[activation]
