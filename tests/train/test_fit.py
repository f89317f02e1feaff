import re
from dataclasses import dataclass

import numpy as np
import pytest

import wengert as wg
import wengert.train._trainer
from tests.native.sharing import share_everything
from tests.train.helpers import HELD_OUT, Noisy, X, Y, arrays, network, run, same, squares
from wengert import losses, nn, optim
from wengert.errors import ControlFlowError, DivergenceError
from wengert.train import Epoch, LearningCurve, Trainer, fit
from wengert.train._trainer import _minibatches


def test_minibatches_are_the_rows_in_order():
    whole, rest = _minibatches(np.arange(10), 4)
    assert (whole.tolist(), rest.tolist()) == ([[0, 1, 2, 3], [4, 5, 6, 7]], [8, 9])


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
    monkeypatch.setattr("wengert.train.Trainer.most_watched", lambda *_: 1)


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
        ({"batch_size": 2.5}, "fit: batch_size must be a whole number, not 2.5"),
        ({"batch_size": None}, "fit: batch_size must be a whole number, not None"),
        ({"optimiser": optim.Adam}, "fit: the optimiser is <class .*>; give one of wengert.optim, such as"),
        ({"patience": 0, "validation": HELD_OUT}, "fit: patience must be at least 1, not 0"),
        ({"tolerance": "a"}, "fit: tolerance must be a number of at least 0, not 'a'"),
        ({"seed": -1}, "fit: the seed is a whole number of at least 0 or None, not -1"),
        (
            {"seed": np.random.default_rng(0)},
            "fit: the seed is a whole number of at least 0 or None, not Gen",
        ),
        ({"validation": (X,)}, r"fit: validation is a tuple of 1; give \(x, y\) or \(x, y, weights\)"),
        ({"metrics": [losses.hinge]}, "fit: metrics are functions of outputs and targets by name, such as"),
        ({"metrics": {"error": 3}}, "fit: metrics are functions of outputs and targets by name, such as"),
        (
            {"metrics": {"gap": np.subtract}},
            r"fit: the metric 'gap' gives an array of shape \(40, 1\); return",
        ),
        ({"metrics": {"gap": lambda y, t: "low"}}, "fit: the metric 'gap' gives a str; return one number"),
        ({"metrics": {"gap": lambda y, t: [1, [2]]}}, "fit: the metric 'gap' gives a list; return one"),
        ({"callbacks": print}, "fit: callbacks is a builtin_function_or_method; give a list of them"),
        ({"callbacks": [1]}, "fit: 1 is no callback; give a function of the training, or an object with any"),
        ({"callbacks": [Noisy]}, "fit: <class .*> is no callback; give a function of the training"),
        ({"penalty": 0.1}, r"fit: the penalty is 0.1; give one such as losses.L2\(0.01\)"),
        ({"shuffle": "yes"}, "fit: shuffle is True, False or a function of the epoch's number, not 'yes'"),
        ({"patience": 3}, r"fit: patience needs validation=\(x, y\) to watch"),
    ],
)
def test_settings_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        run(**options)


@pytest.mark.parametrize("wrong", [{"w": np.ones((2, 1))}, [np.ones((2, 1))], np.tanh, object()])
def test_what_is_no_network(wrong):
    message = f"fit: the network is a {type(wrong).__name__}, not a tree of arrays that can be called"
    with pytest.raises(ValueError, match=message):
        fit(wrong, losses.mean_squared_error, X, Y)


@pytest.mark.parametrize(
    "weights, message",
    [
        (
            np.ones((2, 1), int),
            "fit: the network has no array of floating-point numbers that could be trained",
        ),
        (np.array([[np.nan], [1.0]]), "fit: the network holds nan or inf in layers.0.weights; draw it anew"),
    ],
)
def test_a_network_that_cannot_be_trained(weights, message):
    with pytest.raises(ValueError, match=message):
        run(nn.MLP((nn.Dense(weights, np.zeros(1, weights.dtype), nn.identity),)))


def test_a_loss_by_its_name():
    with pytest.raises(ValueError, match="fit: the loss is 'mean_squared_error'; give a function, such as"):
        fit(network(), "mean_squared_error", X, Y)


def test_single_numbers_for_arrays():
    with pytest.raises(ValueError, match="fit: y has a single number for an array; give one row for each"):
        fit(network(), losses.mean_squared_error, X, 1.0)


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


@pytest.mark.parametrize("start", [np.array(0.0), 0.0])
def test_any_tree_that_can_be_called_is_a_network(start):
    result = fit(
        Slope(start), losses.mean_squared_error, X, 3 * X[:, :1], optimiser=optim.SGD(0.5), epochs=50
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
    share_everything(monkeypatch)
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
    monkeypatch.setattr("wengert.native.compilation.is_worth_sharing", lambda plan: False)
    if way == "threads":
        share_everything(monkeypatch)
    elif way == "pieces":
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


# ------------------------------------------------------------------------------------- epochs in one call


@pytest.mark.parametrize("batch_size", [8, 7, 50])
def test_several_epochs_in_one_call_are_the_same_as_one_by_one(batch_size):
    together = run(epochs=12, batch_size=batch_size)
    apart = run(epochs=12, batch_size=batch_size, on_epoch=lambda epoch: None)
    assert together.curve.training == apart.curve.training
    assert same(together.network, apart.network)


def test_several_epochs_of_a_network_that_draws():
    start = Noisy(np.ones((2, 1)), np.array(0.0))
    results = [
        fit(start, losses.mean_squared_error, X, Y, epochs=6, batch_size=7, on_epoch=on_epoch)
        for on_epoch in (None, lambda epoch: None)
    ]
    assert same(results[0].network, results[1].network)


def test_several_epochs_of_code_that_a_scan_cannot_follow():
    def either(y, t):
        error = losses.mean_squared_error(y, t)
        return error if error > 0.1 else 2.0 * error

    results = [
        fit(network(), either, X, Y, epochs=4, batch_size=25, on_epoch=on_epoch)
        for on_epoch in (None, lambda epoch: None)
    ]
    assert same(results[0].network, results[1].network)
    assert results[0].curve.training == results[1].curve.training


def test_an_epoch_that_diverges_inside_a_call_is_named():
    linear = nn.MLP.init(np.random.default_rng(0), (2, 1))
    messages = set()
    for on_epoch in (None, lambda epoch: None):
        with pytest.raises(DivergenceError) as caught:
            run(linear, optimiser=optim.SGD(1e16), epochs=12, batch_size=20, on_epoch=on_epoch)
        messages.add(str(caught.value))
    assert len(messages) == 1
    assert re.search(r"in epoch [2-9], step [12];", messages.pop())


def test_what_was_learned_before_a_divergence_is_not_lost():
    linear = nn.MLP.init(np.random.default_rng(0), (2, 1))
    with pytest.raises(DivergenceError) as caught:
        run(linear, optimiser=optim.SGD(1e16), epochs=12, batch_size=20, on_epoch=lambda epoch: None)
    result = caught.value.result
    assert 0 < result.epochs < 12
    assert all(np.isfinite(array).all() for array in arrays(result.network))


# -------------------------------------------------------------------------------------------- validation


def test_validation_by_a_fraction_leaves_these_rows_out():
    seen = []
    result = fit(network(), losses.mean_squared_error, X, Y, validation=0.25, epochs=3, batch_size=8,
                 callbacks=[seen.append])  # fmt: skip
    training = seen[0]
    kept, watched = training.patterns.rows, training.watched.rows
    assert sorted([*kept, *watched]) == list(range(60))
    assert len(watched) == 15
    error = losses.mean_squared_error(training.trainer.network(X[watched]), Y[watched])
    assert result.curve.validation[-1] == pytest.approx(error, rel=1e-12)


def test_a_fraction_is_of_every_class():
    classes = np.repeat([0, 1, 2], [40, 16, 4])
    net, seen = nn.MLP.init(np.random.default_rng(0), (2, 3)), []
    fit(net, losses.softmax_cross_entropy, X, classes, validation=0.25, epochs=1, callbacks=[seen.append])
    assert np.bincount(classes[seen[0].watched.rows]).tolist() == [10, 4, 1]


def test_validation_in_pieces_is_the_mean_of_all():
    x = np.random.default_rng(1).normal(size=(1000, 2))
    result = run(epochs=1, validation=(x, x[:, :1]))
    error = losses.mean_squared_error(result.network(x), x[:, :1])
    assert result.best_error == pytest.approx(error, rel=1e-12)


def test_validation_with_weights():
    weights = np.arange(20.0)
    result = fit(network(), squares, X[:40], Y[:40], epochs=2, validation=(*HELD_OUT, weights))
    expected = squares(result.network(HELD_OUT[0]), HELD_OUT[1], weights)
    assert result.best_error == pytest.approx(expected, rel=1e-12)


def test_a_look_every_few_epochs():
    """As in the lectures: after k rounds check the loss on V; if it starts to increase, stop."""
    result = run(epochs=60, optimiser=optim.SGD(1.5), validation=HELD_OUT, validation_every=3, patience=1)
    looked = [epoch.number for epoch in result.curve.epochs if epoch.validation is not None]
    assert looked == list(range(3, result.epochs + 1, 3))
    errors = result.curve.validation
    assert result.stopped_early
    assert errors[-1] >= errors[-2]
    assert result.best_epoch == result.epochs - 3
    assert same(result.network, run(epochs=result.best_epoch, optimiser=optim.SGD(1.5)).network)


# ------------------------------------------------------------------------------------------ what counts


def test_weights_of_patterns_are_as_many_patterns():
    weights = np.random.default_rng(2).integers(1, 4, 40).astype(float)
    rows = np.repeat(np.arange(40), weights.astype(int))
    options = {"optimiser": optim.SGD(0.1), "epochs": 5, "shuffle": False}
    weighted = fit(network(), squares, X[:40], Y[:40], sample_weight=weights, batch_size=40, **options)
    repeated = fit(network(), squares, X[rows], Y[rows], batch_size=len(rows), **options)
    for one, two in zip(arrays(weighted.network), arrays(repeated.network), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10)
    np.testing.assert_allclose(weighted.curve.training, repeated.curve.training, rtol=1e-10)


def test_the_training_error_is_weighted():
    weights, weak = np.random.default_rng(2).uniform(0.5, 2, 40), optim.SGD(1e-12)
    options = {"sample_weight": weights, "optimiser": weak, "epochs": 1, "batch_size": 7}
    result = fit(network(), squares, X[:40], Y[:40], **options)
    assert result.curve.training == [pytest.approx(squares(network()(X[:40]), Y[:40], weights), rel=1e-9)]


def test_patterns_of_weight_zero_are_as_if_they_were_not_there():
    weights = (np.arange(40) % 3 > 0).astype(float)
    rows = np.flatnonzero(weights)
    one = fit(network(), squares, X[:40], Y[:40], sample_weight=weights, epochs=3, batch_size=8)
    two = fit(network(), squares, X[rows], Y[rows], sample_weight=np.ones(len(rows)), epochs=3, batch_size=8)
    assert same(one.network, two.network)


def test_whole_numbers_may_be_those_of_numpy():
    plain = run(epochs=2, batch_size=7)
    for kind in (np.int8, np.int32, np.uint64):
        assert same(run(epochs=kind(2), batch_size=kind(7)).network, plain.network)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (-np.ones(40), "sample_weight must be one number for each pattern"),
        (np.zeros(40), "sample_weight must be one number for each pattern"),
        (np.ones((40, 1)), "sample_weight must be one number for each pattern"),
        (np.ones(39), "x has 40 rows and sample_weight has 39"),
    ],
)
def test_weights_that_make_no_sense(weights, message):
    with pytest.raises(ValueError, match=message):
        fit(network(), squares, X[:40], Y[:40], sample_weight=weights)


def test_an_error_that_takes_no_weights():
    def plain(y, t):
        return np.mean((y - t) ** 2)

    message = r"plain takes no weights of patterns; write it as plain\(y, t, weights\)"
    with pytest.raises(ValueError, match=message):
        fit(network(), plain, X, Y, sample_weight=np.ones(60))


def test_a_penalty_is_added_to_the_error():
    def penalty(net):
        return 0.05 * sum(np.sum(layer.weights**2) for layer in net.layers)

    weak = optim.SGD(1e-12)
    result = run(penalty=penalty, optimiser=weak, epochs=1, validation=HELD_OUT)
    start = network()
    error = losses.mean_squared_error(start(X[:40]), Y[:40])
    assert result.curve.training == [pytest.approx(error + penalty(start), rel=1e-9)]
    watched = losses.mean_squared_error(start(HELD_OUT[0]), HELD_OUT[1])
    assert result.best_error == pytest.approx(watched, rel=1e-9)
    small, large = run(penalty=penalty, epochs=60), run(epochs=60)
    assert penalty(small.network) < 0.5 * penalty(large.network)


def test_metrics_are_taken_on_the_validation_data():
    metrics = {"worst": lambda y, t: np.max(np.abs(y - t))}
    result = run(metrics=metrics, validation=HELD_OUT, epochs=3)
    assert list(result.curve.metrics) == ["worst"]
    last = run(epochs=3).network
    expected = np.max(np.abs(last(HELD_OUT[0]) - HELD_OUT[1]))
    assert result.curve.metrics["worst"][-1] == pytest.approx(expected, rel=1e-12)


def test_a_metric_may_choose_the_best_epoch():
    falling = iter([0.5, 0.9, 0.7, 0.8, 0.1])
    metrics = {"accuracy": lambda y, t: next(falling)}
    result = run(metrics=metrics, monitor="accuracy", mode="max", patience=2, validation=HELD_OUT)
    assert (result.best_epoch, result.epochs, result.stopped_early) == (2, 4, True)


def test_the_training_error_may_be_watched():
    result = run(epochs=400, monitor="training", patience=2, tolerance=1e-3)
    assert result.stopped_early
    assert result.best_epoch == result.epochs < 400
    assert same(result.network, run(epochs=result.epochs).network)


# ------------------------------------------------------------------------------------------ callbacks


class Recorder:
    def __init__(self):
        self.events = []

    def on_start(self, training):
        self.events.append(("start", len(training.curve.epochs)))

    def on_epoch(self, training):
        self.events.append(training.epoch.number)
        assert callable(training.network)
        if training.epoch.number == 3:
            training.stop()

    def on_end(self, training):
        self.events.append("end")


def test_callbacks_see_every_epoch_and_may_stop():
    recorder = Recorder()
    result = run(callbacks=[recorder, lambda training: None], epochs=9)
    assert recorder.events == [("start", 0), 1, 2, 3, "end"]
    assert (result.epochs, result.stopped_early) == (3, False)
    assert same(result.network, run(epochs=3).network)


class Halved:
    """An optimiser whose step is halved whenever the error has not fallen by a tenth."""

    def __init__(self):
        self.told = []

    def init(self, params):
        return {"rate": 0.5, "error": np.inf}

    def update(self, gradients, state, params):
        return {name: w - state["rate"] * gradients[name] for name, w in params.items()}, state

    def after_epoch(self, state, error):
        self.told.append(error)
        slower = 0.5 if error > 0.9 * state["error"] else 1.0
        return {"rate": state["rate"] * slower, "error": error}


def test_an_optimiser_may_act_between_epochs():
    rule, rates = Halved(), []

    def on_epoch(training):
        rates.append(float(training.trainer.carry[1]["rate"]))

    result = run(optimiser=rule, epochs=6, callbacks=[on_epoch])
    assert rule.told[-6:] == result.curve.training
    assert rates[-1] < rates[0]
    expected, last = 0.5, np.inf
    for error, rate in zip(result.curve.training, rates):
        expected, last = expected * (0.5 if error > 0.9 * last else 1.0), error
        assert rate == expected


def test_an_order_of_ones_own():
    result = run(shuffle=lambda number: np.roll(np.arange(40), number), optimiser=optim.SGD(0.1), epochs=2)
    trainer = Trainer(network(), losses.mean_squared_error, optim.SGD(0.1), 8)
    for number in (1, 2):
        trainer.epoch((X[:40], Y[:40]), np.roll(np.arange(40), number))
    assert same(result.network, trainer.network)


def test_threads_are_set_while_it_lasts():
    before, seen = wg.get_threads(), []
    run(threads=1, epochs=1, callbacks=[lambda training: seen.append(wg.get_threads())])
    assert (seen, wg.get_threads()) == ([1], before)


def test_an_adaptive_rate_falls_between_epochs():
    schedule = optim.Adaptive(0.5, tol=1e-3, patience=1, lowest=1e-3)
    rates = []
    result = run(
        optimiser=optim.SGD(schedule),
        epochs=200,
        callbacks=[lambda training: rates.append(float(training.trainer.carry[1].schedule.rate))],
    )
    expected = schedule
    for error, rate in zip(result.curve.training, rates, strict=True):
        expected = expected.after_epoch(error)
        assert rate == expected.rate
    assert expected.is_exhausted
    assert result.epochs < 200
    assert same(run(optimiser=optim.SGD(schedule), epochs=200).network, result.network)


@pytest.mark.parametrize("options", [{}, {"validation": HELD_OUT}], ids=["plain", "watched"])
@pytest.mark.parametrize("warm_up", [False, True])
def test_epochs_that_leave_an_adaptive_rate_as_it_is_are_one_call(monkeypatch, options, warm_up):
    schedule = optim.Adaptive(0.5, tol=1e-3, patience=4, lowest=1e-3)
    rule = optim.ClipNorm(optim.SGD(optim.WarmUp(schedule, 7) if warm_up else schedule), 1.0)
    calls, run_native = [], Trainer._run
    monkeypatch.setattr(Trainer, "_run", lambda *given: calls.append(given) or run_native(*given))
    together = run(optimiser=rule, epochs=200, **options)
    assert len(calls) < 0.6 * together.epochs < 120
    monkeypatch.setattr(optim.Adaptive, "steady_epochs", 1)
    alone = run(optimiser=rule, epochs=200, **options)
    assert together.curve.training == alone.curve.training
    assert (together.best_epoch, together.epochs) == (alone.best_epoch, alone.epochs)
    assert same(together.network, alone.network)


def test_averaged_weights_are_what_is_given_back():
    rule = optim.PolyakAverage(optim.SGD(0.1))
    seen = []
    result = run(optimiser=rule, epochs=4, validation=HELD_OUT, callbacks=[seen.append])
    trainer = seen[0].trainer
    assert not same(trainer.network, trainer.trained)
    best = fit(network(), losses.mean_squared_error, X[:40], Y[:40], optimiser=rule, epochs=4, batch_size=8)
    assert same(best.network, trainer.trained)
    error = losses.mean_squared_error(result.network(HELD_OUT[0]), HELD_OUT[1])
    assert result.best_error == pytest.approx(error, rel=1e-12)


def test_an_outcome_in_a_few_lines():
    result = run(epochs=30, optimiser=optim.SGD(1.5), validation=HELD_OUT, patience=2)
    first, header, *rows = repr(result).splitlines()
    assert first == f"Fit of {result.epochs} epochs, best epoch {result.best_epoch}, stopped early"
    assert header.split() == ["epoch", "training", "validation"]
    assert len(rows) <= 8


def test_learning_rates_share_their_code():
    trainers = [
        Trainer(network(), losses.mean_squared_error, optim.ClipNorm(optim.Adam(rate), 1.0), 8)
        for rate in (0.01, 0.1)
    ]
    assert trainers[0].programs is trainers[1].programs
    for trainer in trainers:
        trainer.epoch((X[:40], Y[:40]), np.arange(40))
    slow, fast = (arrays(trainer.network)[0] - arrays(network())[0] for trainer in trainers)
    assert np.linalg.norm(fast) > 3 * np.linalg.norm(slow)
