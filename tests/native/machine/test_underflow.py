"""Subnormal numbers: NumPy's as a rule, zero where a function was compiled so; the caller notices nothing."""

import copy
import ctypes
import pickle
import re
import threading
from dataclasses import replace

import numpy as np
import pytest

import wengert as wg
from tests.native.machine.test_targets import body
from tests.native.sharing import share_everything
from wengert.core.recording import record
from wengert.native.calling.call import compiled
from wengert.native.machine import host, ir, team
from wengert.native.machine.underflow import MXCSR, Underflow
from wengert.native.options import Options
from wengert.native.planning.plan import Plan
from wengert.native.writing.emit import write_module

ABRUPT, GRADUAL = Underflow.ABRUPT, Underflow.GRADUAL
QUICK = Options(ABRUPT)
REALS = ("float32", "float64")

reals = pytest.mark.parametrize("dtype", REALS)
on_x86 = pytest.mark.skipif(not host.this_host().triple.startswith("x86_64"), reason="reads x86's register")
abrupt_here = pytest.mark.skipif(
    not host.this_host().triple.startswith(("x86_64", "aarch64", "arm64")), reason="always gradual here"
)


def halved(x):
    return x * 0.5


def small(dtype, count=40):
    """Numbers from the smallest normal one up, and of both signs: half of some of them is subnormal."""
    x = np.finfo(dtype).tiny * np.linspace(1, 4, count, dtype=dtype)
    return x * np.where(np.arange(count) % 3, 1, -1).astype(dtype)


def flushed(x):
    return np.where(np.abs(x) < np.finfo(x.dtype).tiny, np.copysign(x.dtype.type(0), x), x)


def text(machine, underflow, threads=False):
    plan = Plan(record(halved, [small("float32")], lambda f, values: f(*values)).trace())
    return write_module(plan, machine, threads=threads, underflow=underflow)


@pytest.fixture
def shared(monkeypatch):
    """Three threads, and everything is worth sharing among them."""
    share_everything(monkeypatch)
    before = wg.get_threads()
    wg.set_threads(3)
    yield
    wg.set_threads(before)


# --- what is generated ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["avx512", "avx2", "sse2"])
@pytest.mark.parametrize("threads", [False, True])
def test_x86_sets_and_restores_its_register_around_the_body(name, threads):
    machine = host.target(name)
    lines = body(host.assembly(text(machine, ABRUPT, threads), machine), ".Labrupt.body")
    done = [line.split()[0].removeprefix("v") for line in lines]
    order = [n for n in done if n in ("stmxcsr", "ldmxcsr", "callq", "retq")]
    assert order == ["stmxcsr", "ldmxcsr", "callq", "ldmxcsr", "retq"]
    assert any(f"${MXCSR}," in line for line in lines)


def test_aarch64_sets_and_restores_its_register_around_the_body():
    machine = host.target("neon")
    lines = body(host.assembly(text(machine, ABRUPT), machine), ".Labrupt.body")
    found = [re.sub(r"\s+", " ", line) for line in lines]
    order = [line for line in found if "FPCR" in line.upper() or line.startswith(("bl", "ret"))]
    kinds = [re.match(r"(mrs|msr|bl|ret)", line)[1] for line in order]
    assert kinds == ["mrs", "msr", "bl", "msr", "ret"]
    assert any("orr" in line and "#0x1000000" in line for line in found)


@pytest.mark.parametrize("name", ["avx512", "neon"])
def test_gradual_code_leaves_the_register_alone(name):
    assembly = host.assembly(text(host.target(name), GRADUAL), host.target(name))
    assert not re.search("mxcsr|fpcr", assembly, re.IGNORECASE)


def test_other_processors_have_no_such_register():
    machine = replace(host.target("portable"), triple="riscv64-unknown-linux-gnu")
    assert "llvm.x86" not in text(machine, ABRUPT) and "llvm.aarch64" not in text(machine, ABRUPT)


# --- numbers ----------------------------------------------------------------------------------------------


@abrupt_here
@reals
def test_results_and_operands_count_as_zero(dtype):
    x = small(dtype)
    np.testing.assert_array_equal(compiled(halved, QUICK)(x), flushed(halved(x)))
    np.testing.assert_array_equal(
        compiled(np.multiply, QUICK)(halved(x), x.dtype.type(8)), 8 * flushed(halved(x))
    )
    np.testing.assert_array_equal(compiled(np.greater, QUICK)(halved(x), x * 0), flushed(halved(x)) > 0)


@reals
@pytest.mark.parametrize("underflow", [ABRUPT, GRADUAL])
def test_plain_jit_has_numpy_s_numbers(dtype, underflow):
    """Also after a function with the other arithmetic, and from the cache on disk."""
    x = small(dtype)
    for _ in range(2):
        compiled(halved, Options(underflow))(x)
        found = wg.jit(halved)(x)
        assert found.tobytes() == halved(x).tobytes() and np.any(flushed(found) != found)


@abrupt_here
@pytest.mark.parametrize(
    "f",
    [
        np.exp,
        np.exp2,
        np.tanh,
        np.log,
        np.log1p,
        np.sqrt,
        np.reciprocal,
        lambda x: np.exp(x) / np.sum(np.exp(x)),
    ],
)
@reals
def test_functions_of_and_to_small_numbers(f, dtype):
    """What a function gives with abrupt underflow is what it gives otherwise, small numbers taken as zero."""
    info = np.finfo(dtype)
    x = np.concatenate(
        [np.abs(halved(small(dtype))), np.linspace(np.log(info.tiny) - 20, 0, 50, dtype=dtype)]
    )
    with np.errstate(all="ignore"):
        expected = flushed(np.asarray(wg.jit(f)(flushed(x))))
        found = np.asarray(compiled(f, QUICK)(x))
    np.testing.assert_allclose(flushed(found), expected, rtol=4 * info.eps, atol=0)


@abrupt_here
def test_copies_are_as_the_function():
    x = small("float32")
    for made in (copy.copy, copy.deepcopy, lambda f: pickle.loads(pickle.dumps(f))):
        np.testing.assert_array_equal(made(compiled(halved, QUICK))(x), flushed(halved(x)))


@abrupt_here
def test_pieces_between_the_interpreter_s():
    f = compiled(lambda x: np.real((x + 1j) * 0) + x * 0.5, QUICK)
    x = small("float64")
    np.testing.assert_array_equal(f(x), flushed(halved(x)))
    assert "interpreter" in str(f.explain(x))


# --- threads, and the caller ------------------------------------------------------------------------------


@abrupt_here
@pytest.mark.skipif(not team.has_threads(), reason="no POSIX threads")
@reals
def test_workers_change_their_arithmetic_and_back(shared, dtype):
    x = small(dtype, 4096)
    quick, exact = compiled(halved, QUICK), wg.jit(lambda x: x * 0.5)
    for _ in range(20):
        assert quick(x).tobytes() == flushed(halved(x)).tobytes()
        assert exact(x).tobytes() == halved(x).tobytes()
    assert "abrupt.body" in quick.llvm_ir(x) and "wengert_team_run" in quick.llvm_ir(x)


def registers():
    """Functions that read and write MXCSR in the calling thread."""
    module = ir.Module()
    for name in ("stmxcsr", "ldmxcsr"):
        f = module.function(name, "void", [("place", "ptr")])
        f.call(f"llvm.x86.sse.{name}", "void", f.param("place"))
        f.ret()
    code = host.load(str(module))
    read, write = (
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address(name)) for name in ("stmxcsr", "ldmxcsr")
    )

    def get():
        place = ctypes.c_uint32()
        read(ctypes.addressof(place))
        return place.value

    return get, lambda value: write(ctypes.addressof(ctypes.c_uint32(value))), code


def calls():
    """Calls of functions with abrupt underflow that end in every way."""
    x, table = small("float32"), np.arange(4.0)

    def guarded(x):
        return x * 0.5 if x > 1.0 else x * 0.25

    taken, picked = compiled(guarded, QUICK), compiled(lambda t, i: t[i] * 0.5, QUICK)
    looped = compiled(lambda x: wg.scan(lambda c, y: (c * 0.5, c), x, None, length=9), QUICK)
    for _ in range(3):
        compiled(halved, QUICK)(x)
        looped(x)
        taken(2.0)
        taken(0.5)
        picked(table, 3)
        with pytest.raises(IndexError):
            picked(table, 7)


@on_x86
@pytest.mark.parametrize("found", [0x1F80, 0x1F80 | 1 << 15, 0x1F80 | 1 << 6, 0x1F80 | 3 << 13])
def test_the_caller_s_register_is_as_it_was(found):
    get, put, code = registers()
    seen = []

    def work():
        before = get()
        try:
            put(found)
            calls()
            seen.append(get())
        finally:
            put(before)

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    flags = 0x3F  # what other arithmetic has noted, not how arithmetic is done
    assert [value & ~flags for value in seen] == [found & ~flags] * 2 and code is not None
