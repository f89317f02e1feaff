r"""Sorting and searching: stable sorts of positions, and bisection.

They work on single rows and go by NumPy's order, in which NaN comes after every number:

.. math:: a < b \iff a <_{\mathrm{IEEE}} b \ \text{ or }\ (b \text{ is NaN and } a \text{ is not})

Short rows are sorted by merging runs of 1, 2, 4, ... elements from one half of the memory to the other, and
keys go along with their positions. Only what is less than the first of the first run is taken from the
second, so equal elements keep their order. Long rows are sorted by one digit after the other, from the lowest
on: the bits of a number, with those of negative ones turned round, are a whole number that is ordered alike,
of eight digits in the base 256 for float64 (Knuth, TAOCP 3, 5.2.5).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from wengert.core.primitive import REGISTRY
from wengert.core.trace import Atom, Equation, Var, type_for
from wengert.native.machine import ir
from wengert.native.machine.host import Host
from wengert.native.planning.kernels import Access, Routine, Shape, row_major
from wengert.native.planning.lower import filled, lowers, zero
from wengert.native.planning.plan import Plan
from wengert.native.product.tiles import has

ZERO, ONE = ir.index(0), ir.index(1)
INDEX = np.dtype(np.intp)
STEP = 8  # operations that a step of a search, a merge or a distribution counts as
LONG = 64  # elements of a row from which it is sorted by digits
BASE = 256
BLOCK = 256  # numbers that one thread searches for


def less_function(module: ir.Module, dtype: np.dtype[Any]) -> str:
    """The function that tells whether one number comes before another, written once per module."""
    name, element = f"less.{dtype.kind}{dtype.itemsize}", ir.type_name(dtype)
    if not has(module, name):
        f = module.function(name, "i1", [("a", element), ("b", element)], "internal")
        f.attributes = "nounwind alwaysinline"
        f.ret(_less(f, f.param("a"), f.param("b"), dtype.kind))
    return name


def _less(f: ir.Function, a: ir.Value, b: ir.Value, kind: str) -> ir.Value:
    if kind != "f":
        return f.compare("icmp slt" if kind == "i" else "icmp ult", a, b)
    number, nan = f.compare("fcmp ord", a, a), f.compare("fcmp uno", b, b)
    return f.binary("or", f.compare("fcmp olt", a, b), f.binary("and", number, nan))


# --- searchsorted -------------------------------------------------------------------------------------------


@lowers("searchsorted")
def _searchsorted(plan: Plan, equation: Equation) -> None:
    (a, v), (out,) = equation.inputs, equation.outputs
    if not a.type.size:
        plan.assign(out, *filled(plan, out, zero(out.type)))
        return
    dtype = np.result_type(a.type.dtype, v.type.dtype)
    a, v = (_converted(plan, x, dtype) for x in (a, v))
    row, (keys, ready) = plan.access(a), plan.row_major(v)
    stage, target = max(ready, plan.ready(a)), plan.allocate(out.type, row_major(out.type.shape))
    for kernel in _searches(stage, row, keys, target, equation.params["side"]):
        plan.kernels.append(kernel)
    plan.assign(out, target, stage)


def _searches(stage: float, row: Access, keys: Access, target: Access, side: str) -> Iterator[Routine]:
    """Blocks of keys, which threads divide among themselves, and the keys that are left."""
    size, (extent,), (step,) = math.prod(keys.shape), row.shape, row.strides
    blocks, rest = divmod(size, BLOCK)
    rounds, done = ir.index((extent - 1).bit_length()), blocks * BLOCK

    def kernel(lead: Shape, count: int, start: int) -> Routine:
        def code(writer: Any, pointers: list[ir.Value], memory: ir.Value) -> None:
            name = search_function(writer.f.module, writer.host, row.dtype, side, step)
            writer.f.call(name, "void", *pointers, ir.index(count), ir.index(extent), rounds)

        shape, steps = (*lead, count), (count, 1)[-len(lead) - 1 :]
        rows = row.view((*lead, extent), (*(0,) * len(lead), step))
        some, places = (x.view(shape, steps, x.offset + start) for x in (keys, target))
        work = STEP * extent.bit_length() * count
        return Routine(stage, "searchsorted", lead, [rows, some], [places], code, work)

    yield from [kernel((blocks,), BLOCK, 0)] if blocks else []
    yield from [kernel((), rest, done)] if rest else []


def _converted(plan: Plan, atom: Atom, dtype: np.dtype[Any]) -> Atom:
    if atom.type.dtype == dtype:
        return atom
    out = Var(type_for(atom.type.shape, dtype))
    plan.lower(Equation(REGISTRY["convert"], (atom,), {"dtype": dtype}, (out,)))
    return out


def search_function(module: ir.Module, host: Host, dtype: np.dtype[Any], side: str, step: int) -> str:
    """The function that finds where numbers belong in a sorted row, by bisection, as many as a vector has.

    Its arguments: where the row, the numbers and the results begin, how many numbers there are, how many
    elements the row has, and how often it can be halved until one is left.
    """
    name = f"search.{side}.{dtype.kind}{dtype.itemsize}.{step}".replace("-", "_")
    if not has(module, name):
        params = [("row", "ptr"), ("keys", "ptr"), ("places", "ptr")]
        params += [(name, "i64") for name in ("count", "extent", "rounds")]
        f = module.function(name, "void", params, "internal")
        lanes = host.lanes(INDEX) if host.vector_bytes >= 32 else 1
        with f.loop(ZERO, f.param("count"), lanes) as loop:
            _Search(f, dtype, side, step, lanes, loop.index).write()
        f.ret()
    return name


class _Search:
    """The search for the numbers of one vector."""

    def __init__(
        self, f: ir.Function, dtype: np.dtype[Any], side: str, step: int, lanes: int, first: ir.Value
    ) -> None:
        self.f, self.dtype, self.side, self.step, self.lanes = f, dtype, side, step, lanes
        left = f.binary("sub", f.param("count"), first)
        self.mask = f.first_lanes(left, lanes, 64) if lanes > 1 else None
        self.key = self._read(f.offset(f.param("keys"), ir.type_name(dtype), first))
        self.places = f.offset(f.param("places"), "i64", first)

    def _read(self, pointer: ir.Value) -> ir.Value:
        type, size = ir.vector(ir.type_name(self.dtype), self.lanes), self.dtype.itemsize
        if self.mask is None:
            return self.f.load(type, pointer, size)
        return self.f.masked_load(type, pointer, self.mask, size)

    def _write(self, value: ir.Value) -> None:
        if self.mask is None:
            self.f.store(value, self.places, 8)
        else:
            self.f.masked_store(value, self.places, self.mask, 8)

    def write(self) -> None:
        """What comes before the key begins in ``length`` elements from ``base`` on, of which half is left."""
        f = self.f
        base = ir.constant(0, ir.vector("i64", self.lanes))
        with f.loop(ZERO, f.param("rounds"), 1, [base, f.param("extent")]) as loop:
            base, length = loop.first
            half = f.binary("lshr", length, ONE)
            middle = f.binary("add", base, f.splat(f.binary("sub", half, ONE), self.lanes))
            loop.next = [self._moved(base, middle, f.splat(half, self.lanes)), f.binary("sub", length, half)]
        base, _ = loop.state
        self._write(self._moved(base, base, ir.constant(1, base.type)))

    def _moved(self, base: ir.Value, at: ir.Value, distance: ir.Value) -> ir.Value:
        """Further by a distance where the element at a place comes before the key; without a branch."""
        f, kind = self.f, self.dtype.kind
        found = self._element(at)
        before = _less(f, found, self.key, kind)
        if self.side == "right":
            before = f.binary("xor", _less(f, self.key, found, kind), ir.constant(True, before.type))
        return f.binary("add", base, f.binary("and", f.cast("sext", before, base.type), distance))

    def _element(self, at: ir.Value) -> ir.Value:
        f, element = self.f, ir.type_name(self.dtype)
        far = at if self.step == 1 else f.binary("mul", at, ir.constant(self.step, at.type))
        pointers = f.offset(f.param("row"), element, far)
        if self.mask is None:
            return f.load(element, pointers, self.dtype.itemsize)
        return f.gather(ir.vector(element, self.lanes), pointers, self.mask, self.dtype.itemsize)


# --- argsort ------------------------------------------------------------------------------------------------


@lowers("argsort")
def _argsort(plan: Plan, equation: Equation) -> None:
    (x,), (out,) = equation.inputs, equation.outputs
    axis, dtype, n = equation.params["axis"], x.type.dtype, x.type.shape[equation.params["axis"]]
    source, stage = plan.access(x), plan.ready(x)
    target = plan.allocate(out.type)
    shape = tuple(m for i, m in enumerate(x.type.shape) if i != axis + x.type.ndim)
    steps = [ir.index(a.strides[axis]) for a in (source, target)]
    function = sort_function if n < LONG else distribution_function

    def code(writer: Any, pointers: list[ir.Value], memory: ir.Value) -> None:
        name = function(writer.f.module, dtype)
        row, places = pointers
        writer.f.call(name, "void", row, steps[0], ir.index(n), places, steps[1], memory)

    rows, scratch = [_axis_last(a, axis) for a in (source, target)], 2 * n * (dtype.itemsize + INDEX.itemsize)
    scratch += BASE * dtype.itemsize * INDEX.itemsize
    work = STEP * n * (n.bit_length() if n < LONG else dtype.itemsize)
    plan.kernels.append(Routine(stage, "argsort", shape, rows[:1], rows[1:], code, work, scratch))
    plan.assign(out, target, stage)


def _axis_last(a: Access, axis: int) -> Access:
    kept = [i for i in range(len(a.shape)) if i != axis + len(a.shape)]
    order = [*kept, axis]
    return a.view(tuple(a.shape[i] for i in order), tuple(a.strides[i] for i in order))


def sort_function(module: ir.Module, dtype: np.dtype[Any]) -> str:
    """The function that finds the order of a row, written once per module.

    Its arguments: where the row begins and how far elements are apart, how many there are, where their order
    goes and how far places are apart there, and memory for two rows of positions and two of keys.
    """
    name, element = f"argsort.{dtype.kind}{dtype.itemsize}", ir.type_name(dtype)
    if not has(module, name):
        merge = _merge_function(module, dtype)
        types = {"row": "ptr", "step": "i64", "count": "i64", "places": "ptr", "far": "i64", "work": "ptr"}
        params = list(types.items())
        f = module.function(name, "void", params, "internal")
        _write_sort(f, element, merge)
    return name


def _write_sort(f: ir.Function, element: str, merge: str) -> None:
    count, work = f.param("count"), f.param("work")
    places = [work, f.offset(work, "i64", count)]
    keys = [f.offset(work, "i64", f.binary("mul", count, ir.index(2)))]
    keys.append(f.offset(keys[0], element, count))
    with f.loop(ZERO, count, 1) as loop:
        f.store(loop.index, f.offset(places[0], "i64", loop.index))
        key = f.load(element, f.offset(f.param("row"), element, f.binary("mul", loop.index, f.param("step"))))
        f.store(key, f.offset(keys[0], element, loop.index))
    sorted_places = _write_rounds(f, merge, places, keys)
    with f.loop(ZERO, count, 1) as loop:
        place = f.load("i64", f.offset(sorted_places, "i64", loop.index))
        f.store(place, f.offset(f.param("places"), "i64", f.binary("mul", loop.index, f.param("far"))))
    f.ret()


def _write_rounds(f: ir.Function, merge: str, places: list[ir.Value], keys: list[ir.Value]) -> ir.Value:
    """Merge runs from one half of the memory to the other until there is one run. Where its places are."""
    count, before = f.param("count"), f.label
    head, body, after = (f.new_label(hint) for hint in ("head", "body", "after"))
    f.jump(head)
    f.start(head)
    end = f"%{body}.end"
    width = f.phi("i64", ("1", before), ("%width", end[1:]))
    halves = [*places, *keys]
    now = [f.phi("ptr", (halves[i].name, before), (f"%half{i}", end[1:])) for i in range(4)]
    f.branch(f.compare("icmp slt", width, count), body, after)
    f.start(body)
    twice = f.binary("shl", width, ONE)
    _write_round(f, merge, width, twice, now)
    f.jump(end[1:])
    f.start(end[1:])
    f.do(f"%width = add i64 {twice.name}, 0")
    for i, other in enumerate((1, 0, 3, 2)):
        f.do(f"%half{i} = getelementptr i8, ptr {now[other].name}, i64 0")
    f.jump(head)
    f.start(after)
    return now[0]


def _write_round(f: ir.Function, merge: str, width: ir.Value, twice: ir.Value, now: list[ir.Value]) -> None:
    """Merge every two neighbouring runs of a width."""
    count, before = f.param("count"), f.label
    head, body, after = (f.new_label(hint) for hint in ("pair", "merge", "done"))
    f.jump(head)
    f.start(head)
    begin = f.phi("i64", ("0", before), ("%begin", body))
    f.branch(f.compare("icmp slt", begin, count), body, after)
    f.start(body)
    middle = f.intrinsic("smin", "i64", f.binary("add", begin, width), count)
    end = f.intrinsic("smin", "i64", f.binary("add", begin, twice), count)
    f.call(merge, "void", *now, begin, middle, end)
    f.do(f"%begin = add i64 {end.name}, 0")
    f.jump(head)
    f.start(after)


def _merge_function(module: ir.Module, dtype: np.dtype[Any]) -> str:
    """The function that merges two neighbouring runs, from begin to middle and from middle to end."""
    name, element = f"merge.{dtype.kind}{dtype.itemsize}", ir.type_name(dtype)
    if not has(module, name):
        less = less_function(module, dtype)
        pointers = [(name, "ptr") for name in ("places", "into", "keys", "after")]
        f = module.function(
            name, "void", [*pointers, ("begin", "i64"), ("middle", "i64"), ("end", "i64")], "internal"
        )
        _write_merge(f, element, less)
    return name


def _write_merge(f: ir.Function, element: str, less: str) -> None:
    """The next element is that of the second run if the first run has ended, or if it is less."""
    places, into, keys, after = (f.param(name) for name in ("places", "into", "keys", "after"))
    middle, end = f.param("middle"), f.param("end")
    with f.loop(f.param("begin"), end, 1, [f.param("begin"), middle]) as loop:
        i, j = loop.first
        left, right = f.compare("icmp slt", i, middle), f.compare("icmp slt", j, end)
        safe_i, safe_j = f.select(left, i, f.param("begin")), f.select(right, j, f.param("begin"))
        a, b = (f.load(element, f.offset(keys, element, at)) for at in (safe_i, safe_j))
        smaller = f.call(less, "i1", b, a)
        ended = f.binary("xor", left, ir.constant(True, "i1"))
        second = f.binary("and", right, f.binary("or", ended, smaller))
        taken = f.select(second, safe_j, safe_i)
        f.store(f.select(second, b, a), f.offset(after, element, loop.index))
        f.store(f.load("i64", f.offset(places, "i64", taken)), f.offset(into, "i64", loop.index))
        moved = f.cast("zext", second, "i64")
        loop.next = [f.binary("add", i, f.binary("sub", ONE, moved)), f.binary("add", j, moved)]
    f.ret()


# --- by digits ----------------------------------------------------------------------------------------------


def distribution_function(module: ir.Module, dtype: np.dtype[Any]) -> str:
    """The function that finds the order of a row digit by digit, with the arguments of `sort_function`.

    Its memory has room for the counts of all digits besides.
    """
    name = f"distribute.{dtype.kind}{dtype.itemsize}"
    if not has(module, name):
        one_digit = _digit_function(module, f"i{8 * dtype.itemsize}")
        types = {"row": "ptr", "step": "i64", "count": "i64", "places": "ptr", "far": "i64", "work": "ptr"}
        f = module.function(name, "void", list(types.items()), "internal")
        _write_distribution(f, dtype, one_digit)
    return name


def _write_distribution(f: ir.Function, dtype: np.dtype[Any], one_digit: str) -> None:
    """Count the digits of all keys at once; then distribute by each of them."""
    count, digits, counts = f.param("count"), dtype.itemsize, f.param("work")
    places = [f.offset(counts, "i64", ir.index(BASE * digits))]
    places.append(f.offset(places[0], "i64", count))
    keys = [f.offset(places[1], "i64", count)]
    keys.append(f.offset(keys[0], f"i{8 * digits}", count))
    _write_counts(f, dtype, places[0], keys[0])
    now, other = [places[0], keys[0]], [places[1], keys[1]]
    for digit in range(digits):
        moved = f.call(one_digit, "i1", *now, *other, count, counts, ir.index(digit))
        pairs = [(f.select(moved, b, a), f.select(moved, a, b)) for a, b in zip(now, other, strict=True)]
        now, other = [a for a, _ in pairs], [b for _, b in pairs]
    with f.loop(ZERO, count, 1) as loop:
        place = f.load("i64", f.offset(now[0], "i64", loop.index))
        f.store(place, f.offset(f.param("places"), "i64", f.binary("mul", loop.index, f.param("far"))))
    f.ret()


def _write_counts(f: ir.Function, dtype: np.dtype[Any], places: ir.Value, keys: ir.Value) -> None:
    """The keys of a row with their places, and how many have each digit."""
    counts, integer = f.param("work"), f"i{8 * dtype.itemsize}"
    with f.loop(ZERO, ir.index(BASE * dtype.itemsize), 1) as loop:
        f.store(ZERO, f.offset(counts, "i64", loop.index))
    with f.loop(ZERO, f.param("count"), 1) as loop:
        f.store(loop.index, f.offset(places, "i64", loop.index))
        at = f.binary("mul", loop.index, f.param("step"))
        key = _ordered(f, f.load(integer, f.offset(f.param("row"), integer, at)), dtype)
        f.store(key, f.offset(keys, integer, loop.index))
        for digit in range(dtype.itemsize):
            _next_place(f, counts, key, ir.index(digit))


def _ordered(f: ir.Function, bits: ir.Value, dtype: np.dtype[Any]) -> ir.Value:
    """The bits of a number as those of an unsigned one that comes in the same order."""
    width = 8 * dtype.itemsize
    sign = ir.constant(-(1 << (width - 1)), bits.type)
    if dtype.kind != "f":
        return f.binary("xor", bits, sign) if dtype.kind == "i" else bits
    zero, ones = ir.constant(0, bits.type), ir.constant(-1, bits.type)
    no_sign = f.compare("icmp eq", f.binary("shl", bits, ir.constant(1, bits.type)), zero)
    bits = f.select(no_sign, zero, bits)
    below = f.binary("ashr", bits, ir.constant(width - 1, bits.type))
    key = f.binary("xor", bits, f.binary("or", below, sign))
    number = f.cast("bitcast", bits, ir.type_name(dtype))
    return f.select(f.compare("fcmp uno", number, number), ones, key)


def _next_place(f: ir.Function, counts: ir.Value, key: ir.Value, digit: ir.Value) -> ir.Value:
    """The count of a key's digit, which becomes one more."""
    at = f.offset(counts, "i64", _bucket(f, key, digit))
    place = f.load("i64", at)
    f.store(f.binary("add", place, ONE), at)
    return place


def _bucket(f: ir.Function, key: ir.Value, digit: ir.Value) -> ir.Value:
    """Where the count of a key's digit stands among those of all digits."""
    wide = key if key.type == "i64" else f.cast("zext", key, "i64")
    value = f.binary("and", f.binary("lshr", wide, f.binary("mul", digit, ir.index(8))), ir.index(BASE - 1))
    return f.binary("add", value, f.binary("mul", digit, ir.index(BASE)))


def _digit_function(module: ir.Module, integer: str) -> str:
    """The function that distributes keys by a digit; whether it had to, as not all have the same one."""
    name = f"distribute.{integer}"
    if not has(module, name):
        pointers = [(name, "ptr") for name in ("places", "keys", "into", "after")]
        params = [*pointers, ("count", "i64"), ("counts", "ptr"), ("digit", "i64")]
        _write_digit(module.function(name, "i1", params, "internal"), integer)
    return name


def _write_digit(f: ir.Function, integer: str) -> None:
    count, counts, digit = (f.param(name) for name in ("count", "counts", "digit"))
    alike = f.load("i64", f.offset(counts, "i64", _bucket(f, f.load(integer, f.param("keys")), digit)))
    done, different = f.new_label("done"), f.new_label("different")
    f.branch(f.compare("icmp eq", alike, count), done, different)
    f.start(done)
    f.ret(ir.constant(False, "i1"))
    f.start(different)
    _write_starts(f, f.offset(counts, "i64", f.binary("mul", digit, ir.index(BASE))))
    with f.loop(ZERO, count, 1) as loop:
        key = f.load(integer, f.offset(f.param("keys"), integer, loop.index))
        to = _next_place(f, counts, key, digit)
        f.store(key, f.offset(f.param("after"), integer, to))
        place = f.load("i64", f.offset(f.param("places"), "i64", loop.index))
        f.store(place, f.offset(f.param("into"), "i64", to))
    f.ret(ir.constant(True, "i1"))


def _write_starts(f: ir.Function, counts: ir.Value) -> None:
    """In place of how many keys have a digit, where the first of them is to stand."""
    with f.loop(ZERO, ir.index(BASE), 1, [ZERO]) as loop:
        at = f.offset(counts, "i64", loop.index)
        here = f.load("i64", at)
        f.store(loop.first[0], at)
        loop.next = [f.binary("add", loop.first[0], here)]
