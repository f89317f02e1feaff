import numpy as np
import pytest

from wengert import data
from wengert.data._values import of_array
from wengert.errors import DataError


def target(table, cells, **options):
    return data.read_target(table("y\n" + "\n".join(cells) + "\n"), "y", **options)


@pytest.mark.parametrize(
    ("cells", "task", "classes"),
    [
        (["b", "a", "b"], "classification", ("a", "b")),
        (["true", "false"], "classification", ("false", "true")),
        (["1", "0", "1"], "classification", ("0", "1")),
        (["10", "9.0", "9", "10"], "classification", ("9", "10")),
        (["0.5", "1"], "regression", ()),
        ([str(i % 20) for i in range(100)], "classification", tuple(map(str, range(20)))),
        ([str(i % 21) for i in range(1000)], "regression", ()),
        ([str(i % 5) for i in range(20)], "regression", ()),
    ],
)
def test_the_task_is_inferred(table, cells, task, classes):
    found = target(table, cells)
    assert (found.task, found.classes) == (task, classes)


def test_the_task_can_be_told(table):
    assert target(table, ["1", "0"], task="regression").values.tolist() == [1.0, 0.0]
    assert target(table, ["1.5", "0.5"], task="classification").classes == ("0.5", "1.5")


def test_class_indices_follow_the_classes(table):
    assert target(table, ["b", "a", "c", "a"]).values.tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize(
    ("cells", "options", "message"),
    [
        (["a", "a"], {}, "t.csv: target 'y' has one class only, 'a'; classification needs at least two"),
        (["1", "1.0"], {}, "t.csv: target 'y' has one class only, '1'"),
        (["2.5", "2.5"], {}, "t.csv: target 'y' is 2.5 in every row; there is nothing to learn"),
        (["1", "x", "2"], {}, "t.csv:3: target 'y' holds 'x' among numbers; correct it, or say that"),
        (
            [f"name {i}" for i in range(50)],
            {},
            "t.csv: target 'y' has 50 different values in 50 rows, too many for",
        ),
        (
            [f'"{i},5"' for i in range(50)],
            {},
            "t.csv: target 'y' has 50 different values in 50 rows, too many for classes; write numbers ",
        ),
        (
            [f"2020-{m}-{d}" for m in (10, 11) for d in range(10, 30)],
            {},
            "t.csv: target 'y' has 40 different values",
        ),
        (["1", "x"], {"task": "regression"}, "t.csv:3: column 'y' holds 'x', which is not a number"),
        (
            ["a", "b"],
            {"task": "regression"},
            "t.csv:2: target 'y' holds 'a', and regression predicts numbers; ",
        ),
        (["2024-01-01", "2024-01-02"], {"task": "regression"}, "t.csv:2: target 'y' holds '2024-01-01', and"),
    ],
)
def test_targets_that_are_refused(table, cells, options, message):
    with pytest.raises(DataError) as caught:
        target(table, cells, **options)
    assert str(caught.value).startswith(message)


def test_a_blank_target(table):
    with pytest.raises(DataError, match=r"t.csv:3: target 'y' is blank; fill it in, or delete the row"):
        data.read_target(table("x,y\n1,a\n2, \n3,b\n"), "y")


def test_an_unknown_class(table):
    with pytest.raises(
        DataError, match=r"t.csv:3: target 'y' holds the unknown class 'rde'; did you mean 'red'"
    ):
        data.class_indices(table("y\nred\nrde\n"), ["y"], ("green", "red"))


# --- several targets


def several(columns, names, **options):
    rows = [list(row) for row in zip(*columns.values())]
    return data.read_target(data.Table.of_cells("t.csv", list(columns), rows), names, **options)


def test_columns_of_0_and_1_are_labels():
    found = several({"a": "0110", "b": "1100"}, ["b", "a"])
    assert (found.task, found.classes, found.names) == ("multi-label", ("b", "a"), ("b", "a"))
    assert found.values.tolist() == [[1, 0], [1, 1], [0, 1], [0, 0]]
    assert found.reason == "2 columns of 0 and 1"


def test_columns_of_numbers_are_predicted_side_by_side():
    found = several({"a": "0120", "b": "1100"}, ["a", "b"])
    assert (found.task, found.classes, found.values.tolist()) == (
        "regression",
        (),
        [[0, 1], [1, 1], [2, 0], [0, 0]],
    )


def test_texts_may_hold_several_labels():
    found = several({"t": ["red;blue", "blue", "", "green | red", "red"]}, "t")
    assert (found.task, found.classes) == ("multi-label", ("blue", "green", "red"))
    assert found.values.tolist() == [[1, 0, 1], [1, 0, 0], [0, 0, 0], [0, 1, 1], [0, 0, 1]]
    assert several({"t": ["a|b", "c|d", "a|b"]}, "t").task == "classification"
    assert several({"t": ["red;blue", "blue", "red"]}, "t", task="classification").classes == (
        "blue", "red", "red;blue")  # fmt: skip


def test_values_follow_the_names_that_a_model_knows():
    table = data.Table.of_cells("t.csv", ["t"], [["red;blue"], ["blue"]])
    known = data.target_values(table, ["t"], "multi-label", ("red", "green", "blue"))
    assert known.tolist() == [[1, 0, 1], [0, 0, 1]]
    with pytest.raises(
        DataError, match=r"t.csv:3: target 't' holds the unknown class 'blue'; the model knows red$"
    ):
        data.target_values(
            data.Table.of_cells("t.csv", ["t"], [["red"], ["blue"]]), ["t"], "multi-label", ("red",)
        )


def test_whole_numbers_beyond_floats_stay_apart_where_they_are_whole():
    column = data.Numbers(np.array([2**60, 2**60 + 1] * 20))
    target = data.read_target(data.Table("t", {"y": column}), "y", "classification")
    assert target.classes == (str(2**60), str(2**60 + 1))


@pytest.mark.parametrize("column", [[True, False, True], ["true", "false", "true"]])
def test_truths_are_labels(column):
    table = data.Table("t", {n: of_array(np.array(column)) for n in "ab"})
    assert data.read_target(table, ["a", "b"]).values.tolist() == [[1, 1], [0, 0], [1, 1]]
