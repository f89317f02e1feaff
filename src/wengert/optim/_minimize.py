r"""Minimisation of a function of all weights at once, by the methods of SciPy.

.. math:: \mathbf x^\star = \operatorname*{arg\,min}_{\mathbf x} f(\mathbf x)

The methods see one vector. Value and gradient, and where a method asks for them products with the Hessian
:math:`\mathbf H \mathbf v` or the Hessian itself, are one native call each.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert._refusals import choice
from wengert.api import hessian, hvp, jit, value_and_grad
from wengert.optim._vectors import Array, Function, Layout, Tree, programs_of

# What each method asks for beside the value.
DERIVATIVES: dict[str, tuple[str, ...]] = {
    "Nelder-Mead": (),
    "Powell": (),
    "CG": ("jac",),
    "BFGS": ("jac",),
    "L-BFGS-B": ("jac",),
    "TNC": ("jac",),
    "SLSQP": ("jac",),
    "Newton-CG": ("jac", "hessp"),
    "trust-ncg": ("jac", "hessp"),
    "trust-krylov": ("jac", "hessp"),
    "trust-constr": ("jac", "hessp"),
    "dogleg": ("jac", "hess"),
    "trust-exact": ("jac", "hess"),
}


class Objective:
    """A function of a tree as compiled functions of a vector, named as SciPy names them."""

    def __init__(self, f: Function, layout: Layout) -> None:
        def of_vector(x: Any, *args: Any) -> Any:
            return f(layout.tree(x), *args)

        def value_and_gradient(x: Any, *args: Any) -> Any:
            value, gradient = value_and_grad(f)(layout.tree(x), *args)
            return value, layout.vector(gradient)

        def product(x: Any, p: Any, *args: Any) -> Any:
            return hvp(lambda x: of_vector(x, *args), (x,), (p,))[0]

        self.fun, self.fun_and_jac = jit(of_vector), jit(value_and_gradient)
        self.hessp, self.hess = jit(product), jit(hessian(of_vector))

    def derivatives(self, names: Sequence[str]) -> dict[str, Any]:
        """Arguments of SciPy's function for a method that asks for these."""
        if not names:
            return {"fun": lambda x, *args: float(self.fun(x, *args))}
        found = {"fun": self._value_and_gradient, "jac": True}
        return found | {name: getattr(self, name) for name in names if name != "jac"}

    def _value_and_gradient(self, x: Array, *args: Any) -> tuple[float, Array]:
        value, gradient = self.fun_and_jac(x, *args)
        return float(value), gradient


def minimize(
    f: Function,
    x0: Tree,
    *,
    args: tuple[Any, ...] = (),
    method: str | None = None,
    bounds: tuple[Any, Any] | None = None,
    tol: float | None = None,
    callback: Callable[[Any], None] | None = None,
    options: dict[str, Any] | None = None,
) -> Any:
    r"""The tree of parameters at which a function is smallest, from a first guess downwards.

    .. math:: \nabla f(\mathbf x^\star) = 0

    Parameters
    ----------
    f
        Takes a tree of real numbers and arrays, and ``args``, and gives one number; written in NumPy. One
        that is minimised again and again is compiled once if it is given as ``wg.jit(f)``.
    x0
        The first guess: a number, an array, or any tree of them, such as a network.
    args
        Further arguments of f, such as data.
    method
        One of SciPy's: ``"BFGS"`` (the default), ``"L-BFGS-B"`` (the default with bounds; few vectors of
        memory), ``"CG"``, ``"TNC"``, ``"SLSQP"``; with products of Hessian and vector ``"Newton-CG"``,
        ``"trust-ncg"``, ``"trust-krylov"``, ``"trust-constr"``; with the Hessian ``"dogleg"``,
        ``"trust-exact"``; without derivatives ``"Nelder-Mead"``, ``"Powell"``.
    bounds
        A lower and an upper bound, each a number for all parameters or a tree like ``x0``.
    tol
        When to stop, in the sense of the method.
    callback
        Called after each step with a result whose ``x`` is the tree so far. It may raise ``StopIteration``.
    options
        Of the method, such as ``{"maxiter": 100}``.

    Returns
    -------
    OptimizeResult
        SciPy's: ``x`` and ``jac`` are trees like ``x0``; ``fun``, ``success``, ``status``, ``message``,
        ``nit``, ``nfev`` and what else the method gives.

    Raises
    ------
    ValueError
        Where there is no such method, where f is not finite at the first guess, or where there is no
        parameter.
    TypeError
        Where the guess is not of real numbers, or f does not give one.

    Examples
    --------
    >>> def rosenbrock(p):
    ...     return (1 - p["x"]) ** 2 + 100 * (p["y"] - p["x"] ** 2) ** 2
    >>> result = minimize(rosenbrock, {"x": -1.0, "y": 2.0})
    >>> result.success, round(float(result.x["y"]), 4)
    (True, 1.0)

    References
    ----------
    Nocedal and Wright, *Numerical Optimization* (2006).
    """
    from scipy import optimize

    layout = Layout.of(x0, "x0")
    sides = () if bounds is None else [layout.spread(side, "bounds") for side in bounds]
    first, name = layout.vector(x0), _method_named(method, bounds)
    objective = programs_of(Objective, f, layout)
    _require_start(objective, first, args)
    result = optimize.minimize(
        x0=first,
        args=args,
        method=name,
        bounds=optimize.Bounds(*sides) if sides else None,
        tol=tol,
        callback=None if callback is None else _telling(callback, layout),
        options=options,
        **objective.derivatives(DERIVATIVES[name]),
    )
    return _in_trees(result, layout)


def _method_named(method: str | None, bounds: Any) -> str:
    if method is None:
        return "BFGS" if bounds is None else "L-BFGS-B"
    found = {name.lower(): name for name in DERIVATIVES}.get(method.lower())
    if found is None:
        raise ValueError(f"minimize has no method {method!r}; {choice(method, DERIVATIVES)}")
    return found


def _require_start(objective: Objective, first: Array, args: tuple[Any, ...]) -> None:
    if not len(first):
        raise ValueError("minimize: x0 has no numbers; give at least one parameter")
    value = float(objective.fun_and_jac(first, *args)[0])
    if not np.isfinite(value):
        raise ValueError(f"minimize: f is {value} at x0; start where it is finite")


def _in_trees(result: Any, layout: Layout) -> Any:
    """The result with parameters and gradient as trees; one method calls the gradient so, and not ``jac``."""
    if "grad" in result:
        result["jac"] = result["grad"]
    for name in ("x", "jac"):
        if name in result:
            result[name] = layout.tree(result[name])
    return result


def _telling(callback: Callable[[Any], None], layout: Layout) -> Callable[[Any], None]:
    """The callback for SciPy, which by this name of the argument gives a result and not the vector alone."""
    from scipy.optimize import OptimizeResult

    def tell(intermediate_result: Any) -> None:
        given = intermediate_result
        result = OptimizeResult(given if isinstance(given, dict) else {"x": given})
        callback(_in_trees(result, layout))

    return tell
