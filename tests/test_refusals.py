import inspect
import re
from functools import partial

import numpy as np
import pytest

from wengert import losses, nn, optim
from wengert._refusals import (
    choice,
    counted,
    did_you_mean,
    named,
    require,
    require_at_least,
    require_positive,
)


def test_what_holds_is_not_refused():
    require(1 < 2, "1 is not below 2")
    with pytest.raises(ValueError, match=r"^2 is not below 1$"):
        require(2 < 1, "2 is not below 1")


def test_numbers_are_refused_by_their_names():
    require_positive(rate=0.1, factor=2)
    require_at_least(1, steps=1, every=3)
    with pytest.raises(ValueError, match=r"^factor must be positive, not 0$"):
        require_positive(rate=0.1, factor=0)
    with pytest.raises(ValueError, match=r"^every must be at least 1, not 0$"):
        require_at_least(1, steps=1, every=0)


@pytest.mark.parametrize("refuse", [require_positive, partial(require_at_least, 0)])
def test_what_is_no_number_is_refused(refuse):
    with pytest.raises(ValueError, match="not nan"):
        refuse(rate=float("nan"))


def test_a_name_stands_for_what_the_table_has():
    assert named("function", "tanh", {"tanh": 1, "relu": 2}) == 1
    with pytest.raises(
        ValueError, match=r"^unknown function 'thanh'; did you mean 'tanh'\? Choose one of tanh, relu$"
    ):
        named("function", "thanh", {"tanh": 1, "relu": 2})


def test_a_name_that_resembles_none_is_not_guessed_at():
    assert choice("x", ["tanh", "relu"]) == "choose one of tanh, relu"


def test_the_nearest_name_is_asked_for():
    assert did_you_mean("epoch", ["hidden", "epochs"]) == "did you mean 'epochs'?"
    assert did_you_mean("epoch", ["epochs"], show=str.upper) == "did you mean EPOCHS?"
    assert did_you_mean("colour", ["hidden", "epochs"]) == ""


def test_one_has_no_plural():
    assert [counted(n, "row") for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]


# --- what constructors are given ----------------------------------------------------------------------------

RNG = np.random.default_rng(0)
DENSE = nn.Dense(np.ones((3, 2)), None, nn.tanh)
RULE, RATE = optim.Adam(), {"rate": 0.1}
# A constructor, what it needs, and the parameters of it that are no numbers.
MADE = {
    **{
        name: (getattr(optim, name), {}) for name in ("SGD", "Momentum", "Nesterov", "DeltaBarDelta", "Rprop")
    },
    **{name: (getattr(optim, name), {}) for name in ("AdaGrad", "RMSProp", "Adam", "AdamW", "Nadam")},
    **{name: (getattr(optim, name), {}) for name in ("LBFGS", "ConjugateGradients", "LevenbergMarquardt")},
    "WeightDecay": (optim.WeightDecay, {"rule": RULE, "decay": 0.1}),
    "L1": (optim.L1, {"rule": RULE, "strength": 0.1}),
    "L2": (optim.L2, {"rule": RULE, "strength": 0.1}),
    "ClipNorm": (optim.ClipNorm, {"rule": RULE, "limit": 1.0}),
    "ClipValues": (optim.ClipValues, {"rule": RULE, "limit": 1.0}),
    "MovingAverage": (optim.MovingAverage, {"rule": RULE}),
    "StepDecay": (optim.StepDecay, RATE | {"every": 3}),
    "Milestones": (optim.Milestones, RATE | {"at": (3,)}),
    "Exponential": (optim.Exponential, RATE | {"factor": 0.9}),
    "Cosine": (optim.Cosine, RATE | {"steps": 10}),
    "OneCycle": (optim.OneCycle, {"highest": 0.1, "steps": 10}),
    "WarmUp": (optim.WarmUp, {"schedule": 0.1, "steps": 10}),
    "Huber": (losses.Huber, {}),
    "Focal": (losses.Focal, {}),
    "Quantile": (losses.Quantile, {}),
    "L1 penalty": (losses.L1, {"strength": 0.1}),
    "ElasticNet": (losses.ElasticNet, {"strength": 0.1}),
    "Dropout": (nn.Dropout, {}),
    "Dense": (nn.Dense.init, {"rng": RNG, "inputs": 3, "units": 2}),
    "MLP": (nn.MLP.init, {"rng": RNG, "sizes": (3, 4, 2)}),
    "BatchNorm": (nn.BatchNorm.init, {"units": 2}),
    "LayerNorm": (nn.LayerNorm.init, {"units": 2}),
    "Embedding": (nn.Embedding.init, {"rng": RNG, "categories": 5, "units": 2}),
    "PReLU": (nn.PReLU.init, {}),
    "Function": (nn.Function, {"function": "relu"}),
    "linear_regression": (nn.linear_regression, {"inputs": 3}),
}
FUNCTIONS = {"activation", "initialiser", "function", "output", "learning_rate", "biases", "schedule"}
WRONG = [
    (name, parameter, wrong)
    for name, (make, _) in MADE.items()
    for parameter in inspect.signature(make).parameters
    for wrong in ("nonsense", 1j, object)
    if not (callable(wrong) and parameter in FUNCTIONS)
]


@pytest.mark.parametrize(("name", "parameter", "wrong"), WRONG)
def test_what_is_no_such_thing_is_named_with_its_value(name, parameter, wrong):
    make, given = MADE[name]
    make(**given)
    with pytest.raises((TypeError, ValueError)) as caught:
        make(**given | {parameter: wrong})
    message = str(caught.value)
    assert repr(wrong) in message
    assert re.search(r"must be|choose one of|is a|goes around|give", message)


@pytest.mark.parametrize("wrong", [0, None, "seed"])
@pytest.mark.parametrize("name", ["Dense", "MLP", "Embedding"])
def test_a_seed_is_no_generator(name, wrong):
    make, given = MADE[name]
    with pytest.raises(TypeError, match=rf"rng must be a generator .*default_rng\(0\), not {wrong!r}"):
        make(**given | {"rng": wrong})


def test_booleans_are_no_numbers():
    with pytest.raises(TypeError, match="learning_rate must be a positive number, not True"):
        optim.Adam(True)
    with pytest.raises(TypeError, match="nesterov must be True or False, not 1"):
        optim.SGD(0.1, 0.9, nesterov=1)


def test_numbers_of_numpy_are_numbers():
    optim.Adam(np.float32(0.1), b1=np.float64(0.5))
    optim.SGD(np.array(0.1))
    nn.Dense.init(RNG, np.int64(3), np.int32(2))


def test_names_of_activations_are_looked_up_in_every_layer():
    assert nn.Dense(np.ones((3, 2)), None, "tanh") == DENSE
