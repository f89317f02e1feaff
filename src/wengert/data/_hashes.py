r"""A number of 64 bits for every row, by which rows are found again without keeping them.

.. math:: h_n = m\Bigl(\sum_j M^j\, m(x_{nj}) \bmod 2^{64}\Bigr)

with an odd M, and m that spreads the bits of a number over all 64. Equal rows have equal hashes, whatever
file they are read from; different rows have different ones, but for one pair in :math:`2^{64}`.
"""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from wengert.data._table import Column, Numbers, Times, Words, canonical

Array = np.ndarray
Bits = Callable[[Array], Array]

BLOCK = 1 << 14  # rows at a time, so that their hashes stay in the cache
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, and its bits without a pattern
HALF = np.uint64(32)


def row_hashes(columns: Sequence[Column], rows: Array) -> Array:
    """The hashes of these rows, by what the columns hold there.

    Examples
    --------
    >>> hashes = row_hashes([Numbers(np.array([1, 2, 1])), Numbers(np.array([0.5, 0.5, 0.5]))], np.arange(3))
    >>> hashes[0] == hashes[2], hashes[0] == hashes[1]
    (np.True_, np.False_)
    """
    read, out = [_reader(column) for column in columns], np.zeros(len(rows), np.uint64)
    for start in range(0, len(rows), BLOCK):
        block, hashes = rows[start : start + BLOCK], out[start : start + BLOCK]
        for bits in read:
            hashes *= MULTIPLIER
            hashes += bits(block)
        hashes[:] = _mixed(hashes)
    return out


def fingerprint(hashes: Array) -> str:
    """A text that is the same for the same rows in the same order.

    Examples
    --------
    >>> hashes = row_hashes([Numbers(np.array([1, 2]))], np.arange(2))
    >>> len(fingerprint(hashes)), fingerprint(hashes) == fingerprint(hashes[::-1])
    (32, False)
    """
    return hashlib.blake2b(hashes.astype("<u8").tobytes(), digest_size=16).hexdigest()


def _mixed(bits: Array) -> Array:
    mixed = (bits ^ (bits >> HALF)) * MULTIPLIER
    return (mixed ^ (mixed >> HALF)) * MULTIPLIER


def _reader(column: Column) -> Bits:
    """For rows of a column 64 bits each, equal where the column is."""
    if isinstance(column, Words):
        words = _mixed(np.array([*map(_of_word, column.labels), 0], np.uint64))
        return lambda rows: words[column.codes[rows]]
    if isinstance(column, Times):
        return lambda rows: _mixed(column.values[rows].astype(np.int64).view(np.uint64))
    if isinstance(column, Numbers):
        return _reader_of_numbers(column.values)
    return lambda rows: np.zeros(len(rows), np.uint64)


def _reader_of_numbers(values: Array) -> Bits:
    """From a table where there can be few different ones."""
    if values.dtype.itemsize > 1 or values.dtype.kind not in "iu":
        return lambda rows: _mixed(_of_numbers(values[rows]))
    all_bytes = _mixed(_of_numbers(np.arange(256, dtype=np.uint8).view(values.dtype)))
    return lambda rows: all_bytes[values.view(np.uint8)[rows]]


def _of_numbers(values: Array) -> Array:
    """Those of the nearest number in double precision; one NaN is as good as another, and -0.0 is 0.0."""
    found = values.astype(np.float64) + 0.0
    found[np.isnan(found)] = np.nan
    return found.view(np.uint64)


def _of_word(word: str) -> int:
    digest = hashlib.blake2b(canonical(word).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")
