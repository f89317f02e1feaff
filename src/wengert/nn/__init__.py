r"""Feed-forward networks.

A feed-forward network composes layers of units, each a differentiable function of the layer before,

.. math:: y_k(\mathbf x, \mathbf w) = h^{(2)}\Bigl(\sum_j w^{(2)}_{kj}\,
          h^{(1)}\bigl(\textstyle\sum_i w^{(1)}_{ji} x_i + b^{(1)}_j\bigr) + b^{(2)}_k\Bigr).

Here it is a dataclass of arrays: call it, differentiate with respect to it, store it.
"""

from wengert.nn._activations import (
    ACTIVATIONS,
    activation_named,
    elu,
    exponential,
    gaussian,
    gelu,
    gelu_tanh,
    gudermannian,
    hard_tanh,
    identity,
    leaky_relu,
    log_softmax,
    logistic,
    mish,
    relu,
    selu,
    silu,
    softmax,
    softplus,
    softsign,
    step,
    tanh,
)
from wengert.nn._containers import Branches, Concatenate, Frozen, Parallel, Residual, Sequential, Skip
from wengert.nn._dense import Dense
from wengert.nn._dropout import Dropout
from wengert.nn._elementwise import Function, PReLU
from wengert.nn._embedding import Embedding
from wengert.nn._initialisers import (
    INITIALISERS,
    glorot,
    glorot_normal,
    he,
    he_uniform,
    initialiser_named,
    lecun,
    lecun_uniform,
    orthogonal,
    uniform,
    zeros,
)
from wengert.nn._mlp import MLP
from wengert.nn._normalisation import BatchNorm, LayerNorm
from wengert.nn._summary import summary
from wengert.nn._training import forward, is_known, needs_key, parameters, replaced, state

__all__ = [
    # layers
    "Dense",
    "MLP",
    "Sequential",
    "Function",
    "PReLU",
    "Dropout",
    "BatchNorm",
    "LayerNorm",
    "Embedding",
    "Residual",
    "Skip",
    "Branches",
    "Parallel",
    "Concatenate",
    "Frozen",
    # activations
    "ACTIVATIONS",
    "activation_named",
    "exponential",
    "identity",
    "step",
    "logistic",
    "tanh",
    "hard_tanh",
    "softsign",
    "gudermannian",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "softplus",
    "gelu",
    "gelu_tanh",
    "silu",
    "mish",
    "gaussian",
    "softmax",
    "log_softmax",
    # starting weights
    "INITIALISERS",
    "initialiser_named",
    "glorot",
    "glorot_normal",
    "he",
    "he_uniform",
    "lecun",
    "lecun_uniform",
    "orthogonal",
    "uniform",
    "zeros",
    # in training
    "forward",
    "needs_key",
    "parameters",
    "replaced",
    "state",
    "is_known",
    "summary",
]
