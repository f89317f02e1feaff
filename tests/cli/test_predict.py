"""``wengert predict``."""

import json

import duckdb
import numpy as np
import pytest

from tests.cli.helpers import QUICK, table
from wengert import models
from wengert.data import read_table


def test_predict_classes(wengert, iris):
    code, out, err = wengert("predict", iris, "iris")
    rows = table(out)
    assert (code, err, len(rows)) == (0, "", 151)
    assert rows[0] == ["prediction", "probability_setosa", "probability_versicolor", "probability_virginica"]
    for label, *probabilities in rows[1:]:
        p = np.array(probabilities, float)
        assert p.sum() == pytest.approx(1, abs=1e-5)
        assert rows[0][1 + p.argmax()] == f"probability_{label}"


def test_predict_into_a_file(wengert, iris, tmp_path):
    _, out, _ = wengert("predict", iris, "iris")
    assert wengert("predict", iris, "iris", "--output", "p.csv") == (0, "", "")
    assert (tmp_path / "p.csv").read_text() == out


def test_predict_numbers(wengert):
    wengert("train", "diabetes", *QUICK)
    rows = table(wengert("predict", "diabetes.wengert", "diabetes")[1])
    assert rows[0] == ["prediction"]
    assert all(len(row) == 1 and np.isfinite(float(row[0])) for row in rows[1:])


def test_columns_are_found_by_name(wengert, iris, tmp_path):
    (tmp_path / "new.csv").write_text(
        "id,petal_width_cm,petal_length_cm,sepal_width_cm,sepal_length_cm\nfirst,0.2,1.4,3.5,5.1\n"
    )
    alone, among = (table(wengert("predict", iris, rows)[1])[1] for rows in ("new.csv", "iris"))
    assert alone[0] == among[0]
    assert list(map(float, alone[1:])) == pytest.approx(list(map(float, among[1:])), rel=1e-5)


def test_predict_refuses(refuses, iris, tmp_path):
    (tmp_path / "new.csv").write_text("petal_width_cm,petal_length_cm,sepal_width_cm\n1,2,3\n")
    assert refuses("predict", iris, "new.csv").startswith(
        "new.csv:1: no column 'sepal_length_cm'; did you mean"
    )
    assert refuses("predict", "new.csv", "iris").startswith("new.csv: not a wengert model; name a file that")
    assert refuses("predict", "gone", "iris").startswith(
        "gone: cannot read the model (No such file or directory)"
    )
    assert refuses("predict", iris, "iris", "--output", iris).startswith("iris.wengert: would overwrite what")
    (tmp_path / "other.wengert").write_bytes((tmp_path / iris).read_bytes())
    message = "other.wengert: exists already; choose another name, or write --force to replace it"
    assert refuses("predict", iris, "iris", "--output", "other.wengert") == message
    message = "p.csv: its ending says no JSON; leave out --json, or end the name with .jsonl"
    assert refuses("predict", iris, "iris", "--json", "--output", "p.csv") == message
    message = (
        "p.xls: its ending says no format; end the name with one of .csv, .jsonl, .ndjson, .json, .parquet"
    )
    assert refuses("predict", iris, "iris", "--output", "p.xls").startswith(message)


@pytest.mark.parametrize("name", ["p.csv", "p.json", "p.jsonl", "p.parquet"])
@pytest.mark.parametrize("data", ["iris", "diabetes"])
def test_every_format_holds_the_same(wengert, data, name, tmp_path):
    wengert("train", data, *QUICK)
    header, *rows = table(wengert("predict", f"{data}.wengert", data)[1])
    assert wengert("predict", f"{data}.wengert", data, "--output", name) == (0, "", "")
    found = duckdb.sql(f"SELECT * FROM '{tmp_path / name}'")
    assert found.columns == header
    for row, again in zip(rows, found.fetchall(), strict=True):
        for cell, value in zip(row, again):
            assert cell == value or float(cell) == pytest.approx(value, rel=1e-5)


def test_json_lines_on_stdout(wengert, iris):
    out = wengert("predict", iris, "iris", "--query", "SELECT * FROM data LIMIT 2", "--json")[1]
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["prediction"] for line in lines] == ["setosa", "setosa"]
    assert len(lines[0]) == 4


def test_a_json_file_is_one_array(wengert, iris, tmp_path):
    assert wengert("predict", iris, "iris", "--output", "p.json", "--json")[0] == 0
    objects = json.loads((tmp_path / "p.json").read_text())
    assert len(objects) == 150 and len(objects[0]) == 4


# --- block by block


@pytest.fixture
def many(wengert, tmp_path):
    """A model, and more rows than are held at a time, with surprises in the first and the last of them."""
    towns = [f"{i % 20:03d}" for i in range(200)]
    lines = [f"{i % 31}.5,{towns[i]}{'A' * (i == 0)},{'ab'[i % 2]}" for i in range(200)]
    (tmp_path / "t.csv").write_text("\n".join(["x,town,target", *lines]) + "\n")
    wengert("train", "t.csv", "--category", "town", *QUICK)
    rows = [f"{i % 31}.25,{i % 20:03d}" for i in range(150_000)]
    rows[0], rows[1], rows[-1] = "1,Rom", "1,Ulm", ",Ulm"
    (tmp_path / "many.csv").write_text("\n".join(["x,town", *rows]) + "\n")
    return "many.csv"


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl", "p.parquet"])
def test_more_rows_than_are_held_at_a_time(wengert, many, name, tmp_path):
    code, _, err = wengert("predict", "t.wengert", many, "--output", name)
    assert code == 0
    assert err.splitlines() == [
        "wengert: note: town: 'Rom', 'Ulm' in 3 rows, never in training; the vector for these instead",
        "wengert: note: x: missing or infinite in 1 row and never in training; the mean instead",
    ]
    model = models.load("t.wengert")
    expected = model.predict_table(read_table(many, texts=["town"]))
    found = duckdb.sql(f"SELECT probability_a, prediction FROM '{tmp_path / name}'").fetchnumpy()
    np.testing.assert_allclose(found["probability_a"].astype(float), expected[:, 0], rtol=1e-6)
    assert list(found["prediction"]) == list(np.array(["a", "b"])[expected.argmax(axis=1)])


def test_a_mistake_in_a_late_block_is_told_by_line_and_nothing_is_there(refuses, many, tmp_path):
    with open(many, "a") as file:
        file.write("none of it,001\n")
    message = refuses("predict", "t.wengert", many, "--output", "p.csv")
    assert message.startswith("many.csv:150002: column 'x' holds 'none of it', which is not a number; ")


def test_what_names_only_look_like_numbers_is_found(wengert, many, tmp_path):
    """In a file where all are digits, a name such as 001 is still the one of training."""
    (tmp_path / "one.csv").write_text("x,town\n3,001\n")
    assert wengert("predict", "t.wengert", "one.csv")[2] == ""


def test_several_files_are_predicted_in_their_order(wengert, iris, tmp_path):
    header, *rows = (line + "\n" for line in wengert("predict", iris, "iris")[1].splitlines())
    table = read_table("iris")
    names = models.load(iris).features
    cells = [",".join(repr(float(table.columns[n].values[i])) for n in names) for i in range(150)]
    for part in range(3):
        some = cells[50 * part : 50 * (part + 1)]
        (tmp_path / f"part-{part}.csv").write_text("\n".join([",".join(names), *some]) + "\n")
    assert wengert("predict", iris, "part-*.csv") == (0, header + "".join(rows), "")


def test_a_table_with_none_of_the_columns_is_not_filled_in(refuses, iris):
    assert refuses("predict", iris, "wine", "--fill-columns").startswith(
        "wine:1: no column 'sepal_length_cm'"
    )
