"""The orders of epochs, and that how many of them are made in one call changes nothing."""

import numpy as np
import pytest

from wengert import losses, nn, optim
from wengert.train import _orders, fit
from wengert.train._data import Rows
from wengert.train._orders import AsTheyStand, Shuffled, Told

X = np.random.default_rng(0).normal(size=(50, 2))
KEY = np.array([3, 4], np.uint32)


def trained(epochs=7, **options):
    network = nn.MLP.init(np.random.default_rng(0), (2, 3, 2))
    return fit(network, losses.mean_squared_error, X, np.sin(X), epochs=epochs, **options)


def test_an_order_is_a_function_of_the_number_of_the_epoch():
    rows = np.array([3, 1, 4, 15, 9])
    several = Shuffled(rows, KEY).of(4, 3, 3).copy()
    for number, order in enumerate(several, start=4):
        np.testing.assert_array_equal(order, Shuffled(rows, KEY).of(number, 1, 1)[0])
        np.testing.assert_array_equal(np.sort(order), np.sort(rows))


def test_short_epochs_are_made_together_and_long_ones_alone():
    assert [Shuffled(np.arange(n), KEY).most(10**9) for n in (1, 2000, 40_000, 10**6)] == [64, 64, 3, 1]
    assert Shuffled(np.arange(100), KEY).most(250) == 2
    assert AsTheyStand(np.arange(100)).most(250) == 2
    assert Told(np.arange).most(250) == 1


def test_rows_as_they_stand():
    np.testing.assert_array_equal(AsTheyStand(np.array([5, 2])).of(9, 1, 2), [[5, 2], [5, 2]])


@pytest.mark.parametrize("batch_size", [7, 10, 64])
@pytest.mark.parametrize("options", [{}, {"shuffle": False}, {"sample_weight": np.arange(50) % 3}])
def test_several_epochs_in_a_call_are_the_same_as_one_after_another(monkeypatch, batch_size, options):
    if "sample_weight" in options:
        options = options | {"validation": 0.2, "validation_every": 3}
    together = trained(batch_size=batch_size, **options)
    monkeypatch.setattr(_orders, "EPOCHS_AT_A_TIME", 1)
    alone = trained(batch_size=batch_size, **options)
    assert together.network == alone.network
    np.testing.assert_allclose(together.curve.training, alone.curve.training, rtol=1e-14)


def test_epochs_are_made_together_up_to_the_next_look(monkeypatch, tmp_path):
    spans = []
    monkeypatch.setattr("wengert.train.Trainer.run_epochs", lambda t, d, o, n: spans.append(n) or [1.0] * n)
    trained(30, validation=(X, X), validation_every=4, checkpoint=tmp_path / "c", checkpoint_every=6)
    assert spans == [4, 2, 2, 4] * 2 + [4, 2]


def test_a_training_error_is_watched_after_as_many_epochs_as_may_end_it(monkeypatch):
    spans = []
    monkeypatch.setattr("wengert.train.Trainer.run_epochs", lambda t, d, o, n: spans.append(n) or [1.0] * n)
    result = trained(30, monitor="training", patience=5)
    assert spans == [5, 1]
    assert result.stopped_early
    assert result.epochs == 6


def test_patience_ends_a_training_in_the_same_epoch(monkeypatch):
    options = {"monitor": "training", "patience": 3, "tolerance": 1e-2, "optimiser": optim.Adam(0.02)}
    together = trained(200, **options)
    monkeypatch.setattr(_orders, "EPOCHS_AT_A_TIME", 1)
    alone = trained(200, **options)
    assert 10 < together.epochs == alone.epochs < 200
    assert together.network == alone.network


def test_a_training_is_resumed_in_the_middle_of_a_call(tmp_path):
    whole = trained(11, checkpoint=tmp_path / "whole", checkpoint_every=20)
    trained(4, checkpoint=tmp_path / "cut")
    resumed = trained(11, checkpoint=tmp_path / "cut", checkpoint_every=20, resume=True)
    assert resumed.network == whole.network


def test_more_rows_than_there_are_numbers():
    x = np.broadcast_to(np.float32(0), (2**32 + 1, 1))
    with pytest.raises(ValueError, match=r"more than 2\*\*32 rows; give batches"):
        Rows((x, x), np.arange(3), True, KEY)
