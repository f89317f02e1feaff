r"""How good predictions are, as people report it.

.. math::
    \text{accuracy} = \frac1N \sum_n [\hat k_n = k_n], \qquad
    R^2 = 1 - \frac{\sum_n (y_n - t_n)^2}{\sum_n (t_n - \bar t)^2}.

Every metric is a function of predictions and targets, in this order, and on request of one weight for each
pattern: the metric of a data set in which pattern :math:`n` occurs :math:`w_n` times. It is computed in
double precision and is one number; of several outputs the mean. Predicted and true classes may be of any
type; where columns of probabilities belong to the classes, these are the numbers 0, 1, ... of the columns.
What wants classes makes none of outputs, because logits change over at 0 and probabilities at 0.5. A single
output may be a column of shape (N, 1) if the targets are too. Anything else, and negative weights, raise a
ValueError that says what to write.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert._patterns import along, mean, same_shape

__all__ = [
    "accuracy",
    "balanced_accuracy",
    "confusion",
    "class_scores",
    "ClassScore",
    "f1",
    "cross_entropy",
    "log_loss",
    "brier",
    "roc_auc",
    "mse",
    "rmse",
    "mae",
    "median_absolute_error",
    "pinball",
    "r_squared",
    "explained_variance",
    "poisson_deviance",
]


def __dir__() -> list[str]:
    return __all__


Array = np.ndarray
Weights = Array | None
TINY = float(np.finfo(np.float64).tiny)

# ------------------------------------------------------------------------------------------- classes


def accuracy(classes: Array, targets: Array, weights: Weights = None) -> float:
    """The share of patterns whose class is the right one; of several labels, all of them.

    Examples
    --------
    >>> accuracy(np.array([0, 1, 1, 0]), np.array([0, 1, 1, 1]))
    0.75
    """
    classes, targets = _classes(classes, targets)
    right = classes == targets
    return float(mean(right.reshape(len(right), -1).all(axis=1).astype(np.float64), weights))


def _classes(classes: Any, targets: Any) -> tuple[Array, Array]:
    """Predicted and true classes, one for each pattern, or for each label of each pattern."""
    classes, targets = np.asarray(classes), np.asarray(targets)
    if classes.ndim == targets.ndim + 1:
        what = f"predictions of shape {classes.shape} name no class for each of the targets"
        raise ValueError(f"{what}; {_of_outputs(classes)}")
    if classes.dtype.kind == "f" and (classes != np.rint(classes)).any():
        number = classes[classes != np.rint(classes)][0]
        raise ValueError(f"predictions such as {number:g} are no classes; {_of_outputs(classes)}")
    return classes, same_shape(targets, classes)


def _of_outputs(y: Array) -> str:
    """How classes are made of outputs."""
    if y.ndim > 1 and y.shape[-1] > 1:
        return "of outputs y, one for each class, give np.argmax(y, axis=-1)"
    one = "y[:, 0]" if y.ndim > 1 else "y"
    return f"of outputs y give {one} > 0 if they are logits, and {one} > 0.5 if they are probabilities"


def _single_classes(classes: Any, targets: Any) -> tuple[Array, Array]:
    """Predicted and true classes, one for each pattern."""
    classes, targets = _classes(classes, targets)
    if classes.ndim != 1:
        raise ValueError(
            f"classes of shape {classes.shape} are not one for each pattern; give one column of them, and of "
            "the targets: classes[:, 0], targets[:, 0]"
        )
    return classes, targets


def balanced_accuracy(classes: Array, targets: Array, weights: Weights = None) -> float:
    """The mean, over the classes that occur, of the share of their patterns that is recognised.

    Examples
    --------
    >>> balanced_accuracy(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1]))
    0.5
    """
    return float(np.mean([k.recall for k in _scores_by_name(classes, targets, weights) if k.rows]))


def confusion(classes: Array, targets: Array, count: int, weights: Weights = None) -> Array:
    """How many patterns of each class (row) were taken for each class (column), of classes 0 to count - 1.

    Examples
    --------
    >>> confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), count=2)
    array([[1, 1],
           [0, 1]])
    """
    classes, targets = _single_classes(classes, targets)
    pairs = targets.astype(int) * count + classes.astype(int)
    counted = None if weights is None else _weights(weights, pairs)
    return np.bincount(pairs, counted, count * count).reshape(count, count)


@dataclass(frozen=True)
class ClassScore:
    """How one class fared: shares of those predicted and of those true that are right; their mean.

    ``rows`` counts the patterns of the class, or adds their weights.
    """

    name: str
    precision: float
    recall: float
    f1: float
    rows: float


def class_scores(
    names: tuple[str, ...], classes: Array, targets: Array, weights: Weights = None
) -> list[ClassScore]:
    """Precision, recall and F1 of every class; 0 where there is nothing to divide by.

    Examples
    --------
    >>> [score] = class_scores(("a",), np.array([0, 1, 0]), np.array([0, 0, 1]))
    >>> score.precision, score.recall, score.rows
    (0.5, 0.5, 2)
    """
    count = max(len(names), 1 + int(max(np.max(classes), np.max(targets))))
    table = confusion(classes, targets, count, weights)
    columns = (np.diag(table).tolist(), table.sum(axis=0).tolist(), table.sum(axis=1).tolist())
    return [_class_score(name, *counts) for name, *counts in zip(names, *columns)]


def _class_score(name: str, right: float, claimed: float, rows: float) -> ClassScore:
    return ClassScore(
        name, _share(right, claimed), _share(right, rows), _share(2 * right, claimed + rows), rows
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def f1(classes: Array, targets: Array, weights: Weights = None) -> float:
    r"""The mean of F1 over the classes that occur or are predicted ("macro").

    .. math:: F_1 = \frac{2}{1/\text{precision} + 1/\text{recall}}

    Examples
    --------
    >>> f1(np.array(["a", "b", "b"]), np.array(["a", "a", "b"]))
    0.666667
    """
    return float(np.mean([k.f1 for k in _scores_by_name(classes, targets, weights)]))


def _scores_by_name(classes: Array, targets: Array, weights: Weights) -> list[ClassScore]:
    """The scores of the classes that occur or are predicted, of whatever type they are."""
    both = np.concatenate(_single_classes(classes, targets))
    names, index = np.unique(both, return_inverse=True)
    predicted, true = np.split(index, 2)
    return class_scores(tuple(map(str, names)), predicted, true, weights)


# ------------------------------------------------------------------------------------- probabilities


def cross_entropy(probabilities: Array, targets: Array, weights: Weights = None) -> float:
    r"""Mean of :math:`-\ln y_{nk}` of the right class, with :math:`y` kept above zero.

    Examples
    --------
    >>> cross_entropy(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 1]))
    0.490415
    """
    y, t = np.asarray(probabilities), np.asarray(targets)
    if y.ndim != 2 or y.shape[1] == 1:
        raise ValueError(
            f"cross_entropy needs a column of probabilities for each class, not shape {y.shape}; of one "
            "probability for each pattern take log_loss"
        )
    if t.shape != y.shape[:1] or t.dtype.kind not in "biu":
        raise ValueError(
            f"cross_entropy needs the number of a class for each pattern, not targets of "
            f"{t.dtype}{list(t.shape)}; "
            "of 1-of-K columns t give np.argmax(t, axis=-1), of a single column t[:, 0]"
        )
    if len(t) and not 0 <= t.min() <= t.max() < y.shape[1]:
        raise ValueError(
            f"classes {t.min()} to {t.max()} have not one of {y.shape[1]} columns each; count from 0"
        )
    right = y[np.arange(len(t)), t.astype(int)].astype(np.float64)
    return float(-mean(np.log(np.maximum(right, TINY)), weights))


def log_loss(probabilities: Array, targets: Array, weights: Weights = None) -> float:
    r"""Cross-entropy of two-class targets (0 or 1), whose probabilities of 1 are given, kept above zero.

    .. math:: -\frac1N \sum_n \{ t_n \ln y_n + (1 - t_n) \ln(1 - y_n) \}

    Examples
    --------
    >>> log_loss(np.array([0.5, 0.75]), np.array([0, 1]))
    0.490415
    """
    if np.ndim(probabilities) == 2 and np.ndim(targets) == 1 and np.shape(probabilities)[1] > 1:
        raise ValueError(
            f"log_loss needs the probability of class 1, not columns of shape {np.shape(probabilities)}; of "
            "two columns y give y[:, 1], of more take cross_entropy"
        )
    y, t = _numbers(probabilities, targets)
    one, zero = (np.log(np.maximum(p, TINY)) for p in (y, 1 - y))
    return float(-mean(t * one + (1 - t) * zero, weights))


def brier(probabilities: Array, targets: Array, weights: Weights = None) -> float:
    r"""Mean squared distance of the probabilities from what happened.

    .. math:: \frac1N \sum_n \sum_k (y_{nk} - t_{nk})^2

    Two classes count half of it, :math:`(y_n - t_n)^2`, whether their probabilities are two columns or one.

    Examples
    --------
    >>> brier(np.array([0.5, 0.75]), np.array([0, 1]))
    0.15625
    >>> brier(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 1]))
    0.15625
    """
    y, t = _numbers(probabilities, _rows(targets, probabilities))
    classes = 1 if y.ndim == 1 else y.shape[1]
    return float(mean(np.square(y - t), weights)) * (classes if classes > 2 else 1)


def roc_auc(scores: Array, targets: Array, weights: Weights = None) -> float:
    r"""Area under the receiver operating characteristic: how often a positive outscores a negative pattern.

    .. math:: P(y_+ > y_-) + \tfrac12 P(y_+ = y_-)

    Scores of shape (N,) go with targets 0 or 1. A column for each class goes with integer targets, a column
    for each label with columns of 0 and 1: then the mean over the columns, each against the rest. NaN where
    one of the two sides is empty.

    Examples
    --------
    >>> roc_auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75

    References
    ----------
    Hanley and McNeil, *The meaning and use of the area under a ROC curve* (1982).
    """
    y, t = _numbers(scores, _rows(targets, scores))
    w = _weights(weights, y)
    return float(np.mean([_auc(*pair, w) for pair in zip(_columns(y), _columns(t))]))


def _auc(y: Array, t: Array, w: Array) -> float:
    """The pairs, counted level by level of the score."""
    _, level = np.unique(y, return_inverse=True)
    positive, negative = np.bincount(level, w * (t > 0)), np.bincount(level, w * (t <= 0))
    below = np.cumsum(negative) - negative
    pairs = positive.sum() * negative.sum()
    return positive @ (below + negative / 2) / pairs if pairs else np.nan


def _rows(targets: Array, y: Array) -> Array:
    """Indices of classes in 1-of-K coding where the predictions have a column for each class."""
    targets = np.asarray(targets)
    one_a_row = np.ndim(y) == 2 and np.shape(y)[1] > 1 and np.ndim(targets) == 1
    return targets[:, None] == np.arange(np.shape(y)[1]) if one_a_row else targets


# ------------------------------------------------------------------------------------------- numbers


def mse(y: Array, t: Array, weights: Weights = None) -> float:
    """Mean squared error.

    Examples
    --------
    >>> mse(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    2.5
    """
    y, t = _numbers(y, t)
    return float(mean(np.square(y - t), weights))


def rmse(y: Array, t: Array, weights: Weights = None) -> float:
    """Root of the mean squared error; of several outputs the mean of their roots.

    Examples
    --------
    >>> rmse(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    1.581139
    """
    return float(np.mean([mse(*pair, weights) ** 0.5 for pair in _outputs(y, t)]))


def mae(y: Array, t: Array, weights: Weights = None) -> float:
    """Mean absolute error.

    Examples
    --------
    >>> mae(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    1.5
    """
    y, t = _numbers(y, t)
    return float(mean(np.abs(y - t), weights))


def median_absolute_error(y: Array, t: Array, weights: Weights = None) -> float:
    """The absolute error that half of the patterns stay below.

    Examples
    --------
    >>> median_absolute_error(np.array([1.0, 2.0, 9.0]), np.array([0.0, 4.0, 0.0]))
    2.0
    """
    return float(np.mean([_median(np.abs(y - t), weights) for y, t in _outputs(y, t)]))


def _median(errors: Array, weights: Weights) -> float:
    """The middle one; with as much weight below as above, the mean of the two."""
    w = _weights(weights, errors)
    order = np.argsort(errors[w > 0])
    errors, reached = errors[w > 0][order], np.cumsum(w[w > 0][order])
    middle = [np.searchsorted(reached, reached[-1] / 2, side) for side in ("left", "right")]
    return float(np.mean(errors[np.minimum(middle, len(errors) - 1)]))


def pinball(y: Array, t: Array, q: float = 0.5, weights: Weights = None) -> float:
    r"""Mean of :math:`\max\{q (t - y), (q - 1)(t - y)\}`, least for the q-th quantile.

    Examples
    --------
    >>> pinball(np.array([1.0, 2.0]), np.array([0.0, 4.0]), q=0.75)
    0.875
    """
    y, t = _numbers(y, t)
    return float(mean(np.maximum(q * (t - y), (q - 1) * (t - y)), weights))


def r_squared(y: Array, t: Array, weights: Weights = None) -> float:
    r"""Share of the variance explained, :math:`R^2`; NaN where the targets are all alike.

    Examples
    --------
    >>> r_squared(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    0.5
    """
    return float(np.mean([_one_minus(mse(y, t, weights), _variance(t, weights)) for y, t in _outputs(y, t)]))


def explained_variance(y: Array, t: Array, weights: Weights = None) -> float:
    r"""Share of the variance explained, :math:`1 - \operatorname{var}(t - y)/\operatorname{var} t`.

    As :func:`r_squared`, but an error that is the same for all patterns costs nothing.

    Examples
    --------
    >>> explained_variance(np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    """
    pairs = [(_variance(t - y, weights), _variance(t, weights)) for y, t in _outputs(y, t)]
    return float(np.mean([_one_minus(*pair) for pair in pairs]))


def _variance(x: Array, weights: Weights) -> float:
    return float(mean(np.square(x - mean(x, weights)), weights))


def _one_minus(part: float, whole: float) -> float:
    return 1 - part / whole if whole > 0 else float("nan")


def poisson_deviance(y: Array, t: Array, weights: Weights = None) -> float:
    r"""Mean deviance of counts from their rates, :math:`\frac2N \sum_n \{t_n \ln(t_n/y_n) - t_n + y_n\}`.

    Examples
    --------
    >>> poisson_deviance(np.array([1.0, 2.0]), np.array([0.0, 2.0]))
    1.0
    """
    y, t = _numbers(y, t)
    ratio = np.divide(t, y, out=np.ones_like(y), where=t > 0)
    return float(2 * mean(t * np.log(ratio) - t + y, weights))


# --------------------------------------------------------------------------------------------- parts


def _numbers(y: Any, t: Any) -> tuple[Array, Array]:
    """Predictions and targets of one shape, in double precision."""
    y = np.asarray(y, np.float64)
    return y, same_shape(np.asarray(t), y)


def _columns(array: Array) -> Array:
    return array.reshape(len(array), -1).T


def _outputs(y: Any, t: Any) -> list[tuple[Array, Array]]:
    """Predictions and targets of each output."""
    return list(zip(*map(_columns, _numbers(y, t))))


def _weights(weights: Weights, rows: Array) -> Array:
    """One weight for each row, in double precision; 1 unless given."""
    return np.ones(len(rows)) if weights is None else along(weights, np.zeros(len(rows)))
