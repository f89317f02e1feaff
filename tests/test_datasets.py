import gzip

import numpy as np
import pytest
import sklearn.datasets

from wengert import datasets
from wengert.data import numbers, read_table, read_target

REFERENCES = {
    "digits": sklearn.datasets.load_digits,
    "iris": sklearn.datasets.load_iris,
    "wine": sklearn.datasets.load_wine,
    "diabetes": lambda: sklearn.datasets.load_diabetes(scaled=False),
}


@pytest.mark.parametrize("name", datasets.NAMES)
def test_values_are_those_of_scikit_learn(name):
    table, reference = read_table(name), REFERENCES[name]()
    np.testing.assert_allclose(numbers(table, table.names[:-1]), reference.data, rtol=1e-12)
    np.testing.assert_array_equal(read_target(table, "target").values, reference.target)


@pytest.mark.parametrize("name", datasets.NAMES)
def test_files_hold_no_time_of_their_making(name):
    assert datasets.path(name).read_bytes()[4:8] == bytes(4)
    assert gzip.decompress(datasets.path(name).read_bytes()).isascii()


def test_an_unknown_name():
    with pytest.raises(
        ValueError, match="no embedded data set 'mnist'; there are digits, iris, wine, diabetes"
    ):
        datasets.path("mnist")
