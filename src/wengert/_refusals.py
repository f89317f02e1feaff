"""How arguments are refused: what must hold, an answer to a name that stands for nothing, and how many."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
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


def require_type(holds: bool, message: str) -> None:
    """Refuse an argument that is no such thing at all."""
    if not holds:
        raise TypeError(message)


def is_real(number: Any) -> bool:
    """Whether it is one real number, of Python, of NumPy or traced."""
    if hasattr(number, "dtype") and hasattr(number, "shape"):
        return number.shape == () and number.dtype.kind in "iuf"
    return isinstance(number, Real) and not isinstance(number, bool)


def require_numbers(what: str = "a number", **numbers: Any) -> None:
    """Refuse what is no number, by its name."""
    for name, number in numbers.items():
        require_type(is_real(number), f"{name} must be {what}, not {number!r}")


def require_positive(**numbers: Any) -> None:
    """Refuse numbers that are not above 0, by their names."""
    require_numbers("a positive number", **numbers)
    for name, number in numbers.items():
        require(number > 0, f"{name} must be positive, not {number}")


def require_at_least(least: int, **numbers: Any) -> None:
    """Refuse numbers that are lower, by their names."""
    require_numbers(f"a number of at least {least}", **numbers)
    for name, number in numbers.items():
        require(number >= least, f"{name} must be at least {least}, not {number}")


def require_whole(least: int, **numbers: Any) -> None:
    """Refuse what is no whole number of at least so much, by its name."""
    for name, number in numbers.items():
        is_whole = isinstance(number, Integral) and not isinstance(number, bool)
        require_type(is_whole, f"{name} must be a whole number of at least {least}, not {number!r}")
    require_at_least(least, **numbers)


def require_between(low: float, high: float, **numbers: Any) -> None:
    """Refuse numbers outside, by their names; the ends are within."""
    require_numbers(f"a number from {low} to {high}", **numbers)
    for name, number in numbers.items():
        require(low <= number <= high, f"{name} must be from {low} to {high}, not {number}")


def require_share(**numbers: Any) -> None:
    """Refuse shares that are kept from step to step and would grow or change sign, by their names."""
    require_numbers("a number of at least 0 and below 1", **numbers)
    for name, number in numbers.items():
        require(0 <= number < 1, f"{name} must be at least 0 and below 1, not {number}")


def require_answers(**answers: Any) -> None:
    """Refuse what is neither true nor false, by its name."""
    for name, answer in answers.items():
        is_answer = isinstance(answer, bool) or getattr(answer, "dtype", None) == "bool"
        require_type(is_answer, f"{name} must be True or False, not {answer!r}")


def require_generator(rng: Any) -> None:
    """Refuse what draws no numbers, such as a seed."""
    is_one = all(hasattr(rng, method) for method in ("normal", "uniform"))
    require_type(is_one, f"rng must be a generator such as np.random.default_rng(0), not {rng!r}")


def require_floating(dtype: Any) -> None:
    """Refuse a dtype that is none of floating-point numbers."""
    import numpy as np  # not for the command line's help

    try:
        kind = np.dtype(dtype).kind
    except TypeError:
        kind = ""
    require_type(kind == "f", f"dtype must be one of floating point, such as np.float32, not {dtype!r}")


def named(kind: str, name: str, known: Mapping[str, Named]) -> Named:
    """What the name stands for; an unknown one is answered with the nearest and with all."""
    if isinstance(name, str) and name in known:
        return known[name]
    raise ValueError(f"unknown {kind} {name!r}; {choice(name, known)}")


def choice(name: str, known: Iterable[str]) -> str:
    """What there is to choose from, after a question where one of the names looks like the one written."""
    names = list(known)
    guess = did_you_mean(name, names) if isinstance(name, str) else ""
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
