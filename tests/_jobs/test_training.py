"""From a table to a problem: rows, weights, scales."""

import numpy as np
import pytest

from wengert._jobs.options import Options
from wengert._jobs.training import _weights, prepare
from wengert.data import Table
from wengert.errors import DataError


def table(**columns):
    cells = [list(map(str, row)) for row in zip(*columns.values())]
    return Table.of_cells("t.csv", tuple(columns), cells)


X = list(range(100))


def test_balanced_weights_come_from_the_training_part():
    names = ["rare" if i % 10 == 0 else "common" for i in X]
    options = Options(class_weights="balanced", validation_fraction=0.2, split="random")
    problem = prepare(table(x=X, target=names), options)
    weights = _weights(problem, options)
    t, rows = problem.target.values, problem.parts.training
    assert weights[rows].sum() == pytest.approx(len(rows))
    for k in (0, 1):
        assert weights[rows][t[rows] == k].sum() == pytest.approx(len(rows) / 2)
        assert len(np.unique(weights[t == k])) == 1


def test_weights_of_labels_are_multiplied():
    options = Options(targets=("odd", "late"), class_weights="1=3,0=1")
    problem = prepare(table(x=X, odd=[i % 2 for i in X], late=[i // 50 for i in X]), options)
    labels = problem.target.values
    np.testing.assert_allclose(_weights(problem, options), 3.0 ** labels.sum(axis=1))


def test_counts_are_not_standardised_and_not_negative():
    counts = [i % 7 + 100 * (i == 3) for i in X]
    problem = prepare(table(x=X, target=counts), Options(loss="poisson", task="regression"))
    assert problem.kind == "count"
    assert (problem.outputs.mean, problem.outputs.scale) == (0, 1)
    with pytest.raises(DataError, match=r"t.csv:5: a negative target is no count; choose another --loss"):
        prepare(table(x=X, target=[-2 if i == 3 else i for i in X]), Options(loss="poisson"))
