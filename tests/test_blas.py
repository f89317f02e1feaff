"""One thread for linear algebra while anybody wants it, and as many as before afterwards."""

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

from wengert._blas import one_blas_thread


def counts():
    np.linalg.norm(scipy.linalg.inv(np.eye(2)))  # both libraries are there
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_threads():
    with threadpool_limits(2, user_api="blas"):
        yield


def test_the_limit_holds_and_ends():
    with one_blas_thread():
        assert counts() == {1}
    assert counts() == {2}


def test_it_ends_with_the_last_who_wants_it():
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert counts() == {1}
    second.__exit__(None, None, None)
    assert counts() == {2}


def test_it_ends_after_an_error():
    with pytest.raises(KeyError), one_blas_thread():
        raise KeyError
    assert counts() == {2}
