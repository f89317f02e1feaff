r"""A ufunc's methods (``reduce``, ``accumulate``, ``outer``, ``at``, ``reduceat``) and its keyword arguments.

A reduction without an operation of its own is what it says, one application after another:

.. math:: \mathrm{reduce}(f, x) = f(\dots f(f(x_1, x_2), x_3)\dots, x_n)
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.fallback import METHODS
from wengert.core.primitive import FUNCTIONS, UFUNCS
from wengert.core.recorder import type_of
from wengert.core.tracer import operand
from wengert.errors import UnsupportedError, at_user_line
from wengert.ops.indexing import add_at
from wengert.ops.reduction import axes_from_end, logsumexp_over
from wengert.ops.statistics import floating

_REDUCE = {
    np.add: FUNCTIONS[np.sum],
    np.multiply: FUNCTIONS[np.prod],
    np.maximum: FUNCTIONS[np.max],
    np.minimum: FUNCTIONS[np.min],
    np.logical_and: FUNCTIONS[np.all],
    np.logical_or: FUNCTIONS[np.any],
    np.logaddexp: lambda a, **kwargs: logsumexp_over(floating(a), **kwargs),
}
_ACCUMULATE = {np.add: FUNCTIONS[np.cumsum], np.multiply: FUNCTIONS[np.cumprod]}


def _reduce(ufunc: Any) -> Callable[..., Any]:
    rule = _REDUCE.get(ufunc)
    if rule is not None:
        return lambda a, axis=0, **kwargs: rule(a, axis=axis, **kwargs)
    return functools.partial(_fold, ufunc)


def _fold(ufunc: Any, a: Any, axis: Any = 0, dtype: Any = None, keepdims: bool = False, **others: Any) -> Any:
    if others:
        named = " and ".join(f"{name}=" for name in others)
        raise UnsupportedError(
            at_user_line(f"np.{ufunc.__name__}.reduce with {named} is not recorded. Write a loop.")
        )
    axes = axes_from_end(axis, a.ndim)
    if len(axes) != 1 or a.shape[axes[0]] == 0:
        raise UnsupportedError(
            at_user_line(
                f"np.{ufunc.__name__}.reduce is recorded over one axis that is not empty. Write a loop."
            )
        )
    result = functools.reduce(ufunc, np.unstack(a, axis=axes[0]))
    return np.expand_dims(result, a.ndim + axes[0]) if keepdims else result


def _accumulate(ufunc: Any) -> Callable[..., Any]:
    rule = _ACCUMULATE.get(ufunc)
    if rule is not None:
        return lambda a, axis=0, **kwargs: rule(a, axis=axis, **kwargs)
    return functools.partial(_running, ufunc)


def _running(ufunc: Any, a: Any, axis: int = 0, dtype: Any = None) -> Any:
    a = _as_operand(ufunc, a)
    return np.stack(list(itertools.accumulate(np.unstack(a, axis=axis), ufunc)), axis=axis)


_LOGICAL = (np.logical_and, np.logical_or, np.logical_xor)


def _as_operand(ufunc: Any, a: Any) -> Any:
    """The array as what its elements come out as where the ufunc is not applied to them."""
    return np.astype(a, bool) if ufunc in _LOGICAL else a


def _reduceat(ufunc: Any) -> Callable[..., Any]:
    def reduceat(a: Any, indices: Any, axis: int = 0, dtype: Any = None) -> Any:
        a = np.moveaxis(_as_operand(ufunc, a), axis, 0)
        starts = [int(i) for i in indices]
        ends = [*starts[1:], a.shape[0]]
        parts = [ufunc.reduce(a[i:j], axis=0) if i < j else a[i] for i, j in zip(starts, ends, strict=True)]
        return np.moveaxis(np.stack(parts), 0, axis)

    return reduceat


def _outer(ufunc: Any) -> Callable[..., Any]:
    return lambda a, b: ufunc(np.reshape(a, (*np.shape(a), *(1,) * np.ndim(b))), b)


def _at(ufunc: Any) -> Callable[..., Any]:
    if ufunc not in (np.add, np.subtract):
        raise UnsupportedError(at_user_line(f"np.{ufunc.__name__}.at is not recorded. Write it as a loop."))
    return lambda a, indices, b: add_at(a, indices, b if ufunc is np.add else -operand(b))


def _call(ufunc: Any) -> Callable[..., Any]:
    def call(*inputs: Any, out: Any = None, where: Any = True, dtype: Any = None, **_: Any) -> Any:
        if where is not True:
            return _where(ufunc, inputs, out, operand(where))
        result = ufunc(*inputs)
        return result if dtype is None else np.astype(result, np.dtype(dtype))

    return call


def _where(ufunc: Any, inputs: Any, out: Any, where: Any) -> Any:
    """``where=``: elsewhere the ufunc is not applied, so it is given numbers inside its domain there."""
    target = out[0] if isinstance(out, tuple) else out
    if target is None:
        raise UnsupportedError(
            at_user_line(
                f"np.{ufunc.__name__} with where= and without out= leaves elements undefined. Give out=, or "
                "choose between two results with np.where."
            )
        )
    domain = getattr(UFUNCS.get(ufunc), "domain", None) or ((1.0, 1.0),) * len(inputs)
    inside = [_inside(where, x, *limits) for x, limits in zip(inputs, domain, strict=True)]
    return np.where(where, ufunc(*inside), operand(target))


def _inside(where: Any, x: Any, low: float, high: float) -> Any:
    """An operand that is inside a ufunc's domain elsewhere, too; Python's numbers stay as they are."""
    if type(x) in (bool, int, float, complex):
        return x
    return np.where(where, x, (low + high) / 2 if type_of(x).inexact else type_of(x).dtype.type(1))


METHODS.update(
    reduce=_reduce,
    accumulate=_accumulate,
    reduceat=_reduceat,
    outer=_outer,
    at=_at,
    __call__=_call,
)
