import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from wengert import losses

rng = np.random.default_rng(0)
NUMBERS = rng.integers(0, 3, 30)
NAMES = np.array(["red", "green", "blue"])[NUMBERS]
LABELS = rng.integers(0, 2, (30, 2))


@pytest.mark.parametrize(
    ("t", "weights"),
    [
        (NUMBERS, "balanced"),
        (NUMBERS, {0: 2.0, 1: 1.0, 2: 0.5}),
        (NUMBERS, {2: 5.0}),
        (NUMBERS, {0: 2.0, 1: 1.0, 2: 0.5, 7: 3.0}),
        (NUMBERS == 0, {True: 3.0}),
        (NAMES, "balanced"),
        (NAMES, {"red": 4.0}),
        (NAMES.astype(object), {"red": 4.0, "blue": 0.0}),
        (LABELS, "balanced"),
        (LABELS, [{0: 1.0, 1: 3.0}, {0: 0.5, 1: 1.0}]),
    ],
)
def test_weights_are_those_of_scikit_learn(t, weights):
    expected = compute_sample_weight(weights, t)
    np.testing.assert_allclose(losses.class_weights(t, weights), expected, rtol=1e-15)


def test_balanced_classes_count_alike():
    weights = losses.class_weights(NAMES, "balanced")
    np.testing.assert_allclose([weights[k == NAMES].sum() for k in np.unique(NAMES)], 10)


@pytest.mark.parametrize(
    ("t", "weights", "message"),
    [
        (NAMES, {"rde": 4.0}, r"name \['rde'\], which the targets do not have, and not \['blue', 'green'"),
        (NUMBERS, "auto", "class weights are 'balanced' or given by class, not 'auto'"),
        (NUMBERS, {0: -1.0}, "give numbers of at least 0"),
        (LABELS, [{0: 1.0}], "1 class weights do not match 2 labels"),
    ],
)
def test_mistaken_weights_are_refused(t, weights, message):
    with pytest.raises(ValueError, match=message):
        losses.class_weights(t, weights)
