"""Every number of one pass, against the network itself and its gradient."""

import numpy as np
import pytest

import wengert as wg
from wengert import losses, nn, optim

RNG = np.random.default_rng(0)
SHARED = nn.UnitGraph.from_edges(
    [
        ("x1", "h", "w"),
        ("x2", "h", nn.Fixed(-1.5)),
        ("x1", "g", "w"),
        ("h", "g", 0.7),
        ("g", "y", 0.3),
        ("h", "y", "w"),
    ],
    inputs=["x1", "x2"],
    outputs=["y"],
    activations={"g": "softplus"},
    weights={"w": 0.4},
    biases={"h": 0.2, "g": None},
)
CASES = {
    "layers": (nn.UnitGraph.from_layers(RNG, (3, 4, 3, 2)), [0.5, -1.0], losses.sum_of_squares),
    "softmax": (
        nn.UnitGraph.from_layers(RNG, (3, 4, 3), output="softmax"),
        [0.2, 0.5, 0.3],
        losses.sum_of_squares,
    ),
    "classes": (nn.UnitGraph.from_layers(RNG, (3, 4, 3)), 2, losses.softmax_cross_entropy),
    "sparse": (nn.UnitGraph.random_sparse(RNG, (3, 6, 5, 1), 30, activation="relu"), 1.0, losses.Huber()),
    "shared": (SHARED, -1.0, losses.mean_squared_error),
}


@pytest.mark.parametrize("case", CASES)
def test_the_numbers_are_those_of_the_network(case):
    network, t, loss = CASES[case]
    x = RNG.normal(size=len(network.topology.inputs))
    target = np.array([t]) if case == "classes" else np.reshape(t, (1, -1))
    found = network.explain(x, t, loss, learning_rate=0.1)
    np.testing.assert_allclose(found.output, network(x), rtol=1e-12)
    error, gradient = wg.value_and_grad(lambda network: loss(network(x[None]), target))(network)
    assert found.error == pytest.approx(float(error), rel=1e-12)
    rule = optim.SGD(0.1)
    parameters = nn.parameters(network)
    after, _ = rule.update(nn.parameters(gradient), rule.init(parameters), parameters)
    stepped = nn.replaced(network, after)
    weights = {(c.source, c.target): c.weight for c in stepped.connections}
    biases = {unit.name: unit.bias for unit in stepped.units}
    for unit in found.units:
        for source, weight in zip(unit.sources, unit.stepped_weights or ()):
            assert weight == pytest.approx(weights[source, unit.name], rel=1e-10)
        assert unit.stepped_bias == (biases[unit.name] and pytest.approx(biases[unit.name], rel=1e-10))


def test_an_error_signal_is_the_derivative_by_the_pre_activation():
    x, signals, errors = np.array([0.3, 0.8]), {}, {}
    for unit in SHARED.explain(x, -1.0, losses.mean_squared_error).units:
        signals[unit.name] = unit.delta
    for step in (1e-6, -1e-6):
        biases = SHARED.biases + step * (np.arange(len(SHARED.biases)) == 0)
        moved = nn.UnitGraph(SHARED.weights, biases, SHARED.fixed, SHARED.topology)
        errors[step] = moved.explain(x, -1.0, losses.mean_squared_error).error
    assert signals["h"] == pytest.approx((errors[1e-6] - errors[-1e-6]) / 2e-6, rel=1e-6)
    assert signals["x1"] is None


def test_without_a_target_nothing_goes_back():
    text = repr(SHARED.explain([0.3, 0.8]))
    assert text.startswith("forward pass") and "backward" not in text and "update" not in text
    assert "0.2 + 0.4*0.3 + (-1.5)*0.8 = -0.88" in text


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([0.3],), r"UnitGraph: explain takes 2 numbers, not an array of shape \(1,\)"),
        (([0.3, 0.8], 1.0), "give the target t and the loss"),
        (([0.3, 0.8], None, losses.hinge), "give the target t and the loss"),
        (([0.3, 0.8], None, None, 0.1), "give the target t and the loss"),
    ],
)
def test_what_cannot_be_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        SHARED.explain(*arguments)
