r"""The error that an estimator makes small: that of the data, and a penalty on large weights.

.. math:: E(\mathbf w) = \frac{\sum_n s_n E_n(\mathbf w)}{\sum_n s_n}
          + \frac{\alpha}{2 \sum_n s_n} \sum_l \lVert \mathbf W_l \rVert^2,

with a weight :math:`s_n` of each pattern, 1 unless given, summed over the minibatch. Biases are not
penalised. The numbers are those that scikit-learn reports. They differ from the error itself in two places,
where the gradient is left as it is: of squares the mean over the outputs is reported, while their sum is
descended; and no probability is taken as smaller than the rounding unit :math:`\epsilon`, so that no pattern
counts more than :math:`-\ln \epsilon`.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert import losses, nn
from wengert._refusals import name_of, takes
from wengert.api import stop_gradient
from wengert.train._own_losses import inspected, with_weights

Array = np.ndarray


@dataclass(frozen=True)
class Penalised:
    r"""A network whose outputs go with the penalty :math:`\frac\alpha2 \sum_l \lVert\mathbf W_l\rVert^2`.

    Parameters
    ----------
    network
        The network.
    alpha
        The strength of the penalty: an array, so that another strength needs no other machine code.
    """

    network: Any
    alpha: Array = field(metadata={"trained": False})

    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Outputs and penalty."""
        return self.network(x), self._penalty()

    def forward(self, x: Array, key: Any) -> tuple[tuple[Array, Array], "Penalised"]:
        """The pass in training."""
        y, after = nn.forward(self.network, x, key)
        return (y, self._penalty()), Penalised(after, self.alpha)

    @property
    def draws(self) -> bool:
        """Whether the network draws random numbers in training."""
        return nn.needs_key(self.network)

    def _penalty(self) -> Array:
        matrices = [w for w in nn.parameters(self.network).values() if np.ndim(w) > 1]
        return 0.5 * self.alpha * sum(np.sum(w * w) for w in matrices)


def _error(pattern_errors: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    """The penalised error of outputs and targets, or of outputs and (targets, weights)."""

    def error(y: tuple[Array, Array], targets: Array | tuple[Array, Array]) -> Array:
        outputs, penalty = y
        if not isinstance(targets, tuple):
            e = pattern_errors(outputs, targets)
            return np.mean(e) + penalty / len(e)
        t, weights = targets
        e = pattern_errors(outputs, t)
        total = np.sum(weights)
        total = np.where(total == 0, 1, total)  # of a minibatch whose weights are all zero
        return (np.sum(weights * e) + penalty) / total

    error.__module__, error.__qualname__ = __name__, pattern_errors.__name__
    return error


def _reported(value: Array, descended: Array) -> Array:
    """One number with the derivative of another, which adds 0 to it, however large it is."""
    return stop_gradient(value) + (descended - stop_gradient(descended))


def _squared_error(y: Array, t: Array) -> Array:
    squares = np.square(y - t)
    e = 0.5 * np.sum(squares, axis=1)
    return e if y.shape[1] == 1 else _reported(e / y.shape[1], e)


def _poisson(a: Array, t: Array) -> Array:
    constant = np.where(t > 0, t * np.log(np.where(t > 0, t, 1)), 0) - t
    return np.sum(np.exp(a) - t * a + constant, axis=1)


def _capped(e: Array) -> Array:
    return _reported(np.minimum(e, -np.log(np.finfo(e.dtype).eps).astype(e.dtype)), e)


def _softmax(a: Array, k: Array) -> Array:
    shifted = a - stop_gradient(np.max(a, axis=1, keepdims=True))
    at_target = np.take_along_axis(shifted, k[:, None], axis=1)[:, 0]
    return _capped(np.log(np.sum(np.exp(shifted), axis=1)) - at_target)


def _logistic(a: Array, t: Array) -> Array:
    return np.sum(_capped(np.logaddexp(0.0, a) - t * a), axis=1)


# By the activation function of the output units, with which the error is paired by likelihood.
ERRORS = {
    "identity": _error(_squared_error),
    "exp": _error(_poisson),
    "softmax": _error(_softmax),
    "logistic": _error(_logistic),
}


OWN = ("log_loss", "squared_error", "poisson")


@functools.lru_cache(maxsize=32)
def error_of(loss: Any, activation: str) -> Callable[..., Array]:
    """The penalised error of an estimator: one of those above, or a function of outputs and targets."""
    return ERRORS[activation] if loss in OWN else _of_function(loss)


def _of_function(loss: Callable[..., Array]) -> Callable[..., Array]:
    of_data = inspected(loss)

    def error(y: tuple[Any, Array], targets: Any) -> Array:
        outputs, penalty = y
        if not isinstance(targets, tuple):
            return of_data(outputs, targets) + penalty / len(targets)
        t, weights = targets
        total = np.sum(weights)
        return of_data(outputs, t, weights) + penalty / np.where(total == 0, 1, total)

    # Whose code it is decides whether it can change between two trainings.
    error.__module__ = getattr(loss, "__module__", None) or "unknown"
    return error


def named_loss(loss: Any, names: dict[str, Any]) -> Any:
    """A loss of these by its name; those in scikit-learn's scale, and functions, are their own answer."""
    return names[loss] if isinstance(loss, str) and loss not in OWN else loss


# By name: for output units each of two classes, and for classes that exclude each other.
CLASSES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "focal": lambda: (losses.BinaryFocal(), losses.Focal()),
    "hinge": lambda: (losses.hinge, losses.multiclass_hinge),
}

OF_NUMBERS = ("number", "quantile", "number with variance", "rate")
# The kinds of target that output units may be for, by what they are said to tell.
KINDS = {
    "numbers": (*OF_NUMBERS, "count"),
    "two classes": ("two classes", "two classes by margin"),
    "several labels": ("labels", "two classes by margin"),
    "classes": ("classes", "classes by margin"),
}


def require_kind(loss: Any, targets: str) -> None:
    """Refuse an error of this package that is for other targets."""
    if loss in OWN:
        return
    found, fitting = losses.kinds_of(loss), KINDS[targets]
    if found and not {*found} & {*fitting}:
        others = dict.fromkeys(name_of(e) for kind in fitting for e in losses.LIKELIHOODS[kind].losses)
        raise ValueError(
            f"loss: {name_of(loss)} is for a target of the kind {found[0]!r}, and the targets are {targets}; "
            f"take another of wengert.losses: {', '.join(others)}"
        )


def require_weighted(loss: Any) -> None:
    """Refuse an error that takes no weights where patterns have some."""
    if callable(loss) and not takes(loss, 3):
        raise ValueError(
            f"loss: {name_of(loss)} takes no weights of patterns, and sample_weight or class_weight gives "
            f"some; {with_weights(loss)}"
        )


def is_of_squares(loss: Any) -> bool:
    """Whether an error is a sum of squares, in any scale."""
    return loss == "squared_error" or any(loss is squares for squares in losses.SUMS_OF_SQUARES)


def is_of_margins(loss: Any) -> bool:
    """Whether an error of classes speaks of margins, and not of probabilities."""
    return any(kind.endswith("by margin") for kind in losses.kinds_of(loss))
