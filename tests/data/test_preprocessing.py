"""From a table to the inputs of a network."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wengert import data
from wengert.errors import DataError


def mixed(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    town = rng.integers(0, 40, rows)
    return data.Table.of_cells(
        "t.csv",
        ["age", "town", "color", "when", "on", "none"],
        [
            [
                "" if rng.random() < 0.1 else f"{rng.normal():.3f}",
                f"town {town[i]}",
                str(rng.choice(["red", "blue", ""])),
                str(np.datetime64("2020-01-01") + np.timedelta64(i, "D")),
                str(rng.choice(["yes", "no"])),
                "",
            ]
            for i in range(rows)
        ],
    )


TABLE = mixed()
COLUMNS = TABLE.names
FITTED = data.Preprocessing.fit(TABLE, COLUMNS)


def test_every_kind_is_told():
    assert [e.kind for e in FITTED.encoders] == ["number", "embedding", "category", "date", "boolean"]
    told = [str(line) for line in FITTED.describe()]
    assert told[0].startswith("age: number, 38 missing → mean and indicator, standardised by ")
    assert told[1] == "town: category, 40 values as vectors of 7 numbers"
    assert told[3] == "when: date, trend, week cycle, year cycle"
    assert told[5] == "none: empty, not used"
    assert FITTED.unused == (("none", "empty"),)


def test_features_know_their_columns():
    x = FITTED.transform(TABLE)
    assert x.shape == (400, len(FITTED.features)) == (400, len(FITTED.origins))
    assert x.dtype == np.float32 and np.isfinite(x).all()
    assert FITTED.origins[:2] == ("age", "age") and FITTED.features[:2] == ("age", "age is missing")
    assert set(FITTED.origins) == set(FITTED.columns) - {"town"}


def test_embedded_columns_are_codes_behind_the_features():
    codes = FITTED.codes(TABLE)
    assert codes.dtype == np.int32 and codes.min() == 1 and codes.max() == 40
    both = FITTED.inputs(TABLE, np.float64)
    np.testing.assert_array_equal(both[:, :-1], FITTED.transform(TABLE, np.float64))
    np.testing.assert_array_equal(both[:, -1:], codes)


def test_only_the_training_part_is_learnt_from():
    rows = np.arange(200)
    part = data.Table("p", {n: take(c, rows) for n, c in TABLE.columns.items()})
    assert data.Preprocessing.fit(TABLE, COLUMNS[:5], rows[::-1]).features == (
        data.Preprocessing.fit(part, COLUMNS[:5]).features
    )
    one, other = data.Preprocessing.fit(TABLE, ["age"], rows), data.Preprocessing.fit(part, ["age"])
    assert one == other


def take(column, rows):
    if isinstance(column, data.Words):
        return data.Words(column.labels, column.codes[rows])
    return type(column)(column.values[rows])


def test_the_order_of_columns_and_other_columns_do_not_matter():
    shuffled = data.Table("s", dict(reversed(TABLE.columns.items())) | {"extra": data.Opaque("BLOB", 400)})
    np.testing.assert_array_equal(FITTED.inputs(shuffled), FITTED.inputs(TABLE))


def test_many_rows_are_the_same_as_few():
    table = mixed(10_000)
    fitted = data.Preprocessing.fit(table, COLUMNS)
    x = fitted.transform(table)
    rows = np.array([0, 4095, 4096, 9999])
    few = data.Table("f", {n: take(c, rows) for n, c in table.columns.items()})
    np.testing.assert_array_equal(fitted.transform(few), x[rows])


def test_the_state_comes_back():
    description, numbers = FITTED.state()
    again = data.Preprocessing.from_state(json.loads(json.dumps(description)), numbers)
    assert again == FITTED
    np.testing.assert_array_equal(again.inputs(TABLE), FITTED.inputs(TABLE))
    for wrong in (numbers[:-1], np.append(numbers, 0.0), numbers[:, None]):
        with pytest.raises(ValueError, match="numbers described"):
            data.Preprocessing.from_state(description, wrong)


def test_columns_that_are_not_there():
    less = TABLE.without(["age", "color"])
    with pytest.raises(
        DataError, match=r"t.csv:1: no column 'age', 'color'; the file has the columns town, "
    ):
        FITTED.transform(less)
    x = FITTED.transform(FITTED.completed(less))
    assert (x[:, 0] == 0).all() and (x[:, 1] == 1).all()
    assert FITTED.completed(TABLE).columns == TABLE.columns


def test_surprises_are_told():
    most = "yes" if FITTED.encoders[4].mode > 0 else "no"
    new = data.Table.of_cells("n.csv", COLUMNS, [["1", "Ulm", "pink", "2020-01-01", "", ""]])
    assert FITTED.surprises(new) == [
        "town: 'Ulm' in 1 row, never in training; the vector for these instead",
        "color: 'pink' in 1 row, never in training; zeros instead",
        f"on: missing in 1 row and never in training; {most} instead",
    ]
    assert FITTED.surprises(TABLE) == []


def test_numbers_may_be_said_to_be_categories():
    table = data.Table.of_cells(
        "t.csv", ["month", "zip"], [[str(i % 12 + 1), str(i % 50)] for i in range(600)]
    )
    fitted = data.Preprocessing.fit(table, table.names, categories=["month", "zip"])
    assert [e.kind for e in fitted.encoders] == ["category", "embedding"]
    assert fitted.features[:3] == ("month = 1", "month = 2", "month = 3")
    assert fitted.transform(table).sum() == 600
    with pytest.raises(DataError, match="no column 'day'"):
        data.Preprocessing.fit(table, table.names, categories=["day"])


def test_columns_of_text_are_refused_together():
    rows = [[str(i), f"name {i}", f"address {i}", f"note {i % 3}"] for i in range(90)]
    table = data.Table.of_cells("t.csv", ["n", "name", "address", "note"], rows)
    with pytest.raises(DataError) as caught:
        data.Preprocessing.fit(table, table.names)
    assert str(caught.value) == (
        "t.csv:1: columns 'name' (90 different values in 90 rows), "
        "'address' (90 different values in 90 rows) are text; leave them out "
        "(--ignore name --ignore address), or say that they hold categories (--category name)"
    )
    assert len(data.Preprocessing.fit(table, table.names, categories=["name", "address"]).embedded) == 2


def test_nothing_to_predict_from():
    with pytest.raises(DataError, match=r"t.csv: no column holds anything to predict from; fill some in"):
        data.Preprocessing.fit(TABLE, ["none"])


CELL = st.one_of(
    st.just(""), st.floats(-1e6, 1e6).map(str), st.sampled_from(["yes", "no", "red", "2020-01-01"])
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=12))
def test_whatever_can_be_fitted_is_finite_and_comes_back(rows):
    table = data.Table.of_cells("t.csv", ["a", "b"], rows)
    try:
        fitted = data.Preprocessing.fit(table, ["a", "b"])
    except DataError:
        return
    x = fitted.inputs(table, np.float64)
    assert np.isfinite(x).all() and fitted.surprises(table) == []
    description, numbers = fitted.state()
    again = data.Preprocessing.from_state(json.loads(json.dumps(description)), numbers)
    np.testing.assert_array_equal(again.inputs(table, np.float64), x)
