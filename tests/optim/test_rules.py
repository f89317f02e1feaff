"""The rules against the same formulas written for one weight in plain Python."""

import math

import numpy as np
import pytest

from wengert import optim

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


RULES = [optim.SGD(0.1), optim.SGD(0.1, 0.9), optim.SGD(0.1, 0.9, nesterov=True), optim.Adam(0.1)]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_updates_are_pure_and_keep_single_precision(rule):
    params = {"w": START.astype(np.float32)}
    state = rule.init(params)
    gradients = {"w": GRADIENTS[0].astype(np.float32)}
    once, _ = rule.update(gradients, state, params)
    twice, _ = rule.update(gradients, state, params)
    assert np.array_equal(once["w"], twice["w"])
    assert once["w"].dtype == np.float32
    assert np.array_equal(params["w"], START.astype(np.float32))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_parabola_is_descended(rule):
    params, state = np.array([3.0, -4.0]), rule.init(np.array([3.0, -4.0]))
    for _ in range(300):
        params, state = rule.update(2 * params, state, params)
    assert np.abs(params).max() < 1e-2


@pytest.mark.parametrize(
    ("rule", "arguments", "message"),
    [
        (optim.SGD, {"learning_rate": 0.0}, "learning_rate must be positive, not 0.0"),
        (optim.SGD, {"momentum": 1.0}, "momentum must be at least 0 and below 1, not 1.0"),
        (optim.SGD, {"nesterov": True}, "nesterov needs momentum; write momentum=0.9"),
        (optim.Adam, {"learning_rate": float("nan")}, "learning_rate must be positive, not nan"),
        (optim.Adam, {"b1": 1.0}, "b1 must be at least 0 and below 1"),
        (optim.Adam, {"b2": -0.1}, "b2 must be at least 0 and below 1"),
        (optim.Adam, {"eps": 0.0}, "eps must be positive"),
    ],
)
def test_settings_that_make_no_sense(rule, arguments, message):
    with pytest.raises(ValueError, match=message):
        rule(**arguments)
