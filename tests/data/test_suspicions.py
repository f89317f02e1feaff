"""What is suspicious is told, and what is not is not."""

import numpy as np
import pytest

from wengert import data

rng = np.random.default_rng(0)
ROWS = 1000
CLASSES = rng.integers(0, 3, ROWS)
TARGET = data.Target(("t",), "classification", ("a", "b", "c"), CLASSES, "text")
VALUES = rng.normal(size=ROWS)
NUMBER = data.Target(("t",), "regression", (), VALUES, "numbers")


def told(columns, target=TARGET, rows=None):
    table = data.Table(
        "t", {n: c if hasattr(c, "missing") else data.Numbers(np.asarray(c)) for n, c in columns.items()}
    )
    return data.suspicions(table, table.names, target, np.arange(ROWS) if rows is None else rows)


def leak(name):
    return [f"gives the target away by itself, and may not be known when predicting: {name}"]


def test_nothing_is_suspicious_about_noise():
    words = data.Words(("u", "v"), rng.integers(0, 2, ROWS).astype(np.int32))
    assert told({"x": rng.normal(size=ROWS), "whole": rng.integers(0, 99, ROWS), "w": words}) == []
    assert (
        told({"x": rng.normal(size=ROWS), "near": VALUES + rng.normal(size=ROWS) * 1e-3, "w": words}, NUMBER)
        == []
    )
    assert told({"id": rng.permutation(ROWS)}) == []


def test_infinite_values():
    x = rng.normal(size=ROWS)
    x[[3, 5]] = np.inf, -np.inf
    assert told({"x": x}) == ["infinite values are taken as missing: x (2)"]
    assert told({"x": x}, rows=np.arange(10, ROWS)) == []


def test_constant_columns():
    x = np.where(np.arange(ROWS) < 500, 1, rng.integers(0, 99, ROWS))
    other = rng.normal(size=ROWS)
    assert told({"x": x, "y": other}, rows=np.arange(500)) == [
        "constant in the training part, and so of no use: x"
    ]
    words = data.Words(("u",), np.zeros(ROWS, np.int32))
    assert told({"w": words, "y": other}) == ["constant in the training part, and so of no use: w"]


def test_row_numbers():
    message = "numbers the rows, and so tells nothing about others: id, n"
    columns = {
        "id": np.arange(ROWS),
        "n": np.arange(5, ROWS + 5),
        "x": 2 * np.arange(ROWS),
        "y": np.arange(ROWS) / 2,
    }
    assert told(columns, rows=rng.permutation(ROWS)[:500]) == [message]


def test_repeated_rows():
    x, words = rng.normal(size=ROWS), rng.integers(0, 40, ROWS).astype(np.int32)
    x[500:530], words[500:530] = x[:30], words[:30]
    classes = CLASSES.copy()
    classes[500:530] = classes[:30]
    columns = {"x": x, "w": data.Words(tuple(map(str, range(40))), words)}
    target = data.Target(("t",), "classification", ("a", "b", "c"), classes, "text")
    assert told(columns, target) == [
        "30 rows of the training part repeat others (3 %); parts may share such rows"
    ]
    assert told(columns, target, rows=np.arange(520))[0].startswith("20 rows of the training part")
    other = data.Target(
        ("t",), "classification", ("a", "b", "c"), (classes + (np.arange(ROWS) >= 500)) % 3, "text"
    )
    assert told(columns, other) == []


@pytest.mark.parametrize(
    "column",
    [
        data.Words(("x", "y", "z"), ((CLASSES + 1) % 3).astype(np.int32)),
        data.Words(tuple("uvwxyz"), (CLASSES + 3 * rng.integers(0, 2, ROWS)).astype(np.int32)),
        CLASSES,
        -2.5 * CLASSES,
        CLASSES + rng.random(ROWS) / 2,
    ],
    ids=["words", "more words", "numbers", "other numbers", "stretches"],
)
def test_classes_given_away(column):
    other = rng.normal(size=ROWS)
    assert told({"x": column, "y": other}) == leak("x")
    assert told({"x": column, "y": other}, rows=np.arange(20)) == []


def test_one_row_that_contradicts_clears_a_column():
    column = CLASSES.copy()
    column[-1] = (column[-1] + 1) % 3
    assert told({"x": column, "y": rng.normal(size=ROWS)}) == []


def test_numbers_given_away():
    assert told({"x": 3 - 2 * VALUES, "y": rng.normal(size=ROWS)}, NUMBER) == leak("x")
    late = np.where(np.arange(ROWS) < 990, VALUES, 0)
    assert told({"x": late, "y": rng.normal(size=ROWS)}, NUMBER) == []


def test_numbers_that_look_like_names():
    rows = [[f"{i:05d}", str(i * 7 % 31), f"{i % 10}.5", "ab"[i % 2]] for i in range(60)]
    table = data.Table.of_cells("t.csv", ["zip", "n", "half", "t"], rows)
    target = data.read_target(table, "t")
    lines = data.suspicions(table, ["zip", "n", "half"], target, rng.permutation(60)[:40])
    message = "begins with zeros, and is taken as numbers: zip; --category zip takes names"
    assert message in lines
    worded = data.Table("t", {**table.columns, "zip": data.words(table, "zip")}, table.origin)
    assert message not in data.suspicions(worded, ["zip", "n", "half"], target, np.arange(40))
