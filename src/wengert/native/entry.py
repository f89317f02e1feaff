"""The way from a Python call into native code and back, in native code.

A call of a compiled function does little besides its arithmetic: it compares the arguments with what the function was compiled for,
notes where their numbers are, makes room for the results, runs, and wraps up what came out:

.. math:: \\text{objects} \\xrightarrow{\\ \\text{match}\\ } \\text{addresses} \\xrightarrow{\\ \\text{run}\\ } \\text{numbers}
          \\xrightarrow{\\ \\text{build}\\ } \\text{objects}

What to compare and what to build is a list of *steps*, made once for a signature (`native.steps`). This module writes the functions
that walk through them, once for a process, in LLVM IR. Whatever is not exactly as the steps say, a tracer for example, goes to the
function's Python form with the same arguments.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from wengert.native import ir, layout, recycle
from wengert.native.host import Code, load
from wengert.native.structures import at, field, get, increment, put, put_at

CELL = 16  # bytes for one number of a result
_NULL = ir.Value("null", "ptr")
_ELSEWHERE = ir.Value("inttoptr (i64 1 to ptr)", "ptr")  # no object: the call is not for this piece of code
_ZERO, _ONE = ir.index(0), ir.index(1)
_NDARRAY, _POOL = ir.Value("@numpy_ndarray", "ptr"), ir.Value("@recycle_pool", "ptr")
_NO, _YES = ir.Value("false", "i1"), ir.Value("true", "i1")


# --- what native code reads -------------------------------------------------------------------------------------------


class Step(ctypes.Structure):
    """One object to look at or to make. ``action`` is the function that does it; what the rest means is up to that function."""

    _fields_ = [
        ("action", ctypes.c_void_p),
        ("source", ctypes.c_int64),
        ("target", ctypes.c_int64),
        ("object", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("data", ctypes.c_void_p),
    ]


class Frame(ctypes.Structure):
    """The state of a call.

    ``objects`` are the arguments and what was found in them, ``inputs`` the addresses of numbers; ``scratch`` holds numbers that had
    to be converted, ``owned`` the references that the call must give back. ``made`` are new arrays, ``outputs`` the addresses of the
    results' numbers, ``cells`` room for those that are single; ``stack`` holds finished objects. ``next`` is the path to try next.
    """

    _fields_ = [
        ("objects", ctypes.c_void_p),
        ("inputs", ctypes.c_void_p),
        ("scratch", ctypes.c_void_p),
        ("owned", ctypes.c_void_p),
        ("owned_count", ctypes.c_int64),
        ("made", ctypes.c_void_p),
        ("outputs", ctypes.c_void_p),
        ("cells", ctypes.c_void_p),
        ("stack", ctypes.c_void_p),
        ("depth", ctypes.c_int64),
        ("next", ctypes.c_void_p),
    ]


class Path(ctypes.Structure):
    """A compiled trace: its function, its memory, the answers that it rests on, and how its results are made."""

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


# --- steps ------------------------------------------------------------------------------------------------------------


class Action:
    """Writes the function of one kind of step: ``i1 action(step, frame)``, false where something is not as expected."""

    def __init__(self, module: ir.Module, name: str) -> None:
        self.f = module.function(name, "i1", [("step", "ptr"), ("frame", "ptr")])
        self.step, self.frame, self.failed = self.f.param("step"), self.f.param("frame"), "failed"

    def end(self) -> None:
        """Write the two ways out."""
        self.f.ret(_YES)
        self.f.start(self.failed)
        self.f.ret(_NO)

    def given(self, name: str) -> ir.Value:
        """A field of the step."""
        return get(self.f, self.step, Step, name)

    def room(self, name: str) -> ir.Value:
        """An array of the frame."""
        return get(self.f, self.frame, Frame, name)

    def source(self) -> ir.Value:
        """The object to look at."""
        return at(self.f, self.room("objects"), self.given("source"))

    def require(self, condition: ir.Value) -> None:
        """Go on only if it holds."""
        following = self.f.new_label("ok")
        self.f.branch(condition, following, self.failed)
        self.f.start(following)

    def require_equal(self, a: ir.Value, b: ir.Value) -> None:
        """Go on only if they are the same."""
        self.require(self.f.compare("icmp eq", a, b))

    def require_some(self, pointer: ir.Value) -> None:
        """Go on only if it is not null; a Python exception is forgotten."""
        some, none = self.f.new_label("some"), self.f.new_label("none")
        self.f.branch(self.f.compare("icmp eq", pointer, _NULL), none, some)
        self.f.start(none)
        self.f.call("PyErr_Clear", "void")
        self.f.jump(self.failed)
        self.f.start(some)

    def require_type(self, o: ir.Value) -> None:
        """Go on only if an object is exactly of the step's type."""
        self.require_equal(word(self.f, o, layout.TYPE, "ptr"), self.given("object"))

    def found(self, address: ir.Value) -> None:
        """Note where the number of an input is."""
        put_at(self.f, self.room("inputs"), self.given("target"), address)

    def converted(self, number: ir.Value) -> None:
        """Keep the number of an input in the scratch memory."""
        put_at(self.f, self.room("scratch"), self.given("target"), number)
        self.found(self.f.offset(self.room("scratch"), "i64", self.given("target")))

    def own(self, o: ir.Value) -> None:
        """Give a reference back at the end of the call."""
        count = increment(self.f, self.frame, Frame, "owned_count", _ONE)
        put_at(self.f, self.room("owned"), self.f.binary("sub", count, _ONE), o)

    def part(self, i: ir.Value, o: ir.Value) -> None:
        """Note a part of the object looked at."""
        put_at(self.f, self.room("objects"), self.f.binary("add", self.given("target"), i), o)

    def cell(self) -> ir.Value:
        """Where the number of a result is."""
        return at(self.f, self.room("outputs"), self.given("source"))

    def made(self, name: str, *args: ir.Value) -> ir.Value:
        """A new object of a function of Python's; where there is none the exception stands."""
        o = self.f.call(name, "ptr", *args)
        self.require(self.f.compare("icmp ne", o, _NULL))
        return o

    def push(self, o: ir.Value) -> None:
        """A finished object, unless it is null: then the exception stands."""
        self.require(self.f.compare("icmp ne", o, _NULL))
        depth = increment(self.f, self.frame, Frame, "depth", _ONE)
        put_at(self.f, self.room("stack"), self.f.binary("sub", depth, _ONE), o)

    def parts(self) -> ir.Value:
        """Where on the stack the parts of a new object begin."""
        depth = get(self.f, self.frame, Frame, "depth")
        return self.f.offset(self.room("stack"), "ptr", self.f.binary("sub", depth, self.given("count")))

    def drop_parts(self) -> None:
        """The parts have gone into the new object."""
        increment(self.f, self.frame, Frame, "depth", self.f.binary("sub", _ZERO, self.given("count")))


def word(f: ir.Function, o: ir.Value, place: int, type: str = "i64") -> ir.Value:
    """What stands at a place in an object."""
    return f.load(type, f.advance(o, ir.index(place)), 4 if type == "i32" else 1 if type == "i8" else 8)


Writer = Callable[[Action], None]
ACTIONS: dict[str, Writer] = {}


def action(name: str) -> Callable[[Writer], Writer]:
    """Declare how a kind of step is written."""

    def declare(writer: Writer) -> Writer:
        ACTIONS[name] = writer
        return writer

    return declare


@action("match_identical")
def _match_identical(a: Action) -> None:
    """This very object."""
    a.require_equal(a.source(), a.given("object"))


@action("match_scalar")
def _match_scalar(a: Action) -> None:
    """A float or a NumPy scalar: used where it stands."""
    o = a.source()
    a.require_type(o)
    a.found(a.f.advance(o, ir.index(layout.VALUE)))


@action("match_integer")
def _match_integer(a: Action) -> None:
    """A Python integer of at most 64 bits."""
    o = a.source()
    a.require_type(o)
    overflow = a.f.emit("alloca i32", "ptr")
    number = a.f.call("PyLong_AsLongLongAndOverflow", "i64", o, overflow)
    a.require_equal(a.f.load("i32", overflow, 4), ir.constant(0, "i32"))
    a.converted(number)


@action("match_boolean")
def _match_boolean(a: Action) -> None:
    """True, which is the step's data, or False."""
    o = a.source()
    a.require_type(o)
    a.converted(a.f.cast("zext", a.f.compare("icmp eq", o, a.given("data")), "i64"))


@action("match_array")
def _match_array(a: Action) -> None:
    """An array of a dtype (the step's object) and shape; one that is not row-major is copied."""
    o = a.source()
    _require_array(a, o)
    flags = word(a.f, o, layout.FLAGS, "i32")
    wanted = ir.constant(layout.CONTIGUOUS_AND_ALIGNED, "i32")
    ready = a.f.compare("icmp eq", a.f.binary("and", flags, wanted), wanted)
    straight, copied, done = (a.f.new_label(hint) for hint in ("straight", "copied", "done"))
    a.f.branch(ready, straight, copied)
    a.f.start(copied)
    copy = a.f.call("PyArray_NewCopy", "ptr", o, ir.constant(0, "i32"))
    a.require_some(copy)
    a.own(copy)
    a.found(word(a.f, copy, layout.DATA, "ptr"))
    a.f.jump(done)
    a.f.start(straight)
    a.found(word(a.f, o, layout.DATA, "ptr"))
    a.f.jump(done)
    a.f.start(done)


def _require_array(a: Action, o: ir.Value) -> None:
    a.require_equal(word(a.f, o, layout.TYPE, "ptr"), _NDARRAY)
    count = a.f.cast("trunc", a.given("count"), "i32")
    a.require_equal(word(a.f, o, layout.NDIM, "i32"), count)
    a.require(_same_dtype(a, word(a.f, o, layout.DESCR, "ptr"), a.given("object")))
    shape, expected = word(a.f, o, layout.SHAPE, "ptr"), a.given("data")
    with a.f.loop(_ZERO, a.given("count"), 1) as loop:
        a.require_equal(at(a.f, shape, loop.index, "i64"), at(a.f, expected, loop.index, "i64"))


def _same_dtype(a: Action, found: ir.Value, expected: ir.Value) -> ir.Value:
    """By number and byte order: equal dtypes need not be the same object."""
    both = [
        a.f.compare("icmp eq", word(a.f, found, place, type), word(a.f, expected, place, type))
        for place, type in ((layout.TYPE_NUMBER, "i32"), (layout.BYTE_ORDER, "i8"))
    ]
    return a.f.binary("and", *both)


@action("match_tuple")
def _match_tuple(a: Action) -> None:
    """A tuple of so many items."""
    o = a.source()
    a.require_type(o)
    a.require_equal(word(a.f, o, layout.SIZE), a.given("count"))
    with a.f.loop(_ZERO, a.given("count"), 1) as loop:
        a.part(loop.index, at(a.f, a.f.advance(o, ir.index(layout.ITEMS)), loop.index))


@action("match_list")
def _match_list(a: Action) -> None:
    """A list of so many items, which are kept alive: somebody may change the list."""
    o = a.source()
    a.require_type(o)
    a.require_equal(word(a.f, o, layout.SIZE), a.given("count"))
    with a.f.loop(_ZERO, a.given("count"), 1) as loop:
        item = at(a.f, word(a.f, o, layout.ITEMS, "ptr"), loop.index)
        a.f.call("Py_IncRef", "void", item)
        a.own(item)
        a.part(loop.index, item)


@action("match_dict")
def _match_dict(a: Action) -> None:
    """A dict with these keys."""
    o = a.source()
    a.require_type(o)
    a.require_equal(a.f.call("PyDict_Size", "i64", o), a.given("count"))
    with a.f.loop(_ZERO, a.given("count"), 1) as loop:
        item = a.f.call("PyDict_GetItemWithError", "ptr", o, at(a.f, a.given("data"), loop.index))
        a.require_some(item)
        a.f.call("Py_IncRef", "void", item)
        a.own(item)
        a.part(loop.index, item)


@action("match_fields")
def _match_fields(a: Action) -> None:
    """A dataclass: its fields by name."""
    o = a.source()
    a.require_type(o)
    with a.f.loop(_ZERO, a.given("count"), 1) as loop:
        value = a.f.call("PyObject_GetAttr", "ptr", o, at(a.f, a.given("data"), loop.index))
        a.require_some(value)
        a.own(value)
        a.part(loop.index, value)


@action("make_array")
def _make_array(a: Action) -> None:
    """A new array of a dtype and shape, for a result's numbers."""
    _keep_array(a, _new_array(a))


@action("make_large_array")
def _make_large_array(a: Action) -> None:
    """The same with memory from the handler whose address is the step's source."""
    handler = a.f.cast("inttoptr", a.given("source"), "ptr")
    before = a.f.call("PyDataMem_SetHandler", "ptr", handler)
    a.require(a.f.compare("icmp ne", before, _NULL))
    array = _new_array(a)
    replaced = a.f.call("PyDataMem_SetHandler", "ptr", before)
    for o in (before, replaced):
        a.f.call("Py_DecRef", "void", o)
    _keep_array(a, array)


def _new_array(a: Action) -> ir.Value:
    a.f.call("Py_IncRef", "void", a.given("object"))
    return a.f.call(
        "PyArray_NewFromDescr", "ptr", _NDARRAY, a.given("object"), a.f.cast("trunc", a.given("count"), "i32"),
        a.given("data"), _NULL, _NULL, ir.constant(0, "i32"), _NULL,
    )  # fmt: skip


def _keep_array(a: Action, array: ir.Value) -> None:
    a.require(a.f.compare("icmp ne", array, _NULL))
    put_at(a.f, a.room("made"), a.given("target"), array)
    put_at(a.f, a.room("outputs"), a.given("target"), word(a.f, array, layout.DATA, "ptr"))


@action("push_float")
def _push_float(a: Action) -> None:
    a.push(a.f.call("PyFloat_FromDouble", "ptr", a.f.load("double", a.cell(), 8)))


@action("push_integer")
def _push_integer(a: Action) -> None:
    a.push(a.f.call("PyLong_FromLongLong", "ptr", a.f.load("i64", a.cell(), 8)))


@action("push_boolean")
def _push_boolean(a: Action) -> None:
    a.push(a.f.call("PyBool_FromLong", "ptr", a.f.load("i64", a.cell(), 8)))


@action("push_scalar")
def _push_scalar(a: Action) -> None:
    """A NumPy scalar of the step's type."""
    o = a.f.call("_PyObject_New", "ptr", a.given("object"))
    a.push(o)
    a.f.store(a.f.load("i64", a.cell(), 8), a.f.advance(o, ir.index(layout.VALUE)), 8)


@action("push_numpy_boolean")
def _push_numpy_boolean(a: Action) -> None:
    """``np.True_`` or ``np.False_``: the step's object is the dtype."""
    a.push(a.f.call("PyArray_Scalar", "ptr", a.cell(), a.given("object"), _NULL))


@action("push_array")
def _push_array(a: Action) -> None:
    """An array of `_make_array`."""
    a.push(at(a.f, a.room("made"), a.given("source")))
    put_at(a.f, a.room("made"), a.given("source"), _NULL)


@action("push_object")
def _push_object(a: Action) -> None:
    """A part of the result that is the same in every call."""
    a.f.call("Py_IncRef", "void", a.given("object"))
    a.push(a.given("object"))


@action("push_copy")
def _push_copy(a: Action) -> None:
    """A copy of an array that is the same in every call."""
    a.push(a.f.call("PyArray_NewCopy", "ptr", a.given("object"), ir.constant(0, "i32")))


@action("build_tuple")
def _build_tuple(a: Action) -> None:
    made = a.made("PyTuple_New", a.given("count"))
    _fill(a, made, a.f.advance(made, ir.index(layout.ITEMS)))


@action("build_list")
def _build_list(a: Action) -> None:
    made = a.made("PyList_New", a.given("count"))
    _fill(a, made, word(a.f, made, layout.ITEMS, "ptr"))


def _fill(a: Action, made: ir.Value, items: ir.Value) -> None:
    """Parts become the items of a new sequence."""
    parts = a.parts()
    with a.f.loop(_ZERO, a.given("count"), 1) as loop:
        put_at(a.f, items, loop.index, at(a.f, parts, loop.index))
    a.drop_parts()
    a.push(made)


@action("build_dict")
def _build_dict(a: Action) -> None:
    """A dict of the step's keys."""
    made = a.made("PyDict_New")
    parts = a.parts()
    with a.f.loop(_ZERO, a.given("count"), 1) as loop:
        part = at(a.f, parts, loop.index)
        a.f.call("PyDict_SetItem", "i32", made, at(a.f, a.given("data"), loop.index), part)
        a.f.call("Py_DecRef", "void", part)
    a.drop_parts()
    a.push(made)


@action("build_fields")
def _build_fields(a: Action) -> None:
    """An object of a dataclass: as ``object.__new__`` and ``object.__setattr__`` would make it."""
    made = a.made("PyType_GenericAlloc", a.given("object"), _ZERO)
    parts = a.parts()
    with a.f.loop(_ZERO, a.given("count"), 1) as loop:
        part = at(a.f, parts, loop.index)
        a.f.call("PyObject_GenericSetAttr", "i32", made, at(a.f, a.given("data"), loop.index), part)
        a.f.call("Py_DecRef", "void", part)
    a.drop_parts()
    a.push(made)


@action("build_tree")
def _build_tree(a: Action) -> None:
    """Any other tree: the step's object is a Python function of its parts."""
    parts = a.parts()
    made = a.f.call("PyObject_Vectorcall", "ptr", a.given("object"), parts, a.given("count"), _NULL)
    with a.f.loop(_ZERO, a.given("count"), 1) as loop:
        a.f.call("Py_DecRef", "void", at(a.f, parts, loop.index))
    a.drop_parts()
    a.push(made)


# --- the call ---------------------------------------------------------------------------------------------------------


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
    f.ret(_NO)
    f.start(done)
    f.ret(_YES)


def _write_give_back(module: ir.Module) -> None:
    """``void give_back(objects, count)``: drop references; null is none."""
    f = module.function("give_back", "void", [("objects", "ptr"), ("count", "i64")], "internal")
    with f.loop(_ZERO, f.param("count"), 1) as loop:
        f.call("Py_DecRef", "void", at(f, f.param("objects"), loop.index))
    f.ret()


def _write_common(module: ir.Module) -> None:
    """``i64 common(a, b, count)``: how many answers agree before the first that differs."""
    f = module.function("common", "i64", [("a", "ptr"), ("b", "ptr"), ("count", "i64")], "internal")
    with f.loop(_ZERO, f.param("count"), 1) as loop:
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
    with f.loop(_ZERO, get(f, f.param("choices"), Choices, "count"), 1) as loop:
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
    f.ret(_NULL)


def _write_run(module: ir.Module) -> None:
    """``i64 run_path(path, table, pool)``: run with an arena that nobody else uses; 0 if that went well."""
    f = module.function("run_path", "i64", [("path", "ptr"), ("table", "ptr")], "internal")
    path = f.param("path")
    busy = field(f, path, Path, "busy")
    before = f.emit(f"atomicrmw xchg ptr {busy.name}, i64 1 acquire", "i64")
    own, other, none = f.new_label("own"), f.new_label("other"), f.new_label("none")
    f.branch(f.compare("icmp eq", before, _ZERO), own, other)
    f.start(own)
    status = _write_guarded_call(f, get(f, path, Path, "arena"))
    f.do(f"store atomic i64 0, ptr {busy.name} release, align 8")
    f.ret(status)
    f.start(other)
    size = get(f, path, Path, "arena_bytes")
    arena = f.call("recycle_malloc", "ptr", _POOL, size)
    some = f.new_label("some")
    f.branch(f.compare("icmp eq", arena, _NULL), none, some)
    f.start(none)
    f.ret(_ONE)
    f.start(some)
    status = _write_guarded_call(f, arena)
    f.call("recycle_free", "void", _POOL, arena, size)
    f.ret(status)


def _write_guarded_call(f: ir.Function, arena: ir.Value) -> ir.Value:
    """Call a path's function; other Python threads may run meanwhile if it takes long."""
    path, table = f.param("path"), f.param("table")
    function = get(f, path, Path, "run")
    text = f"call i64 {function.name}(ptr {table.name}, ptr {arena.name})"
    long, short, done = (f.new_label(hint) for hint in ("long", "short", "done"))
    f.branch(f.compare("icmp ne", get(f, path, Path, "long"), _ZERO), long, short)
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
    """``ptr walk(path, choices, frame)``: run one path; its result, null, or `_ELSEWHERE` with the frame's next path."""
    f = module.function("walk", "ptr", [("path", "ptr"), ("choices", "ptr"), ("frame", "ptr")], "internal")
    path, frame = f.param("path"), f.param("frame")
    outputs, table = _write_table(f)
    made = _room(f, "ptr", outputs, zero=True)
    cells = _room(f, "i128", outputs, zero=True)
    stack = _room(f, "ptr", get(f, path, Path, "depth"))
    with f.loop(_ZERO, outputs, 1) as loop:
        put_at(f, get(f, frame, Frame, "outputs"), loop.index, f.offset(cells, "i128", loop.index))
    for name, value in (
        ("made", made),
        ("cells", cells),
        ("stack", stack),
        ("depth", _ZERO),
        ("next", _NULL),
    ):
        put(f, frame, Frame, name, value)
    prepared, ran, held, failed, elsewhere, built = (f.new_label(h) for h in ("prepared", "ran", "held", "failed", "elsewhere", "built"))  # fmt: skip
    f.branch(_steps(f, path, Path, "prepare"), prepared, failed)
    f.start(prepared)
    status = f.call("run_path", "i64", path, table, _POOL)
    f.branch(f.compare("icmp eq", status, _ZERO), ran, elsewhere)
    f.start(ran)
    guards = get(f, path, Path, "guards")
    # Guards are single numbers, so their cells stand side by side.
    found = f.offset(cells, "i128", get(f, path, Path, "first_guard"))
    agreed = f.call("common", "i64", get(f, path, Path, "answers"), found, guards)
    differs = f.new_label("differs")
    f.branch(f.compare("icmp eq", agreed, guards), held, differs)
    f.start(differs)
    following = f.call("other_path", "ptr", f.param("choices"), found, f.binary("add", agreed, _ONE))
    put(f, frame, Frame, "next", following)
    f.jump(elsewhere)
    f.start(held)
    f.branch(_steps(f, path, Path, "build"), built, failed)
    f.start(built)
    result = at(f, stack, _ZERO)
    f.call("give_back", "void", made, outputs)
    f.ret(result)
    for label, value in ((failed, _NULL), (elsewhere, _ELSEWHERE)):
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
        (_ZERO, get(f, frame, Frame, "inputs"), inputs),
        (before, get(f, path, Path, "constant"), constants),
    ):
        target = f.offset(table, "ptr", start)
        with f.loop(_ZERO, count, 1) as loop:
            put_at(f, target, loop.index, at(f, source, loop.index))
    put(f, frame, Frame, "outputs", f.offset(table, "ptr", inputs))
    return outputs, table


def _room(f: ir.Function, type: str, count: ir.Value, zero: bool = False) -> ir.Value:
    """Memory on the stack, for the time of the function."""
    room = f.emit(f"alloca {type}, i64 {count.name}, align 16", "ptr")
    if zero:
        with f.loop(_ZERO, count, 1) as loop:
            f.store(ir.Value("null" if type == "ptr" else "0", type), f.offset(room, type, loop.index), 8)
    return room


def _steps(f: ir.Function, owner: ir.Value, kind: Any, name: str) -> ir.Value:
    first, end = get(f, owner, kind, name), get(f, owner, kind, f"{name}_end")
    return f.call("steps", "i1", first, end, f.param("frame") if kind is Path else ir.Value("%frame", "ptr"))


def _write_follow(module: ir.Module) -> None:
    """``ptr follow(choices, frame)``: go from path to path until one holds, at most as often as there are paths."""
    f = module.function("follow", "ptr", [("choices", "ptr"), ("frame", "ptr")], "internal")
    choices, frame = f.param("choices"), f.param("frame")
    paths, count = get(f, choices, Choices, "paths"), get(f, choices, Choices, "count")
    put(f, frame, Frame, "next", at(f, paths, _ZERO))
    with f.loop(_ZERO, count, 1):
        path = get(f, frame, Frame, "next")
        none, some, done, other = (f.new_label(hint) for hint in ("none", "some", "done", "other"))
        f.branch(f.compare("icmp eq", path, _NULL), none, some)
        f.start(none)
        f.ret(_ELSEWHERE)
        f.start(some)
        result = f.call("walk", "ptr", path, choices, frame, _POOL)
        f.branch(f.compare("icmp eq", result, _ELSEWHERE), other, done)
        f.start(done)
        f.ret(result)
        f.start(other)
    f.ret(_ELSEWHERE)


def _write_attempt(module: ir.Module) -> None:
    """``ptr attempt(group, args, count, names)``: a call with arguments of one form."""
    f = module.function(
        "attempt", "ptr", [("group", "ptr"), ("args", "ptr"), ("count", "i64"), ("names", "ptr")], "internal"
    )
    group = f.param("group")
    elsewhere, right, matched, unmatched = (f.new_label(h) for h in ("elsewhere", "right", "matched", "unmatched"))  # fmt: skip
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
    put(f, frame, Frame, "owned_count", _ZERO)
    with f.loop(_ZERO, total, 1) as loop:
        put_at(f, get(f, frame, Frame, "objects"), loop.index, at(f, f.param("args"), loop.index))
    f.branch(_steps(f, group, Group, "steps"), matched, unmatched)
    for label in (matched, unmatched):
        f.start(label)
        result = _ELSEWHERE
        if label is matched:
            result = f.call("follow", "ptr", get(f, group, Group, "choices"), frame, _POOL)
        f.call("give_back", "void", get(f, frame, Frame, "owned"), get(f, frame, Frame, "owned_count"))
        f.ret(result)
    f.start(elsewhere)
    f.ret(_ELSEWHERE)


def _write_names(f: ir.Function, elsewhere: str) -> ir.Value:
    """See that the keywords are those expected, in this order; how many arguments there are in all."""
    group, names = f.param("group"), f.param("names")
    expected = get(f, group, Group, "keywords")
    none, some, more = (f.new_label(hint) for hint in ("none", "some", "more"))
    f.branch(f.compare("icmp eq", names, _NULL), none, some)
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
    with f.loop(_ZERO, given, 1) as loop:
        same = f.new_label("same")
        name = at(f, f.advance(names, ir.index(layout.ITEMS)), loop.index)
        expected_name = at(f, get(f, group, Group, "names"), loop.index)
        f.branch(f.compare("icmp eq", name, expected_name), same, elsewhere)
        f.start(same)
    return f.binary("add", f.param("count"), given)


def _write_enter(module: ir.Module, place: int) -> None:
    """``ptr enter(callable, args, count, names)``: what Python calls; at a place in the callable stands its `State`."""
    f = module.function(
        "enter", "ptr", [("callable", "ptr"), ("args", "ptr"), ("flagged", "i64"), ("names", "ptr")]
    )
    door = word(f, f.param("callable"), place, "ptr")
    gone, there = f.new_label("gone"), f.new_label("there")
    f.branch(f.compare("icmp eq", door, _NULL), gone, there)
    f.start(gone)
    f.call("PyErr_BadInternalCall", "void")
    f.ret(_NULL)
    f.start(there)
    # The highest bit of the count says that the caller lends the place before the arguments.
    number = f.binary("and", f.param("flagged"), ir.index(2**63 - 1))
    args = [f.param("args"), number, f.param("names")]
    state = word(f, door, layout.BUFFER, "ptr")
    groups, count = get(f, state, State, "groups"), get(f, state, State, "count")
    with f.loop(_ZERO, count, 1) as loop:
        result = f.call("attempt", "ptr", at(f, groups, loop.index), *args)
        done, other = f.new_label("done"), f.new_label("other")
        f.branch(f.compare("icmp eq", result, _ELSEWHERE), other, done)
        f.start(done)
        f.ret(result)
        f.start(other)
    f.ret(f.call("PyObject_Vectorcall", "ptr", get(f, state, State, "fallback"), *args))


def write_runtime(place: int) -> str:
    """The module of all functions that calls go through, without an address of this process. See `_write_enter`."""
    module = ir.Module()
    module.globals += [f"{name.name} = external global i8" for name in (_NDARRAY, _POOL)]
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


# --- one runtime for a process ----------------------------------------------------------------------------------------


class Runtime:
    """The functions that calls go through, compiled and loaded. It is never freed: arrays that outlive everything use it."""

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
