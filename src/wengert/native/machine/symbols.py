"""Where the functions are that generated code calls and did not bring along, by name.

Those of CPython, of the C library and of its mathematics are symbols of the process. What else there is, a
routine of LAPACK or the team of threads, is made known here by whoever has found its address.
"""

from __future__ import annotations

import ctypes
import functools
import os
from typing import Any

known: dict[str, int] = {}


def define(name: str, address: int) -> None:
    """From now on code that is linked finds an address under this name."""
    known[name] = address


def find(name: str) -> int | None:
    """The address under a name; None where there is none."""
    return known[name] if name in known else _of_process(name)


@functools.cache
def _of_process(name: str) -> int | None:
    """The address of a symbol of this process, where the system can be asked for it in this way."""
    function = getattr(_process(), name, None) if os.name == "posix" else None
    return None if function is None else ctypes.cast(function, ctypes.c_void_p).value


@functools.cache
def _process() -> Any:
    return ctypes.CDLL(None)
