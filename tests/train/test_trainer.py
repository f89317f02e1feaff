"""One network in training: whatever the rule, the steps are those of the rule itself."""

import numpy as np
import pytest

import wengert as wg
from tests.train.helpers import X, Y, network
from wengert import losses, nn, optim
from wengert.train import Trainer

SGD = optim.SGD(0.05)
RULES = {
    "sgd": SGD,
    "momentum": optim.Momentum(0.05),
    "nesterov": optim.Nesterov(0.05),
    "delta-bar-delta": optim.DeltaBarDelta(0.05),
    "rprop": optim.Rprop(0.05),
    "adagrad": optim.AdaGrad(0.05),
    "rmsprop": optim.RMSProp(0.05),
    "centred": optim.CentredRMSProp(0.05),
    "adam": optim.Adam(0.05),
    "adamw": optim.AdamW(0.05),
    "nadam": optim.Nadam(0.05),
    "weight decay": optim.WeightDecay(optim.Adam(0.05), 0.1),
    "l1": optim.L1(SGD, 0.1),
    "l2": optim.L2(SGD, 0.1),
    "clipped": optim.ClipValues(SGD, 0.1),
    "polyak": optim.PolyakAverage(SGD),
    "cosine": optim.SGD(optim.Cosine(0.05, steps=20)),
    "inverse scaling": optim.SGD(optim.InverseScaling(0.05)),
    "function": optim.SGD(lambda steps: 0.05 / (1 + steps)),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_steps_are_those_of_the_rule(rule):
    start = network()

    def error_of(parameters, batch):
        return losses.mean_squared_error(nn.replaced(start, parameters)(X[batch]), Y[batch])

    trainer = Trainer(start, losses.mean_squared_error, rule, 8)
    parameters = nn.parameters(start)
    state, orders = rule.init(parameters), np.stack([np.arange(20), np.arange(20)[::-1]])
    for order in orders:
        for batch in (order[:8], order[8:16], order[16:]):
            gradients = wg.grad(error_of)(parameters, batch)
            parameters, state = rule.update(gradients, state, parameters)
    trainer.run_epochs((X, Y), orders)
    for name, w in nn.parameters(trainer.network).items():
        np.testing.assert_allclose(w, parameters[name], rtol=1e-9, atol=1e-12)
    assert (trainer.steps, trainer.epochs) == (6, 2)


def test_the_mean_error_is_of_the_patterns():
    trainer = Trainer(network(), losses.mean_squared_error, optim.SGD(1e-12), 7)
    assert trainer.epoch((X, Y), np.arange(60)) == pytest.approx(
        losses.mean_squared_error(network()(X), Y), rel=1e-9
    )


@pytest.mark.parametrize("count", [1, 60, 256, 257, 509, 512, 1000])
def test_outputs_and_errors_of_any_number_of_patterns(count):
    rows = np.random.default_rng(0).integers(0, 60, count)
    x, y = X[rows], Y[rows]
    trainer = Trainer(network(), losses.mean_squared_error, optim.Adam(), 32)
    np.testing.assert_allclose(trainer.outputs((x, y)), network()(x), rtol=1e-12)
    np.testing.assert_allclose(trainer.outputs((X, Y), rows), network()(x), rtol=1e-12)
    expected = losses.mean_squared_error(network()(x), y)
    assert trainer.error((x, y)) == pytest.approx(expected, rel=1e-12)
    assert trainer.error((X, Y), rows) == pytest.approx(expected, rel=1e-12)


def test_predictions_that_decide_by_values():
    def either(y, t):
        error = losses.mean_squared_error(y, t)
        return error if error > 0.1 else 2.0 * error

    x = np.tile(X, (10, 1))[:509]
    y = np.tile(Y, (10, 1))[:509]
    trainer = Trainer(network(), either, optim.Adam(), 32)
    parts = [slice(0, 256), slice(256, 509)]
    expected = sum(len(x[part]) * either(network()(x[part]), y[part]) for part in parts) / 509
    assert trainer.error((x, y)) == pytest.approx(expected, rel=1e-12)
