r"""The way from a Python call into native code and back, in native code.

A call of a compiled function does little besides its arithmetic: it compares the arguments with what the
function was compiled for, notes where their numbers are, makes room for the results, runs, and wraps up what
came out:

.. math:: \text{objects} \xrightarrow{\ \text{match}\ } \text{addresses} \xrightarrow{\ \text{run}\ }
          \text{numbers} \xrightarrow{\ \text{build}\ } \text{objects}

What to compare and what to build is a list of *steps*, made once for a signature (`native.calling.steps`).
This module writes the functions that walk through them, once for a process, in LLVM IR. Whatever is not
exactly as the steps say, a tracer for example, goes to the function's Python form with the same arguments.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from wengert.native.calling import layout, recycle
from wengert.native.calling.actions import ACTIONS, NDARRAY, NO, NULL, ONE, YES, ZERO, Action, Frame, Step
from wengert.native.calling.structures import (
    Kind,
    at,
    equal,
    field,
    get,
    go_on,
    is_null,
    is_some,
    put,
    put_at,
    word,
)
from wengert.native.machine import identity, ir
from wengert.native.machine.host import Code, kept, link, objects_of
from wengert.native.machine.symbols import define

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
    distance = f.binary("sub", *(f.cast("ptrtoint", f.param(name), "i64") for name in ("end", "first")))
    failed = f.new_label("failed")
    with f.loop(ZERO, distance, ctypes.sizeof(Step)) as loop:
        step = f.advance(f.param("first"), loop.index)
        action = get(f, step, Step, "action")
        go_on(f, f.emit(f"call i1 {action.name}(ptr {step.name}, ptr %frame)", "i1"), failed)
    f.ret(YES)
    f.start(failed)
    f.ret(NO)


def _write_give_back(module: ir.Module) -> None:
    """``void give_back(objects, count)``: drop references; null is none."""
    f = module.function("give_back", "void", [("objects", "ptr"), ("count", "i64")], "internal")
    with f.loop(ZERO, f.param("count"), 1) as loop:
        f.call("Py_DecRef", "void", at(f, f.param("objects"), loop.index))
    f.ret()


def _write_common(module: ir.Module) -> None:
    """``i64 common(a, b, count)``: how many answers agree before the first that differs."""
    f = module.function("common", "i64", [("a", "ptr"), ("b", "ptr"), ("count", "i64")], "internal")
    differs = f.new_label("differs")
    with f.loop(ZERO, f.param("count"), 1) as loop:
        a, b = (f.load("i128", f.offset(f.param(name), "i128", loop.index), 8) for name in ("a", "b"))
        go_on(f, equal(f, a, b), differs)
    f.ret(f.param("count"))
    f.start(differs)
    f.ret(loop.index)


def _write_other(module: ir.Module) -> None:
    """``ptr other_path(choices, found, count)``: a path whose first answers are those found, or null."""
    params = [("choices", "ptr"), ("found", "ptr"), ("count", "i64")]
    f = module.function("other_path", "ptr", params, "internal")
    choices, found, count = (f.param(name) for name, _ in params)
    with f.loop(ZERO, get(f, choices, Choices, "count"), 1) as loop:
        path = at(f, get(f, choices, Choices, "paths"), loop.index)
        following, this = f.new_label("following"), f.new_label("this")
        go_on(f, f.compare("icmp sge", get(f, path, Path, "guards"), count), following)
        agreed = f.call("common", "i64", get(f, path, Path, "answers"), found, count)
        f.branch(equal(f, agreed, count), this, following)
        f.start(this)
        f.ret(path)
        f.start(following)
    f.ret(NULL)


def _write_run(module: ir.Module) -> None:
    """``i64 run_path(path, table)``: run with an arena that nobody else uses; 0 if that went well."""
    f = module.function("run_path", "i64", [("path", "ptr"), ("table", "ptr")], "internal")
    path, other, none = f.param("path"), f.new_label("other"), f.new_label("none")
    busy = field(f, path, Path, "busy")
    before = f.emit(f"atomicrmw xchg ptr {busy.name}, i64 1 acquire", "i64")
    go_on(f, equal(f, before, ZERO), other)
    status = _write_guarded_call(f, get(f, path, Path, "arena"))
    f.do(f"store atomic i64 0, ptr {busy.name} release, align 8")
    f.ret(status)
    f.start(other)
    size = get(f, path, Path, "arena_bytes")
    arena = f.call("recycle_malloc", "ptr", POOL, size)
    go_on(f, is_some(f, arena), none)
    status = _write_guarded_call(f, arena)
    f.call("recycle_free", "void", POOL, arena, size)
    f.ret(status)
    f.start(none)
    f.ret(ONE)


def _write_guarded_call(f: ir.Function, arena: ir.Value) -> ir.Value:
    """Call a path's function; other Python threads may run meanwhile if it takes long."""
    path, table = f.param("path"), f.param("table")
    function = get(f, path, Path, "run")
    text = f"call i64 {function.name}(ptr {table.name}, ptr {arena.name})"
    long, short, done = (f.new_label(hint) for hint in ("long", "short", "done"))
    f.branch(equal(f, get(f, path, Path, "long"), ZERO), short, long)
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
    failed, elsewhere = f.new_label("failed"), f.new_label("elsewhere")
    outputs = get(f, path, Path, "outputs")
    table = _write_table(f, outputs)
    made, cells, stack = _write_rooms(f, outputs)
    go_on(f, _steps(f, path, Path, "prepare", frame), failed)
    go_on(f, equal(f, f.call("run_path", "i64", path, table), ZERO), elsewhere)
    _write_guards(f, cells, elsewhere)
    go_on(f, _steps(f, path, Path, "build", frame), failed)
    result = at(f, stack, ZERO)
    f.call("give_back", "void", made, outputs)
    f.ret(result)
    for label, value in ((failed, NULL), (elsewhere, ELSEWHERE)):
        f.start(label)
        f.call("give_back", "void", made, outputs)
        f.call("give_back", "void", stack, get(f, frame, Frame, "depth"))
        f.ret(value)


def _write_table(f: ir.Function, outputs: ir.Value) -> ir.Value:
    """The table of addresses: inputs and constants now, the outputs later."""
    path, frame = f.param("path"), f.param("frame")
    inputs, constants = get(f, path, Path, "inputs"), get(f, path, Path, "constants")
    before = f.binary("add", inputs, outputs)
    table = _room(f, "ptr", f.binary("add", before, constants))
    _copy(f, table, get(f, frame, Frame, "inputs"), inputs)
    _copy(f, f.offset(table, "ptr", before), get(f, path, Path, "constant"), constants)
    put(f, frame, Frame, "outputs", f.offset(table, "ptr", inputs))
    return table


def _copy(f: ir.Function, target: ir.Value, source: ir.Value, count: ir.Value) -> None:
    """Copy addresses."""
    with f.loop(ZERO, count, 1) as loop:
        put_at(f, target, loop.index, at(f, source, loop.index))


def _write_rooms(f: ir.Function, outputs: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Memory for new arrays, for single numbers and for finished objects. At first every result is single."""
    path, frame = f.param("path"), f.param("frame")
    made, cells = _room(f, "ptr", outputs), _room(f, "i128", outputs)
    stack = _room(f, "ptr", get(f, path, Path, "depth"))
    with f.loop(ZERO, outputs, 1) as loop:
        cell = f.offset(cells, "i128", loop.index)
        put_at(f, made, loop.index, NULL)
        f.store(ir.Value("0", "i128"), cell, 8)
        put_at(f, get(f, frame, Frame, "outputs"), loop.index, cell)
    for name, value in (("made", made), ("stack", stack), ("depth", ZERO), ("next", NULL)):
        put(f, frame, Frame, name, value)
    return made, cells, stack


def _write_guards(f: ir.Function, cells: ir.Value, elsewhere: str) -> None:
    """Go on if the answers are those that the path rests on; otherwise note the path for them."""
    path, held, differs = f.param("path"), f.new_label("held"), f.new_label("differs")
    guards = get(f, path, Path, "guards")
    # Guards are single numbers after all results, so their cells stand side by side.
    found = f.offset(cells, "i128", get(f, path, Path, "first_guard"))
    agreed = f.call("common", "i64", get(f, path, Path, "answers"), found, guards)
    f.branch(equal(f, agreed, guards), held, differs)
    f.start(differs)
    following = f.call("other_path", "ptr", f.param("choices"), found, f.binary("add", agreed, ONE))
    put(f, f.param("frame"), Frame, "next", following)
    f.jump(elsewhere)
    f.start(held)


def _room(f: ir.Function, type: str, count: ir.Value) -> ir.Value:
    """Memory on the stack, for the time of the function."""
    return f.emit(f"alloca {type}, i64 {count.name}, align 16", "ptr")


def _steps(f: ir.Function, owner: ir.Value, kind: Kind, name: str, frame: ir.Value) -> ir.Value:
    """Walk through the steps in a field; whether all could be taken."""
    return f.call("steps", "i1", get(f, owner, kind, name), get(f, owner, kind, f"{name}_end"), frame)


def _write_follow(module: ir.Module) -> None:
    """``ptr follow(choices, frame)``: go from path to path, each at most once, until one holds."""
    f = module.function("follow", "ptr", [("choices", "ptr"), ("frame", "ptr")], "internal")
    choices, frame, none = f.param("choices"), f.param("frame"), f.new_label("none")
    put(f, frame, Frame, "next", at(f, get(f, choices, Choices, "paths"), ZERO))
    with f.loop(ZERO, get(f, choices, Choices, "count"), 1):
        path = get(f, frame, Frame, "next")
        go_on(f, is_some(f, path), none)
        _return_unless_elsewhere(f, f.call("walk", "ptr", path, choices, frame))
    f.jump(none)
    f.start(none)
    f.ret(ELSEWHERE)


def _return_unless_elsewhere(f: ir.Function, result: ir.Value) -> None:
    done, other = f.new_label("done"), f.new_label("other")
    f.branch(equal(f, result, ELSEWHERE), other, done)
    f.start(done)
    f.ret(result)
    f.start(other)


def _write_attempt(module: ir.Module) -> None:
    """``ptr attempt(group, args, count, names)``: a call with arguments of one form."""
    params = [("group", "ptr"), ("args", "ptr"), ("count", "i64"), ("names", "ptr")]
    f = module.function("attempt", "ptr", params, "internal")
    group, elsewhere, unmatched = f.param("group"), f.new_label("elsewhere"), f.new_label("unmatched")
    go_on(f, equal(f, f.param("count"), get(f, group, Group, "positional")), elsewhere)
    total = _write_names(f, elsewhere)
    frame = _write_frame(f, total)
    go_on(f, _steps(f, group, Group, "steps", frame), unmatched)
    result = f.call("follow", "ptr", get(f, group, Group, "choices"), frame)
    _write_return(f, frame, result)
    f.start(unmatched)
    _write_return(f, frame, ELSEWHERE)
    f.start(elsewhere)
    f.ret(ELSEWHERE)


def _write_frame(f: ir.Function, total: ir.Value) -> ir.Value:
    """The state of a call, with room for what will be found in the arguments."""
    group, frame = f.param("group"), _room(f, "i8", ir.index(ctypes.sizeof(Frame)))
    inputs, objects = get(f, group, Group, "inputs"), get(f, group, Group, "objects")
    owned = f.binary("add", objects, inputs)
    sizes = {"objects": objects, "inputs": inputs, "scratch": inputs, "owned": owned}
    for name, size in sizes.items():
        put(f, frame, Frame, name, _room(f, "ptr", size))
    put(f, frame, Frame, "owned_count", ZERO)
    _copy(f, get(f, frame, Frame, "objects"), f.param("args"), total)
    return frame


def _write_return(f: ir.Function, frame: ir.Value, result: ir.Value) -> None:
    """Give back what the call has come to own."""
    f.call("give_back", "void", get(f, frame, Frame, "owned"), get(f, frame, Frame, "owned_count"))
    f.ret(result)


def _write_names(f: ir.Function, elsewhere: str) -> ir.Value:
    """See that the keywords are those expected, in this order; how many arguments there are in all."""
    group, names = f.param("group"), f.param("names")
    given = _write_count(f, names)
    go_on(f, equal(f, given, get(f, group, Group, "keywords")), elsewhere)
    with f.loop(ZERO, given, 1) as loop:
        name = at(f, f.advance(names, ir.index(layout.ITEMS)), loop.index)
        go_on(f, equal(f, name, at(f, get(f, group, Group, "names"), loop.index)), elsewhere)
    return f.binary("add", f.param("count"), given)


def _write_count(f: ir.Function, names: ir.Value) -> ir.Value:
    """How many items a tuple has; null has none."""
    none, some, done = (f.new_label(hint) for hint in ("none", "some", "done"))
    f.branch(is_null(f, names), none, some)
    f.start(some)
    count = word(f, names, layout.SIZE)
    f.jump(done)
    f.start(none)
    f.jump(done)
    f.start(done)
    return f.phi("i64", (count.name, some), ("0", none))


def _write_enter(module: ir.Module, place: int) -> None:
    """``ptr enter(callable, args, count, names)``: what Python calls; a `State` stands in the callable."""
    params = [("callable", "ptr"), ("args", "ptr"), ("flagged", "i64"), ("names", "ptr")]
    f = module.function("enter", "ptr", params)
    door, gone = word(f, f.param("callable"), place, "ptr"), f.new_label("gone")
    go_on(f, is_some(f, door), gone)
    # The highest bit of the count says that the caller lends the place before the arguments.
    number = f.binary("and", f.param("flagged"), ir.index(2**63 - 1))
    args = [f.param("args"), number, f.param("names")]
    state = word(f, door, layout.BUFFER, "ptr")
    groups = get(f, state, State, "groups")
    with f.loop(ZERO, get(f, state, State, "count"), 1) as loop:
        _return_unless_elsewhere(f, f.call("attempt", "ptr", at(f, groups, loop.index), *args))
    f.ret(f.call("PyObject_Vectorcall", "ptr", get(f, state, State, "fallback"), *args))
    f.start(gone)
    f.call("PyErr_BadInternalCall", "void")
    f.ret(NULL)


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
            define(name, address)
        name = identity.key("entry", place)
        self.code: Code = link(*kept(name, lambda: objects_of(write_runtime(place))))
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
