"""The whole table of how operations are lowered: every module that adds entries to it is named here."""

from __future__ import annotations

from wengert.core.trace import Equation
from wengert.native.elementary.lanes import Lanes
from wengert.native.planning import compositions, contractions, lapack, sorting, ufuncs
from wengert.native.planning.lower import LOWER, Rule, is_elementwise, seen_through
from wengert.native.planning.plan import UNCHANGED, Plan

__all__ = ["compositions", "contractions", "lapack", "rule_for", "seen_through", "sorting"]


def rule_for(equation: Equation) -> Rule | None:
    """How an equation is lowered, or None if it is not."""
    name = equation.primitive.name
    if name in LOWER:
        return LOWER[name]
    if not is_elementwise(equation):
        return None
    if hasattr(Lanes, name) or name in UNCHANGED or name == "where":
        return Plan.element
    return ufuncs.lower_by_loop if ufuncs.has_loop(equation) else None
