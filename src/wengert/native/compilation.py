"""From a trace to object code: it is simplified, planned, written in LLVM's language, and compiled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wengert.core.trace import Equation, Trace, Var
from wengert.native.machine import team
from wengert.native.machine.host import objects_of, this_host
from wengert.native.machine.underflow import Underflow
from wengert.native.planning.fingerprint import Made
from wengert.native.planning.plan import Plan
from wengert.native.planning.unlowerable import Unlowerable
from wengert.native.planning.work import is_long, is_worth_sharing
from wengert.native.writing.emit import arena_parts, write_module
from wengert.transforms.recurrence import recur
from wengert.transforms.regroup import regroup
from wengert.transforms.simplify import simplify


def planned(trace: Trace, given: int) -> tuple[Plan, bool]:
    """The kernels of a trace whose first so many inputs are given away; whether threads share their work."""
    plan = Plan(shortened(trace), carries=_replaced(trace, given))
    shared = team.has_threads() and is_worth_sharing(plan)
    if shared or plan.shared_bytes > this_host().second_cache:
        plan.spread()
    return plan, shared


def shortened(trace: Trace) -> Trace:
    """The trace with as few operations as the passes leave."""
    trace = simplify(trace)
    for one in (recur, regroup):
        found = one(trace)
        trace = trace if found is trace else simplify(found)
    return trace


def written(plan: Plan, shared: bool, underflow: Underflow) -> str:
    """The code of a plan in LLVM's language."""
    return write_module(plan, this_host(), threads=shared, underflow=underflow)


def made(ir: str, plan: Plan, shared: bool) -> Made:
    """A plan with its code compiled."""
    constants = [np.ascontiguousarray(c) for c in plan.constants]
    common, each = arena_parts(plan, this_host())
    return Made(objects_of(ir), constants, common, each, shared, is_long(plan.trace), plan.in_place)


def _replaced(trace: Trace, given: int) -> list[tuple[int, int]]:
    """Which inputs, of the first so many, which outputs are to replace: arrays of one type, in order."""
    left = {o: a.type for o, a in enumerate(trace.outputs) if a.type.shape}
    pairs = []
    for i, var in enumerate(trace.inputs[:given]):
        o = next((o for o, t in left.items() if (t.shape, t.dtype) == (var.type.shape, var.type.dtype)), None)
        if o is not None:
            pairs.append((i, o))
            del left[o]
    return pairs


# --- what cannot be compiled as a whole ---------------------------------------------------------------------


def pieces(trace: Trace) -> list[Equation | Trace]:
    """A trace in pieces: runs of equations to be compiled, and single ones that cannot be."""
    return [run[0] if len(run) == 1 and not _lowers(run[0]) else _piece(trace, run) for run in _runs(trace)]


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
