"""Training by methods that take all patterns at once."""

import numpy as np
import pytest
import scipy.optimize

from wengert import losses, nn, optim
from wengert.train import fit

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (60, 2))
Y = np.sin(2 * X[:, :1]) * X[:, 1:]
CLASSES = (X[:, 0] > X[:, 1]).astype(int)


def network(outputs=1, **options):
    return nn.MLP.init(np.random.default_rng(1), (2, 6, outputs), "tanh", **options)


def run(net=None, loss=losses.mean_squared_error, x=X, y=Y, **options):
    return fit(net or network(), loss, x, y, **{"optimiser": optim.LBFGS(), "epochs": 40} | options)


def test_lbfgs_is_that_of_scipy():
    """Iteration by iteration, beside SciPy on an error and a gradient written out by hand."""
    start = network()
    shapes = [w.shape for w in nn.parameters(start).values()]
    cuts = np.cumsum([np.prod(shape) for shape in shapes])[:-1]

    def value_and_gradient(v):
        w1, b1, w2, b2 = (part.reshape(shape) for part, shape in zip(np.split(v, cuts), shapes, strict=True))
        z = np.tanh(X @ w1 + b1)
        delta = 2 * (z @ w2 + b2 - Y) / len(X)
        back = delta @ w2.T * (1 - z * z)
        gradient = [X.T @ back, back.sum(axis=0), z.T @ delta, delta.sum(axis=0)]
        return np.mean((z @ w2 + b2 - Y) ** 2), np.concatenate([g.ravel() for g in gradient])

    v, errors = np.concatenate([w.ravel() for w in nn.parameters(start).values()]), []
    scipy.optimize.minimize(
        value_and_gradient, v, jac=True, method="L-BFGS-B", options={"maxiter": 15},
        callback=lambda intermediate_result: errors.append(intermediate_result.fun),
    )  # fmt: skip
    np.testing.assert_allclose(run(start, epochs=15).curve.training, errors, rtol=1e-6)


@pytest.mark.parametrize("rule", [optim.LBFGS(), optim.ConjugateGradients(), optim.LevenbergMarquardt()])
def test_few_iterations_go_far(rule):
    result = run(optimiser=rule, epochs=60)
    assert result.curve.training[-1] < 0.02 * result.curve.training[0]
    error = losses.mean_squared_error(result.network(X), Y)
    assert result.curve.training[-1] == pytest.approx(error, rel=1e-9)


def test_levenberg_marquardt_solves_a_linear_unit_at_once():
    unit = nn.MLP.init(np.random.default_rng(0), (2, 1))
    result = run(unit, optimiser=optim.LevenbergMarquardt(method="gauss-newton"), epochs=3)
    design = np.column_stack([X, np.ones(len(X))])
    expected = np.linalg.lstsq(design, Y, rcond=None)[0]
    found = np.concatenate([w.reshape(-1, 1) for w in nn.parameters(result.network).values()])
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("rule", [optim.LBFGS(gtol=1e-10, ftol=0), optim.LevenbergMarquardt()])
def test_weights_count_as_often_as_patterns(rule):
    counts = np.arange(60) % 3
    unit = nn.MLP.init(np.random.default_rng(0), (2, 1))
    weighted = run(unit, optimiser=rule, sample_weight=counts.astype(float))
    repeated = run(unit, x=np.repeat(X, counts, 0), y=np.repeat(Y, counts, 0), optimiser=rule)
    np.testing.assert_allclose(weighted.network(X), repeated.network(X), rtol=1e-5, atol=1e-6)


def test_a_penalty_holds_the_weights_down():
    free = run(network(2), losses.softmax_cross_entropy, y=CLASSES)
    held = run(network(2), losses.softmax_cross_entropy, y=CLASSES, penalty=losses.L2(0.1))
    norms = [np.linalg.norm(result.network.layers[0].weights) for result in (free, held)]
    assert norms[1] < 0.5 * norms[0]


def test_the_best_network_is_given_back_and_training_stops():
    result = run(validation=(X[:5], -Y[:5]), patience=3)
    assert result.stopped_early and result.epochs == result.best_epoch + 3
    error = losses.mean_squared_error(result.network(X[:5]), -Y[:5])
    assert result.best_error == min(result.curve.validation) == pytest.approx(error)


def test_callbacks_see_and_stop():
    seen = []

    def callback(training):
        seen.append(training.epoch.number)
        if len(seen) == 4:
            training.stop()

    assert (run(callbacks=[callback]).epochs, seen) == (4, [1, 2, 3, 4])


def test_an_interruption_keeps_the_last_iteration():
    def on_epoch(epoch):
        if epoch.number == 3:
            raise KeyboardInterrupt

    result = run(on_epoch=on_epoch)
    assert (result.interrupted, result.epochs) == (True, 3)


def test_running_statistics_are_gathered():
    result = run(network(normalisation="batch"), epochs=5)
    (norm,) = (layer for layer in result.network.layers if isinstance(layer, nn.BatchNorm))
    assert np.all(norm.mean != 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"net": network(dropout=0.5)}, "LBFGS needs an error that is one function of the weights"),
        (
            {"optimiser": optim.LevenbergMarquardt(), "loss": losses.Huber(1.0)},
            "LevenbergMarquardt needs a sum of squares; give losses.mean_squared_error",
        ),
        (
            {"optimiser": optim.LevenbergMarquardt(), "penalty": losses.L2(1.0)},
            "LevenbergMarquardt takes no penalty; take optim.LBFGS",
        ),
        (
            {"optimiser": optim.LevenbergMarquardt(), "net": network(1, normalisation="batch")},
            "LevenbergMarquardt looks at pattern by pattern, and the network normalises over batches; take",
        ),
        ({"checkpoint": "c.wengert"}, "LBFGS keeps nothing to go on from"),
        ({"x": [(X, Y)], "y": None}, "LBFGS takes all patterns at once; give arrays x and y"),
        ({"optimiser": "lbfgs"}, "the optimiser is 'lbfgs'; give one of wengert.optim"),
    ],
)
def test_what_cannot_be_had_is_refused(change, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"fit: {message}"):
        run(**change)
    assert not list(tmp_path.iterdir())
