"""What the command line says beside its results: notes and mistakes, on stderr."""

import sys


def note(message: str) -> None:
    """Something worth knowing, on stderr."""
    print(f"wengert: note: {message}", file=sys.stderr)


def fail(message: str) -> None:
    """What is wrong and what to do, in one line on stderr."""
    print("wengert: error: " + " ".join(message.split()), file=sys.stderr)
