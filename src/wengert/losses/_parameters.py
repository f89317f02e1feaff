"""Parameters of errors and penalties: plain numbers, so that equal ones are equal and share one program."""

from typing import Any


def set_number(owner: Any, name: str) -> None:
    """A field of a frozen dataclass as a Python number, which takes the precision of what it meets."""
    object.__setattr__(owner, name, float(getattr(owner, name)))
