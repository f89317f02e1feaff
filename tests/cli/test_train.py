"""``wengert train``: what it prints, what it writes, how it ends."""

import dataclasses
import inspect
import json
import os
import re

import numpy as np
import pytest

from tests.cli.helpers import QUICK
from wengert import models, train
from wengert._jobs.options import Options
from wengert.cli._shared import stem
from wengert.cli.train import train as command


def test_train_classification(wengert, tmp_path):
    code, out, err = wengert("train", "iris", *QUICK)
    assert code == 0
    assert "target target: classification into 3 classes (text)" in out
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
        ["--optimiser", "nesterov(momentum=0.8)", "--schedule", "stepdecay(every=1)"],
        ["--hidden", "0"],
        ["--task", "regression", "--validation-fraction", "0", "--test-fraction", "0"],
        ["--task", "regression", "--loss", "huber(delta=0.5)", "--precision", "float64"],
        ["--task", "regression", "--loss", "poisson"],
        ["--task", "regression", "--loss", "quantile(q=0.9)", "--schedule", "exponential(factor=0.9)"],
        ["--loss", "focal(gamma=1)", "--class-weights", "balanced", "--schedule", "onecycle"],
        ["--class-weights", "0=1,1=2", "--penalty", "l1(0.001)", "--schedule", "adaptive"],
        ["--hidden", "13,13", "--skip", "add", "--dropout", "0.1,0.2", "--activation", "relu,elu(alpha=2)"],
        ["--skip", "concatenate", "--normalisation", "layer", "--initialiser", "orthogonal"],
        ["--normalisation", "batch", "--schedule", "cosine", "--warm-up", "1", "--clip-norm", "1"],
        ["--schedule", "milestones(at=[1,2])", "--split", "random", "--threads", "1", "--tolerance", "0.1"],
        ["--optimiser", "lbfgs(history=5)", "--penalty", "l2(0.01)", "--normalisation", "batch"],
        ["--optimiser", "conjugategradients", "--class-weights", "balanced"],
        ["--optimiser", "levenbergmarquardt", "--task", "regression", "--normalisation", "layer"],
    ],
    ids=" ".join,
)
def test_options_of_training(wengert, option):
    code, _, err = wengert("train", "wine", *QUICK, *option)
    assert code == 0, err
    known = models.load("wine.wengert").training["options"]
    named = {
        name.removeprefix("--").replace("-", "_"): value for name, value in zip(option[::2], option[1::2])
    }
    for name, value in named.items():
        if name not in ("hidden", "threads"):
            assert str(known[name]) == value or known[name] == float(value)


def test_a_seed_and_an_option_determine_the_bytes(wengert, tmp_path):
    for name, more in (("a", []), ("b", ["--threads", "2"]), ("c", ["--dropout", "0.2"])):
        wengert("train", "wine", *QUICK, *more, "--output", f"{name}.wengert")
    a, b, c = ((tmp_path / f"{name}.wengert").read_bytes() for name in "abc")
    assert a == b != c


def test_all_rows_at_once(wengert):
    _, out, _ = wengert(
        "train", "wine", "--optimiser", "lbfgs", "--hidden", "8", "--validation-fraction", "0"
    )
    assert "optimiser lbfgs, all 142 rows at once\nseed 0\n" in out
    assert re.search(
        r"trained \d\d of 100 epochs \(no step lowers the training error further\); weights", out
    )
    assert float(out.split()[-1]) > 0.9
    known = models.load("wine.wengert").training["options"]
    assert (known["batch_size"], known["learning_rate"], known["weight_decay"]) == (142, None, None)


def test_the_outcome_as_json(wengert):
    code, out, _ = wengert("train", "iris", *QUICK, "--json", "--plot", "c.png")
    report = json.loads(out)
    assert code == 0
    assert report["rows"] == {"training": 105, "validation": 15, "test": 30}
    assert (report["task"], report["classes"]) == ("classification", ["setosa", "versicolor", "virginica"])
    assert (report["epochs"], report["weights"], report["model"]) == (3, 67, "iris.wengert")
    assert report["scores"] == models.load("iris.wengert").training["scores"]


def test_rows_are_dealt_out_at_random(wengert, tmp_path):
    rows = "".join(f"{i},{'rare' if i < 10 else 'common'}\n" for i in range(100))
    (tmp_path / "t.csv").write_text("x,target\n" + rows)
    outcomes = []
    for split in ("stratified", "random"):
        wengert("train", "t.csv", *QUICK, "--split", split, "--output", f"{split}.wengert")
        outcomes.append((tmp_path / f"{split}.wengert").read_bytes())
    assert outcomes[0] != outcomes[1]


def test_labels(wengert, tmp_path):
    rows = "".join(f"{i},{i % 2},{i // 50}\n" for i in range(100))
    (tmp_path / "t.csv").write_text("x,odd,late\n" + rows)
    options = ["--target", "odd", "--target", "late", "--class-weights", "balanced", "--loss", "binary_focal"]
    code, out, _ = wengert("train", "t.csv", *QUICK, *options)
    assert code == 0
    assert "target odd, late: multi-label with 2 labels (2 columns of 0 and 1; --task regression" in out
    assert wengert("evaluate", "t.wengert", "t.csv")[0] == 0


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


def test_digits_are_learnt(wengert):
    _, out, _ = wengert("train", "digits", "--plot", "curve.png")
    assert float(out.splitlines()[-1].removeprefix("test accuracy ")) >= 0.975


# --- what train refuses


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument '(DATA|data)'; see wengert train --help$"),
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
        (["iris", "--epochs", "0"], "Invalid value for '--epochs': .*; see wengert train --help$"),
        (
            ["iris", "--learning-rate", "0"],
            "--learning-rate 0: not a positive number; write for instance 0.001$",
        ),
        (
            ["iris", "--activation", "cube"],
            "the network cannot be made: unknown activation 'cube'; choose one of",
        ),
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
            "t.csv: exists already; choose another name, or write --force to replace it",
        ),
        (["t.csv", "--output", "t.csv"], "t.csv: would overwrite what t.csv holds; choose another name"),
        (["t.csv", "--output", "link.csv", "--force"], "link.csv: would overwrite what t.csv holds"),
        (
            ["iris", "--plot", "t.csv"],
            "t.csv: exists already; choose another name, or write --force to replace it",
        ),
        (["iris", "--output", "x", "--plot", "x"], "x: would overwrite what x holds"),
        (["iris", "--output", "x", "--checkpoint", "x"], "x: would overwrite what x holds"),
        (["iris", "--checkpoint", "t.csv"], "t.csv: exists already; write --resume to go on from it, delete"),
        (["iris", "--checkpoint", "t.csv", "--resume"], "t.csv: not a wengert checkpoint; name a file that"),
        (["iris", "--group", "a", "--time", "b"], "--group and --time each split the rows; write one of"),
        (["iris", "--optimiser", "adm"], r"--optimiser: there is no 'adm'; did you mean 'adam'\? Choose one"),
        (["iris", "--optimiser", "adam(0.1"], r"--optimiser 'adam\(0.1': is no name with options; write for"),
        (
            ["iris", "--optimiser", "adam(beta=1)"],
            r"--optimiser 'adam\(beta=1\)': got an unexpected keyword a",
        ),
        (["iris", "--optimiser", "lbfg"], r"--optimiser: there is no 'lbfg'; did you mean 'lbfgs'\?"),
        (["iris", "--optimiser", "lbfgs(history=0)"], r"--optimiser 'lbfgs\(history=0\)': history must be"),
        (
            ["iris", "--optimiser", "lbfgs", "--weight-decay", "0.1", "--batch-size", "8"],
            "--optimiser lbfgs takes all rows at once and has no use for --batch-size, --weight-decay; leave",
        ),
        (
            ["iris", "--optimiser", "lbfgs", "--resume"],
            "--optimiser lbfgs keeps nothing to go on from; leave",
        ),
        (
            ["diabetes", "--optimiser", "levenbergmarquardt", "--penalty", "l1(1)", "--normalisation=batch"],
            "--optimiser levenbergmarquardt .* has no use for --penalty, --normalisation; leave that out, or",
        ),
        (
            ["iris", "--optimiser", "levenbergmarquardt"],
            "--optimiser levenbergmarquardt takes a sum of squares, which is for regression without --loss",
        ),
        (
            ["diabetes", "--optimiser", "levenbergmarquardt(method='qr')"],
            "--optimiser .*no method 'qr'; choose one of lm, lm-accelerated, gauss-newton$",
        ),
        (["iris", "--optimiser", "adam(b1=2)"], r"--optimiser 'adam\(b1=2\)': b1 must"),
        (["iris", "--optimiser", "adam(b1=exit())"], "--optimiser .*: is no name with options; write for"),
        (
            ["iris", "--schedule", "cosine(rise=1)"],
            r"--schedule 'cosine\(rise=1\)': got an unexpected keywor",
        ),
        (
            ["iris", "--loss", "huber"],
            "--loss for classification: there is no 'huber'; choose one of softmax_cross_entropy",
        ),
        (["diabetes", "--loss", "quantile(q=[0.1,0.9])"], ".*one quantile is predicted; write quantile"),
        (["iris", "--loss", "mean_squared_error(2)"], ".*: has no options; write the name alone"),
        (["iris", "--penalty", "l2(-1)"], r"--penalty 'l2\(-1\)': strength must be at least 0, not -1"),
        (["iris", "--dropout", "x"], "--dropout 'x': is no list of numbers; write for instance 0.2,0.5"),
        (["iris", "--dropout", "0.1,0.2"], "the network cannot be made: dropout: 2 are given for 1 hidden"),
        (["iris", "--normalisation", "bach"], "the network .* unknown normalisation 'bach'; did you mean"),
        (["iris", "--class-weights", "rose=1"], "--class-weights: there is no class 'rose'; there are seto"),
        (["iris", "--class-weights", "a=x,b=1"], "--class-weights 'a=x,b=1': 'x' is not a number; write for"),
        (
            ["iris", "--target", "a", "--ignore", "a"],
            "--target a is in --ignore, too; write it in one of them",
        ),
        (
            ["iris", "--loss", "mse"],
            r"--loss: there is no 'mse'; did you mean 'mean_squared_error'\? Choose one of .*, focal$",
        ),
        (["iris", "--class-weights", "rose"], "--class-weights 'rose': write balanced, or the weight of ea"),
        (["diabetes", "--class-weights", "balanced"], "--class-weights: numbers have no classes; leave it"),
        (["iris", "--config", "none.toml"], r"none.toml: cannot read the options \(No such file"),
        (["iris", "--config", "t.csv"], r"t.csv: is not TOML \(.*; write lines such as epochs = 50"),
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


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("a/t.csv.gz", "t"), ("part-*.csv", "part"), ("*.csv", "model"), ("folder/", "folder"),
        ("-", "model"), ("x[12].parquet", "x"), ("my.data", "my.data"), ("2024/**/*.jsonl", "model"),
    ],
)  # fmt: skip
def test_models_are_named_after_their_data(data, name):
    assert stem(data) == name


def test_several_files_train_one_model(wengert, refuses, tmp_path):
    for part in range(3):
        rows = "".join(f"{i % 7},{'ab'[i % 2]}\n" for i in range(20 * part, 20 * part + 20))
        (tmp_path / f"part-{part}.csv").write_text("x,target\n" + rows)
    code, out, _ = wengert("train", "part-*.csv", *QUICK)
    assert code == 0
    assert out.startswith("data part-*.csv: 60 rows, 1 feature\n") and "\nmodel part.wengert\n" in out
    message = "part-1.csv: would overwrite what part-*.csv holds; choose another name"
    assert refuses("train", "part-*.csv", "--output", "part-1.csv", "--force") == message


def test_force_replaces_what_is_no_model(wengert, tmp_path):
    (tmp_path / "notes").write_text("important")
    assert wengert("train", "iris", *QUICK, "--output", "notes", "--force")[0] == 0
    models.load("notes")


def test_a_full_disk_is_told_and_loses_nothing(refuses, wengert, monkeypatch):
    wengert("train", "iris", *QUICK)

    def full(*_):
        raise OSError(28, "No space left on device", "iris.wengert")

    monkeypatch.setattr(os, "replace", full)
    assert refuses("train", "iris", *QUICK, "--seed", 1, "--force").startswith(
        "iris.wengert: No space left on device; "
    )


# --- interruption


def test_progress_is_shown_once(wengert):
    code, _, err = wengert("train", "iris", *QUICK)
    assert code == 0
    assert err.count("epoch 1/") == 1


def interrupting(monkeypatch, when):
    """Ctrl-C after so many calls of native code, each of an epoch or more."""
    original, calls = train.Trainer.run_epochs, []

    def run_epochs(*arguments):
        calls.append(1)
        if len(calls) > when:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(train.Trainer, "run_epochs", run_epochs)


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
    code, _, err = wengert("train", "iris", *QUICK, "--seed", 1, "--force")
    assert code == 130
    assert err == "wengert: error: interrupted before the end of the first epoch; nothing was written\n"
    assert (tmp_path / "iris.wengert").read_bytes() == before


def test_options_are_the_same_where_nobody_chooses():
    given = {name: p.default for name, p in inspect.signature(command).parameters.items()}
    written = {
        f.name: f.default for f in dataclasses.fields(Options) if f.name in given and f.name != "hidden"
    }
    assert len(written) >= 25
    assert written == {name: getattr(given[name], "value", given[name]) for name in written}
    assert [int(size) for size in given["hidden"].split(",")] == list(Options().hidden)
