"""Memory next to memory that must not be touched, and a program that runs random traces on it.

    python -m tests.native.guarded SEED COUNT [HOST]

A read or write outside arguments, results, constants or the arena ends the process.
"""

import ctypes
import mmap
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

PAGE = mmap.PAGESIZE
REGIONS: list[Any] = []


def _region(nbytes: int) -> tuple[mmap.mmap, int]:
    """Memory between two forbidden pages, and how many bytes it has."""
    room = max(1, -(-nbytes // PAGE)) * PAGE
    region = mmap.mmap(-1, room + 2 * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(region))
    protect = ctypes.CDLL(None).mprotect
    for page in (start, start + PAGE + room):
        assert protect(ctypes.c_void_p(page), ctypes.c_size_t(PAGE), 0) == 0
    REGIONS.append(region)
    return region, room


def at_end(alignment: int, nbytes: int) -> np.ndarray:
    """Memory that ends where memory must not be touched."""
    region, room = _region(nbytes)
    return np.frombuffer(region, np.uint8, nbytes, PAGE + room - nbytes)


def at_start(alignment: int, nbytes: int) -> np.ndarray:
    """Memory that begins behind memory that must not be touched."""
    region, _ = _region(nbytes)
    return np.frombuffer(region, np.uint8, nbytes, PAGE)


def main(seed: int, count: int, host: str = "") -> None:
    """Run random programs in both kinds of memory, and see that results are those of ordinary memory."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    from _programs import program
    from _traces import run, traced

    warnings.simplefilter("ignore")
    for number in range(seed, seed + count):
        f, arguments = program(number)
        with np.errstate(all="ignore"):
            trace = traced(f, *arguments)
        expected = run(trace, arguments, host)
        for place in (at_end, at_start):
            found = run(trace, arguments, host, place=place)
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)
        REGIONS.clear()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
