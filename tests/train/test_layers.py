"""Networks of every layer in training: natively, the same on any number of threads, the same as PyTorch's."""

import numpy as np
import pytest

import wengert as wg
from tests.nn.helpers import TORCH, every_layer, generator, inputs, same
from wengert import losses, nn, optim
from wengert.train import Trainer, fit

T = generator(2).normal(size=(12, 2))


def trained(network, x, t, batch_size=5, seed=0):
    """The network after two epochs."""
    key = wg.random.key(seed)
    trainer = Trainer(network, losses.mean_squared_error, optim.Adam(0.01), batch_size, key)
    for _ in range(2):
        trainer.epoch((x, t), np.arange(len(t)))
    return trainer.network


def test_the_steps_are_those_of_torch():
    seen = TORCH["training"]
    start = {name: np.array(w) for name, w in seen["start"].items()}
    norm, layer_norm = nn.BatchNorm.init(4), nn.LayerNorm.init(4)
    network = nn.Sequential(
        [
            nn.Dense(start["first.weight"].T.copy()),
            norm,
            np.tanh,
            nn.Residual(nn.Sequential([nn.Dense(start["second.weight"].T.copy()), layer_norm, nn.gelu])),
            nn.Dense(start["last.weight"].T.copy(), start["last.bias"]),
        ]
    )
    x, t = np.array(seen["x"]), np.array(seen["t"])
    trainer = Trainer(network, losses.mean_squared_error, optim.SGD(0.1), 4)
    trainer.epoch((x, t), np.arange(len(x)))
    first, norm, _, residual, last = trainer.network.layers
    second, layer_norm, _ = residual.layer.layers
    found = {
        "first.weight": first.weights.T,
        "batch.weight": norm.scale,
        "batch.bias": norm.shift,
        "batch.running_mean": norm.mean,
        "batch.running_var": norm.variance,
        "second.weight": second.weights.T,
        "layer.weight": layer_norm.scale,
        "layer.bias": layer_norm.shift,
        "last.weight": last.weights.T,
        "last.bias": last.biases,
    }
    for name, array in found.items():
        np.testing.assert_allclose(array, seen["end"][name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_fit_takes_inputs_by_name():
    options = {"epochs": 3, "batch_size": 5, "validation": (inputs(), T)}
    one, two, other = (
        fit(every_layer(), losses.mean_squared_error, inputs(), T, seed=seed, **options) for seed in (0, 0, 1)
    )
    assert same(one.network, two.network)
    assert not same(one.network, other.network)
    assert one.curve.validation[-1] < one.curve.validation[0]


def test_a_category_that_is_none_is_refused_in_training():
    network = nn.Sequential([nn.Embedding.init(generator(), 6, 3), nn.Dense.init(generator(), 3, 2)])
    with pytest.raises(IndexError, match="index 6 is out of bounds for axis 0 with size 6"):
        fit(network, losses.mean_squared_error, np.arange(12) % 7, T, epochs=1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_layer_trains_and_keeps_its_precision(dtype):
    network, x, t = every_layer(dtype), inputs(dtype=dtype), T.astype(dtype)
    after = trained(network, x, t)
    assert {a.dtype for a in nn.state(after).values()} == {np.dtype(dtype)}
    before, now = nn.state(network), nn.state(after)
    changed = {name for name in now if not np.array_equal(now[name], before[name])}
    assert changed == {name for name in now if not name.startswith("layers.2.layer.")}  # which is frozen


def test_the_key_decides_what_is_dropped():
    one, two, other = (trained(every_layer(), inputs(), T, seed=seed) for seed in (0, 0, 1))
    assert same(one, two)
    assert not same(one, other)


NETWORKS = {
    "dropout": {"dropout": 0.3},
    "batch": {"normalisation": "batch"},
    "layer": {"normalisation": "layer", "skip": "concatenate"},
}


@pytest.mark.parametrize("name", [*NETWORKS, "embedding"])
def test_any_number_of_threads_gives_the_same_bits(name):
    rng = generator()
    x, t = rng.normal(size=(600, 64)).astype(np.float32), rng.normal(size=(600, 8)).astype(np.float32)
    if name == "embedding":
        x = rng.integers(0, 50, 600)
        network = nn.MLP.init(rng, (64, 256, 8), dtype=np.float32)
        network = nn.Sequential([nn.Embedding.init(rng, 50, 64, dtype=np.float32), network])
    else:
        network = nn.MLP.init(rng, (64, 128, 128, 8), dtype=np.float32, **NETWORKS[name])
    before, found = wg.get_threads(), []
    try:
        for threads in (1, 2, 3):
            wg.set_threads(threads)
            found.append(trained(network, x, t, batch_size=256))
    finally:
        wg.set_threads(before)
    assert same(found[0], found[1])
    assert same(found[0], found[2])


def test_the_last_minibatch_may_be_one_pattern():
    network = nn.MLP.init(generator(), (3, 4, 2), normalisation="batch")
    x = inputs(11)["numbers"]
    after = trained(network, x, T[:11])
    assert all(np.isfinite(a).all() for a in nn.state(after).values())


def programs(network):
    return Trainer(network, losses.mean_squared_error, optim.SGD(0.1), 4).programs


def test_networks_of_this_package_are_compiled_once():
    assert programs(every_layer()) is programs(nn.Dense.init(generator(), 2, 1, "elu(alpha=0.5)"))
    own = nn.Sequential([lambda a: a])
    assert programs(own) is not programs(own)
