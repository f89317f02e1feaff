r"""Kernels whose code differs in whole numbers only become one function, which is given those numbers.

.. math:: f_{m,n}(x),\; f_{p,q}(x) \qquad\to\qquad f(x, m, n),\; f(x, p, q)

The update of one weight matrix is the update of another with other extents and another place in memory. Loops
do not become slower when an extent stands in a register, and what was two functions is compiled once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from wengert.native.machine import ir

# Whole numbers in whose place a value may stand, after what is before them: arguments, operands; no lanes.
NUMBER = re.compile(
    r"((?:, |\w\()i64 |= (?:add|sub|mul|sdiv|icmp \w+)(?: nsw)? i64 (?:%\w+, )?)(\d+)(?=[,)\n])(?![^<\n]*>)"
)
INTERNAL = "define internal "  # functions that other modules share, which call no private ones
CALLS = "  call void @"
CALL = re.compile(r"  call void @([-\w.$]+)\((.*)\)")
MOST = 24  # numbers that may differ
LEAST = 20  # lines from which merging pays


class Cut(NamedTuple):
    """A function's text, cut where whole numbers stand."""

    function: ir.Function
    between: str
    numbers: list[str]


class Given(NamedTuple):
    """What is called in a function's place, with which further arguments."""

    name: str
    arguments: str


def merge(module: ir.Module) -> None:
    """Merge private functions of a module, at first those that call no others that can be merged."""
    while True:
        instead: dict[str, Given] = {}
        for cuts in _alike(module.functions):
            instead |= _merged(cuts)
        if not instead:
            return
        module.functions = [f for f in module.functions if instead.get(f.name, f).name == f.name]
        for f in (f for f in module.functions if INTERNAL not in f.header):
            f.lines = [_redirected(line, instead) if line.startswith(CALLS) else line for line in f.lines]


def _alike(functions: Iterable[ir.Function]) -> Iterator[Sequence[Cut]]:
    """Functions that differ in whole numbers only."""
    sizes = defaultdict(list)
    for f in functions:
        if f.header.startswith("define private ") and len(f.lines) >= LEAST:
            sizes[len(f.lines), f.attributes, tuple(f.params)].append(f)
    for several in sizes.values():
        texts = defaultdict(list)
        for cut in map(_cut, several if len(several) > 1 else ()):
            texts[cut.between].append(cut)
        yield from (cuts for cuts in texts.values() if len(cuts) > 1)


def _cut(f: ir.Function) -> Cut:
    pieces = NUMBER.split("\n".join([*f.lines, ""]))
    return Cut(f, "\n".join([*f.memory, *pieces[::3], *pieces[1::3]]), pieces[2::3])


def _merged(cuts: Sequence[Cut]) -> dict[str, Given]:
    """Make one function of several, unless they differ too much: what is called instead of each."""
    columns = list(zip(*(cut.numbers for cut in cuts), strict=True))
    places = {
        column: f"n{i}" for i, column in enumerate(dict.fromkeys(c for c in columns if len(set(c)) > 1))
    }
    if len(places) > MOST:
        return {}
    first = cuts[0].function
    names = iter([f"%{places[column]}" if column in places else column[0] for column in columns])
    text = NUMBER.sub(lambda found: found[1] + next(names), "\n".join([*first.lines, ""]))
    first.lines = text.split("\n")[:-1]
    first.params = [*first.params, *((name, "i64") for name in places.values())]
    arguments = zip(*places, strict=True) if places else [()] * len(cuts)
    return {
        cut.function.name: Given(first.name, "".join(f", i64 {number}" for number in numbers))
        for cut, numbers in zip(cuts, arguments, strict=True)
    }


def _redirected(line: str, instead: dict[str, Given]) -> str:
    found = CALL.fullmatch(line)
    if found is None or found[1] not in instead:
        return line
    name, arguments = instead[found[1]]
    return f"  call void @{name}({found[2]}{arguments})"
