"""From the words of a command to its exit code."""

import os
import sys

import typer

from wengert.cli._app import app


def main() -> None:
    """Run the command line.

    The exit code is 0, 1 where the reader of a pipe has left, 2 after a mistake of the user's, or 130 after
    Ctrl-C; a defect of this package ends with its traceback and 1.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = app(prog_name="wengert", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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
    elif hasattr(error, "format_message"):  # what Typer says about options and arguments
        fail(f"{error.format_message().rstrip('.')}; see wengert --help")
    else:
        raise error
    return 2
