"""Writing files whole or not at all.

A file is written under another name in the same folder, synced to the disk and then renamed over the old
one: at every moment the name stands for the old content or for the new one, whatever happens in between.
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
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        with _synced(temporary, _mode(target)) as file:
            yield file
        os.replace(temporary, target)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    _sync_folder(target.parent)


def remove_temporaries(path: str | Path) -> None:
    """Remove what was left by those who were killed while they wrote the file."""
    target = Path(os.path.realpath(path))
    for temporary in target.parent.glob(f".{glob.escape(target.name[:100])}.{'[0-9a-f]' * 8}.tmp"):
        with suppress(FileNotFoundError):
            temporary.unlink()


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
