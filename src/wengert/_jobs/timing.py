"""Trainings of known size, timed: a step of minibatch descent with Adam, in microseconds."""

import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert import losses, nn, optim
from wengert.train import Trainer

Array = np.ndarray

NETWORKS = (((4, 50, 3), 32), ((64, 128, 64, 10), 64), ((784, 128, 10), 128))
STEPS, REPEATS = 100, 5


def timed() -> list[dict[str, Any]]:
    """A row for each network."""
    return [_row(sizes, batch) for sizes, batch in NETWORKS]


def _row(sizes: tuple[int, ...], batch: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch * STEPS, sizes[0])).astype(np.float32)
    t = rng.integers(0, sizes[-1], len(x))
    own, peer = _ours(sizes, batch, x, t), _theirs(sizes, batch, x, t)
    pairs = [(_seconds(own), None if peer is None else _seconds(peer)) for _ in range(REPEATS)]
    mine = statistics.median(pair[0] for pair in pairs) / STEPS * 1e6
    theirs = None if peer is None else statistics.median(pair[1] or 0 for pair in pairs) / STEPS * 1e6
    return {
        "network": f"{'-'.join(map(str, sizes))}, {batch}",
        "wengert": mine,
        "scikit_learn": theirs,
        "ratio": None if theirs is None else theirs / mine,
    }


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _ours(sizes: tuple[int, ...], batch: int, x: Array, t: Array) -> Callable[[], Any]:
    """An epoch, the first of which compiles."""
    network = nn.MLP.init(np.random.default_rng(0), sizes, dtype=np.float32)
    trainer = Trainer(network, losses.softmax_cross_entropy, optim.Adam(1e-3), batch)
    run = lambda: trainer.epoch((x, t), np.arange(len(x)))
    run()
    return run


def _theirs(sizes: tuple[int, ...], batch: int, x: Array, t: Array) -> Callable[[], Any] | None:
    if importlib.util.find_spec("sklearn") is None:
        return None
    from sklearn.neural_network import MLPClassifier

    peer = MLPClassifier(sizes[1:-1], batch_size=batch, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer.partial_fit(x, t, classes=np.arange(sizes[-1]))
    return lambda: peer.partial_fit(x, t)
