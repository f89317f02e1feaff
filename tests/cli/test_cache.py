"""``wengert cache``."""

import json
import os

import pytest

from wengert.native.machine import cache


@pytest.fixture
def entries(tmp_path_factory, monkeypatch):
    """A cache of three entries and a file of somebody else's."""
    folder = tmp_path_factory.mktemp("kept") / "cache"
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(folder))
    monkeypatch.setenv("WENGERT_CACHE_SIZE", "64M")
    for name in "abc":
        cache.store(cache.key(name), [bytes(1 << 19)])
    (folder / "notes.txt").write_text("mine")
    return folder


def test_cache_shows_what_it_holds(wengert, entries):
    assert wengert("cache") == (0, f"folder {entries}\nentries 3, 1.5 MB of 64.0 MB\n", "")
    report = json.loads(wengert("cache", "--json")[1])
    size = sum(p.stat().st_size for p in entries.glob("*.o"))
    assert report == {
        "folder": str(entries),
        "problem": None,
        "entries": 3,
        "bytes": size,
        "limit": 64 << 20,
    }


def test_cache_is_cleared(wengert, entries):
    code, out, _ = wengert("cache", "--clear")
    assert code == 0
    assert out.splitlines()[1:] == ["deleted 3 entries, 1.5 MB", "entries 0, 0.0 MB of 64.0 MB"]
    assert os.listdir(entries) == ["notes.txt"]
    assert json.loads(wengert("cache", "--clear", "--json")[1])["deleted"] == {"entries": 0, "bytes": 0}


def test_cache_says_why_it_is_not_used(wengert, entries, monkeypatch):
    entries.chmod(0o777)
    if os.name == "posix":
        assert "problem: others may write to it\n" in wengert("cache", "--clear")[1]
        assert len(list(entries.glob("*.o"))) == 3
    monkeypatch.setenv("WENGERT_CACHE_DIR", "off")
    code, out, _ = wengert("cache")
    assert code == 0
    assert out.startswith("folder none\nproblem: WENGERT_CACHE_DIR switches the cache off\nentries 0")


def test_cache_of_a_size_that_is_none(refuses, monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE_SIZE", "plenty")
    assert refuses("cache") == "WENGERT_CACHE_SIZE='plenty': not a size; write for instance 256M"
