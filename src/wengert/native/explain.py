r"""What was compiled, kernel by kernel: what was fused, on which shapes, how, and what it costs.

.. math:: C = \sum_{\text{kernels}} c, \qquad c(A B) = 2 m n k

Operations and bytes are counted from the plan: a kernel inside a loop counts once for every round.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from wengert.native.host import this_host
from wengert.native.kernels import Access, Choice, Contract, Kernel, Map, Repeat, Routine, Shape, While
from wengert.native.plan import Plan
from wengert.native.products import product_of
from wengert.native.work import operations_of, product_operations


@dataclass(frozen=True)
class Row:
    """One kernel: its depth in loops, what it is, its shape, how often, operations and bytes, and how."""

    depth: int
    what: str
    shape: str
    rounds: int
    operations: int
    nbytes: int
    how: str


@dataclass(frozen=True)
class Explanation:
    """The kernels of a compiled function; ``print`` it for the table.

    Attributes
    ----------
    rows : list of Row
        The kernels in order.
    threads : int
        How many threads share the work; 1 where it is too little to be shared.
    arena : int
        Bytes of memory for values in between.
    guards : list of str
        What Python asked about values, and the answers that this code is for.
    interpreted : list of str
        Operations between the compiled pieces that the reference interpreter runs.
    """

    rows: list[Row]
    threads: int
    arena: int
    guards: list[str]
    interpreted: list[str]

    @property
    def operations(self) -> int:
        """All operations of a call."""
        return sum(row.operations for row in self.rows)

    def __str__(self) -> str:
        table = [["kernel", "shape", "times", "operations", "bytes", "how"], *map(_cells, self.rows)]
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        lines = ["  ".join(map(_padded, row, widths, range(6))).rstrip() for row in table]
        return "\n".join([*lines, *self._notes()])

    def __repr__(self) -> str:
        return str(self)

    def _notes(self) -> Iterator[str]:
        plural = "s" if self.threads > 1 else ""
        yield f"{self.operations:,} operations, {self.arena:,} bytes of memory, {self.threads} thread{plural}"
        for guard in self.guards:
            yield f"holds while {guard}"
        if self.interpreted:
            yield f"run by the interpreter: {', '.join(self.interpreted)}"


def _padded(text: str, width: int, column: int) -> str:
    return text.rjust(width) if column in (2, 3, 4) else text.ljust(width)


def _cells(row: Row) -> list[str]:
    numbers = [f"{number:,}" for number in (row.rounds, row.operations, row.nbytes)]
    return ["  " * row.depth + row.what, row.shape, *numbers, row.how]


def explained(plan: Plan, depth: int = 0, rounds: int = 1) -> list[Row]:
    """The kernels of a plan and of the bodies in it."""
    rows = []
    for kernel in plan.kernels:
        rows += _rows(kernel, depth, rounds)
    return rows


def _rows(kernel: Kernel, depth: int, rounds: int) -> list[Row]:
    nbytes = rounds * _nbytes(kernel)
    if isinstance(kernel, Map):
        work = rounds * operations_of(kernel)
        return [Row(depth, "loop", _dims(kernel.shape), rounds, work, nbytes, _map(kernel))]
    if isinstance(kernel, Contract):
        work = rounds * (product_operations(kernel) + operations_of(kernel.result))
        return [Row(depth, "product", _factors(kernel), rounds, work, nbytes, _product(kernel))]
    if isinstance(kernel, Routine):
        return [Row(depth, kernel.name, _dims(kernel.shape), rounds, 0, nbytes, "one after the other")]
    what, how_long = _NAMES[type(kernel)](kernel)
    return [Row(depth, what, how_long, rounds, 0, 0, ""), *_inner(kernel, depth, rounds)]


def _inner(kernel: Kernel, depth: int, rounds: int) -> list[Row]:
    times = rounds * kernel.length if isinstance(kernel, Repeat) else rounds
    return [row for body in kernel.bodies() for row in explained(body, depth + 1, times)]


_NAMES: dict[type, Any] = {
    Repeat: lambda kernel: ("scan", f"{kernel.length} rounds"),
    While: lambda kernel: ("while_loop", "counted once"),
    Choice: lambda kernel: ("cond", "both branches counted"),
}


def _dims(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "number"


def _factors(kernel: Contract) -> str:
    *lead, m, k = kernel.a.shape
    batch = f"{math.prod(lead)} of " if lead else ""
    return f"{batch}{m}×{k} @ {k}×{kernel.b.shape[-1]}"


def _nbytes(kernel: Kernel) -> int:
    """Memory that a kernel reads and writes, each element once."""
    accesses = (*kernel.reading(), *kernel.writing())
    return sum(_elements(a) * a.dtype.itemsize for a in accesses)


def _elements(access: Access) -> int:
    return math.prod(n for n, s in zip(access.shape, access.strides, strict=True) if s)


def _map(kernel: Map) -> str:
    inner = [e.primitive.name for e in kernel.equations] + [r.kind for r in kernel.reductions]
    after = [e.primitive.name for part in kernel.epilogues.values() for e in part.equations]
    return _listed(inner or ["copy"]) + (f"; then {_listed(after)}" if after else "")


def _product(kernel: Contract) -> str:
    facts = product_of(kernel, this_host()).describe()
    text = f"{facts['method']}, {facts['tile']}"
    if facts["copies"]:
        text += f", copies of {' and '.join(facts['copies'])}"
    after = [e.primitive.name for e in kernel.result.equations]
    return text + (f"; then {_listed(after)}" if after else "")


def _listed(names: Sequence[str]) -> str:
    """Names in order, with how often each comes in a row."""
    found: list[list[Any]] = []
    for name in names:
        if found and found[-1][0] == name:
            found[-1][1] += 1
        else:
            found.append([name, 1])
    return " ".join(name if count == 1 else f"{name}×{count}" for name, count in found)
