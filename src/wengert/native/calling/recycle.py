r"""Memory of large results, used again.

New memory costs more than most arithmetic on it: the system hands it out in pages that it clears one by one
at the first touch,

.. math:: t_{\text{new}} \approx n\,/\,(4\ \text{GB/s}), \qquad t_{\text{again}} = 0.

So blocks that arrays give back are kept, up to a bound, and the next array of that size gets one of them.
NumPy lets an array carry the functions that allocate and free its memory (NEP 49): a result owns its memory
as any other array does. The functions are written in LLVM IR, because they are called while an array dies.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from wengert.native.calling.structures import at, field, increment, put_at
from wengert.native.machine import ir

LARGE = 1 << 18  # bytes; smaller memory the C library keeps by itself
BLOCKS = 32
BOUND = 1 << 28  # bytes that are kept at most
_PAGE = 4096
_HEAD = 64  # bytes before a block: what the C library gave, and how much may be stored
_HUGE, _MADV_HUGEPAGE = 1 << 22, 14
_NULL = ir.Value("null", "ptr")


class Pool(ctypes.Structure):
    """Blocks that nobody uses, in the order in which they came back; ``busy`` while that is being changed."""

    _fields_ = [
        ("busy", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("bytes", ctypes.c_int64),
        ("blocks", ctypes.c_void_p * BLOCKS),
    ]


class Handler(ctypes.Structure):
    """NumPy's ``PyDataMem_Handler``."""

    _fields_ = [
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("context", ctypes.c_void_p),
        ("malloc", ctypes.c_void_p),
        ("calloc", ctypes.c_void_p),
        ("realloc", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    ]


def handler(pool: Pool, code: Any) -> Handler:
    """The functions of `write`, as NumPy wants them."""
    addresses = [code.address(f"recycle_{name}") for name in ("malloc", "calloc", "realloc", "free")]
    return Handler(b"wengert", 1, ctypes.addressof(pool), *addresses)


def write(module: ir.Module) -> None:
    """Write the four functions that NumPy asks for into a module."""
    _write_remove(module)
    _write_take(module)
    _write_evict(module)
    _write_malloc(module)
    _write_free(module)
    _write_calloc(module)
    _write_realloc(module)


def _write_remove(module: ir.Module) -> None:
    """``ptr remove(pool, i)``: take the block at a place out of the pool."""
    f = module.function("recycle_remove", "ptr", [("pool", "ptr"), ("i", "i64")], "internal")
    pool, i = f.param("pool"), f.param("i")
    blocks = field(f, pool, Pool, "blocks")
    block = at(f, blocks, i)
    last = increment(f, pool, Pool, "count", ir.index(-1))
    increment(f, pool, Pool, "bytes", f.binary("sub", ir.index(0), _capacity(f, block)))
    with f.loop(i, last, 1) as loop:
        put_at(f, blocks, loop.index, at(f, blocks, f.binary("add", loop.index, ir.index(1))))
    f.ret(block)


def _write_take(module: ir.Module) -> None:
    """``ptr take(pool, capacity)``: the block of this size that came back last, or null."""
    f = module.function("recycle_take", "ptr", [("pool", "ptr"), ("capacity", "i64")], "internal")
    pool = f.param("pool")
    count = f.load("i64", field(f, pool, Pool, "count"), 8)
    with f.loop(ir.index(0), count, 1) as loop:
        i = f.binary("sub", f.binary("sub", count, loop.index), ir.index(1))
        block = at(f, field(f, pool, Pool, "blocks"), i)
        found, other = f.new_label("found"), f.new_label("other")
        f.branch(f.compare("icmp eq", _capacity(f, block), f.param("capacity")), found, other)
        f.start(found)
        f.ret(f.call("recycle_remove", "ptr", pool, i))
        f.start(other)
    f.ret(_NULL)


def _write_evict(module: ir.Module) -> None:
    """``void evict(pool, capacity)``: give the oldest blocks to the C library until one more has room."""
    f = module.function("recycle_evict", "void", [("pool", "ptr"), ("capacity", "i64")], "internal")
    pool = f.param("pool")
    check, full, done = (f.new_label(hint) for hint in ("check", "full", "done"))
    f.jump(check)
    f.start(check)
    count = f.load("i64", field(f, pool, Pool, "count"), 8)
    after = f.binary("add", f.load("i64", field(f, pool, Pool, "bytes"), 8), f.param("capacity"))
    many, much = (
        f.compare("icmp eq", count, ir.index(BLOCKS)),
        f.compare("icmp sgt", after, ir.index(BOUND)),
    )
    f.branch(f.binary("or", many, much), full, done)
    f.start(full)
    block = f.call("recycle_remove", "ptr", pool, ir.index(0))
    f.call("PyMem_RawFree", "void", _origin(f, block))
    f.jump(check)
    f.start(done)
    f.ret()


def _write_malloc(module: ir.Module) -> None:
    """``ptr malloc(pool, bytes)``: memory at a multiple of 64."""
    f = module.function("recycle_malloc", "ptr", [("pool", "ptr"), ("bytes", "i64")])
    pool, large, new = f.param("pool"), f.new_label("large"), f.new_label("new")
    capacity = _rounded(f, f.param("bytes"), _PAGE)
    f.branch(f.compare("icmp uge", f.param("bytes"), ir.index(LARGE)), large, new)
    f.start(large)
    _locked(f, pool, new)
    kept = f.call("recycle_take", "ptr", pool, capacity)
    _unlock(f, pool)
    again = f.new_label("again")
    f.branch(f.compare("icmp eq", kept, _NULL), new, again)
    f.start(again)
    f.ret(kept)
    f.start(new)
    _new(f, capacity)


def _new(f: ir.Function, capacity: ir.Value) -> None:
    origin = f.call("PyMem_RawMalloc", "ptr", f.binary("add", capacity, ir.index(2 * _HEAD)))
    some, none = f.new_label("some"), f.new_label("none")
    f.branch(f.compare("icmp eq", origin, _NULL), none, some)
    f.start(none)
    f.ret(_NULL)
    f.start(some)
    inside = f.cast("ptrtoint", f.advance(origin, ir.index(_HEAD)), "i64")
    block = f.cast("inttoptr", _rounded(f, inside, _HEAD), "ptr")
    if sys.platform == "linux":
        _advise(f, block, capacity)
    f.store(origin, f.advance(block, ir.index(-8)), 8)
    f.store(capacity, f.advance(block, ir.index(-16)), 8)
    f.ret(block)


def _advise(f: ir.Function, block: ir.Value, capacity: ir.Value) -> None:
    """Ask Linux for pages of 2 MB in a very large block, as NumPy does: then there are fewer to clear."""
    huge, done = f.new_label("huge"), f.new_label("done")
    f.branch(f.compare("icmp uge", capacity, ir.index(_HUGE)), huge, done)
    f.start(huge)
    page = f.cast("inttoptr", _rounded(f, f.cast("ptrtoint", block, "i64"), _PAGE), "ptr")
    length = f.binary("sub", capacity, ir.index(_PAGE))
    f.call("madvise", "i32", page, length, ir.constant(_MADV_HUGEPAGE, "i32"))
    f.jump(done)
    f.start(done)


def _write_free(module: ir.Module) -> None:
    """``void free(pool, block, bytes)``: keep the block if it is large and no larger than the bound."""
    f = module.function("recycle_free", "void", [("pool", "ptr"), ("block", "ptr"), ("bytes", "i64")])
    pool, block = f.param("pool"), f.param("block")
    some, keep, drop, done = (f.new_label(hint) for hint in ("some", "keep", "drop", "done"))
    f.branch(f.compare("icmp eq", block, _NULL), done, some)
    f.start(some)
    capacity = _capacity(f, block)
    large = f.compare("icmp sge", capacity, ir.index(LARGE))
    small = f.compare("icmp sle", capacity, ir.index(BOUND))
    f.branch(f.binary("and", large, small), keep, drop)
    f.start(keep)
    _locked(f, pool, drop)
    f.call("recycle_evict", "void", pool, capacity)
    place = increment(f, pool, Pool, "count", ir.index(1))
    put_at(f, field(f, pool, Pool, "blocks"), f.binary("sub", place, ir.index(1)), block)
    increment(f, pool, Pool, "bytes", capacity)
    _unlock(f, pool)
    f.jump(done)
    f.start(drop)
    f.call("PyMem_RawFree", "void", _origin(f, block))
    f.jump(done)
    f.start(done)
    f.ret()


def _write_calloc(module: ir.Module) -> None:
    """``ptr calloc(pool, count, bytes)``: memory that holds zeros."""
    f = module.function("recycle_calloc", "ptr", [("pool", "ptr"), ("count", "i64"), ("bytes", "i64")])
    total = f.binary("mul", f.param("count"), f.param("bytes"))
    block = f.call("recycle_malloc", "ptr", f.param("pool"), total)
    some, done = f.new_label("some"), f.new_label("done")
    f.branch(f.compare("icmp eq", block, _NULL), done, some)
    f.start(some)
    f.module.declare("llvm.memset.p0.i64", "void", ["ptr", "i8", "i64", "i1"])
    f.do(f"call void @llvm.memset.p0.i64(ptr {block.name}, i8 0, i64 {total.name}, i1 false)")
    f.jump(done)
    f.start(done)
    f.ret(block)


def _write_realloc(module: ir.Module) -> None:
    """``ptr realloc(pool, block, bytes)``: the same contents in memory of another size."""
    f = module.function("recycle_realloc", "ptr", [("pool", "ptr"), ("block", "ptr"), ("bytes", "i64")])
    pool, block, size = f.param("pool"), f.param("block"), f.param("bytes")
    some, fresh, copy, done = (f.new_label(hint) for hint in ("some", "fresh", "copy", "done"))
    f.branch(f.compare("icmp eq", block, _NULL), fresh, some)
    f.start(fresh)
    f.ret(f.call("recycle_malloc", "ptr", pool, size))
    f.start(some)
    moved = f.call("recycle_malloc", "ptr", pool, size)
    f.branch(f.compare("icmp eq", moved, _NULL), done, copy)
    f.start(copy)
    before = _capacity(f, block)
    kept = f.select(f.compare("icmp ult", before, size), before, size)
    f.copy(moved, block, kept)
    f.call("recycle_free", "void", pool, block, before)
    f.jump(done)
    f.start(done)
    f.ret(moved)


def _capacity(f: ir.Function, block: ir.Value) -> ir.Value:
    return f.load("i64", f.advance(block, ir.index(-16)), 8)


def _origin(f: ir.Function, block: ir.Value) -> ir.Value:
    return f.load("ptr", f.advance(block, ir.index(-8)), 8)


def _rounded(f: ir.Function, size: ir.Value, unit: int) -> ir.Value:
    """Up to a whole number of units, which is a power of two."""
    return f.binary("and", f.binary("add", size, ir.index(unit - 1)), ir.index(-unit))


def _locked(f: ir.Function, pool: ir.Value, otherwise: str) -> None:
    """Go on if nobody else is changing the pool; nobody waits, so a lock left set by a fork does no harm."""
    mine = f.new_label("mine")
    before = f.emit(f"atomicrmw xchg ptr {field(f, pool, Pool, 'busy').name}, i64 1 acquire", "i64")
    f.branch(f.compare("icmp eq", before, ir.index(0)), mine, otherwise)
    f.start(mine)


def _unlock(f: ir.Function, pool: ir.Value) -> None:
    f.do(f"store atomic i64 0, ptr {field(f, pool, Pool, 'busy').name} release, align 8")
