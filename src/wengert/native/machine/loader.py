r"""Object code into memory, for code that was compiled by another process.

An object file consists of *sections* (code, constants, variables), *symbols* (names of places in sections,
some of them in other objects) and *relocations*: places that must hold an address which nobody knew when
the object was written. To link is to choose where each section lies, and then to write for every relocation,
with the address S of its symbol and its addend A,

.. math:: M[P] = S + A \qquad \text{at its place } P.

LLVM can do that too, but only after it has been loaded, which takes longer than the training of a small
network and more memory than NumPy. All that is needed here is this sum: code is generated for the large
model, where an address is always written out in full, so symbols may lie anywhere and need neither tables nor
stubs. What has anything else in it is refused, and LLVM links it.

Memory is writable first and executable afterwards, never both.

References
----------
*System V Application Binary Interface*, 4: object files; its *AMD64 Architecture Processor Supplement*, 4.4.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from struct import Struct
from typing import Any, NamedTuple

HEADER = Struct("<16sHHIQQQIHHHHHH")
SECTION = Struct("<IIQQQQIIQQ")
SYMBOL = Struct("<IBBHQQ")
RELOCATION = Struct("<QQq")
ADDRESS = Struct("<Q")

MAGIC = b"\x7fELF\x02\x01\x01"  # 64 bits, little-endian, version 1
RELOCATABLE, X86_64 = 1, 62
RELOCATIONS, SYMBOLS, NO_BITS = 4, 2, 8  # kinds of sections
WRITABLE, IN_MEMORY, EXECUTABLE = 1, 2, 4  # their flags
OUTSIDE, SPECIAL = 0, 0xFF00  # instead of the section of a symbol
LOCAL = 0
WHOLE_ADDRESS = 1  # R_X86_64_64

UNWINDING = b".eh_frame"  # for exceptions in C++: none pass through generated code
CACHE_LINE = 64

Find = Callable[[str], int | None]


class Refused(Exception):
    """An object with something in it that is not linked here."""


def is_possible() -> bool:
    """Whether this linker knows the machine."""
    return sys.platform == "linux" and os.uname().machine == "x86_64" and sys.maxsize > 1 << 32


# --- memory -------------------------------------------------------------------------------------------------


class Code:
    """Code in pages of its own, which are freed with it."""

    def __init__(self, memory: Any, addresses: Mapping[bytes, int]) -> None:
        self._memory, self._addresses = memory, addresses

    def address(self, name: str) -> int:
        """Where a function starts."""
        return self._addresses[name.encode()]


class Memory:
    """Pages of this process alone: a forked child has its own."""

    def __init__(self, size: int) -> None:
        self.bytes = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._held = ctypes.c_char.from_buffer(self.bytes)
        self.start = ctypes.addressof(self._held)

    def seal(self, size: int) -> None:
        """From now on so many bytes from the start can be executed, and not be written."""
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        if protect(self.start, size, mmap.PROT_READ | mmap.PROT_EXEC):
            raise OSError(ctypes.get_errno(), "memory cannot be made executable")


# --- objects ------------------------------------------------------------------------------------------------


class Section(NamedTuple):
    """A piece of an object, as its header describes it."""

    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


class Symbol(NamedTuple):
    """The name of a place."""

    name: int
    info: int
    other: int
    section: int
    value: int
    size: int


class Object:
    """An object file, taken apart."""

    def __init__(self, content: bytes) -> None:
        if not content.startswith(MAGIC):
            raise Refused("no object")
        self.content = content
        _, kind, machine, *_, at, _, _, _, _, _, count, names = HEADER.unpack_from(content)
        if (kind, machine) != (RELOCATABLE, X86_64):
            raise Refused("an object of another machine")
        self.sections = [Section(*SECTION.unpack_from(content, at + i * SECTION.size)) for i in range(count)]
        self.symbols = [Symbol(*s) for table in self._of_kind(SYMBOLS) for s in self._rows(table, SYMBOL)]
        tables = {table.link for table in self._of_kind(SYMBOLS)}
        self.strings = self.sections[tables.pop()].offset if len(tables) == 1 else 0
        self._names = self.sections[names].offset

    def _of_kind(self, kind: int) -> Iterator[Section]:
        return (s for s in self.sections if s.kind == kind)

    def _rows(self, section: Section, form: Struct) -> Iterator[tuple[Any, ...]]:
        return form.iter_unpack(self.content[section.offset : section.offset + section.size])

    def text(self, place: int) -> bytes:
        """The string that begins at a place."""
        return self.content[place : self.content.index(b"\0", place)]

    def name(self, symbol: Symbol) -> bytes:
        """What others call a symbol."""
        return self.text(self.strings + symbol.name)

    def loaded(self) -> Iterator[tuple[int, Section]]:
        """The sections that belong into memory, by their numbers."""
        for number, s in enumerate(self.sections):
            if s.flags & IN_MEMORY and s.size and self.text(self._names + s.name) != UNWINDING:
                yield number, s

    def relocations(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Of every relocation the section it is for, the place in that, kind, symbol and addend."""
        for table in self._of_kind(RELOCATIONS):
            for offset, info, addend in self._rows(table, RELOCATION):
                yield table.info, offset, info & 0xFFFFFFFF, info >> 32, addend


# --- linking ------------------------------------------------------------------------------------------------


class Layout:
    """Where the sections of all objects lie: first what is only read or run, then, from a new page, the rest.

    ``places`` has the offset of a section by the number of its object and its own.
    """

    def __init__(self, objects: Sequence[Object]) -> None:
        self.places: dict[tuple[int, int], int] = {}
        self.size = 0
        for writable in (0, WRITABLE):
            self.sealed = self.size
            for number, object_ in enumerate(objects):
                for i, section in object_.loaded():
                    if section.flags & WRITABLE == writable:
                        self._put((number, i), section)
            self.size = _rounded(self.size, mmap.PAGESIZE)
        self.size = max(self.size, mmap.PAGESIZE)

    def _put(self, key: tuple[int, int], section: Section) -> None:
        start = _rounded(self.size, max(section.alignment, CACHE_LINE))
        self.places[key], self.size = start, start + section.size


def _rounded(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def link(contents: Sequence[bytes], find: Find) -> Code:
    """Load objects that belong together; ``find`` gives the addresses of what none of them defines.

    Raises
    ------
    Refused
        Where an object has something in it that is not linked here.
    """
    objects = [Object(content) for content in contents]
    layout = Layout(objects)
    memory = Memory(layout.size)
    starts = {key: memory.start + place for key, place in layout.places.items()}
    defined = dict(_definitions(objects, starts))
    for number, object_ in enumerate(objects):
        _fill(memory, object_, {i: layout.places[number, i] for i, _ in object_.loaded()})
        _relocate(memory, object_, {i: starts[number, i] for i, _ in object_.loaded()}, defined, find)
    if layout.sealed:
        memory.seal(layout.sealed)
    return Code(memory, defined)


def _definitions(
    objects: Sequence[Object], starts: Mapping[tuple[int, int], int]
) -> Iterator[tuple[bytes, int]]:
    """The addresses of what objects define for each other."""
    for number, object_ in enumerate(objects):
        for symbol in object_.symbols:
            if symbol.info >> 4 != LOCAL and symbol.section != OUTSIDE:
                if (number, symbol.section) not in starts:
                    raise Refused("a symbol in no section")
                yield object_.name(symbol), starts[number, symbol.section] + symbol.value


def _fill(memory: Memory, object_: Object, places: Mapping[int, int]) -> None:
    """Copy sections to their places; variables without values are zero as it is."""
    for i, place in places.items():
        section = object_.sections[i]
        if section.kind != NO_BITS:
            content = object_.content[section.offset : section.offset + section.size]
            memory.bytes[place : place + section.size] = content


def _relocate(
    memory: Memory, object_: Object, starts: Mapping[int, int], defined: Mapping[bytes, int], find: Find
) -> None:
    """Write the addresses that an object asks for."""
    for section, offset, kind, number, addend in object_.relocations():
        if section in starts:
            if kind != WHOLE_ADDRESS:
                raise Refused(f"a relocation of kind {kind}")
            address = _address(object_, object_.symbols[number], starts, defined, find)
            place = starts[section] - memory.start + offset
            ADDRESS.pack_into(memory.bytes, place, address + addend & 2**64 - 1)


def _address(
    object_: Object, symbol: Symbol, starts: Mapping[int, int], defined: Mapping[bytes, int], find: Find
) -> int:
    if symbol.section in starts:
        return starts[symbol.section] + symbol.value
    name = object_.name(symbol)
    address = defined[name] if name in defined else find(name.decode())
    if address is None or symbol.section != OUTSIDE:
        raise Refused(f"{name.decode()!r} is nowhere")
    return address
