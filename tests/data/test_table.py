import numpy as np
import pytest

from wengert import data
from wengert.data._table import narrowed
from wengert.errors import DataError


def test_numbers(table):
    x = data.numbers(table("a,b\n 1 ,2e3\n-0.5,+4\n"), ["b", "a"])
    np.testing.assert_array_equal(x, [[2000, 1], [4, -0.5]])


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("x", "holds 'x', which is not a number; correct it, or encode or delete the column"),
        ("3,5", "holds '3,5', which is not a number; write it with a decimal point"),
        ("1_000", "holds '1_000', which is not a number"),
        ("", "is blank; fill in a number, or delete the row or the column"),
        ("  ", "is blank"),
        ("NA", "has a missing value, 'NA'; fill in a number"),
        ("nan", "has a missing value, 'nan'"),
        ("?", "has a missing value, '?'"),
        ("-inf", "holds '-inf', which is not finite; write a finite number, or delete the row"),
        ("1e999", "holds '1e999', which is not finite"),
    ],
)
def test_cells_that_are_refused(table, cell, what):
    with pytest.raises(DataError) as caught:
        data.numbers(table(f'a,width\n1,2\n3,"{cell}"\n5,6\n'), ["a", "width"])
    assert str(caught.value).startswith(f"t.csv:3: column 'width' {what}")


def test_absent_columns_are_named_with_the_likeliest(table):
    with pytest.raises(
        DataError, match=r"t.csv:1: no column 'widht', 'x'; did you mean 'width'\? the file has"
    ):
        data.numbers(table("a,width\n1,2\n"), ["widht", "x"])


@pytest.mark.parametrize(
    ("cells", "kind", "texts"),
    [
        (["1", "2.50", "-3e2"], data.Numbers, ["1", "2.5", "-300"]),
        (["1", "", "NA", "?", "none"], data.Numbers, ["1", "", "", "", ""]),
        (["2020-01-31", "2020/02/01 12:30", ""], data.Times, ["2020-01-31", "2020-02-01T12:30:00", ""]),
        (["2020-01-31T00:00:00+02:00"], data.Times, ["2020-01-30T22:00:00"]),
        (["2020-02-30"], data.Words, ["2020-02-30"]),
        (["20200131", "1999"], data.Numbers, ["20200131", "1999"]),
        (["red", "none", "NA", "", "?"], data.Words, ["red", "none", "", "", "?"]),
        (["1", "red"], data.Words, ["1", "red"]),
        (["1_0"], data.Words, ["1_0"]),
        (["", "NA"], data.Numbers, ["", ""]),
    ],
)
def test_text_becomes_what_all_cells_are(cells, kind, texts):
    column = data.Table.of_cells("t", ["c"], [[cell] for cell in cells]).columns["c"]
    assert isinstance(column, kind)
    assert [column.text(i) for i in range(len(column))] == texts
    assert column.missing.tolist() == [text == "" for text in texts]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0, 255], "u1"),
        ([-1, 127], "i1"),
        ([-1, 128], "i2"),
        ([0, 70_000], "u4"),
        ([0.0, 2.0**52], "u8"),
        ([0.0, 2.0**53], "f8"),
        ([0.5], "f8"),
        ([1.0, 0.5], "f8"),
        ([np.nan, 1], "f8"),
        ([np.inf, 1], "f8"),
        ([], "u1"),
    ],
)
def test_whole_numbers_are_kept_narrow(values, dtype):
    kept = narrowed(np.array(values))
    assert kept.dtype == dtype
    np.testing.assert_array_equal(kept, values)


def test_columns_are_left_out_by_name():
    table = data.Table.of_cells("t.csv", ["a", "b"], [["1", "x"]])
    assert table.without(["a"]).names == ("b",)
    assert table.without(["a"]).cell("b", 0) == "x"
    with pytest.raises(DataError, match=r"t.csv:1: no column 'c'"):
        table.without(["c"])
