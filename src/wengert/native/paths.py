"""Functions whose Python control flow depends on values: one compiled trace for each path that has been
taken.

When Python asks a tracer for a truth value or an index, the answer is a *guard*: the trace holds where the
answers are the same. A compiled path gives the answers with its results. The first one that differs says
which other path to take; a path that was never taken is recorded from the call at hand, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

import numpy as np

from wengert.core.recorder import Tracer, type_of
from wengert.core.recording import Recording, record
from wengert.core.trace import Literal, Trace, Type, Var
from wengert.errors import at_user_line, location, warn
from wengert.native.options import Options
from wengert.native.program import Run, compile

MAX_PATHS = 64
ANSWER = 16  # bytes of an answer, filled up with zeros
Call = Callable[[Callable[..., Any], list[Any]], Any]


class Path:
    """One way through a function: its compiled trace, and the answers that it rests on.

    For each leaf of the result, ``places`` says which output of the trace it is, or None for one that is the
    same in every call and stands in ``constants``.
    """

    def __init__(
        self, recording: Recording, guards: Sequence[tuple[Var, Any, str]], options: Options, given: int
    ) -> None:
        self.structure = recording.structure
        traced = [o.variable for o in recording.outputs if recording.is_traced(o)]
        numbers = iter(range(len(traced)))
        self.places = [next(numbers) if recording.is_traced(o) else None for o in recording.outputs]
        self.constants = [None if recording.is_traced(o) else _kept(o) for o in recording.outputs]
        self.count = len(traced)
        self.answers = [encoded(answer, var.type) for var, answer, _ in guards]
        self.types = [var.type for var, _, _ in guards]
        self.conditions = [f"{where}the answer is {answer}" for _, answer, where in guards]
        outputs = [*traced, *(var for var, _, _ in guards)]
        trace = Trace(recording.inputs, recording.recorder.equations, outputs)
        # Where an answer may turn out another, the arguments are needed once more.
        self.run: Run = compile(trace, options.underflow, 0 if guards else given)

    def __call__(self, leaves: Sequence[Any]) -> tuple[list[Any], list[bytes]]:
        """The results, and the answers for these arguments."""
        found = self.run(leaves)
        pairs = zip(self.places, self.constants, strict=True)
        results = [_copied(constant) if place is None else found[place] for place, constant in pairs]
        return results, [encoded(a, type) for a, type in zip(found[self.count :], self.types, strict=True)]


def encoded(answer: Any, type: Type) -> bytes:
    """An answer as it stands in memory, so that NaN equals NaN and -0 differs from 0."""
    return np.asarray(answer, type.dtype).tobytes().ljust(ANSWER, b"\0")


def _kept(value: Any) -> Any:
    """What every call gives again."""
    if isinstance(value, Iterator | Coroutine):
        what = f"the function under jit gives a {type(value).__name__}, which the first call would use up"
        raise TypeError(at_user_line(f"{what}. Return a list or an array of its items."))
    return _copied(value)


def _copied(value: Any) -> Any:
    return value.copy() if type(value) is np.ndarray else value


class Paths:
    """The paths of a function for arguments of one signature, the first of whose numbers are given away."""

    def __init__(self, f: Callable[..., Any], options: Options, given: int) -> None:
        self.f, self.options, self.given = f, options, given
        self.paths: list[Path] = []
        self.interpreted = ""

    def __call__(self, leaves: list[Any], call: Call) -> tuple[list[Any], Any]:
        """The flat results for these leaves, and their structure."""
        if self.interpreted:
            return self._record(leaves, call)[0]
        found = self.follow(leaves)
        return self._take_new_path(leaves, call) if found is None else (found[1], found[0].structure)

    def follow(self, leaves: Sequence[Any]) -> tuple[Path, list[Any]] | None:
        """The path that these leaves take, and their flat results; None where it is not known."""
        path = self.paths[0] if self.paths else None
        for _ in self.paths:
            if path is None:
                break
            results, answers = path(leaves)
            i = next((i for i, (a, b) in enumerate(zip(answers, path.answers, strict=True)) if a != b), None)
            if i is None:
                return path, results
            known = answers[: i + 1]
            path = next((p for p in self.paths if p.answers[: i + 1] == known), None)
        return None

    def _take_new_path(self, leaves: list[Any], call: Call) -> tuple[list[Any], Any]:
        path = self._only_path(leaves, call) if not self.paths else None
        if path is not None:
            self.paths.append(path)
            return path(leaves)[0], path.structure
        found, recording, guards = self._record(leaves, call)
        if recording.recorder.opaque:
            where = recording.recorder.opaque.removesuffix(": ")
            self._give_up(f"a shape or an index depends on values at {where}")
        elif len(self.paths) >= MAX_PATHS:
            self._give_up(f"more than {MAX_PATHS} paths have been taken")
        elif not _is_bound(recording):
            self.paths.append(Path(recording, guards, self.options, self.given))
            return self.paths[-1](leaves)[0], recording.structure
        return found

    def _only_path(self, leaves: list[Any], call: Call) -> Path | None:
        """The path of a function that asks for no values: recorded on types, without computing anything.

        What fails on types alone is recorded on values, where the user sees any error that is left.
        """
        try:
            recording = record(self.f, [type_of(leaf) for leaf in leaves], call, abstract=True)
        except Exception:
            return None
        recording.recorder.keep()
        shown = recording.recorder.opaque
        return None if shown or _is_bound(recording) else Path(recording, [], self.options, self.given)

    def _record(self, leaves: list[Any], call: Call) -> Any:
        guards: list[tuple[Var, Any, str]] = []
        recording = record(self.f, leaves, call, guards=guards)
        recording.recorder.keep()
        values = [
            recording.value(output) if recording.is_traced(output) else _copied(output)
            for output in recording.outputs
        ]
        return (values, recording.structure), recording, guards

    def _give_up(self, why: str) -> None:
        self.interpreted = why
        warn(
            f"{location()}jit runs this function by the interpreter: {why}. Write wg.while_loop, wg.scan or "
            "wg.cond where the number of steps depends on values, np.where in place of masks, and "
            "np.take(table, i) in place of table[i].",
            RuntimeWarning,
        )


def _is_bound(recording: Recording) -> bool:
    """Whether the function uses a tracer of a recording around it, so that its trace holds for this call."""
    atoms = (a for e in recording.recorder.equations for a in e.inputs if type(a) is Literal)
    others = (o for o in recording.outputs if not recording.is_traced(o))
    return any(isinstance(value, Tracer) for value in (*(a.value for a in atoms), *others))
