"""Columns of every kind, from a file to predictions."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.cli.helpers import QUICK, table
from wengert import models


@pytest.fixture
def houses(tmp_path):
    """A table with gaps, words, dates and truths; the price follows from them."""
    rng = np.random.default_rng(0)
    lines = ["age,town,colour,sold,garden,price,dear,big,tags,owner,month"]
    worth = rng.normal(size=30)
    for i in range(360):
        age, town, garden = rng.uniform(0, 90), rng.integers(30), rng.random() < 0.5
        price = 3 - age / 30 + worth[town] + garden + i / 360
        tags = ";".join(name for name, is_so in (("old", age > 45), ("green", garden)) if is_so)
        kept = (f"{age:.1f}" if i % 11 else "", f"town {town}", "red" if i % 3 else "")
        day = np.datetime64("2024-01-01") + np.timedelta64(i, "D")
        cells = (*kept, day, "yes" if garden else "no", f"{price:.3f}", int(price > 2), int(age > 45),
                 tags, i // 6, i % 12 + 1)  # fmt: skip
        lines.append(",".join(map(str, cells)))
    (tmp_path / "houses.csv").write_text("\n".join(lines) + "\n")
    return "houses.csv"


OTHERS = {"price", "dear", "big", "tags", "owner", "month"}


def only(*targets):
    """Options that predict these and leave the other columns of the fixture out that follow from them."""
    return [*(f"--target={name}" for name in targets), *(f"--ignore={name}" for name in OTHERS - {*targets})]


def test_what_becomes_of_columns_is_told(wengert, houses):
    code, out, _ = wengert("train", houses, *only("price"), *QUICK)
    assert code == 0
    assert "data houses.csv: 360 rows, 5 features\n" in out
    assert re.search(r"column age: number, \d+ missing → mean and indicator, standardised by", out)
    assert re.search(r"column town: category, 30 values as vectors of 7 numbers\n", out)
    assert re.search(r"column colour: category, \d+ missing → a feature of its own, 1 values one-hot\n", out)
    assert re.search(r"column sold: date, trend, week cycle\n", out)
    assert "column garden: boolean, yes 1, no -1\n" in out


def test_vectors_of_categories_are_learnt(wengert, houses):
    _, out, _ = wengert("train", houses, *only("price"), "--epochs", 60)
    assert float(out.split()[-1]) > 0.8
    model = models.load("houses.wengert")
    assert [weights.shape for weights in model.network.embeddings] == [(31, 7)]
    assert models.to_bytes(models.from_bytes(models.to_bytes(model))) == models.to_bytes(model)
    predicted = table(wengert("predict", "houses.wengert", houses)[1])
    assert np.corrcoef([float(row[0]) for row in predicted[1:]], prices(houses))[0, 1] > 0.9


def prices(houses):
    return [float(line.split(",")[5]) for line in Path(houses).read_text().splitlines()[1:]]


def test_what_was_never_seen_is_noted(wengert, houses, tmp_path):
    wengert("train", houses, *only("price"), *QUICK)
    (tmp_path / "new.csv").write_text("age,town,colour,sold,garden\n1,Ulm,blue,2025-01-01,\n")
    code, out, err = wengert("predict", "houses.wengert", "new.csv")
    assert code == 0 and len(table(out)) == 2
    assert err.splitlines() == [
        "wengert: note: town: 'Ulm' in 1 row, never in training; the vector for these instead",
        "wengert: note: colour: 'blue' in 1 row, never in training; zeros instead",
        f"wengert: note: garden: missing in 1 row and never in training; {mode('houses.wengert')} instead",
    ]


def mode(path):
    encoder = models.load(path).preprocessing.encoders[-1]
    return encoder.yes if encoder.mode > 0 else encoder.no


def test_columns_that_are_not_there_are_filled_when_asked(wengert, refuses, houses, tmp_path):
    wengert("train", houses, *only("price"), *QUICK)
    (tmp_path / "new.csv").write_text("age,colour,sold,garden\n1,red,2025-01-01,yes\n")
    code, out, _ = wengert("predict", "houses.wengert", "new.csv", "--fill-columns")
    assert code == 0 and len(table(out)) == 2
    refused = refuses("predict", "houses.wengert", "new.csv")
    assert refused.startswith("new.csv:1: no column 'town'")
    assert "; --fill-columns takes what is not there as missing in every row" in refused


def test_several_labels(wengert, houses):
    _, out, _ = wengert("train", houses, *only("dear", "big"), *QUICK)
    assert (
        "target dear, big: multi-label with 2 labels (2 columns of 0 and 1; --task regression overrides)"
        in out
    )
    assert [line.rsplit(" ", 1)[0] for line in out.splitlines()[-2:]] == [
        "test labels right",
        "test accuracy",
    ]
    header, *rows = table(wengert("predict", "houses.wengert", houses)[1])
    assert header == ["prediction", "probability_dear", "probability_big"]
    for names, *probabilities in rows:
        likely = [n for n, p in zip(("dear", "big"), probabilities) if float(p) > 0.5]
        assert names == ";".join(likely)
    report = json.loads(wengert("evaluate", "houses.wengert", houses, "--json")[1])
    scores = {"cross_entropy", "labels_right", "accuracy"}
    about = {"task", "target", "rows", "part", "parts", "share_seen"}
    assert set(report) == about | {"intervals", "classes", "reliability"} | scores


def test_labels_in_one_column(wengert, houses):
    _, out, _ = wengert("train", houses, *only("tags"), *QUICK)
    assert (
        "target tags: multi-label with 2 labels (text of 2 different parts; --task classification ov" in out
    )
    assert models.load("houses.wengert").classes == ("green", "old")
    assert "labels right 0." in wengert("evaluate", "houses.wengert", houses)[1]


def test_several_numbers(wengert, houses):
    _, out, _ = wengert("train", houses, *only("price", "owner"), *QUICK)
    assert "target price, owner: regression (2 columns of numbers; --task multi-label overrides)" in out
    header, *rows = table(wengert("predict", "houses.wengert", houses)[1])
    assert header == ["prediction_price", "prediction_owner"] and len(rows) == 360


def test_splits_by_group_and_by_time(wengert, houses):
    for option in (["--group", "owner"], ["--time", "sold"]):
        ignored = [o for o in only("price") if o != "--ignore=owner"]
        code, out, _ = wengert("train", houses, *ignored, *QUICK, *option, "--force")
        assert code == 0 and re.search(r"rows 2\d\d training, 3\d validation, 7\d test", out)
        assert option[1] not in models.load("houses.wengert").features


def test_numbers_may_be_categories(wengert, houses):
    chosen = [option for option in only("price") if option != "--ignore=month"]
    _, out, _ = wengert("train", houses, *chosen, "--category=month", *QUICK)
    assert "column month: category, 12 values one-hot" in out


def test_queries(wengert, houses):
    query = "SELECT age, age > 45 AS old, price FROM data WHERE age IS NOT NULL"
    code, out, _ = wengert("train", houses, "--query", query, "--target", "price", *QUICK)
    assert code == 0 and "rows, 2 features" in out
    assert len(table(wengert("predict", "houses.wengert", houses, "--query", f"{query} LIMIT 5")[1])) == 6


def test_leaks_are_noted(wengert, tmp_path):
    lines = [f"{i * 7 % 40},{'sick' if i % 2 else 'well'},{i % 2}\n" for i in range(80)]
    (tmp_path / "leak.csv").write_text("x,outcome,target\n" + "".join(lines))
    _, _, err = wengert("train", "leak.csv", *QUICK)
    assert (
        "wengert: note: gives the target away by itself, and may not be known when predicting: outcome" in err
    )


def test_numbers_that_begin_with_zeros_are_noted(wengert, tmp_path):
    lines = [f"{i % 40:05d},{'ab'[i // 10 % 2]}" for i in range(200)]
    (tmp_path / "t.csv").write_text("\n".join(["zip,target", *lines]) + "\n")
    note = "begins with zeros, and is taken as numbers: zip; --category zip takes names"
    assert note in wengert("train", "t.csv", *QUICK)[2]
    assert note not in wengert("train", "t.csv", *QUICK, "--category", "zip", "--force")[2]
    assert wengert("predict", "t.wengert", "t.csv")[2] == ""
