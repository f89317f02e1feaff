r"""One network in training: an epoch is one call of native code.

A step takes a minibatch :math:`B` of :math:`m'` patterns, estimates the gradient of the error from it,

.. math:: \mathbf g = \frac{1}{m'} \nabla_{\mathbf w} \sum_{n \in B} E_n(\mathbf w),

and lets the optimiser turn it into new weights; an epoch is a scan over such steps, in which weights and the
optimiser's state are changed in place.
"""

import functools
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from wengert import nn, random
from wengert.api import value_and_grad
from wengert.control import scan
from wengert.core import tree
from wengert.errors import ControlFlowError, DivergenceError
from wengert.native.calling.call import Compiled, compiled
from wengert.native.machine.underflow import Underflow
from wengert.optim import Optimiser

Array = np.ndarray
Network = Any
Loss = Callable[..., Array]
Data = Any

# Of one call, which takes about a tenth of a second. A step makes some six for every weight and pattern.
OPERATIONS_AT_A_TIME = 20_000_000_000


class Trainer:
    """A network in training: its arrays, the optimiser's state, and the compiled epoch that changes both.

    An epoch is one function of both, and so one call of native code: a scan over the minibatches, then a step
    on what is left. :func:`fit` is a loop around it.

    Parameters
    ----------
    network, loss, optimiser
        As in :func:`fit`.
    batch_size
        Patterns per step.
    key
        From :mod:`wengert.random`: what the network itself draws (dropout) is a function of it and of the
        number of the step.

    Examples
    --------
    >>> from wengert import losses, nn, optim
    >>> x = np.linspace(-1, 1, 8)[:, None]
    >>> network = nn.MLP.init(np.random.default_rng(0), (1, 4, 1), "tanh")
    >>> trainer = Trainer(network, losses.mean_squared_error, optim.Adam(0.1), batch_size=3)
    >>> first = trainer.epoch((x, x**2), np.arange(8))
    >>> trainer.epoch((x, x**2), np.arange(8)) < first
    True
    """

    def __init__(
        self, network: Network, loss: Loss, optimiser: Optimiser, batch_size: int, key: Any = None
    ) -> None:
        self.optimiser, self.batch_size = optimiser, batch_size
        self.key, self.steps, self.epochs = random.key(0) if key is None else key, 0, 0
        self.carry = tree.map(_as_numpy, (network, optimiser.init(nn.parameters(network))))
        made: Callable[[Any, Any], _Programs] = (
            _known_programs if _is_constant((network, loss, optimiser)) else _Programs
        )
        self.programs = made(loss, optimiser)

    @property
    def network(self) -> Network:
        """The network as it is now."""
        return self.carry[0]

    def epoch(self, data: Data, order: Array) -> float:
        """A step on every minibatch; the mean error of the patterns, each before the step that it leads to.

        Parameters
        ----------
        data
            What the error is a function of: patterns, targets, and where there are any the weights of the
            patterns. Each a tree of arrays, whose rows belong together.
        order
            The rows to visit: the first ``batch_size`` of them are the first minibatch, and so on.

        Raises
        ------
        DivergenceError
            When an error stops being a finite number; the network stays as it was.
        """
        whole, rest = _minibatches(order, self.batch_size)
        carry, errors, last = self._pass(data, whole, rest)
        found = np.append(np.asarray(errors, np.float64), last)
        _require_finite(found, "training", self.epochs + 1, self.optimiser)
        self.carry, self.steps, self.epochs = carry, self.steps + len(found), self.epochs + 1
        sizes = [self.batch_size] * len(whole) + [len(rest)] * (len(found) - len(whole))
        return float(found @ np.asarray(sizes, np.float64)) / len(order)

    def error(self, data: Data) -> float:
        """The error of the network as it is, in prediction.

        Raises
        ------
        DivergenceError
            When it is not a finite number.
        """
        error = self.programs.error(self.network, *data)
        _require_finite(error, "validation", self.epochs, self.optimiser)
        return float(error)

    def _pass(self, data: Data, whole: Array, rest: Array) -> tuple[Any, Any, Any]:
        """Carry, errors of the whole minibatches, and that of the rest."""
        keys = self._keys(len(whole) + 1)
        # Overflow is not warned of on the way: it is an error at the end.
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                return self._pass_in_pieces(data, whole, rest, keys)
            except ControlFlowError:
                return self._pass_step_by_step(data, whole, rest, keys)

    def _keys(self, count: int) -> Array | None:
        """A key for each of the next steps, if the network draws."""
        if not nn.needs_key(self.network):
            return None
        return np.stack([random.fold_in(self.key, self.steps + i) for i in range(count)])

    def _pass_in_pieces(
        self, data: Data, whole: Array, rest: Array, keys: Array | None
    ) -> tuple[Any, Any, Any]:
        """One call; of a long epoch several, so that an interruption is noticed in between."""
        carry, errors, size, start = self.carry, [], self._steps_at_a_time(), 0
        while len(whole) - start > size:
            piece = slice(start, start + size)
            carry, found, _ = self.programs.epoch(carry, whole[piece], rest[:0], _rows(keys, piece), data)
            errors.append(found)
            start += size
        carry, found, last = self.programs.epoch(
            carry, whole[start:], rest, _rows(keys, slice(start, None)), data
        )
        return carry, np.concatenate([*errors, found]), last

    def _steps_at_a_time(self) -> int:
        weights = sum(w.size for w in nn.parameters(self.network).values())
        return max(1, OPERATIONS_AT_A_TIME // (6 * weights * self.batch_size + 1))

    def _pass_step_by_step(
        self, data: Data, whole: Array, rest: Array, keys: Array | None
    ) -> tuple[Any, Any, Any]:
        """For code that Python's own ``if`` leads through: a scan cannot follow it, single steps can."""
        carry, errors = self.carry, []
        for i, batch in enumerate((*whole, *([rest] if len(rest) else []))):
            carry, error = self.programs.step(carry, _rows(keys, i), _rows(data, batch))
            errors.append(error)
        return carry, errors, np.zeros(0)


def _minibatches(order: Array, size: int) -> tuple[Array, Array]:
    """Whole minibatches as rows, and what is left over."""
    whole = len(order) // size * size
    return order[:whole].reshape(-1, size), order[whole:]


def _rows(data: Data, batch: Any) -> Data:
    """These rows of every array."""
    return tree.map(lambda array: array[batch], data)


class _Programs:
    """The compiled functions of a loss and an optimiser: an epoch, a step, the error."""

    def __init__(self, loss: Loss, optimiser: Optimiser) -> None:
        self.epoch = _quick(_epoch_of(loss, optimiser))
        self.step = _quick(_step_of(loss, optimiser))
        self.error = _quick(lambda network, x, *targets: loss(network(x), *targets))


def _quick(f: Callable[..., Any]) -> Compiled:
    """A function as `wengert.jit` compiles it, but for subnormal numbers, which count as zero.

    The probabilities of a converged classifier are full of them, and made its steps four times as long.
    """
    return compiled(f, Underflow.ABRUPT)


# Whoever trains many networks alike, as in cross-validation, has them compiled once.
_known_programs = functools.lru_cache(maxsize=32)(_Programs)


def _is_constant(part: Any) -> bool:
    """Whether all of it is this package's own, so that nothing it reads can change between two trainings."""
    if isinstance(part, tuple | list):
        return all(map(_is_constant, part))
    if is_dataclass(part):
        return _is_own(type(part)) and all(_is_constant(getattr(part, f.name)) for f in fields(part))
    return not callable(part) or _is_own(part)


def _is_own(named: Any) -> bool:
    return getattr(named, "__module__", "").startswith("wengert.")


def _as_numpy(leaf: Any) -> Any:
    """Python's numbers as NumPy's, which they become in the first step: all epochs have one signature."""
    return leaf if hasattr(leaf, "dtype") else np.asarray(leaf)[()]


def _step_of(loss: Loss, optimiser: Optimiser) -> Callable[[Any, Any, Data], tuple[Any, Any]]:
    """A step on a minibatch: from network and state to the next ones, and the error before."""

    def error_of(parameters: Any, network: Network, key: Any, x: Any, *targets: Any) -> tuple[Any, Network]:
        y, after = nn.forward(nn.replaced(network, parameters), x, key)
        return loss(y, *targets), after

    error_and_gradient = value_and_grad(error_of, has_aux=True)

    def step(carry: Any, key: Any, data: Data) -> tuple[Any, Any]:
        network, state = carry
        parameters = nn.parameters(network)
        (error, after), gradient = error_and_gradient(parameters, network, key, *data)
        parameters, state = optimiser.update(gradient, state, parameters)
        return (nn.replaced(after, parameters), state), error

    return step


def _epoch_of(loss: Loss, optimiser: Optimiser) -> Callable[..., tuple[Any, Any, Any]]:
    """An epoch: minibatches are named by the indices of their patterns."""
    step = _step_of(loss, optimiser)

    def epoch(carry: Any, whole: Array, rest: Array, keys: Any, data: Data) -> tuple[Any, Any, Any]:
        def on(carry: Any, now: Any) -> tuple[Any, Any]:
            batch, key = now
            return step(carry, key, _rows(data, batch))

        carry, errors = scan(on, carry, (whole, _rows(keys, slice(len(whole)))))
        if not len(rest):
            return carry, errors, np.zeros(0)
        carry, last = on(carry, (rest, _rows(keys, -1)))
        return carry, errors, last

    return epoch


def _require_finite(error: Any, which: str, number: int, optimiser: Optimiser) -> None:
    if not np.isfinite(error).all():
        error = np.ravel(error)[~np.isfinite(np.ravel(error))][0]
        rate = getattr(optimiser, "learning_rate", None)
        now = f" (it is {rate:g})" if isinstance(rate, float) else ""
        raise DivergenceError(
            f"training diverged: the {which} error became {error} in epoch {number}; "
            f"lower the learning rate{now}, or standardise the data"
        )
