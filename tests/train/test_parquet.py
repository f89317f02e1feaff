import sys

import numpy as np
import pytest

from wengert import losses, nn, optim
from wengert.errors import DataError
from wengert.train import ParquetBatches, fit

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (103, 2)).astype("f4")
T = (X[:, 0] > X[:, 1]).astype(np.int64)
W = rng.uniform(1, 2, 103).astype("f4")


@pytest.fixture
def path(tmp_path):
    """Row groups of 20 patterns."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "a": X[:, 0],
        "b": X[:, 1],
        "t": T,
        "w": W,
        "s": ["text"] * 103,
        "e": [1.0, None] + [0.0] * 101,
    }
    parquet.write_table(pa.table(columns), tmp_path / "p.parquet", row_group_size=20)
    return tmp_path / "p.parquet"


def joined(batches):
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def test_rows_as_they_stand(path):
    batches = list(ParquetBatches(path, ["a", "b"], "t", 8, weights="w", shuffle=False)(1))
    assert [len(x) for x, _, _ in batches] == [8] * 12 + [7]
    x, t, w = joined(batches)
    assert (x == X).all()
    assert (t == T).all()
    assert (w == W).all()
    assert (x.dtype, t.dtype, w.dtype) == (np.float32, np.int64, np.float32)


def test_every_epoch_has_an_order_of_its_own(path):
    batches = ParquetBatches([path, path], ["a", "b"], ["t", "b"], 50, seed=3)
    first, again, second = (joined(batches(epoch)) for epoch in (1, 1, 2))
    assert (first[0] == again[0]).all()
    assert (first[0] != second[0]).any()
    assert sorted(first[0].tolist()) == sorted([*X.tolist(), *X.tolist()])
    assert (first[1][:, 0] == (first[0][:, 0] > first[0][:, 1])).all()


def test_a_group_is_mixed_but_not_with_others(path):
    x = joined(ParquetBatches(path, ["a"], "t", 8)(1))[0][:, 0]
    place = {value: i for i, value in enumerate(X[:, 0].tolist())}
    groups = [place[value] // 20 for value in x.tolist()]
    changes = np.flatnonzero(np.diff(groups))
    assert len(changes) == 5
    assert [place[value] for value in x.tolist()] != sorted(place.values())


def test_training_from_a_file(path, tmp_path):
    batches = ParquetBatches(path, ["a", "b"], "t", 16)
    network = nn.MLP.init(np.random.default_rng(0), (2, 8, 2), dtype="f4")
    options = {"optimiser": optim.Adam(0.02), "validation": (X, T)}
    whole = fit(network, losses.softmax_cross_entropy, batches, epochs=30, **options)
    assert whole.best_error < 0.3
    for epochs in (11, 30):
        resumed = fit(network, losses.softmax_cross_entropy, batches, epochs=epochs, **options,
                      checkpoint=tmp_path / "c", resume=True)  # fmt: skip
    assert resumed.curve.training == whole.curve.training
    assert (resumed.network.layers[0].weights == whole.network.layers[0].weights).all()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": ["a", "c"], "y": "t"}, "there is no column 'c'; it has a, b, t, w, s, e"),
        ({"x": ["a", "e"], "y": "t"}, "column 'e' in row group 0 has 1 empty cells; fill them in"),
        ({"x": ["a"], "y": "s"}, "column 's' in row group 0 holds string, not numbers; encode it before"),
    ],
)
def test_columns_that_cannot_be_learned_from(path, columns, message):
    with pytest.raises(DataError, match=message):
        list(ParquetBatches(path, shuffle=False, **columns)(1))


def test_without_pyarrow(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match="which is not installed; write pip install pyarrow"):
        next(ParquetBatches("x.parquet", ["a"], "t")(1))


def test_a_batch_of_nothing():
    with pytest.raises(ValueError, match="batch_size must be at least 1, not 0"):
        ParquetBatches("x.parquet", ["a"], "t", 0)


@pytest.mark.parametrize("content", [None, b"", b"PAR1 and then nothing"])
def test_what_is_no_file_of_parquet(tmp_path, content):
    pytest.importorskip("pyarrow")
    if content is not None:
        (tmp_path / "p.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"p.parquet: .*; give a file of Parquet"):
        next(ParquetBatches(tmp_path / "p.parquet", ["a"], "t")(1))


def test_columns_are_named():
    with pytest.raises(ValueError, match="x names no columns; give those that patterns consist of"):
        ParquetBatches("p.parquet", [], "t")
    with pytest.raises(ValueError, match="x is 'abc'; give a list of names of columns"):
        ParquetBatches("p.parquet", "abc", "t")
