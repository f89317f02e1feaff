"""In native code every update is the epilogue of its gradient, weights and state in place."""

import numpy as np
import pytest

import wengert as wg
from tests.optim.test_rules import ALONE, AROUND, as_numpy
from wengert import losses, nn, optim
from wengert.core import tree

NETWORK = nn.MLP.init(np.random.default_rng(0), (8, 64, 3), "tanh", dtype="f4")
X = np.random.default_rng(1).normal(size=(320, 8)).astype("f4")
T = np.tanh(X[:, :3])
ORDER = np.arange(320).reshape(-1, 32)
WEIGHTS = {"8×64", "64×3"}


def kernels_of_a_step(rule):
    """The kernels inside the loop over minibatches."""
    error_and_gradient = wg.value_and_grad(lambda network, x, t: losses.mean_squared_error(network(x), t))

    def epoch(network, state, order, x, t):
        def step(carry, batch):
            error, gradient = error_and_gradient(carry[0], x[batch], t[batch])
            return rule.update(gradient, carry[1], carry[0]), error

        return wg.scan(step, (network, state), order)

    state = tree.map(as_numpy, rule.init(NETWORK))
    return [row for row in wg.jit(epoch).explain(NETWORK, state, ORDER, X, T).rows if row.depth]


FUSED = [rule for rule in ALONE + AROUND if not isinstance(rule, optim.ClipNorm)]


@pytest.mark.parametrize("rule", FUSED, ids=str)
def test_no_update_is_a_pass_of_its_own(rule):
    kernels = kernels_of_a_step(rule)
    assert not [row for row in kernels if row.what == "loop" and row.shape in WEIGHTS]
    gradients = [row for row in kernels if row.shape in ("8×32 @ 32×64", "64×32 @ 32×3")]
    assert len(gradients) == 2
    for row in gradients:
        assert "; then" in row.how


def test_clipping_by_the_norm_takes_a_second_pass():
    kernels = kernels_of_a_step(optim.ClipNorm(optim.Momentum(0.1), 1.0))
    assert {row.shape for row in kernels if row.what == "loop"} >= WEIGHTS
