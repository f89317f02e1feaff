"""From IR to code in memory: outside symbols, threads, other processors."""

import ctypes
import math
import os
import subprocess
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest

from tests.threads import in_threads
from wengert.native.machine import host

WRAPPER = """
declare double @{name}(double)
define double @run(double %x) {{
  %y = call double @{name}(double %x)
  ret double %y
}}
"""
SELF = """
declare ptr @pthread_self()
define ptr @run() {
  %x = call ptr @pthread_self()
  ret ptr %x
}
"""
MASKED = """
declare <16 x float> @llvm.masked.load.v16f32.p0(ptr, i32, <16 x i1>, <16 x float>)
declare void @llvm.masked.store.v16f32.p0(<16 x float>, ptr, i32, <16 x i1>)
define void @run(ptr %x, i32 %n) {
  %a = insertelement <16 x i32> poison, i32 %n, i64 0
  %b = shufflevector <16 x i32> %a, <16 x i32> poison, <16 x i32> zeroinitializer
  %m = icmp ult <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7,
                            i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>, %b
  %v = call <16 x float> @llvm.masked.load.v16f32.p0(ptr %x, i32 4, <16 x i1> %m, <16 x float> poison)
  %w = fmul <16 x float> %v, %v
  call void @llvm.masked.store.v16f32.p0(<16 x float> %w, ptr %x, i32 4, <16 x i1> %m)
  ret void
}
"""


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(params=["cold", "cached"])
def load(request, monkeypatch):
    """`host.load`, of code that LLVM compiles or of code that is found in the cache."""

    def cached(ir):
        host.load(ir)
        with monkeypatch.context() as patch:
            patch.setattr(host, "object_codes", None)
            return host.load(ir)

    return cached if request.param == "cached" else host.load


@pytest.mark.parametrize("name", ["exp", "tanh", "cbrt", "erf", "lgamma"])
def test_functions_of_the_mathematics_library(load, name):
    code = load(WRAPPER.format(name=name))
    run = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(code.address("run"))
    assert run(0.75) == pytest.approx(getattr(math, name)(0.75) if name != "cbrt" else 0.75 ** (1 / 3))


def test_functions_of_python(load):
    code = load(
        "declare double @PyFloat_AsDouble(ptr)\ndeclare ptr @PyFloat_FromDouble(double)\n"
        "define ptr @run(ptr %x) {\n  %y = call double @PyFloat_AsDouble(ptr %x)\n  %z = fneg double %y\n"
        "  %w = call ptr @PyFloat_FromDouble(double %z)\n  ret ptr %w\n}\n"
    )
    assert ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(code.address("run"))(2.5) == -2.5


@pytest.mark.skipif(os.name != "posix", reason="threads of POSIX")
def test_functions_of_threads(load):
    code = load(SELF)
    assert ctypes.CFUNCTYPE(ctypes.c_size_t)(code.address("run"))() == threading.get_ident()


def test_a_function_that_is_nowhere_is_named():
    with pytest.raises(LookupError, match=r"does not have: no_such_function$"):
        host.load(WRAPPER.format(name="no_such_function"))


def test_ir_that_is_wrong_is_an_error():
    with pytest.raises(RuntimeError, match="parsing error"):
        host.load("define nonsense")


@pytest.mark.parametrize("n", [0, 1, 15, 16])
def test_masked_vectors(load, n):
    code = load(MASKED)
    x = np.arange(1, 17, dtype=np.float32)
    expected = np.where(np.arange(16) < n, x * x, x)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32)(code.address("run"))(x.ctypes.data, n)
    np.testing.assert_array_equal(x, expected)


def test_threads_compile_different_code_at_once():
    found = {}

    def work(i):
        code = host.load(WRAPPER.format(name="exp") + f"define double @extra() {{\n  ret double {i}.0\n}}\n")
        found[i] = ctypes.CFUNCTYPE(ctypes.c_double)(code.address("extra"))()

    in_threads(*(partial(work, i) for i in range(12)))
    assert found == {i: float(i) for i in range(12)}


FORK = """
import os, signal, sys, threading
from wengert.native.machine import host
ir = "define double @run() {{ ret double {}.0 }}"
stop = threading.Event()

def compile_on():
    count = 0
    while not stop.is_set():
        count += 1
        host.load(ir.format(count))

thread = threading.Thread(target=compile_on)
thread.start()
status = 0
for child in range(20):
    pid = os.fork()
    if not pid:
        signal.alarm(20)
        host.load(ir.format(10**6 + child))
        os._exit(0)
    status = status or os.waitpid(pid, 0)[1]
    if status:
        break
stop.set()
thread.join()
sys.exit(bool(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes that fork")
def test_a_fork_while_another_thread_compiles():
    command = [sys.executable, "-c", FORK]
    assert subprocess.run(command, timeout=60, env=os.environ | {"WENGERT_CACHE_DIR": "off"}).returncode == 0


def test_after_an_interrupt_no_two_threads_share_a_code_generator(monkeypatch):
    """A thread that was not waited for is still at work with one."""
    from wengert.native.machine import llvm

    emit, at_work, shared = llvm._LIBRARY.LLVMPY_TargetMachineEmitToMemory._cfn, [], []

    def slow(generator, *args):
        shared.extend(g for g in at_work if g is generator)
        at_work.append(generator)
        time.sleep(0.2 if threading.current_thread() is not threading.main_thread() else 0.1)
        at_work.remove(generator)
        return emit(generator, *args)

    def interrupted(thread, timeout=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(llvm, "_WORKERS", 2)
    monkeypatch.setattr(llvm._LIBRARY.LLVMPY_TargetMachineEmitToMemory, "_cfn", slow)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(threading.Thread, "join", interrupted)
        host.object_codes([MASKED, MASKED])
    assert at_work
    assert len(host.object_codes([MASKED, MASKED])) == 2
    assert not shared


WORDS = {"avx512": "zmm", "avx2": "ymm", "sse2": "xmm", "neon": "v0.4s"}


@pytest.mark.parametrize("name", WORDS)
def test_assembly_for_other_processors(name):
    assert WORDS[name] in host.assembly(MASKED, host.target(name))


# --- matrix unit --------------------------------------------------------------------------------------------

FEATURES = dict.fromkeys(("avx512f", "avx512vl", "avx512dq", "amx-tile", "amx-bf16"), True)
ASKED = """
import ctypes
from wengert.native.machine import host
def kept():
    states = ctypes.c_uint64()
    ctypes.CDLL(None).syscall(host.ARCH_PRCTL, 0x1022, ctypes.byref(states))
    return bool(states.value >> host.TILES & 1)
before = kept()
print(before, host.this_host().matrix_unit, kept())
"""  # 0x1022 asks Linux for which large registers this process has permission


@pytest.mark.parametrize("missing", [None, *FEATURES])
@pytest.mark.parametrize("permitted", [True, False])
def test_a_matrix_unit_needs_its_instructions_and_permission(monkeypatch, missing, permitted):
    features = FEATURES | ({missing: False} if missing else {})
    monkeypatch.setattr(host, "_described", lambda: ("x86_64-unknown-linux-gnu", "some", features))
    monkeypatch.setattr(host, "_is_permitted", lambda: permitted)
    assert host.this_host.__wrapped__().matrix_unit == (permitted and missing is None)


@pytest.mark.skipif(not host.this_host().matrix_unit, reason="has no matrix unit")
def test_linux_is_asked_for_permission():
    found = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "True", "True"]


def test_a_system_that_refuses_is_believed(monkeypatch):
    monkeypatch.setattr(host, "ARCH_PRCTL", -1)  # no such call
    assert not host._is_permitted()


def test_a_system_that_is_not_linux_is_not_asked(monkeypatch):
    monkeypatch.setattr(host.loader, "is_possible", lambda: False)
    monkeypatch.setattr(host, "ctypes", None)
    assert not host._is_permitted()
