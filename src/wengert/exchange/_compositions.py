r"""What operations are composed of, for targets that do not have them: NumPy code, recorded in their place.

.. math:: \ln\sum_k e^{x_k} = m + \ln\sum_k e^{x_k - m}, \qquad m = \max_k x_k
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.control import checkpoint_p, scan_p
from wengert.exchange._c_views import aligned
from wengert.native.elementary import coefficients
from wengert.ops import special

Axes = tuple[int, ...]

ROOT_HALF = float(np.sqrt(0.5))


def _itself(x: Any) -> Any:
    return x


def _logsumexp(x: Any, axis: Axes, keepdims: bool) -> Any:
    top = np.max(x, axis=axis, keepdims=True)
    y = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return y if keepdims else np.squeeze(y, axis)


def _logistic(x: Any) -> Any:
    positive = x >= 0
    e = np.exp(np.where(positive, -x, x))
    return np.where(positive, 1.0, e) / (1 + e)


def _logaddexp(a: Any, b: Any) -> Any:
    return np.maximum(a, b) + np.log1p(np.exp(-abs(a - b)))


def _erf(x: Any) -> Any:
    from scipy.special import erf

    return erf(x)


def _normal_distribution(x: Any) -> Any:
    from scipy.special import erfc

    return 0.5 * erfc(-ROOT_HALF * x)


def _roll(x: Any, shift: Sequence[int], axes: Axes) -> Any:
    for by, axis in zip(shift, axes, strict=True):
        parts = np.split(x, [-by % x.shape[axis]], axis=axis)
        x = np.concatenate(parts[::-1], axis=axis)
    return x


def _round(x: Any, decimals: int) -> Any:
    return np.rint(x) if decimals == 0 else np.rint(x * 10.0**decimals) / 10.0**decimals


def _searchsorted(a: Any, v: Any, side: str) -> Any:
    below = a <= v[..., None] if side == "right" else a < v[..., None]
    return np.sum(below, axis=-1)


# For every target.
COMMON: dict[str, Callable[..., Any]] = {
    "item": _itself,
    "stop_gradient": _itself,
    "positive": _itself,
    "scan": scan_p.numpy,
    "checkpoint": checkpoint_p.numpy,
    "softmax": special.softmax_over.numpy,
    "logsumexp": _logsumexp,
    "root": lambda x: np.sqrt(x),
    "expit": _logistic,
    "log_expit": lambda x: -_logaddexp(-x, 0 * x),
    "ndtr": _normal_distribution,
    "logit": lambda x: np.log(x / (1 - x)),
}
# For NumPy before its version 2.2, too.
NUMPY: dict[str, Callable[..., Any]] = {
    "matvec": lambda a, v: np.matmul(a, v[..., None])[..., 0],
    "vecdot": lambda a, b: np.sum(a * b, axis=-1),
}
C: dict[str, Callable[..., Any]] = NUMPY | {
    "bitwise_and bool": np.logical_and,
    "bitwise_or bool": np.logical_or,
    "bitwise_xor bool": np.not_equal,
    "invert bool": np.logical_not,
    "logaddexp": _logaddexp,
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "degrees": lambda x: x * (180 / np.pi),
    "radians": lambda x: x * (np.pi / 180),
    "signbit": lambda x: np.copysign(1.0, x) < 0,
    "fabs": np.absolute,
    "logical_xor": lambda a, b: np.not_equal(a != 0, b != 0),
    "roll": _roll,
    "round": _round,
    "searchsorted": _searchsorted,
    "count_nonzero": lambda x, axis, keepdims: np.sum(x != 0, axis=axis, keepdims=keepdims),
}


# --- operations that ONNX, or programs that run it, do not have -------------------------------------------

LN2, LN10 = float(np.log(2.0)), float(np.log(10.0))


def _log1p(x: Any) -> Any:
    """ln(1 + x), corrected for what 1 + x loses."""
    one_more = 1 + x
    lost = one_more == 1
    safe = np.where(lost, 2, one_more)
    return np.where(lost, x, np.where(np.isfinite(x), np.log(safe) * (x / (safe - 1)), x))


def _setitem(x: Any, value: Any, *arrays: Any, index: Any) -> Any:
    """Numbers written into a slice of one axis: chosen by place from the value, or from x."""
    parts = aligned(index, x.ndim)
    axes = [i for i, part in enumerate(parts) if part != slice(None)]
    if arrays or len(axes) != 1 or None in parts:
        return NotImplemented
    (axis,) = axes
    places = np.atleast_1d(np.arange(x.shape[axis])[parts[axis]])
    written, source = np.zeros(x.shape[axis], bool), np.zeros(x.shape[axis], int)
    written[places], source[places] = True, np.arange(len(places))
    part = x[(slice(None),) * axis + (parts[axis],)]
    spread = np.broadcast_to(np.astype(np.asarray(value), x.dtype), part.shape)
    spread = spread if isinstance(parts[axis], slice) else np.expand_dims(spread, axis)
    beside = (-1,) + (1,) * (x.ndim - axis - 1)
    return np.where(written.reshape(beside), spread[(slice(None),) * axis + (source,)], x)


def _hypot(a: Any, b: Any) -> Any:
    return np.sqrt(a * a + b * b)


def _arctan2(a: Any, b: Any) -> Any:
    beside = np.arctan(a / np.where(b == 0, 1, b))
    left = np.where(a < 0, -np.pi, np.pi)
    return np.where(b > 0, beside, np.where(b < 0, beside + left, np.sign(a) * (np.pi / 2)))


def _arctan(x: Any) -> Any:
    """The angle halved twice, and then its series: to an angle of a sixteenth of a turn at most."""
    size = abs(x)
    steep = size > 1
    t = np.where(steep, 1 / np.where(steep, size, 1), size)
    for _ in range(2):
        t = t / (1 + np.sqrt(1 + t * t))
    square, series = t * t, 0.0 * t
    for n in range(21, 0, -2):
        series = (-1) ** (n // 2) / n + square * series
    angle = 4 * t * series
    return np.sign(x) * np.where(steep, np.pi / 2 - angle, angle)


def _erfc(x: Any) -> Any:
    size = abs(x)
    far = size > 1
    near, a = np.where(far, 0, x), np.where(far, np.minimum(size, 30), 1)
    t = (a - 3) / (a + 3)
    outside = np.exp(-a * a) * polynomial(t, coefficients.ERFC_64) / (1 + 2 * a)
    inside = 1 - near * (1 + polynomial(near * near, coefficients.ERF_64))
    return np.where(far, np.where(x < 0, 2 - outside, outside), inside)


def polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """By Horner's rule; the coefficients from the lowest."""
    value = 0.0 * x
    for c in coefficients[::-1]:
        value = value * x + c
    return value


ONNX: dict[str, Callable[..., Any]] = C | {
    "setitem": _setitem,
    "exp2": lambda x: np.exp(x * LN2),
    "expm1": lambda x: np.tanh(0.5 * x) * (np.exp(x) + 1),
    "log1p": _log1p,
    "log2": lambda x: np.log(x) / LN2,
    "log10": lambda x: np.log(x) / LN10,
    "cbrt": lambda x: np.sign(x) * abs(x) ** (1 / 3),
    "hypot": _hypot,
    "arctan2": _arctan2,
    "heaviside": lambda x, y: np.where(x > 0, 1, np.where(x < 0, 0, y)),
    "trunc": lambda x: np.sign(x) * np.floor(abs(x)),
    "copysign": lambda x, y: np.where(y < 0, -abs(x), abs(x)),
    "isfinite": lambda x: x - x == 0,
    "fmax": lambda a, b: np.where(np.isnan(a), b, np.where(np.isnan(b), a, np.maximum(a, b))),
    "fmin": lambda a, b: np.where(np.isnan(a), b, np.where(np.isnan(b), a, np.minimum(a, b))),
    "remainder": lambda a, b: a - b * np.floor(a / b),
    "floor_divide": lambda a, b: np.floor(a / b),
    "erfc": lambda x: 1 - _erf(x),
    # onnxruntime has these in float32 alone
    "erf float64": lambda x: 1 - _erfc(x),
    "erfc float64": _erfc,
    "tan float64": lambda x: np.sin(x) / np.cos(x),
    "arctan float64": _arctan,
    "arcsin float64": lambda x: _arctan2(x, np.sqrt(1 - x * x)),
    "arccos float64": lambda x: np.pi / 2 - _arctan2(x, np.sqrt(1 - x * x)),
    "sinh float64": lambda x: 0.5 * (np.exp(x) - np.exp(-x)),
    "cosh float64": lambda x: 0.5 * (np.exp(x) + np.exp(-x)),
    "arcsinh float64": lambda x: np.sign(x) * np.log1p(abs(x) + x * x / (1 + np.sqrt(1 + x * x))),
    "arccosh float64": lambda x: np.log(x + np.sqrt(x * x - 1)),
    "arctanh float64": lambda x: 0.5 * (np.log1p(x) - np.log1p(-x)),
}
