"""``wengert cache``: compiled code that is kept between runs."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wengert.cli._app import command
from wengert.cli._shared import JsonOption, print_json

if TYPE_CHECKING:
    from wengert.native.machine.cache import Usage


@command
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete every entry.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show where compiled code is kept between runs, and how much of it; or delete it.

    WENGERT_CACHE_DIR names another folder, or `off`; WENGERT_CACHE_SIZE another limit, for instance 64M.

    wengert cache --clear
    """
    from wengert.native.machine import cache as kept

    report = _report(kept.clear() if clear else None)
    print_json(report) if as_json else print(_text(report))


def _report(cleared: "Usage | None") -> dict[str, Any]:
    """Everything there is to say, ready for JSON."""
    from wengert.native.machine import cache as kept

    place, usage = kept.folder(), kept.usage()
    return {
        "folder": None if place is None else str(place),
        "problem": kept.problem() or None,
        "entries": usage.entries,
        "bytes": usage.size,
        "limit": kept.limit(),
        **({} if cleared is None else {"deleted": {"entries": cleared.entries, "bytes": cleared.size}}),
    }


def _text(report: dict[str, Any]) -> str:
    lines = [f"folder {report['folder'] or 'none'}"]
    if report["problem"]:
        lines.append(f"problem: {report['problem']}")
    if "deleted" in report:
        gone = report["deleted"]
        lines.append(f"deleted {gone['entries']} entries, {_megabytes(gone['bytes'])}")
    held = f"{_megabytes(report['bytes'])} of {_megabytes(report['limit'])}"
    return "\n".join([*lines, f"entries {report['entries']}, {held}"])


def _megabytes(count: int) -> str:
    return f"{count / 2**20:.1f} MB"
