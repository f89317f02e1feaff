r"""What compiled code depends on besides its text: the package as it stands, the interpreter, the processor.

.. math:: \text{key} = h(\text{package}, \text{Python}, \text{NumPy}, \text{processor}, \text{what})
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wengert.native.machine import cache, host


def key(*what: object) -> str:
    """The name of code that this package writes: what it is, and all else that it depends on."""
    around = (package(), sys.version, np.__version__, str(host.this_host()), *host.identity())
    return cache.key(*around, *map(str, what))


@functools.cache
def package() -> str:
    """The package as it stands here, and SciPy: files, their sizes and when they were changed."""
    files = sorted(_files(str(Path(__file__).parents[2]), ""))
    scipy = importlib.util.find_spec("scipy")
    if scipy is not None and scipy.origin is not None:
        status = os.stat(scipy.origin)
        files.append((scipy.origin, status.st_size, status.st_mtime_ns))
    return repr(files)


def _files(place: str, inside: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(place) as found:
        for entry in found:
            name = f"{inside}/{entry.name}"
            if entry.name.endswith(".py"):
                status = entry.stat()
                yield name, status.st_size, status.st_mtime_ns
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _files(entry.path, name)
