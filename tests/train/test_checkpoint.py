import errno
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.train.helpers import HELD_OUT, Noisy, X, Y, network, run, same
from wengert import losses, nn, optim
from wengert.errors import CheckpointError, DivergenceError
from wengert.train import Trainer, _trainer, fit

ROOT = Path(__file__).parents[2]


def curve(result):
    return [(e.number, e.training, e.validation, dict(e.metrics)) for e in result.curve.epochs]


def equal(one, two):
    return (
        same(one.network, two.network)
        and curve(one) == curve(two)
        and (one.best_epoch, one.stopped_early) == (two.best_epoch, two.stopped_early)
    )


def worst(y, t):
    return np.max(np.abs(y - t))


OPTIONS = {
    "plain": {},
    "momentum": {"optimiser": optim.SGD(0.1, momentum=0.9)},
    "validation": {"validation": HELD_OUT, "metrics": {"worst": worst}},
    "fraction": {"validation": 0.3, "validation_every": 2},
    "in pairs": {"checkpoint_every": 2},
    "seed": {"seed": np.random.SeedSequence(5, spawn_key=(1,))},
    "best": {"optimiser": optim.SGD(1.5), "validation": HELD_OUT, "patience": 8},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("first", [1, 4, 7])
def test_resumed_is_uninterrupted(tmp_path, options, first):
    path = tmp_path / "c"
    whole = run(epochs=10, **options)
    run(epochs=first, checkpoint=path, **options)
    resumed = run(epochs=10, checkpoint=path, resume=True, **options)
    assert equal(resumed, whole)
    assert equal(run(epochs=10, checkpoint=path, resume=True, **options), whole)


def test_a_network_that_draws_is_resumed(tmp_path):
    start = Noisy(np.ones((2, 1), "f4"), np.array(0))
    options = {"batch_size": 7, "seed": 3, "checkpoint_every": 2}
    whole = fit(start, losses.mean_squared_error, X, Y, epochs=6, **options)
    for epochs in (3, 6):
        resumed = fit(start, losses.mean_squared_error, X, Y, epochs=epochs, checkpoint=tmp_path / "c",
                      resume=True, **options)  # fmt: skip
    assert equal(resumed, whole)
    assert resumed.network.steps == 6 * 9


def test_an_interruption_leaves_the_last_epoch_on_disk(tmp_path):
    def interrupt(training):
        if training.epoch.number == 3:
            raise KeyboardInterrupt

    path = tmp_path / "c"
    first = run(epochs=9, checkpoint=path, checkpoint_every=5, callbacks=[interrupt])
    assert (first.interrupted, first.epochs) == (True, 3)
    assert equal(run(epochs=9, checkpoint=path, checkpoint_every=5, resume=True), run(epochs=9))


@pytest.fixture(params=[(2, 5, 1), (2, 300, 450, 1)], ids=["small", "large"])
def interrupted(request, monkeypatch):
    """A training whose epochs are two calls; Ctrl-C comes in the second call of the third epoch."""
    monkeypatch.setattr(_trainer, "OPERATIONS_AT_A_TIME", 1)
    start, original, calls = nn.MLP.init(np.random.default_rng(0), request.param, "tanh"), Trainer._run, []

    def until(self, *args):
        found = original(self, *args)
        calls.append(found)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return found

    def train(epochs, interrupt=False, **options):
        monkeypatch.setattr(Trainer, "_run", until if interrupt else original)
        return run(start, epochs=epochs, batch_size=20, on_epoch=lambda epoch: None, **options)

    return train


def test_an_interruption_inside_an_epoch_is_as_of_the_last_one(interrupted):
    first = interrupted(7, interrupt=True)
    assert (first.interrupted, first.epochs) == (True, 2)
    assert same(first.network, interrupted(2).network)


def test_an_epoch_that_was_interrupted_is_begun_again(interrupted, tmp_path):
    path = tmp_path / "c"
    first = interrupted(7, interrupt=True, checkpoint=path, checkpoint_every=5)
    assert (first.interrupted, first.epochs) == (True, 2)
    assert equal(interrupted(7, checkpoint=path, checkpoint_every=5, resume=True), interrupted(7))


def test_a_training_that_a_callback_has_ended_stays_so(tmp_path):
    def stop(training):
        if training.epoch.number == 3:
            training.stop()

    first = run(epochs=9, checkpoint=tmp_path / "c", callbacks=[stop])
    assert equal(run(epochs=9, checkpoint=tmp_path / "c", resume=True), first)


def test_more_patience_may_be_asked_for(tmp_path):
    options = {"optimiser": optim.SGD(1.5), "validation": HELD_OUT, "checkpoint": tmp_path / "c"}
    first = run(epochs=40, patience=1, **options)
    assert first.stopped_early
    more = run(epochs=40, patience=5, resume=True, **options)
    assert more.epochs > first.epochs
    assert equal(more, run(epochs=40, patience=5, **options | {"checkpoint": None}))


OTHERS = {
    "network": {"net": nn.MLP.init(np.random.default_rng(0), (2, 9, 1), "tanh")},
    "optimiser": {"optimiser": optim.Adam(0.02)},
    "batch_size": {"batch_size": 9},
    "seed": {"seed": 1},
    "validation": {"validation": HELD_OUT},
    "tolerance": {"tolerance": 0.1},
    "shuffle": {"shuffle": False},
    "penalty": {"penalty": lambda net: 0.0 * np.sum(net.layers[0].weights)},
    "metrics": {"metrics": {"worst": worst}},
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_checkpoint_of_another_training(tmp_path, name):
    run(epochs=1, checkpoint=tmp_path / "c")
    before = (tmp_path / "c").read_bytes()
    with pytest.raises(
        CheckpointError, match=rf"c: a checkpoint of another training: {name} was .*, and is "
    ):
        run(epochs=2, checkpoint=tmp_path / "c", resume=True, **OTHERS[name])
    assert (tmp_path / "c").read_bytes() == before


def test_a_checkpoint_of_more_epochs_than_are_asked_for(tmp_path):
    run(epochs=3, checkpoint=tmp_path / "c")
    with pytest.raises(
        CheckpointError, match=r"c: a checkpoint of 3 epochs, and 2 are asked for; ask for at"
    ):
        run(epochs=2, checkpoint=tmp_path / "c", resume=True)


@pytest.mark.parametrize("data", [(X[:39], Y[:39]), (X[1:41], Y[1:41]), (X[:40].astype("f4"), Y[:40])])
def test_a_checkpoint_of_other_data(tmp_path, data):
    run(epochs=1, checkpoint=tmp_path / "c")
    with pytest.raises(CheckpointError, match=r"data was 40 rows of .* and is"):
        fit(network(), losses.mean_squared_error, *data, optimiser=optim.Adam(0.01), batch_size=8,
            checkpoint=tmp_path / "c", resume=True)  # fmt: skip


def test_a_single_other_number_is_noticed_in_data_of_some_size(tmp_path):
    x = np.random.default_rng(0).normal(size=(5000, 2))
    other = x.copy()
    other[1234, 1] += 1e-9
    train = partial(fit, network(), losses.mean_squared_error, checkpoint=tmp_path / "c", epochs=1)
    train(x, x[:, :1])
    with pytest.raises(CheckpointError, match=r"data was 5000 rows of .* and is"):
        train(other, x[:, :1], resume=True)


def test_a_checkpoint_is_not_overwritten_unasked(tmp_path):
    run(epochs=1, checkpoint=tmp_path / "c")
    with pytest.raises(CheckpointError, match="c: exists already; write resume=True to go on from it"):
        run(epochs=1, checkpoint=tmp_path / "c")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(CheckpointError, match="there is no folder"):
        run(checkpoint=tmp_path / "no" / "c")


@pytest.mark.parametrize("resume", [False, True])
def test_what_is_no_file(tmp_path, resume):
    with pytest.raises(CheckpointError, match="is a folder or a device; name a file"):
        run(checkpoint=tmp_path, resume=resume)


def test_a_disk_without_room_leaves_the_checkpoint_of_before(tmp_path, monkeypatch):
    path, whole = tmp_path / "c", run(epochs=4).network
    run(epochs=2, checkpoint=path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(CheckpointError, match=r"cannot write .* of epoch 3 \(No space left on device\)"):
            run(epochs=4, checkpoint=path, resume=True)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    assert same(run(epochs=4, checkpoint=path, resume=True).network, whole)


def damaged(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_damaged_checkpoint_is_refused_and_left_alone(tmp_path, share):
    path = tmp_path / "c"
    run(epochs=2, checkpoint=path)
    content = path.read_bytes()
    for bad in (
        damaged(content, int(share * len(content))),
        content[: int(share * len(content))],
        b"a,b\n1,2\n",
    ):
        path.write_bytes(bad)
        with pytest.raises(CheckpointError, match="^" + str(path)):
            run(epochs=3, checkpoint=path, resume=True)
        assert path.read_bytes() == bad


class Lost:
    """Gradient descent that loses the weights in the third step."""

    def init(self, params):
        return 0

    def update(self, gradients, state, params):
        lost = np.where(state == 2, np.nan, 0.0)
        return {name: w - 0.1 * gradients[name] + lost for name, w in params.items()}, state + 1


def test_a_checkpoint_of_lost_weights_does_not_replace_a_good_one(tmp_path):
    """The error of a step is taken before it, so it is the next one that would tell."""
    path = tmp_path / "c"
    with pytest.raises(DivergenceError, match=r"network.layers\[0\].weights holds nan after epoch 3"):
        run(batch_size=40, optimiser=Lost(), epochs=3, checkpoint=path)
    resumed = run(batch_size=40, optimiser=Lost(), epochs=2, checkpoint=path, resume=True)
    assert same(resumed.network, run(batch_size=40, optimiser=optim.SGD(0.1), epochs=2).network)


def test_equal_trainings_write_equal_checkpoints(tmp_path):
    for name in "ab":
        run(epochs=2, validation=HELD_OUT, checkpoint=tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


SCRIPT = """
import hashlib, sys
import numpy as np
from wengert import losses, nn, optim, train

rng = np.random.default_rng(0)
x, t = rng.normal(size=(3000, 16)).astype("f4"), rng.integers(0, 5, 3000)
network = nn.MLP.init(rng, (16, 64, 5), dtype="f4")
result = train.fit(
    network, losses.softmax_cross_entropy, x, t, epochs=120, batch_size=16, validation=0.2, seed=7,
    optimiser=optim.Adam(1e-3), metrics={"accuracy": lambda y, t: np.mean(np.argmax(y, axis=1) == t)},
    checkpoint=sys.argv[1], resume=True,
)
digest = hashlib.sha256()
for layer in result.network.layers:
    digest.update(layer.weights.tobytes() + layer.biases.tobytes())
digest.update(repr([(e.training, e.validation, e.metrics) for e in result.curve.epochs]).encode())
print(digest.hexdigest(), result.best_epoch, result.epochs)
"""


def start(path):
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    )


def wait_for_writes(path, count, process):
    """Until the file has been replaced so often, or the process has ended."""
    seen = {path.stat().st_mtime_ns if path.exists() else None}
    while process.poll() is None and len(seen) <= count:
        time.sleep(0.0005)
        seen.add(path.stat().st_mtime_ns if path.exists() else None)


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
def test_killed_at_random_moments_and_resumed(tmp_path):
    whole = start(tmp_path / "whole").communicate()[0]
    path, rng = tmp_path / "killed", np.random.default_rng()
    for writes in rng.integers(0, 20, 4):
        process = start(path)
        wait_for_writes(path, writes, process)
        time.sleep(rng.uniform(0, 0.01))
        process.kill()
        process.communicate()
        assert process.returncode == -9
    assert start(path).communicate()[0] == whole
    assert (tmp_path / "whole").read_bytes() == path.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["killed", "whole"]


def test_nothing_to_go_on_from():
    with pytest.raises(ValueError, match="fit: resume needs checkpoint=path, the file to go on from"):
        run(resume=True)
