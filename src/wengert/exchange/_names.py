"""Names for the arrays of a program: those of the network, with what a language does not allow replaced."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable

import numpy as np

Array = np.ndarray
WIDTH = 110  # of comments


def identifier(wish: str) -> str:
    """A name as Python and C write it."""
    name = re.sub(r"\W", "_", wish, flags=re.ASCII)
    return name if name and not name[0].isdigit() else "_" + name


def plain(text: str) -> str:
    """A name as it may stand in a comment: what could end the comment, or a line of it, is replaced."""
    return "".join(letter if letter.isprintable() and letter not in '*"?\\' else "_" for letter in text)


def wrapped(text: str, first: str, others: str) -> str:
    """A text in lines for a comment, with what stands before the first and before the others."""
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


class Names:
    """Gives out names, each once."""

    def __init__(
        self,
        name_of: Callable[[Array, str], str | None],
        reserved: Iterable[str] = (),
        form: Callable[[str], str] = identifier,
    ) -> None:
        self.name_of = name_of
        self.form = form
        self.taken = set(reserved)
        self.known: dict[object, str] = {}
        self.variables = 0

    def fresh(self, wish: str) -> str:
        """The name wished for, in the form of the language, with a number behind it where it is taken."""
        name = base = self.form(wish)
        i = 1
        while name in self.taken:
            i += 1
            name = f"{base}_{i}"
        self.taken.add(name)
        return name

    def variable(self) -> str:
        """v1, v2, ..."""
        self.variables += 1
        return self.fresh(f"v{self.variables}")

    def constant(self, value: Array, layer: str) -> tuple[str, bool]:
        """The name of a constant of a layer, and whether it is new."""
        wish = self.name_of(value, layer) or (f"{layer}.constant" if layer else "constant")
        key = (wish, value.shape, value.dtype.str, value.tobytes())
        new = key not in self.known
        if new:
            self.known[key] = self.fresh(wish)
        return self.known[key], new
