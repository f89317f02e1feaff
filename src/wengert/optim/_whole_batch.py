r"""Training on all patterns at once, by methods that know more than the gradient.

.. math:: \mathbf w^{(\tau+1)} = \mathbf w^{(\tau)} - \eta\, \mathbf B \nabla E(\mathbf w^{(\tau)})

Where the error is that of all patterns it is one function, and its curvature, gathered from earlier gradients
or taken from the Jacobian, gives :math:`\mathbf B`: few steps, without a learning rate, to a precise minimum.

A *minimiser* is given the error as a function of the parameters and of the data, and the data apart, so that
compiled code does not contain them. What it wants of the error, ``wants`` says: the error of all patterns as
one number (``"error"``), or the residuals of a single pattern (``"residuals"``), half of whose squares,
summed over the patterns, are the error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from wengert._refusals import require_at_least, require_whole
from wengert.optim._least_squares import Limits, fitted, method_named
from wengert.optim._minimize import minimize
from wengert.optim._rule import Function, Told, Tree


def _telling(callback: Told | None, error: str) -> Callable[[Any], None] | None:
    """The callback for a minimiser that gives results with the error under this name."""
    return None if callback is None else lambda result: callback(result.x, float(result[error]))


@dataclass(frozen=True)
class LBFGS:
    r"""The method of Broyden, Fletcher, Goldfarb and Shanno with limited memory, by SciPy.

    The inverse Hessian is built up from the last few steps and the changes of the gradient along them.

    Parameters
    ----------
    history
        How many steps are remembered.
    gtol, ftol
        Stop when no element of the gradient is larger than ``gtol``, or when a step lowers the error by less
        than this share of it.
    max_nfev
        The largest number of evaluations of the error.

    Raises
    ------
    ValueError
        Where these numbers make no sense.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 20)
    >>> error = lambda w, x, t: np.sum((w["a"] * np.exp(w["b"] * x) - t) ** 2)
    >>> result = LBFGS().minimise(error, {"a": 1.0, "b": 0.0}, (x, 2 * np.exp(0.5 * x)), max_iter=100)
    >>> round(float(result.x["b"]), 4)
    0.5

    References
    ----------
    Liu and Nocedal, *On the limited memory BFGS method for large scale optimization* (1989).
    """

    history: int = 10
    gtol: float = 1e-5
    ftol: float = 2.220446049250313e-09
    max_nfev: int = 15000

    wants: ClassVar[str] = "error"

    def __post_init__(self) -> None:
        require_whole(1, history=self.history, max_nfev=self.max_nfev)
        require_at_least(0, gtol=self.gtol, ftol=self.ftol)

    def minimise(
        self, f: Function, params: Tree, data: tuple[Any, ...], max_iter: int, callback: Told | None = None
    ) -> Any:
        """SciPy's result, with parameters and gradient as trees."""
        limits = {"maxcor": self.history, "maxiter": max_iter, "maxfun": self.max_nfev}
        options = {**limits, "gtol": self.gtol, "ftol": self.ftol}
        told = _telling(callback, "fun")
        return minimize(f, params, args=data, method="L-BFGS-B", options=options, callback=told)


@dataclass(frozen=True)
class ConjugateGradients:
    r"""The method of Polak and Ribière, by SciPy: no two directions undo each other's work.

    .. math:: \mathbf d^{(\tau+1)} = -\nabla E^{(\tau+1)} + \max\Bigl(0,
              \frac{\nabla E^{(\tau+1)} \cdot (\nabla E^{(\tau+1)} - \nabla E^{(\tau)})}
                   {\|\nabla E^{(\tau)}\|^2}\Bigr) \mathbf d^{(\tau)}

    Parameters
    ----------
    gtol
        Stop when no element of the gradient is larger than this.

    Raises
    ------
    ValueError
        Where the tolerance is negative.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 20)
    >>> error = lambda w, x, t: np.sum((w["a"] * np.exp(w["b"] * x) - t) ** 2)
    >>> data = (x, 2 * np.exp(0.5 * x))
    >>> result = ConjugateGradients().minimise(error, {"a": 1.0, "b": 0.0}, data, max_iter=100)
    >>> round(float(result.x["b"]), 4)
    0.5

    References
    ----------
    Nocedal and Wright, *Numerical Optimization* (2006), 5.2.
    """

    gtol: float = 1e-5

    wants: ClassVar[str] = "error"

    def __post_init__(self) -> None:
        require_at_least(0, gtol=self.gtol)

    def minimise(
        self, f: Function, params: Tree, data: tuple[Any, ...], max_iter: int, callback: Told | None = None
    ) -> Any:
        """SciPy's result, with parameters and gradient as trees."""
        options = {"maxiter": max_iter, "gtol": self.gtol}
        return minimize(
            f, params, args=data, method="CG", options=options, callback=_telling(callback, "fun")
        )


@dataclass(frozen=True)
class LevenbergMarquardt:
    r"""Least squares after Levenberg and Marquardt, for networks with sum-of-squares error.

    .. math:: (\mathbf J^{\mathsf T} \mathbf J + \mu \mathbf D^2)\, \Delta\mathbf w
              = -\mathbf J^{\mathsf T} \mathbf r

    Each step decomposes the Jacobian of all residuals by all weights: for some hundreds of weights the
    fastest way to a precise fit, for many thousands too much work. See :func:`least_squares`.

    Parameters
    ----------
    ftol, xtol, gtol
        As in :func:`least_squares`.
    method
        ``"lm"``, ``"lm-accelerated"`` or ``"gauss-newton"``.

    Raises
    ------
    ValueError
        Where these numbers make no sense.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 20)
    >>> residual = lambda w, x, t: w["a"] * np.exp(w["b"] * x) - t
    >>> data = (x, 2 * np.exp(0.5 * x))
    >>> result = LevenbergMarquardt().minimise(residual, {"a": 1.0, "b": 0.0}, data, max_iter=100)
    >>> round(float(result.x["b"]), 4), result.cost < 1e-12
    (0.5, True)

    References
    ----------
    Hagan and Menhaj, *Training feedforward networks with the Marquardt algorithm* (1994).
    """

    ftol: float = 1e-8
    xtol: float = 1e-8
    gtol: float = 1e-8
    method: str = "lm"

    wants: ClassVar[str] = "residuals"

    def __post_init__(self) -> None:
        require_at_least(0, ftol=self.ftol, xtol=self.xtol, gtol=self.gtol)
        method_named(self.method)

    def minimise(
        self, f: Function, params: Tree, data: tuple[Any, ...], max_iter: int, callback: Told | None = None
    ) -> Any:
        """The result of :func:`least_squares` without Jacobian and covariance; a failed step counts too."""
        limits = Limits(self.ftol, self.xtol, self.gtol, max_iter + 1)
        return fitted(f, params, (), data, self.method, limits, _telling(callback, "cost"))[0]
