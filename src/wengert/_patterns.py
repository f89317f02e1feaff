r"""Patterns: outputs, targets and weights whose rows belong together, and the one mean over them.

Every error of a data set, in training as in a report, is a mean over its patterns, in which a pattern of
weight :math:`w_n` counts as often as that,

.. math:: E = \frac{\sum_n w_n E_n}{\sum_n w_n}, \qquad
          E_n = \frac1K \sum_k E_{nk} \;\text{where a pattern has $K$ outputs}.

Patterns none of which weighs anything have the error 0, so that a minibatch of such has no gradient.
"""

from typing import Any

import numpy as np

Array = np.ndarray


def same_shape(t: Array, y: Array) -> Array:
    """The targets, refused where broadcasting would silently pair every output with every target."""
    if np.shape(t) != np.shape(y):
        raise ValueError(
            f"targets of shape {np.shape(t)} do not match outputs of shape {np.shape(y)}; "
            f"{_fitting(np.shape(t), np.shape(y))}"
        )
    return of_type(t, y)


def _fitting(t: tuple[int, ...], y: tuple[int, ...]) -> str:
    """What to write where targets and outputs have other shapes."""
    if (*t, 1) == y:
        return "write t[:, None] for the targets t"
    return "write t[:, 0] for the targets t" if t == (*y, 1) else "give one target for each output"


def of_type(x: Any, y: Any) -> Any:
    """Numbers in the floating-point type of the outputs, which no target or weight shall promote."""
    dtype = getattr(y, "dtype", None)
    if dtype is None or dtype.kind != "f":
        return x
    x = x if hasattr(x, "dtype") else np.asarray(x)
    if x.dtype.kind == "c":
        raise ValueError(
            f"targets or weights of type {x.dtype} do not go with outputs of {dtype}; take np.real"
        )
    return x if x.dtype == dtype else x.astype(dtype)


def total(errors: Array, weights: Array | None) -> Array:
    r"""Sum of the errors, :math:`\sum_n w_n \sum_k E_{nk}`; the first axis is that of the patterns."""
    return np.sum(errors if weights is None else along(weights, errors) * errors)


def mean(errors: Array, weights: Array | None) -> Array:
    r"""Mean of the errors over patterns and outputs, :math:`\sum_n w_n E_n / \sum_n w_n`."""
    if weights is None:
        return np.mean(errors)
    w = along(weights, errors)
    whole = np.mean(w)
    return np.mean(w * errors) / np.where(whole == 0, 1.0, whole)


def along(weights: Array, errors: Array) -> Array:
    """The weights of the patterns beside their errors: one for each along the first axis."""
    shape = np.shape(errors)[:1]
    if np.shape(weights) != shape:
        raise ValueError(
            f"weights of shape {np.shape(weights)} do not match errors of shape {np.shape(errors)}; "
            f"give one weight for each pattern, of shape {shape}"
        )
    return of_type(non_negative(weights), errors).reshape(shape + (1,) * (np.ndim(errors) - 1))


def non_negative(weights: Array) -> Array:
    """The weights, refused where one is negative or NaN; the numbers behind a tracer are not looked at."""
    weights = weights if hasattr(weights, "dtype") else np.asarray(weights)
    if type(weights) is np.ndarray and not (weights >= 0).all():
        n = int(np.argmax(~(np.ravel(weights) >= 0)))
        raise ValueError(f"the weight of pattern {n} is {np.ravel(weights)[n]}; give numbers of at least 0")
    return weights
