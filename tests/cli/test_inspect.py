"""``wengert inspect``."""

import dataclasses
import json

import pytest

from tests.cli.helpers import QUICK
from tests.models.helpers import model
from tests.nn.helpers import every_layer
from wengert import models


def test_what_is_in_a_model(wengert, iris):
    code, out, _ = wengert("inspect", iris)
    assert code == 0
    assert out.startswith(
        "classification of target into setosa, versicolor, virginica; outputs for classes\n"
    )
    assert "column petal_width_cm: number, standardised by" in out
    assert "layers.0   Dense(activation=relu)       weights 4×8, biases 8   40" in out
    assert "67 parameters in float32" in out
    assert "hidden 8" in out
    assert "epoch  training  validation\n    1 " in out
    best = models.load(iris).training["best_epoch"]
    assert f"\nweights of epoch {best}, validation error 0." in out
    assert out.splitlines()[-1].startswith("test ")


def test_the_same_as_json(wengert, iris):
    report = json.loads(wengert("inspect", iris, "--json")[1])
    assert report["task"] == "classification"
    assert report["parameters"] == 67
    assert report["arrays"]["layers.0.weights"] == [4, 8]
    assert [column["column"] for column in report["columns"]] == list(models.load(iris).features)
    assert len(report["training"]["training_error"]) == 3


def test_a_network_by_itself(wengert, tmp_path):
    models.save_network(every_layer(), tmp_path / "n.wengert")
    code, out, _ = wengert("inspect", "n.wengert", "--plot", "n.png")
    assert code == 0
    assert out.startswith("a network by itself, without the columns of a table\n")
    assert "BatchNorm(momentum=0.1, epsilon=1e-05)" in out
    assert json.loads(wengert("inspect", "n.wengert", "--json")[1])["task"] is None
    assert (tmp_path / "n.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_validation_part(wengert):
    wengert("train", "wine", *QUICK, "--validation-fraction", 0)
    code, out, _ = wengert("inspect", "wine.wengert", "--plot", "w.png")
    assert code == 0
    assert "epoch  training\n" in out


def test_what_is_refused(refuses, iris, tmp_path):
    (tmp_path / "t.csv").write_text("x\n1\n")
    assert refuses("inspect", "t.csv").startswith("t.csv: not a wengert model; name a file that")
    assert refuses("inspect", iris, "--plot", "t.csv").startswith("t.csv: exists already; choose another")


@pytest.mark.parametrize(
    "training",
    [{}, {"training_error": "many"}, {"training_error": [1, "x"]},
     {"training_error": [1.0], "best_epoch": "x"},
     {"training_error": [1.0], "validation_error": 3, "options": [], "scores": {"a": None}}],
)  # fmt: skip
def test_a_training_that_makes_no_sense_is_no_mistake(wengert, tmp_path, training):
    models.save(dataclasses.replace(model(), training=training), tmp_path / "m.wengert")
    assert wengert("inspect", "m.wengert", "--plot", "m.png")[0] == 0


def test_options_are_told_in_words(wengert):
    wengert("train", "wine", *QUICK, "--ignore", "hue", "--ignore", "alcohol", "--loss", "focal")
    out = wengert("inspect", "wine.wengert")[1]
    told = " ".join(out.partition("parameters in float32")[2].partition("epoch  training")[0].split())
    assert "ignored hue,alcohol" in told and "loss focal" in told and "hidden 8" in told
    assert "None" not in told and "dropout" not in told and "_" not in told
    assert max(map(len, out.splitlines())) <= 100
