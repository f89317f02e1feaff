"""Compiles for threads, one of which is late at every kernel: what comes too early then shows."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from tests.native.sharing import share_everything
from wengert.native.machine import ir
from wengert.native.writing import emit

COUNT = 4  # any of so many threads may be late


@contextmanager
def late_threads(monkeypatch, seed, microseconds=150):
    """Within this, traces are compiled for threads, and before each kernel a random thread sleeps."""
    rng, original = np.random.default_rng(seed), emit.Writer.function

    @contextmanager
    def function(self, hint, *values):
        with original(self, hint, *values) as inner:
            if inner.threads:
                _sleep(inner, int(rng.integers(COUNT)), microseconds)
            yield inner

    with monkeypatch.context() as patch:
        patch.setenv("WENGERT_CACHE_DIR", "off")  # where nobody would know that the code is late
        patch.setattr(emit.Writer, "function", function)
        share_everything(patch)
        yield


def _sleep(writer, late, microseconds):
    f = writer.f
    f.module.declare("usleep", "i32", ["i32"])
    here, after = f.new_label("late"), f.new_label("after")
    f.branch(f.compare("icmp eq", writer.slot(emit.INDEX, "i64"), ir.index(late)), here, after)
    f.start(here)
    f.call("usleep", "i32", ir.constant(microseconds, "i32"))
    f.jump(after)
    f.start(after)
