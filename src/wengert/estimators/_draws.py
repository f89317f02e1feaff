r"""Random draws, in the order in which scikit-learn makes them.

Equal seeds then give equal networks. Weights and biases of a layer of :math:`D` inputs and :math:`M` units
are uniform,

.. math:: w, b \sim U\Bigl[-\sqrt{c/(D + M)},\; \sqrt{c/(D + M)}\Bigr),
          \qquad c = 6, \text{ and } 2 \text{ for logistic units},

layer by layer, weights before biases; before every epoch the order of the patterns is shuffled further; the
patterns kept aside are the first of a permutation, in every class by itself where there are two.
"""

from typing import Any

import numpy as np

from wengert.native.orders import shuffled
from wengert.train._orders import Drawn

Array = np.ndarray
RandomState = np.random.RandomState


def random_state(seed: Any) -> RandomState:
    """The generator of a seed, of itself, or the global one."""
    if isinstance(seed, RandomState):
        return seed
    return np.random.mtrand._rand if seed is None else RandomState(seed)


def weights_and_biases(rng: RandomState, inputs: int, units: int, numerator: float) -> tuple[Array, Array]:
    """The start of a layer."""
    radius = np.sqrt(numerator / (inputs + units))
    return rng.uniform(-radius, radius, (inputs, units)), rng.uniform(-radius, radius, units)


class ShuffledFurther(Drawn):
    """Orders of the patterns in one epoch after the other, each shuffled further than the last."""

    def __init__(self, rng: RandomState, rows: Array) -> None:
        super().__init__(rows)
        self.rng = rng

    def _write(self, first: int, orders: Array) -> None:
        shuffled(self.rng, self.rows, orders)


def split(rng: RandomState, patterns: int, fraction: float) -> tuple[Array, Array]:
    """Indices of the patterns to train on, and of those kept aside."""
    aside = _count_aside(patterns, fraction)
    drawn = rng.permutation(patterns)
    return drawn[aside:], drawn[:aside]


def stratified_split(rng: RandomState, classes: Array, fraction: float) -> tuple[Array, Array]:
    """As :func:`split`, with the same share of every class.

    Raises
    ------
    ValueError
        Where a class has a single pattern, or one of the two sets is smaller than the number of classes.
    """
    aside = _count_aside(len(classes), fraction)
    found = sorted(set(classes.tolist()))
    members = [np.flatnonzero(classes == c) for c in found]
    counts = np.array([len(rows) for rows in members])
    _require_enough(found, counts, len(classes) - aside, aside)
    kept = _shared(rng, counts, len(classes) - aside)
    held = _shared(rng, counts - kept, aside)
    drawn = [rows[rng.permutation(len(rows))] for rows in members]
    train = np.concatenate([rows[:k] for rows, k in zip(drawn, kept)])
    test = np.concatenate([rows[k : k + h] for rows, k, h in zip(drawn, kept, held)])
    return rng.permutation(train), rng.permutation(test)


def _count_aside(patterns: int, fraction: float) -> int:
    """How many are kept aside: at least one, and not all."""
    if not 0 < fraction < 1:
        raise ValueError(f"validation_fraction must be above 0 and below 1 to keep any aside, not {fraction}")
    aside = int(np.ceil(fraction * patterns))
    if aside >= patterns:
        raise ValueError(
            f"validation_fraction={fraction} of {patterns} patterns leaves none to train on; lower it"
        )
    return aside


def _require_enough(found: list[Any], counts: Array, train: int, test: int) -> None:
    if counts.min() < 2:
        raise ValueError(
            "The least populated classes in y have only 1 member: too few to be in both sets. "
            f"Classes with too few members are: {[str(c) for c, count in zip(found, counts) if count < 2]}"
        )
    if min(train, test) < len(found):
        raise ValueError(
            f"{train} patterns to train on and {test} kept aside cannot have all {len(found)} classes each; "
            "raise validation_fraction or give more data"
        )


def _shared(rng: RandomState, counts: Array, draws: int) -> Array:
    """So many draws shared among classes by size; what rounding leaves goes to the largest remainders."""
    shares = counts / counts.sum() * draws
    whole = np.floor(shares)
    missing = int(draws - whole.sum())
    remainders = shares - whole
    for remainder in sorted(set(remainders.tolist()), reverse=True):
        if missing == 0:
            break
        tied = np.flatnonzero(remainders == remainder)
        chosen = rng.choice(tied, size=min(len(tied), missing), replace=False)
        whole[chosen] += 1
        missing -= len(chosen)
    return whole.astype(int)
