r"""Optimisers: how a gradient becomes new weights.

Gradient descent moves the weights a small step against the gradient of the error,

.. math:: \mathbf w^{(\tau+1)} = \mathbf w^{(\tau)} - \eta \nabla E(\mathbf w^{(\tau)});

the others here remember earlier gradients and scale the step by them. An optimiser is a pair of pure
functions: ``init(params)`` gives the state before the first step, ``update(gradients, state, params)`` the
new parameters and the new state. Parameters, gradients and what is remembered of them are trees of one
structure.

Where all patterns are taken at once the error is one function, which :func:`minimize` and
:func:`least_squares` bring to a precise minimum; :class:`LBFGS`, :class:`ConjugateGradients` and
:class:`LevenbergMarquardt` train networks so.
"""

from typing import TYPE_CHECKING

from wengert._lazy import found_in

if TYPE_CHECKING:
    from wengert.optim._around import (
        L1,
        L2,
        ClipNorm,
        ClipValues,
        MovingAverage,
        PolyakAverage,
        WeightDecay,
    )
    from wengert.optim._descent import SGD, Momentum, Nesterov
    from wengert.optim._least_squares import least_squares
    from wengert.optim._minimize import minimize
    from wengert.optim._moments import Adam, AdamW, Nadam
    from wengert.optim._rates import DeltaBarDelta, Rprop
    from wengert.optim._rule import Minimiser, Optimiser, Rule, State, Steps
    from wengert.optim._schedule import Called, Constant, Schedule
    from wengert.optim._schedules import (
        Adaptive,
        Cosine,
        CosineRestarts,
        Exponential,
        InverseScaling,
        InverseTime,
        Milestones,
        OneCycle,
        PerEpoch,
        StepDecay,
        WarmUp,
    )
    from wengert.optim._squares import AdaGrad, CentredRMSProp, RMSProp
    from wengert.optim._whole_batch import LBFGS, ConjugateGradients, LevenbergMarquardt
else:
    __getattr__, __dir__ = found_in(
        __name__,
        _around="L1 L2 ClipNorm ClipValues MovingAverage PolyakAverage WeightDecay",
        _descent="SGD Momentum Nesterov",
        _least_squares="least_squares",
        _minimize="minimize",
        _moments="Adam AdamW Nadam",
        _rates="DeltaBarDelta Rprop",
        _rule="Minimiser Optimiser Rule State Steps",
        _schedule="Called Constant Schedule",
        _schedules=(
            "Adaptive Cosine CosineRestarts Exponential InverseScaling InverseTime Milestones OneCycle "
            "PerEpoch StepDecay WarmUp"
        ),
        _squares="AdaGrad CentredRMSProp RMSProp",
        _whole_batch="LBFGS ConjugateGradients LevenbergMarquardt",
    )

__all__ = [
    "Optimiser",
    "Steps",
    "Rule",
    "State",
    "SGD",
    "Momentum",
    "Nesterov",
    "DeltaBarDelta",
    "Rprop",
    "AdaGrad",
    "RMSProp",
    "CentredRMSProp",
    "Adam",
    "AdamW",
    "Nadam",
    "WeightDecay",
    "L1",
    "L2",
    "ClipValues",
    "ClipNorm",
    "PolyakAverage",
    "MovingAverage",
    "Schedule",
    "Constant",
    "StepDecay",
    "Milestones",
    "Exponential",
    "InverseScaling",
    "InverseTime",
    "Cosine",
    "CosineRestarts",
    "OneCycle",
    "WarmUp",
    "PerEpoch",
    "Adaptive",
    "Called",
    "Minimiser",
    "LBFGS",
    "ConjugateGradients",
    "LevenbergMarquardt",
    "minimize",
    "least_squares",
]
