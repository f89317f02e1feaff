"""What happens to a NumPy function that has no rule.

Its own Python code runs on tracers, or an error names the nearest function that has one.

Many of NumPy's functions (``gradient``, ``trapezoid``, ``polyval``, ``median``, ...) are Python code over
other functions. They run as they are, in a copy of their module's names where the array-creating functions
keep tracers.
"""

from __future__ import annotations

import builtins
import difflib
import linecache
import re
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.primitive import FUNCTIONS, UFUNCS, Primitive
from wengert.errors import UnsupportedError, at_user_line, user_frame

# Operations of libraries that are imported only if the user has done so: module -> what declares them.
UFUNC_MODULES: dict[str, Callable[[], None]] = {}

# Creation functions as NumPy's own Python code shall see them: name -> replacement.
CREATION: dict[str, Callable[..., Any]] = {}

# NumPy's own creation functions (while a recording runs, NumPy's names hold others).
ORIGINALS: dict[str, Any] = {}

# A ufunc's methods: name -> function of the ufunc that gives the rule.
METHODS: dict[str, Callable[[Any], Callable[..., Any]]] = {}


def load_libraries() -> None:
    """Declare the operations of the libraries that the user has imported."""
    for name, load in UFUNC_MODULES.items():
        if name in sys.modules:
            load()


def find_ufunc(ufunc: Any) -> Primitive:
    """The operation of a ufunc that is not NumPy's own."""
    for load in UFUNC_MODULES.values():
        load()
        if ufunc in UFUNCS:
            return UFUNCS[ufunc]
    raise not_covered(ufunc)


def ufunc_method(ufunc: Any, method: str) -> Callable[..., Any]:
    """The rule of ``ufunc.method``."""
    if method not in METHODS:
        raise UnsupportedError(
            at_user_line(f"np.{ufunc.__name__}.{method} is not recorded. Write it as a loop.")
        )
    return METHODS[method](ufunc)


def not_covered(func: Any) -> UnsupportedError:
    """The error that names the function and the nearest covered one."""
    name = getattr(func, "__name__", str(func))
    covered = sorted({getattr(f, "__name__", "") for f in (*FUNCTIONS, *UFUNCS)} - {""})
    near = difflib.get_close_matches(name, covered, n=1, cutoff=0.0)
    module = getattr(func, "__module__", None) or "numpy"
    hint = f" The nearest covered function is np.{near[0]}." if near else ""
    return UnsupportedError(
        at_user_line(f"{module}.{name} is not recorded, so it has no derivative here.{hint}")
    )


def run_python(func: Any) -> Callable[..., Any]:
    """NumPy's own Python implementation of a function, made to keep tracers."""
    implementation = getattr(func, "_implementation", None)
    if not isinstance(implementation, types.FunctionType):
        raise not_covered(func)
    return _rebuilt(implementation)


# What a line of code that asks for a plain float is likely to be, and what to write instead.
_LOSSES: tuple[tuple[str, str, str], ...] = (
    (r"\bc?math\.(\w+)\(", "math.{0}(x)", "Write np.{1}(x)."),
    (
        r"\bnp\.(float\w+|single|double|longdouble|complex\d+)\(",
        "np.{0}(x)",
        "Write x.astype(np.{0}), or x itself.",
    ),
    (r"\b(float|complex)\(", "{0}(x)", "Write x itself, or wg.stop_gradient(x) for its number alone."),
    (
        r"\w\s*(\[)[^=]*\]\s*[-+*/]?=[^=]",
        "writing x into an array that was made before the recording",
        "Copy the array inside the function first: A = np.copy(A).",
    ),
    (r"[\"'](\s*)%", "formatting x with %", 'Write an f-string: f"{{x:g}}".'),
)
_NUMPY_NAMES = {
    "fabs": "abs", "pow": "power", "acos": "arccos", "asin": "arcsin", "atan": "arctan", "atan2": "arctan2",
    "acosh": "arccosh", "asinh": "arcsinh", "atanh": "arctanh", "fsum": "sum",
}  # fmt: skip


def lost_derivative(type: Any, kind: str) -> str:
    """The message for a tracer that some code wants as a plain number, guessed from the user's line."""
    frame = user_frame()
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno) if frame else ""
    for pattern, what, instead in _LOSSES:
        found = re.search(pattern, line)
        if found:
            name = found.group(1)
            advice = instead.format(name, _NUMPY_NAMES.get(name, name))
            return f"{what.format(name)} would lose the derivative of x ({type}). {advice}"
    return (
        f"a {kind} was asked for, which would lose the derivative of x ({type}). Write NumPy functions of x "
        "instead of functions of C or of the math module."
    )


_mirrors: dict[int, dict[str, Any]] = {}
_copies: dict[types.FunctionType, types.FunctionType] = {}


def _rebuilt(function: types.FunctionType) -> types.FunctionType:
    copy = _copies.get(function)
    if copy is None:
        names = _mirror(function.__globals__)
        copy = types.FunctionType(
            function.__code__, names, function.__name__, function.__defaults__, function.__closure__
        )
        copy.__kwdefaults__ = function.__kwdefaults__
        _copies[function] = copy
    return copy


def _mirror(names: dict[str, Any]) -> dict[str, Any]:
    found = _mirrors.get(id(names))
    if found is None:
        found = _mirrors[id(names)] = _Names(names)
    return found


_NUMERIC = sys.modules["numpy._core.numeric"]


class _Numpy(types.ModuleType):
    """The ``numpy`` that NumPy's own code sees while it runs on tracers."""

    def __getattr__(self, name: str) -> Any:
        found = CREATION.get(name)
        if found is None:
            found = getattr(np, name) if hasattr(np, name) else getattr(_NUMERIC, name)
        return found


class _Names(dict[str, Any]):
    """A module's names, with creation functions replaced and its private functions rebuilt."""

    def __init__(self, names: dict[str, Any]) -> None:
        super().__init__(__builtins__=builtins, __name__=names["__name__"])
        self.names = names

    def __missing__(self, name: str) -> Any:
        value = self.names[name]
        if value is np or value is _NUMERIC:
            return _NUMPY
        if name in CREATION and ORIGINALS.get(name) is value:
            return CREATION[name]
        if isinstance(value, types.FunctionType) and value.__globals__ is self.names:
            return _rebuilt(value) if not hasattr(value, "_implementation") else value
        return value


_NUMPY = _Numpy("numpy")
