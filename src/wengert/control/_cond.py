r"""One of two branches, both of which are in the trace.

.. math:: y = \begin{cases} f(x) & p \\ g(x) & \text{otherwise} \end{cases}

Tangents and adjoints are branches of the same condition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wengert.control._bodies import (
    Values,
    absorbed,
    apart,
    as_dtype,
    batched_body,
    body_of,
    choose,
    filled,
    is_recording,
    leaves_of,
    pulled,
    pushed,
    record_trace,
    split,
    tangent_types,
    typed,
    with_holes,
)
from wengert.core import tree
from wengert.core.evaluate import evaluate
from wengert.core.primitive import nonlinear
from wengert.core.recorder import bind, type_of
from wengert.core.trace import Atom, Trace, Type
from wengert.core.tracer import concrete, operand
from wengert.errors import MismatchError, at_user_line
from wengert.transforms.adjoint import strong
from wengert.transforms.batch import evaluate_batch, spread


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
    if not is_recording():
        return (if_true if pred else if_false)(*apart(operands))
    leaves, structure = leaves_of(operands)

    def call(f: Callable[..., Any], tracers: Values) -> Any:
        return f(*tree.unflatten(structure, tracers))

    types = [type_of(leaf) for leaf in leaves]
    yes, yes_captured, result = body_of(if_true, types, call)
    no, no_captured, other = body_of(if_false, types, call)
    dtypes = _agreed(yes.outputs, no.outputs)
    if dtypes is not None:
        yes, yes_captured, result = body_of(if_true, types, _giving(dtypes, call))
        no, no_captured, other = body_of(if_false, types, _giving(dtypes, call))
    found = [[strong(atom.type) for atom in trace.outputs] for trace in (yes, no)]
    if not tree.same_structure(result, other) or found[0] != found[1]:
        raise MismatchError(
            at_user_line(
                f"cond: the branches give different types, {found[0]} and {found[1]}. Return the same tree, "
                "shapes and dtypes from both."
            )
        )
    params = {"yes": yes, "no": no, "yeses": len(yes_captured), "nos": len(no_captured)}
    return tree.unflatten(result, bind(cond_p, [operand(pred), *yes_captured, *no_captured, *leaves], params))


def _agreed(yes: Sequence[Atom], no: Sequence[Atom]) -> list[Any] | None:
    """The dtypes of the results, where a branch gives a Python number that can take the other's dtype."""
    pairs = [(a.type, b.type) for a, b in zip(yes, no, strict=False)]
    if len(yes) != len(no) or all(a.dtype == b.dtype or not (a.weak or b.weak) for a, b in pairs):
        return None
    return [absorbed(a, b) if a.weak else absorbed(b, a) for a, b in pairs]


def _giving(dtypes: Sequence[Any], call: Callable[..., Any]) -> Callable[..., Any]:
    """How to call a branch so that its Python numbers come in other dtypes."""

    def cast(f: Callable[..., Any], tracers: Values) -> Any:
        leaves, structure = leaves_of(call(f, tracers))
        pairs = zip(leaves, dtypes, strict=True)
        return tree.unflatten(structure, [as_dtype(a, t) if type_of(a).weak else a for a, t in pairs])

    return cast


def _branches(values: Values, yes: Trace, no: Trace, yeses: int, nos: int) -> tuple[list[Any], list[Any]]:
    """What goes into each branch."""
    y, n, shared = split(values, yeses, nos)
    return [*y, *shared], [*n, *shared]


def _run_cond(pred: Any, *rest: Any, yes: Trace, no: Trace, yeses: int, nos: int) -> tuple[Any, ...]:
    into_yes, into_no = _branches(rest, yes, no, yeses, nos)
    outputs = evaluate(yes, into_yes) if concrete(pred) else evaluate(no, into_no)
    return tuple(typed(v, atom.type) for v, atom in zip(outputs, yes.outputs, strict=True))


def _cond_of(pred: Any, given: Sequence[Values], traces: Sequence[Trace]) -> Any:
    """A cond whose branches share no operand."""
    (a, b), (yes, no) = given, traces
    return bind(cond_p, [pred, *a, *b], {"yes": yes, "no": no, "yeses": len(a), "nos": len(b)})


def _cond_tangent(tangents: Values, operands: Values, outputs: Values, **params: Any) -> Values:
    values = _branches(operands[1:], **params)
    moved = _branches(tangents[1:], **params)
    given, traces = [], []
    for branch, v, d in zip((params["yes"], params["no"]), values, moved, strict=True):
        types = [var.type for var in branch.inputs]
        given.append([*v, *filled(d, types)])
        traces.append(record_trace(_tangent_branch(branch, types), [*types, *tangent_types(types)]))
    return with_holes(_cond_of(operands[0], given, traces), [atom.type for atom in params["yes"].outputs])


def _tangent_branch(branch: Trace, types: Sequence[Type]) -> Callable[[list[Any]], Values]:
    def run(tracers: list[Any]) -> Values:
        values, tangents = split(tracers, len(types))
        return pushed(branch, values, with_holes(tangents, types))

    return run


def _cond_pullback(cts: Values, operands: Values, outputs: Values, wants: Any, **params: Any) -> Values:
    yes, no, yeses, nos = params["yes"], params["no"], params["yeses"], params["nos"]
    out_types = [atom.type for atom in yes.outputs]
    seeds = filled(cts, out_types)
    y_types, n_types, types = split([type_of(v) for v in operands[1:]], yeses, nos)
    given, traces = [], []
    for i, (branch, v) in enumerate(zip((yes, no), _branches(operands[1:], **params), strict=True)):
        run = _adjoint_branch(branch, out_types, y_types, n_types, types, i)
        given.append([*v, *seeds])
        traces.append(record_trace(run, [*(var.type for var in branch.inputs), *tangent_types(out_types)]))
    found = _cond_of(operands[0], given, traces)
    return [None, *with_holes(found, [*y_types, *n_types, *types])]


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
        values, seeds = split(tracers, len(branch.inputs))
        back, shared = split(pulled(branch, values, with_holes(seeds, outputs)), len(own))
        other = [None] * len((n_types, y_types)[which])
        parts = (back, other) if which == 0 else (other, back)
        return [*filled(parts[0], y_types), *filled(parts[1], n_types), *filled(shared, types)]

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
        return tuple(choose(pred, a, b) for a, b in zip(*both, strict=True))
    every = [True] * len(params["yes"].outputs)
    traces = [
        batched_body(branch, f, size, every)[0]
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
