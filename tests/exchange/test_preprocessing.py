"""A table's preprocessing inside an exported network: what columns become, and words as they stand there."""

import re

import numpy as np
import pytest

from tests.exchange.helpers import EACH_TARGET, assert_close, by_numpy, generator
from wengert import nn
from wengert.data import Preprocessing, Table
from wengert.errors import ExchangeError
from wengert.exchange import TARGETS, to_c, to_numpy, to_onnx

TOWNS = ("Bonn", "Köln", "Ulm")
COLUMNS = ["age", "town", "ok", "day"]


def table():
    rows = range(40)
    cells = [
        [
            str(30 + i % 7) if i % 5 else "",
            TOWNS[i % 3],
            "yes" if i % 2 else "no",
            f"2024-0{1 + i % 9}-1{i % 9}",
        ]
        for i in rows
    ]
    return Table.of_cells("people.csv", COLUMNS, cells)


def fitted():
    """The preprocessing, the columns as it reads them, and a network for what they become."""
    preprocessing = Preprocessing.fit(table(), COLUMNS)
    network = nn.MLP.init(
        generator(), (len(preprocessing.features), 5, 2), "tanh", "softmax", dtype=np.float32
    )
    columns = {encoder.column: encoder.read(table()) for encoder in preprocessing.encoders}
    return preprocessing, columns, network


def applied(preprocessing):
    return lambda x: np.concatenate([e.apply(x[e.column]) for e in preprocessing.encoders], axis=1)


@EACH_TARGET
def test_the_encoders_of_a_table(run):
    preprocessing, columns, network = fitted()
    found = run(network, columns, preprocessing=applied(preprocessing), dtype=np.float32)
    assert_close(found, [network(preprocessing.transform(table()))])


# --- words --------------------------------------------------------------------------------------------------

WORDS = {"town": {"Bonn": 0, "Köln": 1, "Ulm": 2, "": -1, None: -2}}


def town(x):
    return (x["town"][:, None] == np.arange(-2, 3)).astype(np.float64)


GIVEN = {"town": np.array([0, 1], np.int32)}
ASKED = np.array(["Ulm", "Bonn", "", "Rom", "Köln", "bonn"])
WANTED = town({"town": np.array([2, 0, -1, -2, 1, -2])})


def test_words_in_python():
    module = {}
    exec(to_numpy(town, GIVEN, words=WORDS), module)
    assert np.array_equal(module["predict"](ASKED), WANTED)
    assert "town: words (rows,)" in module["__doc__"]


def test_words_in_onnx():
    onnx, ort = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    content = to_onnx(town, GIVEN, words=WORDS)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].type == "tensor(string)"
    assert np.array_equal(session.run(None, {"town": ASKED.astype(object)})[0], WANTED)


def test_words_in_c_are_told():
    told = "town: 1 of type int, 0 for Bonn, 1 for Köln, 2 for Ulm, -1 for nothing, -2 for all others\n"
    assert told in to_c(town, GIVEN, words=WORDS)


def test_words_for_what_is_no_category():
    with pytest.raises(ExchangeError, match="words are given for 'city'; the inputs are town"):
        to_onnx(town, GIVEN, words={"city": {}})
    with pytest.raises(
        ExchangeError, match="words stand for whole numbers, and the example of 'x' has others"
    ):
        to_onnx(np.tanh, 3, words={"x": {}})


# --- names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_takes_the_same(target, tmp_path):
    content = TARGETS[target](
        nn.MLP.init(generator(), (3, 2)), 3, tmp_path / "file", names=("in", "out"), preprocessing=np.tanh
    )
    assert (tmp_path / "file").read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert b"out" in (tmp_path / "file").read_bytes() and b"in" in (tmp_path / "file").read_bytes()


@EACH_TARGET
@pytest.mark.parametrize(
    "name", ["class", "float", "len", "np", "rows", "for", "int", "at", "i", "größe", "1st", ""]
)
def test_words_of_the_languages_may_be_names(name, run):
    x = {name: generator().normal(size=(3, 2))}
    assert_close(run(lambda x: x[name] / np.inf + np.tanh(x[name]), x), [np.tanh(x[name])])


EVIL = 'a"""\nraise SystemExit\n*/ #error /* \\'


def test_names_from_files_stay_names():
    layer = nn.Parallel({EVIL: nn.Dense.init(generator(), 2, 2)})
    x = {EVIL: generator().normal(size=(3, 2))}
    (found,) = by_numpy(layer, x)
    assert np.array_equal(found, layer(x)[EVIL])
    codes = to_c(lambda x: town({"town": x}), np.array([0, 1]), words={"x": {EVIL: 0}})
    for text in (to_c(layer, x), codes):
        assert "#error" not in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        assert text.count("*/") == text.count("/*")
