"""The native entry of one jitted function: which forms of arguments it knows, and what it runs for each.

A door is made of structures that native code reads while other threads may add to them, so nothing in it ever
moves: an address is written first and counted afterwards.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.native.calling import entry, recycle
from wengert.native.calling.steps import Form, Leaf, Results, Unmatched, is_plain
from wengert.native.paths import ANSWER, MAX_PATHS, Path, Paths
from wengert.native.program import Native

MAX_FORMS = 64


class Door(entry.State):
    """A state with everything that it points to."""

    def __init__(self, fallback: Callable[..., Any], place: int) -> None:
        self.runtime = entry.runtime(place)
        self.forms: set[Any] = set()
        self.choices: dict[int, _Choices] = {}
        self._changing = threading.Lock()
        table = (ctypes.c_void_p * MAX_FORMS)()
        self.kept: list[Any] = [fallback, table]
        super().__init__(0, ctypes.addressof(table), id(fallback))

    def admit(self, given: Any, paths: Paths) -> None:
        """Take calls with arguments of this form, if there are steps for them.

        While another thread is here nothing is done: there will be another call.
        """
        if self._changing.acquire(blocking=False):
            try:
                self._admit(given, paths)
            finally:
                self._changing.release()

    def _admit(self, given: Any, paths: Paths) -> None:
        choices = self._choices_of(paths)
        if choices is None or self.count >= MAX_FORMS:
            return
        try:
            form = Form(given.args, given.kwargs, given.numbers, self.runtime.actions, paths.given)
        except Unmatched:
            return
        if form.has_leaves(given.leaves) and form.key() not in self.forms:
            self.forms.add(form.key())
            self._append(form, choices)

    def _choices_of(self, paths: Paths) -> _Choices | None:
        """The native paths of a signature, brought up to date."""
        known = self.choices.setdefault(id(paths), _Choices(paths, self.runtime))
        known.update()
        return known if known.count else None

    def _append(self, form: Form, choices: _Choices) -> None:
        steps = form.steps.array()
        names = (ctypes.c_void_p * len(form.names))(*map(id, form.names))
        start = ctypes.addressof(steps)
        group = entry.Group(
            form.positional, len(form.names), ctypes.addressof(names), form.objects, form.inputs,
            start, start + ctypes.sizeof(steps), ctypes.addressof(choices),
        )  # fmt: skip
        self.kept += [form.steps, form.names, steps, names, group, choices]
        (ctypes.c_void_p * MAX_FORMS).from_address(self.groups)[self.count] = ctypes.addressof(group)
        self.count += 1


class _Choices(entry.Choices):
    """The native ones among the paths of a signature."""

    def __init__(self, source: Paths, made: entry.Runtime) -> None:
        super().__init__()
        self.source, self.made, self.seen = source, made, 0
        self.table = (ctypes.c_void_p * MAX_PATHS)()
        self.paths = ctypes.addressof(self.table)
        self.kept: list[Any] = []

    def update(self) -> None:
        """Add the paths that are new."""
        for path in self.source.paths[self.seen :]:
            self.seen += 1
            if isinstance(path.run, Native) and all(is_plain(v.type.dtype) for v in path.run.trace.inputs):
                found = native_path(path, path.run, self.made)
                self.kept.append(found)
                self.table[self.count] = ctypes.addressof(found)
                self.count += 1


class _Path(entry.Path):
    """A path with everything that it points to."""


def native_path(path: Path, native: Native, made: entry.Runtime) -> _Path:
    """A compiled path as native code sees it."""
    types = [atom.type for atom in native.trace.outputs]
    leaves = [
        Leaf(place, constant, None if place is None else types[place])
        for place, constant in zip(path.places, path.constants, strict=True)
    ]
    results = Results(types, leaves, path.structure, made, {o: i for i, o in native.made.in_place})
    prepare, build = results.prepare.array(), results.build.array()
    constants = (ctypes.c_void_p * len(native.constants))(*(c.ctypes.data for c in native.constants))
    answers = ctypes.create_string_buffer(b"".join(path.answers), ANSWER * len(path.answers) + 1)
    size = native.arena_bytes
    private = np.empty((size if size < recycle.LARGE else 0) + 64, np.uint8)
    found = _Path(
        run=native.code.address("run"), inputs=len(native.trace.inputs), outputs=len(types),
        constants=len(constants), constant=ctypes.addressof(constants), depth=results.depth,
        answers=ctypes.addressof(answers), guards=len(path.answers), first_guard=path.count,
        arena=-(-private.ctypes.data // 64) * 64, arena_bytes=size, busy=int(size >= recycle.LARGE),
        long=int(native.made.long),
    )  # fmt: skip
    for name, steps in (("prepare", prepare), ("build", build)):
        setattr(found, name, ctypes.addressof(steps))
        setattr(found, f"{name}_end", ctypes.addressof(steps) + ctypes.sizeof(steps))
    found.kept = [native, results, prepare, build, constants, answers, private]
    return found
