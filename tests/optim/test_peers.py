"""The rules against PyTorch (by the numbers of torch_trajectories.py) and scikit-learn: 1000 steps."""

import numpy as np
import pytest
from sklearn.neural_network import _stochastic_optimizers as sklearn_rules

from tests.optim import torch_trajectories as torch
from wengert import optim
from wengert.core import tree

PARAMS = torch.start()
GRADIENTS = list(torch.gradients())


@pytest.fixture(scope="module")
def recorded():
    with np.load(torch.PATH) as file:
        return dict(file)


def trajectory(rule, look=lambda rule, state, params: params):
    """The weights after the steps that are kept, as in the file."""
    params, state, found = PARAMS, rule.init(PARAMS), []
    for t, given in enumerate(GRADIENTS, 1):
        params, state = rule.update(given, state, params)
        if t in torch.KEPT:
            found.append(np.concatenate([np.ravel(w) for w in look(rule, state, params)]))
    return np.stack(found)


RULES = {
    "sgd": optim.SGD(0.01),
    "momentum": optim.SGD(0.01, momentum=0.9),
    "nesterov": optim.SGD(0.01, momentum=0.9, nesterov=True),
    "adagrad": optim.AdaGrad(0.1, initial=0.1),
    "adagrad decayed": optim.AdaGrad(optim.InverseTime(0.1, 0.01)),
    "rmsprop": optim.RMSProp(0.01),
    "rmsprop momentum": optim.RMSProp(0.01, decay=0.9, momentum=0.8),
    "rmsprop centred": optim.CentredRMSProp(0.01, decay=0.95, eps=1e-3),
    "rmsprop centred momentum": optim.CentredRMSProp(0.01, momentum=0.9, eps=1e-3),
    "adam": optim.Adam(0.01),
    "adam eps": optim.Adam(0.01, b1=0.8, b2=0.95, eps=0.1),
    "adam l2": optim.L2(optim.Adam(0.01), 0.1),
    "adamw": optim.AdamW(0.01, decay=0.1),
    "nadam": optim.Nadam(0.01),
    "nadam decay": optim.L2(optim.Nadam(0.01, momentum_decay=0.1), 0.1),
    "nadamw": optim.WeightDecay(optim.Nadam(0.01), 0.1),
    "rprop": optim.Rprop(0.01),
    "rprop bounds": optim.Rprop(0.1, shrinkage=0.6, growth=1.3, shortest=0.05, longest=0.5),
    "step/momentum": optim.SGD(optim.StepDecay(0.01, 50, 0.5), momentum=0.9),
    "clip/norm": optim.ClipNorm(optim.Adam(0.01), 1.0),
    "clip/values": optim.ClipValues(optim.Adam(0.01), 0.5),
}
TEXTBOOK = {
    "momentum": optim.Momentum(0.01, 0.9),
    "nesterov": optim.Nesterov(0.01, 0.9),
    "adamw": optim.WeightDecay(optim.Adam(0.01), 0.1),
}


@pytest.mark.parametrize(("name", "rule"), [*RULES.items(), *TEXTBOOK.items()])
def test_steps_of_pytorch(name, rule, recorded):
    np.testing.assert_allclose(trajectory(rule), recorded[name], rtol=1e-10, atol=1e-10)


AVERAGES = {
    "average/polyak": optim.PolyakAverage(optim.SGD(0.01)),
    "average/moving": optim.MovingAverage(optim.SGD(0.01), 0.95),
}


@pytest.mark.parametrize(("name", "rule"), AVERAGES.items())
def test_averages_of_pytorch(name, rule, recorded):
    found = trajectory(rule, lambda rule, state, params: rule.averaged(state, params))
    np.testing.assert_allclose(found, recorded[name], rtol=1e-10, atol=1e-10)


SCHEDULES = {
    "step": optim.StepDecay(0.1, 7, 0.5),
    "milestones": optim.Milestones(0.1, (5, 30, 31), 0.3),
    "exponential": optim.Exponential(0.1, 0.97),
    "cosine": optim.Cosine(0.1, torch.RATES - 1, lowest=0.01),
    "restarts": optim.CosineRestarts(0.1, 10, lowest=0.01),
    "growing restarts": optim.CosineRestarts(0.1, 8, growth=2, lowest=0.01),
    "one cycle": optim.OneCycle(0.1, torch.RATES),
    "early cycle": optim.OneCycle(0.1, torch.RATES, 0.1, first_divisor=10.0, last_divisor=100.0),
    "warm-up": optim.WarmUp(optim.Exponential(0.1, 0.97), 10, start=0.2),
}


@pytest.mark.parametrize(("name", "schedule"), SCHEDULES.items())
def test_rates_of_pytorch(name, schedule, recorded):
    found = [schedule(t) for t in range(torch.RATES)]
    np.testing.assert_allclose(found, recorded[f"rates/{name}"], rtol=1e-10)


def of_scikit_learn(rule, params, change=lambda rule, t: None):
    for t, given in enumerate(GRADIENTS, 1):
        rule.update_params(params, given)
        change(rule, t)
    return params


def ours(rule, change=lambda rule, state, t: state):
    params, state = PARAMS, rule.init(PARAMS)
    for t, given in enumerate(GRADIENTS, 1):
        params, state = rule.update(given, state, params)
        state = change(rule, state, t)
    return params


def copies():
    return tree.map(np.copy, PARAMS)


def assert_same(found, expected):
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("momentum", "nesterov", "rule"),
    [
        (0.0, False, optim.SGD(0.01)),
        (0.9, False, optim.Momentum(0.01, 0.9)),
        (0.9, True, optim.Nesterov(0.01, 0.9)),
        (0.9, True, optim.SGD(0.01, 0.9, nesterov=True)),
    ],
)
def test_descent_of_scikit_learn(momentum, nesterov, rule):
    params = copies()
    peer = sklearn_rules.SGDOptimizer(params, 0.01, momentum=momentum, nesterov=nesterov)
    assert_same(ours(rule), of_scikit_learn(peer, params))


def test_adam_of_scikit_learn():
    params = copies()
    peer = sklearn_rules.AdamOptimizer(params, 0.01, epsilon=1e-2)
    assert_same(ours(optim.Adam(0.01, eps=0.0, eps_hat=1e-2)), of_scikit_learn(peer, params))


def test_inverse_scaling_of_scikit_learn():
    """It counts patterns and changes the rate at the end of an epoch, here of 20 steps on 32 patterns."""
    params = copies()
    peer = sklearn_rules.SGDOptimizer(params, 0.1, "invscaling", power_t=0.4)
    expected = of_scikit_learn(peer, params, lambda r, t: t % 20 or r.iteration_ends(t * 32))
    schedule = optim.PerEpoch(optim.InverseScaling(0.1, 0.4), steps=20, counted=20 * 32)
    assert_same(ours(optim.Nesterov(schedule)), expected)


def test_adaptive_rate_of_scikit_learn():
    """Steps, rates and the end of training when every tenth step ends an epoch of no better error."""
    params, ends = copies(), []
    peer = sklearn_rules.SGDOptimizer(params, 0.1, "adaptive")
    expected = of_scikit_learn(
        peer, params, lambda r, t: t % 10 or ends.append(r.trigger_stopping("", False))
    )
    rule = optim.Nesterov(optim.Adaptive(0.1, patience=1, best=1.0))
    rates, exhausted = [], []

    def change(rule, state, t):
        if t % 10:
            return state
        state = rule.after_epoch(state, 1.0)
        rates.append(rule.rate(state))
        exhausted.append(rule.is_exhausted(state))
        return state

    assert_same(ours(rule, change), expected)
    assert rates[-1] == peer.learning_rate < 1e-6
    assert exhausted == ends
