"""Outputs of a trained network.

One pattern goes through native code, which takes less time than looking at it does otherwise; many go through
NumPy some rows at a time, whose matrix products take any number of rows as they come.
"""

import functools
from typing import Any

import numpy as np

from wengert import nn
from wengert.api import jit
from wengert.estimators._inputs import FLOATS, rows

Array = np.ndarray

ROWS_AT_A_TIME = 4096

ACTIVATIONS: dict[str, Any] = {**nn.ACTIVATIONS, "exp": np.exp}


def is_single(estimator: Any, X: Any) -> bool:
    """Whether X is one pattern in an array that needs no conversion."""
    return (
        type(X) is np.ndarray
        and X.shape == (1, estimator.n_features_in_)
        and X.dtype in FLOATS
        and not hasattr(estimator, "feature_names_in_")
        and getattr(estimator, "_encoder", None) is None
    )


def of_single(network: Any, x: Array, activation: str) -> tuple[Array, Any]:
    """The activations of the output units for one pattern, and whether its numbers are finite."""
    return _program(activation)(network, x)


@functools.cache
def _program(activation: str) -> Any:
    h = ACTIVATIONS[activation]
    return jit(lambda network, x: (h(network(x)), np.isfinite(x).all()))


def outputs(network: Any, x: Any, activation: str) -> Array:
    """The activations of the output units, one row a pattern."""
    h = ACTIVATIONS[activation]
    with np.errstate(over="ignore", invalid="ignore"):
        starts = range(0, x.shape[0], ROWS_AT_A_TIME)
        found = [h(network(rows(x, slice(s, s + ROWS_AT_A_TIME)))) for s in starts]
    return found[0] if len(found) == 1 else np.concatenate(found)
