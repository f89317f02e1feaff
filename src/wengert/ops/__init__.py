"""Every operation, declared once. Importing this package fills the registry."""

from wengert.ops import contraction, elementwise, indexing, linalg, reduction, shape, sorting
from wengert.ops.elementwise import stop_gradient

__all__ = [
    "stop_gradient",
    "contraction",
    "elementwise",
    "indexing",
    "linalg",
    "reduction",
    "shape",
    "sorting",
]
