"""The disk cache of object code: right or absent, whatever others do to its folder at the same time."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from wengert.errors import SettingError
from wengert.native.machine import cache, host

NAME = cache.key("a")
CODE = [bytes(range(256)) * 8]
SQUARE = """
declare double @tanh(double)
define double @run(double %x) {{
  %y = fmul double %x, {factor}
  %z = call double @tanh(double %y)
  ret double %z
}}
"""
as_user = pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
posix = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty folder as the cache."""
    found = tmp_path / "cache"
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(found))
    monkeypatch.delenv("WENGERT_CACHE_SIZE", raising=False)
    return found


@pytest.fixture
def compiled(monkeypatch):
    """The modules that LLVM has compiled."""
    found = []
    compile_ = host.object_codes
    monkeypatch.setattr(host, "object_codes", lambda irs: found.extend(irs) or compile_(irs))
    return found


def entry(place, name=NAME):
    return place / f"{name}.o"


def value(ir, x):
    code = host.load(ir)
    return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(code.address("run"))(x)


def names(count):
    return [cache.key(str(i)) for i in range(count)]


# --- entries


def test_what_was_stored_is_loaded(place):
    assert cache.load(NAME) is None
    cache.store(NAME, CODE)
    assert cache.load(NAME) == CODE
    assert os.listdir(place) == [f"{NAME}.o"]
    assert cache.usage() == (1, entry(place).stat().st_size)


def test_keys_tell_apart_where_one_text_ends():
    assert len({cache.key("ab", "c"), cache.key("a", "bc"), cache.key("abc"), cache.key("", "abc")}) == 4


def test_code_from_the_cache_computes_the_same(compiled):
    ir = SQUARE.format(factor="2.0")
    cold, warm = value(ir, 0.25), value(ir, 0.25)
    assert compiled == [ir]
    assert cold == warm == pytest.approx(0.46211715726000975, rel=1e-15)


def test_another_module_is_another_entry(compiled):
    texts = [SQUARE.format(factor=factor) for factor in ("1.0", "3.0")]
    assert value(texts[0], 0.1) != value(texts[1], 0.1)
    assert compiled == texts
    assert cache.usage().entries == 2


def test_the_processor_and_the_versions_are_in_the_key(compiled, monkeypatch):
    ir = SQUARE.format(factor="2.0")
    value(ir, 0.25)
    for i in range(len(host.identity())):
        parts = list(host.identity())
        parts[i] += "+other"
        with monkeypatch.context() as patch:
            patch.setattr(host, "identity", lambda parts=parts: tuple(parts))
            value(ir, 0.25)
    assert len(compiled) == cache.usage().entries == 1 + len(host.identity())


def test_every_flipped_bit_and_every_length_is_noticed(place):
    cache.store(NAME, CODE)
    whole = entry(place).read_bytes()
    for i in [*range(cache.HEADER.size), *range(cache.HEADER.size, len(whole), 37), len(whole) - 1]:
        entry(place).write_bytes(whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :])
        assert cache.load(NAME) is None
        entry(place).write_bytes(whole[:i])
        assert cache.load(NAME) is None
    entry(place).write_bytes(whole + b"\0")
    assert cache.load(NAME) is None
    cache.store(NAME, CODE)
    assert entry(place).read_bytes() == whole


def test_an_entry_under_the_name_of_another_is_none(place):
    cache.store(NAME, CODE)
    other = cache.key("b")
    entry(place).rename(entry(place, other))
    assert cache.load(other) is None


def test_an_entry_of_a_newer_version_is_replaced(place, monkeypatch):
    with monkeypatch.context() as newer:
        newer.setattr(cache, "MAGIC", b"wengert object 2\n")
        cache.store(NAME, CODE)
    assert cache.load(NAME) is None
    cache.store(NAME, CODE)
    assert cache.load(NAME) == CODE


@pytest.mark.parametrize("content", [b"", b"\x7fELF" + bytes(500), b"wengert object 1\n"])
def test_damaged_entries_are_compiled_again_and_replaced(place, compiled, content):
    ir = SQUARE.format(factor="2.0")
    expected = value(ir, 0.5)
    [path] = place.iterdir()
    whole = path.read_bytes()
    path.write_bytes(content)
    assert value(ir, 0.5) == expected
    assert compiled == [ir, ir]
    assert path.read_bytes() == whole


def test_a_folder_under_the_name_of_an_entry_only_costs_the_entry(place):
    entry(place).mkdir(parents=True)
    cache.store(NAME, CODE)
    assert cache.load(NAME) is None
    assert os.listdir(place) == [f"{NAME}.o"]


# --- where


def test_the_folder_is_private(place):
    cache.store(NAME, CODE)
    if os.name == "posix":
        assert (place.stat().st_mode & 0o777, entry(place).stat().st_mode & 0o777) == (0o700, 0o600)


@posix
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_can_write_to_is_not_used(place, mode):
    cache.store(NAME, CODE)
    place.chmod(mode)
    assert cache.load(NAME) is None
    cache.store(cache.key("b"), CODE)
    assert cache.clear() == cache.usage() == (0, 0)
    assert os.listdir(place) == [f"{NAME}.o"]
    assert cache.problem() == "others may write to it"
    place.chmod(0o755)
    assert cache.load(NAME) == CODE


@posix
def test_a_folder_of_somebody_else_is_not_used(place, monkeypatch):
    cache.store(NAME, CODE)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert cache.load(NAME) is None
    assert cache.problem() == "it belongs to another user"


@pytest.mark.parametrize("word", ["", "off"])
def test_switched_off(word, monkeypatch, tmp_path):
    monkeypatch.setenv("WENGERT_CACHE_DIR", word)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache.store(NAME, CODE)
    assert cache.folder() is cache.load(NAME) is None
    assert cache.usage() == cache.clear() == (0, 0)
    assert os.listdir(tmp_path) == []
    assert cache.problem() == "WENGERT_CACHE_DIR switches the cache off"


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"HOME": "/home/me"}, "/home/me/.cache/wengert"),
        ("linux", {"HOME": "/home/me", "XDG_CACHE_HOME": "/fast"}, "/fast/wengert"),
        ("linux", {"HOME": "/home/me", "XDG_CACHE_HOME": "not/absolute"}, "/home/me/.cache/wengert"),
        ("darwin", {"HOME": "/Users/me", "XDG_CACHE_HOME": "/fast"}, "/Users/me/Library/Caches/wengert"),
        ("win32", {"HOME": "/me", "LOCALAPPDATA": "/me/AppData/Local"}, "/me/AppData/Local/wengert"),
        ("win32", {"HOME": "/me"}, "/me/AppData/Local/wengert"),
    ],
)
@posix
def test_the_systems_places_for_caches(monkeypatch, platform, variables, expected):
    for name in ("WENGERT_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache.folder().as_posix() == expected


@pytest.mark.parametrize("home", [None, "", "no/such/place"])
def test_a_home_that_is_none_only_costs_the_cache(monkeypatch, tmp_path, home, compiled):
    for name in ("WENGERT_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cache.Path, "home", staticmethod(lambda: _home(cache.Path, home)))
    monkeypatch.chdir(tmp_path)
    assert value(SQUARE.format(factor="2.0"), 0.0) == 0.0
    assert len(compiled) == 1
    assert os.listdir(tmp_path) == []
    assert cache.problem() == "there is no home folder"


def _home(path, text):
    if text is None:
        raise RuntimeError("Could not determine home directory.")
    return path(text)


@pytest.mark.parametrize("block", ["file", "file above"])
def test_a_place_that_cannot_be_a_folder_only_costs_the_cache(tmp_path, monkeypatch, block, compiled):
    (tmp_path / "taken").write_text("mine")
    place = tmp_path / "taken" if block == "file" else tmp_path / "taken" / "inside"
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(place))
    assert value(SQUARE.format(factor="2.0"), 0.0) == 0.0
    assert cache.clear() == (0, 0)
    assert (tmp_path / "taken").read_text() == "mine"
    assert cache.problem()


@as_user
def test_a_folder_that_is_read_only_still_gives(place):
    cache.store(NAME, CODE)
    place.chmod(0o500)
    try:
        assert cache.load(NAME) == CODE
        cache.store(cache.key("b"), CODE)
        assert cache.usage().entries == 1
        assert cache.problem() == "it cannot be written to, so nothing new is kept"
    finally:
        place.chmod(0o700)


@pytest.mark.parametrize("step", ["open", "replace", "utime", "mkdir", "scandir"])
def test_a_disk_that_refuses_only_costs_the_cache(place, monkeypatch, step, compiled):
    def refuse(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    expected = value(SQUARE.format(factor="2.0"), 0.5)
    monkeypatch.setenv("WENGERT_CACHE_SIZE", "20K")
    with monkeypatch.context() as broken:
        broken.setattr(os, step, refuse)
        assert value(SQUARE.format(factor="2.0"), 0.5) == expected
        assert value(SQUARE.format(factor="4.0"), 0.0) == 0.0
    assert not [p for p in place.iterdir() if p.suffix == ".tmp"]
    assert len(compiled) == 2


def test_a_full_disk_leaves_nothing_behind(place, monkeypatch):
    class Full:
        def __init__(self, descriptor, mode):
            self.descriptor = descriptor

        def __enter__(self):
            return self

        def __exit__(self, *caught):
            os.close(self.descriptor)

        def write(self, content):
            os.write(self.descriptor, content[:100])
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "fdopen", Full)
        cache.store(NAME, CODE)
    assert os.listdir(place) == []


# --- size


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1000", 1000), ("64K", 1 << 16), ("3m", 3 << 20), (" 2 GB ", 2 << 30), ("0", 0)],
)
def test_sizes_are_read(monkeypatch, text, expected):
    monkeypatch.setenv("WENGERT_CACHE_SIZE", text)
    assert cache.limit() == expected


@pytest.mark.parametrize("text", ["", "much", "-1", "1.5G", "2T"])
def test_a_size_that_is_none_is_named(monkeypatch, text):
    monkeypatch.setenv("WENGERT_CACHE_SIZE", text)
    with pytest.raises(SettingError, match=r"WENGERT_CACHE_SIZE='.*': not a size; write for instance 256M"):
        cache.store(NAME, CODE)


def test_the_cache_stays_below_its_limit(monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE_SIZE", "64K")
    largest = 0
    for name in names(200):
        cache.store(name, CODE)
        largest = max(largest, cache.usage().size)
    assert 48 * 1024 < largest <= 64 * 1024


def test_small_entries_are_bounded_too(monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE_SIZE", "200K")
    for name in names(1500):
        cache.store(name, [CODE[0][:256]])
    assert 150 << 10 < cache.usage().size <= 200 << 10


def test_the_least_recently_used_go_first(place, monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE_SIZE", "20000")
    first = names(8)
    for age, name in enumerate(first):
        cache.store(name, CODE)
        os.utime(entry(place, name), (1000 + age, 1000 + age))
    assert cache.load(first[0]) == CODE
    cache.store(cache.key("last"), CODE)
    kept = [cache.load(name) is not None for name in first]
    assert kept == [True, False] + 6 * [True]
    assert cache.load(cache.key("last")) == CODE


@pytest.mark.parametrize("size", ["0", "1000"])
def test_what_is_larger_than_the_cache_is_not_kept(place, monkeypatch, size):
    monkeypatch.setenv("WENGERT_CACHE_SIZE", size)
    cache.store(NAME, CODE)
    assert not place.exists()


def test_what_killed_processes_left_goes_with_the_next_look(place, monkeypatch):
    cache.store(NAME, CODE)
    old, new = (place / f".{NAME}.{16 * digit}.tmp" for digit in "01")
    for path in (old, new):
        path.write_bytes(CODE[0])
    os.utime(old, (1000, 1000))
    monkeypatch.setenv("WENGERT_CACHE_SIZE", "20000")
    cache.store(cache.key("b"), CODE)
    assert (old.exists(), new.exists()) == (False, True)
    assert cache.usage().entries == 2
    cache.clear()
    assert not new.exists()


def test_clear_leaves_the_files_of_others(place):
    cache.store(NAME, CODE)
    for name in ("notes.txt", "main.o", f"{NAME}.txt"):
        (place / name).write_text("mine")
    assert cache.clear().entries == 1
    assert sorted(os.listdir(place)) == sorted(["notes.txt", "main.o", f"{NAME}.txt"])
    assert cache.clear() == cache.usage() == (0, 0)


# --- at the same time

WORKER = """
import sys
from wengert.native.machine import cache
seed, rounds = int(sys.argv[1]), int(sys.argv[2])
contents = {cache.key(str(i)): i % 4 * [bytes([i]) * (50 + 17 * i)] for i in range(40)}
right = wrong = 0
print("started", flush=True)
for turn in range(rounds):
    for i, (name, code) in enumerate(contents.items()):
        if (i * 7 + turn + seed) % 3 == 0:
            cache.store(name, code)
        found = cache.load(name)
        right += found == code
        wrong += found is not None and found != code
    if seed == 0 and turn % 5 == 0:
        cache.clear()
print(right, wrong)
"""


def start(seed, rounds):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", WORKER, str(seed), str(rounds)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_processes_that_store_load_evict_and_clear_at_once(monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE_SIZE", "40K")
    workers = [start(seed, 60) for seed in range(4)]
    for worker in workers:
        out, err = worker.communicate()
        assert (worker.returncode, err) == (0, "")
        right, wrong = map(int, out.split()[1:])
        assert right > 0
        assert wrong == 0


@posix
def test_killed_in_the_middle(place):
    contents = {cache.key(str(i)): i % 4 * [bytes([i]) * (50 + 17 * i)] for i in range(40)}
    for attempt in range(6):
        worker = start(attempt + 1, 10**6)
        assert worker.stdout.readline() == "started\n"
        time.sleep(0.01 * attempt)
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        assert all(cache.load(name) in (code, None) for name, code in contents.items())
    for name, code in contents.items():
        cache.store(name, code)
        assert cache.load(name) == code


def test_threads_that_load_the_same_code_at_once(compiled):
    ir = SQUARE.format(factor="0.5")
    expected, found = value(ir, 0.5), []
    cache.clear()

    def work():
        found.extend(value(ir, 0.5) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
        cache.clear()
    for thread in threads:
        thread.join()
    assert found == [expected] * 120


def test_code_outlives_its_entry(place):
    code = host.load(SQUARE.format(factor="2.0"))
    loaded = host.load(SQUARE.format(factor="2.0"))
    cache.clear()
    place.rmdir()
    for c in (code, loaded):
        run = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(c.address("run"))
        assert run(0.25) == pytest.approx(0.46211715726000975, rel=1e-15)
