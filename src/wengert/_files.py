"""Writing files whole or not at all.

A file is written under another name in the same folder, synced to the disk and then renamed over the old
one: at every moment the name stands for the old content or for the new one, whatever happens in between. The
other name tells who writes, so that the next to write removes what a process has left that was killed.
"""

import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


def write_atomically(path: str | Path, content: bytes) -> None:
    """Put ``content`` into the file."""
    with atomically(path) as file:
        file.write(content)


@contextmanager
def atomically(path: str | Path) -> Iterator[IO[bytes]]:
    """What to write the new content of a file into, following links; devices and pipes are written directly.

    It takes the place of the old one when the block ends; after an error there is the old one only.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            yield file
        return
    target = Path(os.path.realpath(path))
    remove_abandoned(target)
    writer = f"{_machine()}-{os.getpid()}-{secrets.token_hex(4)}"
    temporary = target.with_name(f".{target.name[:100]}.{writer}.tmp")
    try:
        with _synced(temporary, _mode(target)) as file:
            yield file
        os.replace(temporary, target)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    _sync_folder(target.parent)


def remove_abandoned(path: str | Path) -> None:
    """Remove what was left by processes of this machine that were killed while they wrote the file."""
    target = Path(os.path.realpath(path))
    for temporary in target.parent.glob(f".{glob.escape(target.name[:100])}.{_machine()}-*-*.tmp"):
        if _is_dead(temporary.name.split("-")[-2]):
            with suppress(FileNotFoundError, PermissionError):
                temporary.unlink()


def _machine() -> str:
    """The machine, in letters of a file name: the numbers of its processes mean nothing on another one."""
    import hashlib
    import platform

    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _is_dead(process: str) -> bool:
    """Whether no process has this number, where the system can be asked without disturbing it."""
    if os.name != "posix" or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False


def _mode(target: Path) -> int:
    """The permissions of the file that is replaced, or those of any new file."""
    return target.stat().st_mode & 0o777 if target.exists() else 0o666


@contextmanager
def _synced(path: Path, mode: int) -> Iterator[IO[bytes]]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the renaming last, where the system can sync a folder."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
