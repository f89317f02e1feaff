"""What columns are taken for, and what is refused."""

import numpy as np
import pytest

from wengert import data
from wengert.data._kinds import RULES, Seen, kind_of
from wengert.errors import DataError


def kind(cells, rows=None):
    table = data.Table.of_cells("t.csv", ["c"], [[cell] for cell in cells])
    return kind_of(Seen(table, "c", np.arange(len(cells)) if rows is None else rows))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["", "NA"], "empty"),
        (["1", "", "2.5"], "number"),
        (["0", "1"] * 9, "number"),
        (["2020-01-01", ""], "date"),
        (["yes", "No", "yes"], "boolean"),
        (["t", "f"], "boolean"),
        (["yes", "yes"], "category"),
        (["yes", "no", "maybe"] * 2, "category"),
        (["red", "blue"], "category"),
        ([f"w{i % 16}" for i in range(40)], "category"),
        ([f"w{i % 17}" for i in range(90)], "embedding"),
        (["1", "2", "x", "y"] * 2, "category"),
        ([f"w{i}" for i in range(90)], "text"),
        ([f"w{i % 17}" for i in range(50)], "text"),
    ],
    ids=str,
)
def test_kinds(cells, expected):
    assert kind(cells) == expected


def test_only_the_training_part_counts():
    cells = ["", "", "a", "b"] + [f"w{i}" for i in range(90)]
    assert kind(cells, np.arange(4)) == "category"
    assert kind(cells, np.arange(2)) == "empty"


def test_mixtures_are_refused():
    with pytest.raises(
        DataError, match=r"t.csv:4: column 'c' holds '3x' among numbers; correct it, or say --categor"
    ):
        kind(["1", "2", "3x"])


@pytest.mark.parametrize("cells", [["1,5", "2,5", "12"], ["", "1,234.5", "800", "1,900"]])
def test_numbers_with_commas_are_refused(cells):
    with pytest.raises(DataError, match=r"'c' holds '1,.*5'; write numbers with a decimal point and nothing"):
        kind(cells)


def test_a_comma_in_words_is_no_decimal():
    assert kind(["1,5", "a, b"] * 3) == "category"


def test_what_a_network_cannot_take_is_refused():
    table = data.Table("t", {"c": data.Opaque("BLOB", 3)})
    with pytest.raises(
        DataError, match=r"t: column 'c' holds BLOB, which a network cannot take; leave it out"
    ):
        kind_of(Seen(table, "c", np.arange(3)))


def test_a_rule_holds_for_everything():
    assert RULES[-1].holds(Seen(data.Table("t", {"c": data.Numbers(np.ones(3))}), "c", np.arange(3)))
