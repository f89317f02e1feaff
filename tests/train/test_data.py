import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from tests.train.helpers import HELD_OUT, X, Y, network, run, same, squares
from wengert import losses, nn, optim
from wengert.errors import DataError
from wengert.train import _storage, fit
from wengert.train._storage import gathered, is_mapped

ROOT = Path(__file__).parents[2]


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_named(value):
    x = np.zeros((70_000, 3))
    x[68_999, 1] = value
    with pytest.raises(DataError, match=rf"fit: x\[68999, 1\] is {value}; fill such values in, or"):
        fit(network(), losses.mean_squared_error, x, x[:, :1])
    with pytest.raises(DataError, match=r"fit: y\[68999, 1\] is"):
        fit(network(), losses.mean_squared_error, np.zeros((70_000, 3)), x)
    with pytest.raises(DataError, match=r"fit: validation x\[68999, 1\] is"):
        run(validation=(x, x[:, :1]))
    with pytest.raises(DataError, match=r"fit: x\['a'\]\[68999, 1\] is"):
        fit(network(), losses.mean_squared_error, {"a": x}, x[:, :1])


def test_large_numbers_are_finite():
    x = np.full((4, 2), 1e308)
    fit(network(), lambda y, t: np.mean(0 * y), x, x[:, :1], epochs=1)


@pytest.mark.parametrize(("wrong", "said"), [(3, "3"), (-1, "-1")])
def test_a_class_without_an_output_is_named(wrong, said):
    net = nn.MLP.init(np.random.default_rng(0), (2, 3))
    t = np.arange(60) % 3
    t[17] = wrong
    message = rf"fit: y\[17\] is {said}, and the network has outputs for the classes 0 to 2; number"
    with pytest.raises(DataError, match=message):
        fit(net, losses.softmax_cross_entropy, X, t)


def test_whole_numbers_may_be_counts():
    """Two outputs, a rate and something else, and counts that are no classes."""

    def error(y, t):
        return np.mean(np.exp(y[:, 0]) - t * y[:, 0] + y[:, 1] ** 2)

    net = nn.MLP.init(np.random.default_rng(0), (2, 2))
    assert fit(net, error, X, np.arange(60) % 7, epochs=1).epochs == 1


def test_rows_of_several_inputs_belong_together():
    with pytest.raises(ValueError, match="x has 60 rows and x has 59"):
        fit(network(), losses.mean_squared_error, (X, X[:59]), Y)


@pytest.mark.parametrize("fraction", [0.0, 1.0, 1.5])
def test_a_fraction_that_leaves_nothing(fraction):
    with pytest.raises(ValueError, match="a validation fraction lies between 0 and 1"):
        run(validation=fraction)


def test_a_fraction_without_a_row():
    with pytest.raises(ValueError, match=r"a validation fraction of 0\.01 leaves no row of 40 to watch"):
        run(validation=0.01)


# ---------------------------------------------------------------------------------- trees of arrays


@dataclass(frozen=True)
class Sum:
    """Two inputs, each with weights of its own, and two outputs."""

    left: np.ndarray
    right: np.ndarray

    def __call__(self, x):
        total = x["left"] @ self.left + x["right"] @ self.right
        return total, 2 * total


def test_several_inputs_and_outputs():
    def error(y, t):
        return np.mean((y[0] - t["one"]) ** 2) + np.mean((y[1] - t["two"]) ** 2)

    start = Sum(np.zeros((1, 1)), np.zeros((1, 1)))
    x, t = {"left": X[:, :1], "right": X[:, 1:]}, X[:, :1] - X[:, 1:]
    options = {"optimiser": optim.SGD(0.1), "epochs": 80, "validation": 0.2}
    result = fit(start, error, x, {"one": t, "two": 2 * t}, **options)
    np.testing.assert_allclose([result.network.left, result.network.right], [[[1]], [[-1]]], atol=1e-3)


# ------------------------------------------------------------------------------------------- batches


def batches_of(order):
    return [(X[order[i : i + 8]], Y[order[i : i + 8]]) for i in range(0, len(order), 8)]


def test_batches_are_as_the_rows_in_this_order():
    batches = batches_of(np.arange(44))
    one = fit(network(), losses.mean_squared_error, batches, epochs=3, validation=HELD_OUT)
    two = fit(network(), losses.mean_squared_error, X[:44], Y[:44], epochs=3, batch_size=8, shuffle=False,
              validation=HELD_OUT)  # fmt: skip
    assert same(one.network, two.network)
    np.testing.assert_allclose(one.curve.training, two.curve.training, rtol=1e-13)
    assert one.curve.validation == two.curve.validation


def test_batches_made_anew_for_every_epoch():
    numbers = []

    def batches(epoch):
        numbers.append(epoch)
        yield from batches_of(np.random.default_rng(epoch).permutation(40))

    result = fit(network(), losses.mean_squared_error, batches, epochs=3)
    other = fit(network(), losses.mean_squared_error, X, Y, epochs=3, batch_size=8,
                shuffle=lambda epoch: np.random.default_rng(epoch).permutation(40))  # fmt: skip
    assert numbers == [1, 2, 3]
    assert same(result.network, other.network)


def test_batches_with_weights_and_validation_batches():
    weights = np.linspace(0.5, 2, 60)
    batches = [(X[i : i + 8], Y[i : i + 8], weights[i : i + 8]) for i in range(0, 40, 8)]
    watched = [(X[40:50], Y[40:50], weights[40:50]), (X[50:], Y[50:], weights[50:])]
    metrics = {"worst": lambda y, t: np.max(np.abs(y - t))}
    one = fit(network(), squares, batches, epochs=2, validation=watched, metrics=metrics)
    two = fit(network(), squares, X[:40], Y[:40], sample_weight=weights[:40], epochs=2, batch_size=8,
              shuffle=False, validation=(*HELD_OUT, weights[40:]), metrics=metrics)  # fmt: skip
    assert same(one.network, two.network)
    np.testing.assert_allclose(one.curve.validation, two.curve.validation, rtol=1e-12)
    np.testing.assert_allclose(one.curve.metrics["worst"], two.curve.metrics["worst"], rtol=1e-12)


def test_batches_of_weight_zero_are_left_out():
    batches = [(X[:20], Y[:20], np.ones(20)), (X[20:], Y[20:], np.zeros(40))]
    one, two = (fit(network(), squares, some, epochs=3) for some in (batches, batches[:1]))
    assert same(one.network, two.network) and one.curve.training == two.curve.training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": [(X, Y), (X[:0], Y[:0])]}, "batch 2 of epoch 1: x has no rows"),
        ({"x": [(X[:5], Y[:4])]}, "batch 1 of epoch 1: x has 5 rows and batch 1 of epoch 1: y has 4"),
        ({"x": [(X, Y, -np.ones(60))]}, "batch 1 of epoch 1: weights must be one number for each pattern"),
        ({"x": [(X, Y, np.zeros(60))]}, "there are no batches in epoch 1 that weigh anything"),
        ({"x": [None]}, r"batch 1 of epoch 1 is a NoneType; give \(x, y\)"),
        ({"x": [(X, Y)], "validation": [X, Y]}, "validation batch 1 of epoch 1 is a ndarray"),
        (
            {"x": lambda: [(X, Y)]},
            r"<lambda> does not take the epoch's number; write it as <lambda>\(epoch\)",
        ),
        ({"x": [(X, Y)], "sample_weight": np.ones(60)}, "give batches of"),
        ({"x": [(X, Y)], "shuffle": np.arange}, "batches come in an order of their own; leave shuffle out"),
        ({"x": X, "y": Y, "validation": (X, Y[:3])}, "validation x has 60 rows and validation y has 3"),
        ({"x": X, "y": Y, "metrics": {"training": squares}}, "call a metric otherwise"),
    ],
)
def test_data_that_do_not_fit_are_named(options, message):
    with pytest.raises(ValueError, match=f"^fit: .*{message}"):
        fit(network(), squares, **options)


def test_batches_that_are_used_up():
    with pytest.raises(
        DataError,
        match="there are no batches in epoch 2 that weigh anything; give an iterable",
    ):
        fit(network(), losses.mean_squared_error, iter(batches_of(np.arange(40))), epochs=2)


def test_a_batch_with_a_number_that_is_not_finite():
    batches = batches_of(np.arange(40))
    batches[2] = (batches[2][0] * np.nan, batches[2][1])
    with pytest.raises(DataError, match=r"fit: batch 3 of epoch 1: x\[0, 0\] is nan"):
        fit(network(), losses.mean_squared_error, batches)


def test_batches_cannot_be_split():
    with pytest.raises(ValueError, match="batches cannot be split"):
        fit(network(), losses.mean_squared_error, batches_of(np.arange(40)), validation=0.1)


# -------------------------------------------------------------------------------------- mapped files


def mapped(path, array, mode="r"):
    np.save(path, array)
    return np.load(path, mmap_mode=mode)


@pytest.mark.parametrize("batch_size", [8, 50, 700])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_mapped_file_gives_the_same_numbers(tmp_path, batch_size, order):
    x = np.asarray(np.random.default_rng(1).normal(size=(1500, 2)), order=order)
    y = x[:, :1] * x[:, 1:]
    options = {"epochs": 2, "batch_size": batch_size, "validation": 0.2, "seed": 4}
    whole = fit(network(), losses.mean_squared_error, x, y, **options)
    read = fit(network(), losses.mean_squared_error, mapped(tmp_path / "x.npy", x), y, **options)
    assert same(whole.network, read.network)
    np.testing.assert_allclose(whole.curve.training, read.curve.training, rtol=1e-13)
    np.testing.assert_allclose(whole.curve.validation, read.curve.validation, rtol=1e-13)


def test_rows_of_a_mapped_file_are_copied(tmp_path):
    array = np.arange(12.0).reshape(6, 2)
    for mode in ("r", "r+", "c"):
        x = mapped(tmp_path / f"{mode}.npy", array, mode)
        if mode != "r":
            x[3] = -1
        rows = gathered((x[1:], array[1:]), np.array([2, 0]))
        assert rows[0].tolist() == [x[3].tolist(), [2, 3]]
        assert not is_mapped(rows)
        assert (x[3] == (array[3] if mode == "r" else -1)).all()


def test_a_mapped_file_is_checked_as_it_is_read(tmp_path):
    x = X.copy()
    x[33, 1] = np.nan
    with pytest.raises(DataError, match=r"fit: x\[33, 1\] is nan"):
        fit(network(), losses.mean_squared_error, mapped(tmp_path / "x.npy", x), Y)


MAPPED = """
import resource, sys
import numpy as np
from wengert import losses, nn, optim, train

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

x = np.load(sys.argv[1], mmap_mode="r")
y = np.zeros((len(x), 1), "f4")
network = nn.MLP.init(np.random.default_rng(0), (x.shape[1], 4, 1), dtype="f4")
few = slice(0, 2000)
options = dict(batch_size=100, validation=0.1, optimiser=optim.SGD(1e-3), epochs=1)
train.fit(network, losses.mean_squared_error, np.array(x[few]), y[few], **options)
before = peak()
train.fit(network, losses.mean_squared_error, x, y, **options)
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pages are given back on Linux")
def test_a_mapped_file_is_not_read_into_memory_whole(tmp_path):
    path, megabytes = tmp_path / "x.npy", 320
    x = np.lib.format.open_memmap(path, "w+", "f4", (megabytes * 512, 512))
    x[:, 0] = 1
    x.flush()
    del x
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "WENGERT_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MAPPED, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert float(run.stdout) < megabytes / 10


def as_copied(x, rows):
    """The same as by indexing; whether it was read from the file."""
    rows, reads = np.asarray(rows), []
    original = _storage._read

    def read(*args):
        reads.append(original(*args))
        return reads[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_storage, "_read", read)
        (found,) = gathered((x,), rows)
    np.testing.assert_array_equal(found, np.array(x)[rows])
    return bool(reads) and reads[0] is not None


def test_rows_are_read_from_the_file(tmp_path):
    array = np.random.default_rng(0).normal(size=(50, 6))
    x, rows = mapped(tmp_path / "x.npy", array), [3, 4, 5, 40, 0, 49, 48]
    assert as_copied(x, rows)
    assert as_copied(np.asarray(x), rows)
    assert as_copied(x[:, 2:4], rows)
    assert as_copied(x[1::2], [0, 1, 24, 3])
    assert as_copied(x[::-1], rows)
    assert as_copied(x[:, 0], rows)
    assert not as_copied(x[:, ::2], rows)
    assert not as_copied(mapped(tmp_path / "f.npy", np.asfortranarray(array)), rows)


def test_changes_are_seen(tmp_path):
    array = np.arange(12.0).reshape(6, 2)
    x = mapped(tmp_path / "x.npy", array, "r+")
    x[3] = -1
    assert as_copied(x, [2, 3, 4])
    private = mapped(tmp_path / "c.npy", array, "c")
    private[3] = -1
    assert not as_copied(private, [2, 3, 4])


def test_a_file_that_has_been_replaced_or_has_gone(tmp_path):
    array = np.random.default_rng(0).normal(size=(50, 6))
    x = mapped(tmp_path / "x.npy", array)
    os.rename(tmp_path / "x.npy", tmp_path / "y.npy")
    np.save(tmp_path / "x.npy", -array)
    as_copied(x, [3, 4, 40])
    (tmp_path / "x.npy").write_bytes(b"short")
    assert not as_copied(x, [3, 4, 40])
    (tmp_path / "x.npy").unlink()
    assert not as_copied(x, [3, 4, 40])


def test_lists_of_numbers_are_arrays():
    one = fit(network(), losses.mean_squared_error, X.tolist(), Y.tolist(), epochs=2)
    two = fit(network(), losses.mean_squared_error, X, Y, epochs=2)
    assert same(one.network, two.network)
    weights = np.linspace(1, 2, 60)
    options = {"epochs": 2, "validation": (X.tolist(), Y.tolist(), weights.tolist())}
    one = fit(network(), squares, X, Y, sample_weight=weights.tolist(), **options)
    two = fit(network(), squares, X, Y, sample_weight=weights, **options)
    assert same(one.network, two.network)


@pytest.mark.parametrize("y", [["a", "b"] * 30, np.array(["a", "b"] * 30, object)])
def test_words_are_no_numbers(y):
    with pytest.raises(
        DataError,
        match=r"fit: y holds .*, not numbers; give an array of numbers, as by y.astype\(float\), and num",
    ):
        fit(network(), losses.mean_squared_error, X, y)


def test_an_order_may_leave_patterns_out():
    few = fit(network(), losses.mean_squared_error, X, Y, epochs=3, batch_size=8,
              shuffle=lambda number: list(range(10 * number)))  # fmt: skip
    assert few.epochs == 3


@pytest.mark.parametrize("order", [np.arange(61), [-61], [0.5], [[0, 1], [2, 3]], [], "0"])
def test_an_order_names_rows(order):
    message = re.escape(
        f"fit: shuffle gives {order!r:.60} for epoch 1; give the rows to visit, whole numbers from 0"
    )
    with pytest.raises(ValueError, match=message):
        fit(network(), losses.mean_squared_error, X, Y, epochs=1, shuffle=lambda number: order)


def test_masked_numbers_are_missing():
    with pytest.raises(DataError, match=r"fit: x\[0, 1\] is nan"):
        fit(network(), losses.mean_squared_error, np.ma.masked_array(X, mask=X[0, 1] == X), Y)
    whole = np.ma.masked_array(X, mask=False)
    fitted = [fit(network(), losses.mean_squared_error, x, Y, epochs=1).network for x in (X, whole)]
    assert same(*fitted)


@pytest.mark.parametrize(
    "x, message",
    [
        ([[1, 2], [3]], "fit: x is no array: setting an array element"),
        (csr_matrix(X), "fit: x is a sparse matrix; give x.toarray(), or batches that are made dense"),
    ],
)
def test_what_is_no_array(x, message):
    with pytest.raises(DataError, match=re.escape(message)):
        fit(network(), losses.mean_squared_error, x, Y)


def test_a_minibatch_of_more_patterns_than_there_are_is_all_of_them():
    """Memory is planned for those that there are."""
    options = {"epochs": 3, "shuffle": False}
    large = fit(network(), losses.mean_squared_error, X, Y, batch_size=10**12, **options)
    whole = fit(network(), losses.mean_squared_error, X, Y, batch_size=len(X), **options)
    assert same(large.network, whole.network)


@pytest.mark.parametrize("x, what", [(5, "5"), (lambda epoch: None, "None")])
def test_what_gives_no_batches(x, what):
    with pytest.raises(
        ValueError, match=f"fit: x is {what} in epoch 1, and without y an iterable of batches"
    ):
        fit(network(), losses.mean_squared_error, x)


@pytest.mark.parametrize("made", [lambda net: net, lambda net: nn.Sequential((nn.Dropout(0.5), *net.layers))])
def test_a_step_takes_a_whole_batch_of_whatever_size(made):
    """More patterns than a minibatch of arrays would have."""
    options = {"epochs": 2, "shuffle": False, "optimiser": optim.SGD(0.1)}
    batches = fit(made(network()), losses.mean_squared_error, [(X, Y)], **options)
    arrays = fit(made(network()), losses.mean_squared_error, X, Y, batch_size=len(X), **options)
    assert len(X) > 32 and batches.curve.training == pytest.approx(arrays.curve.training)
    found, expected = (nn.parameters(fitted.network) for fitted in (batches, arrays))
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-12)


def test_targets_that_were_forgotten():
    with pytest.raises(ValueError, match="fit: y is missing; give a target for each pattern in x"):
        fit(network(), losses.mean_squared_error, pd.DataFrame(X))
    with pytest.raises(ValueError, match="fit: y is missing; give a target for each pattern in x"):
        fit(network(), losses.mean_squared_error, X)


@pytest.mark.parametrize("batch", [X, (X,), (X, Y, Y, Y)])
def test_things_that_are_no_batch(batch):
    message = r"fit: batch 1 of epoch 1 is a (ndarray|tuple of .); give \(x, y\) or \(x, y, weights\)"
    with pytest.raises(ValueError, match=message):
        fit(network(), losses.mean_squared_error, [batch])
