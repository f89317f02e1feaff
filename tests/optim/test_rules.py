"""The rules against the same formulas written for one weight in plain Python."""

import math

import numpy as np
import pytest

import wengert as wg
from wengert import optim
from wengert.core import tree

GRADIENTS = np.random.default_rng(0).normal(size=(50, 3))
START = np.array([1.0, -2.0, 0.5])


def run(rule, gradients=GRADIENTS, start=START):
    """The weights after each step; every weight is a leaf of its own beside the whole array."""
    params = {"w": start, "one": [float(start[0])]}
    state = rule.init(params)
    for g in gradients:
        params, state = rule.update({"w": g, "one": [float(g[0])]}, state, params)
        assert params["one"][0] == pytest.approx(params["w"][0])
    return params["w"]


def test_gradient_descent():
    expected = [w - sum(0.1 * g for g in GRADIENTS[:, i]) for i, w in enumerate(START)]
    np.testing.assert_allclose(run(optim.SGD(0.1)), expected)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum(nesterov):
    expected = []
    for i, w in enumerate(START):
        v = 0.0
        for g in GRADIENTS[:, i]:
            v = 0.9 * v + g
            w -= 0.1 * (g + 0.9 * v if nesterov else v)
        expected.append(w)
    np.testing.assert_allclose(run(optim.SGD(0.1, momentum=0.9, nesterov=nesterov)), expected)


def test_adam():
    expected = []
    for i, w in enumerate(START):
        m = s = 0.0
        for step, g in enumerate(GRADIENTS[:, i], 1):
            m = 0.8 * m + 0.2 * g
            s = 0.95 * s + 0.05 * g**2
            w -= 0.01 * (m / (1 - 0.8**step)) / (math.sqrt(s / (1 - 0.95**step)) + 1e-3)
        expected.append(w)
    np.testing.assert_allclose(run(optim.Adam(0.01, b1=0.8, b2=0.95, eps=1e-3)), expected)


def test_the_first_step_of_adam_has_the_length_of_the_learning_rate():
    after = run(optim.Adam(0.01), GRADIENTS[:1])
    np.testing.assert_allclose(np.abs(after - START), 0.01, rtol=1e-6)


def test_delta_bar_delta():
    rule = optim.DeltaBarDelta(0.1, growth=0.2, shrinkage=0.3, decay=0.6)
    expected = []
    for i, w in enumerate(START):
        rate, mean = 0.1, 0.0
        for g in GRADIENTS[:, i]:
            if mean * g > 0:
                rate += 0.2 * 0.1
            elif mean * g < 0:
                rate -= 0.3 * rate
            w -= rate * g
            mean = 0.4 * g + 0.6 * mean
        expected.append(w)
    np.testing.assert_allclose(run(rule), expected)


ALONE = [
    optim.SGD(0.1),
    optim.SGD(0.1, 0.9),
    optim.SGD(0.1, 0.9, nesterov=True),
    optim.Momentum(0.1),
    optim.Nesterov(0.1),
    optim.AdaGrad(1.0),
    optim.RMSProp(0.01),
    optim.RMSProp(0.001, momentum=0.9),
    optim.CentredRMSProp(0.01, eps=0.1),
    optim.CentredRMSProp(0.001, eps=0.1, momentum=0.9),
    optim.Adam(0.1),
    optim.Adam(0.1, eps=0.0, eps_hat=1e-8),
    optim.AdamW(0.1),
    optim.Nadam(0.1),
    optim.DeltaBarDelta(0.01),
    optim.Rprop(0.1),
]
AROUND = [
    optim.WeightDecay(optim.Adam(0.1), 0.1),
    optim.L1(optim.Adam(0.1), 1e-3),
    optim.L2(optim.SGD(0.1, 0.9), 0.1),
    optim.ClipValues(optim.Adam(0.1), 1.0),
    optim.ClipNorm(optim.Momentum(0.1), 1.0),
    optim.PolyakAverage(optim.Adam(0.1)),
    optim.MovingAverage(optim.WeightDecay(optim.SGD(0.1), 0.1), 0.9),
    optim.Adam(optim.WarmUp(optim.Cosine(0.1, 500, lowest=0.01), 10)),
    optim.SGD(optim.Adaptive(0.1)),
]
RULES = ALONE + AROUND


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_updates_are_pure_and_keep_single_precision(rule):
    params = {"w": START.astype(np.float32)}
    state = tree.map(as_numpy, rule.init(params))
    gradients = {"w": GRADIENTS[0].astype(np.float32)}
    once, after = rule.update(gradients, state, params)
    twice, again = rule.update(gradients, state, params)
    assert np.array_equal(once["w"], twice["w"])
    assert tree.flatten(after)[1] == tree.flatten(again)[1] == tree.flatten(state)[1]
    assert [leaf.dtype for leaf in tree.flatten(after)[0]] == [leaf.dtype for leaf in tree.flatten(state)[0]]
    assert once["w"].dtype == np.float32
    assert np.array_equal(params["w"], START.astype(np.float32))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_parabola_is_descended(rule):
    params, state = np.array([3.0, -4.0]), rule.init(np.array([3.0, -4.0]))
    for _ in range(1000):
        params, state = rule.update(2 * params, state, params)
    assert np.abs(params).max() < 2e-2


def as_numpy(leaf):
    return leaf if hasattr(leaf, "dtype") else np.asarray(leaf)[()]


def target(params):
    return np.sum(np.cosh(params["w"])) + (params["b"] - 1.0) ** 2


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_compiled_loop_takes_the_same_steps(rule):
    def steps(params, state):
        def step(carry, _):
            params, state = carry
            return rule.update(wg.grad(target)(params), state, params), params["b"]

        return wg.scan(step, (params, state), None, length=40)

    params = {"w": START, "b": np.float64(3.0)}
    state = tree.map(as_numpy, rule.init(params))
    (found, _), _ = wg.jit(steps)(params, state)
    for _ in range(40):
        params, state = rule.update(wg.grad(target)(params), state, params)
    np.testing.assert_allclose(found["w"], params["w"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found["b"], params["b"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_another_rate_is_no_other_code(rule):
    """One recording serves rules of a kind, rates that were changed, and the end of an epoch."""
    recorded = []

    @wg.jit
    def step(gradient, state, w):
        recorded.append(rule)
        return rule.kind.update(gradient, state, w)

    state = tree.map(as_numpy, rule.init(START))
    halved = rule.with_schedule(state, rule.rate(state) / 2 or 0.1)
    for now in (state, rule.after_epoch(rule.after_epoch(state, 1.0), 2.0), halved):
        found, _ = step(GRADIENTS[0], now, START)
        np.testing.assert_allclose(found, rule.update(GRADIENTS[0], now, START)[0], rtol=1e-12)
    constant = tree.flatten(halved)[1] == tree.flatten(state)[1]
    assert len(recorded) == (1 if constant else 2)


def test_rules_of_a_kind():
    assert optim.SGD(0.1).kind == optim.SGD(0.2).kind != optim.SGD(0.1, momentum=0.5).kind
    decayed = [optim.WeightDecay(optim.Adam(rate), 0.1).kind for rate in (0.1, 0.2)]
    assert decayed[0] == decayed[1] != optim.WeightDecay(optim.Adam(0.1), 0.2).kind
    assert len({optim.Adam(optim.Cosine(0.1, n)).kind for n in (10, 20)}) == 1
    assert optim.Adam(optim.Cosine(0.1, 10)).kind != optim.Adam(0.1).kind


@pytest.mark.parametrize("rule", ALONE, ids=str)
def test_the_rate_of_the_next_step(rule):
    state = rule.with_schedule(rule.init(START), optim.StepDecay(0.4, 2, 0.5))
    found, w = [], START
    for g in GRADIENTS[:5]:
        found.append(rule.rate(state))
        w, state = rule.update(g, state, w)
    assert found == [0.4, 0.4, 0.2, 0.2, 0.1]


def test_two_forms_of_momentum_brake_differently():
    """After the rate has fallen, PyTorch's velocity is shortened and scikit-learn's is not."""
    rate, g = optim.StepDecay(0.1, 1, 0.01), np.ones((2, 3))
    both = [optim.SGD(rate, 0.9), optim.Momentum(rate, 0.9)]
    torch, sklearn = (run(rule, g, np.zeros(3)) for rule in both)
    np.testing.assert_allclose(torch, -0.1 - 0.001 * 1.9)
    np.testing.assert_allclose(sklearn, -0.1 - 0.09 - 0.001)


@pytest.mark.parametrize(
    ("rule", "arguments", "message"),
    [
        (optim.SGD, {"learning_rate": 0.0}, "learning_rate must be positive, not 0.0"),
        (optim.SGD, {"momentum": 1.0}, "momentum must be at least 0 and below 1, not 1.0"),
        (optim.SGD, {"nesterov": True}, "nesterov needs momentum; write momentum=0.9"),
        (optim.Adam, {"learning_rate": float("nan")}, "learning_rate must be positive, not nan"),
        (optim.Adam, {"b1": 1.0}, "b1 must be at least 0 and below 1"),
        (optim.Adam, {"b2": -0.1}, "b2 must be at least 0 and below 1"),
        (optim.Adam, {"eps": -1.0}, "eps must be at least 0, not -1.0"),
        (optim.Adam, {"eps": 0.0}, "eps must be positive where eps_hat is not"),
        (optim.Adam, {"eps_hat": -1.0}, "eps_hat must be at least 0, not -1.0"),
        (optim.AdamW, {"decay": -1.0}, "decay must be at least 0, not -1.0"),
        (optim.Nadam, {"b1": 1.0}, "b1 must be at least 0 and below 1"),
        (optim.Nadam, {"eps": 0.0}, "eps must be positive, not 0.0"),
        (optim.Nadam, {"momentum_decay": -1.0}, "momentum_decay must be at least 0, not -1.0"),
        (optim.Momentum, {"momentum": -0.5}, "momentum must be at least 0 and below 1, not -0.5"),
        (optim.Nesterov, {"learning_rate": -1.0}, "learning_rate must be positive, not -1.0"),
        (optim.AdaGrad, {"initial": -1.0}, "initial must be at least 0, not -1.0"),
        (optim.AdaGrad, {"eps": 0.0}, "eps must be positive, not 0.0"),
        (optim.RMSProp, {"decay": 1.0}, "decay must be at least 0 and below 1, not 1.0"),
        (optim.CentredRMSProp, {"eps": 0.0}, "eps must be positive, not 0.0"),
        (optim.RMSProp, {"momentum": 1.0}, "momentum must be at least 0 and below 1, not 1.0"),
        (optim.DeltaBarDelta, {"growth": -1.0}, "growth must be at least 0, not -1.0"),
        (optim.DeltaBarDelta, {"shrinkage": 1.0}, "shrinkage must be between 0 and 1, not 1.0"),
        (optim.Rprop, {"shrinkage": 1.0}, "shrinkage must be between 0 and 1, not 1.0"),
        (optim.Rprop, {"growth": 1.0}, "growth must be above 1, not 1.0"),
        (optim.Rprop, {"longest": 0.0}, "shortest must be positive and at most longest, not 1e-06 and 0.0"),
    ],
)
def test_settings_that_make_no_sense(rule, arguments, message):
    with pytest.raises(ValueError, match=message):
        rule(**arguments)
