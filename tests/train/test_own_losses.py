"""What an error of the user's own is refused for as it is recorded, and what it is not."""

import inspect
import re
from dataclasses import dataclass

import numpy as np
import pytest

import wengert as wg
from tests.train.helpers import X, Y, network, same, squares
from wengert import losses, optim
from wengert.errors import DerivativeError, MismatchError
from wengert.train import fit

FLAT = Y[:, 0]
OPTIMISERS = {"minibatches": optim.Adam(0.01), "whole": optim.LBFGS()}


def trained(loss, t=Y, **options):
    return fit(network(), loss, X, t, **{"epochs": 2, "progress": False} | options)


def unpaired(y, t):
    return np.mean(np.square(y - t))


def unpaired_far_away(y, t):
    p = 1 / (1 + np.exp(-2 * y))
    return np.mean(np.where(t > 0, p, 1 - p))


def unpaired_weights(y, t, weights):
    return np.sum(weights * np.square(y - t)) / np.sum(weights)


def line_of(function, offset):
    return f"test_own_losses.py:{inspect.getsourcelines(function)[1] + offset}: "


@pytest.mark.parametrize("optimiser", OPTIMISERS.values(), ids=OPTIMISERS)
@pytest.mark.parametrize("loss, offset", [(unpaired, 1), (unpaired_far_away, 2)])
def test_rows_that_broadcast_against_each_other_are_refused(loss, offset, optimiser):
    count = 32 if optimiser is OPTIMISERS["minibatches"] else 60
    message = (
        f"{line_of(loss, offset)}outputs of shape ({count}, 1) and targets or weights of shape ({count},)"
    )
    with pytest.raises(MismatchError, match=re.escape(message)) as caught:
        trained(loss, FLAT, optimiser=optimiser)
    assert f"broadcast to ({count}, {count})" in str(caught.value) and "t[:, None]" in str(caught.value)


def test_so_are_weights_beside_errors():
    with pytest.raises(MismatchError, match=re.escape(line_of(unpaired_weights, 1))):
        trained(unpaired_weights, sample_weight=np.ones(60))


@dataclass(frozen=True)
class Flat:
    """A linear unit with one number for each pattern."""

    weights: np.ndarray

    def __call__(self, x):
        return x @ self.weights


def test_and_outputs_without_an_axis_beside_targets_with_one():
    with pytest.raises(MismatchError, match=re.escape("Write y[:, None] for the outputs y")):
        fit(Flat(np.ones(2)), unpaired, X, Y)


def test_and_in_the_estimators():
    def loss(y, t, weights):
        return np.mean(weights * np.square(y - t))

    for solver in ("adam", "lbfgs"):
        regressor = wg.MLPRegressor(hidden_layer_sizes=4, loss=loss, solver=solver, max_iter=2)
        with pytest.raises(MismatchError, match="targets or weights of shape"):
            regressor.fit(X, FLAT, sample_weight=np.ones(60))


def ranking(y, t):
    """Every pair of patterns, on purpose."""
    gaps, wanted = y - y.T, t - t.T
    return np.mean(np.logaddexp(0, -gaps * np.sign(wanted)))


def every_target(y, t):
    """The distance of every output from every target, on purpose."""
    return np.mean(np.min(np.square(y - t[:, 0][None, :]), axis=1))


def one_for_all(y, t):
    """Several predictions of one target."""
    return np.mean(np.abs(np.concatenate([y, 2 * y], axis=1) - t))


@pytest.mark.parametrize("loss", [ranking, every_target, one_for_all, squares])
def test_what_is_meant_is_not_refused(loss):
    assert trained(loss).epochs == 2


def test_looking_changes_no_number():
    assert same(
        trained(lambda y, t: np.mean(np.square(y - t))).network, trained(losses.mean_squared_error).network
    )


def without_outputs(y, t):
    return np.mean(np.square(t))


def a_number(y, t):
    return 1.0


def by_steps(y, t):
    return np.mean(np.round(y) != t)


def by_a_count(y, t):
    return np.sum(np.argmax(y, axis=1)) + 0.0


@pytest.mark.parametrize("optimiser", OPTIMISERS.values(), ids=OPTIMISERS)
@pytest.mark.parametrize("loss", [without_outputs, a_number])
def test_an_error_that_does_not_depend_on_the_outputs_is_refused(loss, optimiser):
    message = f"{line_of(loss, 0)}the loss {loss.__name__} does not depend on the outputs"
    with pytest.raises(DerivativeError, match=re.escape(message)):
        trained(loss, optimiser=optimiser)


@pytest.mark.parametrize("loss", [by_steps, by_a_count])
def test_so_is_one_without_a_derivative(loss):
    message = f"{line_of(loss, 0)}the loss {loss.__name__} depends on the outputs by steps alone"
    with pytest.raises(DerivativeError, match=re.escape(message)):
        trained(loss)


def test_but_not_where_another_way_through_the_code_has_one():
    def loss(y, t):
        return np.mean(np.square(y - t)) if np.mean(t) > 0.1 else 0.0

    assert trained(loss, np.abs(Y), epochs=3).curve.training[-1] > 0


GIVES = {
    "an array of shape (32,)": lambda y, t: np.square(y - t)[:, 0],
    "an array of shape (1,)": lambda y, t: np.mean(np.square(y - t), axis=0),
    "a tuple": lambda y, t: (np.mean(y - t), 1),
    "a NoneType": lambda y, t: None,
}


@pytest.mark.parametrize("what", GIVES)
def test_an_error_that_is_not_one_number_is_refused(what):
    with pytest.raises(DerivativeError, match=re.escape(f"the loss <lambda> gives {what}")):
        trained(GIVES[what])


class Own:
    """An object that is an error."""

    def __call__(self, y, t):
        return np.mean(t)


def test_an_object_has_the_name_of_its_class():
    message = f"{line_of(Own.__call__, 0)}the loss Own does not depend"
    with pytest.raises(DerivativeError, match=re.escape(message)):
        trained(Own())


def test_what_takes_no_outputs_and_targets_is_refused():
    with pytest.raises(ValueError, match=re.escape("abs does not take outputs and targets; write it as")):
        trained(abs)
    with pytest.raises(ValueError, match="the loss is the class Huber; give one of its objects"):
        trained(losses.Huber)
