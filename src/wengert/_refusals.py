"""How arguments are refused: what must hold, and an answer to a name that stands for nothing."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

Named = TypeVar("Named")


def require(holds: bool, message: str) -> None:
    """Refuse an argument that makes no sense."""
    if not holds:
        raise ValueError(message)


def require_positive(**numbers: Any) -> None:
    """Refuse numbers that are not above 0, by their names."""
    for name, number in numbers.items():
        require(number > 0, f"{name} must be positive, not {number}")


def require_at_least(least: int, **numbers: Any) -> None:
    """Refuse numbers that are lower, by their names."""
    for name, number in numbers.items():
        require(number >= least, f"{name} must be at least {least}, not {number}")


def named(kind: str, name: str, known: Mapping[str, Named]) -> Named:
    """What the name stands for; an unknown one is answered with the nearest and with all."""
    if name in known:
        return known[name]
    raise ValueError(f"unknown {kind} {name!r}; {choice(name, known)}")


def choice(name: str, known: Iterable[str]) -> str:
    """What there is to choose from, after a question where one of the names looks like the one written."""
    names = list(known)
    guess = nearest(name, names)
    return f"{guess} Choose one of {', '.join(names)}" if guess else f"choose one of {', '.join(names)}"


def nearest(name: str, known: Iterable[str], show: Callable[[str], str] = repr) -> str:
    """A question, where one of the names looks like the one written; else nothing."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1)
    return f"did you mean {show(near[0])}?" if near else ""
