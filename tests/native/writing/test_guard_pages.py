"""Native code touches nothing outside its arguments, results, constants and arena."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def python(*arguments):
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize("seed, host", [(0, ""), (100, "avx2"), (200, "sse2"), (300, "portable")])
def test_random_traces_stay_inside(seed, host):
    done = python("-m", "tests.native.guarded", seed, 12, *([host] if host else []))
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("place, offset", [("at_end", "n"), ("at_start", "-1")])
def test_the_pages_are_guarded(place, offset):
    """A read beyond the edge ends the process: the test above can fail."""
    code = (
        f"import ctypes; from tests.native.guarded import {place}; n = 8;"
        f"memory = {place}(8, n); ctypes.string_at(memory.ctypes.data + {offset}, 1)"
    )
    assert python("-c", code).returncode < 0
