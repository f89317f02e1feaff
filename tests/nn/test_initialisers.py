import numpy as np
import pytest

from wengert import nn


def draw(initialiser):
    return initialiser(np.random.default_rng(0), 300, 500)


def test_uniform_fills_its_range():
    weights = draw(nn.uniform)
    assert weights.shape == (300, 500)
    assert -1 <= weights.min() < -0.999
    assert 0.999 < weights.max() < 1


def test_glorot_has_the_variance_of_both_sides():
    weights = draw(nn.glorot)
    assert np.abs(weights).max() <= np.sqrt(6 / 800)
    assert weights.var() == pytest.approx(2 / 800, rel=0.02)


def test_he_has_the_variance_of_the_inputs():
    assert draw(nn.he).var() == pytest.approx(2 / 300, rel=0.02)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown initialiser 'xavier'; choose one of glorot, he, uniform"):
        nn.initialiser_named("xavier")
