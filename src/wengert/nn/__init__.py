r"""Feed-forward networks.

A feed-forward network composes layers of units, each a differentiable function of the layer before,

.. math:: y_k(\mathbf x, \mathbf w) = h^{(2)}\Bigl(\sum_j w^{(2)}_{kj}\,
          h^{(1)}\bigl(\textstyle\sum_i w^{(1)}_{ji} x_i + b^{(1)}_j\bigr) + b^{(2)}_k\Bigr).

Here it is a dataclass of arrays: call it, differentiate with respect to it, store it.
"""

from wengert.nn._activations import (
    ACTIVATIONS,
    activation_named,
    identity,
    leaky_relu,
    logistic,
    relu,
    softmax,
    softplus,
    tanh,
)
from wengert.nn._connections import Fixed
from wengert.nn._graph import Graph, Units
from wengert.nn._initialisers import INITIALISERS, glorot, he, initialiser_named, uniform
from wengert.nn._layers import MLP, Dense
from wengert.nn._perceptron import Perceptron, PerceptronFit, novikoff_bound, perceptron_rule
from wengert.nn._single_layer import linear_regression, logistic_regression, softmax_regression, with_output
from wengert.nn._training import forward, needs_key, parameters, replaced, state
from wengert.nn._unit_graph import Connection, Unit, UnitGraph

__all__ = [
    "ACTIVATIONS",
    "INITIALISERS",
    "MLP",
    "Connection",
    "Dense",
    "Fixed",
    "Graph",
    "Perceptron",
    "PerceptronFit",
    "Unit",
    "UnitGraph",
    "Units",
    "activation_named",
    "forward",
    "glorot",
    "he",
    "identity",
    "initialiser_named",
    "leaky_relu",
    "linear_regression",
    "logistic",
    "logistic_regression",
    "needs_key",
    "novikoff_bound",
    "parameters",
    "perceptron_rule",
    "relu",
    "replaced",
    "softmax",
    "softmax_regression",
    "softplus",
    "state",
    "tanh",
    "uniform",
    "with_output",
]
