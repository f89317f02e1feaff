"""The command line as a whole: help, exit codes, pipes and Ctrl-C."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from wengert._jobs import timing


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
    assert refuses("tarin") == "No such command 'tarin'. Did you mean 'train'?; see wengert --help"


def test_a_choice_that_there_is_not(refuses):
    message = (
        "Invalid value for '--task': 'regress' is not one of 'classification', 'multi-label', 'regression'"
    )
    assert refuses("train", "iris", "--task", "regress") == f"{message}; see wengert train --help"


def test_an_unknown_option_is_answered_with_the_help_of_its_command(refuses):
    assert refuses("train", "iris", "--epoch", "3").endswith("; see wengert train --help")


def test_a_reader_that_leaves_early_is_no_error(start, iris):
    process = start("predict", iris, "iris")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() in (0, 1)


@pytest.mark.skipif(os.name != "posix", reason="closes stdout in a shell")
def test_a_closed_stdout_is_no_error(tmp_path, iris):
    command = f"{shlex.quote(sys.executable)} -m wengert predict {shlex.quote(str(iris))} iris"
    for closed in (">&-", ">&- --output p.csv"):
        done = subprocess.run(f"{command} {closed}", shell=True, cwd=tmp_path, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "p.csv").read_text().startswith("prediction,")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a file that is always full")
def test_a_full_disk_is_said_in_one_line(iris):
    command = [sys.executable, "-m", "wengert", "inspect", iris]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("wengert: error: what was to be written does not fit: No space left")
    assert len(done.stderr.splitlines()) == 1


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


# --- help

COMMANDS = ("train", "predict", "evaluate", "inspect", "tune", "export", "cache", "bench")


def examples(wengert, monkeypatch):
    """The commands that the help shows, in the order in which they can be run."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    for command in COMMANDS:
        lines = wengert(command, "--help")[1].partition("Options:")[0].splitlines()
        yield from (line.strip() for line in lines if line.strip().startswith("wengert "))


SHORT = {"train": ["--epochs", "2"], "tune": ["--epochs", "2", "--candidates", "2"]}  # the last word counts


def test_the_examples_of_the_help_run(wengert, monkeypatch, tmp_path):
    found = list(examples(wengert, monkeypatch))
    assert {line.split()[1] for line in found} == set(COMMANDS)
    found = [line for line in found if line != "wengert bench"]  # which times for seconds
    found.sort(key=lambda line: "--config" in line)
    for line in found:
        quick = SHORT.get(line.split()[1], [])
        code, _, err = wengert(*shlex.split(line)[1:], *quick, *(["--force"] if "train wine" in line else []))
        assert code == 0, (line, err)


@pytest.mark.parametrize("width", [20, 40, 80])
def test_a_narrow_terminal(wengert, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERMINAL_WIDTH", str(width))
    for command in COMMANDS:
        code, out, _ = wengert(command, "--help")
        assert code == 0
        assert max(map(len, out.splitlines())) <= max(width, 40)
    listed = " ".join(wengert("--help")[1].split())
    assert "tune Search for good options by successive halving: many are tried shortly, the better" in listed


def test_what_options_do_stands_below_their_names_where_room_is_short(wengert, monkeypatch):
    outs = {}
    for width in (40, 80):
        monkeypatch.setenv("COLUMNS", str(width))
        outs[width] = wengert("train", "--help")[1]
    assert "\n  --group COLUMN\n      Keep rows alike in this column\n      together" in outs[40]
    assert "\n  --task <classification|multi-label|\n      regression>\n" in outs[40]
    assert "\n  --group COLUMN                  Keep rows alike in this column together, in" in outs[80]
    assert "list[str]" not in outs[80]


def test_completion_is_offered(wengert, monkeypatch):
    code, out, _ = wengert("--show-completion", "bash")
    assert code == 0
    assert "_WENGERT_COMPLETE=complete_bash" in out


def test_the_timing(wengert, monkeypatch):
    monkeypatch.setattr(timing, "NETWORKS", (((3, 4, 2), 8),))
    monkeypatch.setattr(timing, "STEPS", 2)
    (row,) = json.loads(wengert("bench", "--json")[1])["steps"]
    assert row["network"] == "3-4-2, 8"
    assert row["ratio"] == pytest.approx(row["scikit_learn"] / row["wengert"])
    assert "wengert µs" in wengert("bench")[1]


@pytest.mark.skipif(os.name != "posix", reason="opens a pseudo-terminal")
@pytest.mark.parametrize("width", [30, 100])
def test_in_a_terminal(tmp_path, width):
    """Progress is drawn into the terminal, and results are the same lines as in a pipe."""
    import fcntl
    import pty
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    command = [sys.executable, "-m", "wengert", "train", "iris", "--epochs", "20", "--hidden", "8"]
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")} | {
        "TERM": "xterm"
    }
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=slave, text=True
    )
    out, _ = process.communicate(timeout=60)
    os.close(slave)
    drawn = os.read(master, 1 << 16).decode()
    os.close(master)
    assert process.returncode == 0
    assert out.splitlines()[-1].startswith("test accuracy ")
    assert "20/20" in drawn
