import numpy as np
import pytest

import wengert as wg
from wengert import nn

KEY = wg.random.key(0)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_units_are_dropped_at_the_rate_and_the_mean_stays(rate):
    y, _ = nn.Dropout(rate).forward(np.ones((1000, 100)), KEY)
    deviation = (rate * (1 - rate) / y.size) ** 0.5
    assert np.mean(y == 0) == pytest.approx(rate, abs=4 * deviation)
    assert y.mean() == pytest.approx(1, abs=4 * deviation / (1 - rate))
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-15)


def test_the_key_alone_decides():
    x = np.ones((20, 5))
    one, two, other = (nn.Dropout(0.5).forward(x, k)[0] for k in (KEY, KEY, wg.random.key(1)))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_native_code_drops_the_same_units():
    x = np.random.default_rng(0).normal(size=(33, 7)).astype(np.float32)
    layer = nn.Dropout(0.3)
    native = wg.jit(lambda x, key: layer.forward(x, key)[0])(x, KEY)
    assert np.array_equal(native, layer.forward(x, KEY)[0])
    assert native.dtype == np.float32


def test_the_error_signal_goes_through_the_same_units():
    x = np.full((4, 6), 2.0)
    y, _ = nn.Dropout(0.5).forward(x, KEY)
    gradient = wg.grad(lambda x: np.sum(nn.Dropout(0.5).forward(x, KEY)[0]))(x)
    np.testing.assert_array_equal(gradient, y / x)


def test_in_prediction_all_take_part():
    x = np.random.default_rng(0).normal(size=(4, 3))
    assert nn.Dropout(0.5)(x) is x


def test_nothing_is_drawn_at_rate_0():
    x = np.ones(3)
    assert nn.forward(nn.Dropout(0.0), x) == (x, nn.Dropout(0.0))
    assert (nn.needs_key(nn.Dropout(0.0)), nn.needs_key(nn.Dropout(0.1))) == (False, True)


def test_infinite_units_are_dropped_too():
    y, _ = nn.Dropout(0.5).forward(np.full(50, np.inf), KEY)
    assert {*y.tolist()} == {0.0, np.inf}


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_a_rate_that_is_none(rate):
    with pytest.raises(ValueError, match=f"the rate of dropout is a probability below 1, not {rate}"):
        nn.Dropout(rate)


def test_without_a_key():
    with pytest.raises(ValueError, match=r"dropout draws at random in training; give a key"):
        nn.forward(nn.Dropout(0.5), np.ones(3))
