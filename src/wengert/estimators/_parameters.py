r"""Parameters of an estimator: what each may be, stated where it is declared.

A parameter is a field of a dataclass with its default and a rule,

>>> @dataclass
... class Example:
...     alpha: float = parameter(1e-4, number("[0, inf)"))

and :func:`check` compares all values of an estimator with their rules when it is fitted, not before: a search
over parameters may set them one after the other.
"""

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields
from numbers import Integral, Real
from typing import Any

import numpy as np

from wengert._refusals import nearest, takes

Hints = Callable[[Any], str | None]


class ParameterError(ValueError, TypeError):
    """A parameter of an estimator that has no meaning."""


@dataclass(frozen=True)
class Rule:
    """Which values are allowed, and how to say so."""

    holds: Callable[[Any], bool]
    text: str
    names: tuple[str, ...] = ()

    def __or__(self, other: "Rule") -> "Rule":
        """Either of the two."""
        either = f"{self.text} or {other.text}"
        return Rule(lambda v: self.holds(v) or other.holds(v), either, self.names + other.names)


def parameter(default: Any, rule: Rule, hints: Hints = lambda value: None, **options: Any) -> Any:
    """A field of an estimator, with its rule, and with what to write in the place of some wrong values."""
    return field(default=default, metadata={"rule": rule, "hints": hints}, **options)


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
                f"Got {value!r} instead.{_hint(estimator, declared, value)}"
            )


def _hint(estimator: Any, declared: Field[Any], value: Any) -> str:
    """What was probably meant, if that can be told."""
    if isinstance(value, type):
        return " Give an object of the class, made with parentheses."
    near = _near(value, declared.metadata["rule"].names)
    if near is not None:
        return f" Did you mean {near!r}?"
    meant = _elsewhere(estimator, declared, value) or declared.metadata["hints"](value)
    return f" Write {meant}." if meant else ""


def _near(value: Any, names: tuple[str, ...]) -> str | None:
    """The name that was meant by a wrong one, or by the first of several."""
    words = [v for v in (value if _is_sequence(value) else [value]) if isinstance(v, str) and v not in names]
    return nearest(words[0], names) if words else None


def _elsewhere(estimator: Any, declared: Field[Any], value: Any) -> str | None:
    """The value as one of another parameter, if there is one alone that it would do for."""
    others = [f for f in fields(estimator) if f is not declared and f.metadata["rule"].holds(value)]
    if isinstance(value, Real) or _is_sequence(value):  # a number has many meanings, but few by position
        others = [f for f in others if not f.kw_only and not declared.kw_only]
    return f"{others[0].name}={value!r}" if len(others) == 1 and not callable(value) else None


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
    return Rule(lambda v: isinstance(v, str) and v in values, f"one of {{{names}}}", values)


def number(interval: str) -> Rule:
    """A real number in an interval, such as ``"[0, 1)"``."""
    inside = _interval(interval)
    return Rule(lambda v: isinstance(v, Real) and inside(v), f"a float in the range {interval}")


def integer(interval: str) -> Rule:
    """A whole number in an interval."""
    inside = _interval(interval)
    return Rule(
        lambda v: _is_whole(v) and inside(v),
        f"an int in the range {interval}",
    )


def each(rule: Rule) -> Rule:
    """A value, or a sequence of such values."""
    holds = rule.holds
    return Rule(
        lambda v: holds(v) or (_is_sequence(v) and all(map(holds, v))),
        f"{rule.text} or a sequence of these",
        rule.names,
    )


def _interval(text: str) -> Callable[[Any], bool]:
    low, high = (float(end) for end in text[1:-1].split(","))
    above = (lambda v: v >= low) if text[0] == "[" else (lambda v: v > low)
    below = (lambda v: v <= high) if text[-1] == "]" else (lambda v: v < high)
    return lambda v: above(v) and below(v)


def _is_random_state(value: Any) -> bool:
    return value is None or isinstance(value, np.random.RandomState) or SEED.holds(value)


def _is_sequence(value: Any) -> bool:
    is_several = hasattr(value, "__len__") and getattr(value, "ndim", 1) > 0
    return is_several and not isinstance(value, str | bytes | dict | type)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _are_sizes(value: Any) -> bool:
    """A number of units; or several, which are looked at one by one later."""
    return all(map(_is_whole, value)) if _is_sequence(value) else _is_whole(value) and value >= 1


def _are_weights(value: Any) -> bool:
    """Weights of classes by name; for several labels a list of such."""
    if isinstance(value, list):
        return all(v == "balanced" or (isinstance(v, dict) and _are_weights(v)) for v in value)
    return isinstance(value, dict) and all(map(WEIGHT.holds, value.values()))


def _is_function_of(*counts: int) -> Callable[[Any], bool]:
    return lambda v: callable(v) and not isinstance(v, type) and any(takes(v, count) for count in counts)


def _is_object_with(value: Any, *methods: str) -> bool:
    return not isinstance(value, type) and all(hasattr(value, name) for name in methods)


WEIGHT = number("[0, inf)")
SEED = integer("[0, 4294967295]")
BOOLEAN = Rule(lambda v: isinstance(v, bool | np.bool_), "True or False")
VERBOSE = BOOLEAN | integer("[0, inf)")
RANDOM_STATE = Rule(_is_random_state, "an int in the range [0, 4294967295], a numpy RandomState, or None")
SIZES = Rule(_are_sizes, "an int in the range [1, inf) or a sequence of these")
FOREVER = Rule(lambda v: isinstance(v, Real) and v == np.inf, "inf")
NONE = Rule(lambda v: v is None, "None")
FUNCTION = Rule(_is_function_of(1), "a function of one argument")
ERROR = Rule(_is_function_of(2, 3), "a function of outputs and targets")
CALLABLES = Rule(lambda v: _is_sequence(v) and all(map(callable, v)), "a sequence of functions")
WEIGHTS = Rule(_are_weights, "a dict of numbers in the range [0, inf) or a list of these, one for each label")
SCHEDULE = Rule(_is_function_of(1), "a schedule of wengert.optim or a function of the number of steps")
OPTIMISER = Rule(
    lambda v: _is_object_with(v, "init", "update") or _is_object_with(v, "minimise"),
    "an optimiser of wengert.optim",
)


# -------------------------------------------------------------------------------------------- hints


def rates(value: Any) -> str | None:
    """A number as the first learning rate."""
    return f"learning_rate_init={value!r}" if isinstance(value, Real) else None


def optimisers(value: Any) -> str | None:
    """An optimiser of this package by its name."""
    from wengert import optim

    kinds = ("update", "minimise")
    known = {n.lower(): n for n in optim.__all__ if any(hasattr(getattr(optim, n), kind) for kind in kinds)}
    found = known.get(value.lower()) if isinstance(value, str) else None
    return f"optimizer=wengert.optim.{found}()" if found else None
