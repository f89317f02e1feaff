"""Packages whose modules are imported when one of their names is first used.

A dataclass takes half a millisecond to make, and a program that trains a perceptron needs neither graphs of
single units nor Levenberg and Marquardt's method.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def found_in(package: str, *modules: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's ``__getattr__`` and ``__dir__``: its names are looked for in these modules in turn.

    Those whose names everybody needs come first, since all modules before the right one are imported too.
    """

    def find(name: str) -> Any:
        if name in sys.modules[package].__all__:
            for module in modules:
                found = vars(import_module(f"{package}.{module}"))
                if name in found:
                    setattr(sys.modules[package], name, found[name])
                    return found[name]
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find, lambda: sys.modules[package].__all__
