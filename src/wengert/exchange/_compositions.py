r"""What operations are composed of, for targets that do not have them: NumPy code, recorded in their place.

.. math:: \ln\sum_k e^{x_k} = m + \ln\sum_k e^{x_k - m}, \qquad m = \max_k x_k
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.control import checkpoint_p, scan_p
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


# For every target.
COMMON: dict[str, Callable[..., Any]] = {
    "item": _itself,
    "stop_gradient": _itself,
    "positive": _itself,
    "scan": scan_p.numpy,
    "checkpoint": checkpoint_p.numpy,
    "softmax": special.softmax_over.numpy,
    "logsumexp": _logsumexp,
    "expit": _logistic,
    "log_expit": lambda x: -_logaddexp(-x, 0 * x),
    "ndtr": _normal_distribution,
    "logit": lambda x: np.log(x / (1 - x)),
}
# For targets without NumPy.
PLAIN: dict[str, Callable[..., Any]] = {
    "logaddexp": _logaddexp,
    "matvec": lambda a, v: np.matmul(a, v[..., None])[..., 0],
    "vecdot": lambda a, b: np.sum(a * b, axis=-1),
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "degrees": lambda x: x * (180 / np.pi),
    "radians": lambda x: x * (np.pi / 180),
    "signbit": lambda x: np.copysign(1.0, x) < 0,
    "fabs": np.absolute,
    "logical_xor": lambda a, b: np.not_equal(a != 0, b != 0),
    "roll": _roll,
    "round": _round,
    "count_nonzero": lambda x, axis, keepdims: np.sum(x != 0, axis=axis, keepdims=keepdims),
}
