"""From the words of a command to its exit code."""

import errno
import os
import sys
from typing import Any, TextIO

import typer

from wengert.cli._app import app


def main() -> None:
    """Run the command line.

    The exit code is 0, 1 where the reader of a pipe has left, 2 after a mistake of the user's, or 130 after
    Ctrl-C; a defect of this package ends with its traceback and 1.
    """
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = app(prog_name="wengert", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        code = 1
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except Exception as error:
        code = _explain(error)
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> int:
    """One line for what the user can mend; anything else is a defect here and shows its traceback."""
    from wengert._console import fail
    from wengert.errors import WengertError

    if isinstance(error, WengertError):
        fail(str(error))
    elif isinstance(error, OSError) and error.filename is not None:
        fail(f"{error.filename}: {error.strerror}; choose another place or mend this one")
    elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        _drop_output()
        fail(f"what was to be written does not fit: {error.strerror}; make room, or write elsewhere")
    elif hasattr(error, "format_message"):  # what Typer says about options and arguments
        said = error.format_message().replace("Value error, ", "")  # Typer's word for its own checks
        fail(f"{said.rstrip('.')}; see {_command(error)} --help")
    else:
        raise error
    return 2


def _nowhere() -> TextIO:
    """For what is written to a stream that is closed: Python has None in its place."""
    return open(os.devnull, "w", encoding="utf-8")


def _command(error: Any) -> str:
    """The command whose options or arguments are wrong."""
    context = getattr(error, "ctx", None)
    return context.command_path if context else "wengert"


def _drop_output() -> None:
    """What stdout still holds goes nowhere; or the interpreter would fail on it once more as it ends."""
    with _nowhere() as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
