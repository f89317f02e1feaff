"""The whole table of how operations are lowered: every module that adds entries to it is named here."""

from wengert.native import compositions, contractions, lapack, sorting
from wengert.native.lower import LOWER, is_elementwise

__all__ = ["LOWER", "compositions", "contractions", "is_elementwise", "lapack", "sorting"]
