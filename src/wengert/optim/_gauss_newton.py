r"""The steps of nonlinear least squares: of Gauss and Newton, and of Levenberg and Marquardt.

.. math:: (\mathbf J^{\mathsf T} \mathbf J + \mu \mathbf D^2)\, \Delta\mathbf x
          = -\mathbf J^{\mathsf T} \mathbf r

The equations are solved through the QR decomposition of J, so that the condition of the problem is not
squared: once for each Jacobian the large one, :math:`\mathbf J = \mathbf Q \mathbf R`, and for each damping a
small one, of R with the rows :math:`\sqrt\mu \mathbf D` below it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from wengert.optim._vectors import Array


@dataclass(frozen=True)
class Point:
    """Parameters, residuals there, and the Jacobian."""

    x: Array
    residuals: Array
    matrix: Array

    @cached_property
    def cost(self) -> float:
        """Half the sum of squares."""
        return _cost(self.residuals)

    @cached_property
    def gradient(self) -> Array:
        """Of the cost."""
        return self.matrix.T @ self.residuals

    @cached_property
    def lengths(self) -> Array:
        """Lengths of the Jacobian's columns: how much each parameter moves the residuals."""
        return np.sqrt(np.einsum("ki,ki->i", self.matrix, self.matrix))

    @cached_property
    def cosine(self) -> float:
        """The largest cosine of the angles between residuals and columns: zero at a minimum."""
        scale = self.lengths * math.sqrt(2 * self.cost)
        return float((np.abs(self.gradient) / positive(scale)).max())


def _cost(residuals: Array) -> float:
    """Half the sum of squares; infinite where that is no number."""
    cost = 0.5 * float(residuals @ residuals)
    return cost if math.isfinite(cost) else math.inf


class Problem:
    """Residuals with their data, and how often they were asked for."""

    def __init__(self, programs: Any, args: tuple[Any, ...]) -> None:
        self.programs, self.args = programs, args
        self.nfev = self.njev = 0

    def cost(self, x: Array) -> float:
        """The error at a point."""
        self.nfev += 1
        return _cost(self.programs.values(x, *self.args))

    def point(self, x: Array) -> Point:
        """The residuals and the Jacobian at a point."""
        self.njev += 1
        return Point(x, *self.programs.with_jacobian(x, *self.args))

    def bend(self, x: Array, direction: Array) -> Array:
        """The second derivative of the residuals along a direction."""
        return self.programs.bend(x, direction, *self.args)


class Triangle(NamedTuple):
    """A Jacobian as the triangle R of its QR decomposition, and the residuals as Qᵀr."""

    matrix: Array
    residuals: Array

    @classmethod
    def of(cls, matrix: Array, residuals: Array) -> "Triangle":
        """Of any matrix; R is zero below the diagonal."""
        found = _decomposed(matrix, residuals)
        return cls(np.triu(found.matrix), found.residuals)

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
        scale = positive(np.linalg.norm(self.matrix, axis=0))
        return -np.linalg.lstsq(self.matrix / scale, self.residuals, rcond=None)[0] / scale


def _decomposed(matrix: Array, residuals: Array) -> Triangle:
    """With the residuals as one more column: then Q itself is not needed. Below R stands what LAPACK leaves."""
    from scipy.linalg.lapack import dgeqrf

    count = matrix.shape[1]
    joined = np.empty((len(matrix), count + 1), order="F")
    joined[:, :count], joined[:, count] = matrix, residuals
    rows = dgeqrf(joined, lwork=64 * (count + 1), overwrite_a=True)[0][:count]
    return Triangle(rows[:, :count], rows[:, count])


def _length(vector: Array) -> float:
    return math.sqrt(vector @ vector)


def positive(lengths: Array) -> Array:
    """Lengths, with one in place of zero: a parameter without influence stays where it is."""
    return np.where(lengths > 0, lengths, 1.0)


class Step(NamedTuple):
    """A step, and by how much the parabola says that it lowers the error."""

    vector: Array
    predicted: float


class Method(ABC):
    """How steps are chosen; each judgement gives the method for the next one."""

    @abstractmethod
    def starting(self, point: Point) -> "Method":
        """The method before its first step."""

    @abstractmethod
    def step(self, point: Point, triangle: Triangle, problem: Problem) -> Step:
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

    def starting(self, point: Point) -> "GaussNewton":
        """With the whole step."""
        return GaussNewton()

    def step(self, point: Point, triangle: Triangle, problem: Problem) -> Step:
        """A share of the step to the minimum."""
        whole = triangle.shortest_step()
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

    def starting(self, point: Point) -> "Damped":
        """With a scale for each parameter."""
        return replace(self, scale=positive(point.lengths))

    def step(self, point: Point, triangle: Triangle, problem: Problem) -> Step:
        """The damped step."""
        rows = triangle.damped(math.sqrt(self.damping) * self.scale)
        vector = rows.step()
        return Step(vector, self._predicted(vector, triangle))

    def _predicted(self, vector: Array, triangle: Triangle) -> float:
        moved, damped = triangle.matrix @ vector, self.scale * vector
        return 0.5 * float(moved @ moved) + self.damping * float(damped @ damped)

    def after(self, ratio: float, point: Point) -> "Damped":
        """Less damping after a good step, more after a bad one."""
        if not ratio > WORTHWHILE:
            return replace(self, damping=self.damping * self.growth, growth=2 * self.growth)
        less = max(1 / 3, 1 - (2 * min(ratio, 1.0) - 1) ** 3)
        scale = np.maximum(self.scale, point.lengths)
        return replace(self, scale=scale, damping=max(self.damping * less, SMALLEST_DAMPING), growth=2.0)


# Keeps the damping above zero, from which no growth leads away.
SMALLEST_DAMPING = 1e-300


@dataclass(frozen=True)
class Accelerated(Damped):
    """The damped step with the acceleration along the curve that the residuals follow.

    A step whose correction is long beside it is not trusted.
    """

    longest: ClassVar[float] = 0.75

    def step(self, point: Point, triangle: Triangle, problem: Problem) -> Step:
        """The damped step and half of the acceleration."""
        rows = triangle.damped(math.sqrt(self.damping) * self.scale)
        vector = rows.step()
        bent = rows.along(point.matrix.T @ problem.bend(point.x, vector))
        trusted = 2 * _length(self.scale * bent) <= self.longest * _length(self.scale * vector)
        return Step(vector + bent / 2, self._predicted(vector, triangle) if trusted else math.inf)


METHODS: dict[str, Method] = {
    "lm": Damped(),
    "lm-accelerated": Accelerated(),
    "gauss-newton": GaussNewton(),
}


# --- the descent --------------------------------------------------------------------------------------


class Limits(NamedTuple):
    """When to stop."""

    ftol: float
    xtol: float
    gtol: float
    max_nfev: int | None

    def status(self, point: Point, step: Step, fall: float, nfev: int) -> int | None:
        """Why to stop after a step, if at all."""
        error = max(abs(fall), step.predicted) <= self.ftol * point.cost
        length, reach = (_length(point.lengths * v) for v in (step.vector, point.x))
        parameters = length <= self.xtol * (self.xtol + reach)
        if error or parameters:
            return 4 if error and parameters else 2 if error else 3
        most = 200 * (len(point.x) + 1) if self.max_nfev is None else self.max_nfev
        return 0 if nfev >= most else None


def descend(
    problem: Problem, method: Method, point: Point, limits: Limits, callback: Callable[[Point], None] | None
) -> tuple[Point, int]:
    """The point where the descent ends, and why."""
    method, triangle = method.starting(point), Triangle.of(point.matrix, point.residuals)
    while point.cosine > limits.gtol:
        step = method.step(point, triangle, problem)
        fall = point.cost - problem.cost(point.x + step.vector)
        ratio = fall / step.predicted if step.predicted > 0 else -math.inf
        status = limits.status(point, step, fall, problem.nfev)
        if ratio > WORTHWHILE:
            point, ratio = _moved(problem, point, step, ratio)
            triangle = Triangle.of(point.matrix, point.residuals)
        if ratio > WORTHWHILE and _asks_to_stop(callback, point):
            return point, -2
        if status is not None:
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


def _moved(problem: Problem, point: Point, step: Step, ratio: float) -> tuple[Point, float]:
    """The next point; the same one, and a step that failed, where there is no Jacobian."""
    found = problem.point(point.x + step.vector)
    return (found, ratio) if np.isfinite(found.matrix).all() else (point, -math.inf)
