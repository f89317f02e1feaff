"""Objects are linked as LLVM links them, or not at all."""

import ctypes
import math
import os
import subprocess
import sys
import weakref

import numpy as np
import pytest

import wengert as wg
from tests.native.programs import STEPS, arguments
from tests.transforms.programs import same_bits, trace_of
from wengert.native.machine import host, llvm, loader, symbols
from wengert.native.machine.loader import Refused
from wengert.native.program import Native

pytestmark = pytest.mark.skipif(not loader.is_possible(), reason="LLVM links everything on this system")

# A constant, a variable, a table of addresses, and functions of others.
MODULE = """
declare double @tanh(double)
declare double @half(double)
@factors = private constant [4 x double] [double 1.0, double 2.0, double 3.0, double 4.0], align 64
@count = internal global i64 0, align 8
@start = internal global i64 40, align 8
@table = internal global [2 x ptr] [ptr @run, ptr @tanh], align 8
define double @run(double %x, i64 %i) {
  %place = getelementptr double, ptr @factors, i64 %i
  %factor = load double, ptr %place
  %y = fmul double %x, %factor
  %half = call double @half(double %y)
  %z = call double @tanh(double %half)
  %old = load i64, ptr @count
  %new = add i64 %old, 1
  store i64 %new, ptr @count
  ret double %z
}
define i64 @counted() {
  %count = load i64, ptr @count
  %start = load i64, ptr @start
  %sum = add i64 %count, %start
  ret i64 %sum
}
define double @by_table(double %x) {
  %place = getelementptr ptr, ptr @table, i64 1
  %f = load ptr, ptr %place
  %y = call double %f(double %x)
  ret double %y
}
"""
HALF = "define double @half(double %x) {\n  %y = fmul double %x, 0.5\n  ret double %y\n}\n"


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path / "cache"))


def objects():
    return llvm.object_codes([HALF, MODULE])


def linked(contents):
    return loader.link(contents, symbols.find)


def call(code, name, *types):
    return ctypes.CFUNCTYPE(*types)(code.address(name))


@pytest.mark.parametrize("link", [linked, llvm.link], ids=["ours", "LLVM's"])
@pytest.mark.parametrize("order", [1, -1])
def test_constants_variables_tables_and_other_objects(link, order):
    code = link(objects()[::order])
    run = call(code, "run", ctypes.c_double, ctypes.c_double, ctypes.c_int64)
    counted = call(code, "counted", ctypes.c_int64)
    assert [run(0.5, i) for i in range(4)] == [math.tanh(0.25 * (i + 1)) for i in range(4)]
    assert counted() == 44
    assert call(code, "by_table", ctypes.c_double, ctypes.c_double)(0.75) == math.tanh(0.75)


def mapping_of(address):
    """The permissions of the memory at an address."""
    with open("/proc/self/maps") as file:
        for line in file:
            start, end = (int(word, 16) for word in line.split()[0].split("-"))
            if start <= address < end:
                return line.split()[1]
    return None


def test_no_memory_is_writable_and_executable():
    text = MODULE + "define ptr @place() {\n  ret ptr @count\n}\n"
    code = linked(llvm.object_codes([text, HALF]))
    assert mapping_of(code.address("run")) == "r-xp"
    assert mapping_of(call(code, "place", ctypes.c_size_t)()) == "rw-p"


def test_a_child_has_variables_of_its_own():
    code = linked(objects())
    run = call(code, "run", ctypes.c_double, ctypes.c_double, ctypes.c_int64)
    counted = call(code, "counted", ctypes.c_int64)
    pid = os.fork()
    if not pid:
        run(1.0, 0)
        os._exit(counted())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 41
    assert counted() == 40


def test_memory_goes_with_the_code():
    code = linked(objects())
    address, gone = code.address("run"), weakref.ref(code._memory)
    del code
    assert gone() is None and mapping_of(address) != "r-xp"


# --- what is refused --------------------------------------------------------------------------------------


def changed(content, at, value):
    return content[:at] + bytes([value]) + content[at + 1 :]


def first_relocation(content):
    """Where the kind of the first relocation is that is applied."""
    object_ = loader.Object(content)
    there = {i for i, _ in object_.loaded()}
    table = next(s for s in object_.sections if s.kind == loader.RELOCATIONS and s.info in there)
    return table.offset + 8


def test_objects_with_something_else_in_them_are_refused():
    half, module = objects()
    for wrong, why in (
        (b"text", "no object"), (changed(module, 4, 1), "no object"),
        (changed(module, 18, 183), "another machine"), (changed(module, 16, 2), "another machine"),
    ):  # fmt: skip
        with pytest.raises(Refused, match=why):
            linked([half, wrong])
    with pytest.raises(Refused, match="a relocation of kind 2"):
        linked([half, changed(module, first_relocation(module), 2)])
    with pytest.raises(Refused, match="'half' is nowhere"):
        linked([module])


def test_what_is_refused_is_linked_by_llvm(monkeypatch):
    monkeypatch.setattr(loader, "WHOLE_ADDRESS", 1000)
    code = host.link(*objects())
    assert isinstance(code, llvm.Code)
    assert call(code, "run", ctypes.c_double, ctypes.c_double, ctypes.c_int64)(0.5, 1) == math.tanh(0.5)


# --- all that is compiled ---------------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(len(STEPS)))
def test_programs_give_the_same_bits_however_they_are_linked(step):
    args = arguments(step)
    native = Native(trace_of(STEPS[step], args, abstract=True))
    assert isinstance(native.code, loader.Code)
    found = native(args)
    other = llvm.link(native.made.objects)
    native._function = call(other, "run", ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
    same_bits(found, native(args))


PROGRAM = """
import sys
import numpy as np
import wengert as wg
f = wg.jit(lambda x: np.tanh(x) @ x.T + np.linalg.det(x) * 0)
g = wg.jit(wg.grad(lambda x: np.sum(np.exp(-x * x))))
x = np.linspace(-1, 1, 64).reshape(8, 8)
for _ in range(4):  # the later calls go through the native entry
    found = g(x)
print(found.tobytes().hex())
print("llvmlite" in sys.modules)
g.assembly(x)
print("llvmlite" in sys.modules)
"""


def test_what_is_cached_runs_without_llvm():
    runs = [
        subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    cold, cached = (run.stdout.split() for run in runs)
    assert cold[1:] == ["True", "True"] and cached[1:] == ["False", "True"]
    assert cold[0] == cached[0]


def test_threads_run_what_is_linked():
    """The team's code and the function's are two pieces, of which one calls the other."""
    x = np.random.default_rng(0).normal(size=(500, 500))
    found = []
    for count in (2, 1):
        f = wg.jit(lambda x: np.tanh(x @ x))
        before = wg.get_threads()
        try:
            wg.set_threads(count)
            found.append(f(x))
        finally:
            wg.set_threads(before)
    native = f._calls.path((x,), {}).run
    assert native.shared and isinstance(native.code, loader.Code)
    np.testing.assert_array_equal(*found)
