"""Epochs that one call makes with a look after each are those made one by one."""

import numpy as np
import pytest

from wengert import losses, nn, optim
from wengert.errors import DivergenceError
from wengert.train import Trainer, _training, fit

RNG = np.random.default_rng(0)
X, LATER = RNG.normal(size=(90, 3)), RNG.normal(size=(41, 3))


def targets(x):
    return np.sin(2 * x[:, :2]) + 0.3 * np.cos(40 * x[:, 1:])


def trained(epochs=70, network=None, loss=losses.mean_squared_error, **options):
    made = nn.MLP.init(np.random.default_rng(1), (3, 8, 2), "tanh")
    options = {"validation": (LATER, targets(LATER)), "optimiser": optim.Adam(0.02)} | options
    return fit(network or made, loss, X, targets(X), epochs=epochs, batch_size=20, **options)


@pytest.fixture
def calls(monkeypatch):
    """How many epochs are made together, call by call."""
    found, run = [], Trainer.run_watched

    def run_watched(trainer, data, orders, count, watched, rows):
        found.append(count)
        return run(trainer, data, orders, count, watched, rows)

    monkeypatch.setattr(Trainer, "run_watched", run_watched)
    return found


def alone(monkeypatch, **options):
    with monkeypatch.context() as changed:
        changed.setattr(_training.Training, "_most_watched", lambda self: 1)
        return trained(**options)


def layers():
    rng = np.random.default_rng(1)
    hidden = nn.Dense.init(rng, 3, 8), nn.BatchNorm.init(8), np.tanh, nn.Dropout(0.2)
    return nn.Sequential([*hidden, nn.Dense.init(rng, 8, 2)])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"patience": 6, "epochs": 300},
        {"patience": 4, "tolerance": 1e-3, "epochs": 300},
        {"validation": 0.3, "seed": 5},
        {"validation": (LATER, targets(LATER), np.arange(41.0) % 4)},
        {"optimiser": optim.MovingAverage(optim.Adam(0.02), 0.8)},
        {"network": layers()},
        {"shuffle": False},
    ],
)
def test_they_are_those_made_alone(monkeypatch, calls, options):
    together, single = trained(**options), alone(monkeypatch, **options)
    assert max(calls) > 1
    assert together.best_epoch == single.best_epoch
    assert together.stopped_early == single.stopped_early
    assert together.curve.validation == single.curve.validation
    np.testing.assert_allclose(together.curve.training, single.curve.training, rtol=1e-13)
    assert together.network == single.network


def test_a_call_ends_where_patience_may(calls):
    result = trained(300, patience=6)
    assert result.stopped_early
    assert sum(calls) == result.epochs == result.best_epoch + 6
    assert all(count <= 6 for count in calls)


def test_whoever_wants_to_see_epochs_sees_each(calls, tmp_path):
    seen = []
    trained(4, callbacks=[lambda training: seen.append(training.epoch.validation)])
    trained(4, metrics={"error": lambda y, t: np.mean(np.abs(y - t))})
    trained(4, checkpoint=tmp_path / "c")
    trained(4, validation_every=2)
    assert not calls
    assert len(seen) == 4


def test_what_a_loop_cannot_follow_is_done_one_by_one(calls):
    def loss(y, t):
        e = np.mean((y - t) ** 2)
        return e if e > 0.1 else 2 * e

    result = trained(5, loss=loss)
    assert calls == [5]
    assert len(result.curve.validation) == result.epochs == 5


def test_a_validation_error_that_is_not_finite_is_told_with_its_epoch(monkeypatch):
    far = np.full((4, 3), 1e200)
    with pytest.raises(DivergenceError, match="the validation error became inf in epoch 1"):
        trained(5, validation=(far, targets(LATER[:4]) * 1e200))
