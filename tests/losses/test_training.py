"""Errors as training meets them: one native call an epoch, weights gathered with their patterns."""

import numpy as np
import pytest

from wengert import losses, nn, optim, train

rng = np.random.default_rng(0)
X = rng.normal(size=(24, 3)).astype(np.float32)
TIMES = rng.integers(0, 4, 24)
CLASSES = rng.integers(0, 2, 24)
TARGETS = {
    "two classes": CLASSES[:, None],
    "two classes by margin": CLASSES[:, None],
    "labels": rng.integers(0, 2, (24, 2)),
    "classes": CLASSES,
    "classes by margin": CLASSES,
    "count": rng.poisson(1.0, (24, 2)),
    "rate": rng.poisson(1.0, (24, 2)),
}
PAIRS = [(kind, loss) for kind, row in losses.LIKELIHOODS.items() for loss in row.losses]
NAMES = [f"{kind}, {getattr(loss, '__name__', loss)}" for kind, loss in PAIRS]


@pytest.mark.parametrize(("kind", "loss"), PAIRS, ids=NAMES)
def test_training_with_weights_is_training_with_repeated_patterns(kind, loss):
    """One step on all patterns, then another: the same network, in single precision."""
    t = TARGETS.get(kind, rng.normal(size=(24, 2)).astype(np.float32))
    units = losses.LIKELIHOODS[kind].units(2)
    output = "softplus" if kind == "rate" else "identity"
    network = nn.MLP.init(np.random.default_rng(1), (3, 5, units), "tanh", output, dtype=np.float32)
    repeated = [np.repeat(array, TIMES, axis=0) for array in (X, t)]
    trainers = []
    for data in ((X, t, TIMES), repeated):
        trainers.append(train.Trainer(network, loss, optim.SGD(0.01), batch_size=len(data[0])))
        errors = [trainers[-1].epoch(data, np.arange(len(data[0]))) for _ in range(3)]
        assert errors[2] < errors[0]
    one, other = (nn.state(trainer.network) for trainer in trainers)
    for name in one:
        assert one[name].dtype == np.float32
        np.testing.assert_allclose(one[name], other[name], rtol=1e-4, atol=1e-6)
