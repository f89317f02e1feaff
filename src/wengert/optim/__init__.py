r"""Optimisers: how a gradient becomes new weights.

Gradient descent moves the weights a small step against the gradient of the error,

.. math:: \mathbf w^{(\tau+1)} = \mathbf w^{(\tau)} - \eta \nabla E(\mathbf w^{(\tau)});

the others here remember earlier gradients and scale the step by them. An optimiser is a pair of pure
functions: ``init(params)`` gives the state before the first step, ``update(gradients, state, params)`` the
new parameters and the new state. Parameters, gradients and what is remembered of them are trees of one
structure.
"""

from wengert.optim._rules import SGD, Adam, AdamState, Optimiser, WeightDecay

__all__ = ["SGD", "Adam", "AdamState", "Optimiser", "WeightDecay"]
