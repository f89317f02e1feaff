r"""Loops and branches that stay so in the trace: ``scan``, ``while_loop``, ``cond``, ``checkpoint``.

Their bodies are traces of their own, recorded once for types; what a body takes from outside becomes an
operand. A scan

.. math:: (c_{t+1}, y_t) = s(c_t, x_t),\qquad t=0,\dots,T-1

has the tangent :math:`\dot c_{t+1}=\partial_c s\,\dot c_t+\partial_x s\,\dot x_t`, which is a scan over the
stored carries, and the adjoint :math:`\bar c_t=(\partial_c s)^T\bar c_{t+1}+(\partial_c y)^T\bar y_t`, which
is the same scan run backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.evaluate import environment, evaluate, evaluate_sparingly
from wengert.core.primitive import nonlinear
from wengert.core.recorder import Recorder, Tracer, bind, current, type_of
from wengert.core.recording import record
from wengert.core.trace import Atom, Equation, Literal, Trace, Type, Var, type_for
from wengert.core.tracer import concrete, operand
from wengert.errors import DerivativeError, MismatchError, at_user_line
from wengert.transforms.adjoint import Adjoints, pull, strong
from wengert.transforms.batch import evaluate_batch, spread
from wengert.transforms.tangent import push, zeros

Values = Sequence[Any]


# --- bodies -------------------------------------------------------------------------------------------


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


def _body(
    f: Callable[..., Any], types: Sequence[Type], call: Callable[..., Any]
) -> tuple[Trace, list[Any], Any]:
    """A function as a closed trace, the tracers it captured, and the structure of its result."""
    recording = record(f, types, call, abstract=True)
    trace, captured = hoist(recording.trace())
    recording.recorder.close()
    return trace, captured, recording.structure


def _record_trace(f: Callable[[list[Any]], Values], types: Sequence[Type]) -> Trace:
    """The trace of a function of flat tracers that captures nothing."""
    recorder = Recorder(abstract=True)
    tracers = [recorder.input(type) for type in types]
    trace = recorder.trace([t.variable for t in tracers], f(tracers))
    recorder.close()
    return trace


def _leaves(value: Any) -> tuple[list[Any], Any]:
    leaves, structure = tree.flatten(value)
    return [operand(leaf) for leaf in leaves], structure


def _is_recording() -> bool:
    return current.get() is not None


def _split(values: Values, *counts: int) -> list[list[Any]]:
    parts, start = [], 0
    for count in counts:
        parts.append(list(values[start : start + count]))
        start += count
    return [*parts, list(values[start:])]


# --- scan ---------------------------------------------------------------------------------------------


def scan(step: Callable[..., Any], carry: Any, xs: Any, length: int | None = None) -> tuple[Any, Any]:
    r"""Carry a state through a sequence.

    .. math:: (c_{t+1}, y_t) = \mathrm{step}(c_t, x_t)

    Parameters
    ----------
    step : callable
        ``step(carry, x)`` gives ``(carry, y)``. It is recorded once, so Python's ``if`` on values raises
        inside.
    carry : tree
        The first state; every step must give the same tree, shapes and dtypes.
    xs : tree of arrays, or None
        Runs over the first axis.
    length : int, optional
        The number of steps; needed where xs is None.

    Returns
    -------
    carry, ys
        The last state, and the y of all steps stacked on a new first axis.

    Raises
    ------
    ValueError
        Where the arrays of xs differ in length or the carry changes its type.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.scan(lambda total, x: (total + x, total * x), 0.0, np.array([1.0, 2.0, 3.0]))
    (np.float64(6.0), array([0., 2., 9.]))
    """
    steps = _length(xs, length)
    if not _is_recording():
        return _python_scan(step, carry, xs, steps)
    carry_leaves, carry_structure = _leaves(carry)
    x_leaves, x_structure = _leaves(xs)
    carry_leaves = [
        leaf if hasattr(leaf, "dtype") else type_of(leaf).dtype.type(leaf) for leaf in carry_leaves
    ]
    body, captured, structure, carry_leaves = _scan_body(
        step, carry_leaves, carry_structure, x_leaves, x_structure
    )
    params = {"body": body, "consts": len(captured), "carry": len(carry_leaves), "length": steps}
    outputs = bind(
        scan_p, [*captured, *carry_leaves, *x_leaves], {**params, "reverse": False, "history": True}
    )
    n = len(carry_leaves)
    result = tree.unflatten(structure, outputs[: len(body.outputs)])
    return tree.unflatten(carry_structure, outputs[:n]), result[1]


def _length(xs: Any, length: int | None) -> int:
    sizes = {int(np.shape(leaf)[0]) for leaf in tree.flatten(xs)[0]} | (
        {int(length)} if length is not None else set()
    )
    if len(sizes) != 1:
        what = f"the lengths {sorted(sizes)}" if sizes else "no length: give length= where xs is None"
        raise MismatchError(at_user_line(f"scan needs one length, and found {what}."))
    return sizes.pop()


def _python_scan(step: Callable[..., Any], carry: Any, xs: Any, steps: int) -> tuple[Any, Any]:
    rows = []
    for t in range(steps):
        before = carry
        carry, y = _pair(step(carry, tree.map(lambda leaf: leaf[t], xs)))  # noqa: B023
        _check_carry("scan", before, carry)
        rows.append(y)
    if not rows:
        return _empty_scan(step, carry, xs)
    return carry, tree.map(lambda *leaves: np.stack(leaves), rows[0], *rows[1:])


def _pair(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise MismatchError(
            at_user_line(f"scan: step gives a {type(result).__name__}. Return the pair (carry, y).")
        )
    return result[0], result[1]


def _check_carry(name: str, before: Any, after: Any) -> None:
    (old, old_structure), (new, new_structure) = tree.flatten(before), tree.flatten(after)
    if not tree.same_structure(old_structure, new_structure):
        raise MismatchError(
            at_user_line(f"{name}: the carry goes in as {old_structure} and comes out as {new_structure}.")
        )
    for a, b in zip(old, new, strict=True):
        if np.shape(a) != np.shape(b):
            raise MismatchError(
                at_user_line(
                    f"{name}: the carry goes in with shape {np.shape(a)} and comes out with {np.shape(b)}."
                )
            )


def _empty_scan(step: Callable[..., Any], carry: Any, xs: Any) -> tuple[Any, Any]:
    carry_leaves, carry_structure = _leaves(carry)
    x_leaves, x_structure = _leaves(xs)
    body, _, structure, _ = _scan_body(step, carry_leaves, carry_structure, x_leaves, x_structure)
    empty = [np.zeros((0, *atom.type.shape), atom.type.dtype) for atom in body.outputs]
    return carry, tree.unflatten(structure, empty)[1]


def _scan_body(
    step: Callable[..., Any], carry: list[Any], carry_structure: Any, xs: list[Any], x_structure: Any
) -> tuple[Trace, list[Any], Any, list[Any]]:
    def call(f: Callable[..., Any], tracers: Values) -> Any:
        state, x = _split(tracers, len(carry))
        return _pair(f(tree.unflatten(carry_structure, state), tree.unflatten(x_structure, x)))

    rows = [type_for(tuple(np.shape(x))[1:], x.dtype) for x in xs]
    for _ in range(2):
        types = [strong(type_of(leaf)) for leaf in carry]
        body, captured, structure = _body(step, [*types, *rows], call)
        found = [atom.type for atom in body.outputs[: len(carry)]]
        if [strong(t) for t in found] == types:
            break
        carry = [_promoted("scan", *change) for change in zip(carry, types, found, strict=True)]
    else:
        raise MismatchError(
            at_user_line(f"scan: the carry goes in as {types} and comes out as {found}. Keep its type.")
        )
    return body, captured, structure, carry


def _promoted(name: str, leaf: Any, before: Type, after: Type) -> Any:
    if before.shape != after.shape:
        raise MismatchError(
            at_user_line(
                f"{name}: the carry goes in with shape {before.shape} and comes out with {after.shape}."
            )
        )
    dtype = np.result_type(before.dtype, after.dtype)
    return leaf if dtype == before.dtype else leaf.astype(dtype)


def _run_scan(
    *operands: Any, body: Trace, consts: int, carry: int, length: int, reverse: bool, history: bool
) -> tuple[Any, ...]:
    constants, state, xs = _split(operands, consts, carry)
    rows: list[list[Any]] = []
    states: list[list[Any]] = []
    for t in range(length)[:: -1 if reverse else 1]:
        states.append(state)
        outputs = evaluate(body, [*constants, *state, *(x[t] for x in xs)])
        state = [_as(v, atom.type) for v, atom in zip(outputs, body.inputs[consts:], strict=False)][:carry]
        rows.append(outputs[carry:])
    types = [atom.type for atom in body.outputs[carry:]]
    stacked = _stacked(rows, types, reverse)
    kept = (
        _stacked(states, [strong(v.type) for v in body.inputs[consts : consts + carry]], reverse)
        if history
        else []
    )
    return (*state, *stacked, *kept)


def _as(value: Any, type: Type) -> Any:
    return value if hasattr(value, "dtype") else type.dtype.type(value)


def _stacked(rows: list[list[Any]], types: Sequence[Type], reverse: bool) -> list[Any]:
    if not rows:
        return [np.zeros((0, *type.shape), type.dtype) for type in types]
    columns = zip(*(rows[::-1] if reverse else rows), strict=True)
    return [np.stack([_as(v, type) for v in column]) for column, type in zip(columns, types, strict=True)]


def _scan_types(
    *types: Type, body: Trace, consts: int, carry: int, length: int, reverse: bool, history: bool
) -> list[Any]:
    state = [(t.shape, t.dtype) for t in types[consts : consts + carry]]
    ys = [((length, *a.type.shape), a.type.dtype) for a in body.outputs[carry:]]
    kept = [((length, *shape), dtype) for shape, dtype in state] if history else []
    return [*state, *ys, *kept]


def _histories(operands: Values, outputs: Values, params: dict[str, Any]) -> list[Any]:
    """The carry before each step: stored, or found by running the scan again."""
    if not params["history"]:
        outputs = bind(scan_p, operands, {**params, "history": True})
    return list(outputs[len(params["body"].outputs) :])


def _filled(values: Values, types: Sequence[Type]) -> list[Any]:
    """Symbolic zeros made real, for the leaves of floating point."""
    pairs = zip(values, types, strict=True)
    return [zeros(t) if v is None else v for v, t in pairs if t.inexact]


def _with_holes(values: Values, types: Sequence[Type]) -> list[Any]:
    """Back to one entry for every leaf, None where it has no derivative."""
    rest = iter(values)
    return [next(rest) if t.inexact else None for t in types]


def _scan_tangent(tangents: Values, operands: Values, outputs: Values, **params: Any) -> Values:
    body, consts, carry = params["body"], params["consts"], params["carry"]
    c_types, s_types, x_types = _split([v.type for v in body.inputs], consts, carry)
    states = _histories(operands, outputs, params)
    constants, _, xs = _split(operands, consts, carry)
    d_constants, d_state, d_xs = _split(tangents, consts, carry)
    flat = (_filled(d_constants, c_types), _filled(d_state, s_types), _filled(d_xs, [type_of(x) for x in xs]))

    def step(given: list[Any]) -> Values:
        c, dc, ds, s, x, dx = _split(given, consts, len(flat[0]), len(flat[1]), carry, len(xs))
        moved = [*_with_holes(dc, c_types), *_with_holes(ds, s_types), *_with_holes(dx, x_types)]
        return _pushed(body, [*c, *s, *x], moved)

    types = [*c_types, *_tangent_types(c_types + s_types), *s_types, *x_types, *_tangent_types(x_types)]
    tangent_body = _record_trace(step, types)
    given = [*constants, *flat[0], *flat[1], *states, *xs, *flat[2]]
    count = {"consts": consts + len(flat[0]), "carry": len(flat[1])}
    found = bind(scan_p, given, {**params, **count, "body": tangent_body})
    return _with_holes(found, [type_of(output) for output in outputs])


def _tangent_types(types: Sequence[Type]) -> list[Type]:
    return [strong(t) for t in types if t.inexact]


def _pushed(body: Trace, values: Values, tangents: Values) -> Values:
    """The tangents of a body's floating-point outputs."""
    env = environment(body, values)
    moved = {var: t for var, t in zip(body.inputs, tangents, strict=True) if t is not None}
    push(body.equations, env, moved)
    outputs = [atom for atom in body.outputs if atom.type.inexact]
    return [moved.get(a, zeros(a.type)) if type(a) is Var else zeros(a.type) for a in outputs]


def _scan_pullback(
    cts: Values, operands: Values, outputs: Values, wants: Sequence[bool], **params: Any
) -> Values:
    body, consts, carry = params["body"], params["consts"], params["carry"]
    c_types, s_types, x_types = _split([v.type for v in body.inputs], consts, carry)
    y_types = [atom.type for atom in body.outputs[carry:]]
    states = _histories(operands, outputs, params)
    constants, _, xs = _split(operands, consts, carry)
    wanted = [t for t, want in zip(c_types, wants, strict=False) if want]
    ct_state = _filled(cts[:carry], s_types)
    n = len(body.outputs)
    ct_ys = _filled(cts[carry:n], [type_of(o) for o in outputs[carry:n]])
    ct_states = _filled(cts[n:], [type_of(o) for o in outputs[n:]])

    def step(given: list[Any]) -> Values:
        c, ds, dc, s, x, dy, dh = _split(
            given, consts, len(ct_state), len(wanted), carry, len(xs), len(ct_ys)
        )
        seeds = [*_with_holes(ds, s_types), *_with_holes(dy, y_types)]
        back = _pulled(body, [*c, *s, *x], seeds)
        b_consts, b_state, b_xs = _split(back, consts, carry)
        chosen = [b for b, want in zip(b_consts, wants, strict=False) if want]
        summed = [d if b is None else d + b for d, b in zip(dc, chosen, strict=True)]
        state = _filled(b_state, s_types)
        state = [b + d for b, d in zip(state, dh, strict=True)] if dh else state
        return [*state, *summed, *_filled(b_xs, x_types)]

    d_states = _tangent_types(s_types)
    types = [*c_types, *d_states, *map(strong, wanted), *s_types, *x_types, *_tangent_types(y_types)]
    adjoint_body = _record_trace(step, [*types, *d_states[: len(ct_states)]])
    given = [*constants, *ct_state, *map(zeros, wanted), *states, *xs, *ct_ys, *ct_states]
    count = {"carry": len(ct_state) + len(wanted), "reverse": not params["reverse"], "history": False}
    found = bind(scan_p, given, {**params, **count, "body": adjoint_body})
    state, summed, rows = _split(found, len(ct_state), len(wanted))
    sums = iter(summed)
    constants_back = [next(sums) if want else None for want in wants[:consts]]
    return [*constants_back, *_with_holes(state, s_types), *_with_holes(rows, x_types)]


def _pulled(body: Trace, values: Values, seeds: Values) -> Values:
    """The cotangents of a body's inputs, None where there is none."""
    env = environment(body, values)
    adjoints = Adjoints()
    for atom, seed in zip(body.outputs, seeds, strict=True):
        if type(atom) is Var and seed is not None:
            adjoints.add(atom, seed)
    pull(reversed(body.equations), env, adjoints)
    return [adjoints.get(var) for var in body.inputs]


def _scan_batch(values: Values, flags: Sequence[bool], types: Any, size: int, **params: Any) -> Any:
    body, consts, carry = params["body"], params["consts"], params["carry"]
    c_flags, s_flags, x_flags = _split(flags, consts, carry)
    while True:
        batched, out_flags = _batched_body(body, [*c_flags, *s_flags, *x_flags], size, s_flags)
        grown = [a or b for a, b in zip(s_flags, out_flags, strict=False)]
        if grown == s_flags:
            break
        s_flags = grown
    constants, state, xs = _split(values, consts, carry)
    pairs = zip(state, s_flags, flags[consts : consts + carry], strict=True)
    state = [spread(s, size) if now and not was else s for s, now, was in pairs]
    xs = [np.moveaxis(x, 0, 1) if flag else x for x, flag in zip(xs, x_flags, strict=True)]
    found = bind(scan_p, [*constants, *state, *xs], {**params, "body": batched})
    flags_out = [*s_flags, *out_flags[carry:], *(s_flags if params["history"] else [])]
    return tuple(
        _batch_first(v, flag, i >= carry, size)
        for i, (v, flag) in enumerate(zip(found, flags_out, strict=True))
    )


def _batch_first(value: Any, flag: bool, stacked: bool, size: int) -> Any:
    if not flag:
        return spread(value, size)
    return np.moveaxis(value, 1, 0) if stacked else value


def _batched_body(
    body: Trace, flags: Sequence[bool], size: int, forced: Sequence[bool]
) -> tuple[Trace, list[bool]]:
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
    return _record_trace(run, types), found


def _batched_type(type: Type, size: int) -> Type:
    return type_for((size, *type.shape), type.dtype)


scan_p = nonlinear(
    "scan",
    _run_scan,
    _scan_tangent,
    pullback=_scan_pullback,
    infer=_scan_types,
    batch=_scan_batch,
    multiple=True,
    text="scan({args})",
)


# --- while_loop ---------------------------------------------------------------------------------------


def while_loop(cond: Callable[..., Any], body: Callable[..., Any], carry: Any) -> Any:
    r"""Repeat ``carry = body(carry)`` as long as ``cond(carry)`` is true.

    .. math:: c_{t+1} = b(c_t) \text{ while } p(c_t),
              \qquad \dot c_{t+1} = \frac{\partial b}{\partial c}\,\dot c_t

    Differentiates forwards (``jvp``); backwards the number of steps must be known: use `scan`, or Python's
    own ``while``, which is recorded as it runs.

    Parameters
    ----------
    cond : callable
        Gives one truth value.
    body : callable
        Gives a carry of the same tree and shapes.
    carry : tree
        The first state.

    Returns
    -------
    tree
        The last state, with the shapes of the first, and dtypes that both it and the body's results fit in.

    Raises
    ------
    TypeError
        In reverse mode.
    ValueError
        Where the body changes the tree or a shape of the carry, or its dtype once more each time.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.while_loop(lambda x: x < 100.0, lambda x: x * x, 2.0)
    256.0
    """
    if not _is_recording():
        while cond(carry):
            before, carry = carry, body(carry)
            _check_carry("while_loop", before, carry)
        return carry
    leaves, structure = _leaves(carry)
    leaves = [leaf if hasattr(leaf, "dtype") else type_of(leaf).dtype.type(leaf) for leaf in leaves]

    def call(f: Callable[..., Any], tracers: Values) -> Any:
        return f(tree.unflatten(structure, tracers))

    for _ in range(2):
        types = [strong(type_of(leaf)) for leaf in leaves]
        step, step_captured, step_structure = _body(body, types, call)
        found = [strong(atom.type) for atom in step.outputs]
        if found == types or not tree.same_structure(structure, step_structure):
            break
        leaves = [_promoted("while_loop", *change) for change in zip(leaves, types, found, strict=True)]
    if found != types or not tree.same_structure(structure, step_structure):
        raise MismatchError(
            at_user_line(f"while_loop: the carry goes in as {types} and comes out as {found}. Keep its type.")
        )
    test, test_captured, _ = _body(cond, types, call)
    params = {"test": test, "step": step, "tests": len(test_captured), "steps": len(step_captured)}
    return tree.unflatten(structure, bind(while_p, [*test_captured, *step_captured, *leaves], params))


def _run_while(*operands: Any, test: Trace, step: Trace, tests: int, steps: int) -> tuple[Any, ...]:
    t_consts, s_consts, state = _split(operands, tests, steps)
    while np.any(concrete(evaluate(test, [*t_consts, *state])[0])):
        state = evaluate(step, [*s_consts, *state])
    return tuple(state)


def _while_tangent(tangents: Values, operands: Values, outputs: Values, **params: Any) -> Values:
    test, step, tests, steps = params["test"], params["step"], params["tests"], params["steps"]
    t_consts, s_consts, state = _split(operands, tests, steps)
    _, d_consts, d_state = _split(tangents, tests, steps)
    c_types, s_types = _split([v.type for v in step.inputs], steps)
    flat = (_filled(d_consts, c_types), _filled(d_state, s_types))

    def both(given: list[Any]) -> Values:
        c, dc, s, ds = _split(given, steps, len(flat[0]), len(s_types))
        values = [*c, *s]
        moved = _pushed(step, values, [*_with_holes(dc, c_types), *_with_holes(ds, s_types)])
        return [*evaluate(step, values), *moved]

    types = [*c_types, *_tangent_types(c_types), *s_types, *_tangent_types(s_types)]
    tangent_step = _record_trace(both, types)
    tangent_test = _ignoring(test, _tangent_types(s_types))
    given = [*t_consts, *s_consts, *flat[0], *state, *flat[1]]
    new = {"test": tangent_test, "step": tangent_step, "tests": tests, "steps": steps + len(flat[0])}
    return _with_holes(bind(while_p, given, new)[len(s_types) :], s_types)


def _ignoring(test: Trace, extra: Sequence[Type]) -> Trace:
    return Trace([*test.inputs, *map(Var, extra)], test.equations, test.outputs)


def _while_pullback(*_: Any, **__: Any) -> Any:
    raise DerivativeError(
        at_user_line(
            "reverse mode through wg.while_loop is not defined, because the number of steps is not known. "
            "Use wg.scan with a fixed length, Python's own while (it is recorded as it runs), or forward "
            "mode (wg.jvp)."
        )
    )


def _while_batch(values: Values, flags: Sequence[bool], types: Any, size: int, **params: Any) -> Any:
    test, step, tests, steps = params["test"], params["step"], params["tests"], params["steps"]
    t_consts, s_consts, state = _split(values, tests, steps)
    t_flags, s_flags, c_flags = _split(flags, tests, steps)
    state = [s if flag else spread(s, size) for s, flag in zip(state, c_flags, strict=True)]
    every = [True] * len(state)

    def running(given: Values) -> Any:
        value, flag = evaluate_batch(test, given, [*t_flags, *every], size)[0]
        return value if flag else spread(value, size)

    def masked(given: list[Any]) -> Values:
        t, s, now = _split(given, tests, steps)
        new = evaluate_batch(step, [*s, *now], [*s_flags, *every], size)
        alive = running([*t, *now])
        return [
            _choose(alive, v if flag else spread(v, size), old)
            for (v, flag), old in zip(new, now, strict=True)
        ]

    t_types = [type_of(v) for v in t_consts]
    s_types = [type_of(v) for v in s_consts]
    now_types = [strong(type_of(v)) for v in state]
    batched_step = _record_trace(masked, [*t_types, *s_types, *now_types])
    batched_test = _record_trace(lambda given: [np.any(running(given))], [*t_types, *now_types])
    new = {"test": batched_test, "step": batched_step, "tests": tests, "steps": tests + steps}
    return bind(while_p, [*t_consts, *t_consts, *s_consts, *state], new)


def _choose(mask: Any, a: Any, b: Any) -> Any:
    return np.where(np.reshape(mask, mask.shape + (1,) * (a.ndim - mask.ndim)), a, b)


while_p = nonlinear(
    "while_loop",
    _run_while,
    _while_tangent,
    pullback=_while_pullback,
    infer=lambda *types, test, step, tests, steps: [(t.shape, t.dtype) for t in types[tests + steps :]],
    batch=_while_batch,
    multiple=True,
    text="while_loop({args})",
)


# --- cond ---------------------------------------------------------------------------------------------


def cond(pred: Any, if_true: Callable[..., Any], if_false: Callable[..., Any], *operands: Any) -> Any:
    r"""``if_true(*operands)`` where ``pred`` is true, else ``if_false(*operands)``; only one branch is run.

    .. math:: y = \begin{cases} f(x) & p \\ g(x) & \text{otherwise} \end{cases}

    The derivative is that of the branch taken. Inside `vmap` both branches are run, and each
    example takes its own.

    Parameters
    ----------
    pred : bool
        One truth value.
    if_true, if_false : callable
        Must give the same tree, shapes and dtypes.
    *operands
        Trees.

    Returns
    -------
    tree
        What the branch gives.

    Raises
    ------
    ValueError
        Where the branches give different trees, shapes or dtypes.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.cond(True, lambda x: 2 * x, lambda x: -x, 3.0)
    6.0
    """
    if not _is_recording():
        return if_true(*operands) if pred else if_false(*operands)
    leaves, structure = _leaves(operands)

    def call(f: Callable[..., Any], tracers: Values) -> Any:
        return f(*tree.unflatten(structure, tracers))

    types = [type_of(leaf) for leaf in leaves]
    yes, yes_captured, result = _body(if_true, types, call)
    no, no_captured, other = _body(if_false, types, call)
    found = [[strong(atom.type) for atom in trace.outputs] for trace in (yes, no)]
    if not tree.same_structure(result, other) or found[0] != found[1]:
        raise MismatchError(
            at_user_line(f"cond: the branches give different types, {found[0]} and {found[1]}.")
        )
    params = {"yes": yes, "no": no, "yeses": len(yes_captured), "nos": len(no_captured)}
    return tree.unflatten(result, bind(cond_p, [operand(pred), *yes_captured, *no_captured, *leaves], params))


def _branches(values: Values, yes: Trace, no: Trace, yeses: int, nos: int) -> tuple[list[Any], list[Any]]:
    """What goes into each branch."""
    y, n, shared = _split(values, yeses, nos)
    return [*y, *shared], [*n, *shared]


def _run_cond(pred: Any, *rest: Any, yes: Trace, no: Trace, yeses: int, nos: int) -> tuple[Any, ...]:
    into_yes, into_no = _branches(rest, yes, no, yeses, nos)
    outputs = evaluate(yes, into_yes) if concrete(pred) else evaluate(no, into_no)
    return tuple(_as(v, atom.type) for v, atom in zip(outputs, yes.outputs, strict=True))


def _cond_of(pred: Any, given: Sequence[Values], traces: Sequence[Trace]) -> Any:
    """A cond whose branches share no operand."""
    (a, b), (yes, no) = given, traces
    yes = Trace(yes.inputs, yes.equations, yes.outputs)
    return bind(cond_p, [pred, *a, *b], {"yes": yes, "no": no, "yeses": len(a), "nos": len(b)})


def _cond_tangent(tangents: Values, operands: Values, outputs: Values, **params: Any) -> Values:
    values = _branches(operands[1:], **params)
    moved = _branches(tangents[1:], **params)
    given, traces = [], []
    for branch, v, d in zip((params["yes"], params["no"]), values, moved, strict=True):
        types = [var.type for var in branch.inputs]
        given.append([*v, *_filled(d, types)])
        traces.append(_record_trace(_tangent_branch(branch, types), [*types, *_tangent_types(types)]))
    return _with_holes(_cond_of(operands[0], given, traces), [atom.type for atom in params["yes"].outputs])


def _tangent_branch(branch: Trace, types: Sequence[Type]) -> Callable[[list[Any]], Values]:
    def run(tracers: list[Any]) -> Values:
        values, tangents = _split(tracers, len(types))
        return _pushed(branch, values, _with_holes(tangents, types))

    return run


def _cond_pullback(cts: Values, operands: Values, outputs: Values, wants: Any, **params: Any) -> Values:
    yes, no, yeses, nos = params["yes"], params["no"], params["yeses"], params["nos"]
    out_types = [atom.type for atom in yes.outputs]
    seeds = _filled(cts, out_types)
    y_types, n_types, types = _split([type_of(v) for v in operands[1:]], yeses, nos)
    given, traces = [], []
    for i, (branch, v) in enumerate(zip((yes, no), _branches(operands[1:], **params), strict=True)):
        run = _adjoint_branch(branch, out_types, y_types, n_types, types, i)
        given.append([*v, *seeds])
        traces.append(_record_trace(run, [*(var.type for var in branch.inputs), *_tangent_types(out_types)]))
    found = _cond_of(operands[0], given, traces)
    return [None, *_with_holes(found, [*y_types, *n_types, *types])]


def _adjoint_branch(
    branch: Trace,
    outputs: Sequence[Type],
    y_types: list[Type],
    n_types: list[Type],
    types: list[Type],
    which: int,
) -> Callable[[list[Any]], Values]:
    own = (y_types, n_types)[which]

    def run(tracers: list[Any]) -> Values:
        values, seeds = _split(tracers, len(branch.inputs))
        back, shared = _split(_pulled(branch, values, _with_holes(seeds, outputs)), len(own))
        other = [None] * len((n_types, y_types)[which])
        parts = (back, other) if which == 0 else (other, back)
        return [*_filled(parts[0], y_types), *_filled(parts[1], n_types), *_filled(shared, types)]

    return run


def _cond_batch(values: Values, flags: Sequence[bool], types: Any, size: int, **params: Any) -> Any:
    pred, rest = values[0], values[1:]
    into = _branches(rest, **params)
    into_flags = _branches(flags[1:], **params)
    if flags[0]:
        both = [
            [v if f else spread(v, size) for v, f in evaluate_batch(branch, v, f, size)]
            for branch, v, f in zip((params["yes"], params["no"]), into, into_flags, strict=True)
        ]
        return tuple(_choose(pred, a, b) for a, b in zip(*both, strict=True))
    every = [True] * len(params["yes"].outputs)
    traces = [
        _batched_body(branch, f, size, every)[0]
        for branch, f in zip((params["yes"], params["no"]), into_flags, strict=True)
    ]
    return _cond_of(pred, into, traces)


cond_p = nonlinear(
    "cond",
    _run_cond,
    _cond_tangent,
    pullback=_cond_pullback,
    infer=lambda *types, yes, no, yeses, nos: [(a.type.shape, a.type.dtype) for a in yes.outputs],
    batch=_cond_batch,
    multiple=True,
    text="cond({args})",
)


# --- checkpoint ---------------------------------------------------------------------------------------


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    r"""The same function, whose inner values are computed again in the backward pass instead of being stored.

    For a chain of T steps, checkpoints around stretches of :math:`\sqrt T` of them keep
    :math:`\mathcal O(\sqrt T)` values instead of :math:`\mathcal O(T)`, for one more evaluation.

    Parameters
    ----------
    f : callable
        Any function of trees of numbers and arrays. Its arguments and results are all that reverse mode
        keeps.

    Returns
    -------
    callable
        Takes and gives the same as f.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.grad(lambda x: wg.checkpoint(np.sin)(x) ** 2)(0.0)
    np.float64(0.0)

    References
    ----------
    Griewank and Walther, *Evaluating Derivatives* (2008), chapter 12.
    """

    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        outer = current.get()
        if outer is None:
            return f(*args, **kwargs)
        leaves, structure = _leaves((args, kwargs))
        chosen = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tracer)]
        mark = _Mark(outer)
        recording = record(
            f, [leaves[i] for i in chosen], _calling(leaves, chosen, structure), outer.abstract
        )
        trace, captured = hoist(recording.trace())
        recording.recorder.close()
        result = recording.structure
        del recording  # with all the values in between, before they are computed again
        mark.restore()
        values = [*captured, *(leaves[i] for i in chosen)]
        return tree.unflatten(result, bind(checkpoint_p, values, {"body": trace}))

    checkpointed.__name__ = getattr(f, "__name__", "checkpointed")
    return checkpointed


def _calling(leaves: list[Any], chosen: list[int], structure: Any) -> Callable[..., Any]:
    def call(f: Callable[..., Any], tracers: Values) -> Any:
        filled = list(leaves)
        for i, tracer in zip(chosen, tracers, strict=True):
            filled[i] = tracer
        args, kwargs = tree.unflatten(structure, filled)
        return f(*args, **kwargs)

    return call


class _Mark:
    """A place in a recording to return to: what was recorded since then is forgotten."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.equations = len(recorder.equations)

    def restore(self) -> None:
        for equation in self.recorder.equations[self.equations :]:
            for var in equation.outputs:
                self.recorder.env.pop(var, None)
        del self.recorder.equations[self.equations :]


def _run_checkpoint(*operands: Any, body: Trace) -> tuple[Any, ...]:
    outputs = evaluate_sparingly(body, operands)
    return tuple(_as(v, atom.type) for v, atom in zip(outputs, body.outputs, strict=True))


def _checkpoint_tangent(tangents: Values, operands: Values, outputs: Values, *, body: Trace) -> Values:
    return _with_holes(_pushed(body, operands, tangents), [atom.type for atom in body.outputs])


def _checkpoint_pullback(
    cts: Values, operands: Values, outputs: Values, wants: Any, *, body: Trace
) -> Values:
    """Itself a checkpoint: what it computes again then waits for the adjoints, and is forgotten after it."""
    seeds = [ct for ct in cts if ct is not None]
    used: list[bool] = []

    def back(given: list[Any]) -> Values:
        left = iter(given[len(operands) :])
        found = _pulled(body, given[: len(operands)], [None if ct is None else next(left) for ct in cts])
        used.extend(want and b is not None for b, want in zip(found, wants, strict=True))
        return [b for b, use in zip(found, used, strict=True) if use]

    trace = _record_trace(back, [*(var.type for var in body.inputs), *map(type_of, seeds)])
    results = iter(bind(checkpoint_p, [*operands, *seeds], {"body": trace}))
    return [next(results) if use else None for use in used]


def _checkpoint_batch(values: Values, flags: Sequence[bool], types: Any, size: int, *, body: Trace) -> Any:
    return tuple(v if f else spread(v, size) for v, f in evaluate_batch(body, values, flags, size))


checkpoint_p = nonlinear(
    "checkpoint",
    _run_checkpoint,
    _checkpoint_tangent,
    pullback=_checkpoint_pullback,
    infer=lambda *types, body: [(a.type.shape, a.type.dtype) for a in body.outputs],
    batch=_checkpoint_batch,
    multiple=True,
    text="checkpoint({args})",
)
