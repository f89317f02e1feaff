"""The processor is known by what it answers, and described by LLVM once."""

import os
import subprocess
import sys

import pytest

from wengert.native.machine import cache, host, llvm, loader, processor

asked = pytest.mark.skipif(processor.answers() is None, reason="LLVM is asked in every process here")
on_x86 = pytest.mark.skipif(not loader.is_possible(), reason="asks an x86 processor")


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def questions(monkeypatch):
    """How often LLVM has been asked."""
    found, ask = [], host._ask_llvm
    monkeypatch.setattr(host, "_ask_llvm", lambda: found.append(1) or ask())
    return found


@asked
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="chooses cores")
def test_every_core_gives_the_same_answers():
    cores, found = os.sched_getaffinity(0), set()
    try:
        for core in cores:
            os.sched_setaffinity(0, {core})
            found.add(processor.answers())
    finally:
        os.sched_setaffinity(0, cores)
    assert len(found) == 1


@on_x86
def test_the_answers_are_those_that_linux_has_read():
    text = processor.answers()
    vendor = "".join(bytes.fromhex(text.split()[i])[::-1].decode() for i in (2, 4, 3))
    with open("/proc/cpuinfo") as file:
        lines = dict(map(str.strip, line.split(":", 1)) for line in file if ":" in line)
    assert lines["vendor_id"] == vendor
    signature = int(text.split("1.0: ")[1].split()[0], 16)
    assert signature & 15 == int(lines["stepping"])
    assert (signature >> 4 & 15) + (signature >> 16 & 15) * 16 == int(lines["model"])


@asked
def test_llvm_is_asked_once_for_equal_answers(questions, monkeypatch):
    first, second = host._described(), host._described()
    assert len(questions) == 1
    assert list(first) == list(second) == list(llvm.described())
    monkeypatch.setattr(processor, "answers", lambda: "another processor")
    host._described()
    assert len(questions) == 2 and cache.usage().entries == 2


@asked
def test_another_llvm_is_asked_again(questions, monkeypatch):
    host._described()
    monkeypatch.setattr(host, "library", lambda: ("another", "library"))
    host._described()
    assert len(questions) == 2


@asked
def test_a_damaged_description_is_replaced(questions):
    host._described()
    (file,) = cache.folder().iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-9] + b"x" + whole[-8:])
    assert list(host._described()) == list(llvm.described())
    assert len(questions) == 2 and file.read_bytes() == whole


def test_where_the_processor_is_not_asked_llvm_is(questions, monkeypatch):
    monkeypatch.setattr(processor, "answers", lambda: None)
    assert [host._described() == llvm.described() for _ in range(2)] == [True, True]
    assert len(questions) == 2 and cache.usage().entries == 0


@pytest.mark.parametrize("place", ["off", "a file"])
def test_without_a_cache_llvm_is_asked(tmp_path, place):
    """A process of its own, whose description is that of this one."""
    if place != "off":
        place = str(tmp_path / place)
        open(place, "w").close()
    program = "from wengert.native.machine import host; print(host.this_host())"
    variables = os.environ | {"WENGERT_CACHE_DIR": place}
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=variables)
    assert found.stdout.strip() == str(host.this_host())
