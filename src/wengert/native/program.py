"""A trace as a native function: compile it, and call it on NumPy arrays.

Equations that the compiler cannot lower are run by the reference interpreter between compiled pieces; the
result is the same.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.evaluate import environment, evaluate, read
from wengert.core.trace import Atom, Equation, Trace, Var
from wengert.native import team
from wengert.native.emit import arena_bytes, write_module
from wengert.native.host import Code, load, this_host
from wengert.native.kernels import Unlowerable
from wengert.native.plan import Plan
from wengert.native.work import is_worth_sharing


class Native:
    """A compiled trace."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.plan = Plan(trace)
        self.shared = team.has_threads() and is_worth_sharing(self.plan)
        if self.shared:
            team.ready()
            self.plan.spread()
        self.ir = write_module(self.plan, this_host(), threads=self.shared)
        self.code: Code = load(self.ir)
        self._function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(
            self.code.address("run")
        )
        self.arena_bytes = arena_bytes(self.plan, this_host(), team.LIMIT if self.shared else 1)
        self.constants = [np.ascontiguousarray(c) for c in self.plan.constants]

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        inputs = [
            np.ascontiguousarray(v, dtype=b.dtype) for v, b in zip(values, self.plan.inputs, strict=True)
        ]
        outputs = [np.empty(a.type.shape, a.type.dtype) for a in self.trace.outputs]
        table = np.array([a.ctypes.data for a in (*inputs, *outputs, *self.constants)], dtype=np.uintp)
        arena = np.empty(self.arena_bytes + 64, np.uint8)
        start = -(-arena.ctypes.data // 64) * 64
        if self._function(table.ctypes.data, start):
            return evaluate(self.trace, values)  # raises where the index is out of bounds
        return [_returned(o, atom) for o, atom in zip(outputs, self.trace.outputs, strict=True)]

    @property
    def threads(self) -> int:
        """How many threads share the work."""
        return team.get_threads() if self.shared else 1

    @property
    def memory(self) -> int:
        """Bytes that a call needs for values in between."""
        return arena_bytes(self.plan, this_host(), self.threads)

    def natives(self) -> list[Native]:
        """Itself: one piece of native code."""
        return [self]

    def interpreted(self) -> list[str]:
        """Operations that the interpreter runs: none."""
        return []


def _returned(array: Any, atom: Atom) -> Any:
    if atom.type.shape:
        return array
    return array.item() if atom.type.weak else array[()]


class Pieces:
    """A trace in pieces: compiled runs of equations, and single ones that the interpreter runs."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.steps: list[tuple[Native | Equation, Sequence[Var], Sequence[Var]]] = []
        for run in _runs(trace):
            if len(run) == 1 and not _lowers(run[0]):
                self.steps.append((run[0], (), ()))
            else:
                piece = _piece(trace, run)
                self.steps.append((Native(piece), piece.inputs, piece.outputs))  # type: ignore[arg-type]

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        env: dict[Var, Any] = dict(zip(self.trace.inputs, values, strict=True))
        for step, inputs, outputs in self.steps:
            if isinstance(step, Equation):
                variables = list(dict.fromkeys(step.variables()))
                found = environment(Trace(variables, [step], []), [env[v] for v in variables])
                env.update({v: found[v] for v in step.outputs})
            else:
                env.update(zip(outputs, step([env[v] for v in inputs]), strict=True))
        return [read(env, atom) for atom in self.trace.outputs]

    def natives(self) -> list[Native]:
        """The pieces of native code, in order."""
        return [step for step, _, _ in self.steps if isinstance(step, Native)]

    def interpreted(self) -> list[str]:
        """Operations that the interpreter runs."""
        return [step.primitive.name for step, _, _ in self.steps if isinstance(step, Equation)]


def _runs(trace: Trace) -> list[list[Equation]]:
    runs: list[list[Equation]] = []
    for equation in trace.equations:
        able = _lowers(equation)
        if able and runs and _lowers(runs[-1][0]):
            runs[-1].append(equation)
        else:
            runs.append([equation])
    return runs


def _lowers(equation: Equation) -> bool:
    """Whether the compiler can lower an equation: try it alone."""
    variables = list(dict.fromkeys(equation.variables()))
    try:
        write_module(Plan(Trace(variables, [equation], equation.outputs)), this_host())
    except Unlowerable:
        return False
    return True


def _piece(trace: Trace, run: Sequence[Equation]) -> Trace:
    """A run of equations as a trace of its own: what it needs from outside, and what others need of it."""
    made = {v for e in run for v in e.outputs}
    inputs = list(dict.fromkeys(v for e in run for v in e.variables() if v not in made))
    inside = {id(e) for e in run}
    used = {v for e in trace.equations if id(e) not in inside for v in e.variables()}
    used |= {a for a in trace.outputs if type(a) is Var}
    return Trace(inputs, run, [v for e in run for v in e.outputs if v in used])


Run = Native | Pieces


def compile(trace: Trace) -> Run:
    """A function of flat values that gives a trace's outputs by native code."""
    try:
        return Native(trace)
    except Unlowerable:
        return Pieces(trace)
