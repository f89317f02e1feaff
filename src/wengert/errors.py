"""The exceptions of the package, and the place in the user's code that an error speaks of.

Every message says *where* (file and line of the user's code), *what* is wrong, and *what to write instead*:
``model.py:12: math.exp(x) would lose the derivative of x (float64[256,64]). Write np.exp(x).``
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = [
    "WengertError",
    "DerivativeError",
    "MismatchError",
    "UnsupportedError",
    "ControlFlowError",
    "LeakError",
    "GradientMismatch",
    "NotFiniteError",
    "TraceError",
    "DataError",
    "ModelFileError",
    "CheckpointError",
    "ExchangeError",
    "SettingError",
    "DivergenceError",
]


def __dir__() -> list[str]:
    return __all__


_PACKAGE = str(Path(__file__).parent)
_FOREIGN = ("numpy", "scipy", "optree", "functools", "contextlib", "contextvars", "copy", "copyreg")


class WengertError(Exception):
    """Base of all errors that this package raises on purpose."""


class DerivativeError(WengertError, TypeError):
    """A derivative that does not exist, or that the code would drop without a word."""


class MismatchError(WengertError, TypeError, ValueError):
    """A tangent, cotangent or argument whose tree, shape or dtype is not that of its primal."""


class UnsupportedError(WengertError, TypeError, NotImplementedError):
    """An operation that has no rule here."""


class ControlFlowError(WengertError, TypeError):
    """Python asked for the number behind a tracer that stands for many numbers (``vmap``, ``scan``)."""


class LeakError(WengertError, RuntimeError):
    """A tracer was used after the function that it belongs to had returned."""


class GradientMismatch(WengertError, AssertionError):
    """``check_gradients`` found a derivative that disagrees with the numerical one."""


class NotFiniteError(WengertError, FloatingPointError):
    """A derivative came out as NaN or infinite."""


class TraceError(WengertError, AssertionError):
    """A trace breaks one of its own rules: a mistake in a pass of this package, not in the user's code."""


class DataError(WengertError, ValueError):
    """Data that cannot be read or used as it stands."""


class ModelFileError(WengertError, ValueError):
    """A model file that is damaged, foreign or of a newer version, or a network that none can hold."""


class CheckpointError(DataError):
    """A checkpoint that is damaged, foreign, or of another training."""


class ExchangeError(WengertError, ValueError):
    """A network that another format cannot hold, or a file of another format that makes no network here."""


class SettingError(WengertError, ValueError):
    """An option or an environment variable of this package whose value has no meaning."""


class DivergenceError(WengertError, ArithmeticError):
    """Training left the finite numbers.

    Attributes
    ----------
    result
        What :func:`wengert.train.fit` had come to by the end of the last whole epoch.
    """

    result: Any = None


def is_foreign(module: str) -> bool:
    """Whether a module belongs to a library below the user's code."""
    return module.partition(".")[0] in _FOREIGN


def is_ours(thing: Any) -> bool:
    """Whether a class, a function or an object is of this package."""
    return str(getattr(thing, "__module__", "")).startswith("wengert.")


def user_frame() -> FrameType | None:
    """The innermost frame that is the user's own code."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not _is_users(frame):
        frame = frame.f_back
    return frame


def _is_users(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    file = frame.f_code.co_filename
    return not (is_foreign(name) or file.startswith(_PACKAGE) or file.startswith("<__array_function__"))


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """A warning at the line of the user's code."""
    user, frame, level = user_frame(), sys._getframe(), 1
    while user is not None and frame is not user:
        frame, level = frame.f_back, level + 1  # type: ignore[assignment]
    warnings.warn(message, category, stacklevel=level)


def location() -> str:
    """``file:line: `` of the user's code, or an empty string where there is none."""
    frame = user_frame()
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}: " if frame else ""


def place_of(function: Any) -> str:
    """``file:line: `` where a function, or the class of a callable object, is written, if that is Python."""
    written = function if hasattr(function, "__code__") else type(function).__call__
    code = getattr(written, "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}: " if code else ""


def at_user_line(message: str) -> str:
    """The message with the user's file and line in front."""
    return location() + message
