"""A trace as a native function: compile it, and call it on NumPy arrays.

What the cache has of a trace is loaded without the compiler (`wengert.native.compilation`), which is imported
when there is something to compile or to show. Equations that it cannot lower are run by the reference
interpreter between compiled pieces; the result is the same.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.core.evaluate import environment, evaluate, read
from wengert.core.trace import Atom, Equation, Trace, Var
from wengert.native.machine import team
from wengert.native.machine.host import Code, link
from wengert.native.machine.underflow import Underflow
from wengert.native.planning import fingerprint
from wengert.native.planning.fingerprint import Made
from wengert.native.planning.unlowerable import Unlowerable
from wengert.transforms.inline import inlined

if TYPE_CHECKING:
    from wengert.native.planning.plan import Plan

# Functions of other libraries, which planning makes known to the linker: their code is planned every time.
FOREIGN = r"@wengert_(?!team_)"


class Native:
    """A compiled trace.

    Its plan and its text are made when somebody asks for them, or when there is no code of it in the cache.
    The first so many inputs are ``given`` away: outputs may take their memory.
    """

    def __init__(self, trace: Trace, underflow: Underflow = Underflow.GRADUAL, given: int = 0) -> None:
        self.trace, self.underflow, self.given = trace, underflow, given
        self.made = self._found()
        self.constants = self.made.constants
        self.code: Code = link(*self.made.objects)
        self._function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(
            self.code.address("run")
        )
        self.arena_bytes = self._arena_bytes(team.LIMIT if self.shared else 1)

    @property
    def plan(self) -> Plan:
        """The kernels."""
        return self._planned[0]

    @cached_property
    def _planned(self) -> tuple[Plan, bool]:
        """The kernels, and whether threads share their work."""
        from wengert.native import compilation

        return compilation.planned(self.trace, self.given)

    @cached_property
    def ir(self) -> str:
        """The code in LLVM's language."""
        from wengert.native import compilation

        return compilation.written(*self._planned, self.underflow)

    def _found(self) -> Made:
        """What the cache has of this trace, or else what is made now."""
        name = fingerprint.name_of(self.trace, team.has_threads(), self.underflow, self.given)
        made = None if name is None else fingerprint.load(name)
        if made is None:
            return self._make(name)
        self._share(made.shared)
        return made

    def _make(self, name: fingerprint.Name | None) -> Made:
        """Compile the trace, and keep what can be kept."""
        from wengert.native import compilation

        self._share(self._planned[1])
        made = compilation.made(self.ir, *self._planned)
        if name is not None and not re.search(FOREIGN, self.ir):
            fingerprint.store(name, made)
        return made

    def _share(self, shared: bool) -> None:
        """Let threads share the work, or not."""
        self.shared = shared
        if shared:
            team.ready()

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        inputs = [
            np.ascontiguousarray(v, dtype=var.type.dtype)
            for v, var in zip(values, self.trace.inputs, strict=True)
        ]
        replaced = {o: _taken(inputs, i, values[i]) for i, o in self.made.in_place}
        outputs = [
            replaced[o] if o in replaced else np.empty(a.type.shape, a.type.dtype)
            for o, a in enumerate(self.trace.outputs)
        ]
        table = np.array([a.ctypes.data for a in (*inputs, *outputs, *self.constants)], dtype=np.uintp)
        arena = np.empty(self.arena_bytes + 64, np.uint8)
        start = -(-arena.ctypes.data // 64) * 64
        if self._function(table.ctypes.data, start):
            return evaluate(self.trace, values)  # raises where the index is out of bounds
        return [_returned(o, atom) for o, atom in zip(outputs, self.trace.outputs, strict=True)]

    def _arena_bytes(self, threads: int) -> int:
        return self.made.common + threads * self.made.each

    @property
    def threads(self) -> int:
        """How many threads share the work."""
        return team.get_threads() if self.shared else 1

    @property
    def memory(self) -> int:
        """Bytes that a call needs for values in between."""
        return self._arena_bytes(self.threads)

    def natives(self) -> list[Native]:
        """Itself: one piece of native code."""
        return [self]

    def interpreted(self) -> list[str]:
        """Operations that the interpreter runs: none."""
        return []


def _taken(inputs: list[Any], i: int, value: Any) -> Any:
    """The memory of an input for an output: the array itself, or a copy of one that must not be changed."""
    if inputs[i] is not value or not value.flags.writeable:
        inputs[i] = inputs[i].copy()
    return inputs[i]


def _returned(array: Any, atom: Atom) -> Any:
    if atom.type.shape:
        return array
    return array.item() if atom.type.weak else array[()]


class Pieces:
    """A trace in pieces: compiled runs of equations, and single ones that the interpreter runs."""

    def __init__(self, trace: Trace, underflow: Underflow) -> None:
        from wengert.native import compilation
        from wengert.transforms.simplify import simplify

        self.trace = simplify(trace)
        self.steps: list[tuple[Native | Equation, Sequence[Var], Sequence[Var]]] = []
        for piece in compilation.pieces(self.trace):
            if isinstance(piece, Equation):
                self.steps.append((piece, (), ()))
            else:
                self.steps.append((Native(piece, underflow), piece.inputs, piece.outputs))  # type: ignore[arg-type]

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


Run = Native | Pieces


def compile(trace: Trace, underflow: Underflow = Underflow.GRADUAL, given: int = 0) -> Run:
    """A function of flat values, the first so many of them given away, that has a trace's outputs."""
    trace = inlined(trace)
    try:
        return Native(trace, underflow, given)
    except Unlowerable:
        return Pieces(trace, underflow)
