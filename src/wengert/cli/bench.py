"""``wengert bench``: how fast this machine trains, beside scikit-learn."""

from typing import Any

from wengert.cli._app import command
from wengert.cli._shared import JsonOption, print_json


@command
def bench(as_json: JsonOption = False) -> None:
    """Time a few trainings on this machine, beside scikit-learn where that is installed.

    The second column is the time of one step, a minibatch of patterns, in microseconds.

    wengert bench
    """
    from wengert._jobs.timing import timed

    rows = timed()
    print_json({"steps": rows}) if as_json else print(_text(rows))


def _text(rows: list[dict[str, Any]]) -> str:
    from wengert.tables import justified

    header = ["network, minibatch", "wengert µs", "scikit-learn µs", "ratio"]
    return justified([header, *(_line(row) for row in rows)])


def _line(row: dict[str, Any]) -> list[str]:
    peer, ratio = row["scikit_learn"], row["ratio"]
    more = ["not installed", ""] if peer is None else [f"{peer:.1f}", f"{ratio:.1f}"]
    return [row["network"], f"{row['wengert']:.2f}", *more]
