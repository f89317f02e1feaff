r"""Reductions: sums, products, extrema, norms and what is built from them.

A reduction takes axes away: :math:`y=\mathrm{op}_{k}\,x_k`. Axes are counted from the end, so a batch axis in front
changes nothing. Ties of max and min share the derivative equally.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.fallback import METHODS
from wengert.core.primitive import FUNCTIONS, Primitive, bilinear, constant, implements, linear, nonlinear
from wengert.core.recorder import bind, type_of
from wengert.core.trace import Type
from wengert.core.tracer import concrete, operand
from wengert.errors import UnsupportedError, at_user_line

Axes = tuple[int, ...]


def axes_from_end(axis: Any, ndim: int) -> Axes:
    """NumPy's ``axis`` argument as a sorted tuple of negative numbers."""
    if axis is None:
        return tuple(range(-ndim, 0))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    positive = np.lib.array_utils.normalize_axis_tuple([int(a) for a in axes], ndim)
    return tuple(sorted(a - ndim for a in positive))


def _reduced(x: Type, axes: Axes, keepdims: bool) -> tuple[int, ...]:
    gone = {a + x.ndim for a in axes}
    if keepdims:
        return tuple(1 if i in gone else n for i, n in enumerate(x.shape))
    return tuple(n for i, n in enumerate(x.shape) if i not in gone)


def spread(ct: Any, x: Any, axes: Axes, keepdims: bool) -> Any:
    """Put reduced axes back with length 1."""
    return ct if keepdims or not ct.shape else np.expand_dims(ct, tuple(a + x.ndim for a in axes))


def _sum_transpose(ct: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    return np.broadcast_to(spread(ct, x, axis, keepdims), x.shape)


def _sum_type(x: Type, *, axis: Axes, keepdims: bool) -> Any:
    return _reduced(x, axis, keepdims), np.sum(np.empty(0, x.dtype)).dtype


def _evaluate_sum(x: Any, axis: Axes, keepdims: bool) -> Any:
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


sum = linear(
    "sum", _evaluate_sum, _sum_transpose, infer=_sum_type, text="sum({0})", cost=lambda i, o, **_: i[0].size
)  # fmt: skip


def _same_type(x: Type, *, axis: Axes, keepdims: bool) -> Any:
    return _reduced(x, axis, keepdims), x.dtype


def _share_of_ties(x: Any, y: Any, axis: Axes, keepdims: bool) -> Any:
    winners = (x == spread(y, x, axis, keepdims)).astype(x.dtype)
    return winners / np.sum(winners, axis=axis, keepdims=True)


def _extremum_tangent(tangents: Any, operands: Any, y: Any, *, axis: Axes, keepdims: bool) -> Any:
    share = _share_of_ties(operands[0], y, axis, keepdims)
    return np.sum(share * tangents[0], axis=axis, keepdims=keepdims)


def _extremum_pullback(ct: Any, operands: Any, y: Any, wants: Any, *, axis: Axes, keepdims: bool) -> Any:
    x = operands[0]
    return [spread(ct, x, axis, keepdims) * _share_of_ties(x, y, axis, keepdims)]


def _extremum(name: str, numpy: Any) -> Primitive:
    return nonlinear(
        name,
        lambda x, axis, keepdims: numpy(x, axis=axis, keepdims=keepdims),
        _extremum_tangent,
        pullback=_extremum_pullback,
        infer=_same_type,
        cost=lambda i, o, **_: i[0].size,
    )


max = _extremum("max", np.max)
min = _extremum("min", np.min)


def _others_product(x: Any, axis: Axes) -> Any:
    """For each element, the product of all the others along the axes: right where elements are zero."""
    flat = np.reshape(np.moveaxis(x, axis, range(-len(axis), 0)), (*_kept(x, axis), -1))
    ones = np.ones_like(flat[..., :1])
    before = np.cumprod(np.concatenate([ones, flat[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([ones, flat[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    shape = (*_kept(x, axis), *(x.shape[a] for a in axis))
    return np.moveaxis(np.reshape(before * after, shape), range(-len(axis), 0), axis)


def _kept(x: Any, axis: Axes) -> tuple[int, ...]:
    return tuple(n for i, n in enumerate(x.shape) if i - x.ndim not in axis)


def _product_tangent(tangents: Any, operands: Any, y: Any, *, axis: Axes, keepdims: bool) -> Any:
    return np.sum(_others_product(operands[0], axis) * tangents[0], axis=axis, keepdims=keepdims)


prod = nonlinear(
    "prod",
    lambda x, axis, keepdims: np.prod(x, axis=axis, keepdims=keepdims),
    _product_tangent,
    infer=lambda x, axis, keepdims: (_reduced(x, axis, keepdims), np.prod(np.empty(0, x.dtype)).dtype),
    cost=lambda i, o, **_: i[0].size,
)

any = constant("any", lambda x, axis, keepdims: np.any(x, axis=axis, keepdims=keepdims))
all = constant("all", lambda x, axis, keepdims: np.all(x, axis=axis, keepdims=keepdims))
argmax = constant("argmax", lambda x, axis, keepdims: np.argmax(x, axis=axis, keepdims=keepdims))
argmin = constant("argmin", lambda x, axis, keepdims: np.argmin(x, axis=axis, keepdims=keepdims))
count_nonzero = constant(
    "count_nonzero",
    lambda x, axis, keepdims: np.asarray(np.count_nonzero(x, axis=axis, keepdims=keepdims))[()],
)

# --- logsumexp ------------------------------------------------------------------------------------------


def _evaluate_logsumexp(x: Any, axis: Axes, keepdims: bool) -> Any:
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):
        result = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return result if keepdims else result.reshape(_reduced(type_of(x), axis, keepdims))[()]


def _softmax_from(x: Any, y: Any, axis: Axes, keepdims: bool) -> Any:
    y = spread(y, x, axis, keepdims)
    return np.exp(x - np.where(np.isneginf(y), 0, y))


def _logsumexp_tangent(tangents: Any, operands: Any, y: Any, *, axis: Axes, keepdims: bool) -> Any:
    return np.sum(_softmax_from(operands[0], y, axis, keepdims) * tangents[0], axis=axis, keepdims=keepdims)


def _logsumexp_pullback(ct: Any, operands: Any, y: Any, wants: Any, *, axis: Axes, keepdims: bool) -> Any:
    x = operands[0]
    return [spread(ct, x, axis, keepdims) * _softmax_from(x, y, axis, keepdims)]


logsumexp = nonlinear(
    "logsumexp",
    _evaluate_logsumexp,
    _logsumexp_tangent,
    pullback=_logsumexp_pullback,
    infer=_same_type,
    cost=lambda i, o, **_: 18 * i[0].size,
)

# --- NumPy's signatures ---------------------------------------------------------------------------------


def _reduction(primitive: Primitive) -> Callable[..., Any]:
    def reduce(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True
    ) -> Any:  # fmt: skip
        a = operand(a) if dtype is None else np.astype(operand(a), np.dtype(dtype))
        a = _masked(primitive, a, where)
        a = a if hasattr(a, "ndim") else np.asarray(a)
        axes = axes_from_end(axis, a.ndim)
        _refuse_empty(primitive, a, axes, initial)
        result = bind(primitive, (a,), {"axis": axes, "keepdims": keepdims is True})
        return (
            result if initial is None or initial is np._NoValue else _COMBINE[primitive.name](result, initial)
        )

    return reduce


def _refuse_empty(primitive: Primitive, a: Any, axes: Axes, initial: Any) -> None:
    if primitive.name in ("max", "min") and initial is not None and 0 in (a.shape[i] for i in axes):
        raise UnsupportedError(at_user_line(f"np.{primitive.name} of an empty array is not recorded."))


def _masked(primitive: Primitive, a: Any, where: Any) -> Any:
    if where is True or where is np._NoValue:
        return a
    return np.where(where, a, np.asarray(_NEUTRAL[primitive.name], a.dtype)[()])


_NEUTRAL = {
    "sum": 0,
    "prod": 1,
    "max": -np.inf,
    "min": np.inf,
    "any": False,
    "all": True,
    "logsumexp": -np.inf,
}
_COMBINE = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}

FUNCTIONS.update(
    {
        np.sum: _reduction(sum),
        np.prod: _reduction(prod),
        np.max: _reduction(max),
        np.amax: _reduction(max),
        np.min: _reduction(min),
        np.amin: _reduction(min),
        np.any: _reduction(any),
        np.all: _reduction(all),
    }
)
logsumexp_of = _reduction(logsumexp)


def _arg_reduction(primitive: Primitive) -> Callable[..., Any]:
    def reduce(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
        a = operand(a)
        if axis is None:
            flat = bind(primitive, (np.reshape(a, -1),), {"axis": -1, "keepdims": False})
            return np.reshape(flat, (1,) * a.ndim) if keepdims is True else flat
        (place,) = axes_from_end(axis, a.ndim)
        return bind(primitive, (a,), {"axis": place, "keepdims": keepdims is True})

    return reduce


FUNCTIONS[np.argmax], FUNCTIONS[np.argmin] = _arg_reduction(argmax), _arg_reduction(argmin)


@implements(np.count_nonzero)
def _count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    a = operand(a)
    return bind(count_nonzero, (a,), {"axis": axes_from_end(axis, a.ndim), "keepdims": keepdims})


def _count(a: Any, axis: Any, where: Any) -> Any:
    if where is not True and where is not np._NoValue:
        return np.sum(np.broadcast_to(concrete(where), a.shape), axis=axis, keepdims=True)
    return int(np.prod([a.shape[i] for i in axes_from_end(axis, a.ndim)], dtype=np.int64))


def _float_of(a: Any) -> Any:
    a = operand(a)
    a = a if hasattr(a, "dtype") else np.asarray(a)
    return a if a.dtype.kind in "fc" else np.astype(a, np.float64)


def _finish(total: Any, a: Any, axis: Any, keepdims: Any) -> Any:
    return (
        total
        if keepdims is True
        else np.squeeze(total, axis=axes_from_end(axis, a.ndim))
        if a.ndim
        else total
    )


@implements(np.mean)
def _mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    a = _float_of(a) if dtype is None else np.astype(operand(a), np.dtype(dtype))
    if where is True or where is np._NoValue:
        return np.sum(a, axis=axis, keepdims=keepdims is True) / _count(a, axis, where)
    return _finish(
        np.sum(a, axis=axis, keepdims=True, where=where) / _count(a, axis, where), a, axis, keepdims
    )


@implements(np.average)
def _average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    a = _float_of(a)
    if weights is None:
        mean = np.mean(a, axis=axis, keepdims=keepdims is True)
        return (mean, mean * 0 + a.size / np.size(mean)) if returned else mean
    weights = operand(weights)
    if weights.shape != a.shape:
        place = a.ndim + axes_from_end(axis, a.ndim)[0]
        weights = np.reshape(weights, tuple(n if i == place else 1 for i, n in enumerate(a.shape)))
        weights = np.broadcast_to(weights, a.shape)
    total = np.sum(weights, axis=axis, keepdims=keepdims is True)
    mean = np.sum(a * weights, axis=axis, keepdims=keepdims is True) / total
    return (mean, total) if returned else mean


@implements(np.var)
def _var(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False, *,
    where: Any = True, mean: Any = None, correction: Any = np._NoValue,
) -> Any:  # fmt: skip
    a = _float_of(a) if dtype is None else np.astype(operand(a), np.dtype(dtype))
    ddof = ddof if correction is np._NoValue else correction
    given = mean is not None and mean is not np._NoValue
    centre = mean if given else np.mean(a, axis=axis, keepdims=True, where=where)
    deviation = a - centre
    squares = np.square(np.abs(deviation)) if a.dtype.kind == "c" else deviation * deviation
    total = np.sum(squares, axis=axis, keepdims=True, where=where) / (_count(a, axis, where) - ddof)
    return _finish(total, a, axis, keepdims)


@implements(np.std)
def _std(a: Any, *args: Any, **kwargs: Any) -> Any:
    return np.sqrt(_var(a, *args, **kwargs))


# --- cumulative sums and products -----------------------------------------------------------------------

cumsum = linear(
    "cumsum",
    lambda x, axis: np.cumsum(x, axis=axis),
    lambda ct, x, *, axis: np.flip(np.cumsum(np.flip(ct, axis), axis=axis), axis),
    cost=lambda i, o, **_: i[0].size,
)


def _cumprod_tangent(tangents: Any, operands: Any, y: Any, *, axis: int) -> Any:
    x, dx = np.moveaxis(operands[0], axis, -1), np.moveaxis(tangents[0], axis, -1)
    n = x.shape[-1]
    lower = np.tril(np.ones((n, n), bool))
    # Row j holds the factors of y_j; d y_j / d x_i is the product of the others.
    factors = np.where(lower, np.expand_dims(x, -2), 1)
    partial = np.where(lower, _others_product(factors, (-1,)), 0)
    return np.moveaxis(np.sum(partial * np.expand_dims(dx, -2), axis=-1), -1, axis)


cumprod = nonlinear(
    "cumprod", lambda x, axis: np.cumprod(x, axis=axis), _cumprod_tangent, cost=lambda i, o, **_: i[0].size
)  # fmt: skip


def _cumulative(primitive: Primitive) -> Callable[..., Any]:
    def accumulate(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        a = operand(a) if dtype is None else np.astype(operand(a), np.dtype(dtype))
        if axis is None or a.ndim == 0:
            a, axis = np.reshape(a, -1), -1
        return bind(primitive, (a,), {"axis": axes_from_end(axis, a.ndim)[0]})

    return accumulate


FUNCTIONS[np.cumsum], FUNCTIONS[np.cumprod] = _cumulative(cumsum), _cumulative(cumprod)

# --- ufunc methods --------------------------------------------------------------------------------------

_REDUCE = {
    np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min,
    np.logical_and: np.all, np.logical_or: np.any, np.logaddexp: logsumexp_of,
}  # fmt: skip
_ACCUMULATE = {np.add: np.cumsum, np.multiply: np.cumprod}


def _method_of(table: dict[Any, Any], method: str) -> Callable[[Any], Callable[..., Any]]:
    def find(ufunc: Any) -> Callable[..., Any]:
        if ufunc not in table:
            raise UnsupportedError(
                at_user_line(f"np.{ufunc.__name__}.{method} is not recorded. Write it as a loop.")
            )
        return lambda a, axis=0, **kwargs: FUNCTIONS.get(table[ufunc], table[ufunc])(a, axis=axis, **kwargs)

    return find


def _outer(ufunc: Any) -> Callable[..., Any]:
    return lambda a, b: ufunc(np.reshape(a, (*np.shape(a), *(1,) * np.ndim(b))), b)


def _call(ufunc: Any) -> Callable[..., Any]:
    def call(*inputs: Any, where: Any = True, dtype: Any = None, casting: str = "same_kind", **_: Any) -> Any:
        if where is not True:
            raise UnsupportedError(
                at_user_line(f"where= of np.{ufunc.__name__} is not recorded. Write np.where(...).")
            )
        result = ufunc(*inputs)
        return result if dtype is None else np.astype(result, np.dtype(dtype))

    return call


METHODS.update(
    reduce=_method_of(_REDUCE, "reduce"),
    accumulate=_method_of(_ACCUMULATE, "accumulate"),
    outer=_outer,
    __call__=_call,
)
_ = bilinear
