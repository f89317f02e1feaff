"""Options in words: ``adam``, ``"adam(b1=0.8)"``, ``"leaky_relu(slope=0.2),tanh"``.

What can be named is looked up in tables made from the declarations themselves, so that a new optimiser or
schedule has its name here, too. Nothing that is written is executed: values are numbers and lists of numbers.
"""

import ast
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from wengert import losses, optim
from wengert._refusals import choice
from wengert.errors import SettingError


def _classes(module: Any) -> dict[str, type]:
    """The classes of a module's public face, by their names in small letters."""
    found = (getattr(module, name) for name in module.__all__)
    return {cls.__name__.lower(): cls for cls in found if inspect.isclass(cls)}


def _concrete(module: Any, base: type) -> dict[str, type]:
    """Those that are of a kind."""
    return {
        name: cls
        for name, cls in _classes(module).items()
        if issubclass(cls, base) and not inspect.isabstract(cls)
    }


RULES = _concrete(optim, optim.Rule)
MINIMISERS = {name: cls for name, cls in _classes(optim).items() if hasattr(cls, "wants")}
OPTIMISERS = RULES | MINIMISERS
_INNER = ("called", "warmup", "perepoch")  # those that are made of another one
SCHEDULES = {name: cls for name, cls in _concrete(optim, optim.Schedule).items() if name not in _INNER}
PENALTIES = _concrete(losses, losses.Penalty)


def entry(option: str, text: str, known: Mapping[str, Any]) -> Any:
    """What the table has under a name; an unknown one is answered with the nearest and with all."""
    if text in known:
        return known[text]
    raise SettingError(f"{option}: there is no {text!r}; {choice(text, known)}")


def made(
    option: str,
    text: str,
    known: Mapping[str, Callable[..., Any]],
    *first: Any,
    change: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> Any:
    """What ``name(option=value, ...)`` makes, with some arguments before, and after a change of them all."""
    name, given, named = parsed(option, text)
    make = entry(option, name, known)
    if not inspect.isclass(make):
        return _plain(option, text, make, given, named)
    try:
        bound = inspect.signature(make).bind_partial(*first, *given, **named)
        return make(**change(bound.arguments))
    except (TypeError, ValueError) as error:
        raise SettingError(f"{option} {text!r}: {_reason(error, make)}") from error


def _plain(option: str, text: str, found: Any, given: list[Any], named: dict[str, Any]) -> Any:
    if given or named:
        raise SettingError(f"{option} {text!r}: has no options; write the name alone")
    return found


def _reason(error: Exception, make: Any) -> str:
    names = ", ".join(inspect.signature(make).parameters)
    plain = str(error).partition("() ")[2] or str(error)
    return f"{plain}; it takes {names}" if isinstance(error, TypeError) else plain


def parsed(option: str, text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """The name, and the values by place and by name, of ``name(value, option=value)``."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        if isinstance(tree, ast.Name):
            return tree.id, [], {}
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
            named = {keyword.arg or "**": _value(keyword.value) for keyword in tree.keywords}
            return tree.func.id, [_value(value) for value in tree.args], named
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        pass
    raise SettingError(f"{option} {text!r}: is no name with options; write for instance name(option=0.5)")


def _value(node: ast.expr) -> Any:
    """A number, a text, or several in a tuple."""
    value = ast.literal_eval(node)
    return tuple(value) if isinstance(value, list) else value


def parts(text: str) -> list[str]:
    """What stands between the commas of a list, those inside parentheses aside."""
    found, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    return [part.strip() for part in found]


def numbers(option: str, text: str) -> list[float]:
    """The numbers of a list such as ``0.2,0.5``."""
    try:
        return [float(part) for part in parts(text)]
    except ValueError:
        raise SettingError(f"{option} {text!r}: is no list of numbers; write for instance 0.2,0.5") from None


def weights(option: str, text: str) -> Any:
    """``balanced``, or the weights of classes by name, ``yes=5,no=1``."""
    if text == "balanced":
        return text
    pairs = [part.rpartition("=") for part in parts(text)]
    if not all(equals for _, equals, _ in pairs):
        raise SettingError(f"{option} {text!r}: write balanced, or the weight of each class as yes=5,no=1")
    return {name.strip(): _weight(option, text, value) for name, _, value in pairs}


def _weight(option: str, text: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise SettingError(
            f"{option} {text!r}: {value!r} is not a number; write for instance yes=5,no=1"
        ) from None
