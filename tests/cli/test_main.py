"""The command line as a whole: help, exit codes, pipes and Ctrl-C."""

import os
import signal
import time

import pytest

from wengert._console import columns


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
