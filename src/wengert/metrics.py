r"""How good predictions are, as people report it.

.. math::
    \text{accuracy} = \frac1N \sum_n [\hat k_n = k_n], \qquad
    R^2 = 1 - \frac{\sum_n (y_n - t_n)^2}{\sum_n (t_n - \bar t)^2}.
"""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


def accuracy(classes: Array, targets: Array) -> float:
    """The share of patterns whose class is the right one."""
    return float(np.mean(classes == targets))


def cross_entropy(probabilities: Array, targets: Array) -> float:
    r"""Mean of :math:`-\ln y_{nk}` of the right class, with :math:`y` kept above zero."""
    right = probabilities[np.arange(len(targets)), targets].astype(np.float64)
    return float(-np.mean(np.log(np.maximum(right, np.finfo(np.float64).tiny))))


@dataclass(frozen=True)
class ClassScore:
    """How one class fared: shares of those predicted and of those true that are right; their mean."""

    name: str
    precision: float
    recall: float
    f1: float
    rows: int


def class_scores(names: tuple[str, ...], classes: Array, targets: Array) -> list[ClassScore]:
    """Precision, recall and F1 of every class; 0 where there is nothing to divide by."""
    return [_class_score(name, classes == k, targets == k) for k, name in enumerate(names)]


def _class_score(name: str, predicted: Array, true: Array) -> ClassScore:
    right, claimed, rows = (int(np.sum(mask)) for mask in (predicted & true, predicted, true))
    return ClassScore(
        name, _share(right, claimed), _share(right, rows), _share(2 * right, claimed + rows), rows
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def rmse(y: Array, t: Array) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean(np.square(y - t))))


def mae(y: Array, t: Array) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(y - t)))


def r_squared(y: Array, t: Array) -> float:
    r"""Share of the variance explained, :math:`R^2`; NaN where the targets are all alike."""
    spread = np.sum(np.square(t - np.mean(t)))
    return float(1 - np.sum(np.square(y - t)) / spread) if spread > 0 else float("nan")
