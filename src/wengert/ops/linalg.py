r"""Linear algebra: solve, inv, det, slogdet, cholesky.

The derivatives are Giles', *Collected matrix derivative results for forward and reverse mode algorithmic differentiation*
(2008). For :math:`X=A^{-1}B`:

.. math:: \dot X=A^{-1}(\dot B-\dot A X),\qquad \bar B=A^{-T}\bar X,\qquad \bar A=-\bar B X^T
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.primitive import implements, nonlinear
from wengert.core.recorder import bind
from wengert.ops.shape import as_array


def _t(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _solve_tangent(tangents: Any, operands: Any, x: Any) -> Any:
    (da, db), (a, b) = tangents, operands
    change = 0 if db is None else db
    return bind(solve, (a, change - np.matmul(da, x) if da is not None else change), {})


def _solve_pullback(ct: Any, operands: Any, x: Any, wants: Any) -> Any:
    a, b = operands
    db = bind(solve, (_t(a), ct), {})
    return [-np.matmul(db, _t(x)) if wants[0] else None, db if wants[1] else None]


solve = nonlinear(
    "solve",
    np.linalg.solve,
    _solve_tangent,
    pullback=_solve_pullback,
    core=(2, 2),
    infer=lambda a, b: (
        np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + b.shape[-2:],
        np.result_type(a.dtype, b.dtype),
    ),
    cost=lambda i, o: int(i[0].shape[-1] ** 2 * (2 * i[0].shape[-1] / 3 + 2 * o[0].shape[-1])),
)


@implements(np.linalg.solve)
def _solve(a: Any, b: Any) -> Any:
    a, b = as_array(a), as_array(b)
    if b.ndim == 1:
        return bind(solve, (a, b[:, None]), {})[..., 0]
    return bind(solve, (a, b), {})


inv = nonlinear(
    "inv",
    np.linalg.inv,
    lambda tangents, operands, y: -np.matmul(np.matmul(y, tangents[0]), y),
    infer=lambda a: (a.shape, a.dtype),
    cost=lambda i, o: 2 * i[0].size * i[0].shape[-1],
)


@implements(np.linalg.inv)
def _inv(a: Any) -> Any:
    return bind(inv, (as_array(a),), {})
