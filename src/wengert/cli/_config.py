"""Options in a TOML file, which those on the command line go before.

Keys are the long names of the options, with hyphens or underscores. Lists and tables are written as the
command line writes them: ``hidden = [64, 32]`` is ``--hidden 64,32``, ``class-weights = {yes = 5}`` is
``--class-weights yes=5``, and ``optimiser = {name = "adam", b1 = 0.8}`` is ``--optimiser "adam(b1=0.8)"``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from wengert._refusals import did_you_mean
from wengert.errors import SettingError

NO_OPTIONS = ("config", "data", "help")  # in a file


def configured(context: typer.Context, path: Path | None) -> Path | None:
    """Make the file's options the defaults of a command."""
    if path is not None:
        several = {p.name: getattr(p, "multiple", False) for p in context.command.params}
        context.default_map = {
            key: _listed(value) if several[key] else _worded(value)
            for key, value in _read(path, [n for n in several if n and n not in NO_OPTIONS]).items()
        }
    return path


def _read(path: Path, known: list[str]) -> dict[str, Any]:
    import tomllib

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingError(f"{path}: cannot read the options ({error.strerror}); check the path") from error
    except ValueError as error:
        raise SettingError(f"{path}: is not TOML ({error}); write lines such as epochs = 50") from error
    found = {key.replace("-", "_"): value for key, value in content.items()}
    for key in found:
        if key not in known:
            guess = did_you_mean(key, known) or "see wengert train --help"
            raise SettingError(f"{path}: there is no option {key!r}; {guess}")
    return found


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
