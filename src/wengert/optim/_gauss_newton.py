r"""The steps of nonlinear least squares: of Gauss and Newton, and of Levenberg and Marquardt.

.. math:: (\mathbf J^{\mathsf T} \mathbf J + \mu \mathbf D^2)\, \Delta\mathbf x
          = -\mathbf J^{\mathsf T} \mathbf r

Where the Jacobian is small, the equations are solved through its QR decomposition, so that the condition of
the problem is not squared: once for each Jacobian the large one, :math:`\mathbf J = \mathbf Q \mathbf R`, and
for each damping a small one, of R with the rows :math:`\sqrt\mu \mathbf D` below it. Where it is large, its
products are formed in native code, where it need not leave the cache, and decomposed after Cholesky; when the
damping has become so small that rounding would be felt, QR takes over.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from wengert.optim._vectors import Array


def _length(vector: Array) -> float:
    return math.sqrt(vector @ vector)


def positive(lengths: Array) -> Array:
    """Lengths, with one in place of zero: a parameter without influence stays where it is."""
    return np.where(lengths > 0, lengths, 1.0)


# --- the equations at one point -----------------------------------------------------------------------


class Cholesky(NamedTuple):
    """Damped normal equations, decomposed: ``JᵀJ + damping² = UᵀU``, columns scaled to one length."""

    factor: Array
    scale: Array
    gradient: Array

    def along(self, pull: Array) -> Array:
        """The step against a gradient, ``-(UᵀU)⁻¹ pull``."""
        from scipy.linalg.lapack import dpotrs

        return -dpotrs(self.factor, pull / self.scale)[0] / self.scale

    def step(self) -> Array:
        """The step to the smallest damped residuals."""
        return self.along(self.gradient)


class Normal(NamedTuple):
    """The normal equations: ``JᵀJ`` and the gradient ``Jᵀr``."""

    products: Array
    gradient: Array

    @property
    def lengths(self) -> Array:
        """Lengths of the Jacobian's columns: how much each parameter moves the residuals."""
        return np.sqrt(np.diag(self.products))

    def squared(self, vector: Array) -> float:
        """``|J v|²``."""
        return float(vector @ (self.products @ vector))

    def damped(self, damping: Array) -> Cholesky:
        """With further residuals that ask each parameter to stay where it is."""
        from scipy.linalg.lapack import dpotrf

        scale = np.sqrt(np.diag(self.products) + damping**2)
        matrix = self.products / scale / scale[:, None]
        np.fill_diagonal(matrix, 1.0)
        return Cholesky(dpotrf(matrix)[0], scale, self.gradient)


class Triangle(NamedTuple):
    """A Jacobian as the triangle R of its QR decomposition, and the residuals as Qᵀr."""

    matrix: Array
    residuals: Array

    @classmethod
    def of(cls, matrix: Array, residuals: Array) -> "Triangle":
        """Of any matrix; R is zero below the diagonal."""
        found = _decomposed(matrix, residuals)
        return cls(np.triu(found.matrix), found.residuals)

    @property
    def gradient(self) -> Array:
        """Of half the sum of squares."""
        return self.matrix.T @ self.residuals

    @property
    def lengths(self) -> Array:
        """Lengths of the Jacobian's columns: how much each parameter moves the residuals."""
        return np.sqrt(np.einsum("ki,ki->i", self.matrix, self.matrix))

    def squared(self, vector: Array) -> float:
        """``|J v|²``."""
        moved = self.matrix @ vector
        return float(moved @ moved)

    def damped(self, damping: Array) -> "Triangle":
        """With further residuals that ask each parameter to stay where it is; to find steps with only."""
        rows = np.concatenate([self.matrix, np.diag(damping)])
        return _decomposed(rows, np.concatenate([self.residuals, np.zeros(len(damping))]))

    def step(self) -> Array:
        """The step to the smallest residuals, by substitution backwards."""
        return -self._solved(self.residuals, 0)

    def along(self, pull: Array) -> Array:
        """The step against a gradient, ``-(RᵀR)⁻¹ pull``."""
        return -self._solved(self._solved(pull, 1), 0)

    def _solved(self, vector: Array, transposed: int) -> Array:
        from scipy.linalg.lapack import dtrtrs

        return dtrtrs(self.matrix, vector, trans=transposed)[0]

    def shortest_step(self) -> Array:
        """The shortest step to the smallest residuals, where there may be many."""
        scale = positive(self.lengths)
        return -np.linalg.lstsq(self.matrix / scale, self.residuals, rcond=None)[0] / scale


def _decomposed(matrix: Array, residuals: Array) -> Triangle:
    """With the residuals as one more column, so that Q is not needed. Below R stands what LAPACK leaves."""
    from scipy.linalg.lapack import dgeqrf

    count = matrix.shape[1]
    joined = np.empty((len(matrix), count + 1), order="F")
    joined[:, :count], joined[:, count] = matrix, residuals
    rows = dgeqrf(joined, lwork=64 * (count + 1), overwrite_a=True)[0][:count]
    return Triangle(rows[:, :count], rows[:, count])


@dataclass(frozen=True)
class Point:
    """Parameters, residuals there, the equations for a step, and the Jacobian if it was formed."""

    x: Array
    residuals: Array
    equations: Any
    matrix: Array | None = None

    @cached_property
    def cost(self) -> float:
        """Half the sum of squares."""
        return _cost(self.residuals)

    @cached_property
    def gradient(self) -> Array:
        """Of the cost."""
        return self.equations.gradient

    @cached_property
    def lengths(self) -> Array:
        """Lengths of the Jacobian's columns."""
        return self.equations.lengths

    @cached_property
    def cosine(self) -> float:
        """The largest cosine of the angles between residuals and columns: zero at a minimum."""
        scale = self.lengths * math.sqrt(2 * self.cost)
        return float((np.abs(self.gradient) / positive(scale)).max())


def _cost(residuals: Array) -> float:
    """Half the sum of squares; infinite where that is no number."""
    cost = 0.5 * float(residuals @ residuals)
    return cost if math.isfinite(cost) else math.inf


# Multiplications for the products of a Jacobian, up to which its QR decomposition takes no longer.
SMALL = 100_000


class Problem:
    """Residuals with their data, and how often they were asked for."""

    def __init__(self, programs: Any, args: tuple[Any, ...]) -> None:
        self.programs, self.args = programs, args
        self.nfev = self.njev = 0

    def cost(self, x: Array) -> float:
        """The error at a point."""
        self.nfev += 1
        return _cost(self.programs.values(x, *self.args))

    def point(self, x: Array, count: int, *, precise: bool) -> Point:
        """The equations at a point with so many residuals."""
        self.njev += 1
        if not precise and count * len(x) ** 2 > SMALL:
            residuals, gradient, products = self.programs.normal(x, *self.args)
            return Point(x, residuals, Normal(products, gradient))
        residuals, matrix = self.programs.with_jacobian(x, *self.args)
        return Point(x, residuals, Triangle.of(matrix, residuals), matrix)

    def jacobian(self, point: Point) -> Array:
        """The Jacobian at a point."""
        formed = point.matrix
        return self.programs.with_jacobian(point.x, *self.args)[1] if formed is None else formed

    def pull(self, x: Array, direction: Array) -> Array:
        """``Jᵀ`` times the second derivative of the residuals along a direction."""
        return self.programs.pull(x, direction, *self.args)


# --- the steps ----------------------------------------------------------------------------------------


class Step(NamedTuple):
    """A step, and by how much the parabola says that it lowers the error."""

    vector: Array
    predicted: float


class Method(ABC):
    """How steps are chosen; each judgement gives the method for the next one."""

    @property
    @abstractmethod
    def is_precise(self) -> bool:
        """Whether the step must come from the Jacobian itself and not from its products."""

    @abstractmethod
    def starting(self, point: Point) -> "Method":
        """The method before its first step."""

    @abstractmethod
    def step(self, point: Point, problem: Problem) -> Step:
        """The step to try."""

    @abstractmethod
    def after(self, ratio: float, point: Point) -> "Method":
        """The method after a step that lowered the error by so much of what was predicted."""


# Steps that lower the error by less of what was predicted are not taken.
WORTHWHILE = 1e-4


@dataclass(frozen=True)
class GaussNewton(Method):
    """The step to the minimum of the parabola, or half of it, or a quarter, ..."""

    share: float = 1.0

    @property
    def is_precise(self) -> bool:
        """Nothing is damped."""
        return True

    def starting(self, point: Point) -> "GaussNewton":
        """With the whole step."""
        return GaussNewton()

    def step(self, point: Point, problem: Problem) -> Step:
        """A share of the step to the minimum."""
        whole = point.equations.shortest_step()
        slope = -float(point.gradient @ whole)
        return Step(self.share * whole, self.share * (1 - self.share / 2) * slope)

    def after(self, ratio: float, point: Point) -> "GaussNewton":
        """The whole step from a new point, half as much from the old one."""
        return GaussNewton(1.0 if ratio > WORTHWHILE else self.share / 2)


@dataclass(frozen=True)
class Damped(Method):
    """The damped step of Levenberg and Marquardt, damping chosen as Nielsen does.

    The damping grows faster and faster while steps fail, and falls the more, the better the parabola
    predicts. Each parameter is damped by the largest influence that it has had.
    """

    scale: Any = None
    damping: float = 1e-3
    growth: float = 2.0

    @property
    def is_precise(self) -> bool:
        """Whether the damping is so small that the rounding of products would be felt."""
        return self.damping < ROUNDING

    def starting(self, point: Point) -> "Damped":
        """With a scale for each parameter."""
        return replace(self, scale=positive(point.lengths))

    def step(self, point: Point, problem: Problem) -> Step:
        """The damped step."""
        vector = self._damped(point).step()
        return Step(vector, self._predicted(vector, point))

    def _damped(self, point: Point) -> Any:
        return point.equations.damped(math.sqrt(self.damping) * self.scale)

    def _predicted(self, vector: Array, point: Point) -> float:
        damped = self.scale * vector
        return 0.5 * point.equations.squared(vector) + self.damping * float(damped @ damped)

    def after(self, ratio: float, point: Point) -> "Damped":
        """Less damping after a good step, more after a bad one."""
        damping, growth = damping_after(ratio, self.damping, self.growth)
        scale = np.maximum(self.scale, point.lengths)
        return replace(self, scale=scale, damping=float(damping), growth=float(growth))


def damping_after(ratio: Any, damping: Any, growth: Any) -> tuple[Any, Any]:
    """Damping, and by what it grows next: less after a good step, more after a bad one."""
    less = np.maximum(1 / 3, 1 - (2 * np.minimum(ratio, 1.0) - 1) ** 3)
    good = ratio > WORTHWHILE
    smaller = np.maximum(damping * less, SMALLEST_DAMPING)
    return np.where(good, smaller, damping * growth), np.where(good, 2.0, 2 * growth)


# Keeps the damping above zero, from which no growth leads away.
SMALLEST_DAMPING = 1e-300
# Below it, the rounding of the products would be felt: they are exact to 1e-16 of the squared lengths.
ROUNDING = 1e-10


@dataclass(frozen=True)
class Accelerated(Damped):
    """The damped step with the acceleration along the curve that the residuals follow.

    A step whose correction is long beside it is not trusted.
    """

    longest: ClassVar[float] = 0.75

    def step(self, point: Point, problem: Problem) -> Step:
        """The damped step and half of the acceleration."""
        equations = self._damped(point)
        vector = equations.step()
        bent = equations.along(problem.pull(point.x, vector))
        trusted = 2 * _length(self.scale * bent) <= self.longest * _length(self.scale * vector)
        return Step(vector + bent / 2, self._predicted(vector, point) if trusted else math.inf)


METHODS: dict[str, Method] = {
    "lm": Damped(),
    "lm-accelerated": Accelerated(),
    "gauss-newton": GaussNewton(),
}


# --- the descent --------------------------------------------------------------------------------------


# Of a descent that has not ended.
RUNNING = -1


class Limits(NamedTuple):
    """When to stop."""

    ftol: Any
    xtol: Any
    gtol: Any
    max_nfev: Any

    def status(self, cost: Any, lengths: Any, x: Any, step: Step, fall: Any, nfev: Any) -> Any:
        """Why to stop after a step, if at all."""
        error = np.maximum(np.abs(fall), step.predicted) <= self.ftol * cost
        length, reach = (np.sqrt(np.sum(np.square(lengths * v))) for v in (step.vector, x))
        short = length <= self.xtol * (self.xtol + reach)
        found = np.where(error, np.where(short, 4, 2), np.where(short, 3, RUNNING))
        return np.where((found == RUNNING) & (nfev >= self.max_nfev), 0, found)


def descend(
    problem: Problem, method: Method, point: Point, limits: Limits, callback: Callable[[Point], None] | None
) -> tuple[Point, int]:
    """The point where the descent ends, and why."""
    while point.cosine > limits.gtol:
        if method.is_precise and isinstance(point.equations, Normal):
            point = problem.point(point.x, len(point.residuals), precise=True)
        step = method.step(point, problem)
        fall = point.cost - problem.cost(point.x + step.vector)
        ratio = fall / step.predicted if step.predicted > 0 else -math.inf
        status = int(limits.status(point.cost, point.lengths, point.x, step, fall, problem.nfev))
        if ratio > WORTHWHILE:
            point, ratio = _moved(problem, point, step, ratio, method.is_precise)
        if ratio > WORTHWHILE and _asks_to_stop(callback, point):
            return point, -2
        if status != RUNNING:
            return point, status
        method = method.after(ratio, point)
    return point, 1


def _asks_to_stop(callback: Callable[[Point], None] | None, point: Point) -> bool:
    """Whether the callback, if there is one, ends the descent."""
    try:
        if callback is not None:
            callback(point)
    except StopIteration:
        return True
    return False


def _moved(problem: Problem, point: Point, step: Step, ratio: float, precise: bool) -> tuple[Point, float]:
    """The next point; the same one, and a step that failed, where there is no Jacobian."""
    found = problem.point(point.x + step.vector, len(point.residuals), precise=precise)
    return (found, ratio) if np.isfinite(found.lengths).all() else (point, -math.inf)
