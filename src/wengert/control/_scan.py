r"""A state carried through a sequence of known length.

.. math:: (c_{t+1}, y_t) = s(c_t, x_t),\qquad t=0,\dots,T-1

The tangent :math:`\dot c_{t+1}=\partial_c s\,\dot c_t+\partial_x s\,\dot x_t` is a scan over the stored
carries, and the adjoint :math:`\bar c_t=(\partial_c s)^T\bar c_{t+1}+(\partial_c y)^T\bar y_t` is the same
scan run backwards.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.control._bodies import (
    Values,
    apart,
    batched_body,
    body_of,
    check_carry,
    filled,
    is_recording,
    leaves_of,
    pulled,
    pushed,
    record_trace,
    require_tree,
    settled,
    split,
    tangent_types,
    typed,
    with_holes,
)
from wengert.core import tree
from wengert.core.evaluate import evaluate
from wengert.core.primitive import nonlinear
from wengert.core.recorder import bind, type_of
from wengert.core.trace import Trace, Type, type_for
from wengert.errors import MismatchError, at_user_line
from wengert.transforms.adjoint import strong
from wengert.transforms.batch import spread
from wengert.transforms.tangent import zeros


def scan(
    step: Callable[..., Any], carry: Any, xs: Any = None, length: int | None = None, reverse: bool = False
) -> tuple[Any, Any]:
    r"""Carry a state through a sequence.

    .. math:: (c_{t+1}, y_t) = \mathrm{step}(c_t, x_t)

    Parameters
    ----------
    step : callable
        ``step(carry, x)`` gives ``(carry, y)``. It is recorded once, so Python's ``if`` on values raises
        inside.
    carry : tree
        The first state; every step must give the same tree and shapes. A Python number takes the dtype that
        it meets: float32 with float32.
    xs : tree of arrays, or None
        Runs over the first axis.
    length : int, optional
        The number of steps; needed where xs is None.
    reverse : bool
        Whether to begin at the end of xs: :math:`(c_t, y_t) = \mathrm{step}(c_{t+1}, x_t)`.

    Returns
    -------
    carry, ys
        The last state, in dtypes that both the first and the results of steps fit in, and the y of all steps
        stacked on a new first axis, each in the place of its x.

    Raises
    ------
    ValueError
        Where the arrays of xs differ in length, or a step changes the tree or a shape of the carry, or its
        dtype once more each time.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.scan(lambda total, x: (total + x, total * x), 0.0, np.array([1.0, 2.0, 3.0]))
    (np.float64(6.0), array([0., 2., 9.]))

    The return of rewards from each step on, discounted by a half:

    >>> back = lambda later, reward: (reward + later / 2,) * 2
    >>> wg.scan(back, 0.0, np.array([4.0, 0.0, 8.0]), reverse=True)[1]
    array([6., 4., 8.])
    """
    steps = _length(xs, length)
    if not is_recording():
        return _python_scan(step, carry, xs, range(steps)[:: -1 if reverse else 1])
    carry_leaves, carry_structure = leaves_of(carry)
    x_leaves, x_structure = leaves_of(xs)
    body, captured, structure, carry_leaves = _scan_body(
        step, carry_leaves, carry_structure, x_leaves, x_structure
    )
    params = {"body": body, "consts": len(captured), "carry": len(carry_leaves), "length": steps}
    outputs = bind(
        scan_p, [*captured, *carry_leaves, *x_leaves], {**params, "reverse": bool(reverse), "history": True}
    )
    n = len(carry_leaves)
    result = tree.unflatten(structure, outputs[: len(body.outputs)])
    return tree.unflatten(carry_structure, outputs[:n]), result[1]


def _length(xs: Any, length: int | None) -> int:
    leaves = tree.flatten(xs)[0]
    if not all(map(np.ndim, leaves)):
        raise MismatchError(
            at_user_line(
                "scan runs over the first axis of every array in xs, and found a single number. Write "
                "np.array(xs) for a list of numbers; what all steps share needs no place in xs."
            )
        )
    sizes = {int(np.shape(leaf)[0]) for leaf in leaves} | _given(length)
    if len(sizes) != 1:
        several = f"the lengths {sorted(sizes)}. Give xs and length= that agree"
        what = several if sizes else "none. Give length= where xs is None"
        raise MismatchError(at_user_line(f"scan needs one length, and found {what}."))
    return sizes.pop()


def _given(length: Any) -> set[int]:
    if length is None:
        return set()
    steps = operator.index(length) if hasattr(length, "__index__") else -1
    if steps < 0:
        raise MismatchError(
            at_user_line(f"scan: length={length!r} is no number of steps. Give a whole number of at least 0.")
        )
    return {steps}


def _python_scan(step: Callable[..., Any], carry: Any, xs: Any, steps: range) -> tuple[Any, Any]:
    rows = []
    for t in steps:
        before = carry
        carry, y = _pair(step(apart(carry), apart(tree.map(lambda leaf: leaf[t], xs))))  # noqa: B023
        check_carry("scan", before, carry)
        rows.append(y)
    if not rows:
        return _empty_scan(step, carry, xs)
    rows = rows[:: steps.step]
    return carry, tree.map(lambda *leaves: np.stack(leaves, dtype=_dtype_of(leaves)), rows[0], *rows[1:])


def _dtype_of(leaves: Values) -> Any:
    """That of all steps' results: a Python number, as a first carry may be, takes the others' dtype."""
    kinds = {getattr(leaf, "dtype", type(leaf)) for leaf in leaves}
    if not kinds & _PYTHON_NUMBERS:
        return None
    return np.result_type(*(kind(0) if kind in _PYTHON_NUMBERS else kind for kind in kinds))


_PYTHON_NUMBERS = {bool, int, float, complex}


def _pair(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise MismatchError(
            at_user_line(f"scan: step gives a {type(result).__name__}. Return the pair (carry, y).")
        )
    return result[0], result[1]


def _empty_scan(step: Callable[..., Any], carry: Any, xs: Any) -> tuple[Any, Any]:
    carry_leaves, carry_structure = leaves_of(carry)
    x_leaves, x_structure = leaves_of(xs)
    body, _, structure, _ = _scan_body(step, carry_leaves, carry_structure, x_leaves, x_structure)
    empty = [np.zeros((0, *atom.type.shape), atom.type.dtype) for atom in body.outputs]
    return carry, tree.unflatten(structure, empty)[1]


def _scan_body(
    step: Callable[..., Any], carry: list[Any], carry_structure: Any, xs: list[Any], x_structure: Any
) -> tuple[Trace, list[Any], Any, list[Any]]:
    def call(f: Callable[..., Any], tracers: Values) -> Any:
        state, x = split(tracers, len(carry))
        after, y = _pair(f(tree.unflatten(carry_structure, state), tree.unflatten(x_structure, x)))
        require_tree("scan", carry_structure, tree.flatten(after)[1])
        return after, y

    rows = [type_for(tuple(np.shape(x))[1:], x.dtype) for x in xs]
    recorded, carry = settled("scan", lambda types: body_of(step, [*types, *rows], call), carry)
    return *recorded, carry


def _run_scan(
    *operands: Any, body: Trace, consts: int, carry: int, length: int, reverse: bool, history: bool
) -> tuple[Any, ...]:
    constants, state, xs = split(operands, consts, carry)
    rows: list[list[Any]] = []
    states: list[list[Any]] = []
    for t in range(length)[:: -1 if reverse else 1]:
        states.append(state)
        outputs = evaluate(body, [*constants, *state, *(x[t] for x in xs)])
        state = [typed(v, atom.type) for v, atom in zip(outputs, body.inputs[consts:], strict=False)][:carry]
        rows.append(outputs[carry:])
    types = [atom.type for atom in body.outputs[carry:]]
    stacked = _stacked(rows, types, reverse)
    kept = (
        _stacked(states, [strong(v.type) for v in body.inputs[consts : consts + carry]], reverse)
        if history
        else []
    )
    return (*state, *stacked, *kept)


def _stacked(rows: list[list[Any]], types: Sequence[Type], reverse: bool) -> list[Any]:
    if not rows:
        return [np.zeros((0, *type.shape), type.dtype) for type in types]
    columns = zip(*(rows[::-1] if reverse else rows), strict=True)
    return [np.stack([typed(v, type) for v in column]) for column, type in zip(columns, types, strict=True)]


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


def _scan_tangent(tangents: Values, operands: Values, outputs: Values, **params: Any) -> Values:
    body, consts, carry = params["body"], params["consts"], params["carry"]
    c_types, s_types, x_types = split([v.type for v in body.inputs], consts, carry)
    states = _histories(operands, outputs, params)
    constants, _, xs = split(operands, consts, carry)
    d_constants, d_state, d_xs = split(tangents, consts, carry)
    flat = (filled(d_constants, c_types), filled(d_state, s_types), filled(d_xs, [type_of(x) for x in xs]))

    def step(given: list[Any]) -> Values:
        c, dc, ds, s, x, dx = split(given, consts, len(flat[0]), len(flat[1]), carry, len(xs))
        moved = [*with_holes(dc, c_types), *with_holes(ds, s_types), *with_holes(dx, x_types)]
        return pushed(body, [*c, *s, *x], moved)

    types = [*c_types, *tangent_types(c_types + s_types), *s_types, *x_types, *tangent_types(x_types)]
    tangent_body = record_trace(step, types)
    given = [*constants, *flat[0], *flat[1], *states, *xs, *flat[2]]
    count = {"consts": consts + len(flat[0]), "carry": len(flat[1])}
    found = bind(scan_p, given, {**params, **count, "body": tangent_body})
    return with_holes(found, [type_of(output) for output in outputs])


def _scan_pullback(
    cts: Values, operands: Values, outputs: Values, wants: Sequence[bool], **params: Any
) -> Values:
    body, consts, carry = params["body"], params["consts"], params["carry"]
    c_types, s_types, x_types = split([v.type for v in body.inputs], consts, carry)
    states = _histories(operands, outputs, params)
    constants, _, xs = split(operands, consts, carry)
    wanted = [t for t, want in zip(c_types, wants, strict=False) if want]
    n = len(body.outputs)
    ct_state = filled(cts[:carry], s_types)
    ct_ys = filled(cts[carry:n], [type_of(o) for o in outputs[carry:n]])
    ct_states = filled(cts[n:], [type_of(o) for o in outputs[n:]])
    step = _adjoint_step(body, consts, carry, wants, bool(ct_states))
    given = [*constants, *ct_state, *map(zeros, wanted), *states, *xs, *ct_ys, *ct_states]
    count = {"carry": len(ct_state) + len(wanted), "reverse": not params["reverse"], "history": False}
    found = bind(scan_p, given, {**params, **count, "body": step})
    state, summed, rows = split(found, len(ct_state), len(wanted))
    sums = iter(summed)
    constants_back = [next(sums) if want else None for want in wants[:consts]]
    return [*constants_back, *with_holes(state, s_types), *with_holes(rows, x_types)]


def _adjoint_step(body: Trace, consts: int, carry: int, wants: Sequence[bool], history: bool) -> Trace:
    """A step backwards: adjoints of state and y to those of the state before and x, and sums for constants.

    With a history, adjoints of the states before each step are added to theirs.
    """
    c_types, s_types, x_types = split([v.type for v in body.inputs], consts, carry)
    y_types = [atom.type for atom in body.outputs[carry:]]
    wanted = [t for t, want in zip(c_types, wants, strict=False) if want]
    d_state, d_ys = tangent_types(s_types), tangent_types(y_types)

    def step(given: list[Any]) -> Values:
        counts = (consts, len(d_state), len(wanted), carry, len(x_types), len(d_ys))
        c, ds, dc, s, x, dy, dh = split(given, *counts)
        back = pulled(body, [*c, *s, *x], [*with_holes(ds, s_types), *with_holes(dy, y_types)])
        b_consts, b_state, b_xs = split(back, consts, carry)
        chosen = [b for b, want in zip(b_consts, wants, strict=False) if want]
        summed = [d if b is None else d + b for d, b in zip(dc, chosen, strict=True)]
        state = filled(b_state, s_types)
        state = [b + d for b, d in zip(state, dh, strict=True)] if history else state
        return [*state, *summed, *filled(b_xs, x_types)]

    types = [*c_types, *d_state, *map(strong, wanted), *s_types, *x_types, *d_ys]
    return record_trace(step, types + d_state if history else types)


def _scan_batch(values: Values, flags: Sequence[bool], types: Any, size: int, **params: Any) -> Any:
    body, consts, carry = params["body"], params["consts"], params["carry"]
    c_flags, s_flags, x_flags = split(flags, consts, carry)
    while True:
        batched, out_flags = batched_body(body, [*c_flags, *s_flags, *x_flags], size, s_flags)
        grown = [a or b for a, b in zip(s_flags, out_flags, strict=False)]
        if grown == s_flags:
            break
        s_flags = grown
    constants, state, xs = split(values, consts, carry)
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
