"""Code for every kind of processor: its registers and instructions, and the same bits from those that run."""

import ctypes
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.native.drive import kernel
from tests.native.elementary.test_lanes import assert_same, specials
from wengert.native.elementary.lanes import Lanes
from wengert.native.machine import host, ir
from wengert.native.machine.host import Host
from wengert.native.product.matmul import write_function
from wengert.native.product.plans import Product

HOSTS = ("avx512", "avx2", "sse2", "neon", "portable")
FUSED = ("avx512", "avx2", "neon")
FUNCTIONS = ("exp", "tanh", "sin")
REALS = ("float32", "float64")
REGISTER = {"avx512": r"%zmm\d", "avx2": r"%ymm\d", "sse2": r"%xmm\d", "neon": r"\bv\d+\.[24][sd]\b"}
WIDER = {"avx512": r"%tmm", "avx2": r"%zmm", "sse2": r"%[yz]mm", "neon": r"\bz\d+\.[sd]\b"}
FUSED_INSTRUCTION = r"\bvfn?m(add|sub)\d{3}[ps][sd]\b|\bfn?ml[as]\b|\bfn?m(add|sub)\b"

hosts = pytest.mark.parametrize("name", HOSTS)
reals = pytest.mark.parametrize("dtype", REALS)
here = pytest.mark.skipif(
    not host.this_host().triple.startswith("x86_64"), reason="runs code of x86-64 processors"
)


def written(operation: str, dtype: str, machine: Host, operands: int = 1) -> str:
    """A module that applies an operation to one vector."""
    module, count = ir.Module(), machine.lanes(dtype)
    f = module.function("run", "void", [("out", "ptr"), ("x", "ptr")])
    x = f.load(ir.vector(ir.type_name(dtype), count), f.param("x"))
    f.store(getattr(Lanes(f, dtype, count, machine), operation)(*[x] * operands), f.param("out"))
    f.ret()
    return str(module)


def body(assembly: str, function: str) -> list[str]:
    """The instructions of a function."""
    lines = assembly.partition(f"\n{function}:")[2].split("\n.Lfunc_end")[0].splitlines()
    return [line.strip() for line in lines if re.match(r"\t[a-z]", line)]


def calls(assembly: str) -> set[str]:
    """The functions of others that are called by name, or whose address is taken."""
    taken = re.findall(r"\t(?:callq?|jmp|bl?|movabsq)\s+\$?\"?([A-Za-z_][\w.]*)", assembly)
    return {name for name in taken if not name.startswith(("wengert.", "_GLOBAL_OFFSET_TABLE_"))}


def product(machine: Host, dtype: str) -> Product:
    return Product(60, 96, 64, dtype, (64, 1), (96, 1), 96, host=machine)


def product_assembly(machine: Host, dtype: str) -> str:
    module = ir.Module()
    write_function(module, product(machine, dtype), "product")
    return host.assembly(str(module), machine)


# --- what is generated ------------------------------------------------------------------------------------


@hosts
@reals
@pytest.mark.parametrize("operation", FUNCTIONS)
def test_vectors_of_the_processor_s_width(name: str, dtype: str, operation: str) -> None:
    machine = host.target(name)
    text = written(operation, dtype, machine)
    assert ir.vector(ir.type_name(dtype), machine.lanes(dtype)) in text
    assert (f"@llvm.fma.{'v' if machine.lanes(dtype) > 1 else 'f'}" in text) == machine.fused


@hosts
@reals
@pytest.mark.parametrize("operation", FUNCTIONS)
def test_registers_and_fused_instructions(name: str, dtype: str, operation: str) -> None:
    machine = host.target(name)
    text = host.assembly(written(operation, dtype, machine), machine)
    if name in REGISTER:
        assert len(re.findall(REGISTER[name], text)) > 30
        assert not re.search(WIDER[name], text)
    assert bool(re.search(FUSED_INSTRUCTION, text)) == (name in FUSED)


@hosts
@reals
@pytest.mark.parametrize("operation", FUNCTIONS)
def test_no_calls_of_the_c_library(name: str, dtype: str, operation: str) -> None:
    machine = host.target(name)
    assert not calls(host.assembly(written(operation, dtype, machine), machine))


def test_calls_are_found() -> None:
    for name in ("avx512", "neon"):
        machine = host.target(name)
        assert calls(host.assembly(written("fmod", "float64", machine, 2), machine)) == {"fmod"}


@pytest.mark.parametrize("name", ["avx512", "avx2"])
@reals
@pytest.mark.parametrize("operation", ["exp", "tanh", "logistic", "log", "softplus"])
def test_functions_fit_in_the_registers(name: str, dtype: str, operation: str) -> None:
    machine = host.target(name)
    instructions = body(host.assembly(written(operation, dtype, machine), machine), "run")
    assert len(instructions) > 20
    assert not any("(%rsp)" in line for line in instructions)


@pytest.mark.parametrize(("name", "wide"), [("avx512", "zmm"), ("avx2", "ymm"), ("sse2", "xmm")])
@reals
def test_tile_stays_in_registers(name: str, wide: str, dtype: str) -> None:
    """The loop over k multiplies and adds in full vectors, and touches no memory of the stack."""
    suffix = "ps" if dtype == "float32" else "pd"
    instruction = f"vfmadd231{suffix}" if host.target(name).fused else f"mul{suffix}"
    blocks = product_assembly(host.target(name), dtype).split("\n.LBB")
    inner = [b for b in blocks if len(re.findall(rf"{instruction}.*%{wide}", b)) >= 8]
    assert inner
    for block in inner if host.target(name).fused else ():
        assert not re.search(rf"\(%rsp\), %{wide}|%{wide}\d+, -?\d*\(%rsp\)", block)


@reals
def test_tile_for_neon(dtype: str) -> None:
    lanes = "4s" if dtype == "float32" else "2d"
    blocks = product_assembly(host.target("neon"), dtype).split("\n.LBB")
    inner = [b for b in blocks if len(re.findall(rf"fmla\tv\d+\.{lanes}", b)) >= 8]
    assert inner and not any("[sp" in block for block in inner)


def test_an_unknown_processor_is_refused() -> None:
    with pytest.raises(KeyError, match="vax"):
        host.target("vax")


@hosts
def test_lanes_fill_a_vector(name: str) -> None:
    machine = host.target(name)
    for dtype in (*REALS, "int8", "int64"):
        assert machine.lanes(dtype) * np.dtype(dtype).itemsize == machine.vector_bytes


def test_this_host_is_described() -> None:
    machine = host.this_host()
    assert machine.vector_bytes in (8, 16, 32, 64) and machine.registers in (16, 32)
    assert machine.cpu and machine == host.this_host()


# --- what runs --------------------------------------------------------------------------------------------


def arguments(dtype: str) -> np.ndarray:
    random = np.random.default_rng(1).normal(0, 4, 500)
    return np.concatenate([specials(dtype), random.astype(dtype)])


def results(operation: str, dtype: str, names: tuple[str, ...]) -> list[np.ndarray]:
    """What code in the shape of each processor computes on this one."""
    machines = [host.target(name) for name in names]
    x = arguments(dtype)
    found = []
    for machine in machines:
        shape = replace(host.this_host(), vector_bytes=machine.vector_bytes, registers=machine.registers)
        run = kernel(operation, (dtype,), machine.lanes(dtype), machine.fused, machine=shape)
        found.append(run(x))
    return found


@here
@reals
@pytest.mark.parametrize(
    "operation", [*FUNCTIONS, "log", "log1p", "log2", "logistic", "softplus", "erf", "cbrt"]
)
@pytest.mark.parametrize("names", [FUSED, ("sse2", "portable")], ids=["fused", "unfused"])
def test_same_bits(operation: str, dtype: str, names: tuple[str, ...]) -> None:
    if any(host.target(name).fused for name in names) and not host.this_host().fused:
        pytest.skip("no fused multiplication and addition here")
    first, *others = results(operation, dtype, names)
    for other in others:
        assert_same(first, other)


def multiplied(name: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    module, machine = ir.Module(), host.target(name)
    p = product(machine, str(a.dtype))
    write_function(module, p, "product")
    code = host.load(str(module))
    c, scratch = np.empty((60, 96), a.dtype), np.empty(max(p.scratch_bytes, 1), np.uint8)
    given: list[Any] = [x.ctypes.data for x in (a, b, c, scratch)]
    ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 6)(code.address("product"))(*given, 0, 60)
    return c


@here
@reals
@pytest.mark.parametrize("names", [FUSED, ("sse2", "portable")], ids=["fused", "unfused"])
def test_same_bits_of_a_product(dtype: str, names: tuple[str, ...]) -> None:
    if any(host.target(name).fused for name in names) and not host.this_host().fused:
        pytest.skip("no fused multiplication and addition here")
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((60, 64)).astype(dtype), rng.standard_normal((64, 96)).astype(dtype)
    first, *others = [multiplied(name, a, b) for name in names]
    np.testing.assert_allclose(first, a.astype(float) @ b, rtol=0, atol=100 * np.finfo(dtype).eps)
    for other in others:
        np.testing.assert_array_equal(first, other)
