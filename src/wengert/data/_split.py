r"""Who trains and who judges: rows dealt out to a training, a validation and a test part."""

from dataclasses import dataclass

import numpy as np

from wengert.data._target import Target
from wengert.errors import DataError

Array = np.ndarray


@dataclass(frozen=True)
class Split:
    """Row indices of the training, validation and test parts, each in random order."""

    training: Array
    validation: Array
    test: Array


def split(target: Target, validation: float, test: float, rng: np.random.Generator) -> Split:
    """Deal the rows out at random, for classification class by class, so that every part has its share of
    each.

    A class keeps at least one row for training.
    """
    _check_fractions(validation, test)
    strata = target.values if target.task == "classification" else np.zeros(len(target.values), np.int64)
    dealt = [_deal(np.flatnonzero(strata == k), validation, test, rng) for k in np.unique(strata)]
    parts = Split(*(rng.permutation(np.concatenate(part)) for part in zip(*dealt, strict=True)))
    _check_parts(parts, len(strata), validation, test)
    return parts


def _deal(
    rows: Array, validation: float, test: float, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    rows = rng.permutation(rows)
    for_test = round(len(rows) * test)
    for_validation = min(round(len(rows) * validation), max(0, len(rows) - 1 - for_test))
    return rows[for_test + for_validation :], rows[for_test : for_test + for_validation], rows[:for_test]


def _check_fractions(validation: float, test: float) -> None:
    if validation < 0 or test < 0 or validation + test > 0.9:
        raise DataError(
            f"validation fraction {validation:g} and test fraction {test:g} leave too little for training; "
            "each is at least 0 and together they are at most 0.9"
        )


def _check_parts(parts: Split, rows: int, validation: float, test: float) -> None:
    for name, part, fraction in (("validation", parts.validation, validation), ("test", parts.test, test)):
        if fraction and not len(part):
            raise DataError(
                f"a {name} fraction of {fraction:g} leaves no row of {rows} for the {name} part; "
                f"add rows, or write --{name}-fraction 0"
            )
