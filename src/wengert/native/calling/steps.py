"""From one call's arguments and results to the steps that native code takes for all calls like it.

The arguments' objects are numbered as they are found: first the arguments themselves, then the parts of each.
A step says how one object must look and where its parts or its number go. Results are made from their leaves
upwards, on a stack, as a calculator in reverse Polish notation would.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import optree

from wengert.core import tree
from wengert.core.trace import Type
from wengert.native.calling import entry, recycle
from wengert.native.calling.actions import Step
from wengert.native.machine import ir


class Unmatched(Exception):
    """An object that native code has no step for."""


class Steps:
    """Steps that native code can walk through. ``kept`` are the objects whose addresses stand in them."""

    def __init__(self, actions: dict[str, int]) -> None:
        self.actions = actions
        self.rows: list[tuple[Any, ...]] = []
        self.kept: list[Any] = []

    def add(
        self,
        action: str,
        source: int = 0,
        target: int = 0,
        object: Any = None,
        count: int = 0,
        data: Any = None,
    ) -> None:
        """Add a step. ``data`` is a sequence of numbers or objects, or one object."""
        self.kept += [object, data]
        address = _address(data, self.kept)
        self.rows.append((self.actions[action], source, target, id(object), count, address))

    def array(self) -> Any:
        """The steps as C sees them."""
        return (Step * len(self.rows))(*(Step(*row) for row in self.rows))


def _address(data: Any, kept: list[Any]) -> int:
    if data is None:
        return 0
    if not isinstance(data, tuple):
        return id(data)
    words = (ctypes.c_int64 * len(data))(*(d if type(d) is int else id(d) for d in data))
    kept.append(words)
    return ctypes.addressof(words)


# --- arguments ----------------------------------------------------------------------------------------------


class Form:
    """How the arguments of a call look: steps that find the numbers in arguments of the same form.

    ``numbers`` says which leaves are numbers; the others belong to the form. The first so many numbers are
    ``given`` away.
    """

    def __init__(
        self,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        numbers: Iterable[int],
        actions: Any,
        given: int = 0,
    ) -> None:
        self.steps = Steps(actions)
        self.positional, self.names = len(args), tuple(kwargs)
        self.leaves: list[Any] = []
        self.objects = len(args) + len(kwargs)
        self.inputs, self._given = 0, given
        self._numbers = set(numbers)
        for i, argument in enumerate(args):
            self._visit(argument, i)
        for name in sorted(kwargs):
            self._visit(kwargs[name], len(args) + self.names.index(name))

    def key(self) -> Any:
        """Equal for equal forms."""
        return (self.positional, self.names, *(row[:5] for row in self.steps.rows), *self._shapes())

    def has_leaves(self, leaves: Sequence[Any]) -> bool:
        """Whether the leaves found are these very objects: other kinds of trees may hide some."""
        return len(leaves) == len(self.leaves) and all(a is b for a, b in zip(leaves, self.leaves))

    def _shapes(self) -> list[Any]:
        return [tuple(k) for k in self.steps.kept if type(k) is tuple]

    def _visit(self, o: Any, place: int) -> None:
        parts = _PARTS.get(type(o))
        if o is None:
            self.steps.add("match_identical", place, object=None)
        elif parts is not None:
            parts(self, o, place)
        elif (fields := tree.fields_of(type(o))) is not None:
            self._fields(o, place, *fields)
        elif optree.is_namedtuple(o):
            self._sequence("match_tuple", o, place)
        else:
            self._leaf(o, place)

    def _leaf(self, o: Any, place: int) -> None:
        number = len(self.leaves)
        self.leaves.append(o)
        if number not in self._numbers:
            self.steps.add("match_identical", place, object=o)
            return
        match = _given_array if self._is_given(o) else _NUMBERS.get(type(o))
        if match is None:
            raise Unmatched(type(o).__name__)
        match(self.steps, o, place, self.inputs)
        self.inputs += 1

    def _is_given(self, o: Any) -> bool:
        return self.inputs < self._given and type(o) is np.ndarray

    def _enter(self, action: str, o: Any, place: int, parts: Sequence[Any], data: Any = None) -> int:
        """A step into an object; where its parts will be."""
        first = self.objects
        self.objects += len(parts)
        self.steps.add(action, place, first, type(o), len(parts), data)
        return first

    def _sequence(self, action: str, o: Any, place: int) -> None:
        first = self._enter(action, o, place, o)
        for i, part in enumerate(o):
            self._visit(part, first + i)

    def _dict(self, o: dict[Any, Any], place: int) -> None:
        if not all(type(key) is str for key in o):
            raise Unmatched("a dict with keys that are no strings")
        keys = tuple(sorted(o))
        first = self._enter("match_dict", o, place, keys, keys)
        for i, key in enumerate(keys):
            self._visit(o[key], first + i)

    def _fields(self, o: Any, place: int, children: Sequence[str], static: Sequence[str]) -> None:
        names = (*children, *static)
        first = self._enter("match_fields", o, place, names, names)
        for i, name in enumerate(children):
            self._visit(getattr(o, name), first + i)
        for i, name in enumerate(static, len(children)):
            self.steps.add("match_identical", first + i, object=getattr(o, name))


_PARTS: dict[type, Callable[[Form, Any, int], None]] = {
    tuple: lambda form, o, place: form._sequence("match_tuple", o, place),
    list: lambda form, o, place: form._sequence("match_list", o, place),
    dict: lambda form, o, place: form._dict(o, place),
}


def _scalar(steps: Steps, o: Any, place: int, number: int) -> None:
    steps.add("match_scalar", place, number, type(o))


def _boolean(steps: Steps, o: Any, place: int, number: int) -> None:
    steps.add("match_boolean", place, number, bool, data=True)


def _integer(steps: Steps, o: Any, place: int, number: int) -> None:
    steps.add("match_integer", place, number, int)


def _array(steps: Steps, o: Any, place: int, number: int, action: str = "match_array") -> None:
    if not is_plain(o.dtype):
        raise Unmatched(f"an array of {o.dtype}")
    steps.add(action, place, number, np.dtype(o.dtype.str), o.ndim, o.shape)


def _given_array(steps: Steps, o: Any, place: int, number: int) -> None:
    _array(steps, o, place, number, "match_given_array")


def is_plain(dtype: np.dtype[Any]) -> bool:
    """Whether native code has numbers of this dtype."""
    return dtype.isnative and dtype.fields is None and f"{dtype.kind}{dtype.itemsize}" in ir._TYPES


SCALARS = (
    np.float64, np.float32, np.bool_, np.int8, np.int16, np.int32, np.int64,
    np.uint8, np.uint16, np.uint32, np.uint64,
)  # fmt: skip
_NUMBERS: dict[type, Callable[[Steps, Any, int, int], None]] = {
    float: _scalar,
    bool: _boolean,
    int: _integer,
    np.ndarray: _array,
    **dict.fromkeys(SCALARS, _scalar),
}


# --- results ------------------------------------------------------------------------------------------------


class Leaf:
    """Stands for a leaf of a result: an output by its place, or what is the same in every call."""

    def __init__(self, output: int | None, value: Any, type: Type | None) -> None:
        self.output, self.value, self.type = output, value, type


class Results:
    """The steps that make room for results (``prepare``) and that build them (``build``).

    ``replaced`` are the inputs whose memory outputs take, by the number of the output.
    """

    def __init__(
        self, types: Sequence[Type], leaves: Sequence[Leaf], structure: Any, made: entry.Runtime,
        replaced: Mapping[int, int] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        self.prepare, self.build = Steps(made.actions), Steps(made.actions)
        self.depth = 0
        self._prepare(types, made, replaced)
        try:
            self._visit(tree.unflatten(structure, leaves))
        except Unmatched:
            self.build = Steps(made.actions)
            self._finish(leaves, structure)

    def _prepare(self, types: Sequence[Type], made: entry.Runtime, replaced: Mapping[int, int]) -> None:
        for i, type in enumerate(types):
            if i in replaced:
                self.prepare.add("take_array", replaced[i], i)
            elif type.nbytes >= recycle.LARGE:
                self.prepare.add("make_large_array", id(made.handler), i, type.dtype, type.ndim, type.shape)
            elif type.shape:
                self.prepare.add("make_array", 0, i, type.dtype, type.ndim, type.shape)

    def _visit(self, o: Any) -> None:
        if type(o) is Leaf:
            self._push(o)
        elif o is None:
            self.push("push_object", object=None)
        elif (fields := tree.fields_of(type(o))) is not None:
            self._fields(o, *fields)
        else:
            self._parts(o)

    def _parts(self, o: Any) -> None:
        build = _BUILDS.get(type(o)) or (optree.is_namedtuple(o) and "build_tree")
        if not build:
            raise Unmatched(type(o).__name__)
        for part in o.values() if type(o) is dict else o:
            self._visit(part)
        self._join(build, type(o), len(o), tuple(o) if type(o) is dict else None)

    def _fields(self, o: Any, children: Sequence[str], static: Sequence[str]) -> None:
        for name in static:
            self.push("push_object", object=getattr(o, name))
        for name in children:
            self._visit(getattr(o, name))
        self._join("build_fields", type(o), len(static) + len(children), (*static, *children))

    def _join(self, action: str, object: Any, count: int, data: Any = None) -> None:
        """A step that takes parts from the stack and puts one object there."""
        self.build.add(action, object=object, count=count, data=data)
        self.depth += 1

    def push(self, action: str, source: int = 0, object: Any = None) -> None:
        """A step that puts one object on the stack."""
        self.build.add(action, source, object=object)
        self.depth += 1

    def _push(self, leaf: Leaf) -> None:
        if leaf.output is None:
            constant = type(leaf.value) is np.ndarray
            self.push("push_copy" if constant else "push_object", object=leaf.value)
            return
        assert leaf.type is not None
        self.push(_push_action(leaf.type), leaf.output, _made_of(leaf.type))

    def _finish(self, leaves: Sequence[Leaf], structure: Any) -> None:
        for leaf in leaves:
            self._push(leaf)
        self._join("build_tree", lambda *values: tree.unflatten(structure, values), len(leaves))


_BUILDS: dict[type, str] = {tuple: "build_tuple", list: "build_list", dict: "build_dict"}
_WEAK = {"f": "push_float", "i": "push_integer", "b": "push_boolean"}


def _push_action(type: Type) -> str:
    if type.shape:
        return "push_array"
    if type.weak:
        return _WEAK[type.dtype.kind]
    return "push_numpy_boolean" if type.dtype.kind == "b" else "push_scalar"


def _made_of(type: Type) -> Any:
    """What a step needs in order to make a scalar: its class, or its dtype."""
    return type.dtype if type.dtype.kind == "b" else type.dtype.type
