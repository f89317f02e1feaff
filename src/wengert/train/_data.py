r"""Where the minibatches of an epoch come from: rows of arrays, or batches that somebody else makes.

Rows are visited in a random order, :math:`n_1, n_2, \dots, n_N`, drawn anew for every epoch; the batches of
an iterable in the order in which it gives them. Both are checked before anything is learned from them: a
number that is not finite, or a class that the network has no output for, is named with its row.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol
from zlib import crc32

import numpy as np

from wengert import nn
from wengert._refusals import name_of, takes
from wengert.core import tree
from wengert.train._orders import AsTheyStand, Orders, Shuffled, Told
from wengert.train._own_losses import with_weights
from wengert.train._refusals import require, unusable
from wengert.train._storage import count_of, give_back, is_mapped, require_finite, rows_of
from wengert.train._trainer import Array, Data, Loss, Network, Trainer

Order = Callable[[int], Array]

# Rows are numbered in 32 bits.
MOST_ROWS = 1 << 32
# Rows that a data set is known by where it has more bytes than this.
SAMPLED, KNOWN_WHOLE = 64, 1 << 26


class Source(Protocol):
    """What epochs are made of."""

    def most(self, trainer: Trainer) -> int:
        """How many epochs one call makes at most."""

    def epochs(self, trainer: Trainer, count: int) -> list[float]:
        """The training errors of so many epochs."""

    def error(self, trainer: Trainer) -> float:
        """The error in prediction."""

    def outputs_and_targets(self, trainer: Trainer) -> tuple[Any, Any]:
        """What is predicted, and what should be."""

    def known_by(self) -> str:
        """What tells these data from others."""


class Rows:
    """Rows of arrays.

    Parameters
    ----------
    data
        Patterns, targets, and where there are any weights.
    rows
        Those that are visited.
    order
        ``True`` for a new random order in every epoch, ``False`` for the rows as they stand, or a function
        of the number of the epoch that gives the rows themselves.
    key
        What random orders are drawn with.
    """

    def __init__(self, data: Data, rows: Array, order: bool | Order, key: Array) -> None:
        require(count_of(data) <= MOST_ROWS, "x has more than 2**32 rows; give batches of them")
        self.data, self.rows = data, rows
        self.whole = len(rows) == count_of(data)
        self.orders: Orders = Shuffled(rows, key) if order else AsTheyStand(rows)
        if callable(order):
            self.orders = Told(lambda epoch: _rows_given(order(epoch), epoch, count_of(data)))

    def most(self, trainer: Trainer) -> int:
        """How many epochs one call makes at most."""
        return 1 if trainer.reads_a_file(self.data) else self.orders.most(trainer.at_a_time)

    def epochs(self, trainer: Trainer, count: int) -> list[float]:
        """The training errors of so many epochs, made in one call."""
        orders = self.orders.of(trainer.epochs + 1, count, self.most(trainer))
        return trainer.run_epochs(self.data, orders, count)

    def watched_epochs(
        self, trainer: Trainer, count: int, watched: "Rows", most: int
    ) -> tuple[list[float], list[float], Network]:
        """So many epochs in one call, at most so many, with a look at other rows after each of them."""
        orders = self.orders.of(trainer.epochs + 1, count, most)
        return trainer.run_watched(self.data, orders, count, watched.data, watched.rows)

    def error(self, trainer: Trainer) -> float:
        """The error in prediction."""
        return trainer.error(self.data, self.rows)

    def outputs_and_targets(self, trainer: Trainer) -> tuple[Any, Any]:
        """What is predicted, and what should be."""
        targets = self.data[1] if self.whole else rows_of(self.data[1], self.rows)
        return trainer.outputs(self.data, self.rows), targets

    def known_by(self) -> str:
        """Shapes, dtypes, and a checksum over all rows, or some where there are very many."""
        leaves = tree.flatten(self.data)[0]
        is_small = sum(leaf.nbytes for leaf in leaves) <= KNOWN_WHOLE
        count = len(self.rows) if is_small else min(SAMPLED, len(self.rows))
        some = self.rows[np.linspace(0, len(self.rows) - 1, count).astype(np.intp)]
        kinds = " ".join(f"{leaf.dtype}{list(leaf.shape[1:])}" for leaf in leaves)
        content = crc32(b"".join(np.ascontiguousarray(leaf[some]).tobytes() for leaf in leaves))
        return f"{len(self.rows)} rows of {kinds}, checksum {content:08x}"


def _rows_given(order: Any, epoch: int, count: int) -> Array:
    """An order of the user's, refused where it does not name rows."""
    rows = np.asarray(order)
    named = (
        rows.ndim == 1
        and rows.size
        and rows.dtype.kind in "iu"
        and -count <= rows.min() <= rows.max() < count
    )
    require(
        bool(named),
        f"shuffle gives {order!r:.60} for epoch {epoch}; give the rows to visit, whole numbers from 0 to "
        f"{count - 1}",
    )
    return rows


class Batches:
    """Batches that somebody else makes: an iterable, or a function of the number of the epoch that gives one.

    Each batch is a pair of patterns and targets, or a triple with weights.
    """

    def __init__(self, batches: Any, check: Callable[[Data, str], Data]) -> None:
        self.batches, self.check = batches, check

    def _of(self, epoch: int) -> Iterator[Data]:
        batches, used = self._begun(epoch), 0
        require(
            hasattr(batches, "__iter__") or hasattr(batches, "__getitem__"),
            f"x is {batches!r:.60} in epoch {epoch}, and without y an iterable of batches; give x and y, or "
            "batches",
        )
        for number, batch in enumerate(batches, start=1):
            if not _weighs_nothing(batch):
                used += 1
                yield self.check(batch, f"{number} of epoch {epoch}")
        if not used:
            raise unusable(
                f"there are no batches in epoch {epoch} that weigh anything; give an iterable that begins "
                "anew each time (a list, or an object with __iter__), or a function of the epoch's number "
                "that makes one"
            )

    def _begun(self, epoch: int) -> Any:
        """The batches of an epoch from the first on."""
        if not callable(self.batches):
            return self.batches
        require(
            takes(self.batches, 1),
            f"{name_of(self.batches)} does not take the epoch's number; write it as "
            f"{name_of(self.batches)}(epoch)",
        )
        return self.batches(epoch)

    def most(self, trainer: Trainer) -> int:
        """One epoch: its batches are calls of their own."""
        return 1

    def epochs(self, trainer: Trainer, count: int) -> list[float]:
        """The training errors of so many epochs."""
        return [trainer.epoch_of_batches(self._of(trainer.epochs + 1)) for _ in range(count)]

    def error(self, trainer: Trainer) -> float:
        """The error in prediction."""
        return trainer.error_of_batches(self._of(trainer.epochs))

    def outputs_and_targets(self, trainer: Trainer) -> tuple[Any, Any]:
        """What is predicted, and what should be."""
        pairs = [(trainer.outputs(batch), batch[1]) for batch in self._of(trainer.epochs)]
        return tree.map(lambda *parts: np.concatenate(parts), pairs[0], *pairs[1:])

    def known_by(self) -> str:
        """That these are batches; they are not looked at before their turn."""
        return "batches"


def _weighs_nothing(batch: Any) -> bool:
    """Whether it is a batch of patterns of weight 0, which are left out here as anywhere."""
    weights = batch[2] if isinstance(batch, tuple | list) and len(batch) == 3 else None
    return weights is not None and np.size(weights) > 0 and not np.any(weights)


# ------------------------------------------------------------------------------------------ reading


def require_rows(parts: Sequence[Any], names: Sequence[str]) -> None:
    """Refuse data without rows, or with parts of different lengths."""
    for name, part in zip(names, parts):
        are_arrays = all(np.ndim(leaf) for leaf in tree.flatten(part)[0])
        require(are_arrays, f"{name} has a single number for an array; give one row for each pattern")
    lengths = {name: [len(leaf) for leaf in tree.flatten(part)[0]] for name, part in zip(names, parts)}
    count = lengths[names[0]][0]
    for name, found in lengths.items():
        for length in found:
            require(
                length == count,
                f"{names[0]} has {count} rows and {name} has {length}; give one target for each pattern",
            )
    require(count > 0, f"{names[0]} has no rows; give at least one pattern")


def require_classes(network: Network, loss: Loss, x: Any, y: Any, name: str) -> None:
    """Refuse class indices that the network has no output for."""
    if not _takes_indices(network, loss, x, y):
        return
    outputs = np.shape(network(rows_of(x, slice(0, 1))))[-1]
    lowest, highest = y.min(), y.max()
    give_back(y)
    if lowest < 0 or highest >= outputs:
        place = np.argwhere((y < 0) | (y >= outputs))[0]
        raise unusable(
            f"{name}[{', '.join(map(str, place))}] is {y[tuple(place)]}, and the network has outputs for the "
            f"classes 0 to {outputs - 1}; number the classes from 0, or give the network more outputs"
        )


def _takes_indices(network: Network, loss: Loss, x: Any, y: Any) -> bool:
    """Whether whole numbers as targets are what one of this package's errors takes as classes."""
    own = getattr(loss, "__module__", "").startswith("wengert.losses")
    if not own or not isinstance(y, np.ndarray) or y.dtype.kind not in "iu":
        return False
    return np.ndim(network(rows_of(x, slice(0, 1)))) == y.ndim + 1


def require_weights(weights: Array, loss: Loss, name: str) -> None:
    """Refuse numbers that are no weights, and an error that takes none."""
    require(takes(loss, 3), f"{name_of(loss)} takes no weights of patterns; {with_weights(loss)}")
    are_weights = weights.ndim == 1 and weights.min(initial=0) >= 0 and weights.any()
    require(bool(are_weights), f"{name} must be one number for each pattern, none negative and not all zero")


def checked(network: Network, loss: Loss, data: Data, names: Sequence[str]) -> Data:
    """Patterns, targets and weights as arrays, refused where nothing can be learned from them."""
    parts = [_as_arrays(part, name) for part, name in zip(data, names)]
    require_rows(parts, names)
    for part, name in zip(parts, names):
        if not is_mapped(part):  # what is in a file is looked at when it is read
            require_finite(part, name)
    require_classes(network, loss, parts[0], parts[1], names[1])
    if len(parts) == 3:
        parts[2] = parts[2].astype(_dtype_of(network))
        require_weights(parts[2], loss, names[2])
    return tuple(parts)


def _dtype_of(network: Network) -> Any:
    """That of the weights, which the weights of patterns shall not promote."""
    return np.result_type(*nn.parameters(network).values())


def _as_arrays(part: Any, name: str) -> Any:
    """A tree of arrays of numbers; a list of arrays is one too, and any other list is an array."""
    is_tree = not isinstance(part, list) or any(isinstance(item, np.ndarray) for item in part)
    return tree.map(lambda leaf: _as_array(leaf, name), part) if is_tree else _as_array(part, name)


def _as_array(leaf: Any, name: str) -> Array:
    """An array of numbers, with NaN where it is masked."""
    if hasattr(leaf, "tocsr"):
        raise unusable(f"{name} is a sparse matrix; give {name}.toarray(), or batches that are made dense")
    try:
        found = np.asarray(leaf.astype(np.float64).filled(np.nan) if hasattr(leaf, "filled") else leaf)
    except ValueError as error:
        raise unusable(f"{name} is no array: {error} Give rows of one length") from error
    if found.dtype.kind not in "biufc":
        raise unusable(
            f"{name} holds {found.dtype}, not numbers; give an array of numbers, as by "
            f"{name}.astype(float), and number the classes"
        )
    return found


# ---------------------------------------------------------------------------------------- splitting


def split(y: Any, rows: Array, fraction: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Rows to learn from, and at random a fraction to watch the error on; of every class its share.

    Targets of whole numbers are classes.
    """
    require(0 < fraction < 1, f"a validation fraction lies between 0 and 1, not at {fraction:g}")
    classes = isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "iub"
    strata = [rows[y[rows] == k] for k in np.unique(y[rows])] if classes else [rows]
    dealt = [rng.permutation(stratum) for stratum in strata]
    counts = [min(round(fraction * len(stratum)), len(stratum) - 1) for stratum in strata]
    watched = np.sort(np.concatenate([stratum[:count] for stratum, count in zip(dealt, counts)]))
    kept = np.sort(np.concatenate([stratum[count:] for stratum, count in zip(dealt, counts)]))
    require(
        len(watched) > 0,
        f"a validation fraction of {fraction:g} leaves no row of {len(rows)} to watch; give a larger one, or "
        "validation=(x, y)",
    )
    return kept, watched
