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

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from wengert._blas import one_blas_thread
from wengert._refusals import choice
from wengert.api import jacobian, jit, jvp, vjp, vmap
from wengert.core import tree
from wengert.errors import ControlFlowError, warn
from wengert.native.calling.call import Compiled
from wengert.optim._compiled_descent import compiled_descent
from wengert.optim._gauss_newton import (
    METHODS,
    RUNNING,
    Damped,
    Limits,
    Method,
    Point,
    Problem,
    Triangle,
    descend,
    positive,
)
from wengert.optim._trust_region import METHODS as SCIPYS
from wengert.optim._trust_region import Box, Loss, fitted_within
from wengert.optim._vectors import Array, Function, Layout, Tree, joined, programs_of

MESSAGES = {
    -2: "the callback asked to stop",
    0: "the largest number of evaluations was reached",
    1: "the gradient vanishes to within gtol",
    2: "the error falls by less than ftol",
    3: "the parameters change by less than xtol",
    4: "the error falls by less than ftol and the parameters change by less than xtol",
}


# --- residuals as functions of a vector ---------------------------------------------------------------


class Programs:
    """Residuals as compiled functions of a vector."""

    def __init__(self, of_vector: Function, matrix_of: Function) -> None:
        def with_jacobian(x: Any, *args: Any) -> Any:
            return of_vector(x, *args), matrix_of(x, *args)

        def normal(x: Any, *args: Any) -> Any:
            residuals, matrix = with_jacobian(x, *args)
            return residuals, matrix.T @ residuals, matrix.T @ matrix

        def pull(x: Any, v: Any, *args: Any) -> Any:
            return vjp(lambda x: of_vector(x, *args), x)[1](_second_derivative(of_vector)(x, v, *args))[0]

        self.values, self.with_jacobian = jit(of_vector), jit(with_jacobian)
        self.normal, self.pull = jit(normal), jit(pull)
        self.descent = jit(compiled_descent(of_vector, with_jacobian))


def all_at_once(f: Function, layout: Layout) -> Programs:
    """Programs of residuals of a tree of parameters."""

    def of_vector(x: Any, *args: Any) -> Any:
        return _joined(f(layout.tree(x), *args))

    return Programs(of_vector, jacobian(of_vector))


def row_by_row(f: Function, layout: Layout) -> Programs:
    """Programs of the residuals of a single row of the data, which no other row has a part in.

    The Jacobian is a batch of small ones: as much work as a few gradients, and not one for each residual.
    """

    def of_row(x: Any, *row: Any) -> Any:
        return _joined(f(layout.tree(x), *row))

    def batched(g: Function, x: Any, data: tuple[Any, ...]) -> Any:
        return vmap(g, in_axes=(None, *(0 for _ in data)))(x, *data)

    return Programs(
        lambda x, *data: batched(of_row, x, data).reshape(-1),
        lambda x, *data: batched(jacobian(of_row), x, data).reshape(-1, layout.size),
    )


def _joined(residuals: Any) -> Any:
    """All residuals in one vector."""
    leaves = [np.ravel(leaf) for leaf in tree.flatten(residuals)[0]]
    for leaf in leaves:
        if leaf.dtype.kind != "f":
            raise TypeError(f"the residuals are of type {leaf.dtype}; give floating-point numbers")
    return joined(leaves)


def _second_derivative(f: Function) -> Function:
    """The second derivative along a direction, by forward mode over itself."""

    def second(x: Any, v: Any, *args: Any) -> Any:
        def slope(x: Any) -> Any:
            return jvp(lambda x: f(x, *args), (x,), (v,))[1]

        return jvp(slope, (x,), (v,))[1]

    return second


def least_squares(
    residuals: Function,
    x0: Tree,
    *,
    args: tuple[Any, ...] = (),
    rows: tuple[Any, ...] = (),
    method: str | None = None,
    bounds: tuple[Tree, Tree] | None = None,
    loss: str | Function = "linear",
    f_scale: float = 1.0,
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

    for n residuals and p parameters: the standard errors are the roots of the diagonal. With a robust loss,
    :math:`r_k^2` becomes :math:`s^2 \rho(r_k^2 / s^2)`, which grows less, so that outliers count less.

    Parameters
    ----------
    residuals
        Takes a tree of real numbers and arrays, and ``args``, and gives an array of residuals (or a tree of
        arrays); written in NumPy. One that is fitted again and again is compiled once if it is given as
        ``wg.jit(residuals)``; then a whole fit by ``"lm"`` is a single native call.
    x0
        The first guess: a number, an array, or any tree of them, such as a network.
    args
        Further arguments of the residuals, such as data.
    rows
        In place of ``args``, arrays of one length whose rows are taken one by one: then ``residuals`` takes a
        tree and one row of each, and gives the residuals of these. The Jacobian of a model with many
        parameters is found much faster so.
    method
        ``"lm"`` (the default), after Levenberg and Marquardt; ``"lm-accelerated"``, with geodesic
        acceleration, for narrow curved valleys; ``"gauss-newton"``, with a line search. SciPy's ``"trf"``
        (the default with bounds or a loss) and ``"dogbox"`` alone know bounds and losses.
    bounds
        A lower and an upper bound, each a number for all parameters or a tree like ``x0``, with ``np.inf``
        where there is none.
    loss
        How much a residual counts, by its square z measured in ``f_scale``: ``"linear"``,
        :math:`\rho(z)=z`; ``"soft_l1"``, :math:`2(\sqrt{1+z}-1)`; ``"huber"``, z up to 1 and
        :math:`2\sqrt z-1` above; ``"cauchy"``, :math:`\ln(1+z)`; ``"arctan"``, :math:`\arctan z`; or a
        function of z in NumPy.
    f_scale
        The residual s from which on the loss takes one for an outlier.
    ftol, xtol, gtol
        Stop when a step lowers the error by less than this share of it, when it is shorter than this share of
        the parameters, or when the cosine of the angle between the residuals and every column of the Jacobian
        is less than this (by SciPy's methods: the largest element of the gradient, scaled near bounds).
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
        place. From SciPy's methods also ``active_mask``, a tree that is -1 or 1 where a parameter ends at its
        lower or upper bound (of which the covariance knows nothing); with a loss, ``cost`` is half the sum
        of the losses and ``jac`` scaled so that ``jac.T @ jac`` approximates the Hessian of ``cost``.

    Raises
    ------
    ValueError
        Where there is no such method or loss, no parameter or no residual, where residuals or Jacobian are
        not finite at the first guess, or where that is not within the bounds.
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

    An outlier moves the line less by a robust loss; a bound holds the slope:

    >>> line, y[2] = (lambda p, x, y: p[0] + p[1] * x - y), 9.0
    >>> for options in ({}, {"loss": "cauchy"}, {"bounds": (-np.inf, [np.inf, 0.0])}):
    ...     least_squares(line, np.zeros(2), args=(x, y), **options).x.round(2) + 0.0
    array([2.77, 0.27])
    array([ 1.98, -0.53])
    array([3.18, 0.  ])

    References
    ----------
    Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 8.1.6. Marquardt, *An algorithm for
    least-squares estimation of nonlinear parameters* (1963). Nielsen, *Damping parameter in Marquardt's
    method* (1999). Transtrum and Sethna, *Improvements to the Levenberg-Marquardt algorithm for nonlinear
    least-squares minimization* (2012). Triggs et al., *Bundle adjustment: a modern synthesis* (2000). Branch,
    Coleman and Li, *A subspace, interior, and conjugate gradient method for large-scale bound-constrained
    minimization problems* (1999).
    """
    limits = Limits(ftol, xtol, gtol, max_nfev)
    of = residuals, x0, tuple(args), tuple(rows)
    name = _method_for(method, plain=bounds is None and loss == "linear")
    if name in METHODS:
        found, problem, point = fitted(*of, name, limits, callback)
        found.jac = problem.jacobian(point)
        equations = point.equations
    else:
        found = _fitted_within(*of, name, limits, bounds, Loss(loss, f_scale), callback)
        equations = None
    triangle = equations if isinstance(equations, Triangle) else Triangle.of(found.jac, found.fun)
    found.covariance = covariance(triangle, found.cost, len(found.fun))
    return found


def _method_for(name: str | None, *, plain: bool) -> str:
    """The method for a plain sum of squares, or for one within bounds or with a loss."""
    if name is None:
        return "lm" if plain else SCIPYS[0]
    if name not in METHODS and name not in SCIPYS:
        raise ValueError(f"least_squares has no method {name!r}; {choice(name, (*METHODS, *SCIPYS))}")
    if name in METHODS and not plain:
        raise ValueError(
            f"least_squares: {name!r} knows neither bounds nor losses; choose one of {', '.join(SCIPYS)}"
        )
    return name


def fitted(
    residuals: Function,
    x0: Tree,
    args: tuple[Any, ...],
    rows: tuple[Any, ...],
    method: str,
    limits: Limits,
    callback: Callable[[Any], None] | None,
) -> tuple[Any, Problem, Point]:
    """The result of `least_squares`, but for Jacobian and covariance, and where these come from."""
    layout, first, problem, limits = _prepared(residuals, x0, args, rows, limits)
    telling = None if callback is None else lambda point: callback(_seen(point, layout))
    chosen = method_named(method)
    with _quietly():
        natively = type(chosen) is Damped and callback is None and isinstance(residuals, Compiled)
        begin = _begun_natively if natively else _begun
        point, chosen, status = begin(problem, chosen, first, limits)
        if status == RUNNING:
            point, status = descend(problem, chosen, point, limits, telling)
    return _result(point, layout, problem, status), problem, point


def _fitted_within(
    residuals: Function,
    x0: Tree,
    args: tuple[Any, ...],
    rows: tuple[Any, ...],
    method: str,
    limits: Limits,
    bounds: Any,
    loss: Loss,
    callback: Callable[[Any], None] | None,
) -> Any:
    """The result of `least_squares` by a method of SciPy's, but for the covariance."""
    layout, first, problem, limits = _prepared(residuals, x0, args, rows, limits)
    box = Box.of(bounds, layout, first, x0)

    telling = None
    if callback is not None:
        telling = lambda x, fun, cost: callback(_seen_at(layout.tree(x), cost, fun))
    with _quietly():
        start = _first_point(problem, first, precise=True)
        found = fitted_within(problem, start, method, limits, box, loss, telling)
    mask = layout.tree(found.active_mask.astype(float))
    found.update(
        x=layout.tree(found.x),
        grad=layout.tree(found.grad),
        active_mask=tree.map(lambda leaf: leaf.astype(int), mask),
        message=MESSAGES[found.status],
        success=found.status > 0,
    )
    return found


def _prepared(
    residuals: Function, x0: Tree, args: tuple[Any, ...], rows: tuple[Any, ...], limits: Limits
) -> tuple[Layout, Array, Problem, Limits]:
    layout, first = _start(x0)
    if limits.max_nfev is None:
        limits = limits._replace(max_nfev=200 * (layout.size + 1))
    return layout, first, _problem(residuals, layout, args, rows), limits


@contextmanager
def _quietly() -> Iterator[None]:
    """An error that overflows far away is a step that failed.

    Sums inside the BLAS come out in another order on another number of threads.
    """
    import scipy.linalg  # noqa: F401  whose library can only be limited once it is there

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"), one_blas_thread():
        yield


def _start(x0: Tree) -> tuple[Layout, Array]:
    layout = Layout.of(x0, "x0")
    if not layout.size:
        raise ValueError("least_squares: x0 has no numbers; give at least one parameter")
    return layout, layout.vector(x0)


def _problem(residuals: Function, layout: Layout, args: tuple[Any, ...], rows: tuple[Any, ...]) -> Problem:
    if not rows:
        return Problem(programs_of(all_at_once, residuals, layout), args)
    if args:
        raise ValueError("least_squares: give args or rows, not both")
    return Problem(programs_of(row_by_row, residuals, layout), tuple(np.asarray(r) for r in rows))


def method_named(name: str) -> Method:
    """The method of that name; an unknown one is refused."""
    if name not in METHODS:
        raise ValueError(f"least_squares has no method {name!r}; {choice(name, METHODS)}")
    return METHODS[name]


def _begun(problem: Problem, method: Method, x: Array, limits: Limits) -> tuple[Point, Method, int]:
    """The first guess, and the method before its first step."""
    point = _first_point(problem, x, method.is_precise)
    return point, method.starting(point), RUNNING


def _begun_natively(problem: Problem, method: Method, x: Array, limits: Limits) -> tuple[Point, Method, int]:
    """Where one call of native code leads, which takes longer to compile than a single step."""
    try:
        end, residuals, matrix = problem.programs.descent(x, tuple(map(float, limits)), *problem.args)
    except ControlFlowError:
        return _begun(problem, method, x, limits)
    if end.nfev == 1:
        _require_equations(residuals, np.sqrt(np.diagonal(end.products)))
    problem.nfev, problem.njev = int(end.nfev), int(end.njev)
    point = Point(end.x, residuals, Triangle.of(matrix, residuals), matrix)
    at = Damped(np.asarray(end.scale), float(end.damping), float(end.growth))
    return point, at, 1 if point.cosine <= limits.gtol else int(end.status)


def _first_point(problem: Problem, x: Array, precise: bool) -> Point:
    """The equations at the first guess, refused where there are none."""
    residuals = problem.programs.values(x, *problem.args)
    problem.nfev += 1
    _require_equations(residuals, np.zeros(0))
    point = problem.point(x, len(residuals), precise=precise)
    _require_equations(residuals, point.lengths)
    return point


def _require_equations(residuals: Array, lengths: Array) -> None:
    if not len(residuals):
        raise ValueError("least_squares: there are no residuals; give at least one")
    _require_finite(residuals, "residuals are not finite at x0 (residual {})")
    _require_finite(lengths, "derivatives are not finite at x0 (by parameter {})")


def _require_finite(values: Array, message: str) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"least_squares: {message.format(np.argmin(np.isfinite(values)))}; start elsewhere")


def _seen(point: Point, layout: Layout) -> Any:
    return _seen_at(layout.tree(point.x), point.cost, point.residuals)


def _seen_at(x: Tree, cost: float, residuals: Array) -> Any:
    """What a callback sees."""
    from scipy.optimize import OptimizeResult

    return OptimizeResult(x=x, cost=cost, fun=residuals)


def _result(point: Point, layout: Layout, problem: Problem, status: int) -> Any:
    found = _seen(point, layout)
    found.update(
        grad=layout.tree(point.gradient),
        optimality=float(np.abs(point.gradient).max()),
        nfev=problem.nfev,
        njev=problem.njev,
        status=status,
        message=MESSAGES[status],
        success=status > 0,
    )
    return found


def covariance(triangle: Triangle, cost: float, count: int) -> Array:
    """Of the parameters at a minimum, for errors of one variance, which is estimated."""
    scale, size = positive(triangle.lengths), triangle.matrix.shape[1]
    _, values, vectors = np.linalg.svd(triangle.matrix / scale)
    if count <= size or values[-1] <= np.finfo(float).eps * count * values[0]:
        return _unknown(size)
    halves = vectors.T / values / scale[:, None]
    return 2 * cost / (count - size) * (halves @ halves.T)


def _unknown(size: int) -> Array:
    from scipy.optimize import OptimizeWarning

    warn(
        "the covariance of the parameters could not be estimated: give more residuals, or fewer parameters",
        OptimizeWarning,
    )
    return np.full((size, size), np.inf)
