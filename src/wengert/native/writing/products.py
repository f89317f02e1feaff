r"""Matrix products of a plan: which way round they are computed, and their epilogues.

.. math:: C = A B \qquad\text{or, where the columns of C are neighbours in memory,}\qquad C^T = B^T A^T

The epilogue sees every sum once, in registers, and evaluates what the plan has fused with the product: a bias
and an activation, the derivative of an activation, the update of a weight.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.core.trace import Atom
from wengert.native.machine import ir
from wengert.native.machine.host import Host
from wengert.native.machine.underflow import Underflow
from wengert.native.planning.footprint import ALONE, ANYWHERE, Footprint, Touches, grain, rows
from wengert.native.planning.kernels import Access, Contract, Shape, one_stride
from wengert.native.planning.work import ENOUGH_EACH, product_operations
from wengert.native.product.matmul import Inside, write_rows
from wengert.native.product.plans import Product, is_for_unit
from wengert.native.product.splits import SIDE
from wengert.native.writing.vectors import Place, Values

if TYPE_CHECKING:
    from wengert.native.writing.emit import Writer

SCRATCH = 3  # the slot of a frame that holds scratch memory (see `native.writing.emit`)
MATRICES = 8  # of a batch, from which on threads take whole ones
FEW, WIDE = 24, 64  # rows below which, columns from which on threads divide columns: 24 are two high tiles
FEW_OF_FAR = 64  # where the columns have no room in the cache
HALVED = 16  # rows that two threads divide into whole tiles, though low ones


@dataclass
class Oriented:
    """A product as it is computed: its axes are batch, rows, columns, whether C or its transpose."""

    kernel: Contract
    host: Host
    underflow: Underflow = Underflow.GRADUAL

    @cached_property
    def swapped(self) -> bool:
        """Whether the transpose is computed: rows of C are not neighbours in memory, but columns are."""
        stored = self._result(self.kernel.result.writes[0].access)
        return stored[-1] != 1 and stored[-2] == 1 and (self._c_shape[-1] > 1 or self._is_better_as_row)

    @cached_property
    def _is_better_as_row(self) -> bool:
        """Whether C is one column that threads would not share, and its numbers as a row fill vectors."""
        few = product_operations(self.kernel) < ENOUGH_EACH
        turned = self.kernel.a.strides[-2] == 1 or self.kernel.result.equations
        return self._c_shape[-2] > 1 and few and bool(turned)

    @cached_property
    def lead(self) -> Shape:
        """The axes of the batch."""
        return self.kernel.a.shape[:-2]

    @cached_property
    def _c_shape(self) -> Shape:
        return (*self.lead, self.kernel.a.shape[-2], self.kernel.b.shape[-1])

    def _result(self, access: Access) -> Shape:
        """Strides of what is like C, with the axes of length 1 that a product with a vector loses."""
        strides = iter(access.strides)
        lost = len(self._c_shape) - len(access.shape)
        axes = [i for i, n in enumerate(self._c_shape) if n == 1 and i >= len(self.lead)][:lost]
        return tuple(0 if i in axes else next(strides) for i in range(len(self._c_shape)))

    def strides(self, access: Access) -> Shape:
        """Strides of the result, of an operand of the epilogue: of the batch axes, rows and columns."""
        *lead, row, column = self._result(access)
        return (*lead, column, row) if self.swapped else (*lead, row, column)

    @cached_property
    def shape(self) -> Shape:
        """Batch axes, rows, columns."""
        *lead, m, n = self._c_shape
        return (*lead, n, m) if self.swapped else (*lead, m, n)

    @cached_property
    def factors(self) -> tuple[Access, Access]:
        """The factors, the first of which has the rows."""
        a, b = self.kernel.a, self.kernel.b
        return (_transposed(b), _transposed(a)) if self.swapped else (a, b)

    @cached_property
    def rows(self) -> int:
        """Rows of the whole batch."""
        return int(np.prod(self.shape[:-1], dtype=np.int64))

    @cached_property
    def plain(self) -> bool:
        """Whether the result is stored as it is, once, row by row."""
        result, host = self.kernel.result, self.kernel.out.type.dtype
        if result.equations or len(result.writes) != 1 or result.writes[0].access.dtype != host:
            return False
        access = result.writes[0].access
        column = self.strides(access)[-1]
        return (
            not access.lookups
            and (column == 1 or self.shape[-1] == 1)
            and _lead_stride(self, access) is not None
        )

    @cached_property
    def product(self) -> Product:
        """The product to generate."""
        product = self._product(self.grain)
        return replace(product, grain=product.m, across=True) if self.across else product

    @cached_property
    def whole(self) -> Product:
        """The same for a thread that computes all of it."""
        return replace(self.product, grain=self.product.m, across=False)

    def _product(self, grain: int) -> Product:
        a, b = self.factors
        m, n = self.shape[-2:]
        batch = int(np.prod(self.lead, dtype=np.int64))
        c_stride, batch_c = n, m * n
        if self.plain:
            access = self.kernel.result.writes[0].access
            c_stride, batch_c = self.strides(access)[-2], _lead_stride(self, access) or 0
        lead_a, lead_b = one_stride(self.lead, a.strides), one_stride(self.lead, b.strides)
        assert lead_a is not None and lead_b is not None
        return Product(
            m=m, n=n, k=a.shape[-1], dtype=self.kernel.out.type.dtype,
            a_strides=(a.strides[-2], a.strides[-1]), b_strides=(b.strides[-2], b.strides[-1]),
            c_stride=c_stride, batch=batch, batch_strides=(lead_a, lead_b, batch_c), host=self.host,
            grain=grain, underflow=self.underflow,
        )  # fmt: skip

    @cached_property
    def across(self) -> bool:
        """Whether threads divide columns: of a large product with few rows.

        Rows whose halves are whole tiles stay, as what comes next then needs no other thread's. Where the
        second factor outgrows the cache, more rows are few: every thread would read all of it.
        """
        (m, n), b = self.shape[-2:], self.factors[1]
        large = product_operations(self.kernel) >= ENOUGH_EACH
        far = math.prod(b.shape) * b.dtype.itemsize > self.host.second_cache
        few = m < FEW_OF_FAR if far else m < FEW and m % HALVED != 0
        return not self.lead and n >= WIDE and large and few and not self.for_unit

    @property
    def extent(self) -> int:
        """How many rows or columns threads divide."""
        return self.shape[-1] if self.across else self.rows

    @property
    def least(self) -> int:
        """Of which they take multiples."""
        return self.product.columns if self.across else self.grain

    @cached_property
    def shared(self) -> bool:
        """Whether threads divide the product."""
        axis = -1 if self.across else -2
        return self.extent > self.least and all(
            self.strides(w.access)[axis] and not w.access.lookups for w in self.kernel.result.writes
        )

    @cached_property
    def together(self) -> int:
        """Rows of the whole batch that one thread takes together: of a matrix, where there are many."""
        *lead, m, _ = self.shape
        whole = self.rows // m >= MATRICES or (self.for_unit and m % SIDE)
        return m if len(lead) and whole else 1

    @cached_property
    def grain(self) -> int:
        """Rows of which threads take multiples."""
        if self.for_unit and self.together == 1:
            return SIDE
        return self.together * grain(self.rows // self.together)

    @cached_property
    def for_unit(self) -> bool:
        """Whether the matrix unit computes it, which takes two tiles of rows together."""
        return is_for_unit(self._product(SIDE))

    def footprint(self, access: Access) -> Footprint:
        """Which part each thread touches of the result, or of an operand of the epilogue."""
        return self._rows(access, self.strides(access), self.shape[-1])

    def footprint_of_rows(self) -> Footprint:
        """The same for the first factor."""
        a = self.factors[0]
        return ANYWHERE if self.across else self._rows(a, a.strides, a.shape[-1])

    def _rows(self, access: Access, strides: Shape, columns: int) -> Footprint:
        """Rows count through the whole batch: they are one axis only if it goes on where a matrix ends."""
        *lead, row, column = strides
        batch, m, size = one_stride(self.lead, tuple(lead)), self.shape[-2], access.dtype.itemsize
        if access.lookups or batch is None:
            return ANYWHERE
        if self.across:
            return rows(column, self.extent, self.least, access.offset, [(row, m)], size)
        if self.together > 1:
            others = [(row, m), (column, columns)]
            return rows(batch, self.rows // m, self.grain // m, access.offset, others, size)
        if self.rows != m and batch != row * m:
            return ANYWHERE
        return rows(row, self.rows, self.grain, access.offset, [(column, columns)], size)

    def touches(self) -> tuple[Touches, Touches]:
        """What is read and written, with the part that each thread touches."""
        result, (a, b) = self.kernel.result, self.factors
        reads = [(access, self.footprint(access)) for access in result.reads.values()]
        reads += [(a, self.footprint_of_rows()), (b, self._footprint_of_columns())]
        writes = [(write.access, self.footprint(write.access)) for write in result.writes]
        if self.shared:
            return reads, writes
        return [(access, ALONE) for access, _ in reads], [(access, ALONE) for access, _ in writes]

    def _footprint_of_columns(self) -> Footprint:
        """Which part of the second factor each thread touches: its own matrices or columns, or all of it."""
        b = self.factors[1]
        if self.across:
            others = [(b.strides[-2], b.shape[-2])]
            return rows(b.strides[-1], self.extent, self.least, b.offset, others, b.dtype.itemsize)
        batch = one_stride(self.lead, b.strides)
        if self.together == 1 or batch is None:
            return ANYWHERE
        others = list(zip(b.strides[-2:], b.shape[-2:], strict=True))
        count, take = self.rows // self.together, self.grain // self.together
        return rows(batch, count, take, b.offset, others, b.dtype.itemsize)


def _transposed(a: Access) -> Access:
    *shape, m, n = a.shape
    *strides, r, c = a.strides
    return a.view((*shape, n, m), (*strides, c, r))


def _lead_stride(oriented: Oriented, access: Access) -> int | None:
    return one_stride(oriented.lead, oriented.strides(access))


def write_product(writer: Writer, kernel: Contract) -> None:
    """A matrix product with its epilogue."""
    oriented = Oriented(kernel, writer.host, writer.underflow)
    if writer.divides and oriented.shared:
        _write(writer, oriented, oriented.product, *writer.share(oriented.extent, oriented.least))
        return
    with writer.alone():
        _write(writer, oriented, oriented.whole, ir.index(0), ir.index(oriented.rows))


def _write(writer: Writer, oriented: Oriented, product: Product, begin: ir.Value, end: ir.Value) -> None:
    a, b = map(writer.pointer, oriented.factors)
    scratch = writer.slot(SCRATCH)
    if oriented.plain:
        c = writer.pointer(oriented.kernel.result.writes[0].access)
        write_rows(writer.f, product, a, b, c, scratch, begin, end)
        return
    if not writer.threads:
        write_rows(writer.f, product, a, b, scratch, scratch, begin, end, Epilogue(writer, oriented))
        return

    @contextmanager
    def apart(values: Sequence[ir.Value]) -> Iterator[Inside]:
        with writer.function("finish", *values) as inner:
            inner.covers(oriented.rows * oriented.shape[-1])
            yield inner.f, Epilogue(inner, oriented), inner.given

    write_rows(writer.f, product, a, b, scratch, scratch, begin, end, _elsewhere, apart=apart)


def _elsewhere(*_: Any) -> None:
    """Stands for an epilogue that is evaluated in a function of its own."""
    raise AssertionError("an epilogue outside of its function")


class Epilogue:
    """Evaluates what is fused with a product, for a vector of sums."""

    def __init__(self, writer: Writer, oriented: Oriented) -> None:
        self.writer, self.oriented, self.result = writer, oriented, oriented.kernel.result
        accesses = [*self.result.reads.values(), *(write.access for write in self.result.writes)]
        self.bases = {id(access): writer.pointer(access) for access in accesses}

    def __call__(
        self, f: ir.Function, sums: ir.Value, row: ir.Value, column: ir.Value, mask: ir.Value | None
    ) -> None:
        lanes = ir.lanes_of(sums.type)

        def place(access: Access) -> Place:
            return self._place(access, row, column, lanes, mask)

        def get(atom: Atom) -> ir.Value:
            return place(self.result.reads[atom]).read(f)

        values = Values(f, self.writer.host, lanes, get)
        values.known[self.oriented.kernel.out] = sums
        for equation in self.result.equations:
            values.compute(equation)
        for write in self.result.writes:
            place(write.access).write(f, values.read(write.atom, write.access.dtype))

    def _place(
        self, access: Access, row: ir.Value, column: ir.Value, lanes: int, mask: ir.Value | None
    ) -> Place:
        f, strides = self.writer.f, self.oriented.strides(access)
        offset = self._row_offset(strides[:-1], row)
        pointer = f.offset(self.bases[id(access)], ir.type_name(access.dtype), offset)
        if strides[-1]:
            step = column if strides[-1] == 1 else f.binary("mul", column, ir.index(strides[-1]))
            pointer = f.offset(pointer, ir.type_name(access.dtype), step)
        return Place(pointer, strides[-1], access.dtype, lanes, mask)

    def _row_offset(self, strides: Shape, row: ir.Value) -> ir.Value:
        """How far a row of the whole batch is from the first."""
        f, extents = self.writer.f, self.oriented.shape[:-1]
        if self.oriented.rows == extents[-1]:
            return f.binary("mul", row, ir.index(strides[-1]))
        total = ir.index(0)
        for extent, stride in zip(extents[::-1], strides[::-1], strict=True):
            rest = f.binary("sdiv", row, ir.index(extent))
            within = f.binary("sub", row, f.binary("mul", rest, ir.index(extent)))
            total, row = f.binary("add", total, f.binary("mul", within, ir.index(stride))), rest
        return total


def scratch_of(kernel: Contract, host: Host) -> int:
    """Memory that each thread needs for a kernel, whether it is divided or not."""
    oriented = Oriented(kernel, host)
    return max(oriented.product.scratch_bytes, oriented.whole.scratch_bytes)


def product_of(kernel: Contract, host: Host) -> Product:
    """The product that a kernel generates."""
    return Oriented(kernel, host).product
