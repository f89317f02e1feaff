"""scikit-learn's checks of estimators and its own tests of networks, with our classes in their place."""

import importlib.util
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import sklearn.neural_network
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.utils.estimator_checks import check_estimator

import wengert as wg

pytestmark = pytest.mark.filterwarnings("ignore")

PRIVATE = {"test_gradient": "calls _loss_grad_lbfgs, whose arguments are scikit-learn's own work arrays"}
FILE = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"


def _tests_of_networks():
    """The test functions of the installed package; there are none where it came without."""
    if not FILE.exists():
        return {}
    spec = importlib.util.spec_from_file_location("sklearn_tests_of_networks", FILE)
    module = importlib.util.module_from_spec(spec)
    with (
        mock.patch.object(sklearn.neural_network, "MLPClassifier", wg.MLPClassifier),
        mock.patch.object(sklearn.neural_network, "MLPRegressor", wg.MLPRegressor),
        warnings.catch_warnings(action="ignore"),
    ):
        spec.loader.exec_module(module)
    return {name: f for name, f in vars(module).items() if name.startswith("test_") and name not in PRIVATE}


@pytest.fixture
def global_random_seed():
    return 42


globals().update(_tests_of_networks())


@pytest.mark.parametrize(
    "estimator",
    [
        wg.MLPClassifier(),
        wg.MLPRegressor(),
        wg.MLPClassifier(8, missing="indicator"),
        wg.MLPRegressor(hidden_layer_sizes=20, optimizer=wg.optim.LBFGS()),
    ],
    ids=lambda e: f"{type(e).__name__}-{e.missing}-{e.optimizer is None}",
)
def test_estimator_checks(estimator):
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert not failed
    assert len(results) > 50


def test_an_estimator_is_one_of_scikit_learns():
    for estimator in (wg.MLPClassifier(), wg.MLPRegressor()):
        assert isinstance(estimator, BaseEstimator)
        assert type(estimator).get_params is not BaseEstimator.get_params
    assert is_classifier(wg.MLPClassifier())
    assert is_regressor(wg.MLPRegressor())


def test_html():
    text = wg.MLPClassifier(alpha=0.5)._repr_html_()
    assert "MLPClassifier" in text and "0.5" in text


def test_metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = wg.MLPClassifier().set_fit_request(sample_weight=True)
        assert estimator.get_metadata_routing().fit.requests["sample_weight"]
        assert np.all(sklearn.base.clone(estimator).get_metadata_routing().fit.requests["sample_weight"])


def test_callbacks():
    FitCallback = pytest.importorskip("sklearn.callback").FitCallback

    class Recorder:
        def __init__(self):
            self.seen = []

        def setup(self, estimator, context):
            self.seen.append(("setup", context.max_subtasks))

        def teardown(self, estimator, context):
            self.seen.append(("teardown", None))

        def on_fit_task_begin(self, estimator, context):
            self.seen.append(("begin", context.task_name))

        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            self.seen.append(("end", fitted_estimator.score(X, X[:, 0] > 0)))
            return context.task_id == 2 and context.task_name == "epoch"

    recorder = Recorder()
    assert isinstance(recorder, FitCallback)
    X = np.random.default_rng(0).normal(size=(40, 2))
    estimator = wg.MLPClassifier(8, max_iter=50, random_state=0).set_callbacks(recorder)
    estimator.fit(X, X[:, 0] > 0)
    assert estimator.n_iter_ == 3 and estimator.stopped_early_
    what = [name for name, _ in recorder.seen]
    assert what == ["setup", "begin", *["begin", "end"] * 3, "end", "teardown"]
    assert recorder.seen[0][1] == 50 and recorder.seen[-2][1] == estimator.score(X, X[:, 0] > 0)
    assert sklearn.base.clone(estimator)._skl_callbacks == [recorder]
    assert not hasattr(estimator.set_callbacks(), "_skl_callbacks")


def test_progress_bars_of_a_search(capsys):
    ProgressBar = pytest.importorskip("sklearn.callback").ProgressBar
    from sklearn.model_selection import GridSearchCV

    X = np.random.default_rng(0).normal(size=(40, 2))
    search = GridSearchCV(wg.MLPClassifier(8, max_iter=3), {"alpha": [0.1, 1.0]}, cv=2)
    search.set_callbacks(ProgressBar()).fit(X, X[:, 0] > 0)
    assert "MLPClassifier" in capsys.readouterr().out
