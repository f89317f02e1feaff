"""Names for the arrays of a program: those of the network, with what a language does not allow replaced."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import numpy as np

Array = np.ndarray


class Names:
    """Gives out names, each once."""

    def __init__(self, name_of: Callable[[Array, str], str | None], reserved: Iterable[str] = ()) -> None:
        self.name_of = name_of
        self.taken = set(reserved)
        self.known: dict[object, str] = {}
        self.variables = 0

    def fresh(self, wish: str) -> str:
        """The name wished for, as an identifier, with a number behind it where it is taken."""
        name = base = re.sub(r"\W", "_", wish, flags=re.ASCII) or "_"
        if base[0].isdigit():
            name = base = "_" + base
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
