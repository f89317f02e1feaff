r"""Which output units and which error belong together.

What a network is to predict decides both: the distribution of the target given the outputs has an activation
that maps pre-activations to its parameters, and its negative logarithm is the error,

.. math:: E_n = -\ln p(t_n \mid \mathbf y_n), \qquad \mathbf y_n = h(\mathbf a_n),

and for such a pair the error signal is :math:`\delta_k = y_k - t_k`. The activation is named as in
``nn.ACTIVATIONS``; errors of classes and counts take the pre-activations, and do not need it in training.

References
----------
Bishop and Bishop, *Deep Learning: Foundations and Concepts*, 6.4.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert._refusals import named
from wengert.losses import _classes, _numbers

Array = np.ndarray
Loss = Callable[..., Array]


@dataclass(frozen=True)
class Likelihood:
    """A kind of target: the output units for it, and the errors that go with them.

    Attributes
    ----------
    activation
        The name of the activation that makes predictions of the outputs.
    loss
        The error of outputs and targets: the negative log-likelihood.
    units
        How many output units there are for so many targets, or for so many classes.
    others
        Errors that go with the same output units.
    """

    activation: str
    loss: Loss
    units: Callable[[int], int]
    others: tuple[Loss, ...] = ()

    @property
    def losses(self) -> tuple[Loss, ...]:
        """All errors that go with these output units, the likelihood's first."""
        return (self.loss, *self.others)


def _one(count: int) -> int:
    return 1


def _each(count: int) -> int:
    return count


def _two_each(count: int) -> int:
    return 2 * count


_OF_NUMBERS = (_numbers.sum_of_squares, _numbers.mean_absolute_error, _numbers.Huber())

LIKELIHOODS: dict[str, Likelihood] = {
    "number": Likelihood("identity", _numbers.mean_squared_error, _each, _OF_NUMBERS),
    "quantile": Likelihood("identity", _numbers.Quantile(), _each),
    "number with variance": Likelihood("identity", _numbers.GaussianNLL(), _two_each),
    "count": Likelihood("exponential", _numbers.poisson, _each),
    "rate": Likelihood("identity", _numbers.poisson_of_rates, _each),
    "two classes": Likelihood("logistic", _classes.binary_cross_entropy, _one, (_classes.BinaryFocal(),)),
    "labels": Likelihood("logistic", _classes.binary_cross_entropy, _each, (_classes.BinaryFocal(),)),
    "classes": Likelihood(
        "softmax",
        _classes.softmax_cross_entropy,
        _each,
        (_classes.SmoothedCrossEntropy(), _classes.Focal()),
    ),
    "two classes by margin": Likelihood("identity", _classes.hinge, _one),
    "classes by margin": Likelihood("identity", _classes.multiclass_hinge, _each),
}


def _name(loss: Any) -> str:
    """A function's own name, and that of a class as if it were one: ``gaussian_nll`` for GaussianNLL."""
    name = getattr(loss, "__name__", type(loss).__name__)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _family(loss: Any) -> Any:
    """What all errors that differ by a parameter alone have in common."""
    return loss if hasattr(loss, "__name__") else type(loss)


LOSSES: dict[str, Loss] = {_name(loss): loss for kind in LIKELIHOODS.values() for loss in kind.losses}
_ACTIVATIONS = {_family(loss): kind.activation for kind in LIKELIHOODS.values() for loss in kind.losses}


def loss_named(loss: str | Loss) -> Loss:
    """The error of that name, with its parameters as they are unless given; a function is its own answer.

    Raises
    ------
    ValueError
        Where no error has the name.

    Examples
    --------
    >>> loss_named("huber")
    Huber(delta=1.0)
    """
    return loss if callable(loss) else named("loss", loss, LOSSES)


def kinds_of(loss: Loss) -> list[str]:
    """The kinds of target that an error of this package is for; a user's own may be for any, and has none.

    Examples
    --------
    >>> kinds_of(_classes.Focal(gamma=1.0)), kinds_of(abs)
    (['classes'], [])
    """
    family = _family(loss)
    return [name for name, kind in LIKELIHOODS.items() if family in map(_family, kind.losses)]


def output_activation(loss: Loss) -> str:
    """The name of the activation that makes predictions of what an error takes; a user's own takes them.

    Examples
    --------
    >>> output_activation(_classes.Focal(gamma=1.0)), output_activation(lambda y, t: abs(y - t).max())
    ('softmax', 'identity')
    """
    return _ACTIVATIONS.get(_family(loss), "identity")
