r"""Least squares within bounds, and with losses that grow less than the square: SciPy's trust-region methods.

.. math:: E(\mathbf x) = \tfrac12 \sum_k s^2 \rho\bigl((r_k(\mathbf x) / s)^2\bigr), \qquad
          \mathbf l \le \mathbf x \le \mathbf u

The loss :math:`\rho(z)` begins as z does, so that residuals that are small against s count as in ordinary
least squares, and outliers count less. Residuals, Jacobian and the derivatives of the loss are native calls.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert._refusals import named, require_positive
from wengert.api import jit, jvp
from wengert.core import tree
from wengert.optim._gauss_newton import Limits, Point, Problem
from wengert.optim._vectors import Array, Layout

# Of z, the square of a residual that is measured in f_scale; by SciPy's names.
LOSSES: dict[str, Callable[[Any], Any]] = {
    "linear": lambda z: z,
    "soft_l1": lambda z: 2 * (np.sqrt(1 + z) - 1),
    "huber": lambda z: np.where(z <= 1, z, 2 * np.sqrt(np.maximum(z, 1)) - 1),
    "cauchy": lambda z: np.log1p(z),
    "arctan": lambda z: np.arctan(z),
}
METHODS = ("trf", "dogbox")


class Box(NamedTuple):
    """The least and the largest number of each parameter."""

    lower: Array
    upper: Array

    @classmethod
    def of(cls, bounds: Any, layout: Layout, first: Array, x0: Any) -> "Box":
        """The bounds as vectors, refused where the first guess is not within them."""
        if bounds is None:
            bounds = (-np.inf, np.inf)
        if not isinstance(bounds, tuple | list) or len(bounds) != 2:
            raise TypeError(
                "least_squares: bounds are a pair, lower and upper, each a number or a tree like x0"
            )
        lower, upper = (layout.spread(side, f"bounds[{i}]") for i, side in enumerate(bounds))
        outside = ~((lower <= first) & (first <= upper) & (lower < upper))
        if outside.any():
            i = int(np.argmax(outside))
            raise ValueError(
                f"least_squares: {_name_of(x0, i)} is {first[i]:g} and must lie within its bounds, "
                f"{lower[i]:g} and {upper[i]:g}; start between them"
            )
        return cls(lower, upper)


def _name_of(x0: Any, i: int) -> str:
    """What a user calls number i of the vector."""
    for path, leaf in zip(tree.paths(x0), tree.flatten(x0)[0], strict=True):
        shape = np.shape(leaf)
        if i < np.size(leaf):
            place = ", ".join(str(k) for k in np.unravel_index(i, shape))
            return f"x0{path}[{place}]" if shape else f"x0{path}"
        i -= np.size(leaf)
    raise IndexError(i)


class Loss:
    """A loss with its first two derivatives, for residuals measured in a scale."""

    def __init__(self, loss: Any, scale: float) -> None:
        rho = loss if callable(loss) else named("loss", loss, LOSSES)
        require_positive(f_scale=scale)

        def slope(z: Any) -> Any:
            return jvp(rho, (z,), (np.ones_like(z),))[1]

        def derivatives(z: Any) -> Any:
            first, second = jvp(slope, (z,), (np.ones_like(z),))
            return np.stack([_like(rho(z), z), first, second])

        self.scale, self.derivatives = scale, jit(derivatives)
        self.for_scipy = "linear" if loss == "linear" else self.derivatives

    def cost(self, residuals: Array) -> float:
        """Half the sum of the losses."""
        return 0.5 * self.scale**2 * float(np.sum(self.derivatives((residuals / self.scale) ** 2)[0]))


def _like(value: Any, z: Any) -> Any:
    if np.shape(value) != np.shape(z):
        raise ValueError(
            f"least_squares: the loss gives shape {np.shape(value)} for {len(z)} residuals; let it give ρ(z) "
            "for each, of which the derivatives are found"
        )
    return value


class _Stopped(Exception):
    """The callback has asked to stop here."""

    def __init__(self, x: Array) -> None:
        super().__init__()
        self.x = x


def fitted_within(
    problem: Problem,
    start: Point,
    method: str,
    limits: Limits,
    box: Box,
    loss: Loss,
    telling: Callable[[Array, Array, float], None] | None,
) -> Any:
    """SciPy's result, with its status and numbers of evaluations."""
    from scipy.optimize import least_squares

    def jacobian(x: Array) -> Array:
        residuals, matrix = problem.programs.with_jacobian(x, *problem.args)
        if telling is not None and not np.array_equal(x, start.x):
            try:
                telling(x, residuals, loss.cost(residuals))
            except StopIteration:
                raise _Stopped(x) from None
        return matrix

    def fitted(x: Array, jac: Callable[[Array], Array], most: int | None) -> Any:
        return least_squares(
            lambda x: problem.programs.values(x, *problem.args),
            x, jac, box, method, limits.ftol, limits.xtol, limits.gtol, x_scale="jac",
            loss=loss.for_scipy, f_scale=loss.scale, max_nfev=most,
        )  # fmt: skip

    try:
        return fitted(start.x, jacobian, limits.max_nfev)
    except _Stopped as stopped:
        at = fitted(stopped.x, lambda x: problem.programs.with_jacobian(x, *problem.args)[1], 1)
        at.update(x=stopped.x, status=-2)
        return at
