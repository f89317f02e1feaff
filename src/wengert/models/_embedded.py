r"""A network behind learned vectors for columns of many categories.

.. math:: \mathbf y = f(x_1, \ldots, x_D, \mathbf w_{1 c_1}, \ldots, \mathbf w_{K c_K})
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert import nn

Array = np.ndarray


@dataclass(frozen=True)
class Embedded:
    """A network some of whose inputs are numbers of categories, each replaced by a learned vector.

    Attributes
    ----------
    embeddings
        For each of the last *K* inputs, an array of shape (categories, units).
    network
        What sees the other inputs and the vectors.
    """

    embeddings: tuple[Array, ...]
    network: Any

    @property
    def draws(self) -> bool:
        """Whether the network draws in training."""
        return nn.needs_key(self.network)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of inputs and units behind the vectors."""
        return self.network.sizes

    def __call__(self, x: Array) -> Array:
        """The outputs for a batch of patterns."""
        return self.network(self._with_vectors(x))

    def forward(self, x: Array, key: Array | None = None) -> tuple[Array, "Embedded"]:
        """The pass in training."""
        y, network = nn.forward(self.network, self._with_vectors(x), key)
        return y, replace(self, network=network)

    def _with_vectors(self, x: Array) -> Array:
        numeric = x.shape[1] - len(self.embeddings)
        codes = [x[:, numeric + i].astype(np.int64) for i in range(len(self.embeddings))]
        vectors = [weights[c] for weights, c in zip(self.embeddings, codes)]
        return np.concatenate([x[:, :numeric], *vectors], axis=1)
