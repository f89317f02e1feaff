r"""Random orders in LLVM IR: an element takes some two nanoseconds, whatever the number of them is.

Fisher and Yates: every element changes places with one that is drawn from those that are not behind it. All
orders are then equally probable,

.. math:: j_i \sim U\{0, \dots, i\}, \qquad x_i \leftrightarrow x_{j_i}.

`write_drawn` draws from counters, :math:`j_i = \lfloor (i + 1)\, w_i / 2^{32} \rfloor`, probabilities right
to :math:`2^{-32}`. `write_shuffled` draws as NumPy's ``RandomState.shuffle`` does, from the same Mersenne
twister (Matsumoto and Nishimura 1998), whose state it moves on: words are masked, and those above i passed
over. Both count the elements while they run, so this code is compiled once for all sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from wengert.native.elementary import bits
from wengert.native.elementary.lanes import Lanes
from wengert.native.elementary.number import Number
from wengert.native.machine import ir
from wengert.native.machine.host import this_host
from wengert.ops.bits import ORDERS, ROUNDS

STREAMS = 2  # vectors of blocks at a time: their rounds need not wait for each other

# --- orders from counters -----------------------------------------------------------------------------------


def write_drawn(module: ir.Module) -> None:
    """``drawn(orders, rows, count, length, key0, key1, first)``: every order is built from its beginning."""
    params = [("orders", "ptr"), ("rows", "ptr"), ("count", "i64"), ("length", "i64")]
    params += [(name, "i32") for name in ("key0", "key1", "first")]
    f = module.function("drawn", "void", params)
    length = f.param("length")
    lanes = Lanes(f, np.uint32, this_host().lanes(np.uint64))
    words, at_a_time = f.alloca(STREAMS * 16 * lanes.count), STREAMS * 4 * lanes.count
    with f.loop(ir.index(0), f.param("count"), 1) as epochs:
        order = f.offset(f.param("orders"), "i32", f.binary("mul", epochs.index, length))
        number = f.binary("add", f.param("first"), f.cast("trunc", epochs.index, "i32"))
        with f.loop(ir.index(0), length, at_a_time) as blocks:
            _write_words(f, lanes, blocks.index, number, words)
            left = f.binary("sub", length, blocks.index)
            with f.loop(ir.index(0), f.intrinsic("smin", "i64", left, ir.index(at_a_time)), 1) as loop:
                i = f.binary("add", blocks.index, loop.index)
                j = _below(f, f.binary("add", i, ir.index(1)), f.offset(words, "i32", loop.index))
                f.store(f.load("i32", f.offset(order, "i32", j), 4), f.offset(order, "i32", i), 4)
                f.store(f.load("i32", f.offset(f.param("rows"), "i32", i), 4), f.offset(order, "i32", j), 4)
    f.ret()


def _write_words(f: ir.Function, lanes: Lanes, first: ir.Value, number: ir.Value, target: ir.Value) -> None:
    """Words for the next places, four from every block."""
    block = f.splat(f.cast("trunc", f.binary("lshr", first, ir.index(2)), "i32"), lanes.count)
    given = [f.splat(x, lanes.count) for x in (number, f.param("key0"), f.param("key1"))]
    zero, purpose = lanes.constant(0), lanes.constant(int(ORDERS))
    states = []
    for stream in range(STREAMS):
        counter = f.binary("add", block, _numbered(lanes, stream * lanes.count))
        states += bits.wide(lanes, counter, given[0], zero, purpose, *given[1:])
    with f.loop(ir.index(0), ir.index(ROUNDS), 1, [x.value for x in states]) as rounds:
        now = [Number(lanes, x) for x in rounds.state]
        after = [x for i in range(0, len(now), 6) for x in bits.philox_round(*now[i : i + 6])]
        rounds.next = [x.value for x in after]
    for stream in range(STREAMS):
        x0, x1, x2, x3 = bits.narrow(*(Number(lanes, x) for x in rounds.state[6 * stream : 6 * stream + 4]))
        in_order = _alternating(f, _alternating(f, x0, x2), _alternating(f, x1, x3))
        f.store(in_order, f.offset(target, "i32", ir.index(4 * lanes.count * stream)), 4)


def _numbered(lanes: Lanes, first: int) -> ir.Value:
    """Whole numbers from the first on, one a lane."""
    if lanes.count == 1:
        return ir.constant(first, lanes.type)
    return ir.Value("<" + ", ".join(f"i32 {first + i}" for i in range(lanes.count)) + ">", lanes.type)


def _alternating(f: ir.Function, a: ir.Value, b: ir.Value) -> ir.Value:
    """A lane of a, a lane of b, and so on."""
    count = ir.lanes_of(a.type)
    if count > 1:
        return f.shuffle(a, b, [i // 2 + i % 2 * count for i in range(2 * count)])
    both = f.emit(f"insertelement <2 x i32> poison, i32 {a.name}, i64 0", "<2 x i32>")
    return f.emit(f"insertelement <2 x i32> {both.name}, i32 {b.name}, i64 1", "<2 x i32>")


def _below(f: ir.Function, count: ir.Value, word: ir.Value) -> ir.Value:
    """A number below a count, from the word at an address."""
    product = f.binary("mul", f.cast("zext", f.load("i32", word, 4), "i64"), count)
    return f.binary("lshr", product, ir.index(32))


# --- orders as NumPy draws them -----------------------------------------------------------------------------

WORDS, APART = 624, 397
UPPER, LOWER, MATRIX = 1 << 31, (1 << 31) - 1, 0x9908B0DF
TEMPERED = (
    ("lshr", 11, 0xFFFFFFFF),
    ("shl", 7, 0x9D2C5680),
    ("shl", 15, 0xEFC60000),
    ("lshr", 18, 0xFFFFFFFF),
)


def write_shuffled(module: ir.Module) -> None:
    """``shuffled(state, rows, orders, count, length)``: from the last element on, in place, then copied."""
    _write_refill(module)
    _write_temper(module)
    params = [(name, "ptr") for name in ("state", "rows", "orders")]
    f = module.function("shuffled", "void", [*params, ("count", "i64"), ("length", "i64")])
    state, words, length = f.param("state"), f.alloca(4 * WORDS), f.param("length")
    place = f.offset(state, "i32", ir.index(WORDS))
    f.call("temper", "void", state, words)
    used = f.cast("zext", f.load("i32", place, 4), "i64")
    with f.loop(ir.index(0), f.param("count"), 1, [used]) as epochs:
        epochs.next = [_write_shuffle(f, words, f.binary("sub", length, ir.index(1)), *epochs.state)]
        target = f.offset(f.param("orders"), "i32", f.binary("mul", epochs.index, length))
        f.copy(target, f.param("rows"), f.binary("mul", length, ir.index(4)))
    f.store(f.cast("trunc", epochs.state[0], "i32"), place, 4)
    f.ret()


def _write_shuffle(f: ir.Function, words: ir.Value, last: ir.Value, used: ir.Value) -> ir.Value:
    """One shuffle; all places of as many bits have one mask. Gives how many words are used afterwards."""
    with _repeated(f, (last, used)) as octaves:
        mask = _mask(f, octaves.first[0])
        lower = f.binary("lshr", mask, ir.index(1))
        with _repeated(f, octaves.first) as loop:
            loop.next = _place_changed(f, words, mask, *loop.first)
            loop.more = f.compare("icmp ugt", loop.next[0], lower)
        octaves.next = loop.next
        octaves.more = f.compare("icmp ne", lower, ir.index(0))
    return octaves.next[1]


def _place_changed(
    f: ir.Function, words: ir.Value, mask: ir.Value, i: ir.Value, used: ir.Value
) -> list[ir.Value]:
    """A word: if it names a place up to i the two elements change places and i is done, else nothing is."""
    used = _some_left(f, words, used)
    word = f.cast("zext", f.load("i32", f.offset(words, "i32", used), 4), "i64")
    value = f.binary("and", word, mask)
    fits = f.compare("icmp ule", value, i)
    here, there = (f.offset(f.param("rows"), "i32", k) for k in (i, f.select(fits, value, i)))
    element, other = f.load("i32", here, 4), f.load("i32", there, 4)
    f.store(other, here, 4)
    f.store(element, there, 4)
    return [f.binary("sub", i, f.cast("zext", fits, "i64")), f.binary("add", used, ir.index(1))]


def _some_left(f: ir.Function, words: ir.Value, used: ir.Value) -> ir.Value:
    """The place of the next word, after new ones are made where all are used."""
    before, refill, ready = f.label, f.new_label("refill"), f.new_label("ready")
    f.branch(f.compare("icmp eq", used, ir.index(WORDS)), refill, ready)
    f.start(refill)
    f.call("refill", "void", f.param("state"))
    f.call("temper", "void", f.param("state"), words)
    f.jump(ready)
    f.start(ready)
    return f.phi("i64", (used.name, before), ("0", refill))


def _mask(f: ir.Function, i: ir.Value) -> ir.Value:
    """As many ones as the number has bits."""
    zeros = f.call("llvm.ctlz.i64", "i64", i, ir.Value("true", "i1"))
    return f.binary("lshr", ir.Value("-1", "i64"), zeros)


def _write_refill(module: ir.Module) -> None:
    """``refill(state)``: the next words of the recurrence, in the place of the last."""
    f = module.function("refill", "void", [("state", "ptr")], "internal")
    for begin, end, apart in ((0, WORDS - APART, APART), (WORDS - APART, WORDS - 1, APART - WORDS)):
        for lanes, first, last in _stretches(begin, end):
            with f.loop(ir.index(first), ir.index(last), lanes) as loop:
                following = f.binary("add", loop.index, ir.index(1))
                _twist(f, lanes, loop.index, following, f.binary("add", loop.index, ir.index(apart)))
    _twist(f, 1, ir.index(WORDS - 1), ir.index(0), ir.index(APART - 1))
    f.ret()


def _stretches(begin: int, end: int) -> list[tuple[int, int, int]]:
    """Lanes, begin and end: vectors, then the words that are left."""
    lanes = this_host().lanes(np.uint32)
    middle = begin + (end - begin) // lanes * lanes
    return [(lanes, begin, middle), (1, middle, end)]


def _twist(f: ir.Function, lanes: int, *places: ir.Value) -> None:
    type = ir.vector("i32", lanes)
    pointers = [f.offset(f.param("state"), "i32", place) for place in places]
    here, following, apart = (f.load(type, pointer, 4) for pointer in pointers)
    upper, lower, matrix, one = (ir.constant(x, type) for x in (UPPER, LOWER, MATRIX, 1))
    mixed = f.binary("or", f.binary("and", here, upper), f.binary("and", following, lower))
    odd = f.binary("sub", ir.constant(0, type), f.binary("and", following, one))
    shifted = f.binary("xor", f.binary("lshr", mixed, one), f.binary("and", odd, matrix))
    f.store(f.binary("xor", apart, shifted), pointers[0], 4)


def _write_temper(module: ir.Module) -> None:
    """``temper(state, words)``: the words that are given out."""
    f = module.function("temper", "void", [("state", "ptr"), ("words", "ptr")], "internal")
    for lanes, first, last in _stretches(0, WORDS):
        type = ir.vector("i32", lanes)
        with f.loop(ir.index(first), ir.index(last), lanes) as loop:
            x = f.load(type, f.offset(f.param("state"), "i32", loop.index), 4)
            for shift, count, mask in TEMPERED:
                moved = f.binary(shift, x, ir.constant(count, type))
                x = f.binary("xor", x, f.binary("and", moved, ir.constant(mask, type)))
            f.store(x, f.offset(f.param("words"), "i32", loop.index), 4)
    f.ret()


class _Again(ir.Loop):
    """A loop that runs once more if ``more`` holds at its end."""

    more: ir.Value


@contextmanager
def _repeated(f: ir.Function, carried: Sequence[ir.Value]) -> Iterator[_Again]:
    """Code that runs once, and again as long as ``loop.more`` holds at its end, with values carried round."""
    before, head, after = f.label, f.new_label("again"), f.new_label("done")
    f.jump(head)
    f.start(head)
    place, loop = len(f.lines), _Again(f, carried)
    yield loop
    last = f.label
    f.branch(loop.more, head, after)
    f.lines[place:place] = [
        f"  {phi.name} = phi {phi.type} [ {a.name}, %{before} ], [ {b.name}, %{last} ]"
        for phi, a, b in zip(loop.first, carried, loop.next, strict=True)
    ]
    f.start(after)


WRITERS = {"drawn": write_drawn, "shuffled": write_shuffled}


def module(name: str) -> str:
    """One of the two functions, and all that it calls."""
    module = ir.Module()
    WRITERS[name](module)
    return str(module)
