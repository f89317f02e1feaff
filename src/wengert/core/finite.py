"""Finding the equation that makes a NaN or an infinity.

Inside ``with check_finite():`` every equation remembers the user's line, and the first value, tangent or
cotangent that is not finite while everything it came from is, raises and names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from wengert.errors import NotFiniteError

checking: ContextVar[bool] = ContextVar("wengert_check_finite", default=False)


@contextmanager
def check_finite() -> Iterator[None]:
    """Raise where a value or a derivative becomes NaN or infinite, naming the equation and the line.

    Returns
    -------
    context manager
        What is recorded inside is checked, values, tangents and adjoints; it costs a pass over every array.

    Raises
    ------
    NotFiniteError
        A ``FloatingPointError`` that says which operation, at which line, and in which pass.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> with wg.check_finite():
    ...     wg.grad(lambda x: np.sqrt(x * x))(2.0)
    np.float64(1.0)
    """
    token = checking.set(True)
    try:
        yield
    finally:
        checking.reset(token)


def is_finite(value: Any) -> bool:
    """Whether a number or array has no NaN and no infinity; tracers and types count as finite."""
    dtype = getattr(value, "dtype", None)
    if type(value) in (float, complex):
        return bool(np.isfinite(value))
    if (
        not isinstance(value, np.ndarray | np.generic)
        or dtype is None
        or type(value).__module__ == "wengert.core.tracer"
    ):
        return True
    return dtype.kind not in "fc" or bool(np.all(np.isfinite(value)))


def require_finite(results: Iterable[Any], sources: Iterable[Any], name: str, where: str, what: str) -> None:
    """Raise where a result is not finite although its sources are."""
    if all(is_finite(r) for r in results) or not all(is_finite(s) for s in sources):
        return
    raise NotFiniteError(
        f"{where}the {what} of {name} is not finite, although all it is computed from is. Keep its operand "
        "away from the singular point, for example with np.where on the operand."
    )
