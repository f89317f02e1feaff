"""The machine that code is generated for, and the way from LLVM IR to machine code in memory.

The width of a vector, the number of vector registers and the features of the processor decide the shape of
every kernel, so they stand in one place; any target can be described, and code for a target that is not this
machine can be inspected.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np


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


@cache
def this_host() -> Host:
    """The processor that this process runs on."""
    _initialise()
    features = llvm.get_host_cpu_features()
    flags = ",".join(("+" if on else "-") + name for name, on in sorted(features.items()))
    triple, cpu = llvm.get_process_triple(), llvm.get_host_cpu_name()
    size, registers, fused = _vector_unit(triple, features)
    return Host(triple, cpu, flags, size, registers, fused, **_caches())


CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def _caches(place: Path = CACHES) -> dict[str, int]:
    """The data caches as Linux describes them; nothing where it does not."""
    names, found = {"1": "first_cache", "2": "second_cache"}, {}
    for index in sorted(place.glob("index[0-9]*")):
        try:
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if level in names and kind in ("Data", "Unified") and size.endswith("K"):
            found[names[level]] = 1024 * int(size[:-1])
    return found


def _vector_unit(triple: str, features: Any) -> tuple[int, int, bool]:
    if features.get("avx512f") and features.get("avx512vl") and features.get("avx512dq"):
        return 64, 32, True
    if features.get("avx2") and features.get("fma"):
        return 32, 16, True
    if triple.startswith(("aarch64", "arm64")):
        return 16, 32, True
    return (16, 16, False) if triple.startswith("x86_64") else (8, 16, False)


@cache
def _initialise() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@cache
def target_machine(host: Host, level: int = 2) -> Any:
    """LLVM's code generator for a processor. No middle-end: kernels come as explicit vector code."""
    _initialise()
    found = llvm.Target.from_triple(host.triple or llvm.get_process_triple())
    return found.create_target_machine(cpu=host.cpu, features=host.features, opt=level, jit=True, reloc="pic")


def assembly(ir: str, host: Host | None = None) -> str:
    """The assembly of a module for a processor, which need not be this one."""
    module = llvm.parse_assembly(ir)
    return str(target_machine(host or this_host()).emit_assembly(module))


class Code:
    """Machine code in memory. Keep it alive as long as its addresses are used."""

    def __init__(self, engine: Any, module: Any) -> None:
        self._engine = engine
        self._module = module

    def address(self, name: str) -> int:
        """Where a function starts."""
        return int(self._engine.get_function_address(name))


_lock = threading.Lock()


def load(ir: str) -> Code:
    """Compile a module for this machine and load it."""
    with _lock:
        module = llvm.parse_assembly(ir)
        module.verify()
        engine = llvm.create_mcjit_compiler(module, _fresh_machine())
        engine.finalize_object()
    return Code(engine, module)


def _fresh_machine() -> Any:
    host = this_host()
    found = llvm.Target.from_triple(host.triple)
    return found.create_target_machine(cpu=host.cpu, features=host.features, opt=2, jit=True)
