r"""Parameters of an estimator: what each may be, stated where it is declared.

A parameter is a field of a dataclass with its default and a rule,

>>> @dataclass
... class Example:
...     alpha: float = parameter(1e-4, number("[0, inf)"))

and :func:`check` compares all values of an estimator with their rules when it is fitted, not before: a search
over parameters may set them one after the other.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from numbers import Integral, Real
from typing import Any

import numpy as np


class ParameterError(ValueError, TypeError):
    """A parameter of an estimator that has no meaning."""


@dataclass(frozen=True)
class Rule:
    """Which values are allowed, and how to say so."""

    holds: Callable[[Any], bool]
    text: str

    def __or__(self, other: "Rule") -> "Rule":
        """Either of the two."""
        return Rule(lambda v: self.holds(v) or other.holds(v), f"{self.text} or {other.text}")


def parameter(default: Any, rule: Rule, **options: Any) -> Any:
    """A field of an estimator, with its rule."""
    return field(default=default, metadata={"rule": rule}, **options)


def check(estimator: Any) -> None:
    """Compare the parameters with their rules.

    Raises
    ------
    ParameterError
        At the first that has no meaning.
    """
    for declared in fields(estimator):
        value, rule = getattr(estimator, declared.name), declared.metadata["rule"]
        if value is not declared.default and not rule.holds(value):
            raise ParameterError(
                f"The {declared.name!r} parameter of {type(estimator).__name__} must be {rule.text}. "
                f"Got {value!r} instead."
            )


def changed(estimator: Any) -> dict[str, Any]:
    """The parameters that are not at their defaults."""
    values = {f.name: (getattr(estimator, f.name), f.default) for f in fields(estimator)}
    return {name: value for name, (value, default) in values.items() if not _same(value, default)}


def _same(value: Any, default: Any) -> bool:
    if value is default or default is MISSING:
        return value is default
    return type(value) is type(default) and repr(value) == repr(default)


# -------------------------------------------------------------------------------------------- rules


def choice(*values: str) -> Rule:
    """One of some names."""
    names = ", ".join(map(repr, values))
    return Rule(lambda v: isinstance(v, str) and v in values, f"one of {{{names}}}")


def number(interval: str) -> Rule:
    """A real number in an interval, such as ``"[0, 1)"``."""
    inside = _interval(interval)
    return Rule(lambda v: isinstance(v, Real) and inside(v), f"a float in the range {interval}")


def integer(interval: str) -> Rule:
    """A whole number in an interval."""
    inside = _interval(interval)
    return Rule(
        lambda v: isinstance(v, Integral) and not isinstance(v, bool) and inside(v),
        f"an int in the range {interval}",
    )


def _interval(text: str) -> Callable[[Any], bool]:
    low, high = (float(end) for end in text[1:-1].split(","))
    above = (lambda v: v >= low) if text[0] == "[" else (lambda v: v > low)
    below = (lambda v: v <= high) if text[-1] == "]" else (lambda v: v < high)
    return lambda v: above(v) and below(v)


def _is_random_state(value: Any) -> bool:
    return value is None or isinstance(value, np.random.RandomState) or SEED.holds(value)


def _is_sequence(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str | bytes | dict)


SEED = integer("[0, 4294967295]")
BOOLEAN = Rule(lambda v: isinstance(v, bool | np.bool_), "True or False")
VERBOSE = BOOLEAN | integer("[0, inf)")
RANDOM_STATE = Rule(_is_random_state, "an int in the range [0, 4294967295], a numpy RandomState, or None")
SEQUENCE = Rule(_is_sequence, "a sequence")
FOREVER = Rule(lambda v: isinstance(v, Real) and v == np.inf, "inf")
NONE = Rule(lambda v: v is None, "None")
FUNCTION = Rule(callable, "a function")
CALLABLES = Rule(lambda v: _is_sequence(v) and all(map(callable, v)), "a sequence of functions")
WEIGHTS = Rule(lambda v: isinstance(v, dict | list), "a dict, or a list of one for each label")
SCHEDULE = Rule(lambda v: hasattr(v, "after_epoch"), "a schedule of wengert.optim")
OPTIMISER = Rule(lambda v: hasattr(v, "init") and hasattr(v, "update"), "an optimiser of wengert.optim")
