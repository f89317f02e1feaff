r"""Nonlinear least squares: the methods of Gauss and Newton, and of Levenberg and Marquardt.

.. math:: E(\mathbf x) = \tfrac12 \sum_k r_k(\mathbf x)^2, \qquad \nabla E = \mathbf J^{\mathsf T} \mathbf r,
          \qquad \mathbf H \approx \mathbf J^{\mathsf T} \mathbf J

The Hessian leaves out :math:`\sum_k r_k \nabla\nabla r_k`, which is small where residuals are small or as
often positive as negative. Gauss and Newton step to the minimum of the parabola, as far along as the error
falls; Levenberg and Marquardt damp the step,

.. math:: (\mathbf J^{\mathsf T} \mathbf J + \mu \mathbf D^2)\, \Delta\mathbf x
          = -\mathbf J^{\mathsf T} \mathbf r,

by a :math:`\mu` that falls while the parabola predicts the error well, and rises when it does not. Residuals
and Jacobian are one native call; the equations are solved through the QR decomposition of J, so that the
condition of the problem is not squared.
"""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from wengert.api import jacobian, jit, jvp, vmap
from wengert.core import tree
from wengert.optim._vectors import Array, Function, Layout, Tree, programs_of

MESSAGES = {
    -2: "the callback asked to stop",
    0: "the largest number of evaluations was reached",
    1: "the gradient vanishes to within gtol",
    2: "the error falls by less than ftol",
    3: "the parameters change by less than xtol",
    4: "the error falls by less than ftol and the parameters change by less than xtol",
}


# --- residuals as functions of a vector ---------------------------------------------------------------


class Residuals:
    """Residuals of a tree of parameters as compiled functions of a vector."""

    def __init__(self, f: Function, layout: Layout) -> None:
        def of_vector(x: Any, *args: Any) -> Any:
            return _joined(f(layout.tree(x), *args))

        def with_jacobian(x: Any, *args: Any) -> Any:
            return of_vector(x, *args), jacobian(of_vector)(x, *args)

        self.values, self.with_jacobian = jit(of_vector), jit(with_jacobian)
        self.bend = jit(_second_derivative(of_vector))


class RowResiduals:
    """The same from the residuals of a single row of the data, which no other row has a part in.

    Then the Jacobian is a batch of small ones: as much work as a few gradients, and not one for each
    residual.
    """

    def __init__(self, f: Function, layout: Layout) -> None:
        def of_row(x: Any, *row: Any) -> Any:
            return _joined(f(layout.tree(x), *row))

        def rowwise(g: Function) -> Function:
            return lambda x, *data: vmap(g, in_axes=(None, *(0 for _ in data)))(x, *data)

        def of_vector(x: Any, *data: Any) -> Any:
            return rowwise(of_row)(x, *data).reshape(-1)

        def with_jacobian(x: Any, *data: Any) -> Any:
            matrix = rowwise(jacobian(of_row))(x, *data)
            return of_vector(x, *data), matrix.reshape(-1, layout.size)

        self.values, self.with_jacobian = jit(of_vector), jit(with_jacobian)
        self.bend = jit(_second_derivative(of_vector))


def _joined(residuals: Any) -> Any:
    """All residuals in one vector."""
    leaves = [np.ravel(leaf) for leaf in tree.flatten(residuals)[0]]
    for leaf in leaves:
        if leaf.dtype.kind != "f":
            raise TypeError(f"the residuals are of type {leaf.dtype}; give floating-point numbers")
    leaves = [leaf.astype(np.float64) for leaf in leaves]
    return leaves[0] if len(leaves) == 1 else np.concatenate([np.zeros(0), *leaves])


def _second_derivative(f: Function) -> Function:
    """The second derivative along a direction, by forward mode over itself."""

    def second(x: Any, v: Any, *args: Any) -> Any:
        def slope(x: Any) -> Any:
            return jvp(lambda x: f(x, *args), (x,), (v,))[1]

        return jvp(slope, (x,), (v,))[1]

    return second


# --- one point, and the step from it ------------------------------------------------------------------


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
        return np.linalg.norm(self.matrix, axis=0)

    @cached_property
    def cosine(self) -> float:
        """The largest cosine of the angles between residuals and columns: zero at a minimum."""
        scale = self.lengths * np.linalg.norm(self.residuals)
        return float(np.max(np.abs(self.gradient) / np.where(scale > 0, scale, 1)))


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
    """The Jacobian as the triangle R of its QR decomposition, and the residuals as Qᵀr."""

    matrix: Array
    residuals: Array

    @classmethod
    def of(cls, point: Point) -> "Triangle":
        """Of the Jacobian with the residuals as one more column: then Q itself is not needed."""
        joined = np.column_stack([point.matrix, point.residuals])
        rows: Any = np.linalg.qr(joined, mode="r")[: point.matrix.shape[1]]
        return cls(rows[:, :-1], rows[:, -1])

    def damped(self, damping: Array) -> "Triangle":
        """With further rows that ask each parameter to stay where it is."""
        rows = np.vstack([self.matrix, np.diag(damping)])
        return Triangle(rows, np.concatenate([self.residuals, np.zeros(len(damping))]))

    def step(self) -> Array:
        """The shortest step to the smallest residuals, in parameters of equal influence."""
        scale = _positive(np.linalg.norm(self.matrix, axis=0))
        return -np.linalg.lstsq(self.matrix / scale, self.residuals, rcond=None)[0] / scale


def _positive(lengths: Array) -> Array:
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
        whole = triangle.step()
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
        return replace(self, scale=_positive(point.lengths))

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
        if ratio <= WORTHWHILE:
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
        pull = point.matrix.T @ problem.bend(point.x, vector)
        bent = -np.linalg.lstsq(rows.matrix.T @ rows.matrix, pull, rcond=None)[0]
        ratio = 2 * np.linalg.norm(self.scale * bent) / np.linalg.norm(self.scale * vector)
        predicted = self._predicted(vector, triangle) if ratio <= self.longest else math.inf
        return Step(vector + bent / 2, predicted)


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
        scale = _positive(point.lengths)
        length, reach = (np.linalg.norm(scale * v) for v in (step.vector, point.x))
        parameters = length <= self.xtol * (self.xtol + reach)
        if error or parameters:
            return 4 if error and parameters else 2 if error else 3
        most = 200 * (len(point.x) + 1) if self.max_nfev is None else self.max_nfev
        return 0 if nfev >= most else None


def descend(
    problem: Problem, method: Method, point: Point, limits: Limits, callback: Callable[[Point], None] | None
) -> tuple[Point, int]:
    """The point where the descent ends, and why."""
    method, triangle = method.starting(point), Triangle.of(point)
    while point.cosine > limits.gtol:
        step = method.step(point, triangle, problem)
        fall = point.cost - problem.cost(point.x + step.vector)
        ratio = fall / step.predicted if step.predicted > 0 else -math.inf
        status = limits.status(point, step, fall, problem.nfev)
        if ratio > WORTHWHILE:
            point, ratio = _moved(problem, point, step, ratio)
            triangle = Triangle.of(point)
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


def least_squares(
    residuals: Function,
    x0: Tree,
    *,
    args: tuple[Any, ...] = (),
    rows: tuple[Any, ...] = (),
    method: str = "lm",
    ftol: float = 1e-8,
    xtol: float = 1e-8,
    gtol: float = 1e-8,
    max_nfev: int | None = None,
    callback: Callable[[Any], None] | None = None,
) -> Any:
    r"""The parameters at which a sum of squared residuals is smallest, with their covariance.

    .. math:: \mathbf x^\star = \operatorname*{arg\,min}_{\mathbf x} \tfrac12 \sum_k r_k(\mathbf x)^2,
              \qquad \operatorname{cov} \mathbf x^\star \approx s^2 (\mathbf J^{\mathsf T} \mathbf J)^{-1},
              \quad s^2 = \frac{\sum_k r_k^2}{n - p}

    for n residuals and p parameters: the standard errors are the roots of the diagonal.

    Parameters
    ----------
    residuals
        Takes a tree of real numbers and arrays, and ``args``, and gives an array of residuals (or a tree of
        arrays); written in NumPy. One that is fitted again and again is compiled once if it is given as
        ``wg.jit(residuals)``.
    x0
        The first guess: a number, an array, or any tree of them, such as a network.
    args
        Further arguments of the residuals, such as data.
    rows
        In place of ``args``, arrays of one length whose rows are taken one by one: then ``residuals`` takes a
        tree and one row of each, and gives the residuals of these. The Jacobian of a model with many
        parameters is found much faster so.
    method
        ``"lm"``, after Levenberg and Marquardt; ``"lm-accelerated"``, with geodesic acceleration, for narrow
        curved valleys; ``"gauss-newton"``, with a line search.
    ftol, xtol, gtol
        Stop when a step lowers the error by less than this share of it, when it is shorter than this share of
        the parameters, or when the cosine of the angle between the residuals and every column of the Jacobian
        is less than this.
    max_nfev
        The largest number of evaluations of the residuals, by default 200 for each parameter and one more.
    callback
        Called after each step with a result of ``x`` (a tree), ``cost`` and ``fun``. It may raise
        ``StopIteration``.

    Returns
    -------
    OptimizeResult
        With SciPy's fields: ``x`` and ``grad`` are trees like ``x0``; ``cost`` is half the sum of squares,
        ``fun`` all residuals, ``jac`` their Jacobian (its columns are the parameters, leaf by leaf),
        ``optimality`` the largest element of the gradient; ``nfev``, ``njev``, ``status``, ``message``,
        ``success``. And ``covariance``, of parameters in the order of the columns; infinite, with a warning,
        where there are no more residuals than parameters or where some parameters can take each other's
        place.

    Raises
    ------
    ValueError
        Where there is no such method, no parameter or no residual, or where residuals or Jacobian are not
        finite at the first guess.
    TypeError
        Where guess or residuals are not real numbers.

    Examples
    --------
    >>> x = np.array([0.0, 1.0, 2.0, 3.0])
    >>> y = np.array([2.1, 1.2, 0.8, 0.4])
    >>> def residuals(p, x, y):
    ...     return p["height"] * np.exp(-p["rate"] * x) - y
    >>> result = least_squares(residuals, {"height": 1.0, "rate": 1.0}, args=(x, y))
    >>> round(float(result.x["height"]), 3), round(float(result.x["rate"]), 3)
    (2.092, 0.523)
    >>> np.sqrt(np.diag(result.covariance)).round(2)
    array([0.06, 0.03])

    References
    ----------
    Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 8.1.6. Marquardt, *An algorithm for
    least-squares estimation of nonlinear parameters* (1963). Nielsen, *Damping parameter in Marquardt's
    method* (1999). Transtrum and Sethna, *Improvements to the Levenberg-Marquardt algorithm for nonlinear
    least-squares minimization* (2012).
    """
    limits = Limits(ftol, xtol, gtol, max_nfev)
    found = fitted(residuals, x0, tuple(args), tuple(rows), method, limits, callback)
    found.covariance = covariance(found.jac, found.cost)
    return found


def fitted(
    residuals: Function,
    x0: Tree,
    args: tuple[Any, ...],
    rows: tuple[Any, ...],
    method: str,
    limits: Limits,
    callback: Callable[[Any], None] | None,
) -> Any:
    """The result of `least_squares`, but for the covariance."""
    layout, first = _start(x0)
    problem = _problem(residuals, layout, args, rows)
    telling = None if callback is None else lambda point: callback(_seen(point, layout))
    # An error that overflows far away is a step that failed. Sums inside the BLAS come out in another order
    # on another number of threads.
    quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
    with quiet, threadpool_limits(1, user_api="blas"):
        point = _first_point(problem, first)
        point, status = descend(problem, _method_named(method), point, limits, telling)
    return _result(point, layout, problem, status)


def _start(x0: Tree) -> tuple[Layout, Array]:
    layout = Layout.of(x0, "x0")
    if not layout.size:
        raise ValueError("least_squares: x0 has no numbers; give at least one parameter")
    return layout, layout.vector(x0)


def _problem(residuals: Function, layout: Layout, args: tuple[Any, ...], rows: tuple[Any, ...]) -> Problem:
    if not rows:
        return Problem(programs_of(Residuals, residuals, layout), args)
    if args:
        raise ValueError("least_squares: give args or rows, not both")
    return Problem(programs_of(RowResiduals, residuals, layout), tuple(np.asarray(r) for r in rows))


def _method_named(name: str) -> Method:
    if name not in METHODS:
        raise ValueError(f"least_squares has no method {name!r}; choose one of {', '.join(METHODS)}")
    return METHODS[name]


def _first_point(problem: Problem, x: Array) -> Point:
    point = problem.point(x)
    problem.nfev += 1
    if not len(point.residuals):
        raise ValueError("least_squares: there are no residuals; give at least one")
    for what, values in (("residuals", point.residuals), ("derivatives of the residuals", point.matrix)):
        if not np.isfinite(values).all():
            bad = int(np.argmin(np.isfinite(values.reshape(len(values), -1)).all(axis=1)))
            raise ValueError(f"least_squares: {what} are not finite at x0 (number {bad}); start elsewhere")
    return point


def _seen(point: Point, layout: Layout) -> Any:
    """What a callback sees."""
    from scipy.optimize import OptimizeResult

    return OptimizeResult(x=layout.tree(point.x), cost=point.cost, fun=point.residuals)


def _result(point: Point, layout: Layout, problem: Problem, status: int) -> Any:
    found = _seen(point, layout)
    found.update(
        jac=point.matrix,
        grad=layout.tree(point.gradient),
        optimality=float(np.abs(point.gradient).max()),
        nfev=problem.nfev,
        njev=problem.njev,
        status=status,
        message=MESSAGES[status],
        success=status > 0,
    )
    return found


def covariance(matrix: Array, cost: float) -> Array:
    """Of the parameters at a minimum, from the Jacobian, for errors of one variance, which is estimated."""
    count, size = matrix.shape
    scale = _positive(np.linalg.norm(matrix, axis=0))
    _, values, vectors = np.linalg.svd(matrix / scale, full_matrices=False)
    if count <= size or values[-1] <= np.finfo(float).eps * count * values[0]:
        return _unknown(size)
    halves = vectors.T / values / scale[:, None]
    return 2 * cost / (count - size) * (halves @ halves.T)


def _unknown(size: int) -> Array:
    from scipy.optimize import OptimizeWarning

    warnings.warn(
        "the covariance of the parameters could not be estimated: give more residuals, or fewer parameters",
        OptimizeWarning,
        stacklevel=4,
    )
    return np.full((size, size), np.inf)
