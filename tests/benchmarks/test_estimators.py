"""The benchmark of estimators: problems are as named, epochs end at the target, it runs from end to end."""

import json

import numpy as np
import pytest

pytest.importorskip("sklearn")

import _learners
import estimators


def test_problems():
    x, y = estimators.drawn(500, 16, 26)()
    assert x.shape == (500, 16) and y.min() >= 0 and y.max() < 26
    x_train, y_train, x_test, _ = estimators.PROBLEMS[1].divided()
    assert len(x_test) == 35 and len(x_train) == len(y_train) == 143
    np.testing.assert_allclose(x_train.mean(0), 0, atol=1e-12)


def test_equal_learners_have_equal_errors():
    *training, x, y = estimators.PROBLEMS[1].divided()
    errors = []
    for name in ("wengert", "scikit-learn"):
        learner = _learners.LEARNERS[name](*training, 10)
        for _ in range(3):
            learner.epoch()
        errors.append(estimators.error(learner, x, y))
    assert errors[0] == pytest.approx(errors[1])


def test_epochs_end_at_the_target():
    class Learner:
        epochs = 0

        def epoch(self):
            self.epochs += 1

        def probabilities(self, x):
            return np.full((len(x), 2), min(1.0, self.epochs / 4))

    test = np.zeros((3, 1)), np.array([0, 1, 1])
    assert estimators.epochs_to(1e-9, Learner(), test, 9) == 4
    assert estimators.epochs_to(-1.0, Learner(), test, 5) == 5


@pytest.mark.filterwarnings("ignore")
def test_runs_from_end_to_end(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(estimators, "available", lambda: ["wengert", "scikit-learn"])
    numbers = tmp_path / "numbers.json"
    estimators.main(["--quick", "--only", "wine", "--json", str(numbers)])
    assert "wine, 178 x 13" in capsys.readouterr().out
    found = json.loads(numbers.read_text())["results"][0]["found"]
    assert len(found["wengert"]["seconds"]) == 1
