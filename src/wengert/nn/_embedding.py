r"""Embedding: a vector for each category, looked up by its number.

.. math:: \mathbf y_n = \mathbf w_{c_n}, \qquad
          \frac{\partial E}{\partial \mathbf w_c} = \sum_{n: c_n = c} \frac{\partial E}{\partial \mathbf y_n}

It is the product of a 1-of-K coded category with a matrix of weights, without the multiplications by 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert._refusals import require_floating, require_generator, require_whole
from wengert.errors import MismatchError
from wengert.nn._initialisers import Initialiser, initialiser_named
from wengert.nn._layer import Layer

Array = np.ndarray


@dataclass(frozen=True, repr=False, eq=False)
class Embedding(Layer):
    """A learned vector for each category.

    Parameters
    ----------
    weights
        Array of shape (categories, units); row c is the vector of category c. As everywhere in NumPy, -1 is
        the last one; so that is the place for a vector of its own for what is missing or unknown.

    Raises
    ------
    IndexError
        In a call, where there is no category of a number.
    """

    weights: Array

    @classmethod
    def init(
        cls,
        rng: np.random.Generator,
        categories: int,
        units: int,
        initialiser: str | Initialiser | None = None,
        dtype: Any = np.float64,
    ) -> "Embedding":
        """Draw the vectors: standard normal numbers, like the standardised columns they stand beside.

        Examples
        --------
        >>> layer = Embedding.init(np.random.default_rng(0), 10, 3)
        >>> layer(np.array([[1, 2], [2, 9]])).shape
        (2, 2, 3)
        """
        require_generator(rng)
        require_whole(1, categories=categories, units=units)
        require_floating(dtype)
        if initialiser is None:
            return cls(rng.normal(size=(categories, units)).astype(dtype))
        return cls(initialiser_named(initialiser)(rng, categories, units).astype(dtype))

    def __call__(self, x: Array) -> Array:
        """The vectors of the categories, along a new last axis."""
        kind = getattr(x, "dtype", np.asarray(x).dtype if isinstance(x, list | int) else None)
        if kind is None or kind.kind not in "iu":
            raise MismatchError(f"{self!r} takes the numbers of categories as integers, not {kind}")
        return self.weights[x]
