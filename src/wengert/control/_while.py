r"""A state that changes as long as a condition holds.

.. math:: c_{t+1} = b(c_t) \text{ while } p(c_t)

The tangent goes round with it. The adjoint would need the number of rounds before they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.control._bodies import (
    Values,
    apart,
    body_of,
    check_carry,
    choose,
    filled,
    is_recording,
    leaves_of,
    pushed,
    record_trace,
    require_tree,
    settled,
    split,
    tangent_types,
    with_holes,
)
from wengert.core import tree
from wengert.core.evaluate import evaluate
from wengert.core.primitive import nonlinear
from wengert.core.recorder import bind, type_of
from wengert.core.trace import Trace, Type, Var
from wengert.core.tracer import concrete
from wengert.errors import DerivativeError, at_user_line
from wengert.transforms.adjoint import strong
from wengert.transforms.batch import evaluate_batch, spread


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
    if not is_recording():
        while cond(apart(carry)):
            before, carry = carry, body(apart(carry))
            check_carry("while_loop", before, carry)
        return carry
    leaves, structure = leaves_of(carry)

    def call(f: Callable[..., Any], tracers: Values) -> Any:
        return f(tree.unflatten(structure, tracers))

    def recorded(types: list[Type]) -> tuple[Trace, list[Any]]:
        step, captured, found = body_of(body, types, call)
        require_tree("while_loop", structure, found)
        return step, captured

    (step, step_captured), leaves = settled("while_loop", recorded, leaves)
    test, test_captured, _ = body_of(cond, [strong(type_of(leaf)) for leaf in leaves], call)
    params = {"test": test, "step": step, "tests": len(test_captured), "steps": len(step_captured)}
    return tree.unflatten(structure, bind(while_p, [*test_captured, *step_captured, *leaves], params))


def _run_while(*operands: Any, test: Trace, step: Trace, tests: int, steps: int) -> tuple[Any, ...]:
    t_consts, s_consts, state = split(operands, tests, steps)
    while np.any(concrete(evaluate(test, [*t_consts, *state])[0])):
        state = evaluate(step, [*s_consts, *state])
    return tuple(state)


def _while_tangent(tangents: Values, operands: Values, outputs: Values, **params: Any) -> Values:
    test, step, tests, steps = params["test"], params["step"], params["tests"], params["steps"]
    t_consts, s_consts, state = split(operands, tests, steps)
    _, d_consts, d_state = split(tangents, tests, steps)
    c_types, s_types = split([v.type for v in step.inputs], steps)
    flat = (filled(d_consts, c_types), filled(d_state, s_types))

    def both(given: list[Any]) -> Values:
        c, dc, s, ds = split(given, steps, len(flat[0]), len(s_types))
        values = [*c, *s]
        moved = pushed(step, values, [*with_holes(dc, c_types), *with_holes(ds, s_types)])
        return [*evaluate(step, values), *moved]

    types = [*c_types, *tangent_types(c_types), *s_types, *tangent_types(s_types)]
    tangent_step = record_trace(both, types)
    tangent_test = _ignoring(test, tangent_types(s_types))
    given = [*t_consts, *s_consts, *flat[0], *state, *flat[1]]
    new = {"test": tangent_test, "step": tangent_step, "tests": tests, "steps": steps + len(flat[0])}
    return with_holes(bind(while_p, given, new)[len(s_types) :], s_types)


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
    t_consts, s_consts, state = split(values, tests, steps)
    t_flags, s_flags, c_flags = split(flags, tests, steps)
    state = [s if flag else spread(s, size) for s, flag in zip(state, c_flags, strict=True)]
    every = [True] * len(state)

    def running(given: Values) -> Any:
        value, flag = evaluate_batch(test, given, [*t_flags, *every], size)[0]
        return value if flag else spread(value, size)

    def masked(given: list[Any]) -> Values:
        t, s, now = split(given, tests, steps)
        new = evaluate_batch(step, [*s, *now], [*s_flags, *every], size)
        alive = running([*t, *now])
        return [
            choose(alive, v if flag else spread(v, size), old)
            for (v, flag), old in zip(new, now, strict=True)
        ]

    t_types = [type_of(v) for v in t_consts]
    s_types = [type_of(v) for v in s_consts]
    now_types = [strong(type_of(v)) for v in state]
    batched_step = record_trace(masked, [*t_types, *s_types, *now_types])
    batched_test = record_trace(lambda given: [np.any(running(given))], [*t_types, *now_types])
    new = {"test": batched_test, "step": batched_step, "tests": tests, "steps": tests + steps}
    return bind(while_p, [*t_consts, *t_consts, *s_consts, *state], new)


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
