"""What a name in a call stands for, and an answer to one that stands for nothing."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

Named = TypeVar("Named")


def named(kind: str, name: str, known: Mapping[str, Named]) -> Named:
    """What the name stands for; an unknown one is answered with the nearest and with all."""
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    guess = f"did you mean {near[0]!r}? Choose" if near else "choose"
    raise ValueError(f"unknown {kind} {name!r}; {guess} one of {', '.join(known)}")
