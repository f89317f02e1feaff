"""Recording a call: a function of trees of numbers and arrays becomes a trace with its values.

While the outermost recording of a context is running, NumPy's array-creating functions give *adoptive* arrays
to the recorded code (see `core.adoptive`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from wengert.core import adoptive, draws, tree
from wengert.core.recorder import Recorder, Tracer, current
from wengert.core.trace import Atom, Trace, Type, Var
from wengert.core.tracer import CONVERTERS, ViewTracer, assemble, has_tracer, peek
from wengert.errors import WengertError


class Recording:
    """The recorded call: ``inputs`` are variables, ``outputs`` the leaves of the result, in ``structure``."""

    __slots__ = ("inputs", "outputs", "recorder", "structure")

    def __init__(self, recorder: Recorder, inputs: Sequence[Var], outputs: list[Any], structure: Any) -> None:
        self.recorder = recorder
        self.inputs = inputs
        self.outputs = outputs
        self.structure = structure

    def value(self, output: Any) -> Any:
        """What an output is below this recording: a NumPy value or a tracer of an outer one."""
        return output.value if self.is_traced(output) else output

    def is_traced(self, output: Any) -> bool:
        """Whether an output depends on the inputs."""
        return isinstance(output, Tracer) and output.recorder is self.recorder

    def result(self, others: Sequence[Any] = (), kept: bool = False) -> Any:
        """The function's result, as a tree of values that the caller owns.

        ``others`` is memory that is not to be shared; ``kept`` says that the recording's own values are still
        needed.
        """
        values = [
            value.copy() if type(value) is np.ndarray and (kept or not self.is_traced(output)) else value
            for output, value in zip(self.outputs, map(self.value, self.outputs), strict=True)
        ]
        return tree.unflatten(self.structure, own_all(values, others))

    def trace(self) -> Trace:
        """The recorded trace."""
        return self.recorder.trace(self.inputs, self.outputs)

    def atoms(self) -> list[Atom]:
        """The outputs as atoms of the trace."""
        return [self.recorder.atom(output) for output in self.outputs]


def record(
    f: Callable[..., Any],
    inputs: Sequence[Any],
    call: Callable[[Callable[..., Any], list[Any]], Any],
    abstract: bool = False,
    guards: list[tuple[Var, Any, str]] | None = None,
    kind: type[Recorder] = Recorder,
    above: Iterable[Any] = (),
) -> Recording:
    """Record ``call(f, tracers)``; the tracers stand for ``inputs`` (types, for an abstract recording).

    Where a list of ``guards`` is given, it is filled with what Python asks about values. ``kind`` is a
    recorder that notes more than the equations. Tracers that f knows of without taking them are named in
    ``above``, where they may be of recordings that are not running.
    """
    recorder = kind(abstract, guards)
    recorder.rise_above(above)
    check = draws.watch(f, call) if abstract or guards is not None else None
    tracers = [recorder.input(value) for value in inputs]
    variables = [tracer.variable for tracer in tracers]
    release = adoptive.engage() if current.get() is None else None
    token = current.set(recorder)
    try:
        leaves, structure = tree.flatten(call(adoptive.recorded_form(f), tracers))
        outputs = [settle(leaf) for leaf in leaves]
        if check is not None:
            check()
    except BaseException as error:
        recorder.close()
        error.args = tuple(map(peek, error.args))  # whoever catches it may look at them
        # NumPy takes what can be indexed for a sequence, and covers the error of float(x) with its own.
        covered = error.__cause__
        if type(error) is ValueError and isinstance(covered, WengertError):
            raise covered from None
        raise
    finally:
        current.reset(token)
        if release is not None:
            release()
    return Recording(recorder, variables, outputs, structure)


def settle(leaf: Any) -> Any:
    """A leaf of a result as a tracer or a plain NumPy value."""
    converter = CONVERTERS.get(type(leaf))
    if converter is not None:
        leaf = converter(leaf)
    if isinstance(leaf, ViewTracer):
        return leaf.__copy__()
    if type(leaf) is np.ndarray and leaf.dtype == object and has_tracer(leaf):
        return assemble(leaf)
    return leaf


def own(value: Any, others: Iterable[Any] = ()) -> Any:
    """A NumPy value that the caller owns: writeable, and no other name's memory."""
    if type(value) is np.ndarray:
        shared = (
            value.base is not None or not value.flags.writeable or any(value is other for other in others)
        )
        return value.copy() if shared else value
    return value


def own_all(values: Sequence[Any], others: Sequence[Any] = ()) -> list[Any]:
    """`own` for several results that must not share memory with each other either."""
    owned: list[Any] = []
    for value in values:
        owned.append(own(value, (*others, *owned)))
    return owned


def types(values: Iterable[Any]) -> list[Type]:
    """The types of values."""
    from wengert.core.recorder import type_of

    return [type_of(value) for value in values]
