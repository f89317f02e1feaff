"""Networks of Keras, by stand-ins for its layers."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.exchange.helpers import generator
from wengert import nn
from wengert.errors import ExchangeError
from wengert.exchange import from_keras

RNG = generator()
W, V, B, R = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 4)), RNG.normal(size=4), abs(RNG.normal(size=4))


def layer(kind, *weights, **fields):
    activation = fields.get("activation")
    if isinstance(activation, str):
        fields["activation"] = SimpleNamespace(__name__=activation)
    return type(kind, (SimpleNamespace,), {})(get_weights=lambda: list(weights), name=f"the {kind}", **fields)


def sequential(*layers):
    return type("Sequential", (SimpleNamespace,), {})(layers=list(layers))


PLAIN = {"max_value": None, "threshold": 0.0}
LAYERS = [
    (layer("Dense", W, B, activation="sigmoid"), nn.Dense(W, B, nn.logistic)),
    (layer("Dense", V, activation="linear"), nn.Dense(V, None, nn.identity)),
    (
        layer("BatchNormalization", B, B, B, R, scale=True, center=True, momentum=0.99, epsilon=1e-3),
        nn.BatchNorm(B, B, B, R, 0.01, 1e-3),
    ),
    (
        layer("BatchNormalization", B, B, R, scale=False, center=True, momentum=0.9, epsilon=1e-3),
        nn.BatchNorm(np.ones(4), B, B, R, 0.1, 1e-3),
    ),
    (layer("LayerNormalization", B, B, scale=True, center=True, epsilon=1e-3), nn.LayerNorm(B, B, 1e-3)),
    (layer("Dropout", rate=0.2), nn.Dropout(0.2)),
    (layer("Activation", activation="swish"), nn.Function(nn.silu)),
    (layer("ReLU", negative_slope=0.0, **PLAIN), nn.Function(nn.relu)),
    (layer("ReLU", negative_slope=0.1, **PLAIN), nn.Function(nn.activation_named("leaky_relu", slope=0.1))),
    (layer("LeakyReLU", alpha=0.3), nn.Function(nn.activation_named("leaky_relu", slope=0.3))),
    (layer("ELU", alpha=0.5), nn.Function(nn.activation_named("elu", alpha=0.5))),
    (layer("PReLU", B), nn.PReLU(B)),
    (layer("Softmax"), nn.Function(nn.softmax)),
    (layer("Embedding", V), nn.Embedding(V)),
]


@pytest.mark.parametrize("given, wanted", LAYERS, ids=lambda x: type(x).__name__)
def test_layers_become_layers(given, wanted):
    assert from_keras(sequential(layer("InputLayer"), given)).layers == (wanted,)


def test_a_network_within_a_network():
    model = sequential(LAYERS[0][0], sequential(LAYERS[1][0], LAYERS[12][0]))
    network = from_keras(model)
    x = RNG.normal(size=(2, 3))
    assert np.allclose(network(x), nn.softmax(nn.logistic(x @ W + B) @ V))


def test_lists_of_weights():
    template = nn.Sequential(
        [nn.Dense.init(RNG, 3, 4, "tanh"), nn.BatchNorm.init(4), nn.Dense.init(RNG, 4, 4)]
    )
    network = from_keras([W, B, B, B, B, R, V, B], template)
    wanted = (nn.Dense(W, B, nn.tanh), nn.BatchNorm(B, B, B, R), nn.Dense(V, B, nn.identity))
    assert network.layers == wanted


@pytest.mark.parametrize(
    "bad, message",
    [
        (layer("Conv2D"), "layer 'the Conv2D': Conv2D makes no layer here"),
        (
            layer("Dense", W, B, activation="hard_sigmoid"),
            "layer 'the Dense': the activation hard_sigmoid is not known",
        ),
        (layer("LayerNormalization", scale=False, center=True), "it has no scale, or no center"),
        (layer("ReLU", negative_slope=0.0, max_value=6.0, threshold=0.0), "it is cut, or has a threshold"),
    ],
)
def test_layers_that_are_refused(bad, message):
    with pytest.raises(ExchangeError, match=message):
        from_keras(sequential(bad))


def test_lists_that_do_not_fit():
    network = nn.MLP.init(RNG, (3, 4))
    with pytest.raises(ExchangeError, match="has arrays and no layers"):
        from_keras([W, B])
    with pytest.raises(ExchangeError, match="no arrays left for Dense"):
        from_keras([W], network)
    with pytest.raises(ExchangeError, match=r"1 arrays are left over, the first of shape \(4,\)"):
        from_keras([W, B, B], network)
