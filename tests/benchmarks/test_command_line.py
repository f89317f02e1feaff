"""The scripts beside `wengert train` do the same job."""

import command_line
import pytest


def test_both_learn_the_same_table(monkeypatch, tmp_path):
    monkeypatch.setattr(command_line, "EPOCHS", 4)
    command_line.write_data(tmp_path / "cover.csv", 3000)
    assert len((tmp_path / "cover.csv").read_text().splitlines()[0].split(",")) == 55
    commands = command_line.contenders(tmp_path / "cover.csv", tmp_path, "python")
    mine, peer = (command_line.run(commands[name]) for name in ("wengert train", "pandas, scikit-learn"))
    assert mine["accuracy"] == pytest.approx(peer["accuracy"], abs=0.08)
    assert mine["accuracy"] > 0.55
    assert mine["megabytes"] > 50 and mine["seconds"] > 0


def test_a_script_whose_packages_are_missing_is_left_out():
    assert command_line.run(["python", "-c", "import no_such_package"]) is None
    with pytest.raises(RuntimeError, match="SyntaxError"):
        command_line.run(["python", "-c", "("])
