"""Outputs of a trained network.

Many patterns go through NumPy, whose matrix products take any number of rows as they come; a sparse matrix some
rows at a time.
"""

from typing import Any

import numpy as np

from wengert import nn
from wengert.estimators._inputs import is_sparse, rows

Array = np.ndarray

ROWS_AT_A_TIME = 4096

ACTIVATIONS = {**nn.ACTIVATIONS, "exp": np.exp}


def pre_activations(network: Any, x: Any) -> Array:
    """Pre-activations of the output units, one row a pattern."""
    with np.errstate(over="ignore", invalid="ignore"):
        if not is_sparse(x):
            return network(x)
        starts = range(0, x.shape[0], ROWS_AT_A_TIME)
        return np.concatenate([network(rows(x, slice(s, s + ROWS_AT_A_TIME))) for s in starts])
