r"""The solver ``"lbfgs"``: steps of SciPy's L-BFGS on the error of all patterns at once.

Value and gradient come from one call of native code, in a vector that holds the weights layer by layer and
then the biases,

.. math:: \mathbf w \mapsto \bigl(E(\mathbf w), \nabla E(\mathbf w)\bigr).
"""

import functools
from typing import Any

import numpy as np

from wengert import nn
from wengert._blas import one_blas_thread
from wengert.api import jit, value_and_grad
from wengert.errors import warn
from wengert.estimators._descent import objective_of, require_finite_weights
from wengert.estimators._inputs import densified
from wengert.estimators._joining import not_converged
from wengert.estimators._objective import Penalised, error_of
from wengert.estimators._sample import Sample

Array = np.ndarray


def minimise(estimator: Any, sample: Sample) -> None:
    """Train until the gradient is below ``tol``, or the iterations or evaluations are over."""
    objective = objective_of(estimator)
    found = _minimum(estimator, objective, _function(estimator, objective, sample))
    require_finite_weights(found.x)
    estimator.n_iter_ = min(found.nit, estimator.max_iter)
    estimator.loss_ = float(found.fun)
    estimator._adopt(unpacked(found.x.astype(sample.x.dtype), objective).network)
    _warn_unless_converged(found, estimator)


def _minimum(estimator: Any, objective: Penalised, function: Any) -> Any:
    from scipy.optimize import minimize

    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        return minimize(
            function,
            packed(objective).astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=_print_iteration if estimator.verbose else None,
            options={"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol},
        )


def _function(estimator: Any, objective: Penalised, sample: Sample) -> Any:
    """Value and gradient of a vector in float64, in the precision of the data."""
    x = densified(sample.x)
    program = _program(error_of(estimator._loss, estimator.out_activation_))

    def value_and_gradient(w: Array) -> tuple[float, Array]:
        value, gradient = program(w.astype(x.dtype, copy=False), objective, (x, sample.targets))
        return float(value), gradient.astype(np.float64, copy=False)

    return value_and_gradient


@functools.lru_cache(maxsize=32)
def _program(error: Any) -> Any:

    def of_vector(w: Array, objective: Penalised, data: Any) -> Any:
        return error(unpacked(w, objective)(data[0]), data[1])

    return jit(value_and_grad(of_vector))


def in_order(objective: Penalised) -> dict[str, Array]:
    """The parameters, matrices first."""
    found = nn.parameters(objective)
    return dict(sorted(found.items(), key=lambda item: item[1].ndim < 2))


def packed(objective: Penalised) -> Array:
    """The parameters as one vector."""
    return np.concatenate([w.ravel() for w in in_order(objective).values()])


def unpacked(w: Array, objective: Penalised) -> Penalised:
    """The network whose parameters a vector holds."""
    arrays, start = {}, 0
    for name, like in in_order(objective).items():
        arrays[name] = w[start : start + like.size].reshape(like.shape)
        start += like.size
    return nn.replaced(objective, arrays)


def _print_iteration(intermediate_result: Any) -> None:
    print(f"loss = {intermediate_result.fun:.8f}")


def _warn_unless_converged(found: Any, estimator: Any) -> None:
    if found.status != 0:
        warn(
            f"lbfgs failed to converge after {found.nit} iteration(s) (status={found.status}):\n"
            f"{found.message}\n"
            f"Raise max_iter={estimator.max_iter} or max_fun={estimator.max_fun}, or scale the data.",
            not_converged(),
        )
