import matplotlib
import numpy as np
import pytest

from tests.train.helpers import X, Y, network, run, squares
from tests.train.test_fit import Slope
from wengert import losses, nn, optim
from wengert.train import diagnose

rng = np.random.default_rng(0)


def look(net, **options):
    return diagnose(net, losses.mean_squared_error, X, Y, **options)


def with_biases(net, value):
    return nn.replaced(net, {"layers.0.biases": np.full(net.layers[0].biases.shape, value)})


def test_norms_by_name():
    unit = nn.MLP((nn.Dense(np.array([[0.5], [-0.25]]), np.array([0.1]), nn.identity),))
    found = look(unit, optimiser=optim.SGD(0.1))
    delta = X @ [[0.5], [-0.25]] + 0.1 - Y
    gradient = 2 / 60 * X.T @ delta
    weights, biases = found.parameters
    assert (weights.name, biases.name) == ("layers.0.weights", "layers.0.biases")
    assert found.error == pytest.approx(np.mean(delta**2))
    assert weights.weights == pytest.approx(np.sqrt((0.5**2 + 0.25**2) / 2))
    assert weights.gradient == pytest.approx(np.sqrt(np.mean(gradient**2)))
    assert weights.update == pytest.approx(0.1 * np.linalg.norm(gradient) / np.hypot(0.5, 0.25))


def test_pre_activations_of_every_layer():
    net = network()
    found = look(net)
    first = X @ net.layers[0].weights + net.layers[0].biases
    assert [(u.name, u.activation, u.count) for u in found.units] == [
        ("layers.0", "tanh", 8),
        ("layers.1", "identity", 1),
    ]
    assert (found.units[0].mean, found.units[0].std) == pytest.approx((first.mean(), first.std()))
    assert found.units[0].flat == np.mean(1 - np.tanh(first) ** 2 < 0.01)


def test_a_sound_network():
    found = look(network())
    assert found.findings == []
    assert str(found).endswith("Nothing conspicuous.")


def test_dead_units_are_named():
    net = nn.MLP.init(rng, (2, 8, 1), "relu")
    biases = np.zeros(8)
    biases[:3] = -100
    found = look(nn.replaced(net, {"layers.0.biases": biases}))
    assert found.units[0].dead == 3
    assert found.findings == [
        "Dead units: 3 of 8 in layers.0 (relu) pass no error signal on for any pattern. "
        "Take leaky_relu or elu, a lower learning rate, or smaller weights."
    ]


def test_rectifiers_that_are_half_the_time_off_are_sound():
    assert look(nn.MLP.init(np.random.default_rng(1), (2, 64, 1), "leaky_relu")).findings == []


@pytest.mark.parametrize("activation", ["tanh", "logistic"])
def test_saturated_units_are_named(activation):
    found = look(with_biases(nn.MLP.init(rng, (2, 8, 1), activation), 8.0))
    assert found.units[0].flat > 0.9
    assert any(
        f.startswith(f"Saturated units: in layers.0 ({activation}) the derivative") for f in found.findings
    )


def test_vanishing_gradients_are_named():
    found = look(nn.MLP.init(np.random.default_rng(0), (2, *[4] * 9, 1), "logistic"))
    assert found.findings[0].startswith("The gradients vanish: that of layers.0.weights is ")
    assert "residual connections" in found.findings[0]


def test_exploding_gradients_are_named():
    net = nn.MLP.init(np.random.default_rng(0), (2, *[8] * 6, 1), "relu")
    large = {name: 30 * w for name, w in nn.parameters(net).items() if name.endswith("weights")}
    large["layers.6.weights"] = np.full((8, 1), 1e6)
    findings = look(nn.replaced(net, large)).findings
    assert any(f.startswith("The gradients explode: that of layers.0.weights is ") for f in findings)


def test_large_steps_are_named():
    findings = look(network(), optimiser=optim.SGD(100.0)).findings
    assert [f.split(":")[0] for f in findings] == ["The steps are large"]
    assert "Lower the learning rate" in findings[0]


def test_no_gradient_is_named():
    findings = look(
        with_biases(nn.MLP.init(rng, (2, 8, 1), "relu"), -100.0), optimiser=optim.SGD(0.1)
    ).findings
    assert findings[0].startswith("Dead units: 8 of 8")
    everything = diagnose(network(), lambda y, t: np.sum(0 * y), X, Y)
    assert "There is no gradient at all: no unit passes an error signal on." in everything.findings


def test_layers_inside_layers_and_drawing():
    net = nn.Sequential(
        [
            nn.Dense.init(rng, 2, 4, "tanh"),
            nn.Residual(nn.Sequential([nn.Dense.init(rng, 4, 4, "relu"), nn.Dense.init(rng, 4, 4)])),
            nn.Dropout(0.5),
            nn.Dense.init(rng, 4, 1),
        ]
    )
    found = look(net)
    assert [u.name for u in found.units] == [
        "layers.0",
        "layers.1.layer.layers.0",
        "layers.1.layer.layers.1",
        "layers.3",
    ]
    assert [p.name for p in found.parameters] == list(nn.parameters(net))


def test_any_network_has_gradients():
    found = look(Slope(np.array(0.5)))
    assert [p.name for p in found.parameters] == ["w"]
    assert found.units == []
    assert "w" in str(found)


def test_softmax_is_not_flat():
    net = nn.MLP.init(rng, (2, 4, 3), "tanh", "softmax")
    found = diagnose(net, lambda y, t: -np.mean(np.log(y[:, 0])), X, Y)
    assert (found.units[1].flat, found.units[1].dead) == (0, 0)


def test_weights_of_patterns():
    weights = np.linspace(0, 1, 60)
    found = diagnose(network(), squares, X, Y, weights)
    assert found.error == pytest.approx(squares(network()(X), Y, weights))


def test_the_state_of_a_training():
    found = []

    def on_epoch(training):
        rule, state = training.trainer.optimiser, training.trainer.carry[1]
        found.append(look(training.network, optimiser=rule, state=state))

    run(callbacks=[on_epoch], epochs=2)
    assert found[1].error < found[0].error


def test_a_plot():
    matplotlib.use("Agg")
    found = look(network())
    axes = found.plot()
    gradients = axes.get_lines()[0].get_ydata()
    assert list(gradients) == [p.gradient for p in found.parameters]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(nn.parameters(network()))
    assert found.plot(axes) is axes
    matplotlib.pyplot.close(axes.figure)


@pytest.mark.parametrize(
    ("scale", "named"),
    [(np.nan, "error, gradient of layers.0.weights"), (1e200, "error, gradient of layers.0.weights")],
)
def test_numbers_that_are_lost_are_told(scale, named):
    net = nn.MLP.init(rng, (2, 3, 1), "relu")
    found = diagnose(net, losses.mean_squared_error, scale * X, Y)
    assert found.findings[0].startswith(f"Numbers are lost: of {named}")
    spoiled = nn.replaced(net, {"layers.0.weights": np.full((2, 3), np.inf)})
    assert "layers.0.weights" in diagnose(spoiled, losses.mean_squared_error, X, Y).findings[0]


def test_there_must_be_patterns():
    with pytest.raises(ValueError, match="diagnose: x has no rows"):
        diagnose(network(), losses.mean_squared_error, X[:0], Y[:0])
