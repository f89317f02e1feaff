"""What tests of native code share: the benchmarks' tools for traces and random programs, and one thread."""

import sys
from pathlib import Path

import pytest

from wengert.native import compilation

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))


@pytest.fixture
def alone(monkeypatch):
    """Nothing is worth sharing: one thread does all, and memory is used again at once."""
    monkeypatch.setattr(compilation, "is_worth_sharing", lambda plan: False)
