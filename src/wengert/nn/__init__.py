r"""Feed-forward networks.

A feed-forward network composes layers of units, each a differentiable function of the layer before,

.. math:: y_k(\mathbf x, \mathbf w) = h^{(2)}\Bigl(\sum_j w^{(2)}_{kj}\,
          h^{(1)}\bigl(\textstyle\sum_i w^{(1)}_{ji} x_i + b^{(1)}_j\bigr) + b^{(2)}_k\Bigr).

Here it is a dataclass of arrays: call it, differentiate with respect to it, store it.

>>> import numpy as np
>>> from wengert import nn
>>> rng = np.random.default_rng(0)
>>> network = nn.Sequential([nn.Dense.init(rng, 4, 8, "tanh"), nn.Dropout(0.1), nn.Dense.init(rng, 8, 3)])
>>> network
Sequential(
    Dense(weights=float64[4, 8], biases=float64[8], activation=tanh),
    Dropout(rate=0.1),
    Dense(weights=float64[8, 3], biases=float64[3], activation=identity),
)
>>> network(np.ones((5, 4))).shape
(5, 3)

:class:`MLP` draws a whole one of the usual kind. What a layer does in training is its method ``forward``
(:func:`forward`); what training changes are its :func:`parameters`.
"""

from typing import TYPE_CHECKING

from wengert._lazy import found_in

if TYPE_CHECKING:
    from wengert.nn._activations import (
        ACTIVATIONS,
        JOINT,
        SELU_ALPHA,
        SELU_SCALE,
        activation_name,
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
    from wengert.nn._connections import Fixed
    from wengert.nn._containers import Branches, Concatenate, Frozen, Parallel, Residual, Sequential, Skip
    from wengert.nn._dense import Dense
    from wengert.nn._dropout import Dropout
    from wengert.nn._elementwise import Function, PReLU
    from wengert.nn._embedding import Embedding
    from wengert.nn._graph import Graph, Node, Units, Wiring
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
    from wengert.nn._layer import Layer
    from wengert.nn._mlp import MLP
    from wengert.nn._normalisation import BatchNorm, LayerNorm
    from wengert.nn._perceptron import Perceptron, PerceptronFit, novikoff_bound, perceptron_rule
    from wengert.nn._schedule import Topology
    from wengert.nn._single_layer import (
        linear_regression,
        logistic_regression,
        softmax_regression,
        with_output,
    )
    from wengert.nn._summary import parts, summary
    from wengert.nn._training import forward, is_known, needs_key, parameters, replaced, state
    from wengert.nn._unit_graph import Connection, Unit, UnitGraph
else:
    __getattr__, __dir__ = found_in(
        __name__,
        _activations=(
            "ACTIVATIONS JOINT SELU_ALPHA SELU_SCALE activation_name activation_named elu exponential "
            "gaussian gelu gelu_tanh gudermannian hard_tanh identity leaky_relu log_softmax logistic "
            "mish relu selu silu softmax softplus softsign step tanh"
        ),
        _connections="Fixed",
        _containers="Branches Concatenate Frozen Parallel Residual Sequential Skip",
        _dense="Dense",
        _dropout="Dropout",
        _elementwise="Function PReLU",
        _embedding="Embedding",
        _graph="Graph Node Units Wiring",
        _initialisers=(
            "INITIALISERS glorot glorot_normal he he_uniform initialiser_named lecun lecun_uniform "
            "orthogonal uniform zeros"
        ),
        _layer="Layer",
        _mlp="MLP",
        _normalisation="BatchNorm LayerNorm",
        _perceptron="Perceptron PerceptronFit novikoff_bound perceptron_rule",
        _schedule="Topology",
        _single_layer="linear_regression logistic_regression softmax_regression with_output",
        _summary="parts summary",
        _training="forward is_known needs_key parameters replaced state",
        _unit_graph="Connection Unit UnitGraph",
    )

__all__ = [
    # layers
    "Layer",
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
    # graphs
    "Graph",
    "Units",
    "Node",
    "Wiring",
    "UnitGraph",
    "Topology",
    "Unit",
    "Connection",
    "Fixed",
    # single layers
    "linear_regression",
    "logistic_regression",
    "softmax_regression",
    "with_output",
    "Perceptron",
    "PerceptronFit",
    "perceptron_rule",
    "novikoff_bound",
    # activations
    "ACTIVATIONS",
    "JOINT",
    "activation_named",
    "activation_name",
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
    "SELU_SCALE",
    "SELU_ALPHA",
    "softplus",
    "exponential",
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
    # looking at one
    "summary",
    "parts",
]
