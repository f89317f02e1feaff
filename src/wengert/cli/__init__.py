"""The command line: ``wengert train``, ``predict``, ``evaluate``, ``inspect`` and what belongs to them.

Progress and notes go to stderr, results to stdout. A mistake in what was asked for ends with one line,
``wengert: error: where: what; what to do instead``, exit code 2, and nothing written. Files are replaced
only with ``--force``, and only when their new content is complete. Heavy imports wait until they are needed,
so that ``wengert --help`` answers at once.
"""

from wengert.cli import (  # noqa: F401  (each adds its command)
    bench,
    cache,
    evaluate,
    export,
    inspect,
    predict,
    train,
    tune,
)
from wengert.cli._app import app
from wengert.cli._main import main

__all__ = ["app", "main"]
