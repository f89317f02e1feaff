r"""Scores of predictions: the share of right classes, and the share of explained variance,

.. math:: R^2 = 1 - \frac{\sum_n w_n (y_n - t_n)^2}{\sum_n w_n (t_n - \bar t)^2},

averaged over the outputs. A constant target is explained wholly (1) or not at all (0).
"""

from typing import Any

import numpy as np

Array = np.ndarray


def accuracy(y: Any, t: Any, weights: Array | None = None) -> float:
    """The (weighted) share of patterns all of whose labels are right."""
    right = np.all(np.asarray(y == t).reshape(len(t), -1), axis=1)
    if weights is None:
        return int(np.count_nonzero(right)) / len(t)
    return float(np.average(right, weights=weights))


def r_squared(y: Array, t: Array, weights: Array | None = None) -> float:
    """The (weighted) share of the variance explained; NaN for a single pattern, which has none."""
    if len(t) < 2:
        return float("nan")
    y, t = (np.asarray(a, np.float64).reshape(len(t), -1) for a in (y, t))
    w = np.ones(len(t)) if weights is None else np.asarray(weights, np.float64)
    left = w @ np.square(y - t)
    spread = w @ np.square(t - np.average(t, axis=0, weights=w))
    share = np.where(left > 0, 0.0, 1.0)
    np.divide(spread - left, spread, out=share, where=spread > 0)
    return float(share.mean())
