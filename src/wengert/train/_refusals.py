"""What :func:`wengert.train.fit` refuses: every message begins with its name."""

from typing import Any

from wengert import _refusals
from wengert.errors import DataError


def require(holds: bool, message: str) -> None:
    """Refuse an argument that makes no sense."""
    _refusals.require(holds, f"fit: {message}")


def described(found: Any) -> str:
    """What is there in the place of one number."""
    shape = getattr(found, "shape", ())
    return f"an array of shape {shape}" if shape else f"a {type(found).__name__}"


def unusable(message: str) -> DataError:
    """The error of data that nothing can be learned from."""
    return DataError(f"fit: {message}")
