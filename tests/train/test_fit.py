from dataclasses import dataclass, field, replace

import numpy as np
import pytest

import wengert as wg
import wengert.train._trainer
from wengert import losses, nn, optim
from wengert.core import tree
from wengert.errors import ControlFlowError, DivergenceError
from wengert.train import Epoch, LearningCurve, Trainer, fit
from wengert.train._trainer import _minibatches

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (60, 2))
Y = X[:, :1] * X[:, 1:]
HELD_OUT = (X[40:], Y[40:])


def network(seed=0):
    return nn.MLP.init(np.random.default_rng(seed), (2, 8, 1), "tanh")


def run(net=None, **options):
    options = {"optimiser": optim.Adam(0.01), "epochs": 5, "batch_size": 8} | options
    return fit(net or network(), losses.mean_squared_error, X[:40], Y[:40], **options)


def arrays(net):
    return tree.flatten(net)[0]


def same(one, two):
    return all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(two), strict=True))


def test_minibatches_are_the_rows_in_order():
    whole, rest = _minibatches(np.arange(10), 4)
    assert (whole.tolist(), rest.tolist()) == ([[0, 1, 2, 3], [4, 5, 6, 7]], [8, 9])


@dataclass(frozen=True)
class Noisy:
    """A linear unit whose inputs are noisy in training, and which counts its steps."""

    weights: np.ndarray
    steps: np.ndarray = field(metadata={"trained": False})

    def __call__(self, x):
        return x @ self.weights

    def forward(self, x, key):
        return self(x + wg.random.normal(key, x.shape)), replace(self, steps=self.steps + 1)


def test_a_network_may_draw_and_change_in_training():
    start = Noisy(np.ones((2, 1)), np.array(0.0))
    result = fit(start, losses.mean_squared_error, X[:10], Y[:10], epochs=2, batch_size=4)
    assert result.network.steps == 6
    weights, rule, key, order = start.weights, optim.SGD(0.1), wg.random.key(5), np.arange(10)
    trainer = Trainer(start, losses.mean_squared_error, rule, 4, key)
    trainer.epoch((X[:10], Y[:10]), order)
    for i in range(3):
        x, t = X[4 * i : min(10, 4 * i + 4)], Y[4 * i : min(10, 4 * i + 4)]
        x = x + wg.random.normal(wg.random.fold_in(key, i), x.shape)
        weights = weights - 0.1 * 2 / len(x) * x.T @ (x @ weights - t)
    np.testing.assert_allclose(trainer.network.weights, weights, rtol=1e-12)


def test_the_error_falls():
    result = run(epochs=100)
    assert result.curve.training[-1] < 0.05 * result.curve.training[0]


def test_a_full_batch_is_gradient_descent():
    """One step on a linear unit, by hand: dE/dw = 2/N sum (y - t) x."""
    unit = nn.MLP((nn.Dense(np.array([[0.5], [-0.25]]), np.array([0.1]), nn.identity),))
    result = run(unit, optimiser=optim.SGD(0.1), epochs=1, batch_size=40)
    delta = X[:40] @ [[0.5], [-0.25]] + 0.1 - Y[:40]
    weights, biases = arrays(result.network)
    np.testing.assert_allclose(weights, [[0.5], [-0.25]] - 0.1 * 2 / 40 * X[:40].T @ delta)
    np.testing.assert_allclose(biases, 0.1 - 0.1 * 2 * delta.mean(axis=0))
    assert result.curve.training == [pytest.approx(np.mean(delta**2))]


def test_the_same_seed_gives_the_same_weights():
    assert same(run(seed=3).network, run(seed=3).network)
    assert not same(run(seed=3).network, run(seed=4).network)


def test_the_network_given_is_not_changed():
    net = network()
    run(net)
    assert same(net, network())


def test_the_best_weights_are_given_back():
    result = run(optimiser=optim.SGD(1.5), epochs=12, validation=HELD_OUT)
    errors = result.curve.validation
    assert result.best_epoch == 1 + int(np.argmin(errors)) < 12
    error = losses.mean_squared_error(result.network(HELD_OUT[0]), HELD_OUT[1])
    assert min(errors) == result.best_error == pytest.approx(error, rel=1e-12)


def script(errors, monkeypatch):
    """Let the validation errors of the epochs be these."""
    remaining = iter(errors)
    monkeypatch.setattr("wengert.train.Trainer.error", lambda self, *data: next(remaining))


@pytest.mark.parametrize(
    ("errors", "patience", "epochs", "best", "stopped"),
    [
        ([5, 4, 4.5, 4.6, 1], 2, 4, 2, True),
        ([5, 4, 4.5, 3, 4, 2], 2, 6, 6, False),
        ([5, 4, 4, 4, 1], 2, 4, 2, True),
        ([5, 6], 1, 2, 1, True),
        ([3, 2, 1], 1, 3, 3, False),
        ([1, 5, 5, 5, 5], None, 5, 1, False),
    ],
)
def test_early_stopping(monkeypatch, errors, patience, epochs, best, stopped):
    script(errors, monkeypatch)
    result = run(epochs=len(errors), validation=HELD_OUT, patience=patience)
    assert (result.epochs, result.best_epoch, result.stopped_early) == (epochs, best, stopped)


def test_without_validation_the_last_weights_count():
    result = run(epochs=3)
    assert (result.best_epoch, result.best_error, result.curve.validation) == (3, None, [])


def test_every_epoch_is_reported():
    epochs = []
    result = run(epochs=3, validation=HELD_OUT, on_epoch=epochs.append)
    assert epochs == result.curve.epochs
    assert [epoch.number for epoch in epochs] == [1, 2, 3]


def interrupt_after(number):
    def on_epoch(epoch):
        if epoch.number == number:
            raise KeyboardInterrupt

    return on_epoch


def test_an_interruption_keeps_the_best_weights():
    result = run(epochs=50, on_epoch=interrupt_after(3))
    assert (result.interrupted, result.epochs, result.best_epoch) == (True, 3, 3)
    assert same(result.network, run(epochs=3).network)


def test_an_interruption_before_the_first_epoch(monkeypatch):
    def step(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("wengert.train.Trainer.run_epochs", step)
    result = run()
    assert (result.interrupted, result.epochs, result.best_epoch) == (True, 0, 0)
    assert same(result.network, network())


def test_divergence_is_named():
    message = r"the training error became (inf|nan) in epoch \d, step \d; lower the learning rate"
    linear = nn.MLP.init(np.random.default_rng(0), (2, 1))
    with pytest.raises(DivergenceError, match=message):
        run(linear, optimiser=optim.SGD(1e60), epochs=9)


def test_divergence_on_the_validation_data_is_named():
    with pytest.raises(DivergenceError, match="the validation error became inf in epoch 1"):
        run(validation=(X, Y + 1e300))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "fit: epochs must be at least 1, not 0"),
        ({"batch_size": 0}, "fit: batch_size must be at least 1, not 0"),
        ({"patience": 0, "validation": HELD_OUT}, "fit: patience must be at least 1, not 0"),
        ({"patience": 3}, r"fit: patience needs validation=\(x, y\) to watch"),
    ],
)
def test_settings_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        run(**options)


def test_rows_that_do_not_belong_together():
    with pytest.raises(ValueError, match="x has 60 rows and y has 40; give one target for each pattern"):
        fit(network(), losses.mean_squared_error, X, Y[:40])
    with pytest.raises(ValueError, match="x has no rows"):
        fit(network(), losses.mean_squared_error, X[:0], Y[:0])


@dataclass(frozen=True)
class Slope:
    """The smallest network: one weight."""

    w: np.ndarray

    def __call__(self, x):
        return x[:, :1] * self.w


def test_any_tree_that_can_be_called_is_a_network():
    result = fit(
        Slope(np.array(0.0)), losses.mean_squared_error, X, 3 * X[:, :1], optimiser=optim.SGD(0.5), epochs=50
    )
    assert result.network.w == pytest.approx(3)


def test_the_curve_is_drawn_the_same_each_time(tmp_path):
    curve = LearningCurve([Epoch(1, 2.0, 3.0), Epoch(2, 1.0, 2.5), Epoch(3, 0.5, 2.75)])
    for name in ("a.png", "b.png"):
        curve.save(tmp_path / name, title="Errors", best=2)
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    assert content.startswith(b"\x89PNG")


def test_losses_that_decide_by_values_are_trained_step_by_step():
    def either(y, t):
        error = losses.mean_squared_error(y, t)
        return error if error > 0.1 else 2.0 * error

    result = fit(network(), either, X, Y, epochs=20)
    assert result.curve.training[-1] < result.curve.training[0]


def test_a_long_epoch_is_the_same_in_pieces(monkeypatch):
    whole = run(epochs=3)
    monkeypatch.setattr("wengert.train._trainer.OPERATIONS_AT_A_TIME", 1)
    assert same(run(epochs=3).network, whole.network)


def test_numbers_of_threads_cannot_be_seen(monkeypatch):
    monkeypatch.setattr("wengert.native.program.is_worth_sharing", lambda plan: True)
    before = wg.get_threads()
    try:
        found = []
        for count in (1, 2, 3):
            wg.set_threads(count)
            found.append(wide_run())
    finally:
        wg.set_threads(before)
    for other in found[1:]:
        assert same(found[0], other)


def sure_run():
    """A classifier so sure of its classes that probabilities are subnormal: its weights and errors."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(150, 20)).astype("f4")
    network = nn.MLP.init(rng, (20, 30, 7), dtype="f4")
    y = np.argmax(network(x), axis=1)
    result = fit(network, losses.softmax_cross_entropy, 30 * x, y, batch_size=32, epochs=2)
    return result.network, result.curve.training


def step_by_step(*_):
    raise ControlFlowError("as if a scan could not follow")


@pytest.mark.parametrize("way", ["threads", "pieces", "steps"])
def test_small_numbers_count_alike_in_every_way(monkeypatch, way):
    expected, errors = sure_run()
    monkeypatch.setattr("wengert.native.program.is_worth_sharing", lambda plan: way == "threads")
    if way == "pieces":
        monkeypatch.setattr("wengert.train._trainer.OPERATIONS_AT_A_TIME", 1)
    elif way == "steps":
        monkeypatch.setattr("wengert.train._trainer._epochs_of", lambda *_: step_by_step)
    wengert.train._trainer._known_programs.cache_clear()
    found, again = sure_run()
    assert same(found, expected) and errors == again


@dataclass(frozen=True)
class Faint(Slope):
    """A weight whose gradient is subnormal."""

    def __call__(self, x):
        return np.float64(1e-310) * super().__call__(x)


@pytest.mark.parametrize("way", ["epoch", "steps"])
def test_subnormal_numbers_count_as_zero(monkeypatch, way):
    if way == "steps":
        monkeypatch.setattr("wengert.train._trainer._epochs_of", lambda *_: step_by_step)
    unit, mean = Faint(np.array(0.0)), lambda y, t: np.mean(y)
    assert fit(unit, mean, X[:, :1] + 2, Y, optimiser=optim.SGD(1.0), epochs=1).network.w == 0
    assert wg.grad(lambda unit: mean(unit(X[:, :1] + 2), Y))(unit).w > 0


def wide_run():
    """Weights after two epochs of a network that is wide enough to be shared."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(150, 64)).astype("f4"), rng.integers(0, 10, 150)
    network = nn.MLP.init(rng, (64, 128, 64, 10), dtype="f4")
    result = fit(network, losses.softmax_cross_entropy, x, y, batch_size=64, epochs=2)
    return result.network
