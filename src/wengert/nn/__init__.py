r"""Feed-forward networks.

A feed-forward network composes layers of units, each a differentiable function of the layer before,

.. math:: y_k(\mathbf x, \mathbf w) = h^{(2)}\Bigl(\sum_j w^{(2)}_{kj}\,
          h^{(1)}\bigl(\textstyle\sum_i w^{(1)}_{ji} x_i + b^{(1)}_j\bigr) + b^{(2)}_k\Bigr).

Here it is a dataclass of arrays: call it, differentiate with respect to it, store it.
"""

from wengert.nn._activations import (
    ACTIVATIONS,
    activation_named,
    exponential,
    identity,
    leaky_relu,
    logistic,
    relu,
    softmax,
    softplus,
    tanh,
)
from wengert.nn._initialisers import INITIALISERS, glorot, he, initialiser_named, uniform
from wengert.nn._layers import MLP, Dense
from wengert.nn._training import forward, needs_key, parameters, replaced, state

__all__ = [
    "ACTIVATIONS",
    "INITIALISERS",
    "MLP",
    "Dense",
    "activation_named",
    "exponential",
    "forward",
    "glorot",
    "he",
    "identity",
    "initialiser_named",
    "leaky_relu",
    "logistic",
    "needs_key",
    "parameters",
    "relu",
    "replaced",
    "softmax",
    "softplus",
    "state",
    "tanh",
    "uniform",
]
