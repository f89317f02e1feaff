"""Model files: whole or not at all, of every version, and refused with a reason where they are none."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from tests.models.helpers import edited, model, opened
from tests.nn.helpers import every_layer, inputs
from wengert import models, nn
from wengert.data import read_table
from wengert.errors import ModelFileError

X = np.random.default_rng(1).normal(size=(6, 2))
CONTENT = models.to_bytes(model())


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


def test_a_model_of_layers_in_graphs():
    rng = np.random.default_rng(0)
    nodes = {"h": (nn.Units(4, "tanh"), "x"), "y": (nn.Units(3), "h", "x")}
    graph = nn.Graph.init(rng, nodes, inputs={"x": 2}, outputs="y", dtype=np.float32)
    for network in (graph, nn.UnitGraph.from_layers(rng, (2, 4, 3), dtype=np.float32)):
        saved = dataclasses.replace(model(), network=network)
        np.testing.assert_array_equal(models.from_bytes(models.to_bytes(saved)).predict(X), saved.predict(X))


def test_a_network_by_itself(tmp_path):
    models.save_network(every_layer(), tmp_path / "n.wengert")
    assert models.load_network(tmp_path / "n.wengert") == every_layer()
    with pytest.raises(
        ModelFileError, match=r"n.wengert: holds a network without the columns of a table; rea"
    ):
        models.load(tmp_path / "n.wengert")
    models.save(model(), tmp_path / "m.wengert")
    assert models.load_network(tmp_path / "m.wengert") == model().network


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


# --- versions

FIXTURES = Path(__file__).parent.parent / "fixtures" / "models"


def known():
    return {
        name: found
        for path in sorted(FIXTURES.glob("*.json"))
        for name, found in json.loads(path.read_text()).items()
    }


@pytest.mark.parametrize("name", known())
def test_every_version_is_read_and_predicts_the_same(name, tmp_path):
    found = known()[name]
    data = str(FIXTURES / found["data"]) if "." in found["data"] else found["data"]
    loaded, table = models.load(FIXTURES / f"{name}.wengert"), read_table(data)
    y = loaded.predict_table(table)
    np.testing.assert_allclose(y[found["rows"]], found["predictions"], rtol=1e-5)
    models.save(loaded, tmp_path / "new.wengert")
    np.testing.assert_array_equal(models.load(tmp_path / "new.wengert").predict_table(table), y)


def test_every_layer_of_version_3_is_read():
    network = models.load_network(FIXTURES / "version-3-every-layer.wengert")
    np.testing.assert_allclose(network(inputs())[:, 0], every_layer()(inputs())[:, 0], rtol=1e-12)
    assert network == every_layer()


def test_there_is_a_fixture_of_every_version():
    versions = {opened(path.read_bytes())[1]["version"] for path in FIXTURES.glob("*.wengert")}
    assert versions == set(range(1, models.KIND.version + 1))


@pytest.mark.parametrize("version", [4, 10**30, "x", None, True, 0, -1, 2.0])
def test_versions_that_are_not_known(version):
    newer = edited(CONTENT, lambda arrays, d: d.update(version=version))
    with pytest.raises(
        ModelFileError, match="by a newer wengert, and this one reads up to 3; upgrade wengert"
    ):
        models.from_bytes(newer, "m.wengert")


# --- foreign files


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
