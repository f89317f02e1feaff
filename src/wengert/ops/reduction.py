r"""Reductions: sums, products, extrema, logsumexp, and their running forms.

A reduction takes axes away: :math:`y=\mathrm{op}_{k}\,x_k`. Axes are counted from the end, so a batch axis in
front changes nothing. Decided answers: ties of max and min share the derivative equally; the derivative of a
product is the product of the others, also where factors are zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.primitive import FUNCTIONS, Primitive, constant, implements, linear, nonlinear
from wengert.core.recorder import bind, type_of
from wengert.core.trace import Type
from wengert.core.tracer import operand

Axes = tuple[int, ...]


def axes_from_end(axis: Any, ndim: int) -> Axes:
    """NumPy's ``axis`` argument as a sorted tuple of negative numbers."""
    if axis is None:
        return tuple(range(-ndim, 0))
    if type(axis) is int and -ndim <= axis < ndim:
        return (axis if axis < 0 else axis - ndim,)
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    positive = np.lib.array_utils.normalize_axis_tuple([int(a) for a in axes], ndim)
    return tuple(sorted(a - ndim for a in positive))


def reduced(x: Type, axis: Axes, keepdims: bool) -> tuple[int, ...]:
    """The shape of x without the axes, or with length 1 in their place."""
    gone = {a + x.ndim for a in axis}
    if keepdims:
        return tuple(1 if i in gone else n for i, n in enumerate(x.shape))
    return tuple(n for i, n in enumerate(x.shape) if i not in gone)


def spread(ct: Any, x: Any, axis: Axes, keepdims: bool) -> Any:
    """Put reduced axes back with length 1."""
    return ct if keepdims or not ct.shape else np.expand_dims(ct, tuple(a + x.ndim for a in axis))


def _same_type(x: Type, *, axis: Axes, keepdims: bool) -> Any:
    return reduced(x, axis, keepdims), x.dtype


def _count(inputs: Any, outputs: Any, **_: Any) -> int:
    return int(inputs[0].size)


def _examples(draw: Any) -> Any:
    """Operands and axes that any reduction is tried on."""
    return [
        ((draw(3, 4),), {"axis": (-1,), "keepdims": False}),
        ((draw(3, 4),), {"axis": (-2,), "keepdims": True}),
        ((draw(2, 3, 2),), {"axis": (-3, -1), "keepdims": False}),
        ((draw(5),), {"axis": (-1,), "keepdims": False}),
        ((draw(2, 1),), {"axis": (-2, -1), "keepdims": True}),
        ((draw(),), {"axis": (), "keepdims": False}),
    ]


# --- sum --------------------------------------------------------------------------------------------------


def _sum_transpose(ct: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    return np.broadcast_to(spread(ct, x, axis, keepdims), x.shape)


sum = linear(
    "sum",
    lambda x, axis, keepdims: np.add.reduce(x, axis=axis, keepdims=keepdims),
    _sum_transpose,
    infer=lambda x, axis, keepdims: (reduced(x, axis, keepdims), np.add.reduce(np.empty(0, x.dtype)).dtype),
    text="sum({0})",
    cost=_count,
    examples=lambda draw: [*_examples(draw), ((draw(0, 3),), {"axis": (-2,), "keepdims": False})],
)

# --- extrema ----------------------------------------------------------------------------------------------


def _share_of_ties(x: Any, y: Any, axis: Axes, keepdims: bool) -> Any:
    winners = (x == spread(y, x, axis, keepdims)).astype(x.dtype)
    return winners / np.sum(winners, axis=axis, keepdims=True)


def _extremum_tangent(tangents: Any, operands: Any, y: Any, *, axis: Axes, keepdims: bool) -> Any:
    share = _share_of_ties(operands[0], y, axis, keepdims)
    return np.sum(share * tangents[0], axis=axis, keepdims=keepdims)


def _extremum_pullback(ct: Any, operands: Any, y: Any, wants: Any, *, axis: Axes, keepdims: bool) -> Any:
    x = operands[0]
    return [spread(ct, x, axis, keepdims) * _share_of_ties(x, y, axis, keepdims)]


def _extremum(name: str, ufunc: Any) -> Primitive:
    return nonlinear(
        name,
        lambda x, axis, keepdims: ufunc.reduce(x, axis=axis, keepdims=keepdims),
        _extremum_tangent,
        pullback=_extremum_pullback,
        infer=_same_type,
        cost=_count,
        text=name + "({0})",
        examples=_examples,
    )


max = _extremum("max", np.maximum)
min = _extremum("min", np.minimum)

# --- products ---------------------------------------------------------------------------------------------


def _flattened(x: Any, axis: Axes) -> Any:
    """The axes brought to the end and made one."""
    kept = tuple(n for i, n in enumerate(x.shape) if i - x.ndim not in axis)
    length = int(np.prod([x.shape[a] for a in axis], dtype=int))
    return np.reshape(np.moveaxis(x, axis, range(-len(axis), 0)), (*kept, length))


def _product_tangent(tangents: Any, operands: Any, y: Any, *, axis: Axes, keepdims: bool) -> Any:
    """The product rule over a tree of pairs: no division, so zeros need no care."""
    x, dx = _flattened(operands[0], axis), _flattened(tangents[0], axis)
    while x.shape[-1] > 1:
        half = x.shape[-1] // 2
        a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
        da, db, drest = dx[..., :half], dx[..., half : 2 * half], dx[..., 2 * half :]
        x = np.concatenate([a * b, rest], axis=-1)
        dx = np.concatenate([da * b + a * db, drest], axis=-1)
    return np.reshape(np.sum(dx, axis=-1), y.shape)


prod = nonlinear(
    "prod",
    lambda x, axis, keepdims: np.multiply.reduce(x, axis=axis, keepdims=keepdims),
    _product_tangent,
    infer=lambda x, axis, keepdims: (
        reduced(x, axis, keepdims),
        np.multiply.reduce(np.empty(0, x.dtype)).dtype,
    ),
    cost=_count,
    text="prod({0})",
    examples=lambda draw: [
        *_examples(draw),
        ((np.array([2.0, 0.0, 3.0]),), {"axis": (-1,), "keepdims": False}),
        ((np.array([0.0, 1.5, 0.0]),), {"axis": (-1,), "keepdims": False}),
        ((draw(0),), {"axis": (-1,), "keepdims": False}),
    ],
)

# --- logsumexp --------------------------------------------------------------------------------------------


def _evaluate_logsumexp(x: Any, axis: Axes, keepdims: bool) -> Any:
    top = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore", over="ignore"):
        result = np.log(np.add.reduce(np.exp(x - top), axis=axis, keepdims=True)) + top
    return result if keepdims else result.reshape(reduced(type_of(x), axis, keepdims))[()]


def _softmax_from(x: Any, y: Any, axis: Axes, keepdims: bool) -> Any:
    y = spread(y, x, axis, keepdims)
    return np.exp(x - np.where(y == -np.inf, 0, y))


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
    text="logsumexp({0})",
    examples=lambda draw: [
        *_examples(draw),
        ((np.array([1000.0, 1001.0]),), {"axis": (-1,), "keepdims": False}),
    ],
)

# --- reductions without a derivative ----------------------------------------------------------------------


def _place_examples(draw: Any) -> Any:
    return [
        ((draw(3, 4),), {"axis": -1, "keepdims": False}),
        ((draw(3, 4),), {"axis": -2, "keepdims": True}),
    ]


any = constant(
    "any", lambda x, axis, keepdims: np.any(x, axis=axis, keepdims=keepdims), cost=_count, examples=_examples
)
all = constant(
    "all", lambda x, axis, keepdims: np.all(x, axis=axis, keepdims=keepdims), cost=_count, examples=_examples
)
argmax = constant(
    "argmax",
    lambda x, axis, keepdims: np.argmax(x, axis=axis, keepdims=keepdims),
    cost=_count,
    examples=_place_examples,
)
argmin = constant(
    "argmin",
    lambda x, axis, keepdims: np.argmin(x, axis=axis, keepdims=keepdims),
    cost=_count,
    examples=_place_examples,
)
count_nonzero = constant(
    "count_nonzero",
    lambda x, axis, keepdims: np.asarray(np.count_nonzero(x, axis=axis, keepdims=keepdims))[()],
    cost=_count,
    examples=_examples,
)

# --- NumPy's signatures -----------------------------------------------------------------------------------


def keeps(keepdims: Any) -> bool:
    """NumPy's ``keepdims`` argument as a truth value."""
    return keepdims is not np._NoValue and bool(keepdims)


def given(argument: Any) -> bool:
    """Whether an optional argument of NumPy's was given."""
    return argument is not None and argument is not np._NoValue


def _reduction(primitive: Primitive) -> Callable[..., Any]:
    def reduce(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        a = operand(a) if dtype is None else np.astype(operand(a), np.dtype(dtype))
        a = a if hasattr(a, "ndim") else np.asarray(a)
        if where is not True and where is not np._NoValue:
            a = np.where(where, a, _neutral(primitive, a.dtype))
        axes = axes_from_end(axis, a.ndim)
        params: dict[str, Any] = {
            "axis": axes,
            "keepdims": keepdims if type(keepdims) is bool else keeps(keepdims),
        }
        if not given(initial):
            found = bind(primitive, (a,), params)
            return found if dtype is None else np.astype(found, np.dtype(dtype))
        if 0 in a.shape and primitive.name in ("max", "min"):
            return np.zeros(reduced(type_of(a), axes, params["keepdims"]), a.dtype) + initial
        return _COMBINE[primitive.name](bind(primitive, (a,), params), initial)

    return reduce


def _neutral(primitive: Primitive, dtype: Any) -> Any:
    """What changes nothing: takes the place of elements that ``where=`` leaves out."""
    value = _NEUTRAL[primitive.name]
    if dtype.kind in "iu" and primitive.name in ("max", "min"):
        value = np.iinfo(dtype).min if primitive.name == "max" else np.iinfo(dtype).max
    return dtype.type(value)


_NEUTRAL: dict[str, Any] = {
    "sum": 0, "prod": 1, "max": -np.inf, "min": np.inf, "any": False, "all": True, "logsumexp": -np.inf
}  # fmt: skip
_COMBINE = {
    "sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum, "any": np.logical_or,
    "all": np.logical_and, "logsumexp": np.logaddexp,
}  # fmt: skip

_sum, _max, _min, logsumexp_over = (_reduction(p) for p in (sum, max, min, logsumexp))
FUNCTIONS.update(
    {
        np.sum: _sum,
        np.prod: _reduction(prod),
        np.max: _max,
        np.amax: _max,
        np.min: _min,
        np.amin: _min,
        np.any: _reduction(any),
        np.all: _reduction(all),
    }
)


def _arg_reduction(primitive: Primitive) -> Callable[..., Any]:
    def reduce(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
        a = operand(a)
        if axis is None:
            flat = bind(primitive, (np.reshape(a, -1),), {"axis": -1, "keepdims": False})
            return np.reshape(flat, (1,) * np.ndim(a)) if keeps(keepdims) else flat
        (place,) = axes_from_end(axis, a.ndim)
        return bind(primitive, (a,), {"axis": place, "keepdims": keeps(keepdims)})

    return reduce


FUNCTIONS[np.argmax], FUNCTIONS[np.argmin] = _arg_reduction(argmax), _arg_reduction(argmin)


@implements(np.count_nonzero)
def _count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    a = operand(a)
    return bind(count_nonzero, (a,), {"axis": axes_from_end(axis, np.ndim(a)), "keepdims": keepdims})


@implements(np.ptp)
def _ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return np.max(a, axis=axis, keepdims=keeps(keepdims)) - np.min(a, axis=axis, keepdims=keeps(keepdims))


# --- running sums and products ----------------------------------------------------------------------------


def _along_examples(draw: Any) -> Any:
    return [((draw(3, 4),), {"axis": -1}), ((draw(3, 2),), {"axis": -2}), ((draw(1),), {"axis": -1})]


cumsum = linear(
    "cumsum",
    lambda x, axis: np.add.accumulate(x, axis=axis),
    lambda ct, x, *, axis: np.flip(np.cumsum(np.flip(ct, axis), axis=axis), axis),
    infer=lambda x, axis: (x.shape, np.cumsum(np.empty(0, x.dtype)).dtype),
    cost=_count,
    text="cumsum({0})",
    examples=_along_examples,
)


def _before(x: Any, axis: int, fill: int, by: int = 1) -> Any:
    """Each element's place is taken by the one before it, the first by a number."""
    x = np.moveaxis(x, axis, -1)
    front = np.broadcast_to(x.dtype.type(fill), (*x.shape[:-1], by))
    return np.moveaxis(np.concatenate([front, x], axis=-1)[..., :-by], -1, axis)


def _recur(a: Any, b: Any, axis: int) -> Any:
    """Steps of doubling reach: that of two maps y ↦ ay + b, one after the other, is a map of this kind."""
    reach = 1
    while reach < a.shape[axis]:
        a, b = a * _before(a, axis, 1, reach), a * _before(b, axis, 0, reach) + b
        reach *= 2
    return b


def _recurrence_tangent(tangents: Any, operands: Any, y: Any, *, axis: int) -> Any:
    (da, db), (a, _) = tangents, operands
    change = da * _before(y, axis, 0) if da is not None else db
    return bind(recurrence, (a, change if da is None or db is None else change + db), {"axis": axis})


def _recurrence_pullback(ct: Any, operands: Any, y: Any, wants: Any, *, axis: int) -> Any:
    """The same backwards: each factor leads from an element to the one before it."""
    factors, ct = _before(np.flip(operands[0], axis), axis, 0), np.flip(ct, axis)
    db = np.flip(bind(recurrence, (factors, ct), {"axis": axis}), axis)
    return [db * _before(y, axis, 0) if wants[0] else None, db if wants[1] else None]


# yᵢ = aᵢyᵢ₋₁ + bᵢ, from 0 on.
recurrence = nonlinear(
    "recurrence",
    _recur,
    _recurrence_tangent,
    pullback=_recurrence_pullback,
    infer=lambda a, b, axis: (a.shape, np.result_type(a.dtype, b.dtype)),
    cost=lambda i, o, **_: 2 * i[0].size,
    text="recurrence({0}, {1})",
    examples=lambda draw: [
        ((draw(3, 4), draw(3, 4)), {"axis": -1}),
        ((draw(5, 2), draw(5, 2)), {"axis": -2}),
        ((draw(1), draw(1)), {"axis": -1}),
    ],
)


def _cumprod_tangent(tangents: Any, operands: Any, y: Any, *, axis: int) -> Any:
    """The product rule step by step: no division, so zeros need no care."""
    return bind(recurrence, (operands[0], tangents[0] * _before(y, axis, 1)), {"axis": axis})


cumprod = nonlinear(
    "cumprod",
    lambda x, axis: np.multiply.accumulate(x, axis=axis),
    _cumprod_tangent,
    infer=lambda x, axis: (x.shape, np.cumprod(np.empty(0, x.dtype)).dtype),
    cost=_count,
    text="cumprod({0})",
    examples=lambda draw: [*_along_examples(draw), ((np.array([2.0, 0.0, 3.0, 0.0, 1.5]),), {"axis": -1})],
)


def _cumulative(primitive: Primitive) -> Callable[..., Any]:
    def accumulate(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        a = operand(a) if dtype is None else np.astype(operand(a), np.dtype(dtype))
        if a.dtype.kind in "biu":
            a = np.astype(a, np.add.reduce(np.empty(0, a.dtype)).dtype)
        if axis is None or a.ndim == 0:
            a, axis = np.reshape(a, -1), -1
        found = bind(primitive, (a,), {"axis": axes_from_end(axis, a.ndim)[0]})
        return found if dtype is None else np.astype(found, np.dtype(dtype))

    return accumulate


FUNCTIONS[np.cumsum], FUNCTIONS[np.cumprod] = _cumulative(cumsum), _cumulative(cumprod)
