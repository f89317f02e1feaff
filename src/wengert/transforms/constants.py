"""What passes and planners look for in constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.trace import Literal

# Constants are looked into, and folded, up to this size.
SMALL = 1 << 12


def uniform(atom: Literal) -> Any:
    """The number that every element of a constant is, if it is one."""
    if not atom.type.shape:
        return atom.value
    value = np.asarray(atom.value)
    if not value.size or value.dtype.kind not in "biuf":
        return None
    first = value.flat[0]
    same = value.view(f"i{value.dtype.itemsize}") if value.flags.c_contiguous else value
    return first if (same == same.flat[0]).all() else None
