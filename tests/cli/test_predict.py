"""``wengert predict``."""

import json

import duckdb
import numpy as np
import pytest

from tests.cli.helpers import QUICK, table


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
    message = (
        "p.xls: its ending says no format; end the name with one of .csv, .jsonl, .ndjson, .json, .parquet"
    )
    assert refuses("predict", iris, "iris", "--output", "p.xls").startswith(message)


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl", "p.parquet"])
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
