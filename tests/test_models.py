import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from wengert import _sealed, datasets, models, nn
from wengert.data import Preprocessing, Standardiser, Table
from wengert.errors import DataError, ModelFileError


def model(task="classification", classes=("a", "b", "ç"), seed=0):
    outputs = models.output_units(task, classes)
    network = nn.MLP.init(np.random.default_rng(seed), (2, 5, outputs), "tanh", dtype=np.float32)
    columns = Preprocessing.of_numbers(("x", "y"), np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    target = Standardiser(np.array([10.0]), np.array([2.0]))
    return models.Model(network, columns, ("t",), task, classes, target, {"options": {"seed": seed}})


X = np.random.default_rng(1).normal(size=(6, 2))
SCALED = (X - [1, 2]) / [3, 4]


# --- predicting


def test_probabilities_of_classes():
    y = model().predict(X)
    assert y.shape == (6, 3)
    np.testing.assert_allclose(y.sum(axis=1), 1)


def test_probabilities_of_two_classes():
    two = model(classes=("no", "yes"))
    y = two.predict(X)
    a = two.network(SCALED)
    np.testing.assert_allclose(
        y, np.concatenate([1 / (1 + np.exp(a)), 1 / (1 + np.exp(-a))], axis=1), rtol=1e-5
    )


def test_numbers_come_in_the_units_of_the_target():
    number = model("regression", ())
    np.testing.assert_allclose(number.predict(X), 10 + 2 * number.network(SCALED)[:, 0], rtol=1e-5)


def test_columns_are_found_by_name():
    table = Table.of_cells("t.csv", ("y", "other", "x"), [["2", "text", "1"], ["4", "", "3"]])
    np.testing.assert_array_equal(model().predict_table(table), model().predict(np.array([[1, 2], [3, 4]])))


def test_options_of_activations_are_saved():
    network = nn.MLP.init(np.random.default_rng(0), (2, 5, 3), nn.activation_named("elu", alpha=0.5))
    saved = dataclasses.replace(model(), network=network)
    assert models.from_bytes(models.to_bytes(saved)).network == network


def test_values_beyond_computing_are_refused():
    table = Table.of_cells("t.csv", ("x", "y"), [["1", "2"], ["1e300", "-1e300"]])
    layer = nn.Dense(np.ones((2, 1), np.float32), np.zeros(1, np.float32), nn.identity)
    linear = dataclasses.replace(model("regression", ()), network=nn.MLP((layer,)))
    with pytest.raises(DataError, match=r"t.csv:3: the values are too far from those of the training data"):
        linear.predict_table(table)


# --- files


@pytest.mark.parametrize("classes", [(), ("a", "b"), ("a", "b", "ç")])
def test_what_is_loaded_is_what_was_saved(tmp_path, classes):
    saved = model("classification" if classes else "regression", classes)
    models.save(saved, tmp_path / "m.wengert")
    loaded = models.load(tmp_path / "m.wengert")
    np.testing.assert_array_equal(loaded.predict(X), saved.predict(X))
    assert models.to_bytes(loaded) == models.to_bytes(saved)
    assert loaded.classes == classes
    assert loaded.training == {"options": {"seed": 0}}


def test_equal_models_are_equal_bytes():
    assert models.to_bytes(model()) == models.to_bytes(model()) != models.to_bytes(model(seed=1))


CONTENT = models.to_bytes(model())


@pytest.mark.parametrize("length", [8, 9, 100, len(CONTENT) // 2, len(CONTENT) - 1])
def test_truncated_files(length):
    with pytest.raises(ModelFileError, match=r"^m.wengert: (.*copy or train it again|not a wengert model)"):
        models.from_bytes(CONTENT[:length], "m.wengert")


def test_every_changed_byte_is_noticed():
    for position in range(0, len(CONTENT), 7):
        changed = bytearray(CONTENT)
        changed[position] ^= 0x01
        with pytest.raises(ModelFileError, match=r"^m.wengert: "):
            models.from_bytes(bytes(changed), "m.wengert")


@pytest.mark.parametrize(
    "content",
    [b"", b"a,b\n1,2\n", b"\x89PNG\r\n\x1a\n" + bytes(50), bytes(1000), safetensors.numpy.save({"a": X})],
    ids=["empty", "csv", "png", "zeros", "other safetensors"],
)
def test_foreign_files(content):
    with pytest.raises(
        ModelFileError, match=r"^f: not a wengert model; name a file that `wengert train` wrote$"
    ):
        models.from_bytes(content, "f")


def edited(**changes):
    """The model file with another description."""
    arrays = models._arrays(model())
    known = {"format": "wengert model", "version": 2}
    description = known | models._describe(model()) | changes
    sealed = {"sha256": _sealed._digest(arrays, description)} | description
    return safetensors.numpy.save(arrays, {"wengert": json.dumps(sealed)})


def test_an_unchanged_description_is_accepted():
    models.from_bytes(edited())


@pytest.mark.parametrize("version", [3, "x", None])
def test_newer_versions(version):
    with pytest.raises(
        ModelFileError, match="by a newer wengert, and this one reads up to 2; upgrade wengert"
    ):
        models.from_bytes(edited(version=version), "m.wengert")


@pytest.mark.parametrize(
    "changes",
    [
        {"activations": ["tanh"]},
        {"activations": ["tanh", "identity", "identity"]},
        {"activations": ["tanh", "__import__"]},
        {"activations": 3},
        {"preprocessing": None},
        {"preprocessing": []},
        {"preprocessing": [{"kind": "number", "numbers": 2, "column": "x", "missing": 0, "infinite": 0}]},
        {"preprocessing": [{"kind": "number", "numbers": 4, "column": "x", "missing": 0, "infinite": 0}]},
        {"preprocessing": [{"kind": "exec", "numbers": 4, "column": "x"}]},
        {"classes": ["a"]},
        {"classes": ["a", "b", "c", "d"]},
        {"task": "clustering"},
        {"sha256": "0"},
    ],
    ids=str,
)
def test_descriptions_that_do_not_fit(changes):
    with pytest.raises(ModelFileError, match=r"^m.wengert: damaged model file \(.*copy (or train )?it again"):
        models.from_bytes(edited(**changes), "m.wengert")


FIXTURES = Path(__file__).parent / "fixtures" / "models"


@pytest.mark.parametrize("name", ["version-1-classes", "version-1-number"])
def test_version_1_is_read_and_predicts_the_same(name, tmp_path):
    known = json.loads((FIXTURES / "version-1.json").read_text())[name]
    loaded = models.load(FIXTURES / f"{name}.wengert")
    y = loaded.predict_table(datasets.load(known["data"]))
    np.testing.assert_allclose(y[known["rows"]], known["predictions"], rtol=1e-6)
    models.save(loaded, tmp_path / "new.wengert")
    again = models.load(tmp_path / "new.wengert")
    np.testing.assert_array_equal(again.predict_table(datasets.load(known["data"])), y)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ModelFileError, match=r"absent: cannot read the model \(No such file"):
        models.load(tmp_path / "absent")


def test_a_failed_save_leaves_the_old_model(tmp_path, monkeypatch):
    path = tmp_path / "m.wengert"
    models.save(model(), path)

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        models.save(model(seed=1), path)
    assert path.read_bytes() == CONTENT
    assert os.listdir(tmp_path) == ["m.wengert"]
