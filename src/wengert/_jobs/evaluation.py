r"""How good a model is on a table, and how sure that is.

Every score comes with an interval from the bootstrap: the rows are drawn anew with replacement, the score is
taken of each such sample, and of these the middle 95 % are told. A row drawn :math:`w_n` times has the weight
:math:`w_n`,

.. math:: w \sim \mathrm{Multinomial}\bigl(N; \tfrac1N, \ldots, \tfrac1N\bigr).

A *reliability diagram* asks of probabilities whether they are kept: among the patterns that were given the
probability p, a share of p should be of the class.

References
----------
Efron and Tibshirani, *An introduction to the bootstrap* (1993), 13; Guo, Pleiss, Sun and Weinberger, *On
calibration of modern neural networks*, ICML 2017.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from wengert import metrics
from wengert._jobs.training import true_values
from wengert.data import Table
from wengert.models import Model

Array = np.ndarray
Score = Callable[[Array, Array, Array | None], float]

SAMPLES, ROWS_IN_ALL = 1000, 50_000_000  # samples, fewer where there are many rows
SORTED_ROWS = 10_000  # the most for which scores that sort them have intervals
BINS = 10


def _classes(score: Any) -> Score:
    return lambda y, t, w: score(y.argmax(axis=1), t, w)


def _labels(score: Any) -> Score:
    return lambda y, t, w: score(y > 0.5, t > 0.5, w)


# By task, in the order in which they are told; the most telling comes last.
SCORES: dict[str, dict[str, Score]] = {
    "classification": {
        "cross_entropy": metrics.cross_entropy,
        "brier": metrics.brier,
        "roc_auc": lambda y, t, w: metrics.roc_auc(y[:, 1] if y.shape[1] == 2 else y, t, w),
        "balanced_accuracy": _classes(metrics.balanced_accuracy),
        "accuracy": _classes(metrics.accuracy),
    },
    "multi-label": {
        "cross_entropy": metrics.log_loss,
        "labels_right": lambda y, t, w: 1 - metrics.mae(y > 0.5, t > 0.5, w),
        "accuracy": _labels(metrics.accuracy),
    },
    "regression": {
        "mae": metrics.mae,
        "median_absolute_error": metrics.median_absolute_error,
        "rmse": metrics.rmse,
        "r2": metrics.r_squared,
    },
}
# These sort the rows of every sample.
SORTING = ("roc_auc", "median_absolute_error")

TITLES = {
    "cross_entropy": "cross-entropy",
    "brier": "Brier score",
    "roc_auc": "area under the ROC curve",
    "balanced_accuracy": "balanced accuracy",
    "labels_right": "labels right",
    "median_absolute_error": "median absolute error",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R²",
}


class Pairs(NamedTuple):
    """What a model says, and what is true."""

    y: Array
    t: Array


def pairs(model: Model, table: Table, rows: Array | None = None) -> Pairs:
    """Of these rows of a table, or of all."""
    y, t = model.predict_table(table), true_values(model, table)
    return Pairs(y, t) if rows is None else Pairs(y[rows], t[rows])


def evaluated(model: Model, found: Pairs, samples: int | None = None, seed: int = 0) -> dict[str, Any]:
    """Everything there is to say about a model's predictions."""
    y, t = found
    report = {
        "task": model.task,
        "target": ", ".join(model.targets),
        "rows": len(y),
        **{name: score(y, t, None) for name, score in SCORES[model.task].items()},
        "intervals": intervals(model.task, y, t, samples, seed),
    }
    return report | DETAILS[model.task](model, y, t)


def intervals(
    task: str, y: Array, t: Array, samples: int | None = None, seed: int = 0
) -> dict[str, tuple[float, float] | None]:
    """The middle 95 % of each score over bootstrap samples; None where a score is undefined."""
    count, rng = len(y), np.random.default_rng(seed)
    samples = samples or int(np.clip(ROWS_IN_ALL // count, 100, SAMPLES))
    names = [name for name in SCORES[task] if name not in SORTING or count <= SORTED_ROWS]
    drawn: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(samples):
        w = np.bincount(rng.integers(0, count, count), minlength=count).astype(np.float64)
        for name in names:
            drawn[name].append(SCORES[task][name](y, t, w))
    return {name: _middle(np.array(drawn[name])) if name in drawn else None for name in SCORES[task]}


def _middle(values: Array) -> tuple[float, float] | None:
    known = values[np.isfinite(values)]
    if len(known) < len(values) / 2:
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


# ------------------------------------------------------------------------------------------ details


def _of_classes(model: Model, y: Array, t: Array) -> dict[str, Any]:
    predicted = y.argmax(axis=1)
    return {
        "classes": [asdict(score) for score in metrics.class_scores(model.classes, predicted, t)],
        "confusion": metrics.confusion(predicted, t, len(model.classes)).tolist(),
        "reliability": reliability(y.max(axis=1), predicted == t),
    }


def _of_labels(model: Model, y: Array, t: Array) -> dict[str, Any]:
    scores = [
        metrics.class_scores(("no", name), (p > 0.5).astype(int), label.astype(int))[1]
        for name, p, label in zip(model.classes, y.T, t.T)
    ]
    return {"classes": [asdict(s) for s in scores], "reliability": reliability(y.ravel(), t.ravel() > 0.5)}


def _of_numbers(model: Model, y: Array, t: Array) -> dict[str, Any]:
    residuals = (t - y).reshape(len(y), -1)
    quantiles = np.quantile(residuals, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1], axis=0)
    names = ("least", "5 %", "25 %", "median", "75 %", "95 %", "most")
    return {
        "residuals": {
            name: dict(zip(names, column)) for name, column in zip(model.targets, quantiles.T.tolist())
        }
    }


DETAILS: dict[str, Callable[[Model, Array, Array], dict[str, Any]]] = {
    "classification": _of_classes,
    "multi-label": _of_labels,
    "regression": _of_numbers,
}


def reliability(probabilities: Array, happened: Array) -> dict[str, Any]:
    """Of the patterns in each tenth of the probabilities: how many, their mean, and what it came to.

    The *calibration error* is the mean distance of the two, each tenth counted by its patterns.
    """
    place = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    told = np.bincount(place, probabilities, BINS) / np.maximum(counts, 1)
    came = np.bincount(place, happened, BINS) / np.maximum(counts, 1)
    error = float(np.sum(counts * np.abs(told - came)) / len(place))
    bins = [
        {"rows": int(n), "probability": float(p), "share": float(q)}
        for n, p, q in zip(counts, told, came)
        if n
    ]
    return {"calibration_error": error, "bins": bins}
