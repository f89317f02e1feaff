"""Packages whose modules are imported when one of their names is first used.

A dataclass takes half a millisecond to make, and a program that trains a perceptron needs neither graphs of
single units nor Levenberg and Marquardt's method.
"""

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

PACKAGE = __name__.partition(".")[0]


def found_in(package: str, **modules: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's ``__getattr__`` and ``__dir__``: ``modules`` says which names each of its modules has."""
    homes = {name: module for module, names in modules.items() for name in names.split()}

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, found)
        return found

    return find, lambda: sys.modules[package].__all__


def _finish() -> None:
    """Wait for what other threads are importing: in a forked child nobody would ever finish it."""
    waited: set[str] = set()
    while begun := set(filter(_is_begun, tuple(sys.modules))) - waited:
        for name in begun:
            import_module(name)
        waited |= begun


def _is_begun(name: str) -> bool:
    spec = getattr(sys.modules.get(name), "__spec__", None) if name.startswith(PACKAGE) else None
    return getattr(spec, "_initializing", False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_finish)
