"""Every operation, declared once. Importing this package fills the registry."""

from wengert.ops import (
    contraction,
    elementwise,
    indexing,
    linalg,
    lists,
    methods,
    reduction,
    sampling,
    shape,
    sorting,
    special,
    statistics,
)
from wengert.ops.elementwise import stop_gradient

__all__ = [
    "stop_gradient",
    "elementwise",
    "reduction",
    "shape",
    "indexing",
    "contraction",
    "linalg",
    "sorting",
    "statistics",
    "sampling",
    "special",
    "methods",
    "lists",
]
