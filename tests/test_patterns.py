import numpy as np
import pytest

from wengert import _patterns

E = np.arange(6.0).reshape(3, 2)


def test_the_mean_is_over_patterns_and_outputs():
    assert _patterns.mean(E, None) == 2.5
    assert _patterns.mean(E, np.array([0, 1, 3])) == (2.5 + 3 * 4.5) / 4


def test_the_total_is_not_divided():
    assert _patterns.total(E, None) == 15
    assert _patterns.total(E, [0, 1, 3]) == 5 + 3 * 9


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("weights", [None, [1, 2, 3], np.array([0.5, 1.0, 0.0])])
def test_the_outputs_decide_the_precision(dtype, weights):
    errors = E.astype(dtype)
    assert _patterns.mean(errors, weights).dtype == dtype
    assert _patterns.total(errors, weights).dtype == dtype
    assert _patterns.same_shape(E.astype(int), errors).dtype == dtype


def test_whole_outputs_leave_the_targets_as_they_are():
    assert _patterns.same_shape(np.array([0.5]), np.array([1])).dtype == np.float64
    assert _patterns.same_shape([0.5], 1 * [1.0]) == [0.5]


def test_weights_of_one_pattern_stand_along_the_first_axis():
    assert _patterns.along(np.ones(3), np.zeros((3, 2, 4))).shape == (3, 1, 1)
