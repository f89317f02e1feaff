r"""Object code on disk, so that what one process has compiled no other need compile again.

.. math:: \text{key} = h(\text{code generator}, \text{processor}, \text{LLVM IR}),
          \qquad \text{key} \mapsto \text{object code}

An entry is a file named by its key; it is written under another name and renamed, so it is there whole or
not at all, whoever else writes, reads or deletes at that moment. It carries its key and a checksum: what is
damaged, cut short, foreign or of another version is no entry, and the next store replaces it. Where nothing
can be read or written, nothing is kept, and no more comes of it.

The folder is ``WENGERT_CACHE_DIR`` (``off``, or nothing: no cache), by default ``wengert`` in the system's
place for caches. Its content is run as machine code, so a folder that belongs to somebody else, or that
others may write to, is not used. It holds ``WENGERT_CACHE_SIZE`` bytes (256M); the entries that were used
least recently go first.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from wengert.errors import SettingError

MAGIC = b"wengert object 1\n"
HEADER = Struct(f"<{len(MAGIC)}s32s32sQ")  # magic and version, key, checksum, length
LENGTH = Struct("<Q")  # before every object
ENTRY = r"[0-9a-f]{64}\.o"
UNFINISHED = r"\.[0-9a-f]{64}\.[0-9a-f]{16}\.tmp"
ABANDONED = 3600.0  # seconds after which an unfinished file has nobody who will finish it

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
DEFAULT_SIZE = "256M"
SHARE = 64  # the folder is looked through once for every 1/64 of its limit that is stored


# --- where --------------------------------------------------------------------------------------------------


def folder() -> Path | None:
    """Where entries are kept; None where there is no cache."""
    chosen = os.environ.get("WENGERT_CACHE_DIR")
    if chosen is not None:
        return None if chosen in ("", "off") else Path(chosen)
    place = _system_place()
    return place / "wengert" if place else None


def _system_place() -> Path | None:
    """The system's folder for caches of this user; None without a home."""
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    named = Path(os.environ.get(variable, ""))
    if sys.platform != "darwin" and named.is_absolute():
        return named
    inside = {"win32": "AppData/Local", "darwin": "Library/Caches"}.get(sys.platform, ".cache")
    with suppress(RuntimeError):
        home = Path.home()
        return home / inside if home.is_absolute() else None
    return None


def limit() -> int:
    """How many bytes the entries may take."""
    text = os.environ.get("WENGERT_CACHE_SIZE", DEFAULT_SIZE).strip()
    found = re.fullmatch(r"(\d+) *([KMG]?)B?", text, re.IGNORECASE | re.ASCII)
    if found is None:
        raise SettingError(f"WENGERT_CACHE_SIZE={text!r}: not a size; write for instance {DEFAULT_SIZE}")
    return int(found[1]) * UNITS[found[2].upper()]


def refusal(place: Path) -> str:
    """Why a folder is not to be trusted; an empty string where it is, or where there is none yet."""
    try:
        status = place.stat()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if not stat.S_ISDIR(status.st_mode):
        return "it is not a folder"
    if os.name == "posix" and status.st_uid != os.geteuid():
        return "it belongs to another user"
    return "others may write to it" if os.name == "posix" and status.st_mode & 0o022 else ""


def problem() -> str:
    """Why the cache is not used, or not in full; an empty string where it is."""
    place = folder()
    if place is None:
        off = "WENGERT_CACHE_DIR" in os.environ
        return "WENGERT_CACHE_DIR switches the cache off" if off else "there is no home folder"
    there = next(p for p in (place, *place.absolute().parents) if p.exists())
    read_only = "" if os.access(there, os.W_OK) else "it cannot be written to, so nothing new is kept"
    return refusal(place) or read_only


def _usable() -> Path | None:
    place = folder()
    return None if place is None or refusal(place) else place


# --- entries ------------------------------------------------------------------------------------------------


def key(*parts: str) -> str:
    """The name of what is made from these texts."""
    whole = hashlib.blake2b(digest_size=32)
    for part in parts:
        text = part.encode()
        whole.update(len(text).to_bytes(8, "little"))
        whole.update(text)
    return whole.hexdigest()


def load(name: str) -> list[bytes] | None:
    """The objects of this key, if there are any; they are then the most recently used."""
    place = _usable()
    if place is None:
        return None
    path = place / f"{name}.o"
    with suppress(OSError):
        found = _unpack(name, path.read_bytes())
        if found is not None:
            with suppress(OSError):  # a cache that can only be read is a cache
                os.utime(path)
        return found
    return None


def store(name: str, objects: Sequence[bytes]) -> None:
    """Keep objects under their key, if that is possible."""
    place, most = _usable(), limit()
    entry = _pack(name, _joined(objects))
    if place is None or len(entry) > most:
        return
    with suppress(OSError):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(place, name, entry)
        if _is_time(name, len(entry), most):
            _shrink(place, most)


def _pack(name: str, content: bytes) -> bytes:
    return HEADER.pack(MAGIC, bytes.fromhex(name), _checksum(name, content), len(content)) + content


def _unpack(name: str, entry: bytes) -> list[bytes] | None:
    """The objects of an entry; None where it is not one."""
    content = entry[HEADER.size :]
    return _parted(content) if entry == _pack(name, content) else None


def _checksum(name: str, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=32, key=bytes.fromhex(name)).digest()


def _joined(objects: Sequence[bytes]) -> bytes:
    return b"".join(LENGTH.pack(len(code)) + code for code in objects)


def _parted(content: bytes) -> list[bytes]:
    objects, start = [], 0
    while start < len(content):
        end = start + LENGTH.size + LENGTH.unpack_from(content, start)[0]
        objects.append(content[start + LENGTH.size : end])
        start = end
    return objects


def _replace(place: Path, name: str, entry: bytes) -> None:
    """Put an entry in its place, without waiting for the disk: what a power cut damages is no entry."""
    unfinished = place / f".{name}.{os.urandom(8).hex()}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as file:
            file.write(entry)
        os.replace(unfinished, place / f"{name}.o")
    except OSError:
        _delete(unfinished)
        raise


# --- size ---------------------------------------------------------------------------------------------------


class File(NamedTuple):
    """A file of the cache."""

    path: Path
    used: float
    size: int


class Usage(NamedTuple):
    """What the cache holds."""

    entries: int
    size: int


def usage() -> Usage:
    """How many entries there are, and their bytes."""
    place = _usable()
    files = list(_files(place, ENTRY)) if place else []
    return Usage(len(files), sum(f.size for f in files))


def clear() -> Usage:
    """Delete every entry; gives what was deleted. Other files in the folder stay."""
    place = _usable()
    if place is None:
        return Usage(0, 0)
    for file in _files(place, UNFINISHED):
        _delete(file.path)
    gone = [file for file in _files(place, ENTRY) if _delete(file.path)]
    return Usage(len(gone), sum(f.size for f in gone))


def _files(place: Path, pattern: str) -> Iterator[File]:
    with suppress(OSError), os.scandir(place) as found:
        for entry in found:
            if re.fullmatch(pattern, entry.name):
                with suppress(OSError):  # deleted by another process since
                    status = entry.stat(follow_symlinks=False)
                    yield File(place / entry.name, status.st_mtime, status.st_size)


def _is_time(name: str, size: int, most: int) -> bool:
    """Whether to look through the folder now: by chance, once for every share of the limit that is stored.

    Keys are as good as random numbers, so processes need not count together what they store.
    """
    return int(name[:8], 16) * most < size * SHARE << 32


def _shrink(place: Path, most: int) -> None:
    """Delete what was used least recently, down to 7/8 of the limit, and what killed processes left."""
    for file in _files(place, UNFINISHED):
        if file.used < time.time() - ABANDONED:
            _delete(file.path)
    files = sorted(_files(place, ENTRY), key=lambda f: f.used)
    size = sum(f.size for f in files)
    for file in files:
        if size > 7 * most // 8 and _delete(file.path):
            size -= file.size


def _delete(path: Path) -> bool:
    """Delete a file; False where that cannot be done, or another process was first."""
    try:
        path.unlink()
    except OSError:
        return False
    return True
