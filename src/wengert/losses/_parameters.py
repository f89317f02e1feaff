"""Parameters of errors and penalties: plain numbers, so that equal ones are equal and share one program."""

from typing import Any

from wengert._refusals import require_numbers


def set_number(owner: Any, name: str) -> None:
    """A field of a frozen dataclass as a Python number, which takes the precision of what it meets."""
    number = getattr(owner, name)
    require_numbers(**{name: number})
    object.__setattr__(owner, name, float(number))
