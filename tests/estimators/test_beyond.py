"""What scikit-learn's networks do not have."""

import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning

import wengert as wg
from wengert import losses, nn, optim

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = np.array(["a", "b", "c"])[np.digitize(X[:, 0] * X[:, 1], (-0.3, 0.3))]
T = np.sin(2 * X[:, 0]) + 0.1 * RNG.normal(size=120)
SETTINGS = dict(hidden_layer_sizes=(16, 16), max_iter=40, learning_rate_init=0.02, random_state=0)


def _classifier(**settings):
    return wg.MLPClassifier(**SETTINGS | settings)


def _regressor(**settings):
    return wg.MLPRegressor(**SETTINGS | settings)


def _swish(a):
    return a / (1 + np.exp(-a))


@pytest.mark.parametrize("activation", ["gelu", _swish, ("tanh", "relu"), [_swish, "softplus"], np.sin])
def test_activations(activation):
    assert _classifier(activation=activation).fit(X, Y).score(X, Y) > 0.7


def test_activations_that_are_refused():
    with pytest.raises(ValueError, match="activation: 3 given for 2 hidden layers"):
        _classifier(activation=["relu"] * 3).fit(X, Y)
    with pytest.raises(ValueError, match="relo"):
        _classifier(activation=["relu", "relo"]).fit(X, Y)


@pytest.mark.parametrize(
    "settings",
    [
        dict(dropout=0.2),
        dict(dropout=(0.1, 0.0)),
        dict(batch_norm=True),
        dict(skip="add"),
        dict(skip="concatenate"),
        dict(dropout=0.1, batch_norm=True, skip="concatenate", activation="tanh"),
    ],
    ids=str,
)
def test_layers(settings):
    estimator = _classifier(**settings).fit(X, Y)
    assert estimator.score(X, Y) > 0.7
    assert np.array_equal(estimator.predict(X[:1]), estimator.predict(X)[:1])
    again = _classifier(**settings).fit(X, Y)
    assert np.array_equal(again.predict_proba(X), estimator.predict_proba(X))
    assert len(estimator.coefs_) == len(estimator.intercepts_) == 3


def test_no_hidden_layer_is_logistic_regression():
    found = wg.MLPClassifier((), solver="lbfgs", alpha=1.0, max_iter=500, random_state=0).fit(X, Y)
    assert [w.shape for w in found.coefs_] == [(3, 3)] and found.n_layers_ == 2
    from sklearn.linear_model import LogisticRegression

    theirs = LogisticRegression(C=1.0).fit(X, Y)
    np.testing.assert_allclose(found.predict_proba(X), theirs.predict_proba(X), atol=2e-3)


@pytest.mark.parametrize("settings", [dict(dropout=0.1), dict(batch_norm=True)])
def test_what_needs_minibatches(settings):
    with pytest.raises(ValueError, match="solver='lbfgs' looks at all patterns at once"):
        _classifier(solver="lbfgs", **settings).fit(X, Y)


def test_parts_of_the_network():
    estimator = _classifier(dropout=0.2, batch_norm=True, skip="add").fit(X, Y)
    kinds = [type(layer).__name__ for layer in estimator.network_.layers]
    assert kinds == ["Dense", "BatchNorm", "Function", "Dropout", "Residual", "Dense"]
    assert _classifier(skip="concatenate").fit(X, Y).coefs_[-1].shape == (3 + 16 + 16, 3)


@pytest.mark.parametrize(
    "optimizer",
    [
        optim.AdamW(0.02),
        optim.RMSProp(0.01),
        optim.Rprop(),
        optim.ClipNorm(optim.SGD(0.1, momentum=0.9), 1.0),
        optim.Adam(optim.Cosine(0.05, steps=40)),
        optim.PolyakAverage(optim.Adam(0.02)),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_optimisers(optimizer):
    assert _classifier(optimizer=optimizer, solver="lbfgs").fit(X, Y).score(X, Y) > 0.7


def test_a_schedule_is_followed():
    estimator = _classifier(learning_rate=optim.StepDecay(0.02, every=10, factor=0.5), max_iter=20).fit(X, Y)
    assert estimator._optimizer.learning_rate == pytest.approx(0.02 / 4)


def test_an_exhausted_rate_ends_the_training():
    rule = optim.Adam(optim.Adaptive(0.1, divisor=1e6, tol=10.0, patience=1))
    assert _classifier(optimizer=rule).fit(X, Y).n_iter_ < 10


@pytest.mark.parametrize("loss", ["focal", "hinge", lambda a, t: losses.softmax_cross_entropy(a, t)])
def test_losses_of_classes(loss):
    estimator = _classifier(loss=loss).fit(X, Y)
    assert estimator.score(X, Y) > 0.7
    assert hasattr(estimator, "predict_proba") == (loss != "hinge")


@pytest.mark.parametrize("classes, shape", [(Y, (len(Y), 3)), (Y == "a", (len(Y),))])
def test_margins_are_what_the_hinge_error_is_about(classes, shape):
    estimator = _classifier(loss="hinge").fit(X, classes)
    margins = estimator.decision_function(X)
    best = np.argmax(margins, axis=1) if len(shape) == 2 else (margins > 0).astype(int)
    assert margins.shape == shape
    np.testing.assert_array_equal(estimator.classes_[best], estimator.predict(X))
    assert not hasattr(_classifier(), "decision_function")


@pytest.mark.parametrize("loss", ["focal", "hinge"])
def test_losses_of_two_classes(loss):
    assert _classifier(loss=loss).fit(X, Y == "a").score(X, Y == "a") > 0.8


def _cubes(y, t):
    return np.mean(np.abs(y - t) ** 3)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "mean_squared_error", losses.Huber(0.1), _cubes])
def test_losses_of_numbers(loss):
    assert _regressor(loss=loss).fit(X, T).score(X, T) > 0.6


def test_an_error_that_takes_no_weights_is_refused_where_there_are_some():
    message = re.escape(
        "loss: _cubes takes no weights of patterns, and sample_weight or class_weight gives some"
    )
    for solver in ("adam", "lbfgs"):
        with pytest.raises(ValueError, match=message):
            _regressor(loss=_cubes, solver=solver).fit(X, T, sample_weight=np.ones(120))
    with pytest.raises(ValueError, match=message):
        _classifier(loss=_cubes, class_weight="balanced").fit(X, Y == "a")


def test_quantiles():
    y = _regressor(loss=losses.Quantile(0.9), max_iter=150).fit(X, T).predict(X)
    assert 0.8 < np.mean(y >= T) < 0.99


def test_weights_of_classes():
    rare = X[:, 0] + RNG.normal(size=120) > 1.5
    plain, balanced = (_classifier(max_iter=15, class_weight=w).fit(X, rare) for w in (None, "balanced"))
    assert balanced.predict(X).sum() > plain.predict(X).sum()
    named = _classifier(class_weight={"a": 3.0}, max_iter=3).fit(X, Y)
    weighted = _classifier(max_iter=3).fit(X, Y, np.where(Y == "a", 3.0, 1.0))
    assert np.array_equal(named.coefs_[0], weighted.coefs_[0])
    with pytest.raises(
        ValueError, match=r"class_weight names \['d'\], but the classes are \['a', 'b', 'c'\]"
    ):
        _classifier(class_weight={"d": 2.0}).fit(X, Y)
    with pytest.raises(ValueError, match="leaves no pattern a weight above zero"):
        _classifier(class_weight={"a": 0, "b": 0, "c": 0}).fit(X, Y)


def test_a_validation_set_that_is_given():
    estimator = _classifier(early_stopping=True, n_iter_no_change=5, max_iter=200)
    estimator.fit(X[:80], Y[:80], X_val=X[80:], y_val=Y[80:])
    assert estimator.stopped_early_ and estimator.n_iter_ < 200
    assert estimator.score(X[80:], Y[80:]) == max(estimator.validation_scores_)
    watched = _classifier(max_iter=7).fit(X[:80], Y[:80], X_val=X[80:], y_val=Y[80:])
    assert len(watched.validation_scores_) == watched.n_iter_ == 7
    assert watched.best_loss_ == min(watched.loss_curve_)


def test_early_stopping_in_parts():
    estimator = _classifier(early_stopping=True, n_iter_no_change=3, tol=0.01)
    for _ in range(200):
        estimator.partial_fit(X[:80], Y[:80], classes=list("abc"), X_val=X[80:], y_val=Y[80:])
    assert estimator.stopped_early_
    assert len(estimator.validation_scores_) < 100
    assert estimator.score(X[80:], Y[80:]) == estimator.best_validation_score_


def test_training_in_parts_goes_on_without_early_stopping():
    estimator = _classifier(tol=10.0, n_iter_no_change=1)
    for _ in range(6):
        estimator.partial_fit(X, Y, classes=list("abc"))
    assert len(estimator.loss_curve_) == 6


def test_progress_is_counted_through(capsys):
    estimator = _classifier(verbose=True, max_iter=2, warm_start=True).fit(X, Y).fit(X, Y)
    estimator.partial_fit(X, Y)
    numbers = [int(line.split()[1].strip(",")) for line in capsys.readouterr().out.splitlines()]
    assert numbers == [1, 2, 3, 4, 5]


def test_callbacks():
    seen = []
    estimator = _classifier(callbacks=[lambda e: seen.append(e.loss_), lambda e: e.n_iter_ == 4]).fit(X, Y)
    assert seen == estimator.loss_curve_ and estimator.n_iter_ == 4


def test_threads():
    before = wg.get_threads()
    seen = []
    one = _classifier(n_threads=1, callbacks=[lambda e: seen.append(wg.get_threads())], max_iter=3).fit(X, Y)
    assert set(seen) == {1} and wg.get_threads() == before
    assert np.array_equal(one.coefs_[0], _classifier(n_threads=2, max_iter=3).fit(X, Y).coefs_[0])


# ---------------------------------------------------------------------------------------- inspection


def test_conformal_intervals_cover():
    x = np.random.default_rng(1).uniform(-2, 2, (1500, 1))
    t = x[:, 0] ** 2 + np.random.default_rng(2).exponential(0.5, 1500)
    estimator = _regressor(early_stopping=True, validation_fraction=0.3).fit(x[:1000], t[:1000])
    lower, upper = estimator.predict_interval(x[1000:], 0.8)
    assert 0.74 < np.mean((lower <= t[1000:]) & (t[1000:] <= upper)) < 0.86
    assert np.allclose((lower + upper) / 2, estimator.predict(x[1000:]))


def test_intervals_from_predicted_variances():
    x = np.random.default_rng(1).uniform(0, 1, (1500, 1))
    t = np.random.default_rng(2).normal(0, 0.1 + x[:, 0])
    estimator = _regressor(loss="gaussian_nll").fit(x[:1000], t[:1000])
    lower, upper = estimator.predict_interval(x[1000:], 0.8)
    assert 0.74 < np.mean((lower <= t[1000:]) & (t[1000:] <= upper)) < 0.86
    wide = estimator.predict_interval(np.array([[0.95], [0.05]]))
    assert np.diff(wide, axis=0)[0, 0] > 3 * np.diff(wide, axis=0)[0, 1]
    assert estimator.predict(x).shape == (1500,)


def test_intervals_of_several_outputs():
    t = np.stack([T, 10 * T], axis=1)
    estimator = _regressor().fit(X[:80], t[:80], X_val=X[80:], y_val=t[80:])
    lower, upper = estimator.predict_interval(X[:5])
    assert lower.shape == (5, 2)
    assert np.ptp(upper - lower, axis=0) == pytest.approx(0)


def test_intervals_of_a_network_trained_on_all_patterns_at_once():
    estimator = _regressor(solver="lbfgs", max_iter=5000).fit(X[:80], T[:80], X_val=X[80:], y_val=T[80:])
    distances = np.sort(np.abs(T[80:] - estimator.predict(X[80:])))
    lower, upper = estimator.predict_interval(X[:5], 0.5)
    np.testing.assert_allclose(upper - lower, 2 * distances[20])  # the 21st of 40


def test_intervals_are_not_those_of_an_earlier_training():
    estimator = _regressor(max_iter=2).fit(X[:80], T[:80], X_val=X[80:], y_val=T[80:])
    with pytest.raises(ValueError, match="patterns that were kept aside"):
        estimator.partial_fit(X, T).predict_interval(X)


def test_intervals_that_are_refused():
    with pytest.raises(ValueError, match="fit with early_stopping=True, or give X_val and"):
        _regressor(max_iter=2).fit(X, T).predict_interval(X)
    few = _regressor(max_iter=2).fit(X, T, X_val=X[:5], y_val=T[:5])
    with pytest.raises(
        ValueError, match=r"5 patterns aside are too few for coverage=0\.9; at least 9 are needed"
    ):
        few.predict_interval(X)
    with pytest.raises(ValueError, match="coverage is a probability"):
        few.predict_interval(X, 1.0)


@pytest.mark.parametrize("settings", [{}, dict(batch_norm=True, skip="concatenate", dropout=0.1)], ids=str)
def test_sensitivity_is_the_jacobian(settings):
    estimator = _classifier(activation="tanh", **settings).fit(X, Y)
    found = estimator.sensitivity(X[:4])
    assert found.shape == (4, 3, 3)
    h = 1e-6
    for i in range(3):
        step = h * np.eye(3)[i]
        difference = (estimator.predict_proba(X[:4] + step) - estimator.predict_proba(X[:4] - step)) / (2 * h)
        np.testing.assert_allclose(found[:, :, i], difference, rtol=1e-5, atol=1e-8)


def test_explanation():
    estimator = _classifier(activation="tanh", max_iter=3).fit(X, Y)
    found = estimator.explain(X[0], Y[0])
    first, _, last = found.layers
    probabilities = estimator.predict_proba(X[:1])[0]
    np.testing.assert_allclose(found.output, probabilities)
    np.testing.assert_allclose(found.error, -np.log(probabilities["abc".index(Y[0])]))
    np.testing.assert_allclose(last.deltas, probabilities - (estimator.classes_ == Y[0]))
    np.testing.assert_allclose(last.gradient, np.outer(last.inputs, last.deltas))
    np.testing.assert_allclose(first.pre_activations, X[0] @ estimator.coefs_[0] + estimator.intercepts_[0])
    np.testing.assert_allclose(first.derivatives, 1 - np.square(first.outputs))
    assert last.derivatives is None
    assert str(found).splitlines()[0] == "forward pass"


def _of_the_lectures():
    """Two inputs, two hidden units, one output, with the weights of the worked example."""
    network = wg.MLPClassifier(2, activation="logistic", solver="lbfgs", random_state=0)
    network.fit([[0.5, 0.1], [0.1, 0.5]], [1, 0])
    network.coefs_ = [np.array([[0.2, 0.3], [0.4, 0.7]]), np.array([[0.6], [0.9]])]
    network.intercepts_ = [np.array([0.1, 0.2]), np.array([0.3])]
    return network


def test_the_worked_example_of_the_lectures():
    found = _of_the_lectures().explain([0.5, 0.1], 1, learning_rate=0.01)
    hidden, output = found.layers
    # Their first pre-activation is 0.24, rounded up to 0.25 on the way: hence the tolerance.
    for mine, theirs in [
        (hidden.pre_activations, (0.25, 0.41)),
        (hidden.outputs, (0.562, 0.601)),
        (output.pre_activations, 1.185),
        (found.output, 0.766),
        (found.error, 0.267),
        (output.deltas, -0.234),
        (output.gradient[:, 0], (-0.131, -0.141)),
        (hidden.derivatives, (0.247, 0.240)),
        (hidden.deltas, (-0.0346, -0.0505)),
        (hidden.gradient, ((-0.0173, -0.0253), (-0.00346, -0.00505))),
    ]:
        np.testing.assert_allclose(mine, np.broadcast_to(theirs, np.shape(mine)), rtol=0.01, atol=0.0101)
    lines = str(found).splitlines()
    parts = [line.split("  ")[0] for line in lines if not line.startswith(" ")]
    assert parts == [
        *("forward pass", "1 Dense", "2 Dense", "output", "error"),
        *("backward pass", "2 Dense", "1 Dense", "update", "1 Dense", "2 Dense"),
    ]
    assert "[[0.601317] [0.90142 ]]" in lines[-2] and "[0.302352]" in lines[-1]


def test_without_a_target_there_is_only_the_forward_pass():
    found = _of_the_lectures().explain([[0.5, 0.1]])
    assert found.error is None and all(layer.deltas is None for layer in found.layers)
    assert [word for word in ("δ", "∂E", "error", "backward", "update") if word in str(found)] == []
    with pytest.raises(ValueError, match=r"one pattern, not 2; give one row, such as X\[:1\]"):
        _of_the_lectures().explain(X[:2, :2])
    with pytest.raises(ValueError, match="a step needs the target"):
        _of_the_lectures().explain([0.5, 0.1], learning_rate=0.1)


def test_layers_inside_others_are_explained_too():
    estimator = _classifier(dropout=0.1, batch_norm=True, skip="concatenate", max_iter=2).fit(X, Y)
    found = estimator.explain(X[0], Y[0])
    names = [layer.name.split()[1] for layer in found.layers]
    assert names == [*("Dense", "BatchNorm", "Function", "Dropout", "Skip") * 2, "Dense"]
    matrices = [layer.weights for layer in found.layers if layer.weights is not None]
    assert all(map(np.array_equal, matrices, estimator.coefs_)) and len(matrices) == 3
    first, errors = found.layers[0], []
    for step in (1e-6, -1e-6):
        estimator.intercepts_[0] = first.biases + step * np.eye(len(first.biases))[3]
        errors.append(estimator.explain(X[0], Y[0]).error)
    np.testing.assert_allclose(first.deltas[3], (errors[0] - errors[1]) / 2e-6, rtol=1e-5, atol=1e-9)


def test_a_softmax_of_hidden_units_has_no_slope_of_its_own():
    found = _classifier(activation="softmax", max_iter=2).fit(X, Y).explain(X[0], Y[0])
    assert found.layers[0].derivatives is None and np.any(found.layers[0].deltas)


def test_learning_curve():
    from matplotlib.figure import Figure

    estimator = _classifier(early_stopping=True, max_iter=5).fit(X, Y)
    axes = estimator.plot_learning_curve(Figure().subplots())
    assert np.array_equal(axes.lines[0].get_ydata(), estimator.loss_curve_)
    assert np.array_equal(axes.figure.axes[1].lines[0].get_ydata(), estimator.validation_scores_)
    best = 1 + np.argmax(estimator.validation_scores_)
    labels = [text.get_text() for text in axes.figure.axes[1].get_legend().get_texts()]
    assert labels == ["training", f"best epoch: {best}", "validation score"]
    with pytest.raises(ValueError, match="all patterns at once keeps no learning curve"):
        _classifier(solver="lbfgs", max_iter=300).fit(X, Y).plot_learning_curve()


# -------------------------------------------------------------------------------------------- tables


CITY = np.array(["Rome", "Oslo", "Lima"])[RNG.integers(0, 3, 120)]
AGE = np.where(RNG.random(120) < 0.2, np.nan, RNG.normal(0, 1, 120))
COLUMNS = {"city": CITY, "size": X[:, 0], "age": AGE}
TARGET = (CITY == "Oslo") ^ (X[:, 0] > 0)
TABLES = {"pandas": pd.DataFrame, "polars": lambda c: pl.DataFrame(c, nan_to_null=True), "arrow": pa.table}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_with_categories_and_missing_values(kind):
    table = TABLES[kind](COLUMNS)
    estimator = _classifier(max_iter=100).fit(table, TARGET)
    assert estimator.score(table, TARGET) > 0.9
    assert estimator.n_features_in_ == 3 and estimator.coefs_[0].shape[0] == 3 + 1 + 2
    assert estimator.feature_names_in_.tolist() == ["city", "size", "age"]
    alike = _classifier(max_iter=100).fit(TABLES["pandas"](COLUMNS), TARGET)
    np.testing.assert_allclose(alike.predict_proba(TABLES["pandas"](COLUMNS)), estimator.predict_proba(table))


def test_missing_values_are_refused_in_arrays_and_where_asked_for():
    with pytest.raises(ValueError, match="Input X contains NaN"):
        _classifier(missing="error").fit(pd.DataFrame(COLUMNS), TARGET)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        _classifier(missing="error").fit(pd.DataFrame({"age": AGE}), TARGET)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        _classifier().fit(AGE[:, None], TARGET)
    assert _classifier(max_iter=2).fit(pd.DataFrame({"age": AGE}), TARGET).coefs_[0].shape[0] == 2


@pytest.mark.parametrize("columns", [{"size": X[:, 0], "age": X[:, 1]}, {"city": CITY, "size": X[:, 0]}])
@pytest.mark.parametrize("kind", TABLES)
def test_where_training_had_all_numbers_the_mean_stands_for_missing_ones(kind, columns):
    estimator = _classifier(max_iter=5).fit(TABLES[kind](columns), TARGET)
    gaps = columns | {"size": np.where(np.arange(120) < 3, np.nan, X[:, 0])}
    filled = columns | {"size": np.where(np.arange(120) < 3, X[:, 0].mean(), X[:, 0])}
    with pytest.warns(UserWarning, match="^column .size.: 3 values are missing in X"):
        found = estimator.predict_proba(TABLES[kind](gaps))
    np.testing.assert_allclose(found, estimator.predict_proba(TABLES[kind](filled)))


def test_where_missing_numbers_are_refused_they_are_in_prediction_too():
    estimator = _classifier(missing="error", max_iter=2).fit(pd.DataFrame({"size": X[:, 0]}), TARGET)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        estimator.predict(pd.DataFrame({"size": [np.nan]}))
    estimator = _classifier(missing="error", max_iter=2).fit(pd.DataFrame({"c": CITY, "n": X[:, 0]}), TARGET)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        estimator.predict(pd.DataFrame({"c": ["Oslo"], "n": [np.nan]}))


def test_columns_without_names():
    table = pd.DataFrame({0: CITY, 1: X[:, 0]})
    estimator = _classifier(max_iter=100).fit(table, TARGET)
    assert estimator.score(table, TARGET) > 0.9 and not hasattr(estimator, "feature_names_in_")
    assert _classifier(max_iter=2).fit(pd.DataFrame(X), Y).n_features_in_ == 3


def test_missing_values_in_an_array():
    x = np.where(RNG.random(X.shape) < 0.1, np.nan, X)
    estimator = _regressor(missing="indicator").fit(x, T)
    assert np.isfinite(estimator.predict(x)).all()
    assert np.isfinite(estimator.predict(np.full((1, 3), np.nan))).all()


def test_categories_that_training_has_not_seen():
    table = pd.DataFrame({"city": CITY, "size": X[:, 0]})
    estimator = _classifier().fit(table, TARGET)
    new = pd.DataFrame({"city": ["Bern", None], "size": [0.0, 0.0]})
    one, other = estimator.predict_proba(new)
    assert np.array_equal(one, other)


def test_pandas_categories_and_ordinal_encoding():
    table = pd.DataFrame({"city": pd.Categorical(CITY), "flag": X[:, 1] > 0, "size": X[:, 0]})
    estimator = _classifier(categorical="ordinal", max_iter=100).fit(table, TARGET)
    assert estimator.coefs_[0].shape[0] == 3
    assert estimator.score(table, TARGET) > 0.9


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_true_and_false_are_numbers_as_in_scikit_learn(kind):
    table = {"flag": X[:, 0] > 0, "size": X[:, 1]}
    given = pd.DataFrame(table) if kind == "pandas" else pl.DataFrame(table)
    options = {"hidden_layer_sizes": 4, "max_iter": 5, "random_state": 0}
    ours, theirs = (c(**options).fit(given, T) for c in (wg.MLPRegressor, neural_network.MLPRegressor))
    np.testing.assert_allclose(ours.predict(given), theirs.predict(given), rtol=1e-12)
    lacking = pl.DataFrame({"flag": [None, *table["flag"][1:].tolist()], "size": table["size"]})
    estimator = wg.MLPRegressor(**options).fit(lacking, T)
    assert estimator.coefs_[0].shape[0] == 3 and np.isfinite(estimator.predict(lacking)).all()


def test_categories_keep_the_order_of_their_type():
    sizes, words = ["low", "middle", "high"], np.array(["low", "high", "middle"])[RNG.integers(0, 3, 120)]
    ordered = pd.Categorical(words, categories=sizes, ordered=True)
    tables = pd.DataFrame({"size": ordered}), pl.DataFrame({"size": pl.Series(words, dtype=pl.Enum(sizes))})
    places = np.array([sizes.index(word) / 2 for word in words])[:, None]
    alike = _regressor(max_iter=3).fit(places, T).predict(places)
    for table in tables:
        estimator = _regressor(categorical="ordinal", max_iter=3).fit(table, T)
        np.testing.assert_allclose(estimator.predict(table), alike, rtol=1e-12)


def test_moments_beside_whole_numbers():
    table = pl.DataFrame({"day": pd.date_range("2020-01-01", periods=120), "count": np.arange(120)})
    assert _regressor(max_iter=3).fit(table, T).coefs_[0].shape[0] == 2


def test_columns_of_another_kind_than_in_training_are_refused():
    table = pd.DataFrame({"city": CITY, "size": X[:, 0]})
    for encoding in ("one_hot", "ordinal"):
        estimator = _classifier(categorical=encoding, max_iter=2).fit(table, TARGET)
        with pytest.raises(ValueError, match="column 'city': X holds numbers where training had words"):
            estimator.predict(table.assign(city=X[:, 1]))
        with pytest.raises(ValueError, match="column 'city': X holds moments where training had words"):
            estimator.predict(table.assign(city=pd.Timestamp("2020-01-01")))
        with pytest.raises(ValueError, match="column 'size': X holds words where training had numbers"):
            estimator.predict(table.assign(size=CITY))
        nothing = table.assign(city=None)
        assert len(estimator.predict(nothing)) == 120


def test_masked_numbers_are_missing():
    masked = np.ma.masked_array(X, mask=X > 1.5)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        _regressor().fit(masked, T)
    alike = _regressor(missing="indicator", max_iter=3).fit(np.where(X > 1.5, np.nan, X), T)
    estimator = _regressor(missing="indicator", max_iter=3).fit(masked, T)
    assert np.array_equal(estimator.predict(masked), alike.predict(np.where(X > 1.5, np.nan, X)))


def test_a_table_that_has_not_been_computed_is_refused():
    with pytest.raises(ValueError, match=re.escape("give X.collect()")):
        _regressor().fit(pl.DataFrame({"size": X[:, 0]}).lazy(), T)


# ------------------------------------------------------------------------------------ going on


def test_training_goes_on_with_another_activation_and_dropout():
    estimator = _classifier(warm_start=True, max_iter=5).fit(X, Y)
    coefs = [w.copy() for w in estimator.coefs_]
    estimator.set_params(activation="tanh", dropout=0.5).partial_fit(X, Y)
    assert estimator.network_.layers[0].activation is nn.tanh
    assert any(isinstance(layer, nn.Dropout) for layer in estimator.network_.layers)
    new = _classifier(activation="tanh", dropout=0.5, max_iter=5)
    assert not np.array_equal(estimator.fit(X, Y).coefs_[0], new.fit(X, Y).coefs_[0])
    assert not np.array_equal(estimator.coefs_[0], coefs[0])


def test_what_the_optimiser_remembers_stays_with_its_weights():
    """With dropout there are more than ten layers, whose names are in another order than before."""
    estimator = _regressor(hidden_layer_sizes=(2, 3, 4, 5, 6, 7), max_iter=1).partial_fit(X, T)
    estimator.set_params(dropout=0.1).partial_fit(X, T)
    memory = estimator._optimizer.state.memory["mean"]
    weights = nn.parameters(estimator.network_)
    assert {name: m.shape for name, m in memory.items()} == {
        f"network.{name}": w.shape for name, w in weights.items()
    }


@pytest.mark.parametrize("change", [{"hidden_layer_sizes": 3}, {"batch_norm": True}, {"skip": "concatenate"}])
def test_but_not_with_other_arrays(change):
    estimator = _classifier(warm_start=True, max_iter=2).fit(X, Y)
    for train in (estimator.fit, estimator.partial_fit):
        with pytest.raises(
            ValueError, match="the network that training goes on with has matrices of weights"
        ):
            estimator.set_params(**change) and train(X, Y)


def test_nor_with_more_outputs():
    estimator = _regressor(max_iter=2).partial_fit(X, T)
    with pytest.raises(ValueError, match=r"parameters and targets ask for 3×.* and .*×2"):
        estimator.partial_fit(X, np.stack([T, T], axis=1))


@pytest.mark.parametrize(
    "x, y, message",
    [
        (X, None, "X_val and y_val belong together"),
        (None, Y, "X_val and y_val belong together"),
        (X[:, :2], Y, "X_val, y_val: X has 2 features"),
        (X, Y == "a", "X_val, y_val: `y` has classes not in"),
        (X, Y[:5], "X_val, y_val: Found input variables with inconsistent numbers"),
        (X * np.nan, Y, "X_val, y_val: Input X contains NaN"),
    ],
)
def test_patterns_to_validate_on_that_are_refused(x, y, message):
    for estimator in (_classifier(max_iter=2), _classifier(early_stopping=True), _classifier(solver="lbfgs")):
        with pytest.raises(ValueError, match=re.escape(message)):
            estimator.fit(X, Y, X_val=x, y_val=y)


def test_times_are_numbers_and_what_is_no_column_is_refused():
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 5, 120), "D")
    table = pd.DataFrame({"day": days, "size": X[:, 0]})
    estimator = _regressor(max_iter=2).fit(table, T)
    assert estimator.coefs_[0].shape[0] == 2
    day = (days - days.mean()) / days.to_series().std(ddof=0)
    alike = _regressor(max_iter=2).fit(table.assign(day=day), T)
    np.testing.assert_allclose(estimator.predict(table), alike.predict(table.assign(day=day)), rtol=1e-6)
    with pytest.raises(ValueError, match="X holds numbers where training had moments"):
        estimator.predict(table.assign(day=day))
    with pytest.raises(ValueError, match="X holds moments where training had numbers"):
        _regressor(max_iter=2).fit(table.assign(size=CITY, day=day), T).predict(table.assign(size=CITY))
    with pytest.warns(UserWarning, match="valid feature names"):
        np.testing.assert_array_equal(estimator.predict(table.to_numpy()), estimator.predict(table))
    table.loc[3, "day"] = pd.NaT
    estimator = _regressor(max_iter=2).fit(table, T)
    assert estimator.coefs_[0].shape[0] == 3 and np.isfinite(estimator.predict(table)).all()
    same = pd.DataFrame({"day": days[:1].repeat(120), "size": X[:, 0]})
    assert np.isfinite(_regressor(max_iter=2).fit(same, T).predict(same)).all()
    with pytest.raises(ValueError, match="column 'parts' holds"):
        _regressor().fit(pl.DataFrame({"parts": [[1, 2]] * 120, "size": X[:, 0]}), T)


def test_warnings_are_none():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _classifier(max_iter=300, tol=0.01).fit(X, Y).predict(X)


# ------------------------------------------------------------------------------ all patterns at once

AT_ONCE = [optim.LBFGS(), optim.ConjugateGradients(), optim.LevenbergMarquardt()]


@pytest.mark.filterwarnings("ignore:.*failed to converge")
@pytest.mark.parametrize("optimizer", AT_ONCE, ids=lambda o: type(o).__name__)
def test_optimisers_of_all_patterns_at_once(optimizer):
    settings = {"activation": "tanh", "hidden_layer_sizes": 4, "alpha": 0.0, "max_iter": 20}
    estimator = _regressor(optimizer=optimizer, **settings).fit(X, T)
    started = _regressor(optimizer=optimizer, **settings | {"max_iter": 1}).fit(X, T)
    assert estimator.loss_ == pytest.approx(np.mean((estimator.predict(X) - T) ** 2) / 2)
    assert estimator.loss_ < started.loss_ and 1 < estimator.n_iter_ <= 20
    repeats = np.arange(120) % 3
    weighted = _regressor(optimizer=optimizer, **settings).fit(X, T, sample_weight=repeats)
    repeated = _regressor(optimizer=optimizer, **settings).fit(
        np.repeat(X, repeats, 0), np.repeat(T, repeats)
    )
    assert weighted.loss_ == pytest.approx(repeated.loss_, rel=1e-3)
    with pytest.raises(AttributeError, match=f"{type(optimizer).__name__} is not stochastic"):
        estimator.partial_fit(X, T)
    with pytest.raises(ValueError, match=f"{type(optimizer).__name__} looks at all patterns at once"):
        _regressor(optimizer=optimizer, dropout=0.5).fit(X, T)


def test_a_classifier_by_conjugate_gradients_finds_the_minimum_of_another_method():
    settings = {"hidden_layer_sizes": (), "max_iter": 500, "alpha": 0.1}
    one = _classifier(optimizer=optim.ConjugateGradients(1e-7), **settings).fit(X, Y)
    other = _classifier(solver="lbfgs", tol=1e-7, **settings).fit(X, Y)
    assert one.loss_ == pytest.approx(other.loss_, rel=1e-6)
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=1e-4)


def test_least_squares_need_squares_and_nothing_else():
    rule = optim.LevenbergMarquardt()
    with pytest.raises(ValueError, match="LevenbergMarquardt takes no penalty on the weights; set alpha=0"):
        _regressor(optimizer=rule).fit(X, T)
    for estimator, t in ((_regressor(optimizer=rule, loss="huber"), T), (_classifier(optimizer=rule), Y)):
        with pytest.raises(ValueError, match="LevenbergMarquardt needs a sum of squares"):
            estimator.fit(X, t)


def test_iterations_are_printed(capsys):
    with pytest.warns(ConvergenceWarning, match="LBFGS failed to converge after 3 iteration"):
        _regressor(optimizer=optim.LBFGS(), verbose=True, max_iter=3).fit(X, T)
    assert capsys.readouterr().out.count("loss = ") == 3
