r"""NumPy's functions, called with lists of what is being recorded.

.. math:: \mathrm{mean}([y_1, \dots, y_n]) = \mathrm{mean}\,(y_1, \dots, y_n)^T

``np.mean([f(x) for x in rows])`` does not dispatch: NumPy looks at its arguments, not into lists. So while a
recording runs these functions gather such a list into an array first. The other functions need no help,
or an array is one line away.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.adoptive import intercept
from wengert.core.tracer import assemble, has_tracer

# Each costs every recording some 50 ns, so only those that people call with lists.
FUNCTIONS = (
    np.mean, np.std, np.var, np.average, np.median, np.percentile, np.quantile, np.cov,
    np.interp, np.isclose, np.allclose,
    np.linalg.det, np.linalg.slogdet, np.linalg.inv, np.linalg.solve, np.linalg.cholesky,
)  # fmt: skip


def _gathered(value: Any) -> Any:
    return assemble(value) if type(value) in (list, tuple) and has_tracer(value) else value


def _gathering(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*map(_gathered, args), **{name: _gathered(v) for name, v in kwargs.items()})

    return call


for _function in FUNCTIONS:
    intercept(_function, _gathering(_function))
