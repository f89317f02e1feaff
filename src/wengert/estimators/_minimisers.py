r"""Optimisers that take all patterns at once: L-BFGS, conjugate gradients, Levenberg and Marquardt.

They are given the penalised error of all patterns as a function of the parameters, or, where it is a sum of
squares without a penalty, the residuals of one pattern,

.. math:: \mathbf r_n = \sqrt{s_n}\, (\mathbf y_n - \mathbf t_n), \qquad
          E(\mathbf w) = \frac{1}{2 \sum_n s_n} \sum_n \lVert \mathbf r_n \rVert^2,

and stop by tolerances of their own.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert import nn
from wengert.api import jit
from wengert.core import tree
from wengert.errors import warn
from wengert.estimators._descent import objective_of, require_finite_weights
from wengert.estimators._inputs import densified
from wengert.estimators._joining import not_converged
from wengert.estimators._objective import Penalised, error_of, is_of_squares
from wengert.estimators._sample import Sample

Array = np.ndarray


def minimise(estimator: Any, sample: Sample) -> None:
    """Train until the optimiser says that it is done, or the iterations are over."""
    objective, error = objective_of(estimator), error_of(estimator._loss, estimator.out_activation_)
    x = densified(sample.x)
    value = _error_of_parameters(error)
    told = _printed(lambda w: value(w, objective, x, sample.targets)) if estimator.verbose else None
    run = {"error": _by_error, "residuals": _by_residuals}[estimator.optimizer.wants]
    found = run(estimator, objective, value, x, sample, told)
    w = tree.map(lambda leaf: np.asarray(leaf, x.dtype), found.x)
    require_finite_weights(*w.values())
    estimator.n_iter_ = int(min(found.get("nit", found.get("njev", 0)), estimator.max_iter))
    estimator.loss_ = float(value(w, objective, x, sample.targets))
    estimator._adopt(nn.replaced(objective, w).network)
    _warn_unless_converged(found, estimator)


def _by_error(
    estimator: Any, objective: Penalised, value: Callable[..., Any], x: Array, sample: Sample, told: Any
) -> Any:
    data = (objective, x, sample.targets)
    return estimator.optimizer.minimise(value, nn.parameters(objective), data, estimator.max_iter, told)


def _by_residuals(
    estimator: Any, objective: Penalised, value: Callable[..., Any], x: Array, sample: Sample, told: Any
) -> Any:
    name = type(estimator.optimizer).__name__
    if not is_of_squares(estimator._loss):
        raise ValueError(f"optimizer: {name} needs a sum of squares; set loss='squared_error' of a regressor")
    if estimator.alpha:
        raise ValueError(f"optimizer: {name} takes no penalty on the weights; set alpha=0")

    def residuals(w: Any, x: Array, t: Array, weight: Any = 1.0) -> Any:
        return np.sqrt(weight) * (nn.replaced(objective, w).network(x[None]) - t[None])[0]

    rows = (x, sample.t) if sample.weights is None else (x, sample.t, sample.weights)
    return estimator.optimizer.minimise(residuals, nn.parameters(objective), rows, estimator.max_iter, told)


@functools.lru_cache(maxsize=32)
def _error_of_parameters(error: Any) -> Any:
    def of_parameters(w: Any, objective: Penalised, x: Array, targets: Any) -> Any:
        return error(nn.replaced(objective, w)(x), targets)

    return jit(of_parameters)


def _printed(error: Callable[[Any], Any]) -> Callable[[Any, float], None]:
    return lambda w, _: print(f"loss = {float(error(w)):.8f}")


def _warn_unless_converged(found: Any, estimator: Any) -> None:
    if not found.success:
        name = type(estimator.optimizer).__name__
        warn(
            f"{name} failed to converge after {estimator.n_iter_} iteration(s): {found.message}\nRaise "
            f"max_iter={estimator.max_iter}, or scale the data.",
            not_converged(),
        )
