"""Every operation, declared once. Importing this package fills the registry."""

from wengert.ops import (
    bits,
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
    "bits",
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
