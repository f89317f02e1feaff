"""Bodies of loops and branches: traces of their own, and the two passes and the batch over one of them.

Tangents and cotangents of a body are lists of its leaves, None where there is no derivative: symbolic zeros,
which become real where a body must give the same list in every round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.evaluate import environment
from wengert.core.primitive import FUNCTIONS
from wengert.core.recorder import Recorder, Tracer, current, type_of
from wengert.core.recording import record
from wengert.core.trace import Atom, Equation, Literal, Shape, Trace, Type, Var, type_for
from wengert.core.tracer import operand
from wengert.errors import MismatchError, at_user_line
from wengert.transforms.adjoint import Adjoints, pull, strong
from wengert.transforms.batch import evaluate_batch, spread
from wengert.transforms.tangent import push, zeros

Values = Sequence[Any]


def hoist(trace: Trace) -> tuple[Trace, list[Any]]:
    """Turn the outer tracers that a trace has captured into inputs, put in front."""
    captured: dict[int, tuple[Var, Any]] = {}

    def lifted(atom: Atom) -> Atom:
        if type(atom) is Literal and isinstance(atom.value, Tracer):
            return captured.setdefault(id(atom.value), (Var(atom.type), atom.value))[0]
        return atom

    equations = [
        Equation(e.primitive, [lifted(a) for a in e.inputs], e.params, e.outputs) for e in trace.equations
    ]
    outputs = [lifted(a) for a in trace.outputs]
    new = [var for var, _ in captured.values()]
    return Trace([*new, *trace.inputs], equations, outputs), [value for _, value in captured.values()]


def body_of(
    f: Callable[..., Any], types: Sequence[Type], call: Callable[..., Any]
) -> tuple[Trace, list[Any], Any]:
    """A function as a closed trace, the tracers it captured, and the structure of its result."""
    recording = record(f, types, call, abstract=True)
    trace, captured = hoist(recording.trace())
    recording.recorder.close()
    return trace, captured, recording.structure


def record_trace(f: Callable[[list[Any]], Values], types: Sequence[Type]) -> Trace:
    """The trace of a function of flat tracers that captures nothing."""
    recorder = Recorder(abstract=True)
    tracers = [recorder.input(type) for type in types]
    trace = recorder.trace([t.variable for t in tracers], f(tracers))
    recorder.close()
    return trace


def leaves_of(value: Any) -> tuple[list[Any], Any]:
    """The leaves of a tree as operands, and its structure."""
    leaves, structure = tree.flatten(value)
    return [operand(leaf) for leaf in leaves], structure


def is_recording() -> bool:
    """Whether a loop goes into a trace; Python runs it otherwise."""
    return current.get() is not None


def apart(values: Any) -> Any:
    """The tree with arrays of its own: as in a trace, what is written into them is seen nowhere else."""
    return tree.map(lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, values)


def split(values: Values, *counts: int) -> list[list[Any]]:
    """So many values each, and the rest."""
    parts, start = [], 0
    for count in counts:
        parts.append(list(values[start : start + count]))
        start += count
    return [*parts, list(values[start:])]


def typed(value: Any, type: Type) -> Any:
    """A Python number as one of NumPy's; anything else as it is."""
    return value if hasattr(value, "dtype") else type.dtype.type(value)


def check_carry(name: str, before: Any, after: Any) -> None:
    """Refuse a carry whose tree or shapes change."""
    (old, old_structure), (new, new_structure) = tree.flatten(before), tree.flatten(after)
    require_tree(name, old_structure, new_structure)
    for a, b in zip(old, new, strict=True):
        _require_shape(name, np.shape(a), np.shape(b))


def require_tree(name: str, before: Any, after: Any) -> None:
    """Refuse a carry whose tree changes."""
    if not tree.same_structure(before, after):
        raise MismatchError(
            at_user_line(f"{name}: the carry goes in as {before} and comes out as {after}. Keep its tree.")
        )


def _require_shape(name: str, before: Shape, after: Shape) -> None:
    if before != after:
        raise MismatchError(
            at_user_line(
                f"{name}: the carry goes in with shape {before} and comes out with {after}. Keep its shape."
            )
        )


def filled(values: Values, types: Sequence[Type]) -> list[Any]:
    """Symbolic zeros made real, for the leaves of floating point."""
    pairs = zip(values, types, strict=True)
    return [zeros(t) if v is None else v for v, t in pairs if t.inexact]


def with_holes(values: Values, types: Sequence[Type]) -> list[Any]:
    """Back to one entry for every leaf, None where it has no derivative."""
    rest = iter(values)
    return [next(rest) if t.inexact else None for t in types]


def tangent_types(types: Sequence[Type]) -> list[Type]:
    """The types of the tangents of leaves, of those that have one."""
    return [strong(t) for t in types if t.inexact]


def pushed(body: Trace, values: Values, tangents: Values) -> Values:
    """The tangents of a body's floating-point outputs."""
    env = environment(body, values)
    moved = {var: t for var, t in zip(body.inputs, tangents, strict=True) if t is not None}
    push(body.equations, env, moved)
    outputs = [atom for atom in body.outputs if atom.type.inexact]
    return [moved.get(a, zeros(a.type)) if type(a) is Var else zeros(a.type) for a in outputs]


def pulled(body: Trace, values: Values, seeds: Values) -> Values:
    """The cotangents of a body's inputs, None where there is none."""
    env = environment(body, values)
    adjoints = Adjoints()
    for atom, seed in zip(body.outputs, seeds, strict=True):
        if type(atom) is Var and seed is not None:
            adjoints.add(atom, seed)
    pull(reversed(body.equations), env, adjoints)
    return [adjoints.get(var) for var in body.inputs]


def batched_body(
    body: Trace, flags: Sequence[bool], size: int, forced: Sequence[bool]
) -> tuple[Trace, list[bool]]:
    """A body with a batch axis on flagged inputs, and which outputs have one, some of them forced to."""
    found: list[bool] = []

    def run(tracers: list[Any]) -> Values:
        results = evaluate_batch(body, tracers, flags, size)
        found[:] = [flag or (i < len(forced) and forced[i]) for i, (_, flag) in enumerate(results)]
        return [
            spread(v, size) if now and not flag else v for (v, flag), now in zip(results, found, strict=True)
        ]

    types = [
        _batched_type(var.type, size) if flag else var.type
        for var, flag in zip(body.inputs, flags, strict=True)
    ]
    return record_trace(run, types), found


def _batched_type(type: Type, size: int) -> Type:
    return type_for((size, *type.shape), type.dtype)


def choose(mask: Any, a: Any, b: Any) -> Any:
    """For every example of a batch one or the other."""
    return np.where(np.reshape(mask, mask.shape + (1,) * (a.ndim - mask.ndim)), a, b)


def settled(name: str, record: Callable[[list[Type]], Any], carry: list[Any]) -> tuple[Any, list[Any]]:
    """A body whose carry comes out as it goes in, and the carry that goes in, whose dtypes may be wider now.

    ``record(types)`` gives a body, of which the first outputs are the carry, and what belongs to it.
    """
    types = [type_of(leaf) for leaf in carry]
    if any(type.weak for type in types):
        found = _carried(record(types), types)
        carry = [_fitted(*change) for change in zip(carry, types, found, strict=True)]
    for _ in range(2):
        types = [type_of(leaf) for leaf in carry]
        recorded = record(types)
        found = [strong(type) for type in _carried(recorded, types)]
        if found == types:
            return recorded, carry
        carry = [_promoted(name, *change) for change in zip(carry, types, found, strict=True)]
    raise MismatchError(
        at_user_line(f"{name}: the carry goes in as {types} and comes out as {found}. Keep its type.")
    )


def _carried(recorded: Any, types: Sequence[Type]) -> list[Type]:
    return [atom.type for atom in recorded[0].outputs[: len(types)]]


def absorbed(weak: Type, other: Type) -> np.dtype[Any]:
    """The dtype in which a Python number meets another, as in NumPy's promotion."""
    return np.result_type(weak.dtype if other.weak else weak.dtype.type(0).item(), other.dtype)


def _fitted(leaf: Any, before: Type, after: Type) -> Any:
    """A leaf of a carry as a number of NumPy's, in the dtype that it meets in the body."""
    return as_dtype(leaf, absorbed(before, after)) if before.weak else leaf


def as_dtype(leaf: Any, dtype: np.dtype[Any]) -> Any:
    """A number of a dtype, traced or not."""
    return FUNCTIONS[np.astype](leaf, dtype) if isinstance(leaf, Tracer) else dtype.type(leaf)


def _promoted(name: str, leaf: Any, before: Type, after: Type) -> Any:
    """A leaf of a carry in a dtype that holds what comes out of the body too."""
    _require_shape(name, before.shape, after.shape)
    dtype = np.result_type(before.dtype, after.dtype)
    return leaf if dtype == before.dtype else leaf.astype(dtype)
