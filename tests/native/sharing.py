"""Programs so small that one thread would run them, for tests of what several do."""

from wengert.native import compilation
from wengert.native.writing import emit


def share_everything(monkeypatch):
    """Whatever is compiled from now on is worth sharing among threads, and worth waking them."""
    monkeypatch.setattr(compilation, "is_worth_sharing", lambda plan: True)
    monkeypatch.setattr(emit, "is_worth_waking", lambda plan: True)
