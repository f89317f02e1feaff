import numpy as np
import pytest

from wengert import data
from wengert.errors import DataError


def test_standardisation():
    x = np.random.default_rng(0).normal(5, 3, (100, 2))
    scale = data.Standardiser.fit(x)
    np.testing.assert_allclose(scale(x).mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scale(x).std(axis=0), 1)
    np.testing.assert_allclose(scale.inverse(scale(x)), x)


def test_constant_columns_become_zero():
    x = np.full((10, 1), 0.1)
    assert np.all(data.Standardiser.fit(x)(x) == 0)


def test_numbers_too_large_to_average():
    with pytest.raises(DataError, match="too large to average; rescale"):
        data.Standardiser.fit(np.array([[1e308], [-1e308], [1e308]]))
