"""What the command line shows: notes and mistakes on stderr, results on stdout."""

import sys
from collections.abc import Sequence


def note(message: str) -> None:
    """Something worth knowing, on stderr."""
    print(f"wengert: note: {message}", file=sys.stderr)


def fail(message: str) -> None:
    """What is wrong and what to do, in one line on stderr."""
    print("wengert: error: " + " ".join(message.split()), file=sys.stderr)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as aligned columns, the first to the left and the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))] for row in rows)
    return "\n".join("  ".join(line) for line in lines)
