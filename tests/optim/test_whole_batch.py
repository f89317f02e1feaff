"""Training on all patterns at once: a network by each method, and what the methods promise."""

import numpy as np
import pytest
from scipy import optimize

from wengert import losses, nn, optim
from wengert.core import tree

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (80, 2))
T = np.sin(2 * X[:, :1]) * X[:, 1:]
NETWORK = nn.MLP.init(RNG, (2, 6, 1), "tanh")


def error(network, x, t):
    return losses.sum_of_squares(network(x), t)


def residual(network, x, t):
    return (network(x[None]) - t[None])[0]


METHODS = [
    optim.LBFGS(),
    optim.ConjugateGradients(),
    optim.LevenbergMarquardt(),
    optim.LevenbergMarquardt(method="lm-accelerated"),
]


def minimised(method, network=NETWORK, data=(X, T), max_iter=60, callback=None):
    f = {"error": error, "residuals": residual}[method.wants]
    return method.minimise(f, network, data, max_iter, callback)


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_a_network_is_trained(method):
    seen = []
    found = minimised(method, callback=lambda network, value: seen.append((network, value)))
    assert isinstance(found.x, nn.MLP)
    assert error(found.x, X, T) < 0.05 * error(NETWORK, X, T)
    assert 0 < len(seen) <= 60
    network, value = seen[-1]
    assert value == pytest.approx(float(error(network, X, T)), rel=1e-9)
    assert [v for _, v in seen] == sorted((v for _, v in seen), reverse=True)


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_single_precision_stays(method):
    network = tree.map(lambda w: w.astype(np.float32), NETWORK)
    found = minimised(method, network, (X.astype(np.float32), T.astype(np.float32)))
    assert {leaf.dtype for leaf in tree.flatten(found.x)[0]} == {np.dtype(np.float32)}
    assert error(found.x, X, T) < 0.1 * error(NETWORK, X, T)


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_a_callback_may_stop(method):
    seen = []

    def tell(network, value):
        seen.append(value)
        if len(seen) == 2:
            raise StopIteration

    found = minimised(method, callback=tell)
    assert len(seen) == 2
    assert float(error(found.x, X, T)) == pytest.approx(seen[-1], rel=1e-9)


def test_the_steps_of_scipy():
    """The error after each number of iterations, with the gradient in one vector by hand."""
    x = np.linspace(-1, 1, 20)
    t = 2 * np.exp(0.5 * x)

    def by_hand(w):
        r = w[0] * np.exp(w[1] * x) - t
        return r @ r, 2 * np.array([r @ np.exp(w[1] * x), r @ (w[0] * x * np.exp(w[1] * x))])

    def ours(w, x, t):
        return np.sum((w[0] * np.exp(w[1] * x) - t) ** 2)

    w = np.array([1.0, 0.0])
    both = [(optim.LBFGS(4), "L-BFGS-B", {"maxcor": 4}), (optim.ConjugateGradients(), "CG", {})]
    for method, name, options in both:
        for n in (1, 3, 6):
            limited = {**options, "maxiter": n}
            expected = optimize.minimize(by_hand, w, jac=True, method=name, options=limited)
            found = method.minimise(ours, w, (x, t), n)
            np.testing.assert_allclose(found.x, expected.x, rtol=1e-7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.LBFGS(history=0), "history must be at least 1, not 0"),
        (lambda: optim.LBFGS(max_nfev=0), "max_nfev must be at least 1, not 0"),
        (lambda: optim.LBFGS(gtol=-1.0), "gtol must be at least 0, not -1.0"),
        (lambda: optim.ConjugateGradients(gtol=-1.0), "gtol must be at least 0, not -1.0"),
        (lambda: optim.LevenbergMarquardt(xtol=-1.0), "xtol must be at least 0, not -1.0"),
    ],
)
def test_settings_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()
