"""Steps of a call: objects to look at, and objects to make.

Each kind of step is a function in native code, ``i1 action(step, frame)``, which gives false where an
argument is not as it was or a result cannot be made. Matching steps find the numbers in the arguments, making
steps prepare arrays for results, pushing and building steps put the results together on a stack.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import AbstractContextManager

from wengert.native.calling import layout
from wengert.native.calling.structures import at, equal, get, go_on, increment, is_null, is_some, put_at, word
from wengert.native.machine import ir

NULL, ZERO, ONE = ir.Value("null", "ptr"), ir.index(0), ir.index(1)
NO, YES = ir.Value("false", "i1"), ir.Value("true", "i1")
NDARRAY = ir.Value("@numpy_ndarray", "ptr")  # NumPy's class


class Step(ctypes.Structure):
    """One object to look at or to make: ``action`` is the function for it, the rest are its parameters."""

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

    ``objects`` are the arguments and what was found in them, ``inputs`` the addresses of numbers; ``scratch``
    holds numbers that had to be converted and arrays that are given away, ``owned`` the references that the
    call must give back. ``made`` are arrays for results, ``outputs`` the addresses of the results' numbers;
    ``stack`` holds finished objects. ``next`` is the path to try next.
    """

    _fields_ = [
        ("objects", ctypes.c_void_p),
        ("inputs", ctypes.c_void_p),
        ("scratch", ctypes.c_void_p),
        ("owned", ctypes.c_void_p),
        ("owned_count", ctypes.c_int64),
        ("made", ctypes.c_void_p),
        ("outputs", ctypes.c_void_p),
        ("stack", ctypes.c_void_p),
        ("depth", ctypes.c_int64),
        ("next", ctypes.c_void_p),
    ]


class Action:
    """Writes the function of a kind of step: ``i1 action(step, frame)``, false where it cannot be taken."""

    def __init__(self, module: ir.Module, name: str) -> None:
        self.f = module.function(name, "i1", [("step", "ptr"), ("frame", "ptr")])
        self.step, self.frame, self.failed = self.f.param("step"), self.f.param("frame"), "failed"

    def end(self) -> None:
        """Write the two ways out."""
        self.f.ret(YES)
        self.f.start(self.failed)
        self.f.ret(NO)

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
        go_on(self.f, condition, self.failed)

    def require_equal(self, a: ir.Value, b: ir.Value) -> None:
        """Go on only if they are the same."""
        self.require(equal(self.f, a, b))

    def require_some(self, pointer: ir.Value) -> ir.Value:
        """What is not null: go on only then; a Python exception is forgotten."""
        some, none = self.f.new_label("some"), self.f.new_label("none")
        self.f.branch(is_null(self.f, pointer), none, some)
        self.f.start(none)
        self.f.call("PyErr_Clear", "void")
        self.f.jump(self.failed)
        self.f.start(some)
        return pointer

    def typed(self) -> ir.Value:
        """The object to look at: go on only if it is exactly of the step's type."""
        o = self.source()
        self.require_equal(word(self.f, o, layout.TYPE, "ptr"), self.given("object"))
        return o

    def sequence(self) -> ir.Value:
        """The object to look at: go on only if it is a sequence of the step's type and length."""
        o = self.typed()
        self.require_equal(word(self.f, o, layout.SIZE), self.given("count"))
        return o

    def kept(self, o: ir.Value) -> ir.Value:
        """An object with one more reference to it."""
        self.f.call("Py_IncRef", "void", o)
        return o

    def found(self, address: ir.Value) -> None:
        """Note where the number of an input is."""
        put_at(self.f, self.room("inputs"), self.given("target"), address)

    def converted(self, number: ir.Value) -> None:
        """Keep the number of an input in the scratch memory."""
        put_at(self.f, self.room("scratch"), self.given("target"), number)
        self.found(self.f.offset(self.room("scratch"), "i64", self.given("target")))

    def own(self, o: ir.Value) -> None:
        """Give a reference back at the end of the call."""
        count = increment(self.f, self.frame, Frame, "owned_count", ONE)
        put_at(self.f, self.room("owned"), self.f.binary("sub", count, ONE), o)

    def part(self, i: ir.Value, o: ir.Value) -> None:
        """Note a part of the object looked at."""
        put_at(self.f, self.room("objects"), self.f.binary("add", self.given("target"), i), o)

    def own_parts(self, part: Callable[[ir.Value], ir.Value]) -> None:
        """Note the parts by their numbers. They are kept alive: somebody may change what they are in."""
        with self.each() as loop:
            o = part(loop.index)
            self.own(o)
            self.part(loop.index, o)

    def each(self) -> AbstractContextManager[ir.Loop]:
        """A loop over as many parts as the step counts."""
        return self.f.loop(ZERO, self.given("count"), 1)

    def named(self, function: str, o: ir.Value, i: ir.Value) -> ir.Value:
        """What a function of Python's finds in an object under the i-th of the step's names."""
        return self.require_some(self.f.call(function, "ptr", o, at(self.f, self.given("data"), i)))

    def cell(self) -> ir.Value:
        """Where the number of a result is."""
        return at(self.f, self.room("outputs"), self.given("source"))

    def made(self, name: str, *args: ir.Value) -> ir.Value:
        """A new object of a function of Python's; where there is none the exception stands."""
        o = self.f.call(name, "ptr", *args)
        self.require(is_some(self.f, o))
        return o

    def push(self, o: ir.Value) -> None:
        """A finished object, unless it is null: then the exception stands."""
        self.require(is_some(self.f, o))
        depth = increment(self.f, self.frame, Frame, "depth", ONE)
        put_at(self.f, self.room("stack"), self.f.binary("sub", depth, ONE), o)

    def parts(self) -> ir.Value:
        """Where on the stack the parts of a new object begin."""
        depth = get(self.f, self.frame, Frame, "depth")
        return self.f.offset(self.room("stack"), "ptr", self.f.binary("sub", depth, self.given("count")))

    def drop_parts(self) -> None:
        """The parts have gone into the new object."""
        increment(self.f, self.frame, Frame, "depth", self.f.binary("sub", ZERO, self.given("count")))


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
    """The step's object itself."""
    a.require_equal(a.source(), a.given("object"))


@action("match_scalar")
def _match_scalar(a: Action) -> None:
    """A float or a NumPy scalar: used where it stands."""
    a.found(a.f.advance(a.typed(), ir.index(layout.VALUE)))


@action("match_integer")
def _match_integer(a: Action) -> None:
    """A Python integer of at most 64 bits."""
    o = a.typed()
    overflow = a.f.emit("alloca i32", "ptr")
    number = a.f.call("PyLong_AsLongLongAndOverflow", "i64", o, overflow)
    a.require_equal(a.f.load("i32", overflow, 4), ir.constant(0, "i32"))
    a.converted(number)


@action("match_boolean")
def _match_boolean(a: Action) -> None:
    """True, which is the step's data, or False."""
    a.converted(a.f.cast("zext", equal(a.f, a.typed(), a.given("data")), "i64"))


@action("match_array")
def _match_array(a: Action) -> None:
    """An array of a dtype (the step's object) and shape; one that is not row-major is copied."""
    o = a.source()
    _require_array(a, o)
    ready = _has_flags(a, o, layout.CONTIGUOUS_AND_ALIGNED)
    straight, copied, done = (a.f.new_label(hint) for hint in ("straight", "copied", "done"))
    a.f.branch(ready, straight, copied)
    a.f.start(copied)
    copy = a.f.call("PyArray_NewCopy", "ptr", o, ir.constant(0, "i32"))
    a.own(a.require_some(copy))
    a.found(word(a.f, copy, layout.DATA, "ptr"))
    a.f.jump(done)
    a.f.start(straight)
    a.found(word(a.f, o, layout.DATA, "ptr"))
    a.f.jump(done)
    a.f.start(done)


@action("match_given_array")
def _match_given_array(a: Action) -> None:
    """The same of an array that is given away: one that a result can be written over."""
    o = a.source()
    _require_array(a, o)
    a.require(_has_flags(a, o, layout.CONTIGUOUS_AND_ALIGNED | layout.WRITEABLE))
    put_at(a.f, a.room("scratch"), a.given("target"), o)
    a.found(word(a.f, o, layout.DATA, "ptr"))


def _require_array(a: Action, o: ir.Value) -> None:
    a.require_equal(word(a.f, o, layout.TYPE, "ptr"), NDARRAY)
    count = a.f.cast("trunc", a.given("count"), "i32")
    a.require_equal(word(a.f, o, layout.NDIM, "i32"), count)
    a.require(_same_dtype(a, word(a.f, o, layout.DESCR, "ptr"), a.given("object")))
    shape, expected = word(a.f, o, layout.SHAPE, "ptr"), a.given("data")
    with a.each() as loop:
        a.require_equal(at(a.f, shape, loop.index, "i64"), at(a.f, expected, loop.index, "i64"))


def _has_flags(a: Action, o: ir.Value, flags: int) -> ir.Value:
    wanted = ir.constant(flags, "i32")
    return equal(a.f, a.f.binary("and", word(a.f, o, layout.FLAGS, "i32"), wanted), wanted)


def _same_dtype(a: Action, found: ir.Value, expected: ir.Value) -> ir.Value:
    """By number and byte order: equal dtypes need not be the same object."""
    both = [
        equal(a.f, word(a.f, found, place, type), word(a.f, expected, place, type))
        for place, type in ((layout.TYPE_NUMBER, "i32"), (layout.BYTE_ORDER, "i8"))
    ]
    return a.f.binary("and", *both)


@action("match_tuple")
def _match_tuple(a: Action) -> None:
    """A tuple of so many items."""
    items = a.f.advance(a.sequence(), ir.index(layout.ITEMS))
    with a.each() as loop:
        a.part(loop.index, at(a.f, items, loop.index))


@action("match_list")
def _match_list(a: Action) -> None:
    """A list of so many items."""
    o = a.sequence()
    a.own_parts(lambda i: a.kept(at(a.f, word(a.f, o, layout.ITEMS, "ptr"), i)))


@action("match_dict")
def _match_dict(a: Action) -> None:
    """A dict with these keys."""
    o = a.typed()
    a.require_equal(a.f.call("PyDict_Size", "i64", o), a.given("count"))
    a.own_parts(lambda i: a.kept(a.named("PyDict_GetItemWithError", o, i)))


@action("match_fields")
def _match_fields(a: Action) -> None:
    """A dataclass: its fields by name."""
    o = a.typed()
    a.own_parts(lambda i: a.named("PyObject_GetAttr", o, i))


@action("make_array")
def _make_array(a: Action) -> None:
    """A new array of a dtype and shape, for a result's numbers."""
    _keep_array(a, _new_array(a))


@action("make_large_array")
def _make_large_array(a: Action) -> None:
    """The same with memory from the handler whose address is the step's source."""
    handler = a.f.cast("inttoptr", a.given("source"), "ptr")
    before = a.f.call("PyDataMem_SetHandler", "ptr", handler)
    a.require(is_some(a.f, before))
    array = _new_array(a)
    replaced = a.f.call("PyDataMem_SetHandler", "ptr", before)
    for o in (before, replaced):
        a.f.call("Py_DecRef", "void", o)
    _keep_array(a, array)


def _new_array(a: Action) -> ir.Value:
    a.f.call("Py_IncRef", "void", a.given("object"))
    return a.f.call(
        "PyArray_NewFromDescr", "ptr", NDARRAY, a.given("object"),
        a.f.cast("trunc", a.given("count"), "i32"), a.given("data"), NULL, NULL, ir.constant(0, "i32"), NULL,
    )  # fmt: skip


@action("take_array")
def _take_array(a: Action) -> None:
    """The array of an input, by its number, for a result."""
    _keep_array(a, a.kept(at(a.f, a.room("scratch"), a.given("source"))))


def _keep_array(a: Action, array: ir.Value) -> None:
    a.require(is_some(a.f, array))
    put_at(a.f, a.room("made"), a.given("target"), array)
    put_at(a.f, a.room("outputs"), a.given("target"), word(a.f, array, layout.DATA, "ptr"))


def _pushes(kind: str, function: str, type: str) -> None:
    """Declare the step that pushes a number of Python's: what makes it, and what it is made from."""
    action(kind)(lambda a: a.push(a.f.call(function, "ptr", a.f.load(type, a.cell(), 8))))


_pushes("push_float", "PyFloat_FromDouble", "double")
_pushes("push_integer", "PyLong_FromLongLong", "i64")
_pushes("push_boolean", "PyBool_FromLong", "i64")


@action("push_scalar")
def _push_scalar(a: Action) -> None:
    """A NumPy scalar of the step's type."""
    o = a.f.call("_PyObject_New", "ptr", a.given("object"))
    a.push(o)
    a.f.store(a.f.load("i64", a.cell(), 8), a.f.advance(o, ir.index(layout.VALUE)), 8)


@action("push_numpy_boolean")
def _push_numpy_boolean(a: Action) -> None:
    """``np.True_`` or ``np.False_``: the step's object is the dtype."""
    a.push(a.f.call("PyArray_Scalar", "ptr", a.cell(), a.given("object"), NULL))


@action("push_array")
def _push_array(a: Action) -> None:
    """An array for a result."""
    a.push(at(a.f, a.room("made"), a.given("source")))
    put_at(a.f, a.room("made"), a.given("source"), NULL)


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
    with a.each() as loop:
        put_at(a.f, items, loop.index, at(a.f, parts, loop.index))
    a.drop_parts()
    a.push(made)


@action("build_dict")
def _build_dict(a: Action) -> None:
    """A dict of the step's keys."""
    _fill_by_name(a, a.made("PyDict_New"), "PyDict_SetItem")


@action("build_fields")
def _build_fields(a: Action) -> None:
    """An object of a dataclass: as ``object.__new__`` and ``object.__setattr__`` would make it."""
    _fill_by_name(a, a.made("PyType_GenericAlloc", a.given("object"), ZERO), "PyObject_GenericSetAttr")


def _fill_by_name(a: Action, made: ir.Value, function: str) -> None:
    """Parts go into a new object under the step's names."""
    parts = a.parts()
    with a.each() as loop:
        part = at(a.f, parts, loop.index)
        a.f.call(function, "i32", made, at(a.f, a.given("data"), loop.index), part)
        a.f.call("Py_DecRef", "void", part)
    a.drop_parts()
    a.push(made)


@action("build_tree")
def _build_tree(a: Action) -> None:
    """Any other tree: the step's object is a Python function of its parts."""
    parts = a.parts()
    made = a.f.call("PyObject_Vectorcall", "ptr", a.given("object"), parts, a.given("count"), NULL)
    with a.each() as loop:
        a.f.call("Py_DecRef", "void", at(a.f, parts, loop.index))
    a.drop_parts()
    a.push(made)
