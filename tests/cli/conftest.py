"""Commands as people run them: in an empty folder, with exit code, stdout and stderr."""

import os
import signal
import subprocess
import sys

import pytest

from tests.cli.helpers import QUICK
from wengert import cli


@pytest.fixture
def wengert(tmp_path, monkeypatch, capfd):
    """Run a command in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["wengert", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return run


@pytest.fixture
def refuses(wengert, tmp_path):
    """Run a command that must end with one line of error, exit code 2, and nothing written."""

    def run(*arguments):
        before = {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
        code, _, err = wengert(*arguments)
        assert code == 2
        assert {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before
        lines = [line for line in err.splitlines() if not line.startswith(("wengert: note: ", "epoch "))]
        assert len(lines) == 1
        assert lines[0].startswith("wengert: error: ")
        print(lines[0])
        return lines[0].removeprefix("wengert: error: ")

    return run


def hear_ctrl_c():
    """Jobs in the background of a shell ignore it, and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def start(tmp_path):
    """Start a command as a process of its own, ended with the test."""
    processes = []

    def run(*arguments):
        command = [sys.executable, "-m", "wengert", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        if os.name == "posix":
            pipes["preexec_fn"] = hear_ctrl_c
        processes.append(subprocess.Popen(command, text=True, cwd=tmp_path, **pipes))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.fixture
def iris(wengert):
    """A model of the irises in the current folder."""
    wengert("train", "iris", *QUICK)
    return "iris.wengert"
