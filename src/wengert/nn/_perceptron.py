r"""The perceptron: a unit with a step activation, and the rule by which it learns from its mistakes.

Its output is 1 where the weighted sum of the inputs exceeds a threshold :math:`\theta = -b`,

.. math:: a = \sum_i w_i x_i + b, \qquad y = \begin{cases} 1 & a > 0 \\ 0 & a \le 0. \end{cases}

The derivative of the step is zero wherever there is one, so there is no gradient to follow. The perceptron
learning rule takes the patterns in turn and moves the weights towards those that it takes for 0 and should
take for 1, and away from the opposite,

.. math:: \mathbf w \leftarrow \mathbf w + \eta\,(t_n - y_n)\,\mathbf x_n, \qquad
          b \leftarrow b + \eta\,(t_n - y_n).

If some weights classify all patterns rightly, it finds such weights after finitely many corrections.

References
----------
Rosenblatt, *Principles of neurodynamics* (1962); Novikoff, *On convergence proofs for perceptrons* (1962).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.api import jit
from wengert.control import scan
from wengert.nn._activations import step
from wengert.nn._layer import Layer

Array = np.ndarray


@dataclass(frozen=True, repr=False, eq=False)
class Perceptron(Layer):
    r"""Units with a step activation, :math:`y = 1` where :math:`\mathbf w^T \mathbf x + b > 0`, else 0.

    Parameters
    ----------
    weights
        Array of shape (inputs,) for one unit, or (inputs, units).
    bias
        A number, or an array of shape (units,); minus the threshold.

    Examples
    --------
    The logical and:

    >>> both = Perceptron(np.array([1.0, 1.0]), np.float64(-1.5))
    >>> both(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]))
    array([0., 0., 0., 1.])
    """

    weights: Array
    bias: Array

    @classmethod
    def init(cls, inputs: int, units: int | None = None, dtype: Any = np.float64) -> "Perceptron":
        """A perceptron with all weights zero, of one unit unless their number is given."""
        shape = () if units is None else (units,)
        return cls(np.zeros((inputs, *shape), dtype), np.zeros(shape, dtype))

    def __call__(self, x: Array) -> Array:
        """0 or 1, for one pattern (inputs,) or a batch of them (patterns, inputs)."""
        return step(x @ self.weights + self.bias)


@dataclass(frozen=True)
class PerceptronFit:
    """The outcome of :func:`perceptron_rule`.

    Attributes
    ----------
    network
        The perceptron as it is at the end.
    mistakes
        The number of corrections in each pass through the patterns; 0 in the last one if they are separated.
    """

    network: Perceptron
    mistakes: list[int]

    @property
    def converged(self) -> bool:
        """Whether the last pass found every pattern on its side."""
        return self.mistakes[-1] == 0

    @property
    def corrections(self) -> int:
        """How often the weights were changed."""
        return sum(self.mistakes)


def perceptron_rule(
    network: Perceptron, x: Array, t: Array, *, learning_rate: float = 1.0, passes: int = 1000
) -> PerceptronFit:
    r"""Train by the perceptron learning rule, pass by pass until there is no mistake.

    .. math:: \mathbf w \leftarrow \mathbf w + \eta\,(t_n - y_n)\,\mathbf x_n, \qquad
              b \leftarrow b + \eta\,(t_n - y_n)

    Parameters
    ----------
    network
        Where to start, such as ``Perceptron.init(inputs)``.
    x, t
        Patterns (patterns, inputs) in the order in which they are taken, and targets 0 or 1: (patterns,), or
        (patterns, units).
    learning_rate
        The step :math:`\eta`; from zero weights it scales them and changes nothing else.
    passes
        How often the patterns are gone through at most. Patterns that no line separates never end.

    Raises
    ------
    ValueError
        Where the targets are not 0 and 1, or do not go with the patterns.

    Examples
    --------
    >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> fit = perceptron_rule(Perceptron.init(2), x, np.array([0, 1, 1, 1]))
    >>> fit.mistakes, fit.network(x)
    ([1, 2, 1, 0], array([0., 1., 1., 1.]))
    """
    _check(network, x, t, passes)
    x, t = (np.asarray(a, network.weights.dtype) for a in (x, t))
    rate, mistakes = network.weights.dtype.type(learning_rate), list[int]()
    while not mistakes or (mistakes[-1] and len(mistakes) < passes):
        network, count = _pass(network, x, t, rate)
        mistakes.append(int(count))
    return PerceptronFit(network, mistakes)


@jit
def _pass(network: Perceptron, x: Array, t: Array, rate: Array) -> tuple[Perceptron, Array]:
    """The network after every pattern once, and the number of corrections."""

    def correct(network: Perceptron, pattern: Any) -> tuple[Perceptron, Array]:
        x, t = pattern
        wrong = t - network(x)
        weights = network.weights + np.multiply.outer(x, rate * wrong)
        return Perceptron(weights, network.bias + rate * wrong), np.sum(np.abs(wrong))

    network, counts = scan(correct, network, (x, t))
    return network, np.sum(counts)


def novikoff_bound(network: Perceptron, x: Array, t: Array) -> float:
    r"""The number of corrections that the perceptron rule needs at most, starting from zero weights.

    For weights :math:`\tilde{\mathbf w} = (\mathbf w, b)` that separate the patterns
    :math:`\tilde{\mathbf x}_n = (\mathbf x_n, 1)`,

    .. math:: \Bigl(\frac{R}{\gamma}\Bigr)^2, \qquad R = \max_n \lVert \tilde{\mathbf x}_n \rVert, \qquad
              \gamma = \min_n \frac{(2 t_n - 1)\, \tilde{\mathbf w}^T \tilde{\mathbf x}_n}
                                   {\lVert \tilde{\mathbf w} \rVert}.

    Every correction brings the weights forward by at least :math:`\gamma` along a separating direction, and
    adds at most :math:`R^2` to their squared length.

    Parameters
    ----------
    network
        A perceptron of one unit that classifies all patterns rightly; the wider its margin, the lower the
        bound.
    x, t
        Patterns and targets.

    Raises
    ------
    ValueError
        Where it does not separate the patterns.

    Examples
    --------
    >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> float(novikoff_bound(Perceptron(np.array([2.0, 2.0]), np.float64(-1.0)), x, np.array([0, 1, 1, 1])))
    27.0
    """
    _check(network, x, t, 1)
    sides = (2.0 * np.asarray(t) - 1.0) * (x @ network.weights + network.bias)
    if not np.min(sides) > 0:
        raise ValueError("novikoff_bound: the perceptron does not separate the patterns; give one that does")
    longest = np.max(np.sum(np.square(x), axis=1)) + 1
    return float(longest * (np.sum(network.weights**2) + network.bias**2) / np.min(sides) ** 2)


def _check(network: Perceptron, x: Array, t: Array, passes: int) -> None:
    shape = (len(x), *network.bias.shape)
    if np.shape(t) != shape or not np.isin(t, (0, 1)).all():
        raise ValueError(f"perceptron: the targets must be 0 or 1, and of shape {shape}, not {np.shape(t)}")
    if np.shape(x)[1:] != network.weights.shape[:1]:
        raise ValueError(
            f"perceptron: patterns of shape {np.shape(x)} do not go with {len(network.weights)} weights"
        )
    if passes < 1:
        raise ValueError(f"perceptron: passes must be at least 1, not {passes}")
