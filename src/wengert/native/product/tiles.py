r"""Register tiles of a matrix product: the part of C that the vector registers hold while k runs.

A tile of r rows and v vectors of columns is a sum of outer products,

.. math:: C_{ij} \leftarrow C_{ij} + \sum_{k} A_{ik} B_{kj}, \quad i < r,\; j < v \cdot \mathrm{lanes},

in which every k costs r broadcasts of A (any strides), v vectors of B (unit stride) and r·v multiply-adds.
The sum of an element is one chain in ascending k that starts with what C holds, so neither the tile nor the
way in which k is cut can be seen in the result. (Where all of C is a few vectors, each addition would wait
for the last: there every second or fourth k has a chain of its own, whatever the rows of the tile.) Strides
and extents are arguments, in bytes: a module has one function for a tile, however many products use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from wengert.native.machine import ir
from wengert.native.machine.host import LINE, Host

ZERO = ir.index(0)
AHEAD = 8  # steps of k between asking for a cache line and reading it
SIZES = {"float": 4, "double": 8}


class Arithmetic(NamedTuple):
    """How a processor multiplies and adds numbers of one type, and whether it has masked loads and stores."""

    element: str
    fused: bool
    masks: bool
    mask_registers: bool

    @property
    def size(self) -> int:
        """Bytes of one number."""
        return SIZES[self.element]

    def multiply_add(self, f: ir.Function, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """``a * b + c``, rounded once where the processor can."""
        if self.fused:
            return f.intrinsic("fma", c.type, a, b, c)
        return f.binary("fadd", f.binary("fmul", a, b), c)

    def mask(self, f: ir.Function, count: ir.Value, lanes: int) -> Mask:
        """The lanes below a count."""
        bits = 8 * self.size
        first = f.first_lanes(count, lanes, bits)
        if self.mask_registers:
            return Mask(first, False)
        return Mask(f.cast("sext", first, ir.vector(f"i{bits}", lanes)), True)


def arithmetic(host: Host, element: str) -> Arithmetic:
    """What a host offers for ``float`` or ``double``."""
    return Arithmetic(element, host.fused, host.vector_bytes >= 32, host.vector_bytes >= 64)


class Mask(NamedTuple):
    """Lanes that take part; without mask registers the signs of whole numbers in a vector register."""

    value: ir.Value
    signs: bool

    def here(self, f: ir.Function) -> ir.Value:
        """The booleans. Compared anew in every block at no cost: loads and stores look at the signs."""
        if not self.signs:
            return self.value
        return f.compare("icmp slt", self.value, ir.Value("zeroinitializer", self.value.type))


def load(f: ir.Function, type: str, pointer: ir.Value, size: int, mask: Mask | None) -> ir.Value:
    """A vector, or the lanes of it that the mask names."""
    return f.load(type, pointer, size) if mask is None else f.masked_load(type, pointer, mask.here(f), size)


def store(f: ir.Function, value: ir.Value, pointer: ir.Value, size: int, mask: Mask | None) -> None:
    """Write a vector, or the lanes of it that the mask names."""
    if mask is None:
        f.store(value, pointer, size)
    else:
        f.masked_store(value, pointer, mask.here(f), size)


class Tile(NamedTuple):
    """Rows, and vectors of so many lanes; ``masked`` if the last may be a part; chains of each element.

    ``asks`` if it asks for what it is going to read, ``padded`` if rows of C have room for whole vectors.
    """

    arithmetic: Arithmetic
    rows: int
    vectors: int
    lanes: int
    masked: bool = False
    ways: int = 1
    asks: bool = False
    padded: bool = False

    @property
    def type(self) -> str:
        """One vector of the tile."""
        return ir.vector(self.arithmetic.element, self.lanes)

    @property
    def columns(self) -> int:
        """Columns of C that it covers."""
        return self.vectors * self.lanes


class Operands(NamedTuple):
    """Addresses; strides in bytes: rows of A, steps of k in A and B, rows of C and of the start; extent of k.

    To start with what C holds, ``start`` is C; with zero or a bias for every column, the rows of ``start``
    are 0 bytes apart.
    """

    a: ir.Value
    b: ir.Value
    c: ir.Value
    start: ir.Value
    a_row: ir.Value
    a_step: ir.Value
    b_step: ir.Value
    c_row: ir.Value
    start_row: ir.Value
    depth: ir.Value


OPERANDS = [(name, "i64" if "_" in name or name == "depth" else "ptr") for name in Operands._fields]
Finish = Callable[[ir.Function, ir.Value, int, int, "Mask | None"], ir.Value]


def has(module: ir.Module, name: str) -> bool:
    """Whether a module has a function."""
    return name in module.names


class Strip(NamedTuple):
    """A function that covers rows and columns with a tile, and rows that are left over with lower ones."""

    tile: Tile
    lower: tuple[int, ...]

    @property
    def tiles(self) -> list[Tile]:
        """The tiles from the highest on."""
        return [self.tile, *(self.tile._replace(rows=rows) for rows in self.lower)]

    @property
    def name(self) -> str:
        """The function's name."""
        tile, rows = self.tile, "-".join(str(tile.rows) for tile in self.tiles)
        kind = f"{tile.arithmetic.element}.{rows}x{tile.vectors}x{tile.lanes}"
        flags = [flag for flag in ("masked", "asks", "padded") if getattr(tile, flag)]
        return ".".join(["strip", kind, *([f"{tile.ways}ways"] if tile.ways > 1 else []), *flags])

    def changed(self, **fields: Any) -> Strip:
        """The strip of tiles that differ in these fields."""
        return self._replace(tile=self.tile._replace(**fields))


EXTENTS = ("rows", "columns", "b_next", "start_next")


def strip_function(module: ir.Module, strip: Strip) -> str:
    """The function of a strip, written once per module, and its name.

    Its arguments are the operands, ``rows`` and ``columns``, and how many bytes apart, tile by tile, the
    columns of B and of what the sums start with. Columns that are left over stay as they were: a whole tile's
    without masks, those beyond the last vector that is begun with them.
    """
    if not has(module, strip.name):
        params = [*OPERANDS, *((name, "i64") for name in EXTENTS)]
        f = module.function(strip.name, "void", params, "internal")
        _write_strip(f, strip, Operands(*(f.param(name) for name, _ in OPERANDS)))
        f.ret()
    return strip.name


def _write_strip(f: ir.Function, strip: Strip, operands: Operands) -> None:
    for rows, here in blocks_of_rows(f, [tile.rows for tile in strip.tiles], operands):
        _across(f, strip.tile._replace(rows=rows), here)


def blocks_of_rows(
    f: ir.Function, heights: Sequence[int], operands: Operands
) -> Iterator[tuple[int, Operands]]:
    """The code of a block of each height in turn, in a loop over all rows that are left and fill it."""
    done, bases = ZERO, [operands.a, operands.c, operands.start]
    for rows in heights:
        limit = f.binary("sub", f.param("rows"), ir.index(rows - 1))
        with f.loop(done, limit, rows, bases) as loop:
            a, c, start = loop.first
            yield rows, operands._replace(a=a, c=c, start=start)
            strides = (operands.a_row, operands.c_row, operands.start_row)
            loop.next = [
                f.advance(p, f.binary("mul", s, ir.index(rows)))
                for p, s in zip(loop.first, strides, strict=True)
            ]
        done, bases = loop.index, loop.state


def _across(f: ir.Function, tile: Tile, operands: Operands) -> None:
    """Tiles side by side."""
    whole = tile.columns - tile.lanes
    limit = f.binary("sub", f.param("columns"), ir.index(whole if tile.masked else tile.columns - 1))
    with f.loop(ZERO, limit, tile.columns, [operands.b, operands.c, operands.start]) as loop:
        b, c, start = loop.first
        left = f.binary("sub", limit, loop.index)
        mask = tile.arithmetic.mask(f, left, tile.lanes) if tile.masked else None
        write_tile(f, tile, operands._replace(b=b, c=c, start=start), mask)
        steps = (f.param("b_next"), ir.index(tile.columns * tile.arithmetic.size), f.param("start_next"))
        loop.next = [f.advance(p, step) for p, step in zip(loop.first, steps, strict=True)]


def write_tile(
    f: ir.Function, tile: Tile, operands: Operands, mask: Mask | None = None, finish: Finish | None = None
) -> None:
    """The body of one tile: begin, run over k, store."""
    masks = [None] * (tile.vectors - 1) + [mask]
    begin = [
        load(f, tile.type, place, tile.arithmetic.size, masks[v])
        for _, v, place in _places(f, tile, operands.start, operands.start_row)
    ]
    sums = _run(f, tile, operands, begin, masks)
    for value, (r, v, place) in zip(sums, _places(f, tile, operands.c, operands.c_row), strict=True):
        value = value if finish is None else finish(f, value, r, v, masks[v])
        store(f, value, place, tile.arithmetic.size, None if tile.padded else masks[v])


def _places(f: ir.Function, tile: Tile, first: ir.Value, stride: ir.Value) -> list[tuple[int, int, ir.Value]]:
    """Row, vector and address of every vector of a tile."""
    width, places = tile.lanes * tile.arithmetic.size, []
    for r in range(tile.rows):
        first = f.advance(first, stride) if r else first
        places += [(r, v, f.advance(first, ir.index(v * width))) for v in range(tile.vectors)]
    return places


def _run(
    f: ir.Function, tile: Tile, operands: Operands, sums: list[ir.Value], masks: Sequence[Mask | None]
) -> list[ir.Value]:
    groups, within = _rows_of_a(f, operands, tile.rows)
    ahead = [f.binary("mul", step, ir.index(AHEAD)) for step in (operands.a_step, operands.b_step)]
    zero = ir.Value("zeroinitializer" if tile.lanes > 1 else "0.0", tile.type)
    index, state = ZERO, [*groups, operands.b, *sums, *[zero] * ((tile.ways - 1) * len(sums))]
    for ways in (tile.ways, 1) if tile.ways > 1 else (1,):
        limit = operands.depth if ways == 1 else f.binary("sub", operands.depth, ir.index(ways - 1))
        with f.loop(index, limit, ways, state) as loop:
            loop.next = _steps(f, tile, operands, within, ahead, loop.first, masks, ways)
        index, state = loop.index, loop.state
    return _together(f, state[len(groups) + 1 :], len(sums))


def _steps(
    f: ir.Function, tile: Tile, operands: Operands, within: Sequence[ir.Value], ahead: Sequence[ir.Value],
    state: Sequence[ir.Value], masks: Sequence[Mask | None], ways: int,
) -> list[ir.Value]:  # fmt: skip
    """So many steps of k, each added to sums of its own."""
    count, chains = -(-tile.rows // 4), tile.rows * tile.vectors
    bases, b, sums = list(state[:count]), state[count], list(state[count + 1 :])
    if tile.asks:
        ask(f, tile, f.advance(b, ahead[1]))
        if tile.rows >= 4:
            prefetch(f, f.advance(bases[-1], ahead[0]))
    for way in range(ways):
        chosen = slice(way * chains, (way + 1) * chains)
        sums[chosen] = _outer_product(f, tile, bases, within, b, sums[chosen], masks)
        bases = [_opaque(f, f.advance(p, operands.a_step)) for p in bases]
        b = f.advance(b, operands.b_step)
    return [*bases, b, *sums]


def _together(f: ir.Function, sums: list[ir.Value], count: int) -> list[ir.Value]:
    """Chains of the same element added: halves to each other until one is left."""
    while len(sums) > count:
        half = len(sums) // 2
        sums = [f.binary("fadd", x, y) for x, y in zip(sums[:half], sums[half:], strict=True)]
    return sums


def ask(f: ir.Function, tile: Tile, b: ir.Value) -> None:
    """Ask for a row of B that is read some steps later: rows come from the second cache."""
    for distance in range(0, tile.columns * tile.arithmetic.size, LINE):
        prefetch(f, f.advance(b, ir.index(distance)))


def prefetch(f: ir.Function, pointer: ir.Value) -> None:
    """Ask for the cache line at an address, which need not exist."""
    read, near, data = (ir.Value(number, "i32") for number in "031")
    f.call("llvm.prefetch.p0", "void", pointer, read, near, data)


def _rows_of_a(f: ir.Function, operands: Operands, rows: int) -> tuple[list[ir.Value], list[ir.Value]]:
    """A pointer to every fourth row, and the rows' distances from it: x86 needs fewest registers for that."""
    one = operands.a_row
    within = [ZERO, one]
    if rows > 2:
        two = _opaque(f, f.binary("add", one, one))
        within += [two, _opaque(f, f.binary("add", two, one))]
    groups = [operands.a]
    if rows > 4:
        four = f.binary("add", within[2], within[2])
        while 4 * len(groups) < rows:
            groups.append(_opaque(f, f.advance(groups[-1], four)))
    return groups, within


def _opaque(f: ir.Function, value: ir.Value) -> ir.Value:
    """The same value, whose source LLVM does not look into; it would chain the addresses."""
    return f.emit(f'call {value.type} asm "", "=r,0"({value.type} {value.name})', value.type)


def _outer_product(
    f: ir.Function, tile: Tile, bases: Sequence[ir.Value], within: Sequence[ir.Value], b: ir.Value,
    sums: Sequence[ir.Value], masks: Sequence[Mask | None],
) -> list[ir.Value]:  # fmt: skip
    size = tile.arithmetic.size
    places = [f.advance(b, ir.index(v * tile.lanes * size)) for v in range(tile.vectors)]
    row = [load(f, tile.type, p, size, masks[v]) for v, p in enumerate(places)]
    after = []
    for r in range(tile.rows):
        a = f.load(tile.arithmetic.element, f.advance(bases[r // 4], within[r % 4]), size)
        a = f.splat(a, tile.lanes)
        after += [
            tile.arithmetic.multiply_add(f, a, x, sums[r * tile.vectors + v]) for v, x in enumerate(row)
        ]
    return after
