"""Options in a TOML file, which those on the command line go before.

Keys are the long names of the options, with hyphens or underscores. Lists and tables are written as the
command line writes them: ``hidden = [64, 32]`` is ``--hidden 64,32``, ``class-weights = {yes = 5}`` is
``--class-weights yes=5``, and ``optimiser = {name = "adam", b1 = 0.8}`` is ``--optimiser "adam(b1=0.8)"``.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import typer

from wengert._refusals import did_you_mean
from wengert.errors import SettingError

NO_OPTIONS = ("config", "data", "help")  # in a file
FILE = "wengert.config"  # where a context knows its file


class File(NamedTuple):
    """A file of options, and in which line each is, by the name of the parameter."""

    path: Path
    content: dict[str, Any]
    lines: dict[str, int]

    def at(self, name: str) -> str:
        """``file:line: `` of an option."""
        return f"{self.path}:{self.lines[name]}: " if name in self.lines else f"{self.path}: "


def configured(context: typer.Context, path: Path | None) -> Path | None:
    """Make the file's options the defaults of a command."""
    if path is not None:
        file = context.meta[FILE] = _read(path)
        several = {p.name: getattr(p, "multiple", False) for p in context.command.params}
        context.default_map = {
            key: _listed(value) if several[key] else _worded(value)
            for key, value in _known(file, [n for n in several if n and n not in NO_OPTIONS]).items()
        }
    return path


def located(context: typer.Context, error: Any) -> Exception:
    """An error that speaks of an option, told as one of the line in the file where the option is from."""
    file: File | None = context.meta.get(FILE)
    name, said = _option_of(error)
    source = context.get_parameter_source(name) if file and name else None
    if file is None or source is None or source.name != "DEFAULT_MAP":
        return error  # type: ignore[no-any-return]
    return SettingError(f"{file.at(name)}{name} {said or f'{file.content[name]!r}: {error.message}'}")


def _option_of(error: Any) -> tuple[str, str]:
    """The parameter that an error is about, and what is said behind its name, where it begins with that."""
    if getattr(error, "param", None) is not None:
        return error.param.name, ""
    option, _, said = str(error).partition(" ")
    return (option[2:].replace("-", "_"), said) if option.startswith("--") else ("", "")


def _read(path: Path) -> File:
    import tomllib

    try:
        text = path.read_text(encoding="utf-8-sig")
        content = {key.replace("-", "_"): value for key, value in tomllib.loads(text).items()}
    except OSError as error:
        raise SettingError(f"{path}: cannot read the options ({error.strerror}); check the path") from error
    except ValueError as error:
        raise SettingError(f"{path}: is not TOML ({error}); write lines such as epochs = 50") from error
    keys = [re.match(r"""\s*\[*\s*["']?([\w-]+)""", line) for line in text.splitlines()]
    lines = {key[1].replace("-", "_"): i for i, key in reversed(list(enumerate(keys, 1))) if key}
    return File(path, content, {name: line for name, line in lines.items() if name in content})


def _known(file: File, known: list[str]) -> dict[str, Any]:
    """The options, refused where a command has none of that name."""
    for name in file.content:
        if name not in known:
            guess = did_you_mean(name, known) or "see wengert train --help"
            raise SettingError(f"{file.at(name)}there is no option {name!r}; {guess}")
    return file.content


def _listed(value: Any) -> list[str]:
    """What may be written several times; one alone needs no list."""
    return list(map(str, value)) if isinstance(value, list) else [str(value)]


def _worded(value: Any) -> Any:
    """Lists and tables as the command line writes them."""
    if isinstance(value, list):
        return ",".join(str(_worded(entry)) for entry in value)
    if isinstance(value, Mapping):
        pairs = [f"{key}={entry!r}" for key, entry in value.items() if key != "name"]
        return f"{value['name']}({', '.join(pairs)})" if "name" in value else ",".join(pairs)
    return value
