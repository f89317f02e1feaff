r"""Which part of a buffer each thread touches: the rows of one axis that are its share.

An access whose shared axis has n rows, s bytes apart, touches in row i at most

.. math:: R_i = \{\, i s + r + G z \;:\; l \le r < h,\ z \in \mathbb Z \,\},

where l and h come from the axes with smaller strides and G is the greatest common divisor of the others'
strides. Two accesses *agree* if no row of one meets another row of the other. For the same s and n that is so
where the rows are apart, :math:`\max(h, h') - \min(l, l') \le |s|`, and do not come round again,
:math:`n |s| \le \gcd(G, G')`: for if :math:`(i - i') s = r' - r + G z` with :math:`i \ne i'`, then z = 0
makes the left side the larger one, and another z the right side. Between kernels whose accesses all agree
every thread finds what it wrote itself, and no barrier is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from wengert.native.machine.host import LINE
from wengert.native.planning.kernels import Access


class Rows(NamedTuple):
    """The rows of an access, in bytes from its buffer's start; threads take multiples of ``grain``."""

    stride: int
    extent: int
    grain: int
    low: int
    high: int
    period: int

    def agrees(self, other: Footprint) -> bool:
        """Whether threads that take the same rows of both touch nothing in common."""
        if type(other) is not Rows or self[:3] != other[:3]:
            return False
        apart = max(self.high, other.high) - min(self.low, other.low) <= abs(self.stride)
        period = math.gcd(self.period, other.period)
        return apart and (period == 0 or self.extent * abs(self.stride) <= period)

    def moved(self, nbytes: int) -> Rows:
        """The same rows seen from elsewhere."""
        return self._replace(low=self.low + nbytes, high=self.high + nbytes)


class Alone(NamedTuple):
    """All of an access is touched by the first thread alone."""

    def agrees(self, other: Footprint) -> bool:
        """Whether the other one is the first thread's too."""
        return type(other) is Alone

    def moved(self, nbytes: int) -> Alone:
        """The same thread."""
        return self


class Anywhere(NamedTuple):
    """Every thread may touch any part."""

    def agrees(self, other: Footprint) -> bool:
        """Never."""
        return False

    def moved(self, nbytes: int) -> Anywhere:
        """Still anywhere."""
        return self


Footprint = Rows | Alone | Anywhere
Touches = list[tuple[Access, Footprint]]
ALONE, ANYWHERE = Alone(), Anywhere()

MANY = 64 * LINE  # rows, from which on every loop over them is divided alike
FEW = 256  # rows, below which threads take single ones


def grain(count: int, least: int = 1) -> int:
    """How many of so many rows stay together, in products and in loops alike, unless a loop needs more."""
    return LINE if count >= MANY else max(least, 1 if count < FEW else 4)


def rows(
    stride: int, extent: int, grain: int, offset: int, others: Iterable[tuple[int, int]], size: int
) -> Footprint:
    """The rows of an axis, in elements of so many bytes; ``others`` are strides and extents of other axes."""
    if stride == 0:
        return ANYWHERE
    low, high, period = offset, offset + 1, 0
    for step, count in ((s, n) for s, n in others if n > 1):
        if abs(step) < abs(stride):
            low, high = low + min(0, step * (count - 1)), high + max(0, step * (count - 1))
        else:
            period = math.gcd(period, step)
    return Rows(stride * size, extent, grain, low * size, high * size, period * size)
