"""A module of LLVM IR in parts: what many modules share is compiled once, and several parts at a time.

Register tiles, transposing copies and the like are *internal* functions: one text for every network that uses
them, and most of the compiler's work. Each large one becomes a module of its own, with its constants; the
others declare it. Functions that are marked as cold only stand around others: they are a module that is
compiled quickly. What is left is all that has to be compiled well for another shape: where that is long, it
is two modules, which two cores compile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

WORTH = 40  # lines of a function from which a module of its own pays
LONG = 400  # lines of a module from which two halves are compiled sooner
NAME = re.compile(r'@("[^"]+"|[-\w.$]+)')
COLD = re.compile(r"^define .* cold \{$", re.MULTILINE)
DEFINED = re.compile(r"^define ", re.MULTILINE)
LINKAGE = re.compile(r"^define (internal|private) ")
CONSTANT = re.compile(r"@\S+ = (internal|private) (unnamed_addr )?constant ")


class Entity(NamedTuple):
    """What stands at the top of a module: a global, a declaration or a function."""

    name: str
    text: str

    @property
    def kind(self) -> str:
        """``@``, ``declare`` or ``define``."""
        return "@" if self.text.startswith("@") else self.text.partition(" ")[0]

    @property
    def is_cold(self) -> bool:
        """Whether it is a function that stands around others."""
        return COLD.match(self.text) is not None

    @property
    def uses(self) -> set[str]:
        """The names that occur in it, but its own."""
        return set(NAME.findall(self.text)) - {self.name}

    @property
    def declaration(self) -> str:
        """A function as other modules declare it."""
        header = self.text.partition("\n")[0].rstrip("{ ")
        return LINKAGE.sub("define ", header).replace("define ", "declare ", 1).replace(" cold", "")


class Parts(NamedTuple):
    """The texts of a module's parts: those that others may share, and its own."""

    shared: list[str]
    own: list[str]


def split(ir: str) -> Parts:
    """A module in parts; the module itself is its only one where there is nothing to part."""
    entities = _entities(ir)
    if entities is None:
        return Parts([], [ir])
    shared = [[e] for e in entities if _is_worth_it(e, entities)]
    fixed = all(CONSTANT.match(e.text) for e in entities if e.kind == "@")
    cold = [e for e in entities if fixed and e.is_cold]
    rest = [e for e in entities if e.kind == "define" and [e] not in shared and e not in cold]
    found = [functions for functions in (*shared, cold) if functions]
    own = _halves(rest) if fixed and sum(map(_length, rest)) > LONG else [rest] if rest else []
    if len(found) + len(own) < 2:
        return Parts([], [ir])
    return Parts([_module(f, entities) for f in found], [_module(f, entities) for f in own])


def _halves(functions: Iterable[Entity]) -> list[list[Entity]]:
    """Two modules of about the same length."""
    halves: tuple[list[Entity], list[Entity]] = ([], [])
    lengths = [0, 0]
    for function in sorted(functions, key=_length, reverse=True):
        shorter = lengths.index(min(lengths))
        halves[shorter].append(function)
        lengths[shorter] += _length(function)
    return [half for half in halves if half]


def _length(function: Entity) -> int:
    return function.text.count("\n")


def is_cold(part: str) -> bool:
    """Whether all functions of a part are cold."""
    return 0 < len(COLD.findall(part)) == len(DEFINED.findall(part))


def _entities(ir: str) -> list[Entity] | None:
    """What a module consists of; None where it has more than globals, declarations and functions."""
    found, lines = [], iter(ir.splitlines())
    for line in lines:
        name = NAME.search(line)
        if line.startswith(("@", "declare ")) and name:
            found.append(Entity(name[1], line))
        elif line.startswith("define ") and name:
            found.append(Entity(name[1], "\n".join(_body(line, lines))))
        elif line.strip():
            return None
    return found


def _body(header: str, lines: Iterator[str]) -> Iterator[str]:
    yield header
    for line in lines if header.endswith("{") else ():
        yield line
        if line == "}":
            return


def _is_worth_it(function: Entity, entities: Iterable[Entity]) -> bool:
    """Whether a function may have a module of its own, that is, shares no variable; and is large."""
    if not function.text.startswith("define internal ") or function.text.count("\n") < WORTH:
        return False
    used = function.uses
    return all(CONSTANT.match(e.text) for e in entities if e.kind == "@" and e.name in used)


def _module(functions: list[Entity], entities: Iterable[Entity]) -> str:
    """Functions with all that they use."""
    used = set().union(*(f.uses for f in functions))
    own = {f.name for f in functions}
    needed = [
        e.declaration if e.kind == "define" else e.text
        for e in entities
        if e.name in used and e.name not in own
    ]
    return "\n".join([*needed, *(LINKAGE.sub("define ", f.text) for f in functions)])
