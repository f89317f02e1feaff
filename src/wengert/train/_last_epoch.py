r"""The weights of the last whole epoch, in a file while the next epoch changes them in place.

Whoever interrupts a training gets the network of the last whole epoch, and so does one that diverges. A copy
in memory for that makes four arrays for every three,

.. math:: \mathbf w,\; \mathbf m,\; \mathbf s \quad\text{and}\quad \mathbf w_{\text{before}},

of Adam's. The file has no name and is gone with the process. Writing takes as long as copying does: what is
written stays with the system, which may need the memory for something else.
"""

import weakref
from typing import Any

import numpy as np

from wengert.core import tree

Array = np.ndarray
Network = Any


class Shelf:
    """Room for one network in a temporary file."""

    def __init__(self) -> None:
        self._file: Any = None

    def take(self, network: Network) -> bool:
        """Write a network down, instead of the last one; False where there is no room for it."""
        try:
            file = self._opened()
            for array in _arrays(network):
                _write(file, _bytes_of(array.reshape(-1)))
        except OSError:
            self._close()
            return False
        return True

    def give_back(self, network: Network) -> Network:
        """The network whose arrays these were when it was written down, in the same arrays."""
        file = self._opened()
        for array in _arrays(network):
            row = array.reshape(-1)
            _read(file, _bytes_of(row))
            if not np.may_share_memory(row, array):  # its rows are not one after the other in memory
                array[...] = row.reshape(array.shape)
        return network

    def _opened(self) -> Any:
        """The file, from its beginning."""
        if self._file is None:
            from tempfile import TemporaryFile

            self._file = TemporaryFile(prefix="wengert-", buffering=0)  # noqa: SIM115
            self._finalizer = weakref.finalize(self, self._file.close)
        self._file.seek(0)
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            self._finalizer()
            self._file = None


def _arrays(network: Network) -> list[Array]:
    return [leaf for leaf in tree.flatten(network)[0] if isinstance(leaf, np.ndarray)]


def _bytes_of(row: Array) -> memoryview:
    return row.view(np.uint8).data


def _write(file: Any, left: memoryview) -> None:
    while left:
        left = left[file.write(left) :]


def _read(file: Any, left: memoryview) -> None:
    while left:
        got = file.readinto(left)
        if not got:
            raise OSError("the weights of the last epoch are no longer in their temporary file")
        left = left[got:]
