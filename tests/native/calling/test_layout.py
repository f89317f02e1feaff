"""Places in objects: known here, and without native entries where they are not."""

import subprocess
import sys

from wengert.native.calling import layout

PROGRAM = """
import numpy as np
from wengert.native.calling import layout
layout.DATA += 8  # another NumPy
import wengert as wg
f = wg.jit(lambda x, n: x * 2 if n else x)
for _ in range(3):
    assert f(np.ones(3), 1).sum() == 6 and f(np.ones(3), n=0).sum() == 3
assert not layout.is_known() and f._door is None
"""


def test_every_probe_agrees():
    assert all(layout._probes())


def test_all_functions_are_found():
    assert all(layout.symbols().values())


def test_an_unknown_interpreter_runs_without_native_entries():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)
