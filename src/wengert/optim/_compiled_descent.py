r"""The descent of Levenberg and Marquardt as one loop of native code.

.. math:: \mathbf x \leftarrow \mathbf x - (\mathbf J^{\mathsf T} \mathbf J + \mu \mathbf D^2)^{-1}
          \mathbf J^{\mathsf T} \mathbf r \quad\text{while the error falls}

A whole fit is one call. The loop works with the normal equations; it ends early when the damping becomes so
small that their rounding would be felt, and is then continued outside.
"""

from typing import Any, NamedTuple

import numpy as np

from wengert.control import cond, while_loop
from wengert.optim._gauss_newton import (
    ROUNDING,
    RUNNING,
    WORTHWHILE,
    Damped,
    Limits,
    Step,
    damping_after,
    positive,
)
from wengert.optim._vectors import Function


class Stand(NamedTuple):
    """Where the descent stands: parameters, error and normal equations there, damping, and counts."""

    x: Any
    cost: Any
    gradient: Any
    products: Any
    scale: Any
    damping: Any
    growth: Any
    nfev: Any
    njev: Any
    status: Any

    @property
    def lengths(self) -> Any:
        """Lengths of the Jacobian's columns."""
        return np.sqrt(np.diagonal(self.products))

    @property
    def cosine(self) -> Any:
        """The largest cosine of the angles between residuals and columns."""
        scale = self.lengths * np.sqrt(2 * self.cost)
        return np.max(np.abs(self.gradient) / positive(scale))


def half_squares(residuals: Any) -> Any:
    """The error; infinite where it is no number."""
    cost = 0.5 * np.sum(np.square(residuals))
    return np.where(np.isfinite(cost), cost, np.inf)


def compiled_descent(of_vector: Function, with_jacobian: Function) -> Function:
    """A function of parameters, limits and data: where the descent ends, residuals and Jacobian there."""

    def descent(x: Any, limits: Any, *args: Any) -> tuple[Stand, Any, Any]:
        def equations(x: Any) -> tuple[Any, Any, Any, Any]:
            residuals, matrix = with_jacobian(x, *args)
            return x, half_squares(residuals), matrix.T @ residuals, matrix.T @ matrix

        def advanced(stand: Stand) -> Stand:
            return _advanced(stand, Limits(*limits), lambda x: of_vector(x, *args), equations)

        def is_running(stand: Stand) -> Any:
            descends = (stand.status == RUNNING) & (stand.cosine > limits[2])
            return descends & (stand.damping >= ROUNDING)

        end = while_loop(is_running, advanced, _first(*equations(x)))
        return end, *with_jacobian(end.x, *args)

    return descent


def _first(x: Any, cost: Any, gradient: Any, products: Any) -> Stand:
    start, one = Damped(), np.int64(1)
    scale = positive(np.sqrt(np.diagonal(products)))
    damping, growth = np.float64(start.damping), np.float64(start.growth)
    return Stand(x, cost, gradient, products, scale, damping, growth, one, one, np.int64(RUNNING))


def _advanced(stand: Stand, limits: Limits, residuals_at: Function, equations: Function) -> Stand:
    """After one more step, taken or not."""
    step = _step(stand)
    trial = stand.x + step.vector
    fall = stand.cost - half_squares(residuals_at(trial))
    ratio = np.where(step.predicted > 0, fall / step.predicted, -np.inf)
    nfev = stand.nfev + 1
    status = limits.status(stand.cost, stand.lengths, stand.x, step, fall, nfev)
    here = (stand.x, stand.cost, stand.gradient, stand.products)
    there = cond(ratio > WORTHWHILE, lambda x, here: equations(x), lambda x, here: here, trial, here)
    defined = np.all(np.isfinite(np.diagonal(there[3])))
    x, cost, gradient, products = (np.where(defined, new, old) for new, old in zip(there, here, strict=True))
    damping, growth = damping_after(np.where(defined, ratio, -np.inf), stand.damping, stand.growth)
    scale = np.maximum(stand.scale, np.sqrt(np.diagonal(products)))
    njev = stand.njev + np.where(ratio > WORTHWHILE, 1, 0)
    return Stand(x, cost, gradient, products, scale, damping, growth, nfev, njev, status)


def _step(stand: Stand) -> Step:
    """The damped step, from equations scaled to a diagonal of one."""
    damping = stand.damping * np.square(stand.scale)
    scale = np.sqrt(np.diagonal(stand.products) + damping)
    matrix = (stand.products + np.diag(damping)) / scale / scale[:, None]
    vector = -np.linalg.solve(matrix, stand.gradient / scale) / scale
    predicted = 0.5 * vector @ (stand.products @ vector) + np.sum(damping * np.square(vector))
    return Step(vector, predicted)
