"""Scores with their intervals, and whether probabilities are kept."""

import numpy as np
import pytest

from tests.nn.helpers import every_layer
from wengert._jobs.evaluation import SCORES, intervals, reliability
from wengert._jobs.pictures import of_network


def test_the_interval_of_a_share_is_that_of_the_normal_distribution():
    rng = np.random.default_rng(0)
    t = rng.integers(0, 2, 2000)
    right = rng.random(2000) < 0.8
    y = np.eye(2)[np.where(right, t, 1 - t)]
    low, high = intervals("classification", y, t, 1000)["accuracy"]
    p = right.mean()
    half = 1.96 * np.sqrt(p * (1 - p) / 2000)
    assert (low, high) == pytest.approx((p - half, p + half), abs=0.003)


def test_the_interval_of_an_error():
    rng = np.random.default_rng(0)
    t, y = rng.normal(size=(2, 5000))
    low, high = intervals("regression", y, t, 400)["mae"]
    errors = np.abs(t - y)
    half = 1.96 * errors.std() / np.sqrt(5000)
    assert (low, high) == pytest.approx((errors.mean() - half, errors.mean() + half), abs=0.005)


@pytest.mark.parametrize("task", SCORES)
def test_weights_are_repetitions(task):
    """A row drawn twice counts as two rows."""
    rng = np.random.default_rng(0)
    y = rng.dirichlet(np.ones(3), 20) if task != "regression" else rng.normal(size=20)
    t = {
        "classification": rng.integers(0, 3, 20),
        "multi-label": rng.integers(0, 2, (20, 3)).astype(float),
        "regression": rng.normal(size=20),
    }[task]
    counts = rng.integers(0, 4, 20)
    for score in SCORES[task].values():
        repeated = score(np.repeat(y, counts, axis=0), np.repeat(t, counts, axis=0), None)
        assert score(y, t, counts.astype(float)) == pytest.approx(repeated)


def test_the_same_seed_gives_the_same_interval():
    y, t = np.random.default_rng(0).normal(size=(2, 50))
    assert intervals("regression", y, t, 50, 1) == intervals("regression", y, t, 50, 1)
    assert intervals("regression", y, t, 50, 1) != intervals("regression", y, t, 50, 2)


def test_an_undefined_score_has_no_interval():
    assert intervals("regression", np.ones(3), np.ones(3), 20)["r2"] is None


def test_probabilities_that_are_kept():
    rng = np.random.default_rng(0)
    p = rng.random(100_000)
    kept = reliability(p, rng.random(100_000) < p)
    assert kept["calibration_error"] < 0.01
    assert [b["share"] for b in kept["bins"]] == pytest.approx(np.arange(0.05, 1, 0.1), abs=0.02)
    assert sum(b["rows"] for b in kept["bins"]) == 100_000


def test_probabilities_that_are_not():
    found = reliability(np.array([0.95, 0.95, 1.0, 1.0]), np.array([True, False, True, False]))
    assert found["calibration_error"] == pytest.approx(0.475)
    assert found["bins"] == [{"rows": 4, "probability": pytest.approx(0.975), "share": 0.5}]


def test_a_picture_of_layers_names_them():
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    of_network(every_layer())(axes)
    texts = [text.get_text() for text in axes.texts]
    assert any("BatchNorm" in text for text in texts) and any("Dense" in text for text in texts)
