"""Rules around rules: by hand, and around one another. PyTorch's numbers are in test_peers.py."""

import numpy as np
import pytest

from wengert import optim

W, G = np.array([2.0, -1.0, 0.0]), np.array([0.5, 0.25, -3.0])
STEP = optim.SGD(0.1)


def once(rule, w=W, g=G):
    return rule.update(g, rule.init(w), w)[0]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (optim.L2(STEP, 0.5), W - 0.1 * (G + 0.5 * W)),
        (optim.L1(STEP, 0.5), W - 0.1 * (G + [0.5, -0.5, 0.0])),
        (optim.WeightDecay(STEP, 0.5), W - 0.1 * G - 0.05 * W),
        (optim.ClipValues(STEP, 0.3), W - 0.1 * np.array([0.3, 0.25, -0.3])),
        (optim.ClipNorm(STEP, 1.0), W - 0.1 * G / (np.linalg.norm(G) + 1e-6)),
        (optim.ClipNorm(STEP, 100.0), W - 0.1 * G),
    ],
    ids=lambda given: str(given),
)
def test_one_step(rule, expected):
    np.testing.assert_allclose(once(rule), expected, rtol=1e-14)


def test_the_outermost_acts_first_on_the_gradient_and_last_on_the_weights():
    clipped_first = optim.ClipValues(optim.L2(STEP, 0.5), 0.3)
    clipped_last = optim.L2(optim.ClipValues(STEP, 0.3), 0.5)
    np.testing.assert_allclose(once(clipped_first), W - 0.1 * (np.clip(G, -0.3, 0.3) + 0.5 * W))
    np.testing.assert_allclose(once(clipped_last), W - 0.1 * np.clip(G + 0.5 * W, -0.3, 0.3))


def test_the_norm_is_that_of_all_arrays():
    params, gradients = {"a": np.zeros(2), "b": np.zeros(())}, {"a": np.array([3.0, 0.0]), "b": np.array(4.0)}
    rule = optim.ClipNorm(optim.SGD(1.0), 1.0)
    found, _ = rule.update(gradients, rule.init(params), params)
    assert found["a"] == pytest.approx([-0.6, 0.0], rel=1e-6)
    assert found["b"] == pytest.approx(-0.8, rel=1e-6)


@pytest.mark.parametrize(
    ("make", "factor"),
    [
        (lambda only: optim.WeightDecay(STEP, 0.5, only), 0.95),
        (lambda only: optim.L2(STEP, 0.5, only), 0.95),
        (lambda only: optim.L1(STEP, 0.5, only), 0.975),
    ],
)
def test_only_arrays_of_some_names_are_shrunk(make, factor):
    params = {"layers.0.weights": np.array([2.0]), "layers.0.biases": np.array([2.0])}
    nothing = {name: np.zeros(1) for name in params}
    for only, shrunk in (((), params), (("weights",), ["layers.0.weights"]), (("1.biases",), [])):
        rule = make(only)
        found, _ = rule.update(nothing, rule.init(params), params)
        assert found == {name: 2.0 * (factor if name in shrunk else 1.0) for name in params}


def test_decay_follows_the_schedule():
    rule = optim.WeightDecay(optim.SGD(optim.StepDecay(0.1, 1, 0.5)), 1.0)
    w, state = W, rule.init(W)
    for _ in range(2):
        w, state = rule.update(np.zeros(3), state, w)
    np.testing.assert_allclose(w, W * 0.9 * 0.95)


AVERAGES = [optim.PolyakAverage, optim.MovingAverage]


@pytest.mark.parametrize("make", AVERAGES)
def test_before_the_first_step_the_average_is_the_weights(make):
    rule, w = make(STEP), W.copy()
    state = rule.init(w)
    w += 1
    assert np.array_equal(rule.averaged(state, w), W)


@pytest.mark.parametrize("make", AVERAGES)
def test_averages_are_found_under_other_rules(make):
    rule = optim.ClipNorm(make(optim.Adam(0.1)), 1.0)
    w, state = rule.update(G, rule.init(W), W)
    assert np.array_equal(rule.averaged(state, w), w)
    assert rule.rate(rule.with_schedule(state, 0.5)) == 0.5
    assert rule.learning_rate == 0.1


def test_rules_without_an_average_give_the_weights():
    rule = optim.WeightDecay(STEP, 0.1)
    assert rule.averaged(rule.init(W), W) is W


@pytest.mark.parametrize("rule", [STEP, optim.L2(STEP, 0.1), optim.Adam(optim.Cosine(0.1, 5))])
def test_nothing_happens_between_epochs_unless_the_rate_is_adaptive(rule):
    state = rule.init(W)
    assert rule.after_epoch(state, 1.0) is state
    assert not rule.is_exhausted(state)


@pytest.mark.parametrize("wrap", [lambda r: r, lambda r: optim.L2(r, 0.1), optim.PolyakAverage])
def test_an_adaptive_rate_inside(wrap):
    rule = wrap(optim.SGD(optim.Adaptive(0.5, patience=1, lowest=0.2)))
    state = rule.init(W)
    for error in (1.0, 1.0):
        assert not rule.is_exhausted(state)
        state = rule.after_epoch(state, error)
    assert rule.rate(state) == 0.1
    assert rule.is_exhausted(rule.after_epoch(state, 1.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.WeightDecay(STEP, -0.1), "decay must be at least 0, not -0.1"),
        (lambda: optim.L1(STEP, -0.1), "strength must be at least 0, not -0.1"),
        (lambda: optim.L2(STEP, -0.1), "strength must be at least 0, not -0.1"),
        (lambda: optim.ClipValues(STEP, 0.0), "limit must be positive, not 0.0"),
        (lambda: optim.ClipNorm(STEP, -1.0), "limit must be positive, not -1.0"),
        (lambda: optim.MovingAverage(STEP, 1.0), "decay must be at least 0 and below 1, not 1.0"),
    ],
)
def test_settings_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()
