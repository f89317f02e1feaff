from dataclasses import dataclass

import numpy as np

from tests.nn.helpers import every_layer, generator
from wengert import nn


def test_the_table_of_every_layer():
    lines = nn.summary(every_layer()).splitlines()
    words = [line.split() for line in lines]
    assert words[0] == ["layer", "kind", "arrays", "parameters"]
    assert words[1] == ["layers.0.layers.numbers", "Function(function=identity)", "0"]
    assert words[2] == ["layers.0.layers.city", "Embedding()", "weights", "6×2", "12"]
    assert words[4][:2] == ["layers.2.layer", "Dense(activation=identity)"]
    assert words[4][-1] == "0"
    parameters = sum(w.size for w in nn.parameters(every_layer()).values())
    assert sum(int(row[-1]) for row in words[1:-1]) == parameters
    assert lines[-1] == f"{parameters} parameters in float64; 56 numbers that are not trained"


def test_a_single_layer():
    assert nn.summary(nn.Dense.init(generator(), 1000, 2, dtype=np.float32)).splitlines()[1:] == [
        "network   Dense(activation=identity)   weights 1000×2, biases 2   2,002",
        "2,002 parameters in float32",
    ]


@dataclass(frozen=True)
class Own:
    """A network of somebody else, with arrays beside a layer."""

    gains: dict
    layer: nn.Dense
    offset: np.ndarray


def test_a_network_of_ones_own():
    network = Own({"a": np.ones(2)}, nn.Dense.init(generator(), 2, 1), np.array(0.0))
    rows = [line.split() for line in nn.summary(network).splitlines()]
    assert rows[1] == ["network", "Own()", "gains.a", "2,", "offset", "1", "3"]
    assert rows[2][0] == "layer"
    assert rows[-1][0] == "6"
