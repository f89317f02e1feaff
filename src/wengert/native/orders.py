r"""Random orders, drawn by native code.

.. math:: \pi \in S_n, \qquad P(\pi) = 1/n!

An order that is `drawn` is a function of a key and a number; what is `shuffled` comes from a generator of
NumPy's, and leaves it where NumPy would.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from wengert.native.machine import host, identity

Array = np.ndarray

FEW = 1 << 12  # rows that NumPy has shuffled sooner than the code for it is there


def drawn(key: Array, first: int, rows: Array, orders: Array) -> None:
    """The orders of some numbers, of rows (uint32).

    Parameters
    ----------
    key
        Two words (uint32), as of :mod:`wengert.random`.
    first
        The first number; all are below 2³², and each has an order of its own.
    rows
        What is put in order.
    orders
        Where to, a row (like ``rows``) for each number.
    """
    count, length = orders.shape
    _function("drawn")(orders.ctypes.data, rows.ctypes.data, count, length, *key.tolist(), first)


def shuffled(rng: np.random.RandomState, rows: Array, orders: Array) -> None:
    """Rows (uint32) after ``rng.shuffle(rows)``, and again, for every row of ``orders``."""
    generator, (count, length) = rng._bit_generator, orders.shape
    if not isinstance(generator, np.random.MT19937) or length < 2 or _are_few(orders.size):
        for order in orders:
            rng.shuffle(rows)
            order[:] = rows
        return
    with generator.lock:
        state = generator.ctypes.state_address
        _function("shuffled")(state, rows.ctypes.data, orders.ctypes.data, count, length)


_shuffled = [0]  # rows in this process


def _are_few(rows: int) -> bool:
    """Whether with these rows, too, there have been so few that code for them does not pay."""
    _shuffled[0] += rows
    return _shuffled[0] <= FEW


# --- the code -----------------------------------------------------------------------------------------------

POINTER, COUNT, WORD = ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint32
SIGNATURES = {
    "drawn": (POINTER, POINTER, COUNT, COUNT, WORD, WORD, WORD),
    "shuffled": (POINTER, POINTER, POINTER, COUNT, COUNT),
}


@cache
def _function(name: str) -> Any:
    return ctypes.CFUNCTYPE(None, *SIGNATURES[name])(_code(name).address(name))


@cache
def _code(name: str) -> host.Code:
    return host.link(*host.kept(identity.key("orders", name), lambda: _compiled(name)))


def _compiled(name: str) -> list[bytes]:
    from wengert.native.elementary import shuffles

    return host.objects_of(shuffles.module(name))
