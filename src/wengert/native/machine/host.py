"""The machine that code is generated for, and the way from LLVM IR to machine code in memory.

The width of a vector, the number of vector registers and the features of the processor decide the shape of
every kernel, so they stand in one place; any target can be described, and code for a target that is not this
machine can be inspected. What was compiled once is found again in `wengert.native.machine.cache`.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from wengert._version import __version__
from wengert.native.machine import cache, parts

DECLARED = re.compile(r"^declare .*?@([-\w.$]+)\(", re.MULTILINE)


LINE = 64  # bytes of a line of the cache


@dataclass(frozen=True)
class Host:
    """A processor.

    Attributes
    ----------
    triple, cpu, features : str
        LLVM's names for it.
    vector_bytes : int
        Bytes of one vector register; 8 where there is no vector unit.
    registers : int
        How many vector registers there are.
    fused : bool
        Whether a multiplication and an addition are one instruction with one rounding.
    first_cache, second_cache : int
        Bytes of a core's data caches.
    """

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    fused: bool
    first_cache: int = 32 * 1024
    second_cache: int = 1024 * 1024

    def lanes(self, dtype: Any) -> int:
        """How many numbers of a dtype one vector holds."""
        return max(1, self.vector_bytes // np.dtype(dtype).itemsize)


_TARGETS = {
    "avx512": Host("x86_64-unknown-linux-gnu", "x86-64-v4", "", 64, 32, True),
    "avx2": Host("x86_64-unknown-linux-gnu", "x86-64-v3", "", 32, 16, True),
    "sse2": Host("x86_64-unknown-linux-gnu", "x86-64", "", 16, 16, False),
    "neon": Host("aarch64-unknown-linux-gnu", "generic", "+neon", 16, 32, True),
    "portable": Host("", "", "", 8, 16, False),
}


def target(name: str) -> Host:
    """A processor by name: ``avx512``, ``avx2``, ``sse2``, ``neon`` or ``portable``."""
    return _TARGETS[name]


@functools.cache
def this_host() -> Host:
    """The processor that this process runs on."""
    _initialise()
    features = llvm.get_host_cpu_features()
    flags = ",".join(("+" if on else "-") + name for name, on in sorted(features.items()))
    triple, cpu = llvm.get_process_triple(), llvm.get_host_cpu_name()
    size, registers, fused = _vector_unit(triple, features)
    return Host(triple, cpu, flags, size, registers, fused, **_caches())


CACHES, LEVELS = Path("/sys/devices/system/cpu/cpu0/cache"), 8


def _caches(place: Path = CACHES) -> dict[str, int]:
    """The data caches as Linux describes them; nothing where it does not."""
    names, found = {"1": "first_cache", "2": "second_cache"}, {}
    for index in range(LEVELS):
        try:
            level, kind, size = (_line(f"{place}/index{index}/{name}") for name in ("level", "type", "size"))
        except OSError:
            continue
        if level in names and kind in ("Data", "Unified") and size.endswith("K"):
            found[names[level]] = 1024 * int(size[:-1])
    return found


def _line(path: str) -> str:
    with open(path) as file:
        return file.readline().strip()


def _vector_unit(triple: str, features: Any) -> tuple[int, int, bool]:
    if features.get("avx512f") and features.get("avx512vl") and features.get("avx512dq"):
        return 64, 32, True
    if features.get("avx2") and features.get("fma"):
        return 32, 16, True
    if triple.startswith(("aarch64", "arm64")):
        return 16, 32, True
    return (16, 16, False) if triple.startswith("x86_64") else (8, 16, False)


def fork_safe(lock: Any) -> Any:
    """A lock that a fork waits for, so that a child does not begin amid what another thread was doing.

    Forks take the locks in the opposite order of these calls.
    """
    if hasattr(os, "register_at_fork"):
        leave = lambda: lock.__exit__(None, None, None)
        os.register_at_fork(before=lock.__enter__, after_in_parent=leave, after_in_child=leave)
    return lock


# llvmlite's own, around every call of LLVM: a child would have nobody to give it back.
fork_safe(llvm.ffi.lib._lock)


@functools.cache
def _initialise() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    _engine(llvm.get_process_triple()).close()  # the first one makes the symbols of the process known to LLVM


@functools.cache
def _initialise_all() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


# --- code generation ----------------------------------------------------------------------------------------

# The middle-end's optimiser is not run: kernels come as explicit vector code. Levels 1 to 3 give the same
# code in the same time. Code and data may lie anywhere in memory: for a JIT the code model is the large one.
GENERATOR: dict[str, Any] = {"opt": 2, "jit": True, "codemodel": "jitdefault"}
QUICK = 0  # the level for code that stands around others: a quarter of the time, and code half as fast


@functools.cache
def target_machine(host: Host) -> Any:
    """LLVM's code generator for a processor."""
    _initialise_all()
    return _machine(host, reloc="pic", **{**GENERATOR, "codemodel": "default"})


@functools.cache
def _generator(level: int = GENERATOR["opt"]) -> Any:
    """LLVM's code generator for this machine."""
    _initialise()
    return _machine(this_host(), **{**GENERATOR, "opt": level})


def _machine(host: Host, **options: Any) -> Any:
    found = llvm.Target.from_triple(host.triple or llvm.get_process_triple())
    return found.create_target_machine(cpu=host.cpu, features=host.features, **options)


def _parse(ir: str) -> Any:
    """A module in a context of its own: contexts keep what was in them, and are not made for many threads."""
    return llvm.parse_assembly(ir, llvm.create_context())


def assembly(ir: str, host: Host | None = None) -> str:
    """The assembly of a module for a processor, which need not be this one."""
    return str(target_machine(host or this_host()).emit_assembly(_parse(ir)))


def object_code(ir: str) -> bytes:
    """Compile a module for this machine to object code."""
    module = _parse(ir)
    module.verify()
    return bytes(_generator(*[QUICK] * parts.is_cold(ir)).emit_object(module))


# --- loading ------------------------------------------------------------------------------------------------


class Code:
    """Machine code in memory. Keep it alive as long as its addresses are used."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def address(self, name: str) -> int:
        """Where a function starts."""
        return int(self._engine.get_function_address(name))


def load(ir: str) -> Code:
    """Compile a module for this machine, unless that has been done before, and load it."""
    return link(*kept(cache.key(*identity(), ir), lambda: objects_of(ir)))


def kept(name: str, make: Callable[[], list[bytes]]) -> list[bytes]:
    """The objects under a name in the cache, or else those that ``make`` gives, from now on."""
    objects = cache.load(name)
    if objects is None:
        objects = make()
        cache.store(name, objects)
    return objects


def objects_of(ir: str) -> list[bytes]:
    """A module as objects: those of its parts that other modules share come from the cache."""
    _require_symbols(ir)
    texts = parts.split(ir)
    if len(texts) == 1:
        return [object_code(ir)]
    return [*map(_kept_object, texts[:-1]), object_code(texts[-1])]


def _kept_object(text: str) -> bytes:
    return kept(cache.key(*identity(), text), lambda: [object_code(text)])[0]


def _require_symbols(ir: str) -> None:
    """See that outside functions exist: where one does not, LLVM ends the process."""
    _initialise()
    lines = (line for line in ir.splitlines() if line.startswith("declare "))
    outside = [name for name in DECLARED.findall("\n".join(lines)) if not name.startswith("llvm.")]
    missing = [name for name in outside if llvm.address_of_symbol(name) is None]
    if missing:
        raise LookupError(f"native code calls what this process does not have: {', '.join(missing)}")


@functools.cache
def identity() -> tuple[str, ...]:
    """What object code depends on besides its IR."""
    host = this_host()
    versions = (__version__, llvmlite.__version__, str(llvm.llvm_version_info))
    return (*versions, host.triple, host.cpu, host.features, str(GENERATOR))


def link(*objects: bytes) -> Code:
    """Load object code that belongs together."""
    _initialise()
    engine = _engine(this_host().triple)
    for code in objects:
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Code(engine)


def _engine(triple: str) -> Any:
    """An engine without a module.

    LLVM wants one to make an engine from. It is taken out again at once, because the engine would run the
    whole code generator for it, empty as it is, and that takes longer than the loading.
    """
    empty, target = llvm.parse_assembly(""), llvm.Target.from_triple(triple)
    engine = llvm.create_mcjit_compiler(empty, target.create_target_machine(jit=True))
    engine.remove_module(empty)
    return engine
