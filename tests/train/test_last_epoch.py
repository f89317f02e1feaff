"""Huge networks: what they were before an epoch stands in a file, and nobody can tell."""

import tracemalloc

import numpy as np
import pytest

import wengert.train._trainer
from tests.train.helpers import arrays, same
from wengert import losses, nn, optim
from wengert.errors import DivergenceError
from wengert.train import Trainer, fit
from wengert.train._last_epoch import Shelf

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 2))
Y = np.sin(X[:, :1] + X[:, 1:])
SIZES = (2, 300, 450, 1)


@pytest.fixture(autouse=True)
def huge(monkeypatch):
    monkeypatch.setattr(wengert.train._trainer, "HUGE", 1)


def no_file(monkeypatch):
    def refuse(**_):
        raise OSError("no space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)


def start():
    return nn.MLP.init(np.random.default_rng(0), SIZES, "tanh")


def trainer_of(rule=None):
    return Trainer(start(), losses.mean_squared_error, rule or optim.Adam(0.01), 8)


def trained(epochs=3, **options):
    given = {"optimiser": optim.Adam(0.01), "batch_size": 8} | options
    return fit(start(), losses.mean_squared_error, X, Y, epochs=epochs, **given)


class Interrupting:
    """Stands for the epochs of a trainer; the call of a number is interrupted after its work."""

    def __init__(self, monkeypatch, number):
        self.number, self.calls, self.run = number, 0, Trainer._run
        monkeypatch.setattr(Trainer, "_run", lambda *given: self(*given))

    def __call__(self, *given):
        found = self.run(*given)
        self.calls += 1
        if self.calls == self.number:
            raise KeyboardInterrupt
        return found


@pytest.mark.parametrize("number", [1, 2, 3, 5, 8])
def test_an_interrupted_epoch_has_not_been(monkeypatch, number):
    """Epochs are of five calls each."""
    whole = {epochs: trained(epochs).network for epochs in range(1, 3)} | {0: start()}
    monkeypatch.setattr(wengert.train._trainer, "OPERATIONS_AT_A_TIME", 1)
    Interrupting(monkeypatch, number)
    result = trained()
    assert result.interrupted
    assert result.epochs == (number - 1) // 5
    assert same(result.network, whole[result.epochs])


def test_an_interruption_after_an_epoch_and_before_it_counts(monkeypatch):
    whole = trained(2).network

    def after_epochs(self, errors):
        if self.epochs == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(wengert.train._trainer, "OPERATIONS_AT_A_TIME", 1)
    monkeypatch.setattr(Trainer, "after_epochs", after_epochs)
    result = trained()
    assert (result.interrupted, result.epochs) == (True, 2)
    assert same(result.network, whole)


@pytest.mark.parametrize("has_room", [True, False])
def test_a_divergence_gives_the_network_before(monkeypatch, has_room):
    if not has_room:
        no_file(monkeypatch)
    trainer = trainer_of(optim.Momentum(0.05))
    for _ in range(2):
        trainer.epoch((X, Y), np.arange(20))
    expected = trainer_of(optim.Momentum(0.05))
    for _ in range(2):
        expected.epoch((X, Y), np.arange(20))
    with pytest.raises(DivergenceError):
        trainer.epoch((X, np.where(X[:, :1] > X[7, 0], np.inf, Y)), np.arange(20))
    assert same(trainer.network, expected.network)
    again = Trainer(expected.network, losses.mean_squared_error, optim.Momentum(0.05), 8)
    assert trainer.epoch((X, Y), np.arange(20)) == again.epoch((X, Y), np.arange(20))


@pytest.mark.parametrize("has_room", [True, False])
def test_networks_that_have_been_given_stay(monkeypatch, has_room):
    if not has_room:
        no_file(monkeypatch)
    trainer, expected = trainer_of(), trainer_of()
    networks, copies = [], []
    for number in range(6):
        trainer.epoch((X, Y), np.arange(20))
        if number in (1, 2, 4):
            networks.append(trainer.network)
        expected.epoch((X, Y), np.arange(20))
        if number in (1, 2, 4):
            copies.append([w.copy() for w in nn.parameters(expected.network).values()])
    for network, copy in zip(networks, copies, strict=True):
        assert all(map(np.array_equal, nn.parameters(network).values(), copy))


def test_callbacks_see_the_networks_of_all_epochs():
    found = []
    last = trained(callbacks=[lambda training: found.append(training.network)])
    assert [same(network, trained(i).network) for i, network in enumerate(found, start=1)] == [True] * 3
    assert same(last.network, found[-1])


def test_the_best_network_is_that_of_its_epoch():
    validation = (X[:10], Y[:10])
    found = trained(8, optimiser=optim.SGD(0.9), validation=validation)
    best = trained(found.best_epoch, optimiser=optim.SGD(0.9))
    assert found.best_epoch < 8
    assert same(found.network, best.network)


def peak_of(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_there_is_one_network_in_memory(monkeypatch):
    """Beyond the one given there are weights and two means; elsewhere those of the last epoch, too."""
    monkeypatch.setattr(wengert.train._trainer, "OPERATIONS_AT_A_TIME", 1)
    weights = sum(w.nbytes for w in nn.parameters(start()).values())
    trained(2)
    in_a_file = peak_of(trained)
    no_file(monkeypatch)
    in_memory = peak_of(trained)
    assert in_memory - in_a_file > 0.9 * weights


def test_what_is_taken_is_given_back():
    shelf, network = Shelf(), start()
    before = [w.copy() for w in nn.parameters(network).values()]
    assert shelf.take(network)
    for w in nn.parameters(network).values():
        w[:] = np.nan
    assert shelf.give_back(network) is network
    assert all(map(np.array_equal, nn.parameters(network).values(), before))


def test_a_full_disk_takes_nothing(monkeypatch):
    no_file(monkeypatch)
    assert not Shelf().take(start())


class Full:
    """Stands for a file on a disk that is full after some bytes."""

    room = 5000

    def __init__(self, **_):
        self.content, self.closed = bytearray(), False

    def seek(self, place):
        self.content.clear()

    def write(self, data):
        if len(self.content) >= self.room:
            raise OSError("no space left on device")
        self.content += data[:2000]
        return len(data[:2000])

    def close(self):
        self.closed = True


def test_what_a_disk_that_fills_up_has_taken_is_given_up(monkeypatch):
    files = []
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **given: files.append(Full()) or files[-1])
    shelf = Shelf()
    assert not shelf.take(start())
    assert files[0].closed
    Full.room = 1 << 30
    assert shelf.take(start())
    assert bytes(files[1].content) == b"".join(w.tobytes() for w in arrays(start()))
    del shelf
    assert files[1].closed


@pytest.mark.parametrize("dtype", ["float16", "float64", "complex128", "bool", "int8"])
def test_arrays_of_all_kinds_come_back(dtype):
    shelf = Shelf()
    tree_ = {
        "w": RNG.integers(0, 2, (3, 5)).astype(dtype),
        "columns": np.asfortranarray(RNG.integers(0, 2, (3, 5)).astype(dtype)),
        "0-d": np.array(1, dtype),
        "none": np.empty((0, 2), dtype),
    }
    before = [a.copy() for a in tree_.values()]
    assert shelf.take(tree_)
    for a in tree_.values():
        a[...] = 0
    found = shelf.give_back(tree_)
    assert all(map(np.array_equal, found.values(), before))
