r"""Starting weights: small, random, and scaled to the number of connections.

Equal weights would give equal derivatives, and the units would stay alike; large ones saturate them. For a
layer of :math:`D` inputs and :math:`M` units the variance of the pre-activations is kept level by

.. math:: \operatorname{var} w = \frac{2}{D + M} \quad\text{(Glorot)}, \qquad
          \operatorname{var} w = \frac{2}{D} \quad\text{(He, for rectifiers)}, \qquad
          \operatorname{var} w = \frac{1}{D} \quad\text{(LeCun)},

each as a uniform or as a normal distribution. Any function of a generator and the two numbers that gives an
array of shape (inputs, units) is an initialiser.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from wengert._refusals import named
from wengert.errors import warn
from wengert.nn._activations import (
    Activation,
    Parametrised,
    elu,
    gelu,
    gelu_tanh,
    leaky_relu,
    mish,
    relu,
    selu,
    silu,
)

Array = np.ndarray
Initialiser = Callable[[np.random.Generator, int, int], Array]
Declared = TypeVar("Declared", bound=Callable[..., Array])

INITIALISERS: dict[str, Initialiser] = {}


def _initialiser(draw: Declared) -> Declared:
    """Declare an initialiser under its name."""
    INITIALISERS[draw.__name__] = draw
    return draw


def _uniform(rng: np.random.Generator, shape: tuple[int, int], variance: float) -> Array:
    radius = (3 * variance) ** 0.5
    return rng.uniform(-radius, radius, shape)


def _normal(rng: np.random.Generator, shape: tuple[int, int], variance: float) -> Array:
    return rng.normal(0.0, variance**0.5, shape)


@_initialiser
def glorot(rng: np.random.Generator, inputs: int, outputs: int) -> Array:
    r"""Uniform weights of variance :math:`2/(D+M)`, hence of radius :math:`\sqrt{6/(D+M)}`."""
    return _uniform(rng, (inputs, outputs), 2 / (inputs + outputs))


@_initialiser
def glorot_normal(rng: np.random.Generator, inputs: int, outputs: int) -> Array:
    r"""Normal weights of variance :math:`2/(D+M)`: signals keep their size forwards and backwards.

    Between what would keep the activations level, :math:`1/D`, and the error signals, :math:`1/M`
    (Glorot and Bengio, 2010).
    """
    return _normal(rng, (inputs, outputs), 2 / (inputs + outputs))


@_initialiser
def he(rng: np.random.Generator, inputs: int, outputs: int) -> Array:
    r"""Normal weights of variance :math:`2/D`: a rectifier silences half of what reaches it.

    (He, Zhang, Ren and Sun, 2015.)
    """
    return _normal(rng, (inputs, outputs), 2 / inputs)


@_initialiser
def he_uniform(rng: np.random.Generator, inputs: int, outputs: int) -> Array:
    r"""Uniform weights of variance :math:`2/D`, hence of radius :math:`\sqrt{6/D}`."""
    return _uniform(rng, (inputs, outputs), 2 / inputs)


@_initialiser
def lecun(rng: np.random.Generator, inputs: int, outputs: int) -> Array:
    r"""Normal weights of variance :math:`1/D`: pre-activations of the variance of the inputs.

    (LeCun, Bottou, Orr and Müller, *Efficient BackProp*, 1998.) What self-normalising units start from.
    """
    return _normal(rng, (inputs, outputs), 1 / inputs)


@_initialiser
def lecun_uniform(rng: np.random.Generator, inputs: int, outputs: int) -> Array:
    r"""Uniform weights of variance :math:`1/D`, hence of radius :math:`\sqrt{3/D}`."""
    return _uniform(rng, (inputs, outputs), 1 / inputs)


@_initialiser
def uniform(rng: np.random.Generator, inputs: int, outputs: int, radius: float = 1.0) -> Array:
    """Weights drawn evenly from ``[-radius, radius)``; set the radius with :func:`functools.partial`."""
    return rng.uniform(-radius, radius, (inputs, outputs))


@_initialiser
def orthogonal(rng: np.random.Generator, inputs: int, outputs: int) -> Array:
    r"""Orthonormal columns, or rows where there are fewer: no direction grows, none shrinks.

    From the QR decomposition of normal numbers, with the signs of R's diagonal taken into Q, so that all
    such matrices are alike probable (Saxe, McClelland and Ganguli, 2014).
    """
    tall = rng.normal(size=(max(inputs, outputs), min(inputs, outputs)))
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.diagonal(r))
    return q if inputs >= outputs else q.T


@_initialiser
def zeros(rng: np.random.Generator, inputs: int, outputs: int) -> Array:
    """Weights of 0, with a warning: right for a single layer, and for the output layer of a network.

    Units that start alike get equal derivatives and stay alike: hidden units would count as one. Biases may
    all start at one value; :class:`Dense` takes it as ``biases``.
    """
    if outputs > 1:
        warn(
            f"zeros: {outputs} units that start with equal weights get equal derivatives and stay alike if "
            "they are hidden; draw the weights of hidden units at random (glorot, he)",
        )
    return np.zeros((inputs, outputs))


# Which initialiser goes with an activation: the variance 2/D makes up for what a rectifier silences, 1/D is
# the one at which self-normalising units are normal; all others are near the identity at 0, which Glorot's is
# made for.
DEFAULTS: dict[Activation, Initialiser] = {
    **dict.fromkeys((relu, leaky_relu, elu, gelu, gelu_tanh, silu, mish), he),
    selu: lecun,
}


def default_initialiser(activation: Activation) -> Initialiser:
    """The initialiser that goes with an activation."""
    plain = activation.function if isinstance(activation, Parametrised) else activation
    return DEFAULTS.get(plain, glorot)


def initialiser_named(initialiser: str | Initialiser) -> Initialiser:
    """The initialiser of that name; a function is its own answer."""
    return initialiser if callable(initialiser) else named("initialiser", initialiser, INITIALISERS)
