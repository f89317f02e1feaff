r"""Starting weights: small, random, and scaled to the number of connections.

Equal weights would give equal derivatives, and the units would stay alike; large ones saturate them. For a
layer of :math:`D` inputs and :math:`M` units the variance of the pre-activations is kept level by

.. math:: \operatorname{var} w = \frac{2}{D + M} \quad\text{(Glorot)}, \qquad
          \operatorname{var} w = \frac{2}{D} \quad\text{(He, for rectifiers)}.
"""

from collections.abc import Callable

import numpy as np

Array = np.ndarray
Initialiser = Callable[[np.random.Generator, int, int], Array]


def uniform(rng: np.random.Generator, inputs: int, outputs: int, radius: float = 1.0) -> Array:
    """Weights drawn evenly from ``[-radius, radius)``; set the radius with :func:`functools.partial`."""
    return rng.uniform(-radius, radius, (inputs, outputs))


def glorot(rng: np.random.Generator, inputs: int, outputs: int) -> Array:
    r"""Uniform weights of variance :math:`2/(D+M)`, hence of radius :math:`\sqrt{6/(D+M)}`."""
    return uniform(rng, inputs, outputs, radius=(6 / (inputs + outputs)) ** 0.5)


def he(rng: np.random.Generator, inputs: int, outputs: int) -> Array:
    r"""Normal weights of variance :math:`2/D`: a rectifier silences half of what reaches it."""
    return rng.normal(0.0, (2 / inputs) ** 0.5, (inputs, outputs))


INITIALISERS: dict[str, Initialiser] = {f.__name__: f for f in (glorot, he, uniform)}  # type: ignore[dict-item]


def initialiser_named(initialiser: str | Initialiser) -> Initialiser:
    """The initialiser of that name; a function is its own answer."""
    if callable(initialiser):
        return initialiser
    if initialiser not in INITIALISERS:
        raise ValueError(f"unknown initialiser {initialiser!r}; choose one of {', '.join(INITIALISERS)}")
    return INITIALISERS[initialiser]
