"""A training that was ended in any way goes on as if nothing had happened."""

import os
import signal
import time

import pytest

from tests.cli.test_train import interrupting

MORE = ["--epochs", "30", "--hidden", "8", "--dropout", "0.2", "--normalisation", "batch", "--patience", "30"]


def test_after_ctrl_c(wengert, tmp_path, monkeypatch):
    wengert("train", "wine", *MORE, "--output", "whole.wengert")
    with monkeypatch.context() as patched:
        interrupting(patched, 5)
        code, out, _ = wengert("train", "wine", *MORE, "--resume")
        assert code == 130
        assert "trained 5 of 30 epochs (interrupted)" in out
    code, out, _ = wengert("train", "wine", *MORE, "--resume", "--force")
    assert code == 0
    assert "trained 30 of 30 epochs" in out
    assert (tmp_path / "wine.wengert").read_bytes() == (tmp_path / "whole.wengert").read_bytes()
    again = wengert("train", "wine", *MORE, "--resume", "--force")[1]
    assert again == out
    assert (tmp_path / "wine.wengert").read_bytes() == (tmp_path / "whole.wengert").read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
def test_after_kill(wengert, start, tmp_path):
    options = [*MORE, "--epochs", "400", "--patience", "400", "--checkpoint", "kept"]
    wengert("train", "wine", *options[:-2], "--output", "whole.wengert")
    process = start("train", "wine", *options)
    while not (tmp_path / "kept").exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.1)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "wine.wengert").exists()
    assert wengert("train", "wine", *options, "--resume")[0] == 0
    assert (tmp_path / "wine.wengert").read_bytes() == (tmp_path / "whole.wengert").read_bytes()


def test_another_training_is_not_gone_on_with(refuses, wengert):
    wengert("train", "wine", *MORE, "--checkpoint", "kept")
    message = refuses("train", "wine", *MORE, "--checkpoint", "kept", "--resume", "--force", "--seed", 1)
    assert message.startswith("kept: a checkpoint of another training: ")
    message = refuses("train", "iris", *MORE, "--checkpoint", "kept", "--resume")
    assert message.startswith("kept: a checkpoint of another training: ")
