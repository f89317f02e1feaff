"""One network in training: whatever the rule, the steps are those of the rule itself."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import wengert as wg
from tests.train.helpers import X, Y, network
from wengert import losses, nn, optim
from wengert.core import tree
from wengert.errors import DivergenceError
from wengert.train import Trainer

SGD = optim.SGD(0.05)
RULES = {
    "sgd": SGD,
    "momentum": optim.Momentum(0.05),
    "nesterov": optim.Nesterov(0.05),
    "delta-bar-delta": optim.DeltaBarDelta(0.05),
    "rprop": optim.Rprop(0.05),
    "adagrad": optim.AdaGrad(0.05),
    "rmsprop": optim.RMSProp(0.05),
    "centred": optim.CentredRMSProp(0.05),
    "adam": optim.Adam(0.05),
    "adamw": optim.AdamW(0.05),
    "nadam": optim.Nadam(0.05),
    "weight decay": optim.WeightDecay(optim.Adam(0.05), 0.1),
    "l1": optim.L1(SGD, 0.1),
    "l2": optim.L2(SGD, 0.1),
    "clipped": optim.ClipValues(SGD, 0.1),
    "polyak": optim.PolyakAverage(SGD),
    "cosine": optim.SGD(optim.Cosine(0.05, steps=20)),
    "inverse scaling": optim.SGD(optim.InverseScaling(0.05)),
    "function": optim.SGD(lambda steps: 0.05 / (1 + steps)),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_steps_are_those_of_the_rule(rule):
    start = network()

    def error_of(parameters, batch):
        return losses.mean_squared_error(nn.replaced(start, parameters)(X[batch]), Y[batch])

    trainer = Trainer(start, losses.mean_squared_error, rule, 8)
    parameters = nn.parameters(start)
    state, orders = rule.init(parameters), np.stack([np.arange(20), np.arange(20)[::-1]])
    for order in orders:
        for batch in (order[:8], order[8:16], order[16:]):
            gradients = wg.grad(error_of)(parameters, batch)
            parameters, state = rule.update(gradients, state, parameters)
    trainer.run_epochs((X, Y), orders)
    for name, w in nn.parameters(trainer.network).items():
        np.testing.assert_allclose(w, parameters[name], rtol=1e-9, atol=1e-12)
    assert (trainer.steps, trainer.epochs) == (6, 2)


# ----------------------------------------------------------------------------------------- memory


ADAM = optim.Adam(0.05)
SIZES = {"small": (2, 5, 1), "large": (2, 300, 450, 1)}


def copies(tree_):
    return [np.copy(leaf) for leaf in tree.flatten(tree_)[0]]


def unchanged(tree_, before):
    return all(np.array_equal(a, b) for a, b in zip(tree.flatten(tree_)[0], before, strict=True))


def trainer_of(rule=ADAM, sizes=SIZES["small"], batch_size=8):
    start = nn.MLP.init(np.random.default_rng(0), sizes, "tanh")
    return Trainer(start, losses.mean_squared_error, rule, batch_size)


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("at_a_time", [8, 1 << 20])
def test_networks_stay_and_the_state_is_changed_in_place(sizes, at_a_time):
    trainer = trainer_of(sizes=sizes)
    trainer.at_a_time = at_a_time
    networks = [trainer.network]
    kept = [copies(trainer.network)]
    places = [id(leaf) for leaf in tree.flatten(trainer.carry[1])[0] if np.ndim(leaf)]
    for _ in range(4):
        trainer.epoch((X, Y), np.arange(20))
        networks.append(trainer.network)
        kept.append(copies(trainer.network))
        assert [id(leaf) for leaf in tree.flatten(trainer.carry[1])[0] if np.ndim(leaf)] == places
    assert all(unchanged(network, before) for network, before in zip(networks, kept, strict=True))
    assert not unchanged(networks[0], kept[-1])


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_pieces_of_an_epoch_are_the_epoch(rule):
    found = []
    for at_a_time in (8, 1 << 20):
        trainer = trainer_of(rule, SIZES["large"])
        trainer.at_a_time = at_a_time
        errors = [trainer.epoch((X, Y), np.arange(20)) for _ in range(2)]
        found.append((errors, copies(trainer.carry)))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-12)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_a_carry_that_somebody_else_has_stays():
    trainer = trainer_of()
    trainer.epoch((X, Y), np.arange(20))
    trainer.keep()
    kept, before = trainer.carry, copies(trainer.carry)
    trainer.epoch((X, Y), np.arange(20))
    after = copies(trainer.carry)
    assert unchanged(kept, before)
    trainer.carry = kept
    trainer.epoch((X, Y), np.arange(20))
    assert unchanged(kept, before)
    assert unchanged(trainer.carry, after)


class Remembering:
    """A rule of somebody's own, which keeps the arrays that its state begins with."""

    def init(self, params):
        self.first = {name: np.ones_like(w) for name, w in params.items()}
        return {"mean": self.first, "start": params}

    def update(self, gradients, state, params):
        mean = {name: 0.9 * m + gradients[name] for name, m in state["mean"].items()}
        start = {name: 0.5 * w for name, w in state["start"].items()}
        return {name: w - 0.01 * mean[name] for name, w in params.items()}, {"mean": mean, "start": start}


@pytest.mark.parametrize("rule", [Remembering(), optim.PolyakAverage(Remembering())])
def test_arrays_of_a_rule_of_one_s_own_stay(rule):
    trainer = trainer_of(rule)
    start, before = trainer.network, copies(trainer.network)
    for _ in range(3):
        trainer.epoch((X, Y), np.arange(20))
    assert unchanged(start, before)
    assert all((m == 1).all() for m in getattr(rule, "rule", rule).first.values())


def test_averages_that_have_been_given_stay():
    trainer = trainer_of(optim.PolyakAverage(optim.SGD(0.05)))
    trainer.epoch((X, Y), np.arange(20))
    averaged, before = trainer.trained, copies(trainer.trained)
    trainer.epoch((X, Y), np.arange(20))
    assert unchanged(averaged, before)
    assert not unchanged(trainer.trained, before)


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_after_a_divergence_training_begins_anew(sizes):
    trainer = trainer_of(optim.Momentum(0.05), sizes)
    trainer.epoch((X, Y), np.arange(20))
    before = copies(trainer.network)
    with pytest.raises(DivergenceError):
        trainer.epoch((X, np.where(X[:, :1] > X[7, 0], np.inf, Y)), np.arange(20))
    assert unchanged(trainer.network, before)
    again = Trainer(trainer.network, losses.mean_squared_error, optim.Momentum(0.05), 8)
    assert trainer.epoch((X, Y), np.arange(20)) == again.epoch((X, Y), np.arange(20))
    assert unchanged(trainer.network, copies(again.network))


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_trainers_at_once(sizes):
    def train(_):
        trainer = trainer_of(sizes=sizes)
        for _ in range(5):
            trainer.epoch((X, Y), np.arange(20))
        return copies(trainer.carry)

    expected = train(0)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(train, range(8)):
            assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


# ------------------------------------------------------------------------------------ errors, outputs


def test_the_mean_error_is_of_the_patterns():
    trainer = Trainer(network(), losses.mean_squared_error, optim.SGD(1e-12), 7)
    assert trainer.epoch((X, Y), np.arange(60)) == pytest.approx(
        losses.mean_squared_error(network()(X), Y), rel=1e-9
    )


@pytest.mark.parametrize("count", [1, 60, 256, 257, 509, 512, 1000])
def test_outputs_and_errors_of_any_number_of_patterns(count):
    rows = np.random.default_rng(0).integers(0, 60, count)
    x, y = X[rows], Y[rows]
    trainer = Trainer(network(), losses.mean_squared_error, optim.Adam(), 32)
    np.testing.assert_allclose(trainer.outputs((x, y)), network()(x), rtol=1e-12)
    np.testing.assert_allclose(trainer.outputs((X, Y), rows), network()(x), rtol=1e-12)
    expected = losses.mean_squared_error(network()(x), y)
    assert trainer.error((x, y)) == pytest.approx(expected, rel=1e-12)
    assert trainer.error((X, Y), rows) == pytest.approx(expected, rel=1e-12)


def test_predictions_that_decide_by_values():
    def either(y, t):
        error = losses.mean_squared_error(y, t)
        return error if error > 0.1 else 2.0 * error

    x = np.tile(X, (10, 1))[:509]
    y = np.tile(Y, (10, 1))[:509]
    trainer = Trainer(network(), either, optim.Adam(), 32)
    parts = [slice(0, 256), slice(256, 509)]
    expected = sum(len(x[part]) * either(network()(x[part]), y[part]) for part in parts) / 509
    assert trainer.error((x, y)) == pytest.approx(expected, rel=1e-12)
