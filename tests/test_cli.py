"""The command line as people use it: what it prints, what it writes, how it ends."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from wengert import _jobs, cli, models, nn
from wengert._console import columns
from wengert.native.machine import cache

QUICK = ["--epochs", "3", "--hidden", "8"]


@pytest.fixture
def wengert(tmp_path, monkeypatch, capfd):
    """Run a command in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["wengert", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return run


@pytest.fixture
def refuses(wengert, tmp_path):
    """Run a command that must end with one line of error, exit code 2, and nothing written."""

    def run(*arguments):
        before = {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
        code, _, err = wengert(*arguments)
        assert code == 2
        assert {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before
        lines = [line for line in err.splitlines() if not line.startswith(("wengert: note: ", "epoch "))]
        assert len(lines) == 1
        assert lines[0].startswith("wengert: error: ")
        print(lines[0])
        return lines[0].removeprefix("wengert: error: ")

    return run


def table(text):
    return list(csv.reader(io.StringIO(text)))


# --- cache


@pytest.fixture
def entries(tmp_path_factory, monkeypatch):
    """A cache of three entries and a file of somebody else's."""
    folder = tmp_path_factory.mktemp("kept") / "cache"
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(folder))
    monkeypatch.setenv("WENGERT_CACHE_SIZE", "64M")
    for name in "abc":
        cache.store(cache.key(name), [bytes(1 << 19)])
    (folder / "notes.txt").write_text("mine")
    return folder


def test_cache_shows_what_it_holds(wengert, entries):
    assert wengert("cache") == (0, f"folder {entries}\nentries 3, 1.5 MB of 64.0 MB\n", "")
    report = json.loads(wengert("cache", "--json")[1])
    size = sum(p.stat().st_size for p in entries.glob("*.o"))
    assert report == {
        "folder": str(entries),
        "problem": None,
        "entries": 3,
        "bytes": size,
        "limit": 64 << 20,
    }


def test_cache_is_cleared(wengert, entries):
    code, out, _ = wengert("cache", "--clear")
    assert code == 0
    assert out.splitlines()[1:] == ["deleted 3 entries, 1.5 MB", "entries 0, 0.0 MB of 64.0 MB"]
    assert os.listdir(entries) == ["notes.txt"]
    assert json.loads(wengert("cache", "--clear", "--json")[1])["deleted"] == {"entries": 0, "bytes": 0}


def test_cache_says_why_it_is_not_used(wengert, entries, monkeypatch):
    entries.chmod(0o777)
    if os.name == "posix":
        assert "problem: others may write to it\n" in wengert("cache", "--clear")[1]
        assert len(list(entries.glob("*.o"))) == 3
    monkeypatch.setenv("WENGERT_CACHE_DIR", "off")
    code, out, _ = wengert("cache")
    assert code == 0
    assert out.startswith("folder none\nproblem: WENGERT_CACHE_DIR switches the cache off\nentries 0")


def test_cache_of_a_size_that_is_none(refuses, monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE_SIZE", "plenty")
    assert refuses("cache") == "WENGERT_CACHE_SIZE='plenty': not a size; write for instance 256M"


# --- train


def test_train_classification(wengert, tmp_path):
    code, out, err = wengert("train", "iris", *QUICK)
    assert code == 0
    assert "target target: classification into 3 classes (text; --task regression overrides)" in out
    assert "rows 105 training, 15 validation, 30 test" in out
    assert "network 4-8-3 relu, 67 weights" in out
    assert out.splitlines()[-1].startswith("test accuracy 0.")
    assert err.splitlines()[0].startswith("epoch 1/3  training ")
    assert os.listdir(tmp_path) == ["iris.wengert"]


def test_train_regression(wengert):
    _, out, _ = wengert("train", "diabetes", *QUICK)
    assert "target target: regression (214 different numbers; --task classification overrides)" in out
    lines = out.splitlines()
    assert [line.rsplit(" ", 1)[0] for line in lines[-3:]] == ["test MAE", "test RMSE", "test R²"]


def test_train_two_classes_from_a_file(wengert, tmp_path):
    rng = np.random.default_rng(0)
    rows = ["a,label,b"] + [
        f"{x:.3f},{'in' if x * x + y * y < 0.6 else 'out'},{y:.3f}" for x, y in rng.uniform(-1, 1, (300, 2))
    ]
    (tmp_path / "disc.csv").write_text("\n".join(rows))
    code, out, _ = wengert("train", "disc.csv", "--target", "label", "--epochs", 60, "--learning-rate", 0.02)
    assert code == 0
    assert float(out.split()[-1]) > 0.9
    model = models.load("disc.wengert")
    assert (model.features, model.classes, model.network.sizes) == (("a", "b"), ("in", "out"), (2, 128, 1))


@pytest.mark.parametrize(
    "option",
    [
        ["--activation", "tanh"],
        ["--optimiser", "sgd"],
        ["--optimiser", "momentum"],
        ["--hidden", "0"],
        ["--task", "regression", "--validation-fraction", "0", "--test-fraction", "0"],
    ],
    ids=lambda o: o[-1],
)
def test_options_of_training(wengert, option):
    assert wengert("train", "wine", *QUICK, *option)[0] == 0


def test_same_seed_same_bytes(wengert, tmp_path):
    for name in ("a", "b"):
        wengert("train", "wine", *QUICK, "--seed", 7, "--output", f"{name}.wengert", "--plot", f"{name}.png")
        wengert("predict", f"{name}.wengert", "wine", "--output", f"{name}.csv")
    for ending in ("wengert", "png", "csv"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    wengert("train", "wine", *QUICK, "--seed", 8, "--output", "c.wengert")
    assert (tmp_path / "a.wengert").read_bytes() != (tmp_path / "c.wengert").read_bytes()


def test_the_scores_printed_are_kept_in_the_model(wengert):
    _, out, _ = wengert("train", "iris", *QUICK)
    model = models.load("iris.wengert")
    assert out.splitlines()[-1] == f"test accuracy {model.training['scores']['test accuracy']:.4f}"
    assert model.training["options"]["hidden"] == [8]
    assert len(model.training["validation_error"]) == 3


def test_constant_columns_are_told(wengert, tmp_path):
    (tmp_path / "c.csv").write_text("x,same,target\n" + "".join(f"{i},1,{i % 2}\n" for i in range(40)))
    _, _, err = wengert("train", "c.csv", *QUICK)
    assert "wengert: note: constant in the training part, and so of no use: same" in err


def test_a_file_in_the_shadow_of_an_embedded_set_is_told(wengert, tmp_path):
    (tmp_path / "iris").write_text("x,target\n")
    _, out, err = wengert("train", "iris", *QUICK)
    assert "using the embedded data set iris, not the file iris; write ./iris for the file" in err
    assert "150 rows" in out


def test_every_activation_and_optimiser_offered_exists():
    assert {a.value for a in cli.Activation} <= set(nn.ACTIVATIONS)
    assert {o.value for o in cli.Optimiser} == set(_jobs.OPTIMISERS) == set(_jobs.LEARNING_RATES)


def test_digits_are_learnt(wengert):
    _, out, _ = wengert("train", "digits", "--plot", "curve.png")
    assert float(out.splitlines()[-1].removeprefix("test accuracy ")) >= 0.975


# --- columns of every kind


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
        cells = (*kept, np.datetime64("2024-01-01") + i, "yes" if garden else "no", f"{price:.3f}",
                 int(price > 2), int(age > 45), tags, i // 6, i % 12 + 1)  # fmt: skip
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
    assert refuses("predict", "houses.wengert", "new.csv").startswith("new.csv:1: no column 'town'")


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
    assert set(report) == {"task", "target", "rows", "cross_entropy", "labels_right", "accuracy"}


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
        code, out, _ = wengert("train", houses, *ignored, *QUICK, *option)
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


# --- what train refuses


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument '(DATA|data)'; see wengert --help$"),
        (["nosuch.csv"], "nosuch.csv: no such file; there are also the embedded sets digits, iris"),
        (["digts"], r"digts: no such file; did you mean 'digits'\?"),
        (["t.csv"], r"t.csv:1: which column is to be predicted\? Write --target with one of a, b, text"),
        (
            ["t.csv", "--target", "bb"],
            r"t.csv:1: no column 'bb'; did you mean 'b'\? the file has the columns a, b, text",
        ),
        (
            ["text.csv"],
            r"text.csv:1: column 'name' \(28 different values in 28 rows\) is text; leave it out \(--",
        ),
        (["text.csv", "--ignore", "nam"], "text.csv:1: no column 'nam'; did you mean 'name'"),
        (["ragged.csv", "--target", "a"], "ragged.csv:3: 1 cells where the header names 2 columns"),
        (["one.csv"], "one.csv: target 'target' has one class only, 'a'"),
        (["only.csv"], "only.csv:1: there is no column but the target 'target'; add columns to predict from"),
        (["empty.csv"], "empty.csv: the file is empty"),
        (["few.csv"], "a validation fraction of 0.1 leaves no row of 2 for the validation part"),
        (
            ["iris", "--hidden", "8,x"],
            "--hidden '8,x': no sizes of layers; write for instance 64,32, or 0 for none$",
        ),
        (["iris", "--epochs", "0"], "Invalid value for '--epochs': .*; see wengert --help$"),
        (
            ["iris", "--learning-rate", "0"],
            "--learning-rate 0: not a positive number; write for instance 0.001$",
        ),
        (["iris", "--activation", "cube"], "Invalid value for '--activation': .*'cube' is not one of 'relu'"),
        (["iris", "--sede", "1"], "No such option: --sede"),
        (
            ["iris", "--test-fraction", "0.95"],
            "validation fraction 0.1 and test fraction 0.95 leave too little",
        ),
        (
            ["iris", "--output", "no/where"],
            "no/where: there is no folder no; name a file in a folder that exists",
        ),
        (["iris", "--output", "."], ".: is a folder; name a file in a folder that exists"),
        (
            ["iris", "--output", "t.csv"],
            "t.csv: exists and is not a model; choose another name, or write --force",
        ),
        (["t.csv", "--output", "t.csv"], "t.csv: would overwrite what t.csv holds; choose another name"),
        (["t.csv", "--output", "link.csv", "--force"], "link.csv: would overwrite what t.csv holds"),
        (
            ["iris", "--plot", "t.csv"],
            "t.csv: exists and is not a PNG picture; choose another name, or write --force",
        ),
        (["iris", "--output", "x", "--plot", "x"], "x: would overwrite what x holds"),
        (
            ["iris", "--optimiser", "sgd", "--learning-rate", "1e30"],
            "training diverged: the training error became",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_train_refuses(refuses, tmp_path, arguments, message):
    (tmp_path / "t.csv").write_text("a,b,text\n1,2,u\n3,4,v\n")
    (tmp_path / "text.csv").write_text("name,target\n" + "".join(f"n{i},{i % 2}\n" for i in range(40)))
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3\n")
    (tmp_path / "one.csv").write_text("x,target\n1,a\n2,a\n")
    (tmp_path / "only.csv").write_text("target\na\nb\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "few.csv").write_text("x,target\n1,a\n2,b\n")
    (tmp_path / "link.csv").symlink_to("t.csv")
    assert re.match(message, refuses("train", *arguments))


def test_force_replaces_what_is_no_model(wengert, tmp_path):
    (tmp_path / "notes").write_text("important")
    assert wengert("train", "iris", *QUICK, "--output", "notes", "--force")[0] == 0
    models.load("notes")


def test_a_full_disk_is_told_and_loses_nothing(refuses, wengert, monkeypatch):
    wengert("train", "iris", *QUICK)

    def full(*_):
        raise OSError(28, "No space left on device", "iris.wengert")

    monkeypatch.setattr(os, "replace", full)
    assert refuses("train", "iris", *QUICK, "--seed", 1).startswith("iris.wengert: No space left on device; ")


# --- interruption


def test_progress_is_shown_once(wengert, monkeypatch):
    """By the command line, and not by the training that it starts too."""
    bars = []
    monkeypatch.setattr("wengert.train._fit.progress_if_long", lambda epochs: bars.append(epochs))
    code, _, err = wengert("train", "iris", *QUICK)
    assert (code, bars) == (0, [])
    assert err.count("epoch 1/") == 1


def interrupting(monkeypatch, when):
    """Ctrl-C in the given epoch."""
    original = _jobs.train

    def train(model, problem, options, report):
        def on_epoch(epoch):
            report(epoch)
            if epoch.number == when:
                raise KeyboardInterrupt

        return original(model, problem, options, on_epoch)

    def step(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_jobs, "train", train)
    if when == 0:
        monkeypatch.setattr("wengert.train.Trainer.run_epochs", step)


def test_ctrl_c_saves_the_best_weights_so_far(wengert, monkeypatch):
    interrupting(monkeypatch, 2)
    code, out, _ = wengert("train", "iris", *QUICK)
    assert code == 130
    assert "trained 2 of 3 epochs (interrupted)" in out
    assert len(models.load("iris.wengert").training["training_error"]) == 2


def test_ctrl_c_before_the_first_epoch_keeps_the_old_model(wengert, monkeypatch, tmp_path):
    wengert("train", "iris", *QUICK)
    before = (tmp_path / "iris.wengert").read_bytes()
    interrupting(monkeypatch, 0)
    code, _, err = wengert("train", "iris", *QUICK, "--seed", 1)
    assert code == 130
    assert err == "wengert: error: interrupted before the end of the first epoch; nothing was written\n"
    assert (tmp_path / "iris.wengert").read_bytes() == before


# --- predict


@pytest.fixture
def iris(wengert):
    """A model of the irises in the current folder."""
    wengert("train", "iris", *QUICK)
    return "iris.wengert"


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
    message = "other.wengert: exists and is a model; choose another name"
    assert refuses("predict", iris, "iris", "--output", "other.wengert") == message


# --- evaluate


def test_evaluate_classes(wengert, iris):
    code, out, _ = wengert("evaluate", iris, "iris")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "rows 150"
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
    assert set(report) == {"task", "target", "rows", "mae", "rmse", "r2"}
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


# --- the rest


def test_help(wengert):
    code, out, _ = wengert("--help")
    assert code == 0
    for command in ("train", "predict", "evaluate", "cache"):
        assert command in out
        assert "wengert " in wengert(command, "--help")[1]
    assert wengert() == (0, out, "")


def test_version(wengert):
    code, out, _ = wengert("--version")
    assert code == 0
    assert out.startswith("wengert ")


def test_an_unknown_command(refuses):
    assert refuses("tarin").startswith("No such command 'tarin'")


def test_tables_are_aligned():
    assert columns([["name", "rows"], ["a", "100"]]) == "name  rows\na      100"


@pytest.fixture
def start(tmp_path):
    """Start a command as a process of its own, ended with the test."""
    processes = []

    def run(*arguments):
        command = [sys.executable, "-m", "wengert.cli", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen(command, text=True, cwd=tmp_path, **pipes))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_a_reader_that_leaves_early_is_no_error(start, iris):
    process = start("predict", iris, "iris")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() in (0, 1)


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_a_real_ctrl_c(start, tmp_path):
    process = start("train", "digits", "--epochs", "100000", "--patience", "100000")
    assert process.stderr.readline().startswith("wengert: note: ")
    assert process.stderr.readline().startswith("epoch 1/")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "")
    assert "(interrupted)" in out
    assert os.listdir(tmp_path) == ["digits.wengert"]
