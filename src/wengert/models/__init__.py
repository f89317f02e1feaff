r"""A model: a trained network with all that is needed to use it on a table.

The outputs of the network are pre-activations; what they mean depends on the task,

.. math:: y = a \;\text{(number)}, \qquad y = \sigma(a) \;\text{(two classes)}, \qquad
          y_k = \frac{e^{a_k}}{\sum_j e^{a_j}} \;\text{(more)}, \qquad
          y_k = \sigma(a_k) \;\text{(labels)},

each with the error that goes with it by likelihood: squares, binary cross-entropy, categorical cross-entropy.

A model file, ``.wengert``, holds the arrays and a description of what they mean; see :mod:`wengert._sealed`.
Nothing in it is executed on loading.
"""

from wengert.models._embedded import Embedded
from wengert.models._files import (
    KIND,
    from_bytes,
    load,
    load_network,
    network_from_bytes,
    network_to_bytes,
    open_file,
    save,
    save_network,
    to_bytes,
)
from wengert.models._model import SUITED, Model, suited

__all__ = [
    "Model",
    "Embedded",
    "KIND",
    "SUITED",
    "suited",
    "save",
    "load",
    "save_network",
    "load_network",
    "open_file",
    "to_bytes",
    "from_bytes",
    "network_to_bytes",
    "network_from_bytes",
]
