r"""Adam and its relations: running means of the gradients and of their squares, both corrected.

.. math:: \hat{\mathbf m} = \frac{\mathbf m}{1 - \beta_1^\tau}, \qquad
          \hat{\mathbf s} = \frac{\mathbf s}{1 - \beta_2^\tau}, \qquad
          \mathbf w \leftarrow \mathbf w - \eta \frac{\hat{\mathbf m}}{\sqrt{\hat{\mathbf s}} + \epsilon}.

Both means start at zero, so after :math:`\tau` steps their weights sum to :math:`1 - \beta^\tau` only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wengert._refusals import require, require_at_least, require_positive, require_share
from wengert.optim._rule import Rate, Rule


@dataclass(frozen=True)
class Adam(Rule):
    r"""Adaptive moments: every weight with a step length of its own.

    .. math::
        \mathbf m &\leftarrow \beta_1 \mathbf m + (1 - \beta_1) \nabla E, \\
        \mathbf s &\leftarrow \beta_2 \mathbf s + (1 - \beta_2) (\nabla E)^2, \\
        \mathbf w &\leftarrow \mathbf w - \eta \frac{\mathbf m / (1 - \beta_1^\tau)}
            {\sqrt{\mathbf s / (1 - \beta_2^\tau)} + \epsilon + \hat\epsilon / \sqrt{1 - \beta_2^\tau}}.

    Parameters
    ----------
    learning_rate
        The step length :math:`\eta`, or its schedule.
    b1, b2
        How much of the running means is kept each step, :math:`\beta_1` and :math:`\beta_2`.
    eps
        Keeps the quotient finite where gradients vanish.
    eps_hat
        The same, added to the root before it is corrected: the :math:`\hat\epsilon` of the paper's more
        efficient form. ``Adam(eps=0.0, eps_hat=1e-8)`` is scikit-learn's, the default PyTorch's.

    Raises
    ------
    ValueError
        Where these numbers make no sense.

    Examples
    --------
    >>> rule, weights = Adam(learning_rate=0.1), np.array([1.0])
    >>> state = rule.init(weights)
    >>> weights, state = rule.update(np.array([2.0]), state, weights)
    >>> weights.round(6), state.steps
    (array([0.9]), 1)

    References
    ----------
    Kingma and Ba, *Adam: a method for stochastic optimization* (2015).
    """

    learning_rate: Rate = 0.001
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    eps_hat: float = 0.0

    remembers: ClassVar[Sequence[str]] = ("mean", "square")
    first_powers: ClassVar[tuple[float, ...]] = (1.0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_share(b1=self.b1)
        require_share(b2=self.b2)
        require_at_least(0, eps=self.eps, eps_hat=self.eps_hat)
        require(self.eps + self.eps_hat > 0, "eps must be positive where eps_hat is not")

    def next_powers(self, *powers: Any) -> tuple[Any, ...]:
        r""":math:`\beta_1^\tau` and :math:`\beta_2^\tau`."""
        return self.b1 * powers[0], self.b2 * powers[1]

    def now(self, rate: Any, powers: Any) -> tuple[Any, ...]:
        """The rate with the mean's correction, that of the squares, and what keeps it finite."""
        correction = 1 / (1 - powers[1])
        eps = self.eps + self.eps_hat * np.sqrt(correction) if self.eps_hat else self.eps
        return rate / (1 - powers[0]), correction, eps

    def step(self, now: Any, w: Any, g: Any, *memory: Any) -> tuple[Any, ...]:
        """The weights and both running means."""
        (rate, correction, eps), (m, s) = now, memory
        m = self.b1 * m + (1 - self.b1) * g
        s = self.b2 * s + (1 - self.b2) * (g * g)
        return w - rate * m / (np.sqrt(s * correction) + eps), m, s


@dataclass(frozen=True)
class AdamW(Adam):
    r"""Adam with every step also shrinking the weights a little, decoupled from the gradient.

    .. math:: \mathbf w \leftarrow (1 - \eta \lambda) \mathbf w
              - \eta \frac{\hat{\mathbf m}}{\sqrt{\hat{\mathbf s}} + \epsilon}

    The same as ``WeightDecay(Adam(...), decay)``, which can also leave some arrays alone.

    Parameters
    ----------
    learning_rate, b1, b2, eps, eps_hat
        As in :class:`Adam`.
    decay
        The strength :math:`\lambda`, multiplied by the learning rate.

    Raises
    ------
    ValueError
        Where these numbers make no sense.

    Examples
    --------
    >>> rule, weights = AdamW(learning_rate=0.1, decay=0.5), np.array([1.0])
    >>> rule.update(np.array([2.0]), rule.init(weights), weights)[0].round(6)
    array([0.85])

    References
    ----------
    Loshchilov and Hutter, *Decoupled weight decay regularization* (2019).
    """

    decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(0, decay=self.decay)

    def now(self, rate: Any, powers: Any) -> tuple[Any, ...]:
        """As in Adam, and the share of the weights that is kept."""
        return (*super().now(rate, powers), 1 - rate * self.decay)

    def step(self, now: Any, w: Any, g: Any, *memory: Any) -> tuple[Any, ...]:
        """The weights and both running means."""
        *of_adam, kept = now
        return super().step(of_adam, kept * w, g, *memory)


@dataclass(frozen=True)
class Nadam(Rule):
    r"""Adam with Nesterov's momentum, which is warmed up.

    .. math::
        \mu_\tau &= \beta_1 \bigl(1 - \tfrac12\, 0.96^{\tau\psi}\bigr), \\
        \mathbf m &\leftarrow \beta_1 \mathbf m + (1 - \beta_1) \nabla E, \\
        \mathbf s &\leftarrow \beta_2 \mathbf s + (1 - \beta_2) (\nabla E)^2, \\
        \mathbf w &\leftarrow \mathbf w - \frac{\eta}{\sqrt{\mathbf s / (1 - \beta_2^\tau)} + \epsilon}
            \Bigl(\frac{1 - \mu_\tau}{1 - \prod_{i \le \tau} \mu_i} \nabla E
                + \frac{\mu_{\tau+1}}{1 - \prod_{i \le \tau+1} \mu_i} \mathbf m\Bigr).

    Parameters
    ----------
    learning_rate
        The step length :math:`\eta`, or its schedule.
    b1, b2
        How much of the running means is kept each step, :math:`\beta_1` and :math:`\beta_2`.
    eps
        Keeps the quotient finite where gradients vanish.
    momentum_decay
        How fast the momentum warms up, :math:`\psi`.

    Raises
    ------
    ValueError
        Where these numbers make no sense.

    Examples
    --------
    >>> rule, weights = Nadam(learning_rate=0.1), np.array([1.0])
    >>> rule.update(np.array([2.0]), rule.init(weights), weights)[0].round(2)
    array([0.89])

    References
    ----------
    Dozat, *Incorporating Nesterov momentum into Adam* (2016).
    """

    learning_rate: Rate = 0.002
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    momentum_decay: float = 0.004

    remembers: ClassVar[Sequence[str]] = ("mean", "square")
    # The powers of 0.96 and of β2, and the product of all μ.
    first_powers: ClassVar[tuple[float, ...]] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_share(b1=self.b1)
        require_share(b2=self.b2)
        require_positive(eps=self.eps)
        require_at_least(0, momentum_decay=self.momentum_decay)

    def next_powers(self, *powers: Any) -> tuple[Any, ...]:
        r""":math:`0.96^{\tau\psi}`, :math:`\beta_2^\tau` and :math:`\prod_{i\le\tau} \mu_i`."""
        cooling, decay, product = powers
        cooling = self._cooler(cooling)
        return cooling, self.b2 * decay, product * self._momentum(cooling)

    def now(self, rate: Any, powers: Any) -> tuple[Any, ...]:
        """The factors of gradient and mean, and the correction of the squares."""
        cooling, decay, product = powers
        present, next_ = self._momentum(cooling), self._momentum(self._cooler(cooling))
        of_gradient = rate * (1 - present) / (1 - product)
        return of_gradient, rate * next_ / (1 - product * next_), 1 / (1 - decay)

    def step(self, now: Any, w: Any, g: Any, *memory: Any) -> tuple[Any, ...]:
        """The weights and both running means."""
        (of_gradient, of_mean, correction), (m, s) = now, memory
        m = self.b1 * m + (1 - self.b1) * g
        s = self.b2 * s + (1 - self.b2) * (g * g)
        return w - (of_gradient * g + of_mean * m) / (np.sqrt(s * correction) + self.eps), m, s

    def _cooler(self, cooling: Any) -> Any:
        return cooling * 0.96**self.momentum_decay

    def _momentum(self, cooling: Any) -> Any:
        return self.b1 * (1 - 0.5 * cooling)
