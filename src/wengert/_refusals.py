"""How arguments are refused: what must hold, an answer to a name that stands for nothing, and how many."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from operator import ge, gt
from typing import Any, TypeVar

Named = TypeVar("Named")

# What others call what has another name here.
SYNONYMS = {
    "sigmoid": ("logistic",),
    "linear": ("identity",),
    "exp": ("exponential",),
    "swish": ("silu",),
    "heaviside": ("step",),
    "mse": ("squared_error", "mean_squared_error"),
    "l2": ("squared_error", "mean_squared_error"),
    "mae": ("absolute_error", "mean_absolute_error"),
    "l1": ("absolute_error", "mean_absolute_error"),
    "pinball": ("quantile",),
    "cross_entropy": ("log_loss", "softmax_cross_entropy"),
    "crossentropy": ("log_loss", "softmax_cross_entropy"),
    "bce": ("log_loss", "binary_cross_entropy"),
    "residual": ("add",),
    "xavier": ("glorot",),
    "kaiming": ("he",),
    "onehot": ("one_hot",),
}


def require(holds: bool, message: str) -> None:
    """Refuse an argument that makes no sense."""
    if not holds:
        raise ValueError(message)


def require_positive(**numbers: Any) -> None:
    """Refuse numbers that are not above 0, by their names."""
    for name, number in numbers.items():
        require(_holds(gt, number, 0), f"{name} must be positive, not {number}")


def require_at_least(least: int, **numbers: Any) -> None:
    """Refuse numbers that are lower, by their names."""
    for name, number in numbers.items():
        require(_holds(ge, number, least), f"{name} must be at least {least}, not {number}")


def _holds(compare: Callable[[Any, Any], Any], number: Any, bound: int) -> bool:
    """Whether a number is such; what is no real number is not."""
    try:
        return bool(compare(number, bound))
    except (TypeError, ValueError):
        return False


def named(kind: str, name: str, known: Mapping[str, Named]) -> Named:
    """What the name stands for; an unknown one is answered with the nearest and with all."""
    if name in known:
        return known[name]
    raise ValueError(f"unknown {kind} {name!r}; {choice(name, known)}")


def choice(name: str, known: Iterable[str]) -> str:
    """What there is to choose from, after a question where one of the names looks like the one written."""
    names = list(known)
    guess = did_you_mean(name, names)
    return f"{guess} Choose one of {', '.join(names)}" if guess else f"choose one of {', '.join(names)}"


def did_you_mean(name: str, known: Iterable[str], show: Callable[[str], str] = repr) -> str:
    """A question, where one of the names looks like the one written; else nothing."""
    near = nearest(name, known)
    return f"did you mean {show(near)}?" if near else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The name that was probably meant, if one looks like the one written or is another word for it."""
    from difflib import get_close_matches

    names = list(known)
    meant = [synonym for synonym in SYNONYMS.get(name.lower(), ()) if synonym in names]
    return next(iter([*meant, *get_close_matches(name.lower(), names, n=1)]), None)


def takes(function: Any, count: int) -> bool:
    """Whether a function can be called with so many arguments, as far as Python knows."""
    try:
        inspect.signature(function).bind(*(None,) * count)
    except TypeError:
        return False
    except ValueError:  # of compiled code nothing is known
        return True
    return True


def name_of(function: Any) -> str:
    """What a function, or the class of an object, is called."""
    return getattr(function, "__name__", None) or type(function).__name__


def counted(number: int, what: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
