r"""The parts that the rows of a table are dealt out to, and how a model knows later which it has seen.

Scores on rows that a model was trained on flatter it. So a model keeps the fingerprint of its table, by which
the parts of that table are found again; and of the hashes of the rows that it has seen the smallest,

.. math:: h_{(1)} < \ldots < h_{(k)}, \qquad
          \text{share seen} \approx \frac{\#\{n : h_n \in \{h_{(1)}, \ldots, h_{(k)}\}\}}
                                         {\#\{n : h_n \le h_{(k)}\}},

which tell of any other table how much of it is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from wengert._jobs.options import Options
from wengert.data import (
    Preprocessing,
    Split,
    Table,
    Target,
    fingerprint,
    require_columns,
    row_hashes,
    split,
    split_by_group,
    split_by_time,
    target_values,
    words,
)
from wengert.models import Model

Array = np.ndarray

KEPT = 256  # hashes
DIGITS = 16  # of a hash
OF_SPLIT = ("split", "group", "time", "validation_fraction", "test_fraction", "seed")


class Streams(NamedTuple):
    """Independent streams of random numbers, so that one choice does not shift the others."""

    order: np.random.SeedSequence
    split: np.random.SeedSequence
    weights: np.random.SeedSequence


def streams(options: Options) -> Streams:
    """Those of the seed."""
    return Streams(*np.random.SeedSequence(options.seed).spawn(3))


def parts(table: Table, target: Target, options: Options) -> Split:
    """The rows dealt out at random (class by class), by group, or by time."""
    fractions = options.validation_fraction, options.test_fraction
    rng = np.random.default_rng(streams(options).split)
    if options.group is not None:
        return split_by_group(table, options.group, *fractions, rng)
    if options.time is not None:
        return split_by_time(table, options.time, *fractions)
    return split(target if options.split == "stratified" else _of_one_stratum(target), *fractions, rng)


def _of_one_stratum(target: Target) -> Target:
    """The target as numbers, which have no classes to be dealt out one by one."""
    return replace(target, task="regression")


# ----------------------------------------------------------------------------------- what is kept


def _hashes(table: Table, preprocessing: Preprocessing, targets: Sequence[str]) -> Array:
    """Those of the rows by what they predict from, words as such, and by what they predict."""
    features = [
        words(table, name) if name in preprocessing.worded else table.columns[name]
        for name in preprocessing.columns
    ]
    return row_hashes([*features, *(table.columns[name] for name in targets)], np.arange(len(table)))


def seen(table: Table, preprocessing: Preprocessing, targets: Sequence[str], dealt: Split) -> dict[str, str]:
    """What a model keeps of the rows of its table."""
    hashes = _hashes(table, preprocessing, targets)
    known = np.unique(hashes[np.concatenate([dealt.training, dealt.validation])])[:KEPT]
    return {
        "all": fingerprint(hashes),
        "test": fingerprint(hashes[dealt.test]),
        "seen": "".join(f"{int(h):0{DIGITS}x}" for h in known),
    }


# ----------------------------------------------------------------------------------- what is found


class Acquaintance(NamedTuple):
    """How a model knows a table.

    Attributes
    ----------
    parts
        The parts that it was dealt out to, if the model was trained on this table.
    share
        About how much of it the model was trained on; None where the model does not say.
    """

    parts: Split | None
    share: float | None


def acquaintance(model: Model, table: Table) -> Acquaintance:
    """How a model knows a table that has its target."""
    require_columns(table, model.targets)
    kept = model.training.get("rows")
    if not isinstance(kept, dict):
        return Acquaintance(None, None)
    hashes = _hashes(table, model.preprocessing, model.targets)
    try:
        found = _parts_again(model, table, hashes, kept)
        share = _share(hashes, kept["seen"]) if found is None else 1 - len(found.test) / len(table)
        return Acquaintance(found, share)
    except (KeyError, TypeError, ValueError):  # what people read in a model file may hold anything
        return Acquaintance(None, None)


def _parts_again(model: Model, table: Table, hashes: Array, kept: Mapping[str, str]) -> Split | None:
    """The parts of the table that the model was trained on, if this is it."""
    if fingerprint(hashes) != kept["all"]:
        return None
    values = target_values(table, model.targets, model.task, model.classes)
    target = Target(model.targets, model.task, model.classes, values, "")
    dealt = parts(table, target, _options(model))
    return dealt if fingerprint(hashes[dealt.test]) == kept["test"] else None


def _options(model: Model) -> Options:
    """The options that the rows were dealt out by."""
    known: Mapping[str, Any] = model.training["options"]
    return Options(**{field.name: known[field.name] for field in fields(Options) if field.name in OF_SPLIT})


def _share(hashes: Array, kept: str) -> float:
    """The share of the rows that are known, of those whose hashes are as small as the ones that are kept."""
    known = np.array([int(kept[i : i + DIGITS], 16) for i in range(0, len(kept), DIGITS)], np.uint64)
    small = hashes if len(known) < KEPT else hashes[hashes <= known.max()]
    return float(np.isin(small, known).mean()) if len(small) else 0.0
