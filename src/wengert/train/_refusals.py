"""What :func:`wengert.train.fit` refuses: every message begins with its name."""

from wengert import _refusals
from wengert.errors import DataError


def require(holds: bool, message: str) -> None:
    """Refuse an argument that makes no sense."""
    _refusals.require(holds, f"fit: {message}")


def unusable(message: str) -> DataError:
    """The error of data that nothing can be learned from."""
    return DataError(f"fit: {message}")
