import numpy as np
import pytest
from sklearn.linear_model import enet_path

import wengert as wg
from wengert import losses, nn

rng = np.random.default_rng(0)
NETWORK = nn.MLP.init(rng, (3, 4, 2), "tanh")
WEIGHTS = [layer.weights for layer in NETWORK.layers]
PENALTIES = {
    losses.L2(0.3): lambda w: 0.15 * w**2,
    losses.L1(0.3): lambda w: 0.3 * abs(w),
    losses.ElasticNet(0.3, 0.2): lambda w: 0.06 * abs(w) + 0.12 * w**2,
}
every_penalty = pytest.mark.parametrize("penalty", PENALTIES)


@every_penalty
def test_weights_are_counted_and_biases_are_free(penalty):
    network = nn.MLP(tuple(nn.Dense(l.weights, l.biases + 5.0, l.activation) for l in NETWORK.layers))
    assert penalty(network) == pytest.approx(sum(PENALTIES[penalty](w).sum() for w in WEIGHTS))
    assert penalty(nn.parameters(network)) == penalty(network)


@every_penalty
def test_derivatives(penalty):
    wg.check_gradients(penalty, (NETWORK,))
    gradient = wg.grad(penalty)(NETWORK)
    assert not any(layer.biases.any() for layer in gradient.layers)


@every_penalty
def test_native_code_gives_the_same_in_single_precision(penalty):
    network = nn.MLP.init(rng, (3, 4, 2), "tanh", dtype=np.float32)
    value, gradient = wg.jit(wg.value_and_grad(penalty))(network)
    assert value.dtype == gradient.layers[0].weights.dtype == np.float32
    assert value == pytest.approx(penalty(network), rel=1e-6)


@every_penalty
def test_a_network_without_weights_costs_nothing(penalty):
    assert penalty({"biases": np.ones(3), "counts": np.ones((2, 2), int)}) == 0


def test_the_elastic_net_is_that_of_scikit_learn():
    """Where scikit-learn's solution lies, the derivative of error and penalty is zero (or held at a kink)."""
    x, noise = np.random.default_rng(1).normal(size=(2, 40, 5))
    t = x[:, 0] + noise[:, 0]
    _, path, _ = enet_path(x, t, l1_ratio=0.8, alphas=[0.2], tol=1e-12)
    penalty = losses.ElasticNet(0.2, 0.8)
    slope = wg.grad(lambda w: 0.5 * losses.mean_squared_error(x @ w, t[:, None]) + penalty(w))(path)
    np.testing.assert_allclose(slope[path != 0], 0, atol=1e-9)
    assert path.all() != path.any() and np.all(np.abs(slope[path == 0]) <= 0.16)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.L2(-1), "strength must be at least 0, not -1.0"),
        (lambda: losses.L1(-1), "strength must be at least 0, not -1.0"),
        (lambda: losses.ElasticNet(1, 2), "l1_ratio must be from 0 to 1, not 2.0"),
    ],
)
def test_parameters_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
