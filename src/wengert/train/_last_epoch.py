r"""The weights of the last whole epoch, in a file while the next epoch changes them in place.

Whoever interrupts a training gets the network of the last whole epoch, and so does one that diverges. A copy
in memory for that makes four arrays for every three,

.. math:: \mathbf w,\; \mathbf m,\; \mathbf s \quad\text{and}\quad \mathbf w_{\text{before}},

of Adam's. The file has no name and is gone with the process. Writing takes as long as copying does: what is
written stays with the system, which may need the memory for something else.
"""

import weakref
from contextlib import suppress
from typing import Any

import numpy as np

from wengert.core import tree

Network = Any


class Shelf:
    """Room for one network in a temporary file."""

    def __init__(self) -> None:
        self._file: Any = None

    def take(self, network: Network) -> bool:
        """Write a network down, instead of the last one; False where there is no room for it."""
        with suppress(OSError):
            file = self._opened()
            file.seek(0)
            for array in _arrays(network):
                file.write(array.data)
            file.flush()
            return True
        return False

    def give_back(self, network: Network) -> Network:
        """The network whose arrays these were when it was written down, in the same arrays."""
        self._file.seek(0)
        for array in _arrays(network):
            self._file.readinto(array.data)
        return network

    def _opened(self) -> Any:
        if self._file is None:
            from tempfile import TemporaryFile

            self._file = TemporaryFile(prefix="wengert-")  # noqa: SIM115
            weakref.finalize(self, self._file.close)
        return self._file


def _arrays(network: Network) -> list[np.ndarray[Any, Any]]:
    return [leaf for leaf in tree.flatten(network)[0] if isinstance(leaf, np.ndarray) and leaf.size]
