"""What tests of commands have in common."""

import csv
import io

QUICK = ["--epochs", "3", "--hidden", "8"]


def table(text):
    """The cells of a CSV text."""
    return list(csv.reader(io.StringIO(text)))
