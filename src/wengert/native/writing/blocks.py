r"""Kernels in blocks: where values are too many for the cache, kernels take turns on a part of them.

.. math:: y = g(f(x)):\qquad\text{for every block } b:\quad f(x)_b \to g(f(x)_b)

in place of all of f, then all of g. Kernels may do so under the same condition as threads may go on without
meeting: each part of one needs only the same part of the others. So a thread that works in blocks acts as
several threads one after the other. Kernels that have nothing to do with each other are not kept together,
nor are those of which every block would read again what has no room in the cache. What only the kernels of a
group use is kept for one block at a time: its rows stand where those of the first block do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wengert.native.planning.footprint import Anywhere, Footprint, Rows, Touches
from wengert.native.planning.kernels import Access, Buffer, Contract, Kernel, Map

if TYPE_CHECKING:
    from wengert.native.writing.emit import Touched, Writer

MOST = 8  # groups that wait for more kernels
PAGE = 4096  # bytes that a block takes at least where its rows are scattered over memory


@dataclass(eq=False)
class Group:
    """Kernels one after the other, in so many blocks."""

    kernels: list[Kernel]
    reads: Touches = field(default_factory=list)
    writes: Touches = field(default_factory=list)
    touched: list[Touched] = field(default_factory=list)
    blocks: int = 1
    private: dict[int, Rows] = field(default_factory=dict)

    def conflicts(self, other: Group) -> bool:
        """Whether one must be done before the other begins."""
        return any(old.conflicts(new) for old in self.touched for new in other.touched)

    def meets(self, other: Group) -> bool:
        """Whether one uses what the other one makes."""
        return any(old.depends(new) for old in self.touched for new in other.touched)

    def add(self, other: Group) -> None:
        """Kernels that come after these."""
        self.kernels += other.kernels
        self.reads += other.reads
        self.writes += other.writes
        self.touched += other.touched


def grouped(writer: Writer) -> Iterator[Group]:
    """The kernels of a plan in the order in which they run."""
    kernels = writer.plan.kernels
    buffers = {id(a.buffer): a.buffer.nbytes for k in kernels for a in (*k.reading(), *k.writing())}
    if sum(buffers.values()) < 2 * writer.host.second_cache:
        yield Group(kernels)
        return
    room, divided = writer.host.second_cache // 2, writer.dividing()
    waiting: list[Group] = []
    for kernel in kernels:
        group = _alone(divided, kernel)
        if group is None:
            yield from (_in_blocks(other, room, kernels) for other in waiting)
            yield Group([kernel])
            waiting = []
            continue
        whole = _nbytes(group, Anywhere) > room
        done = [other for other in waiting if (other.meets(group) if whole else other.conflicts(group))]
        yield from (_in_blocks(other, room, kernels) for other in done)
        waiting = [other for other in waiting if other not in done]
        if whole:
            yield group
        else:
            waiting = _joined(waiting, group)
        if len(waiting) > MOST:
            yield _in_blocks(waiting.pop(0), room, kernels)
    yield from (_in_blocks(other, room, kernels) for other in waiting)


def in_runs(groups: Iterable[Group]) -> Iterator[Group]:
    """Groups of which those that are not cut into blocks are one as long as they follow each other."""
    run: list[Kernel] = []
    for group in groups:
        if group.blocks == 1:
            run += group.kernels
            continue
        yield Group(run)
        yield group
        run = []
    yield Group(run)


def _alone(writer: Writer, kernel: Kernel) -> Group | None:
    """A group of one; None for what is no loop and no product."""
    if not isinstance(kernel, Map | Contract):
        return None
    found = writer.touches_of(kernel)
    return Group([kernel], *found, writer.ranges(*found))


def _joined(waiting: Sequence[Group], last: Group) -> list[Group]:
    """Groups that do not need each other; what the last one meets becomes one with it."""
    met = [group for group in waiting if group.meets(last)]
    if not met:
        return [*waiting, last]
    first, *rest = met
    for group in (*rest, last):
        first.add(group)
    return [group for group in waiting if group not in rest]


def _in_blocks(group: Group, room: int, kernels: Sequence[Kernel]) -> Group:
    """So many that what a block touches has room in the cache, and no more than rows can be divided into.

    What every block reads again must be little beside what it then finds in the cache.
    """
    parts = [part for _, part in (*group.reads, *group.writes) if isinstance(part, Rows)]
    if len(group.kernels) > 1 and parts:
        most = max(part.extent // part.grain for part in parts)
        pages = [part.extent * abs(part.stride) // PAGE for part in parts if part.period]
        fixed, moving = _nbytes(group, Anywhere), _nbytes(group, Rows)
        again = moving // (2 * fixed) if fixed else most
        group.blocks = max(1, min(most, again, *pages, -(-(fixed + moving) // room)))
        group.private = private(group, kernels)
    return group


def private(group: Group, kernels: Sequence[Kernel]) -> dict[int, Rows]:
    """The rows of buffers, by identity, that no other kernel uses, where every block has rows of its own.

    Their memory is no part of what has to last until the end: later blocks write where the first one did.
    """
    others = set(kernels).difference(group.kernels)
    used = {access.buffer for kernel in others for access in (*kernel.reading(), *kernel.writing())}
    parts: dict[Buffer, list[Footprint]] = {}
    for access, part in (*group.reads, *group.writes):
        parts.setdefault(access.buffer, []).append(part)
    lasting = {b for b, found in parts.items() if b.kind != "arena" or b in used or not _are_alone(found)}
    return {id(b): parts[b][0] for b in _apart(parts, lasting)}  # type: ignore[misc]


def _apart(buffers: Iterable[Buffer], lasting: set[Buffer]) -> set[Buffer]:
    """Buffers without memory in common with what has to last; what has is to last too."""
    apart = {b for b in buffers if b not in lasting}
    while met := {b for b in apart if any(b.overlaps(other) for other in lasting)}:
        apart, lasting = apart - met, met
    return apart


def _are_alone(parts: Sequence[Footprint]) -> bool:
    """Whether all are the same rows, each of which stands behind the one before it, and has nothing of it."""
    first = parts[0]
    return isinstance(first, Rows) and all(
        isinstance(part, Rows)
        and part[:3] == first[:3]
        and part.period == 0
        and part.low >= 0
        and part.high <= part.stride
        for part in parts
    )


def _nbytes(group: Group, kind: type[Rows] | type[Anywhere]) -> int:
    """Bytes of the memory of which each thread touches a part of a kind."""
    sizes: dict[int, int] = {}
    for access, part in (*group.reads, *group.writes):
        if isinstance(part, kind):
            sizes[id(access.buffer)] = max(sizes.get(id(access.buffer), 0), _reach(access))
    return sum(sizes.values())


def _reach(access: Access) -> int:
    extents = [n for n, s in zip(access.shape, access.strides, strict=True) if s]
    return min(math.prod(extents) * access.dtype.itemsize, access.buffer.nbytes)
