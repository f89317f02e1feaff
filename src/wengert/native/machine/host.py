"""The machine that code is generated for, and the way from LLVM IR to machine code in memory.

The width of a vector, the number of vector registers and the features of the processor decide the shape of
every kernel, so they stand in one place; any target can be described, and code for a target that is not this
machine can be inspected. What was compiled once is found again in `wengert.native.machine.cache`, and loaded
without LLVM (`wengert.native.machine.loader`), which is loaded itself when there is something to compile.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import sys
import threading
from ast import literal_eval
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from wengert._version import __version__
from wengert.native.machine import cache, loader, processor, symbols

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
    matrix_unit : bool
        Whether it has tiles that multiply bfloat16 numbers, and this process may use them.
    """

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    fused: bool
    first_cache: int = 32 * 1024
    second_cache: int = 1024 * 1024
    matrix_unit: bool = False

    def lanes(self, dtype: Any) -> int:
        """How many numbers of a dtype one vector holds."""
        return max(1, self.vector_bytes // np.dtype(dtype).itemsize)


_TARGETS = {
    "avx512": Host("x86_64-unknown-linux-gnu", "x86-64-v4", "", 64, 32, True),
    "amx": Host("x86_64-unknown-linux-gnu", "sapphirerapids", "", 64, 32, True, 48 * 1024, 2048 * 1024, True),
    "avx2": Host("x86_64-unknown-linux-gnu", "x86-64-v3", "", 32, 16, True),
    "sse2": Host("x86_64-unknown-linux-gnu", "x86-64", "", 16, 16, False),
    "neon": Host("aarch64-unknown-linux-gnu", "generic", "+neon", 16, 32, True),
    "portable": Host("", "", "", 8, 16, False),
}


def target(name: str) -> Host:
    """A processor by name: ``avx512``, ``avx2``, ``sse2``, ``neon`` or ``portable``; ``amx`` is ``avx512``
    with a matrix unit.
    """
    return _TARGETS[name]


@functools.cache
def this_host() -> Host:
    """The processor that this process runs on."""
    triple, cpu, features = _described()
    flags = ",".join(("+" if on else "-") + name for name, on in sorted(features.items()))
    size, registers, fused = _vector_unit(triple, features)
    unit = size == 64 and all(map(features.get, MATRIX_UNIT)) and _is_permitted()
    return Host(triple, cpu, flags, size, registers, fused, **_caches(), matrix_unit=unit)


MATRIX_UNIT = ("amx-tile", "amx-bf16")
# The call of Linux on x86-64, what is asked, and for which state.
ARCH_PRCTL, REQUEST, TILES = 158, 0x1023, 18


def _is_permitted() -> bool:
    """Ask Linux to keep the registers of the matrix unit for the threads of this process: they are large."""
    if not loader.is_possible():
        return False
    return ctypes.CDLL(None).syscall(ARCH_PRCTL, REQUEST, TILES) == 0  # type: ignore[no-any-return]


def _described() -> tuple[str, str, dict[str, bool]]:
    """What LLVM says of this processor, or has said before of one that gives the same answers."""
    answers = processor.answers()
    if answers is None:
        return _ask_llvm()
    name = cache.key("description of the processor", __version__, *library(), sys.platform, answers)
    (text,) = kept(name, lambda: [repr(_ask_llvm()).encode()])
    return literal_eval(text.decode())  # type: ignore[no-any-return]


def _ask_llvm() -> tuple[str, str, dict[str, bool]]:
    return _compiler().described()  # type: ignore[no-any-return]


@functools.cache
def library() -> tuple[str, str]:
    """Which LLVM there is, told without loading it: its version, and the size of its code."""
    spec = importlib.util.find_spec("llvmlite")
    if spec is None or spec.origin is None:
        raise ImportError("wengert needs llvmlite, which is not installed; pip install llvmlite")
    place = Path(spec.origin).parent
    sizes = [f"{f.name} {f.stat().st_size}" for f in sorted(place.glob("binding/*llvmlite.*"))]
    return (place / "_version.py").read_text(), " ".join(sizes)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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


class _LockOfLLVM:
    """llvmlite's own around every call, once it is loaded: a child would have nobody to give it back."""

    def __init__(self) -> None:
        self.held = threading.local()

    def __enter__(self) -> None:
        library = getattr(sys.modules.get("llvmlite.binding.ffi"), "lib", None)
        self.held.lock = nullcontext() if library is None else library._lock
        self.held.lock.__enter__()

    def __exit__(self, *error: object) -> None:
        self.held.lock.__exit__(*error)


fork_safe(_LockOfLLVM())
_compiling = fork_safe(threading.RLock())  # while LLVM is loaded, and while it compiles


def _compiler() -> Any:
    """The module that compiles, which loads LLVM."""
    with _compiling:
        from wengert.native.machine import llvm

        return llvm


# --- code generation ----------------------------------------------------------------------------------------

# The middle-end's optimiser is not run: kernels come as explicit vector code. Levels 1 to 3 give the same
# code in the same time. Code and data may lie anywhere in memory: for a JIT the code model is the large one.
GENERATOR: dict[str, Any] = {"opt": 2, "jit": True, "codemodel": "jitdefault"}
QUICK = 0  # the level for code that stands around others: a quarter of the time, and code half as fast


def assembly(ir: str, host: Host | None = None) -> str:
    """The assembly of a module for a processor, which need not be this one."""
    return _compiler().assembly(ir, host or this_host())  # type: ignore[no-any-return]


def object_codes(irs: Sequence[str]) -> list[bytes]:
    """Compile modules for this machine to object code."""
    with _compiling:
        return _compiler().object_codes(irs)  # type: ignore[no-any-return]


# --- loading ------------------------------------------------------------------------------------------------


class Code(Protocol):
    """Machine code in memory. Keep it alive as long as its addresses are used."""

    def address(self, name: str) -> int:
        """Where a function starts."""


def load(ir: str) -> Code:
    """Compile a module for this machine, unless that has been done before, and load it."""
    return link(*kept(cache.key(*identity(), ir), lambda: objects_of(ir)))


def kept(name: str, make: Callable[[], Sequence[bytes]]) -> Sequence[bytes]:
    """What is under a name in the cache, or else what ``make`` gives, from now on."""
    found = cache.load(name)
    if found is not None:
        return found
    made = make()
    cache.store(name, made)
    return made


def objects_of(ir: str) -> list[bytes]:
    """A module as objects: those of its parts that other modules share come from the cache."""
    from wengert.native.machine import parts

    _compiler().require_symbols(ir)
    shared, own = parts.split(ir)
    names = {text: cache.key(*identity(), text) for text in shared}
    found = {text: objects[0] for text, name in names.items() if (objects := cache.load(name))}
    missing = [text for text in shared if text not in found]
    made = dict(zip([*missing, *own], object_codes([*missing, *own]), strict=True))
    for text in missing:
        cache.store(names[text], [made[text]])
    return [(found | made)[text] for text in (*shared, *own)]


@functools.cache
def identity() -> tuple[str, ...]:
    """What object code depends on besides its IR."""
    host = this_host()
    return (__version__, *library(), host.triple, host.cpu, host.features, str(GENERATOR))


def link(*objects: bytes) -> Code:
    """Load object code that belongs together."""
    if loader.is_possible():
        with suppress(loader.Refused):
            return loader.link(objects, symbols.find)
    return _compiler().link(objects)  # type: ignore[no-any-return]
