"""What the training benchmark trains: data, arithmetic, NumPy by hand, and that the packages agree."""

from dataclasses import replace

import _trainers as trainers
import numpy as np
import pytest
from _networks import SIX, WIDE, Network, data, weights

FEW = Network((3, 4, 3), 5)
KINDS = [
    FEW,
    Network((3, 4, 5, 3), 6, "tanh"),
    Network((3, 4, 3), 5, "logistic"),
    Network((3, 4, 2), 5, "tanh", "squares", dtype="float64"),
    Network((3, 4, 1), 5, "tanh", "squares", "sgd"),
    Network((3, 4, 3), 5, rule="momentum", dtype="float64"),
]


def test_an_epoch_visits_every_pattern_once():
    x, t, order = data(FEW, 7)
    assert x.shape == (35, 3) and t.shape == (35,)
    np.testing.assert_array_equal(np.sort(order, axis=None), np.arange(35))


def test_targets_in_one_of_k_coding():
    given = data(FEW, 7)
    np.testing.assert_array_equal(np.argmax(given.one_of_k, axis=1), given.t)
    assert given.one_of_k.sum() == 35


def test_operations_of_a_step():
    assert FEW.operations == 2 * 5 * (2 * 3 * 4 + 3 * 4 * 3)
    assert FEW.parameters == 3 * 4 + 4 + 4 * 3 + 3


def test_names_tell_networks_apart():
    names = [network.name for network in (*SIX, *WIDE)]
    assert len(set(names)) == len(names) - 1  # the usual minibatch of 64 stands among the others too
    assert FEW.name == "3-4-3, 5"


@pytest.mark.parametrize("network", KINDS, ids=lambda network: network.name)
def test_gradient_by_hand_is_the_quotient_of_differences(network):
    network = replace(network, dtype="float64")
    given = data(network, 1)
    hand = trainers.ByHand(network, given, weights(network))
    t = given.t if network.error == "squares" else given.one_of_k

    def error(vector):
        hand.vector[...] = vector
        return hand.error(hand.forward(given.x)[-1], t)[0]

    start = hand.vector.copy()
    activations = hand.forward(given.x)
    hand.backward(activations, hand.error(activations.pop(), t)[1])
    steps = 1e-6 * np.eye(len(start))
    numerical = [(error(start + step) - error(start - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(hand.gradient, numerical, atol=1e-8)


@pytest.mark.parametrize("network", KINDS, ids=lambda network: network.name)
@pytest.mark.parametrize("name", ["scikit-learn", "JAX step", "JAX scan", "fit", "scan"])
def test_packages_train_alike(name, network):
    package = {"scikit-learn": "sklearn", "JAX step": "jax", "JAX scan": "jax"}.get(name, "wengert")
    pytest.importorskip(package)
    if package == "jax" and network.dtype == "float64":
        pytest.skip("would switch the whole process to float64")
    given, first = data(network, 6), weights(network)
    expected = np.asarray(list(trainers.ByHand(network, given, first)()))
    trainer = {**trainers.PEERS, **trainers.OURS}[name](network, given, first)
    errors = np.asarray(trainer.errors(6) if hasattr(trainer, "errors") else [float(e) for e in trainer()])
    if len(errors) == 1:
        expected = np.mean(expected, keepdims=True)
    np.testing.assert_allclose(errors, expected, rtol=1e-4 if network.dtype == "float32" else 1e-7)
