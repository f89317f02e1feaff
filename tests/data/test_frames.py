"""Data frames of every library become the same table."""

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from wengert import data
from wengert.errors import DataError

FRAME = pd.DataFrame(
    {
        "whole": [1, -2, 3],
        "nullable": pd.array([1, None, 3], dtype="Int64"),
        "real": [1.5, np.nan, -2.0],
        "word": ["a", None, "b"],
        "category": pd.Categorical(["u", "v", None], categories=["w", "v", "u"]),
        "truth": [True, False, True],
        "nullable truth": pd.array([True, None, False], dtype="boolean"),
        "day": pd.to_datetime(["2020-01-01", None, "2020-02-01"]),
        "zoned": pd.to_datetime(["2020-01-01", None, "2020-02-01"]).tz_localize("Europe/Berlin"),
    }
)
TEXTS = {
    "whole": ["1", "-2", "3"],
    "nullable": ["1", "", "3"],
    "real": ["1.5", "", "-2"],
    "word": ["a", "", "b"],
    "category": ["u", "v", ""],
    "truth": ["true", "false", "true"],
    "nullable truth": ["true", "", "false"],
    "day": ["2020-01-01", "", "2020-02-01"],
    "zoned": ["2019-12-31T23:00:00", "", "2020-01-31T23:00:00"],
}
KINDS = {
    "pandas": lambda: FRAME,
    "pandas as pyarrow": lambda: FRAME.convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda: pl.from_pandas(FRAME),
    "polars, lazy": lambda: pl.from_pandas(FRAME).lazy(),
    "Arrow": lambda: pa.Table.from_pandas(FRAME),
    "DuckDB": lambda: duckdb.from_arrow(pa.Table.from_pandas(FRAME)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_library(kind):
    table = data.from_frame(KINDS[kind]())
    assert table.names == tuple(FRAME.columns)
    found = {name: [column.text(i) for i in range(3)] for name, column in table.columns.items()}
    assert found == TEXTS
    for name, column in table.columns.items():
        assert column.missing.tolist() == [text == "" for text in TEXTS[name]]


def test_moments_of_a_relation_are_of_utc_wherever_it_comes_from():
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'America/New_York'")
        relation = database.sql(
            "SELECT TIMESTAMPTZ '2020-01-01 12:00:00+01' AS a, TIMESTAMP '2020-01-01 12:00' AS b"
        )
        table = data.from_frame(relation)
    assert [column.text(0) for column in table.columns.values()] == [
        "2020-01-01T11:00:00",
        "2020-01-01T12:00:00",
    ]


@pytest.mark.parametrize(
    "value",
    [
        "['a']",
        "[DATE '2020-01-01']",
        "[1.5]",
        "[1, 2]::INTEGER[2]",
        "'a'::BLOB",
        "TIME '12:00'",
        "INTERVAL 1 DAY",
    ],
)
def test_types_without_a_number_are_known_by_name(value):
    table = data.from_frame(duckdb.sql(f"SELECT {value} AS x, 1 AS y"))
    assert isinstance(table.columns["x"], data.Opaque) and table.columns["y"].values.tolist() == [1]
    nothing = data.from_frame(
        duckdb.sql(f"SELECT CASE WHEN y > 1 THEN {value} END AS x FROM (SELECT 1 AS y)")
    )
    assert nothing.columns["x"].missing.all()


@pytest.mark.parametrize("kind", ["DECIMAL(6, 2)", "HUGEINT", "UTINYINT", "FLOAT", "UBIGINT"])
def test_types_of_numbers(kind):
    table = data.from_frame(duckdb.sql(f"SELECT unnest([7, NULL])::{kind} AS x"))
    np.testing.assert_array_equal(table.columns["x"].values, [7, np.nan])


def test_text_that_holds_numbers_stays_text():
    table = data.from_frame(pd.DataFrame({"zip": ["01234", "99999"]}))
    assert table.columns["zip"].labels == ("01234", "99999")


def test_python_objects():
    frame = pd.DataFrame(
        {"mixed": [1, "x", None], "lists": [[1], [2], []], "empty": pd.Series([None] * 3, dtype=object)}
    )
    table = data.from_frame(frame)
    assert [table.columns["mixed"].text(i) for i in range(3)] == ["1", "x", ""]
    assert table.columns["lists"] == data.Opaque("Python objects such as list", 3)
    assert table.columns["empty"].missing.all()


def test_frames_are_not_changed():
    frame = FRAME.copy(deep=True)
    data.Preprocessing.fit(data.from_frame(frame), ["whole", "real", "day"])
    pd.testing.assert_frame_equal(frame, FRAME)


def test_what_was_fitted_on_a_file_takes_a_frame(tmp_path):
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    read, given = data.read_table(str(tmp_path / "t.csv")), data.from_frame(FRAME)
    names = ["whole", "nullable", "real", "truth", "nullable truth", "day"]
    fitted = data.Preprocessing.fit(read, names)
    np.testing.assert_array_equal(fitted.transform(given), fitted.transform(read))
    with pytest.raises(DataError, match="data frame: row 1: column 'whole' holds 'a', which is not a number"):
        fitted.transform(data.from_frame(FRAME.assign(whole=["a", "b", "c"])))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (3, "data frame: Unsupported dataframe type"),
        (np.ones((2, 2)), "data frame: Unsupported dataframe type"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "data frame: Expected unique column names"),
        (pd.DataFrame([[1, 2]], columns=["1", 1]), "data frame: some names of columns are the same"),
        (pd.DataFrame(), "data frame: no rows; there must be some"),
        (FRAME[:0], "data frame: no rows; there must be some"),
    ],
    ids=str,
)
def test_what_is_refused(frame, message):
    with pytest.raises(DataError, match=message):
        data.from_frame(frame)
