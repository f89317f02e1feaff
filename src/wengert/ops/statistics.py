r"""Statistics: mean, variance, covariance, quantiles, and what leaves NaN out.

All are compositions of reductions and sorts:

.. math:: \bar x=\frac1N\sum_n x_n,\qquad s^2=\frac1{N-d}\sum_n (x_n-\bar x)^2

Decided answer: the standard deviation of equal numbers has the derivative 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.primitive import FUNCTIONS, elementwise, implements
from wengert.core.recorder import bind
from wengert.core.tracer import operand
from wengert.errors import UnsupportedError, at_user_line
from wengert.ops.elementwise import ROOT, is_complex
from wengert.ops.indexing import scatter_add
from wengert.ops.reduction import axes_from_end, given, keeps
from wengert.ops.shape import as_array

# --- a root without a kink --------------------------------------------------------------------------------


def _root_partial(x: Any, y: Any) -> Any:
    at_zero = y == 0
    return np.where(at_zero, 0, 0.5 / np.where(at_zero, 1, y))


# The square root of a sum of squares: a length, whose derivative at 0 is decided to be 0.
root = elementwise(
    "root", lambda x: np.sqrt(x), (_root_partial,), weight=ROOT, text="√{0}", domain=((0.2, 4.0),)
)


def length(squares: Any) -> Any:
    """The square root of a sum of squares, with derivative 0 at 0."""
    return bind(root, (squares,), {})


# --- mean and variance ------------------------------------------------------------------------------------


def floating(a: Any, dtype: Any = None) -> Any:
    """An operand of floating point: integers become float64, as in NumPy's means."""
    a = as_array(a)
    if given(dtype):
        return np.astype(a, np.dtype(dtype))
    return a if a.dtype.kind in "fc" else np.astype(a, np.float64)


def _everything(where: Any) -> bool:
    return where is True or where is np._NoValue


def _count(a: Any, axis: Any, where: Any) -> Any:
    """How many elements are averaged."""
    if not _everything(where):
        return np.sum(np.broadcast_to(where, a.shape), axis=axis, keepdims=True)
    return int(np.prod([a.shape[i] for i in axes_from_end(axis, a.ndim)], dtype=np.int64))


def _finish(total: Any, a: Any, axis: Any, keepdims: Any) -> Any:
    return total if keeps(keepdims) or not a.ndim else np.squeeze(total, axis=axes_from_end(axis, a.ndim))


@implements(np.mean)
def _mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    a = floating(a, dtype)
    if _everything(where):
        return np.sum(a, axis=axis, keepdims=keeps(keepdims)) / _count(a, axis, where)
    mean = np.sum(a, axis=axis, keepdims=True, where=where) / _count(a, axis, where)
    return _finish(np.astype(mean, a.dtype), a, axis, keepdims)


@implements(np.average)
def _average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    a, keep = floating(a), keeps(keepdims)
    if weights is None:
        mean = np.mean(a, axis=axis, keepdims=keep)
        return (mean, np.full(np.shape(mean), a.size / mean.size)[()]) if returned else mean
    weights = _like_data(as_array(weights), a, axis)
    total = np.sum(weights, axis=axis, keepdims=keep)
    mean = np.sum(a * weights, axis=axis, keepdims=keep) / total
    return (mean, total) if returned else mean


def _like_data(weights: Any, a: Any, axis: Any) -> Any:
    if weights.shape == a.shape:
        return weights
    places = [i + a.ndim for i in axes_from_end(axis, a.ndim)]
    shape = tuple(n if i in places else 1 for i, n in enumerate(a.shape))
    return np.broadcast_to(np.reshape(weights, shape), a.shape)


@implements(np.var)
def _var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = np._NoValue,
) -> Any:
    a = floating(a, dtype)
    ddof = ddof if correction is np._NoValue else correction
    centre = mean if given(mean) else np.mean(a, axis=axis, keepdims=True, where=where)
    squares = _squared(a - centre)
    count = _count(a, axis, where) - ddof
    if _everything(where):
        return np.sum(squares, axis=axis, keepdims=keeps(keepdims)) / count
    mean = np.sum(squares, axis=axis, keepdims=True, where=where) / count
    return _finish(np.astype(mean, squares.dtype), a, axis, keepdims)


def _squared(x: Any) -> Any:
    """|x|², element by element."""
    return np.square(np.real(x)) + np.square(np.imag(x)) if is_complex(x) else np.square(x)


@implements(np.std)
def _std(a: Any, *args: Any, **kwargs: Any) -> Any:
    return length(_var(a, *args, **kwargs))


@implements(np.cov)
def _cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    x = _variables(m, rowvar, dtype)
    x = x if y is None else np.concatenate([x, _variables(y, rowvar, dtype)], axis=0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    weights, count = _weights(x, ddof, fweights, aweights)
    deviation = x - np.expand_dims(np.average(x, axis=1, weights=weights), -1)
    weighted = deviation if weights is None else deviation * weights
    return np.squeeze(np.matmul(weighted, np.conjugate(np.swapaxes(deviation, 0, 1))) / count)


def _variables(m: Any, rowvar: bool, dtype: Any) -> Any:
    """One row for each variable."""
    m = as_array(m)
    m = np.astype(m, np.result_type(m.dtype, np.float64) if dtype is None else dtype)
    m = np.reshape(m, (1, -1)) if m.ndim < 2 else m
    return m if rowvar or m.shape[0] == 1 else np.swapaxes(m, 0, 1)


def _weights(x: Any, ddof: Any, fweights: Any, aweights: Any) -> tuple[Any, Any]:
    """The weights of the observations, and what the sum of squares is divided by."""
    if fweights is None and aweights is None:
        return None, x.shape[1] - ddof
    weights = operand(1 if fweights is None else fweights) * operand(1 if aweights is None else aweights)
    total = np.sum(weights)
    correction = 0 if ddof == 0 else ddof * (1 if aweights is None else np.sum(weights * aweights) / total)
    return weights, total - correction


@implements(np.corrcoef)
def _corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    covariance = _cov(x, y, rowvar, dtype=dtype)
    if covariance.ndim == 0:
        return covariance / covariance
    deviation = np.sqrt(np.real(np.diagonal(covariance)))
    return covariance / np.expand_dims(deviation, 1) / deviation


# --- quantiles --------------------------------------------------------------------------------------------

# Continuous methods place the q-quantile of n sorted numbers at nq + α + q(1-α-β) - 1 (Hyndman, Fan 1996).
_PLOTTING = {
    "linear": (1.0, 1.0),
    "weibull": (0.0, 0.0),
    "hazen": (0.5, 0.5),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
    "interpolated_inverted_cdf": (0.0, 1.0),
}
_ROUNDED: dict[str, Callable[[Any], Any]] = {
    "lower": np.floor,
    "higher": np.ceil,
    "nearest": np.rint,
    "midpoint": lambda place: 0.5 * (np.floor(place) + np.ceil(place)),
}


def _place(n: Any, q: Any, method: str) -> Any:
    """Where the q-quantile lies among n sorted numbers, counted from 0."""
    if method in _ROUNDED:
        return _ROUNDED[method]((n - 1) * q)
    if method not in _PLOTTING:
        methods = ", ".join(sorted({*_PLOTTING, *_ROUNDED}))
        raise UnsupportedError(
            at_user_line(f"quantiles with method={method!r} are not recorded. Use one of {methods}.")
        )
    alpha, beta = _PLOTTING[method]
    return n * q + alpha + q * (1 - alpha - beta) - 1


def _rows(a: Any, axis: Any) -> Any:
    """The axes that quantiles are taken over, as one axis at the end."""
    axes = axes_from_end(axis, a.ndim)
    moved = np.moveaxis(a, axes, range(-len(axes), 0))
    return np.reshape(moved, (*moved.shape[: a.ndim - len(axes)], -1))


def _among(rows: Any, n: Any, q: Any, method: str) -> Any:
    """The quantiles, on the last axis, of each row of sorted numbers, of which the first n count."""
    n = np.expand_dims(n, -1)
    place = np.clip(_place(n, q, method), 0, n - 1)
    place = np.broadcast_to(np.astype(place, np.float64), (*rows.shape[:-1], q.shape[-1]))
    low = np.clip(np.astype(np.floor(place), np.intp), 0, rows.shape[-1] - 1)
    high = np.astype(np.ceil(place), np.intp)
    below, above = (np.take_along_axis(rows, i, axis=-1) for i in (low, high))
    between = np.astype(place - low, rows.dtype)
    return np.where(low == high, below, below + (above - below) * between)


def _quantiles(a: Any, q: Any, axis: Any, method: str, keepdims: Any, skip_nan: bool) -> Any:
    a, wide = floating(a), not isinstance(q, int | float)
    q = as_array(q)
    a = np.astype(a, np.result_type(a.dtype, np.float64)) if wide else a
    rows = np.sort(_rows(a, axis), axis=-1)
    missing = np.isnan(rows)
    n = np.sum(~missing, axis=-1) if skip_nan else rows.shape[-1]
    found = _among(rows, n, np.reshape(q, -1), method)
    lost = np.all(missing, axis=-1) if skip_nan else np.any(missing, axis=-1)
    found = np.where(np.expand_dims(lost, -1), np.nan, found)
    found = np.reshape(np.moveaxis(found, -1, 0), (*q.shape, *rows.shape[:-1]))
    if not keeps(keepdims):
        return found
    gone = [i + a.ndim for i in axes_from_end(axis, a.ndim)]
    return np.reshape(found, (*q.shape, *(1 if i in gone else n for i, n in enumerate(a.shape))))


def _quantile_function(scale: float, skip_nan: bool) -> Callable[..., Any]:
    def quantile(
        a: Any,
        q: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = False,
        *,
        weights: Any = None,
    ) -> Any:
        if weights is not None:
            raise UnsupportedError(
                at_user_line("quantiles with weights are not recorded. Repeat the elements.")
            )
        return _quantiles(a, operand(q) / scale if scale != 1 else q, axis, method, keepdims, skip_nan)

    return quantile


def _median_function(skip_nan: bool) -> Callable[..., Any]:
    def median(
        a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
    ) -> Any:
        return _quantiles(a, 0.5, axis, "linear", keepdims, skip_nan)

    return median


FUNCTIONS.update(
    {
        np.quantile: _quantile_function(1, False),
        np.percentile: _quantile_function(100, False),
        np.nanquantile: _quantile_function(1, True),
        np.nanpercentile: _quantile_function(100, True),
        np.median: _median_function(False),
        np.nanmedian: _median_function(True),
    }
)

# --- leaving NaN out --------------------------------------------------------------------------------------


def _filled(a: Any, value: Any) -> Any:
    """The array with a number in place of NaN."""
    a = as_array(a)
    return np.where(np.isnan(a), a.dtype.type(value), a) if a.dtype.kind in "fc" else a


def _kept(a: Any, where: Any) -> Any:
    there = ~np.isnan(floating(a))
    return there if _everything(where) else there & operand(where)


def _without_nan(function: Callable[..., Any], value: float) -> Callable[..., Any]:
    return lambda a, *args, **kwargs: function(_filled(a, value), *args, **kwargs)


def _nan_extremum(function: Callable[..., Any], value: float) -> Callable[..., Any]:
    def extremum(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **kwargs: Any) -> Any:
        if as_array(a).dtype.kind not in "fc":
            return function(a, axis=axis, keepdims=keeps(keepdims), **kwargs)
        found = function(_filled(a, value), axis=axis, keepdims=keeps(keepdims), **kwargs)
        lost = np.all(np.isnan(as_array(a)), axis=axis, keepdims=keeps(keepdims))
        return np.where(lost, np.nan, found)

    return extremum


def _nan_moment(function: Callable[..., Any]) -> Callable[..., Any]:
    def moment(a: Any, *args: Any, where: Any = True, **kwargs: Any) -> Any:
        return function(_filled(a, 0), *args, where=_kept(a, where), **kwargs)

    return moment


FUNCTIONS.update(
    {
        np.nansum: _without_nan(np.sum, 0),
        np.nanprod: _without_nan(np.prod, 1),
        np.nancumsum: _without_nan(np.cumsum, 0),
        np.nancumprod: _without_nan(np.cumprod, 1),
        np.nanargmax: _without_nan(np.argmax, -np.inf),
        np.nanargmin: _without_nan(np.argmin, np.inf),
        np.nanmax: _nan_extremum(np.max, -np.inf),
        np.nanmin: _nan_extremum(np.min, np.inf),
        np.nanmean: _nan_moment(np.mean),
        np.nanvar: _nan_moment(np.var),
        np.nanstd: _nan_moment(np.std),
    }
)

# --- counting ---------------------------------------------------------------------------------------------


@implements(np.bincount)
def _bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    x = np.asarray(x)
    if weights is None:
        return np.bincount(x, minlength=minlength)
    size = max(int(minlength), int(x.max()) + 1 if x.size else 0)
    # NumPy adds in double precision, whatever the weights are.
    return scatter_add(as_array(weights).astype(np.float64), x, size)


def _no_histogram(name: str) -> Callable[..., Any]:
    def histogram(*args: Any, **kwargs: Any) -> Any:
        raise UnsupportedError(
            at_user_line(
                f"np.{name} counts, which has no derivative. Write np.bincount(np.digitize(x, edges)) for "
                "counts without one, or count smoothly with sums of np.exp(-(((x - centre) / width) ** 2))."
            )
        )

    return histogram


for _name in ("histogram", "histogram2d", "histogramdd", "histogram_bin_edges"):
    FUNCTIONS[getattr(np, _name)] = _no_histogram(_name)
