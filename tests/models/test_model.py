"""What a model makes of a table, and of the outputs of its network."""

import dataclasses

import numpy as np
import pytest

from tests.models.helpers import model
from wengert import nn
from wengert.data import Table
from wengert.errors import DataError

X = np.random.default_rng(1).normal(size=(6, 2))
SCALED = (X - [1, 2]) / [3, 4]


# --- predicting


def test_probabilities_of_classes():
    y = model().predict(X)
    assert y.shape == (6, 3)
    np.testing.assert_allclose(y.sum(axis=1), 1)


def test_probabilities_of_two_classes():
    two = model(classes=("no", "yes"))
    y = two.predict(X)
    a = two.network(SCALED)
    np.testing.assert_allclose(
        y, np.concatenate([1 / (1 + np.exp(a)), 1 / (1 + np.exp(-a))], axis=1), rtol=1e-5
    )


def test_numbers_come_in_the_units_of_the_target():
    number = model("regression", ())
    np.testing.assert_allclose(number.predict(X), 10 + 2 * number.network(SCALED)[:, 0], rtol=1e-5)


def test_columns_are_found_by_name():
    table = Table.of_cells("t.csv", ("y", "other", "x"), [["2", "text", "1"], ["4", "", "3"]])
    np.testing.assert_array_equal(model().predict_table(table), model().predict(np.array([[1, 2], [3, 4]])))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_data_frame_is_taken_by_the_names_of_its_columns(library):
    frame = pytest.importorskip(library).DataFrame({"y": X[:, 1], "other": ["text"] * 6, "x": X[:, 0]})
    np.testing.assert_array_equal(model().predict(frame), model().predict(X))
    with pytest.raises(DataError, match="data frame: no column 'x'"):
        model().predict(frame[["y"]])


def test_rates_of_counts_are_positive():
    counts = dataclasses.replace(model("regression", ()), kind="count")
    np.testing.assert_allclose(
        counts.predict(X), 10 + 2 * np.exp(np.float64(counts.network(SCALED)[:, 0])), rtol=1e-5
    )


def test_values_beyond_computing_are_refused():
    table = Table.of_cells("t.csv", ("x", "y"), [["1", "2"], ["1e300", "-1e300"]])
    layer = nn.Dense(np.ones((2, 1), np.float32), np.zeros(1, np.float32), nn.identity)
    linear = dataclasses.replace(model("regression", ()), network=nn.MLP((layer,)))
    with pytest.raises(DataError, match=r"t.csv:3: the values are too far from those of the training data"):
        linear.predict_table(table)
