import os
import signal
import stat
import subprocess
import sys

import pytest

from wengert._files import atomically, write_atomically


def test_a_new_file(tmp_path):
    write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_an_old_file_is_replaced_and_keeps_its_permissions(tmp_path):
    old = tmp_path / "a"
    old.write_bytes(b"old")
    old.chmod(0o640)
    write_atomically(old, b"new")
    assert old.read_bytes() == b"new"
    assert stat.S_IMODE(old.stat().st_mode) == 0o640


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, broken):
    def fail(*_):
        raise OSError(28, "No space left on device")

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_device_is_written_to_and_not_replaced():
    before = os.stat(os.devnull)
    write_atomically(os.devnull, b"new")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    assert os.stat(os.devnull).st_ino == before.st_ino


KILLED = """
import os, signal
from wengert._files import atomically
with atomically("a") as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="what has been killed cannot be told")
def test_what_a_killed_process_has_left_is_removed_by_the_next(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 2 and (tmp_path / "a").read_bytes() == b"old"
    write_atomically(tmp_path / "a", b"new")
    assert os.listdir(tmp_path) == ["a"]


def test_what_others_are_writing_is_left_alone(tmp_path):
    """Another thread of this process, another machine, and files whose names only look alike."""
    with atomically(tmp_path / "a") as file:
        others = {".a.00000000-1-00000000.tmp", ".a.tmp", ".a.1234abcd.tmp", ".ab.00000000-99999999-0.tmp"}
        for name in others:
            (tmp_path / name).touch()
        write_atomically(tmp_path / "a", b"second")
        assert len(os.listdir(tmp_path)) == 2 + len(others)
        file.write(b"first")
    assert set(os.listdir(tmp_path)) == {"a", *others}
    assert (tmp_path / "a").read_bytes() == b"first"
