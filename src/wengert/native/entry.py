r"""The way from a Python call into native code and back, in native code.

A call of a compiled function does little besides its arithmetic: it compares the arguments with what the
function was compiled for, notes where their numbers are, makes room for the results, runs, and wraps up what
came out:

.. math:: \text{objects} \xrightarrow{\ \text{match}\ } \text{addresses} \xrightarrow{\ \text{run}\ }
          \text{numbers} \xrightarrow{\ \text{build}\ } \text{objects}

What to compare and what to build is a list of *steps*, made once for a signature (`native.steps`). This
module writes the functions that walk through them, once for a process, in LLVM IR. Whatever is not exactly as
the steps say, a tracer for example, goes to the function's Python form with the same arguments.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from wengert.native import ir, layout, recycle
from wengert.native.actions import ACTIONS, NDARRAY, NO, NULL, ONE, YES, ZERO, Action, Frame, Step
from wengert.native.host import Code, load
from wengert.native.structures import at, field, get, put, put_at, word

ELSEWHERE = ir.Value("inttoptr (i64 1 to ptr)", "ptr")  # no object: the call is not for this piece of code
POOL = ir.Value("@recycle_pool", "ptr")


# --- what native code reads ---------------------------------------------------------------------------------


class Path(ctypes.Structure):
    """A compiled trace: its function and memory, the answers that it rests on, how its results are made."""

    _fields_ = [
        ("run", ctypes.c_void_p),
        ("inputs", ctypes.c_int64),
        ("outputs", ctypes.c_int64),
        ("constants", ctypes.c_int64),
        ("constant", ctypes.c_void_p),
        ("depth", ctypes.c_int64),
        ("prepare", ctypes.c_void_p),
        ("prepare_end", ctypes.c_void_p),
        ("build", ctypes.c_void_p),
        ("build_end", ctypes.c_void_p),
        ("answers", ctypes.c_void_p),
        ("guards", ctypes.c_int64),
        ("first_guard", ctypes.c_int64),
        ("arena", ctypes.c_void_p),
        ("arena_bytes", ctypes.c_int64),
        ("busy", ctypes.c_int64),
        ("long", ctypes.c_int64),
    ]


class Choices(ctypes.Structure):
    """The paths of a function for one signature."""

    _fields_ = [("count", ctypes.c_int64), ("paths", ctypes.c_void_p)]


class Group(ctypes.Structure):
    """A form of the arguments, and the paths for it."""

    _fields_ = [
        ("positional", ctypes.c_int64),
        ("keywords", ctypes.c_int64),
        ("names", ctypes.c_void_p),
        ("objects", ctypes.c_int64),
        ("inputs", ctypes.c_int64),
        ("steps", ctypes.c_void_p),
        ("steps_end", ctypes.c_void_p),
        ("choices", ctypes.c_void_p),
    ]


class State(ctypes.Structure):
    """What belongs to one function: the forms of its arguments, and its Python form."""

    _fields_ = [("count", ctypes.c_int64), ("groups", ctypes.c_void_p), ("fallback", ctypes.c_void_p)]


# --- the call -----------------------------------------------------------------------------------------------


def _write_steps(module: ir.Module) -> None:
    """``i1 steps(first, end, frame)``: walk through steps up to one that fails."""
    f = module.function("steps", "i1", [("first", "ptr"), ("end", "ptr"), ("frame", "ptr")], "internal")
    check, body, more, done = (f.new_label(hint) for hint in ("check", "body", "more", "done"))
    f.jump(check)
    f.start(check)
    place = len(f.lines)
    step = ir.Value("%step", "ptr")
    f.branch(f.compare("icmp eq", step, f.param("end")), done, body)
    f.start(body)
    function = get(f, step, Step, "action")
    good = f.emit(f"call i1 {function.name}(ptr {step.name}, ptr %frame)", "i1")
    failed = f.new_label("failed")
    f.branch(good, more, failed)
    f.start(more)
    following = f.advance(step, ir.index(ctypes.sizeof(Step)))
    f.jump(check)
    f.lines.insert(place, f"  %step = phi ptr [ %first, %entry ], [ {following.name}, %{more} ]")
    f.start(failed)
    f.ret(NO)
    f.start(done)
    f.ret(YES)


def _write_give_back(module: ir.Module) -> None:
    """``void give_back(objects, count)``: drop references; null is none."""
    f = module.function("give_back", "void", [("objects", "ptr"), ("count", "i64")], "internal")
    with f.loop(ZERO, f.param("count"), 1) as loop:
        f.call("Py_DecRef", "void", at(f, f.param("objects"), loop.index))
    f.ret()


def _write_common(module: ir.Module) -> None:
    """``i64 common(a, b, count)``: how many answers agree before the first that differs."""
    f = module.function("common", "i64", [("a", "ptr"), ("b", "ptr"), ("count", "i64")], "internal")
    with f.loop(ZERO, f.param("count"), 1) as loop:
        same, other = f.new_label("same"), f.new_label("other")
        a, b = (f.load("i128", f.offset(f.param(x), "i128", loop.index), 8) for x in ("a", "b"))
        f.branch(f.compare("icmp eq", a, b), same, other)
        f.start(other)
        f.ret(loop.index)
        f.start(same)
    f.ret(f.param("count"))


def _write_other(module: ir.Module) -> None:
    """``ptr other(choices, found, count)``: a path whose first answers are those found, or null."""
    f = module.function(
        "other_path", "ptr", [("choices", "ptr"), ("found", "ptr"), ("count", "i64")], "internal"
    )
    with f.loop(ZERO, get(f, f.param("choices"), Choices, "count"), 1) as loop:
        path = at(f, get(f, f.param("choices"), Choices, "paths"), loop.index)
        long, this, following = (f.new_label(hint) for hint in ("long", "this", "following"))
        f.branch(
            f.compare("icmp sge", get(f, path, Path, "guards"), f.param("count")),
            long,
            following,
        )
        f.start(long)
        agreed = f.call("common", "i64", get(f, path, Path, "answers"), f.param("found"), f.param("count"))
        f.branch(f.compare("icmp eq", agreed, f.param("count")), this, following)
        f.start(this)
        f.ret(path)
        f.start(following)
    f.ret(NULL)


def _write_run(module: ir.Module) -> None:
    """``i64 run_path(path, table, pool)``: run with an arena that nobody else uses; 0 if that went well."""
    f = module.function("run_path", "i64", [("path", "ptr"), ("table", "ptr")], "internal")
    path = f.param("path")
    busy = field(f, path, Path, "busy")
    before = f.emit(f"atomicrmw xchg ptr {busy.name}, i64 1 acquire", "i64")
    own, other, none = f.new_label("own"), f.new_label("other"), f.new_label("none")
    f.branch(f.compare("icmp eq", before, ZERO), own, other)
    f.start(own)
    status = _write_guarded_call(f, get(f, path, Path, "arena"))
    f.do(f"store atomic i64 0, ptr {busy.name} release, align 8")
    f.ret(status)
    f.start(other)
    size = get(f, path, Path, "arena_bytes")
    arena = f.call("recycle_malloc", "ptr", POOL, size)
    some = f.new_label("some")
    f.branch(f.compare("icmp eq", arena, NULL), none, some)
    f.start(none)
    f.ret(ONE)
    f.start(some)
    status = _write_guarded_call(f, arena)
    f.call("recycle_free", "void", POOL, arena, size)
    f.ret(status)


def _write_guarded_call(f: ir.Function, arena: ir.Value) -> ir.Value:
    """Call a path's function; other Python threads may run meanwhile if it takes long."""
    path, table = f.param("path"), f.param("table")
    function = get(f, path, Path, "run")
    text = f"call i64 {function.name}(ptr {table.name}, ptr {arena.name})"
    long, short, done = (f.new_label(hint) for hint in ("long", "short", "done"))
    f.branch(f.compare("icmp ne", get(f, path, Path, "long"), ZERO), long, short)
    f.start(long)
    thread = f.call("PyEval_SaveThread", "ptr")
    first = f.emit(text, "i64")
    f.call("PyEval_RestoreThread", "void", thread)
    f.jump(done)
    f.start(short)
    second = f.emit(text, "i64")
    f.jump(done)
    f.start(done)
    return f.phi("i64", (first.name, long), (second.name, short))


def _write_walk(module: ir.Module) -> None:
    """``ptr walk(path, choices, frame)``: a path's result, or null, or `ELSEWHERE` and the next path."""
    f = module.function("walk", "ptr", [("path", "ptr"), ("choices", "ptr"), ("frame", "ptr")], "internal")
    path, frame = f.param("path"), f.param("frame")
    outputs, table = _write_table(f)
    made = _room(f, "ptr", outputs, zero=True)
    cells = _room(f, "i128", outputs, zero=True)
    stack = _room(f, "ptr", get(f, path, Path, "depth"))
    with f.loop(ZERO, outputs, 1) as loop:
        put_at(f, get(f, frame, Frame, "outputs"), loop.index, f.offset(cells, "i128", loop.index))
    for name, value in (
        ("made", made),
        ("cells", cells),
        ("stack", stack),
        ("depth", ZERO),
        ("next", NULL),
    ):
        put(f, frame, Frame, name, value)
    prepared, ran, held = (f.new_label(hint) for hint in ("prepared", "ran", "held"))
    failed, elsewhere, built = (f.new_label(hint) for hint in ("failed", "elsewhere", "built"))
    f.branch(_steps(f, path, Path, "prepare"), prepared, failed)
    f.start(prepared)
    status = f.call("run_path", "i64", path, table, POOL)
    f.branch(f.compare("icmp eq", status, ZERO), ran, elsewhere)
    f.start(ran)
    guards = get(f, path, Path, "guards")
    # Guards are single numbers, so their cells stand side by side.
    found = f.offset(cells, "i128", get(f, path, Path, "first_guard"))
    agreed = f.call("common", "i64", get(f, path, Path, "answers"), found, guards)
    differs = f.new_label("differs")
    f.branch(f.compare("icmp eq", agreed, guards), held, differs)
    f.start(differs)
    following = f.call("other_path", "ptr", f.param("choices"), found, f.binary("add", agreed, ONE))
    put(f, frame, Frame, "next", following)
    f.jump(elsewhere)
    f.start(held)
    f.branch(_steps(f, path, Path, "build"), built, failed)
    f.start(built)
    result = at(f, stack, ZERO)
    f.call("give_back", "void", made, outputs)
    f.ret(result)
    for label, value in ((failed, NULL), (elsewhere, ELSEWHERE)):
        f.start(label)
        f.call("give_back", "void", made, outputs)
        f.call("give_back", "void", stack, get(f, frame, Frame, "depth"))
        f.ret(value)


def _write_table(f: ir.Function) -> tuple[ir.Value, ir.Value]:
    """The table of addresses: inputs and constants now, the outputs later."""
    path, frame = f.param("path"), f.param("frame")
    inputs, outputs, constants = (get(f, path, Path, name) for name in ("inputs", "outputs", "constants"))
    before = f.binary("add", inputs, outputs)
    table = _room(f, "ptr", f.binary("add", before, constants))
    for start, source, count in (
        (ZERO, get(f, frame, Frame, "inputs"), inputs),
        (before, get(f, path, Path, "constant"), constants),
    ):
        target = f.offset(table, "ptr", start)
        with f.loop(ZERO, count, 1) as loop:
            put_at(f, target, loop.index, at(f, source, loop.index))
    put(f, frame, Frame, "outputs", f.offset(table, "ptr", inputs))
    return outputs, table


def _room(f: ir.Function, type: str, count: ir.Value, zero: bool = False) -> ir.Value:
    """Memory on the stack, for the time of the function."""
    room = f.emit(f"alloca {type}, i64 {count.name}, align 16", "ptr")
    if zero:
        with f.loop(ZERO, count, 1) as loop:
            f.store(ir.Value("null" if type == "ptr" else "0", type), f.offset(room, type, loop.index), 8)
    return room


def _steps(f: ir.Function, owner: ir.Value, kind: Any, name: str) -> ir.Value:
    first, end = get(f, owner, kind, name), get(f, owner, kind, f"{name}_end")
    return f.call("steps", "i1", first, end, f.param("frame") if kind is Path else ir.Value("%frame", "ptr"))


def _write_follow(module: ir.Module) -> None:
    """``ptr follow(choices, frame)``: go from path to path, each at most once, until one holds."""
    f = module.function("follow", "ptr", [("choices", "ptr"), ("frame", "ptr")], "internal")
    choices, frame = f.param("choices"), f.param("frame")
    paths, count = get(f, choices, Choices, "paths"), get(f, choices, Choices, "count")
    put(f, frame, Frame, "next", at(f, paths, ZERO))
    with f.loop(ZERO, count, 1):
        path = get(f, frame, Frame, "next")
        none, some, done, other = (f.new_label(hint) for hint in ("none", "some", "done", "other"))
        f.branch(f.compare("icmp eq", path, NULL), none, some)
        f.start(none)
        f.ret(ELSEWHERE)
        f.start(some)
        result = f.call("walk", "ptr", path, choices, frame, POOL)
        f.branch(f.compare("icmp eq", result, ELSEWHERE), other, done)
        f.start(done)
        f.ret(result)
        f.start(other)
    f.ret(ELSEWHERE)


def _write_attempt(module: ir.Module) -> None:
    """``ptr attempt(group, args, count, names)``: a call with arguments of one form."""
    f = module.function(
        "attempt", "ptr", [("group", "ptr"), ("args", "ptr"), ("count", "i64"), ("names", "ptr")], "internal"
    )
    group = f.param("group")
    elsewhere, right = f.new_label("elsewhere"), f.new_label("right")
    matched, unmatched = f.new_label("matched"), f.new_label("unmatched")
    f.branch(f.compare("icmp eq", f.param("count"), get(f, group, Group, "positional")), right, elsewhere)
    f.start(right)
    total = _write_names(f, elsewhere)
    f.do(f"%frame = alloca i8, i64 {ctypes.sizeof(Frame)}, align 16")
    frame, inputs, objects = (
        ir.Value("%frame", "ptr"),
        get(f, group, Group, "inputs"),
        get(f, group, Group, "objects"),
    )
    rooms = {
        "objects": objects,
        "inputs": inputs,
        "scratch": inputs,
        "owned": f.binary("add", objects, inputs),
    }
    for name, size in rooms.items():
        put(f, frame, Frame, name, _room(f, "ptr", size))
    put(f, frame, Frame, "owned_count", ZERO)
    with f.loop(ZERO, total, 1) as loop:
        put_at(f, get(f, frame, Frame, "objects"), loop.index, at(f, f.param("args"), loop.index))
    f.branch(_steps(f, group, Group, "steps"), matched, unmatched)
    for label in (matched, unmatched):
        f.start(label)
        result = ELSEWHERE
        if label is matched:
            result = f.call("follow", "ptr", get(f, group, Group, "choices"), frame, POOL)
        f.call("give_back", "void", get(f, frame, Frame, "owned"), get(f, frame, Frame, "owned_count"))
        f.ret(result)
    f.start(elsewhere)
    f.ret(ELSEWHERE)


def _write_names(f: ir.Function, elsewhere: str) -> ir.Value:
    """See that the keywords are those expected, in this order; how many arguments there are in all."""
    group, names = f.param("group"), f.param("names")
    expected = get(f, group, Group, "keywords")
    none, some, more = (f.new_label(hint) for hint in ("none", "some", "more"))
    f.branch(f.compare("icmp eq", names, NULL), none, some)
    f.start(some)
    count = word(f, names, layout.SIZE)
    f.jump(more)
    f.start(none)
    f.jump(more)
    f.start(more)
    given = f.phi("i64", (count.name, some), ("0", none))
    for condition in (f.compare("icmp eq", given, expected),):
        following = f.new_label("following")
        f.branch(condition, following, elsewhere)
        f.start(following)
    with f.loop(ZERO, given, 1) as loop:
        same = f.new_label("same")
        name = at(f, f.advance(names, ir.index(layout.ITEMS)), loop.index)
        expected_name = at(f, get(f, group, Group, "names"), loop.index)
        f.branch(f.compare("icmp eq", name, expected_name), same, elsewhere)
        f.start(same)
    return f.binary("add", f.param("count"), given)


def _write_enter(module: ir.Module, place: int) -> None:
    """``ptr enter(callable, args, count, names)``: what Python calls; a `State` stands in the callable."""
    f = module.function(
        "enter", "ptr", [("callable", "ptr"), ("args", "ptr"), ("flagged", "i64"), ("names", "ptr")]
    )
    door = word(f, f.param("callable"), place, "ptr")
    gone, there = f.new_label("gone"), f.new_label("there")
    f.branch(f.compare("icmp eq", door, NULL), gone, there)
    f.start(gone)
    f.call("PyErr_BadInternalCall", "void")
    f.ret(NULL)
    f.start(there)
    # The highest bit of the count says that the caller lends the place before the arguments.
    number = f.binary("and", f.param("flagged"), ir.index(2**63 - 1))
    args = [f.param("args"), number, f.param("names")]
    state = word(f, door, layout.BUFFER, "ptr")
    groups, count = get(f, state, State, "groups"), get(f, state, State, "count")
    with f.loop(ZERO, count, 1) as loop:
        result = f.call("attempt", "ptr", at(f, groups, loop.index), *args)
        done, other = f.new_label("done"), f.new_label("other")
        f.branch(f.compare("icmp eq", result, ELSEWHERE), other, done)
        f.start(done)
        f.ret(result)
        f.start(other)
    f.ret(f.call("PyObject_Vectorcall", "ptr", get(f, state, State, "fallback"), *args))


def write_runtime(place: int) -> str:
    """The module of all functions that calls go through; it holds no address of this process."""
    module = ir.Module()
    module.globals += [f"{name.name} = external global i8" for name in (NDARRAY, POOL)]
    recycle.write(module)
    for name, writer in ACTIONS.items():
        made = Action(module, name)
        writer(made)
        made.end()
    for write in (_write_steps, _write_give_back, _write_common, _write_other, _write_run, _write_walk,
                  _write_follow, _write_attempt):  # fmt: skip
        write(module)
    _write_enter(module, place)
    return str(module)


# --- one runtime for a process ------------------------------------------------------------------------------


class Runtime:
    """The functions that calls go through, loaded. Never freed: arrays may outlive everything."""

    def __init__(self, place: int) -> None:
        self.pool = recycle.Pool()
        here = {"numpy_ndarray": id(np.ndarray), "recycle_pool": ctypes.addressof(self.pool)}
        for name, address in (layout.symbols() | here).items():
            llvm.add_symbol(name, address)
        self.code: Code = load(write_runtime(place))
        self.actions = {name: self.code.address(name) for name in ACTIONS}
        self._handler = recycle.handler(self.pool, self.code)
        self.handler = _capsule(self._handler)
        self.enter = self.code.address("enter")
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))


def _capsule(handler: recycle.Handler) -> Any:
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return make(ctypes.addressof(handler), _NAME, None)


_NAME = ctypes.c_char_p(b"mem_handler")


@cache
def runtime(place: int) -> Runtime:
    """The process's runtime, for callables whose state stands at a place."""
    return Runtime(place)
