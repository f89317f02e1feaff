r"""The forward pass through units in any order: a schedule's segments, one after the other, for all patterns.

Activations are kept as blocks with a row for each unit, :math:`z_{jn}` for unit j and pattern n, so that the
sums of a whole segment,

.. math:: a_{jn} = \sum_f w_{p(j, f)}\, z_{i(j, f)\,n} + b_j, \qquad z_{jn} = h_j(a_{jn}),

are one product of tables (:mod:`wengert.nn._schedule` says which), and a run of levels is one scan. All of it
is plain NumPy: derivatives and native code follow from that.
"""

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from wengert.control import checkpoint, scan
from wengert.nn._activations import Activation
from wengert.nn._schedule import LARGE, Inner, Product, Range, Schedule, Segment

Array = np.ndarray


def propagated(schedule: Schedule, parameters: Array, x: Array) -> Array:
    """The outputs for inputs of shape (inputs,) or (inputs, patterns), each a row.

    The parameters are one vector, with a 0 behind them for what is not connected.
    """
    numbers, blocks = _Numbers(parameters, parameters[schedule.gathered]), [x]
    for segment in schedule.segments:
        blocks.append(_activations(segment, numbers, blocks))
    return _joined(blocks, schedule.output_blocks)[schedule.output_rows]


class _Numbers(NamedTuple):
    """The parameter vector, and what is gathered from it."""

    parameters: Array
    gathered: Array

    def __getitem__(self, at: Range) -> Array:  # type: ignore[override]
        numbers = self.gathered if at.gathered else self.parameters
        return np.reshape(numbers[at.start : at.start + math.prod(at.shape)], at.shape)


def _joined(blocks: Sequence[Array], chosen: Sequence[int]) -> Array:
    return blocks[chosen[0]] if len(chosen) == 1 else np.concatenate([blocks[i] for i in chosen])


def _activations(segment: Segment, numbers: _Numbers, blocks: Sequence[Array]) -> Array:
    """The activations of a segment's units, row by row."""
    a = reduce(np.add, [_products(product, numbers, blocks) for product in segment.outer])
    if segment.biases is not None:
        b = numbers[segment.biases]
        a = a + (b if a.ndim == 1 else b[:, None])
    if segment.inner is None:
        return _transformed(a, segment.activations)
    return _along_run(segment, segment.inner, numbers, a)


def _products(product: Product, numbers: _Numbers, blocks: Sequence[Array]) -> Array:
    """``sum_i w_i z_i`` for every row of a product."""
    patterns, dtype = blocks[0].shape[1:], numbers.parameters.dtype
    read = [blocks[i] for i in product.blocks]
    read += [np.zeros((1, *patterns), dtype)] if product.padded or not read else []
    z = read[0] if len(read) == 1 else np.concatenate(read)
    parts = [_sums(numbers[weights], reads, z) for weights, reads in product.tables]
    parts += [np.zeros((product.empty, *patterns), dtype)] if product.empty else []
    a = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return a if product.order is None else a[product.order]


def _sums(weights: Array, reads: Array | None, z: Array) -> Array:
    """``sum_f w[j, f] z[reads[j, f]]``, where all rows read the same a matrix product.

    What large tables read is looked up again in the backward pass, not stored.
    """
    if reads is None or reads.ndim == 1:
        return weights @ (z if reads is None else z[reads])
    return (checkpoint(_looked_up) if reads.size > LARGE else _looked_up)(weights, reads, z)


def _looked_up(weights: Array, reads: Array, z: Array) -> Array:
    return np.sum((weights if z.ndim == 1 else weights[:, :, None]) * z[reads], axis=1)


def _transformed(a: Array, activations: Sequence[tuple[Activation, int]]) -> Array:
    """``z = h(a)``, with a function for each group of rows."""
    if len(activations) == 1:
        return activations[0][0](a)
    parts, start = [], 0
    for h, count in activations:
        parts.append(h(a[start : start + count]))
        start += count
    return np.concatenate(parts)


def _along_run(segment: Segment, inner: Inner, numbers: _Numbers, outer: Array) -> Array:
    """The activations of a run, level after level."""
    patterns = outer.shape[1:]
    slots = np.zeros((inner.kept.shape[1], *patterns), outer.dtype)

    def step(carried: Array, level: Any) -> tuple[Array, Array]:
        weights, reads, kept, a = level
        z = _transformed(_looked_up(weights, reads, carried) + a, segment.activations)
        return np.concatenate([carried, z])[kept], z

    a = np.reshape(outer, (segment.levels, segment.width, *patterns))
    levels = (numbers[inner.weights], inner.reads, inner.kept, a)
    return np.reshape(scan(step, slots, levels)[1], outer.shape)
