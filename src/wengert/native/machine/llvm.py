"""LLVM: what it knows of this processor, machine code from its language, and code into memory.

Loading it takes 40 ms and 40 MB, so nothing imports this module before there is something to compile.
"""

from __future__ import annotations

import ctypes
import functools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

import llvmlite.binding as llvm

from wengert.native.machine import parts, symbols
from wengert.native.machine.host import GENERATOR, QUICK, Host, cores, this_host

_LIBRARY = llvm.ffi.lib
_WORKERS = min(2, cores())  # threads that compile

DECLARED = re.compile(r"^declare .*?@([-\w.$]+)\(", re.MULTILINE)


@functools.cache
def _initialise() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


@functools.cache
def _initialise_all() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


def described() -> tuple[str, str, dict[str, bool]]:
    """Triple and name of the processor at hand, and which features it has."""
    _initialise()
    return llvm.get_process_triple(), llvm.get_host_cpu_name(), dict(llvm.get_host_cpu_features())


# --- code generation ----------------------------------------------------------------------------------------


@functools.cache
def target_machine(host: Host) -> Any:
    """LLVM's code generator for a processor."""
    _initialise_all()
    return _machine(host, reloc="pic", **{**GENERATOR, "codemodel": "default"})


@functools.cache
def _idle(level: int) -> list[Any]:
    """The code generators of a level that nobody is using."""
    return []


@contextmanager
def _generator(level: int) -> Iterator[Any]:
    """LLVM's code generator for this machine, for the caller alone.

    Ctrl-C may have left a thread that is still at work with another.
    """
    try:
        generator = _idle(level).pop()
    except IndexError:
        _initialise()
        generator = _machine(this_host(), **{**GENERATOR, "opt": level})
    try:
        yield generator
    finally:
        _idle(level).append(generator)


def _machine(host: Host, **options: Any) -> Any:
    found = llvm.Target.from_triple(host.triple or llvm.get_process_triple())
    return found.create_target_machine(cpu=host.cpu, features=host.features, **options)


def _parse(ir: str) -> Any:
    """A module in a context of its own: contexts keep what was in them, and are not made for many threads."""
    return llvm.parse_assembly(ir, llvm.create_context())


def assembly(ir: str, host: Host) -> str:
    """The assembly of a module for a processor, which need not be this one."""
    return str(target_machine(host).emit_assembly(_parse(ir)))


def object_codes(irs: Sequence[str]) -> list[bytes]:
    """Compile modules for this machine to object code, several at a time.

    llvmlite lets one thread at a time call LLVM, which itself only asks that each has a context and a code
    generator of its own. So what takes long is called past its lock.
    """
    jobs = [_Job(ir) for ir in irs]
    waiting = sorted(jobs, key=lambda job: len(job.ir))
    try:
        others = list(_started(waiting, min(len(jobs), _WORKERS) - 1))
        _work(waiting)
        for other in others:
            other.join()
    finally:
        waiting.clear()  # after Ctrl-C nobody wants the rest
    return [job.code() for job in jobs]


def _started(waiting: list[_Job], count: int) -> Iterator[Thread]:
    """Threads that do jobs besides this one, as far as they are to be had."""
    for _ in range(count):
        other = Thread(target=_work, args=(waiting,))
        with suppress(RuntimeError):
            other.start()
            yield other


def _work(waiting: list[_Job]) -> None:
    """Do jobs until there is none left: the longest first."""
    while waiting:
        with suppress(IndexError):  # another was faster
            waiting.pop().run()


class _Job:
    """A module to compile."""

    def __init__(self, ir: str) -> None:
        self.ir, self.buffer, self.error = ir, None, llvm.ffi.OutputString()
        self.refusal: RuntimeError | None = None
        self.level = QUICK if parts.is_cold(ir) else GENERATOR["opt"]
        self.emit = _LIBRARY.LLVMPY_TargetMachineEmitToMemory._cfn

    def run(self) -> None:
        """Compile it, in any thread."""
        try:
            module = _parse(self.ir)
            module.verify()
        except RuntimeError as error:  # for whoever asks for the code
            self.refusal = error
            return
        with _generator(self.level) as generator:
            self.buffer = self.emit(generator, module, 1, self.error)

    def code(self) -> bytes:
        """The object."""
        if not self.buffer:
            raise self.refusal or RuntimeError(str(self.error))
        start, size = _LIBRARY.LLVMPY_GetBufferStart(self.buffer), _LIBRARY.LLVMPY_GetBufferSize(self.buffer)
        try:
            return ctypes.string_at(start, size)
        finally:
            _LIBRARY.LLVMPY_DisposeMemoryBuffer(self.buffer)


def require_symbols(ir: str) -> None:
    """See that outside functions exist: where one does not, LLVM ends the process."""
    lines = (line for line in ir.splitlines() if line.startswith("declare "))
    outside = [name for name in DECLARED.findall("\n".join(lines)) if not name.startswith("llvm.")]
    missing = [name for name in outside if symbols.find(name) is None and _find(name) is None]
    if missing:
        raise LookupError(f"native code calls what this process does not have: {', '.join(missing)}")


def _find(name: str) -> int | None:
    """What LLVM finds under a name: on some systems more than Python does."""
    _know_process()
    return llvm.address_of_symbol(name)  # type: ignore[no-any-return]


# --- loading ------------------------------------------------------------------------------------------------


class Code:
    """Code in the memory of an engine of LLVM's, which is freed with it."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def address(self, name: str) -> int:
        """Where a function starts."""
        return int(self._engine.get_function_address(name))


def link(objects: Sequence[bytes]) -> Code:
    """Load object code that belongs together."""
    _know_process()
    for name, address in symbols.known.items():
        llvm.add_symbol(name, address)
    engine = _engine(this_host().triple)
    for code in objects:
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Code(engine)


@functools.cache
def _know_process() -> None:
    """The first engine makes the symbols of the process known to LLVM."""
    _initialise()
    _engine(llvm.get_process_triple()).close()


def _engine(triple: str) -> Any:
    """An engine without a module.

    LLVM wants one to make an engine from. It is taken out again at once, because the engine would run the
    whole code generator for it, empty as it is, and that takes longer than the loading.
    """
    empty, target = llvm.parse_assembly(""), llvm.Target.from_triple(triple)
    engine = llvm.create_mcjit_compiler(empty, target.create_target_machine(jit=True))
    engine.remove_module(empty)
    return engine
