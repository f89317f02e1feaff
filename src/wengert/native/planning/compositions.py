r"""Operations that are compositions of others: the NumPy code that each stands for is recorded.

.. math:: \ln\sum_k e^{x_k} = m + \ln\sum_k e^{x_k - m},\qquad m = \max_k x_k

So loops share and fuse what they are made of like any other equations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.primitive import REGISTRY
from wengert.core.recorder import bind
from wengert.core.trace import Equation
from wengert.native.planning.lower import lowers
from wengert.native.planning.plan import Plan
from wengert.transforms.compose import composition

Composition = Callable[..., Any]
SHORT = np.iinfo(np.int32).max  # places that an int32 can count: vectors of them are wider


def composed(*names: str) -> Callable[[Composition], Composition]:
    """Declare what operations are composed of: a function of operands and parameters, in NumPy."""

    def declare(function: Composition) -> Composition:
        lowers(*names)(lambda plan, equation: expand(plan, equation, function))
        return function

    return declare


def expand(plan: Plan, equation: Equation, function: Composition) -> None:
    """Record a composition, and lower its equations in place of the one that it stands for."""
    equations = composition(equation, equation.inputs, function, equation.params)
    plan.see_through(equations)
    for inner in equations:
        plan.lower(inner)


# --- reductions ---------------------------------------------------------------------------------------------


composed("softmax")(REGISTRY["softmax"].numpy)


@composed("logsumexp")
def logsumexp(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """The extremum of no numbers is that of the empty sum."""
    top = np.max(x, axis=axis, keepdims=True) if x.size else np.sum(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    y = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return y if keepdims else np.squeeze(y, axis)


@composed("argmax")
def argmax(x: Any, axis: int, keepdims: bool) -> Any:
    return _first(x, np.max(x, axis=axis, keepdims=True), axis, keepdims)


@composed("argmin")
def argmin(x: Any, axis: int, keepdims: bool) -> Any:
    return _first(x, np.min(x, axis=axis, keepdims=True), axis, keepdims)


def _first(x: Any, found: Any, axis: int, keepdims: bool) -> Any:
    """The first place of an extremum. A NaN is one, and then no number equals it."""
    n = x.shape[axis]
    places = np.reshape(np.arange(n, dtype=np.int32 if n < SHORT else np.int64), (n,) + (1,) * (-axis - 1))
    hit = (x == found) | np.isnan(x) if x.dtype.kind == "f" else x == found
    first = np.min(np.where(hit, places, places.dtype.type(n)), axis=axis, keepdims=keepdims)
    return np.astype(first, np.int64)


@composed("count_nonzero")
def count_nonzero(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return np.sum(x != 0, axis=axis, keepdims=keepdims)


# --- indices ------------------------------------------------------------------------------------------------


@composed("survives")
def survives(*arrays: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Number what is written, write it, and see what is still there."""
    types = [np.broadcast_to(np.intp(0), a.shape) for a in arrays]
    taken = REGISTRY["getitem"].numpy(np.broadcast_to(np.intp(0), shape), *types, index=index).shape
    order = np.arange(math.prod(taken)).reshape(taken)
    owner = bind(REGISTRY["setitem"], (np.zeros(shape, np.intp), order, *arrays), {"index": index})
    return bind(REGISTRY["getitem"], (owner, *arrays), {"index": index}) == order
