"""``wengert evaluate``."""

import dataclasses
import json
import re

import numpy as np
import pytest

from tests.cli.helpers import QUICK, table
from wengert import models


def test_evaluate_classes(wengert, iris):
    code, out, _ = wengert("evaluate", iris, "iris")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "rows 150: 105 training, 15 validation, 30 test"
    assert lines[1].split() == ["target", "precision", "recall", "f1", "rows"]
    assert lines[2].split()[0] == "setosa"
    assert lines[-1].startswith("accuracy 0.")


def test_evaluate_as_json(wengert, iris):
    report = json.loads(wengert("evaluate", iris, "iris", "--json")[1])
    predicted = [row[0] for row in table(wengert("predict", iris, "iris")[1])[1:]]
    true = ["setosa"] * 50 + ["versicolor"] * 50 + ["virginica"] * 50
    assert report["accuracy"] == pytest.approx(np.mean(np.array(predicted) == true))
    assert [c["name"] for c in report["classes"]] == ["setosa", "versicolor", "virginica"]
    assert (report["rows"], report["task"]) == (150, "classification")


def test_evaluate_numbers(wengert, tmp_path):
    wengert("train", "diabetes", *QUICK)
    report = json.loads(wengert("evaluate", "diabetes.wengert", "diabetes", "--json")[1])
    scores = {"mae", "median_absolute_error", "rmse", "r2"}
    about = {"task", "target", "rows", "part", "parts", "share_seen"}
    assert set(report) == about | {"intervals", "residuals"} | scores
    assert set(report["intervals"]) == scores
    assert all(low < report[name] < high for name, (low, high) in report["intervals"].items())
    assert "R² " in wengert("evaluate", "diabetes.wengert", "diabetes")[1]


def test_r_squared_of_one_row_is_undefined(wengert, tmp_path):
    wengert("train", "diabetes", *QUICK)
    (tmp_path / "row.csv").write_text(
        "age,sex,bmi,bp,s1,s2,s3,s4,s5,s6,target\n59,2,32.1,101,157,93.2,38,4,4.9,87,151\n"
    )
    assert json.loads(wengert("evaluate", "diabetes.wengert", "row.csv", "--json")[1])["r2"] is None
    assert wengert("evaluate", "diabetes.wengert", "row.csv")[1].endswith("R² undefined\n")


def test_evaluate_refuses(refuses, iris, tmp_path):
    header = "sepal_length_cm,sepal_width_cm,petal_length_cm,petal_width_cm"
    (tmp_path / "unlabelled.csv").write_text(f"{header}\n1,2,3,4\n")
    assert refuses("evaluate", iris, "unlabelled.csv").startswith("unlabelled.csv:1: no column 'target'")
    (tmp_path / "rose.csv").write_text(f"{header},target\n1,2,3,4,rose\n")
    assert refuses("evaluate", iris, "rose.csv").startswith(
        "rose.csv:2: target 'target' holds the unknown class 'rose'"
    )


NUMBER = ' class="number"'


def test_pictures_and_a_report(wengert, iris, tmp_path):
    wengert("train", "diabetes", *QUICK)
    for data in ("iris", "diabetes"):
        files = ["--plot", f"{data}.png", "--report", f"{data}.html"]
        code, out, _ = wengert("evaluate", f"{data}.wengert", data, "--samples", 20, *files)
        assert code == 0
        assert (tmp_path / f"{data}.png").read_bytes().startswith(b"\x89PNG")
        page = (tmp_path / f"{data}.html").read_text()
        name, value, *within = out.splitlines()[-1].split(" ", 2)
        cells = "".join(f"<td{kind}>{cell}</td>" for kind, cell in (("", name), (NUMBER, value)))
        assert f"<tr>{cells}<td>{within[0]}</td></tr>" in page
        assert page.count("<table>") == page.count("</table>") == 4 and "<pre>" not in page
        assert page.count("<svg") == 1
        assert not re.findall(r'(?:src|href)="http', page)
        assert "Dense(activation=relu)" in page


def test_the_same_seed_gives_the_same_report(wengert, iris, tmp_path):
    for name in "ab":
        wengert("evaluate", iris, "iris", "--report", f"{name}.html", "--plot", f"{name}.png")
    for ending in ("html", "png"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_names_in_a_report_are_text(wengert, tmp_path):
    rows = "".join(f"{i},{'<b>' if i % 2 else '&'}\n" for i in range(60))
    (tmp_path / "t.csv").write_text("<script>,target\n" + rows)
    wengert("train", "t.csv", *QUICK)
    assert wengert("evaluate", "t.wengert", "t.csv", "--report", "r.html")[0] == 0
    page = (tmp_path / "r.html").read_text()
    assert "<script>" not in page and "<b>" not in page
    assert "&lt;script&gt;" in page


def test_what_is_there_stays(refuses, iris, tmp_path):
    (tmp_path / "notes.html").write_text("mine")
    message = "notes.html: exists already; choose another name, or write --force to replace it"
    assert refuses("evaluate", iris, "iris", "--report", "notes.html") == message
    assert refuses("evaluate", iris, "iris", "--plot", iris).startswith(f"{iris}: would overwrite what")
    assert refuses("evaluate", iris, "iris", "--plot", "x", "--report", "x").startswith("x: would overwrite")


# --- rows that the model has seen


@pytest.fixture
def visits(tmp_path):
    """A table with a column to split by group and one to split by time."""
    rng = np.random.default_rng(0)
    days = np.arange("2024-01-01", 400, dtype="datetime64[D]")
    lines = [
        f"{x:.6f},{i // 5},{days[i]},{'high' if x > 0 else 'low'}" for i, x in enumerate(rng.normal(size=400))
    ]
    (tmp_path / "visits.csv").write_text("\n".join(["x,who,day,target", *lines]) + "\n")
    return "visits.csv"


@pytest.mark.parametrize(
    "option", [[], ["--split", "random", "--seed", "3"], ["--group", "who"], ["--time", "day"]], ids=" ".join
)
def test_the_rows_held_out_are_those_that_train_has_scored(wengert, visits, option):
    _, out, _ = wengert("train", visits, "--ignore", "who", *QUICK, *option)
    trained = dict(line.rsplit(" ", 1) for line in out.splitlines() if line.startswith("test "))
    code, out, err = wengert("evaluate", "visits.wengert", visits, "--rows", "test")
    assert (code, err) == (0, "")
    assert out.startswith("rows 80, the test part\n")
    assert f"\naccuracy {trained['test accuracy']} (" in out
    assert f"\ncross-entropy {trained['test cross-entropy']} (" in out
    report = json.loads(wengert("evaluate", "visits.wengert", visits, "--rows", "validation", "--json")[1])
    assert (report["rows"], report["part"], report["share_seen"]) == (40, "validation", 0.8)


def test_rows_that_trained_the_model_are_told(wengert, visits, tmp_path):
    wengert("train", visits, *QUICK)
    _, out, err = wengert("evaluate", "visits.wengert", visits)
    assert out.startswith("rows 400: 280 training, 40 validation, 80 test\n")
    assert err == (
        "wengert: note: this is the table that the model was trained on; --rows test scores what it has not "
        "seen\n"
    )
    header, *lines = (tmp_path / visits).read_text().splitlines()
    mixed = [line if i % 2 else line.replace(",", "1,", 1) for i, line in enumerate(lines)]
    (tmp_path / "mixed.csv").write_text("\n".join([header, *mixed[::-1]]) + "\n")
    _, out, err = wengert("evaluate", "visits.wengert", "mixed.csv")
    share = int(re.match(r"rows 400, about (\d+)% of them trained on\n", out)[1])
    assert 30 < share < 50
    assert err == f"wengert: note: about {share}% of the rows are among those that the model was trained on\n"
    (tmp_path / "new.csv").write_text(f"{header}\n9.5,1,2030-01-01,high\n-9.5,1,2030-01-01,low\n")
    _, out, err = wengert("evaluate", "visits.wengert", "new.csv")
    assert (out.splitlines()[0], err) == ("rows 2", "")


def test_parts_of_other_tables_are_refused(refuses, wengert, visits, tmp_path):
    lines = (tmp_path / visits).read_text().splitlines()
    (tmp_path / "other.csv").write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    wengert("train", visits, *QUICK, "--test-fraction", "0")
    assert refuses("evaluate", "visits.wengert", "other.csv", "--rows", "test").startswith(
        "--rows test: other.csv is not the table that the model was trained on, with its rows in that order; "
    )
    message = "--rows test: the model was trained without a test part; choose another"
    assert refuses("evaluate", "visits.wengert", visits, "--rows", "test") == message


@pytest.mark.parametrize("rows", [None, 3, {}, {"all": 1, "test": 2, "seen": 3}, {"all": "", "seen": "xyz"}])
def test_what_a_model_file_says_of_rows_may_be_anything(wengert, visits, rows):
    wengert("train", visits, *QUICK)
    model = models.load("visits.wengert")
    models.save(dataclasses.replace(model, training={**model.training, "rows": rows}), "odd.wengert")
    code, out, err = wengert("evaluate", "odd.wengert", visits)
    assert (code, out.splitlines()[0], err) == (0, "rows 400", "")
