r"""Threads: a team of workers that runs one function together, each with its own index.

.. math:: \text{body}(\text{table}, \text{arena}, t, T, \text{barrier}),\qquad t = 0, \ldots, T-1

The caller is member 0; the others are POSIX threads that sleep between calls and never touch Python. Waking
one up takes as long as a product of 100 by 100 matrices. So a worker looks for the next call before it falls
asleep, for as long as the last one took and at most 50 µs: calls that follow each other closely find it
awake, and what looking costs is never more than what the work did. Work that waking would delay has the team
only while it looks; the first of such calls in a row runs alone.

Between two kernels members meet at a barrier: each counts itself, the last one opens the next phase, and
who waits long gives its core away. One call at a time has the team; another one that comes meanwhile runs
alone, which cannot be seen in its results. In a forked child the team starts anew.

A team whose members are not given cores is slower than one thread: whoever is late keeps all others
waiting. What a call lost that way is measured, per member the time since the call began in which it did not
run; where all of it together, L, outweighs what T members gain on one,

.. math:: L > \frac{T - 1}{T} \cdot \text{the time of the call},

calls run alone for as long as L, and twice as long each time that the next try is no better: a disturbance
that passes costs little, and on a machine that stays busy nearly all calls run alone.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from wengert.native.machine import identity, ir, symbols
from wengert.native.machine.host import LINE, Host, cores, fork_safe, kept, link, objects_of, this_host

RUN = "wengert_team_run"
BARRIER = "wengert.barrier"
VARIABLE = "WENGERT_NUM_THREADS"
LIMIT = 64
SPINS = 100
LOOKS = 50_000  # nanoseconds that a worker looks for the next call at most
ALWAYS = 1 << 62  # a margin of `RUN` for work that is worth waking the team for
CORES = 1024  # that a set of cores has room for
PATIENCE = 200_000  # nanoseconds that a call may lose, whatever it takes: waking up costs some
AMENDS = 16  # how many times as long as what was lost calls run alone at most
LONGEST = 1_000_000_000  # nanoseconds after which the team is tried again

# Where things stand in the team's memory.
_MUTEX, _CONDITION, _CALLER = 0, 128, 256
_BUSY, _STARTED, _WANTED, _PATIENCE, _ALONE_UNTIL, _TIMES, _SOON = (_CALLER + 8 * i for i in range(7))
_SHARED = _CALLER + LINE
_BODY, _TABLE, _ARENA, _BEGAN, _CORE, _LOST = (_SHARED + 8 * i for i in range(6))
_CALL = _SHARED + LINE
_MEET = _CALL + LINE
_SIZE = _MEET + 2 * LINE


# --- the barrier --------------------------------------------------------------------------------------------


def barrier_function(module: ir.Module, host: Host) -> str:
    """The function that waits for all members, written once per module: arrivals are counted, then phases."""
    if BARRIER not in module.names:
        f = module.function(BARRIER, "void", [("place", "ptr"), ("count", "i64")], "internal")
        f.attributes = "nounwind noinline cold"
        _write_barrier(f, host)
    return BARRIER


def _write_barrier(f: ir.Function, host: Host) -> None:
    place, count = f.param("place"), f.param("count")
    alone, several = f.new_label("alone"), f.new_label("several")
    f.branch(f.compare("icmp sle", count, ir.index(1)), alone, several)
    f.start(alone)
    f.ret()
    f.start(several)
    phase_at = f.advance(place, ir.index(LINE))
    phase = f.emit(f"load atomic i64, ptr {phase_at.name} acquire, align 8", "i64")
    before = f.emit(f"atomicrmw add ptr {place.name}, i64 1 acq_rel", "i64")
    last, wait = f.new_label("last"), f.new_label("wait")
    f.branch(f.compare("icmp eq", before, f.binary("sub", count, ir.index(1))), last, wait)
    f.start(last)
    f.do(f"store atomic i64 0, ptr {place.name} monotonic, align 8")
    following = f.binary("add", phase, ir.index(1))
    f.do(f"store atomic i64 {following.name}, ptr {phase_at.name} release, align 8")
    f.ret()
    f.start(wait)
    _spin(f, host, phase_at, phase)
    f.ret()


def _spin(f: ir.Function, host: Host, place: ir.Value, old: ir.Value) -> None:
    """Wait until a number is no longer the old one, and give the core away where that takes long."""
    f.module.declare("sched_yield", "i32", [])
    top, again, rest, done = (f.new_label(hint) for hint in ("spin", "again", "rest", "done"))
    start = f.label
    f.jump(top)
    f.start(top)
    spun = ir.Value("%spun", "i64")
    f.lines.append(f"  %spun = phi i64 [ 0, %{start} ], [ %more, %{again} ], [ 0, %{rest} ]")
    now = f.emit(f"load atomic i64, ptr {place.name} acquire, align 8", "i64")
    keep = f.new_label("keep")
    f.branch(f.compare("icmp ne", now, old), done, keep)
    f.start(keep)
    _pause(f, host)
    f.lines.append(f"  %more = add i64 {spun.name}, 1")
    f.branch(f.compare("icmp slt", spun, ir.index(SPINS)), again, rest)
    f.start(again)
    f.jump(top)
    f.start(rest)
    f.call("sched_yield", "i32")
    f.jump(top)
    f.start(done)


def _pause(f: ir.Function, host: Host) -> None:
    """Tell the processor that this is a waiting loop."""
    if host.triple.startswith("x86_64"):
        f.call("llvm.x86.sse2.pause", "void")
    elif host.triple.startswith(("aarch64", "arm64")):
        f.call("llvm.aarch64.hint", "void", ir.constant(1, "i32"))


# --- the team -----------------------------------------------------------------------------------------------


def _module(host: Host) -> str:
    """The team's own code: `RUN`, and what a worker does."""
    module = ir.Module()
    module.globals.append(f"@team = internal global [{_SIZE} x i8] zeroinitializer, align {LINE}")
    barrier_function(module, host)
    _write_clock(module)
    _write_member(module)
    _write_following(module, host)
    if has_cores(host):
        _write_move_over(module)
    _write_worker(module, host)
    _write_start(module)
    _write_run(module, host)
    for name, result in (("address", "ptr"), ("prepare", "void")):
        f = module.function(name, result, [])
        if name == "prepare":
            _write_prepare(f)
        else:
            f.ret(ir.Value("@team", "ptr"))
    for f in module.functions:
        f.attributes = "nounwind cold"
    return str(module)


def _at(f: ir.Function, offset: int) -> ir.Value:
    return f.advance(ir.Value("@team", "ptr"), ir.index(offset))


def _get(f: ir.Function, offset: int, type: str = "i64") -> ir.Value:
    return f.emit(f"load atomic {type}, ptr {_at(f, offset).name} acquire, align 8", type)


def _set(f: ir.Function, offset: int, value: ir.Value) -> None:
    f.do(f"store atomic {value.type} {value.name}, ptr {_at(f, offset).name} release, align 8")


def _write_prepare(f: ir.Function) -> None:
    """Fresh locks, and no workers: at the start, and in a forked child."""
    null = ir.Value("null", "ptr")
    f.call("pthread_mutex_init", "i32", _at(f, _MUTEX), null)
    f.call("pthread_cond_init", "i32", _at(f, _CONDITION), null)
    for offset in (_BUSY, _CALL, _STARTED, _MEET, _MEET + LINE, _ALONE_UNTIL, _SOON):
        _set(f, offset, ir.index(0))
    _set(f, _PATIENCE, ir.index(PATIENCE))
    _set(f, _TIMES, ir.index(1))
    f.ret()


def _write_clock(module: ir.Module) -> None:
    """``i64 clock(i32 kind)``: nanoseconds."""
    f = module.function("clock", "i64", [("kind", "i32")], "internal")
    pair = f.emit("alloca [2 x i64], align 8", "ptr")
    f.call("clock_gettime", "i32", f.param("kind"), pair)
    seconds, rest = f.load("i64", pair, 8), f.load("i64", f.advance(pair, ir.index(8)), 8)
    f.ret(f.binary("add", f.binary("mul", seconds, ir.index(1_000_000_000)), rest))


def _clock(f: ir.Function, kind: int) -> ir.Value:
    return f.call("clock", "i64", ir.constant(kind, "i32"))


def _write_member(module: ir.Module) -> None:
    """``i64 member(body, table, arena, number, count)``: its share of a call; how long that took.

    It notes what time it lost.
    """
    names = ("body", "table", "arena", "number", "count")
    params = [(name, "i64" if name in ("number", "count") else "ptr") for name in names]
    f = module.function("member", "i64", params, "internal")
    before = _clock(f, time.CLOCK_THREAD_CPUTIME_ID)
    _run_body(f, *(f.param(name) for name in names), _at(f, _MEET))
    ran = f.binary("sub", _clock(f, time.CLOCK_THREAD_CPUTIME_ID), before)
    passed = f.binary("sub", _clock(f, time.CLOCK_MONOTONIC), _get(f, _BEGAN))
    lost = f.intrinsic("smax", "i64", f.binary("sub", passed, ran), ir.index(0))
    f.emit(f"atomicrmw add ptr {_at(f, _LOST).name}, i64 {lost.name} acq_rel", "i64")
    f.call(BARRIER, "void", _at(f, _MEET), f.param("count"))
    f.ret(passed)


def _write_following(module: ir.Module, host: Host) -> None:
    """``i64 following(i64 seen, i64 until)``: the call after that one; look for it until then, and sleep."""
    f = module.function("following", "i64", [("seen", "i64"), ("until", "i64")], "internal")
    seen, came, sleep = f.param("seen"), f.new_label("came"), f.new_label("sleep")
    with f.again([]) as loop:
        _pause(f, host)
        call = _get(f, _CALL)
        same = f.compare("icmp eq", f.binary("lshr", call, ir.index(8)), seen)
        early = f.compare("icmp slt", _clock(f, time.CLOCK_MONOTONIC), f.param("until"))
        loop.more, loop.next = f.binary("and", same, early), []
    f.branch(same, sleep, came)
    f.start(came)
    f.ret(call)
    f.start(sleep)
    _sleep(f, seen)


def _sleep(f: ir.Function, seen: ir.Value) -> None:
    """Sleep until there is a new call, and return it."""
    look, rest, awake = (f.new_label(hint) for hint in ("look", "rest", "awake"))
    f.call("pthread_mutex_lock", "i32", _at(f, _MUTEX))
    f.jump(look)
    f.start(look)
    call = _get(f, _CALL)
    f.branch(f.compare("icmp eq", f.binary("lshr", call, ir.index(8)), seen), rest, awake)
    f.start(rest)
    f.call("pthread_cond_wait", "i32", _at(f, _CONDITION), _at(f, _MUTEX))
    f.jump(look)
    f.start(awake)
    f.call("pthread_mutex_unlock", "i32", _at(f, _MUTEX))
    f.ret(call)


def _write_worker(module: ir.Module, host: Host) -> None:
    """Wait until there is a new call; if it wants this member, run its body; meet at the end.

    A worker is told the call that was the last when it was started, so that it neither repeats that one nor
    misses the next. The number of a call and that of its members are one word, read at once; what else
    belongs to a call stays until its members have met.
    """
    f = module.function("worker", "ptr", [("packed", "ptr")], "internal")
    packed = f.cast("ptrtoint", f.param("packed"), "i64")
    number, first = f.binary("and", packed, ir.index(255)), f.binary("lshr", packed, ir.index(8))
    start, top, skip, work = f.label, f.new_label("top"), f.new_label("skip"), f.new_label("work")
    f.jump(top)
    f.start(top)
    f.lines.append(f"  %seen = phi i64 [ {first.name}, %{start} ], [ %now, %{skip} ], [ %now, %{work} ]")
    f.lines.append(f"  %until = phi i64 [ 0, %{start} ], [ 0, %{skip} ], [ %later, %{work} ]")
    call = f.call("following", "i64", ir.Value("%seen", "i64"), ir.Value("%until", "i64"))
    f.lines.append(f"  %now = lshr i64 {call.name}, 8")
    count = f.binary("and", call, ir.index(255))
    f.branch(f.compare("icmp slt", number, count), work, skip)
    f.start(skip)
    f.jump(top)
    f.start(work)
    if has_cores(host):
        f.call("move_over", "void")
    body, table, arena = (_get(f, offset, "ptr") for offset in (_BODY, _TABLE, _ARENA))
    looks = _looks(f, f.call("member", "i64", body, table, arena, number, count))
    if has_cores(host):  # the caller cannot go on while this thread has its core
        looks = f.select(_is_apart(f), looks, ir.index(0))
    f.lines.append(f"  %later = add i64 {_clock(f, time.CLOCK_MONOTONIC).name}, {looks.name}")
    f.jump(top)


def _looks(f: ir.Function, passed: ir.Value) -> ir.Value:
    """For how long the next call is looked for after one that took so long."""
    return f.intrinsic("smin", "i64", passed, ir.index(LOOKS))


# --- cores --------------------------------------------------------------------------------------------------


def has_cores(host: Host) -> bool:
    """Whether the system tells a thread which core it runs on, and lets it choose."""
    return "linux" in host.triple


def _core(f: ir.Function) -> ir.Value:
    """The core that this thread runs on."""
    return f.cast("sext", f.call("sched_getcpu", "i32"), "i64")


def _is_apart(f: ir.Function) -> ir.Value:
    """Whether that is another one than the caller's."""
    return f.compare("icmp ne", _core(f), _get(f, _CORE))


def _write_move_over(module: ir.Module) -> None:
    """``void move_over()``: leave the caller's core, if this thread may run on others.

    A system may wake a worker on the core where the caller runs while another one is free, and leave it there
    for many calls. To be moved at once, a thread takes this core from those it may run on; then it has them
    all again. Where the system refuses, it stays.
    """
    f = module.function("move_over", "void", [])
    crowded, known, moved, done = (f.new_label(hint) for hint in ("crowded", "known", "moved", "done"))
    cores, others, size = f.alloca(CORES // 8), f.alloca(CORES // 8), ir.index(CORES // 8)
    self, here = ir.constant(0, "i32"), _core(f)
    f.branch(f.compare("icmp eq", here, _get(f, _CORE)), crowded, done)
    f.start(crowded)
    failed = f.call("sched_getaffinity", "i32", self, size, cores)
    f.branch(f.compare("icmp eq", failed, ir.constant(0, "i32")), known, done)
    f.start(known)
    f.copy(others, cores, size)
    word = f.offset(others, "i64", f.binary("lshr", here, ir.index(6)))
    bit = f.binary("shl", ir.index(1), f.binary("and", here, ir.index(63)))
    f.store(f.binary("xor", f.load("i64", word, 8), bit), word, 8)
    failed = f.call("sched_setaffinity", "i32", self, size, others)
    f.branch(f.compare("icmp eq", failed, ir.constant(0, "i32")), moved, done)
    f.start(moved)
    f.call("sched_setaffinity", "i32", self, size, cores)
    f.jump(done)
    f.start(done)
    f.ret()


# --- calls --------------------------------------------------------------------------------------------------


def _write_start(module: ir.Module) -> None:
    """``i64 recruit(i64 wanted)``: start workers until the team has so many members or no more can be had."""
    f = module.function("recruit", "i64", [("wanted", "i64")], "internal")
    top, more, got, done = (f.new_label(h) for h in ("top", "more", "got", "done"))
    thread = f.emit("alloca i64, align 8", "ptr")
    f.jump(top)
    f.start(top)
    members = f.binary("add", _get(f, _STARTED), ir.index(1))
    f.branch(f.compare("icmp slt", members, f.param("wanted")), more, done)
    f.start(more)
    packed = f.binary("or", f.binary("and", _get(f, _CALL), ir.index(-256)), members)
    number = f.cast("inttoptr", packed, "ptr")
    worker, null = ir.Value("@worker", "ptr"), ir.Value("null", "ptr")
    failed = f.call("pthread_create", "i32", thread, null, worker, number)
    f.branch(f.compare("icmp eq", failed, ir.constant(0, "i32")), got, done)
    f.start(got)
    handle = f.load("i64", thread, 8)
    f.call("pthread_detach", "i32", handle)
    _set(f, _STARTED, members)
    f.jump(top)
    f.start(done)
    f.ret(f.intrinsic("smin", "i64", members, f.param("wanted")))


def _write_run(module: ir.Module, host: Host) -> None:
    """``void run(body, table, arena, margin)``: with the team if it is free and gets its cores, else alone.

    The team has a call that comes while workers still look for one, or by so many nanoseconds later.
    """
    params = [*((name, "ptr") for name in ("body", "table", "arena")), ("margin", "i64")]
    f = module.function(RUN, "void", params)
    body, table, arena = (f.param(name) for name in ("body", "table", "arena"))
    many, free, together, release, alone = (
        f.new_label(h) for h in ("many", "free", "together", "release", "alone")
    )
    wanted, now = _get(f, _WANTED), _clock(f, time.CLOCK_MONOTONIC)
    calm = f.compare("icmp sge", now, _get(f, _ALONE_UNTIL))
    soon = f.compare("icmp sle", f.binary("sub", now, _get(f, _SOON)), f.param("margin"))
    several = f.compare("icmp sgt", wanted, ir.index(1))
    f.branch(f.binary("and", several, f.binary("and", calm, soon)), many, alone)
    f.start(many)
    pair = f.emit(f"cmpxchg ptr {_at(f, _BUSY).name}, i64 0, i64 1 acq_rel acquire", "{ i64, i1 }")
    mine = f.emit(f"extractvalue {{ i64, i1 }} {pair.name}, 1", "i1")
    f.branch(mine, free, alone)
    f.start(free)
    count = f.call("recruit", "i64", wanted)
    f.branch(f.compare("icmp sgt", count, ir.index(1)), together, release)
    f.start(release)
    _set(f, _BUSY, ir.index(0))
    f.jump(alone)
    f.start(together)
    if has_cores(host):
        _set(f, _CORE, _core(f))
    _call_together(f, count, body, table, arena)
    _set(f, _BUSY, ir.index(0))
    f.ret()
    f.start(alone)
    _run_body(f, body, table, arena, ir.index(0), ir.index(1), ir.Value("null", "ptr"))
    _expect(f, _clock(f, time.CLOCK_MONOTONIC), now)
    f.ret()


def _expect(f: ir.Function, now: ir.Value, began: ir.Value) -> None:
    """Note until when a call comes soon after one that has ended."""
    _set(f, _SOON, f.binary("add", now, _looks(f, f.binary("sub", now, began))))


def _call_together(f: ir.Function, count: ir.Value, body: ir.Value, table: ir.Value, arena: ir.Value) -> None:
    f.call("pthread_mutex_lock", "i32", _at(f, _MUTEX))
    began = _clock(f, time.CLOCK_MONOTONIC)
    given = {_BODY: body, _TABLE: table, _ARENA: arena, _BEGAN: began, _LOST: ir.index(0)}
    for offset, value in given.items():
        _set(f, offset, value)
    following = f.binary("add", f.binary("or", _get(f, _CALL), ir.index(255)), ir.index(1))
    _set(f, _CALL, f.binary("or", following, count))
    f.call("pthread_mutex_unlock", "i32", _at(f, _MUTEX))
    f.call("pthread_cond_broadcast", "i32", _at(f, _CONDITION))
    f.call("member", "i64", body, table, arena, ir.index(0), count)
    _judge(f, count, began)


def _judge(f: ir.Function, count: ir.Value, began: ir.Value) -> None:
    """Where a call lost more than the team is worth, and than patience allows, run alone for a while."""
    lost, now = _get(f, _LOST), _clock(f, time.CLOCK_MONOTONIC)
    others = f.binary("mul", f.binary("sub", count, ir.index(1)), f.binary("sub", now, began))
    outweighs = f.compare("icmp sgt", f.binary("mul", lost, count), others)
    long = f.compare("icmp sgt", lost, _get(f, _PATIENCE))
    bad, times = f.binary("and", outweighs, long), _get(f, _TIMES)
    pause = f.intrinsic("smin", "i64", f.binary("mul", lost, times), ir.index(LONGEST))
    _set(f, _ALONE_UNTIL, f.select(bad, f.binary("add", now, pause), ir.index(0)))
    doubled = f.intrinsic("smin", "i64", f.binary("add", times, times), ir.index(AMENDS))
    _set(f, _TIMES, f.select(bad, doubled, ir.index(1)))
    _expect(f, now, began)


def _run_body(f: ir.Function, body: ir.Value, *operands: ir.Value) -> None:
    """Call a function by its address."""
    given = ", ".join(f"{value.type} {value.name}" for value in operands)
    f.do(f"call void {body.name}({given})")


# --- from Python --------------------------------------------------------------------------------------------

_lock = fork_safe(threading.RLock())


@cache
def _code() -> Any:
    """The team's code. It is never freed: workers sleep in it until the process ends."""
    name = identity.key("team")
    code = link(*kept(name, lambda: objects_of(_module(this_host()))))
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(code))
    symbols.define(RUN, code.address(RUN))
    _call(code, "prepare", None)()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_call(code, "prepare", None))
    return code


def _call(code: Any, name: str, result: Any) -> Any:
    return ctypes.CFUNCTYPE(result)(code.address(name))


def has_threads() -> bool:
    """Whether this system has POSIX threads."""
    return sys.platform != "win32"


def ready() -> None:
    """Make the team's code known to the linker; how many members it has is `set_threads`' business."""
    with _lock:
        if not _chosen:
            _choose(default_threads())
        _code()


_chosen: list[int] = []


def default_threads() -> int:
    """``WENGERT_NUM_THREADS``, or as many as this process may use cores and ``OMP_NUM_THREADS`` allows."""
    given = os.environ.get(VARIABLE, "")
    if given:
        return _checked(given, VARIABLE)
    return min(cores(), _allowed(), LIMIT)


def _allowed() -> int:
    """What ``OMP_NUM_THREADS`` says, which joblib sets in its workers; a list there is for nested regions."""
    outermost = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return max(1, int(outermost)) if outermost.isdecimal() else LIMIT


def _checked(given: Any, what: str = "the number of threads") -> int:
    try:
        count = int(given)
    except (TypeError, ValueError):
        count = 0
    if not 1 <= count <= LIMIT or str(count) != str(given).strip():
        raise ValueError(f"{what} is {given!r}; it must be a whole number from 1 to {LIMIT}")
    return count


def _choose(count: int) -> None:
    _chosen[:] = [count]
    _word(_WANTED).value = count


def _word(offset: int) -> ctypes.c_int64:
    """A number in the team's memory."""
    address = ctypes.CFUNCTYPE(ctypes.c_void_p)(_code().address("address"))()
    return ctypes.c_int64.from_address(address + offset)


def set_patience(nanoseconds: int) -> None:
    """Set how much a call may lose before those that follow run alone; the next one has the team."""
    _word(_PATIENCE).value, _word(_ALONE_UNTIL).value, _word(_TIMES).value = nanoseconds, 0, 1


def set_threads(count: int) -> None:
    """Set how many threads compiled functions use, from now on and in all of the process.

    Results do not depend on it: every number is computed by one thread in one order.

    Parameters
    ----------
    count : int
        From 1 to 64. Before the first call it is ``WENGERT_NUM_THREADS``, or as many as this process may
        use cores, at most ``OMP_NUM_THREADS``. It is what a call uses at most: small calls take one, and so
        do those on a machine whose cores are taken by others. Between calls threads sleep; before they fall
        asleep they look for the next call for as long as the last one took, at most 50 µs.

    Raises
    ------
    ValueError
        Where it is no whole number from 1 to 64.

    Examples
    --------
    >>> import wengert as wg
    >>> before = wg.get_threads()
    >>> wg.set_threads(1)
    >>> wg.get_threads()
    1
    >>> wg.set_threads(before)
    """
    checked = _checked(count)
    with _lock:
        _choose(checked)


def get_threads() -> int:
    """How many threads compiled functions use, at most; the example is at `set_threads`."""
    return _chosen[0] if _chosen else default_threads()


# The counts that hold for a while, the newest last, and the one that holds after them.
_lasting: list[list[int]] = []
_afterwards: list[int] = []


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """So many threads while it lasts, in all of the process; as many as there are if None.

    Several may last at once, begun by several threads and ended in any order: the newest holds, and after
    the last of them what held before the first.
    """
    if count is None:
        yield
        return
    mine = [_checked(count)]
    _begin(mine)
    try:
        yield
    finally:
        _end(mine)


def _begin(mine: list[int]) -> None:
    with _lock:
        if not _lasting:
            _afterwards[:] = [get_threads()]
        _lasting.append(mine)
        _choose(mine[0])


def _end(mine: list[int]) -> None:
    with _lock:
        _lasting[:] = [other for other in _lasting if other is not mine]
        _choose((_lasting[-1] if _lasting else _afterwards)[0])
