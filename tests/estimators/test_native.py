"""A training of this package's own layers and errors is native code alone: no library multiplies for it."""

import warnings

import numpy as np
import pytest

import wengert as wg
from wengert import _blas

X = np.random.default_rng(0).normal(size=(50, 6))
T = np.random.default_rng(1).integers(0, 3, 50)
WAYS = [
    *({"activation": name} for name in ("gelu", "gudermannian", "mish", "softmax", "elu", "gaussian")),
    {"dropout": 0.2},
    {"batch_norm": True},
    {"skip": "concatenate"},
    {"loss": "focal"},
    {"loss": "hinge", "solver": "sgd"},
]


def fitted(**options):
    with warnings.catch_warnings(action="ignore"):
        return wg.MLPClassifier((6, 6), max_iter=1, batch_size=20, random_state=0, **options).fit(X, T)


def runs_of(estimator):
    """What an epoch of an estimator consists of."""
    (trainer,) = estimator._optimizer.trainers.values()
    known = trainer._epochs._calls.known.values()
    assert trainer.is_constant and not any(paths.interpreted for paths in known)
    return [path.run for paths in known for path in paths.paths]


@pytest.mark.parametrize("options", WAYS, ids=repr)
def test_all_of_an_epoch_is_native(options):
    runs = runs_of(fitted(**options))
    assert runs and not any(run.interpreted() for run in runs)


@pytest.mark.parametrize(
    "options, limited",
    [({}, False), ({"callbacks": [lambda e: None]}, True), ({"activation": lambda a: np.tanh(a)}, True),
     ({"early_stopping": True, "validation_fraction": 0.3}, True)],
    ids=["own", "callback", "function", "validation"],
)  # fmt: skip
def test_libraries_have_one_thread_where_they_are_used(monkeypatch, options, limited):
    found, libraries = [], _blas._libraries
    monkeypatch.setattr(_blas, "_libraries", lambda *args: found.append(args) or libraries(*args))
    fitted(**options)
    assert bool(found) == limited
