"""``wengert tune``."""

import json
import tomllib

import pytest

from wengert import models
from wengert._jobs import tuning

FEW = ["--candidates", "3", "--epochs", "9"]


@pytest.fixture
def counted(monkeypatch):
    """The options of all trainings that were really made."""
    made, original = [], tuning.Search._computed

    def computed(search, chosen):
        made.append(dict(chosen))
        return original(search, chosen)

    monkeypatch.setattr(tuning.Search, "_computed", computed)
    return made


def test_the_best_options_train(wengert, counted, tmp_path):
    code, out, err = wengert("tune", "wine", *FEW)
    assert code == 0
    assert out.startswith("best of 4 trainings: ")
    assert ", hidden [" in out and "None" not in out
    assert [chosen["epochs"] for chosen in counted] == [3, 3, 3, 9]
    assert len(err.splitlines()) == 4
    best = tomllib.loads((tmp_path / "wine.toml").read_text())
    assert best["epochs"] == 9
    assert wengert("train", "wine", "--config", "wine.toml")[0] == 0
    known = models.load("wine.wengert").training["options"]
    assert known["hidden"] == best["hidden"] and known["learning_rate"] == best["learning_rate"]


def test_the_same_seed_finds_the_same(wengert, tmp_path):
    reports = [
        json.loads(wengert("tune", "iris", *FEW, "--json", "--force", "--seed", seed)[1]) for seed in "112"
    ]
    assert reports[0] == reports[1] != reports[2]


def test_a_search_goes_on_from_its_journal(wengert, counted, tmp_path):
    wengert("tune", "wine", *FEW, "--output", "whole.toml")
    journal = (tmp_path / "whole.journal").read_text()
    lines = journal.splitlines(keepends=True)
    del counted[:]
    (tmp_path / "wine.journal").write_text("".join(lines[:2]) + lines[2][:20])  # as kill leaves it
    assert wengert("tune", "wine", *FEW, "--resume")[0] == 0
    assert [chosen["epochs"] for chosen in counted] == [3, 9]
    assert (tmp_path / "wine.toml").read_bytes() == (tmp_path / "whole.toml").read_bytes()
    del counted[:]
    assert wengert("tune", "wine", *FEW, "--resume", "--force")[0] == 0
    assert not counted


def test_ctrl_c_keeps_what_is_known(wengert, monkeypatch, tmp_path):
    original, calls = tuning.Search._computed, []

    def computed(search, chosen):
        calls.append(chosen)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(search, chosen)

    monkeypatch.setattr(tuning.Search, "_computed", computed)
    code, out, err = wengert("tune", "wine", *FEW)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == (
        "wengert: error: interrupted; write --resume to go on from what wine.journal holds"
    )
    assert len((tmp_path / "wine.journal").read_text().splitlines()) == 2


def test_what_diverges_is_the_worst(wengert, monkeypatch):
    monkeypatch.setitem(tuning.SPACE, "learning_rate", [1e-3, 1e30])
    code, out, _ = wengert("tune", "diabetes", *FEW)
    assert code == 0
    assert "learning_rate 0.001" in out


def test_what_is_refused(refuses, tmp_path):
    (tmp_path / "notes").write_text("mine\nyours\n")
    assert refuses("tune", "wine", "--journal", "notes").startswith("notes: exists already; choose another")
    assert refuses("tune", "wine", "--journal", "notes", "--resume").startswith(
        "notes: is no journal of a se"
    )
    assert refuses("tune", "wine", "--output", "notes").startswith("notes: exists already; choose another")
