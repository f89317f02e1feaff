"""``wengert export``: models that other programs run, from the columns of a table."""

import ctypes
import json
import runpy
import shutil
import subprocess

import numpy as np
import pytest

from tests.cli.helpers import QUICK
from tests.nn.helpers import every_layer
from wengert import models
from wengert.data import read_table

ROWS = 90
SMOOTH = ["--normalisation", "batch", "--dropout", "0.1", "--activation", "silu"]


@pytest.fixture
def people(wengert, tmp_path):
    """A model of columns of every kind, and its table with gaps and a word that was never seen."""
    towns = [f"town {i % 17}" for i in range(ROWS)]
    lines = ["age,town,colour,member,day,target"]
    for i in range(ROWS):
        age, member, day = (
            "" if i % 11 == 0 else f"{i % 7}.5",
            ("yes", "no")[i % 2],
            np.datetime64("2024-01-01") + np.timedelta64(i, "D"),
        )
        lines.append(f"{age},{towns[i]},{('red', 'blue')[i % 2]},{member},{day},{('a', 'b', 'c')[i % 3]}")
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n")
    code, _, err = wengert("train", "people.csv", *QUICK, *SMOOTH)
    assert code == 0, err
    (tmp_path / "new.csv").write_text("\n".join([*lines, ",Rom,green,no,2030-05-05,a"]) + "\n")
    return models.load("people.wengert"), read_table("new.csv")


def given(model, table):
    """The columns as an exported model takes them."""
    found = {}
    for encoder in model.preprocessing.encoders:
        column = table.columns[encoder.column]
        words = hasattr(encoder, "labels")
        found[encoder.column] = (
            [column.text(row) for row in range(len(table))]
            if words
            else encoder.read(table).astype(np.float64)
        )
    return found


def test_numpy(wengert, people, tmp_path):
    model, table = people
    code, out, _ = wengert("export", "people.wengert", "--to", "numpy")
    assert code == 0 and out.startswith("numpy people.py, ")
    assert out.splitlines()[1] == "probabilities of a, b, c, in this order"
    predict = runpy.run_path(str(tmp_path / "people.py"))["predict"]
    np.testing.assert_allclose(predict(**given(model, table)), model.predict_table(table), rtol=1e-4)


def test_onnx(wengert, people, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    model, table = people
    report = json.loads(wengert("export", "people.wengert", "--to", "onnx", "--json")[1])
    assert report["file"] == "people.onnx"
    session = onnxruntime.InferenceSession(str(tmp_path / "people.onnx"))
    feed = {name: np.array(column) for name, column in given(model, table).items()}
    (y,) = session.run(None, feed)
    np.testing.assert_allclose(y, model.predict_table(table), rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_c(wengert, people, tmp_path):
    model, table = people
    assert wengert("export", "people.wengert", "--to", "c", "--output", "p.c")[0] == 0
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", "p.so", "p.c", "-lm"], cwd=tmp_path, check=True)
    text = (tmp_path / "p.c").read_text()
    declared = text[text.index("void predict_rows(") :].partition(")")[0]
    columns = {}
    for encoder in model.preprocessing.encoders:
        kind = np.int32 if hasattr(encoder, "labels") else np.float64
        columns[encoder.column] = encoder.read(table).astype(kind)
    names = [part.split("*")[1] for part in declared.split(",")[1:-1]]
    y = np.empty((len(table), 3), np.float32)
    rows = ctypes.CDLL(str(tmp_path / "p.so")).predict_rows
    rows(ctypes.c_long(len(table)), *(columns[n].ctypes.data_as(ctypes.c_void_p) for n in names),
         y.ctypes.data_as(ctypes.c_void_p))  # fmt: skip
    np.testing.assert_allclose(y, model.predict_table(table), rtol=1e-4)


def test_the_head_of_a_file_says_what_goes_in_and_comes_out(wengert, people, tmp_path):
    lines = []
    for language in ("numpy", "c"):
        assert wengert("export", "people.wengert", "--to", language)[0] == 0
        text = (tmp_path / ("people.py" if language == "numpy" else "people.c")).read_text()
        assert max(map(len, text.partition('"""\n' if language == "numpy" else "*/")[0].splitlines())) <= 110
        lines.append(" ".join(text.replace("\n *", "\n").split()))
    age, town = models.load("people.wengert").preprocessing.encoders[:2]
    for text in lines:
        number = (
            f"in the unit of training (mean {age.mean:.4g}, deviation {age.scale:.4g}), NaN where missing"
        )
        assert f", {number} " in text
        assert ", 1 for yes, -1 for no, NaN where missing " in text
        assert ", days since 1970-01-01 in UTC, with fractions, NaN where missing " in text
        assert ", of a, b, c, in this order " in text
    listed = ", ".join(f"{i} for {word}" for i, word in enumerate(town.labels))
    assert f"town: 1 of type int, {listed}, -1 for nothing, -2 for all others" in lines[1]
    assert f"town: words (rows,), for instance {', '.join(town.labels[:5])}, empty where missing" in lines[0]


def test_the_example_in_the_head_runs(wengert, people, tmp_path):
    assert wengert("export", "people.wengert", "--to", "numpy")[0] == 0
    module = runpy.run_path(str(tmp_path / "people.py"))
    call = module["__doc__"].partition("Example:")[2]
    found = eval(call.strip(), module)
    assert found.shape == (1, 3) and found.sum() == pytest.approx(1, abs=1e-5)
    if shutil.which("cc") is not None:
        wengert("export", "people.wengert", "--to", "c")
        text = (tmp_path / "people.c").read_text()
        example = text.partition("For example:\n")[2].partition(" *\n")[0].replace("\n *", "\n").strip(" *")
        said = 'for (int k = 0; k < 3; k++) printf("%.6f ", probabilities[k]);'
        (tmp_path / "main.c").write_text(
            f"#include <stdio.h>\n{text}\nint main(void) {{\n{example}\n{said}\nreturn 0; }}\n"
        )
        subprocess.run(["cc", "-Wall", "-Werror", "-o", "run", "main.c", "-lm"], cwd=tmp_path, check=True)
        printed = subprocess.run([str(tmp_path / "run")], capture_output=True, text=True, check=True).stdout
        np.testing.assert_allclose([*map(float, printed.split())], found[0], atol=1e-5)


def test_numbers_and_networks_by_themselves(wengert, tmp_path):
    wengert("train", "diabetes", *QUICK)
    assert wengert("export", "diabetes.wengert", "--to", "numpy")[0] == 0
    table, predict = read_table("diabetes"), runpy.run_path(str(tmp_path / "diabetes.py"))["predict"]
    columns = {name: table.columns[name].values for name in models.load("diabetes.wengert").features}
    expected = models.load("diabetes.wengert").predict_table(table)
    np.testing.assert_allclose(predict(**columns), expected, rtol=1e-5)
    network = models.load("diabetes.wengert").network
    models.save_network(network, tmp_path / "n.wengert")
    assert wengert("export", "n.wengert", "--to", "numpy")[0] == 0
    x = np.ones((3, 10), np.float32)
    np.testing.assert_allclose(runpy.run_path(str(tmp_path / "n.py"))["predict"](x), network(x), rtol=1e-5)


def test_what_is_refused(refuses, iris, tmp_path):
    models.save_network(every_layer(), tmp_path / "n.wengert")
    (tmp_path / "iris.c").write_text("mine")
    assert refuses("export", iris, "--to", "c").startswith("iris.c: exists already; choose another name")
    assert refuses("export", iris, "--to", "rust").startswith("Invalid value for '--to'")
    assert refuses("export", iris).startswith("Missing option '--to'")
    message = "the network does not say how many inputs it has; write for instance --inputs 4"
    assert refuses("export", "n.wengert", "--to", "c") == message
    message = "--inputs is for a network by itself; this model takes columns, leave it out"
    assert refuses("export", iris, "--to", "onnx", "--inputs", "4") == message
