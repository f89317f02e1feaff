"""One thread for linear algebra while anybody wants it, and as many as before afterwards."""

import threading

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

from wengert import _blas
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
        with one_blas_thread():
            pass
        assert counts() == {1}
    assert counts() == {2}


def test_it_ends_with_the_last_who_wants_it_in_whatever_thread():
    begun, ended = threading.Event(), threading.Event()

    def other():
        with one_blas_thread():
            begun.set()
            ended.wait(20)

    thread = threading.Thread(target=other)
    with one_blas_thread():
        thread.start()
        assert begun.wait(20)
    assert counts() == {1}
    ended.set()
    thread.join()
    assert counts() == {2}


def test_it_ends_after_an_error():
    with pytest.raises(KeyError), one_blas_thread():
        raise KeyError
    assert counts() == {2}


class OwnThreads:
    """A library whose number of threads belongs to the calling thread."""

    num_threads = 4

    def set_num_threads(self, count):
        self.num_threads = count


def test_numbers_that_belong_to_a_thread_are_put_back_by_each(monkeypatch):
    library = OwnThreads()
    monkeypatch.setattr(_blas, "_libraries", lambda with_scipy: ([library], []))
    with one_blas_thread():
        assert library.num_threads == 1
    assert library.num_threads == 4
