"""Functions whose Python control flow depends on values: one compiled trace for each path that has been taken.

When Python asks a tracer for a truth value or an index, the answer is a *guard*: the trace holds where the answers are the same.
A compiled path gives the answers with its results. The first one that differs says which other path to take; a path that was
never taken is recorded from the call at hand, and kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from wengert.core.recorder import type_of
from wengert.core.recording import Recording, record
from wengert.core.trace import Trace, Type, Var
from wengert.errors import location
from wengert.native.program import Run, compile
from wengert.transforms.simplify import simplify

MAX_PATHS = 64
Call = Callable[[Callable[..., Any], list[Any]], Any]


class Path:
    """One way through a function: its compiled trace, and the answers that it rests on."""

    def __init__(self, recording: Recording, guards: Sequence[tuple[Var, Any]]) -> None:
        outputs = recording.atoms()
        self.structure = recording.structure
        self.count = len(outputs)
        self.answers = [answer for _, answer in guards]
        whole = Trace(recording.inputs, recording.recorder.equations, [*outputs, *(var for var, _ in guards)])
        self.run: Run = compile(simplify(whole))

    def __call__(self, leaves: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """The results, and the answers for these arguments."""
        found = self.run(leaves)
        return found[: self.count], found[self.count :]


class Paths:
    """The paths of a function for arguments of one signature."""

    def __init__(self, f: Callable[..., Any], types: Sequence[Type]) -> None:
        self.f, self.types = f, types
        self.paths: list[Path] = []
        self.interpreted = ""

    def __call__(self, leaves: list[Any], call: Call) -> tuple[list[Any], Any]:
        """The flat results for these leaves, and their structure."""
        if self.interpreted:
            return self._record(leaves, call)[0]
        path = self.paths[0] if self.paths else None
        known: list[Any] = []
        while path is not None:
            results, answers = path(leaves)
            i = next((i for i, (a, b) in enumerate(zip(answers, path.answers, strict=True)) if a != b), None)
            if i is None:
                return results, path.structure
            known = [*path.answers[:i], answers[i]]
            path = next((p for p in self.paths if p.answers[: i + 1] == known), None)
        return self._take_new_path(leaves, call)

    def _take_new_path(self, leaves: list[Any], call: Call) -> tuple[list[Any], Any]:
        found, recording, guards = self._record(leaves, call)
        if recording.recorder.opaque:
            self._give_up(
                f"the shape of a result depends on values at {recording.recorder.opaque or 'some line'}"
            )
        elif len(self.paths) >= MAX_PATHS:
            self._give_up(f"more than {MAX_PATHS} paths have been taken")
        else:
            self.paths.append(Path(recording, guards))
        return found

    def _record(self, leaves: list[Any], call: Call) -> Any:
        guards: list[tuple[Var, Any]] = []
        recording = record(self.f, leaves, call, guards=guards)
        recording.recorder.keep()
        values = [recording.value(output) for output in recording.outputs]
        return (values, recording.structure), recording, guards

    def _give_up(self, why: str) -> None:
        self.interpreted = why
        warnings.warn(
            f"{location()}jit runs this function by the interpreter: {why}. Write wg.while_loop, wg.scan or wg.cond where the "
            "number of steps depends on values, and np.where in place of masks.",
            RuntimeWarning,
            stacklevel=4,
        )


def signature(leaves: Sequence[Any]) -> tuple[Type, ...]:
    """The types that a compiled function is made for."""
    return tuple(type_of(leaf) for leaf in leaves)
