"""Options in words, and what is made of them."""

import dataclasses

import pytest

from wengert import losses, optim
from wengert._jobs import wording
from wengert._jobs.options import ALL_LOSSES, Options, losses_for, optimiser_of, schedule_of
from wengert.errors import SettingError


def test_every_rule_schedule_and_loss_has_its_name():
    assert set(wording.OPTIMISERS) >= {"sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adam", "nadam"}
    assert set(wording.SCHEDULES) >= {
        "cosine",
        "stepdecay",
        "exponential",
        "onecycle",
        "adaptive",
        "milestones",
    }
    unsuited = {"gaussian_nll", "poisson_of_rates", "hinge", "multiclass_hinge"}
    assert set(ALL_LOSSES) == set(losses.LOSSES) - unsuited
    tasks = [("regression", ()), ("multi-label", "ab"), ("classification", "ab"), ("classification", "abc")]
    assert set(ALL_LOSSES) == {name for task in tasks for name in losses_for(*task)}
    assert "rule" not in wording.OPTIMISERS and "schedule" not in wording.SCHEDULES


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("relu", ("relu", [], {})),
        (" adam ( b1 = 0.8 ) ", ("adam", [], {"b1": 0.8})),
        ("l2(1e-3)", ("l2", [1e-3], {})),
        ("milestones(at=[1,2])", ("milestones", [], {"at": (1, 2)})),
        ("x(-1, name='a,b')", ("x", [-1], {"name": "a,b"})),
    ],
)
def test_a_name_with_options(text, parts):
    assert wording.parsed("--x", text) == parts


@pytest.mark.parametrize(
    "text", ["", "1", "a b", "a(", "a.b(1)", "a(b)", "a(f(1))", "a(**{})", "a(__import__('os'))", "(" * 300]
)
def test_nothing_else_is_read(text):
    with pytest.raises(SettingError, match=r"is no name with options; write for instance|got an unexpected"):
        wording.made("--x", text, {"a": optim.Adam})


def test_lists():
    assert wording.parts("relu, leaky_relu(slope=0.2,x=1),tanh") == [
        "relu", "leaky_relu(slope=0.2,x=1)", "tanh",
    ]  # fmt: skip
    assert wording.numbers("--dropout", "0.1,.5") == [0.1, 0.5]
    assert wording.weights("--w", "a=1,b=c=2.5") == {"a": 1.0, "b=c": 2.5}
    assert wording.weights("--w", "balanced") == "balanced"


# --- epochs and steps


def rate(options, steps, after):
    schedule = schedule_of(options, steps)
    return float(schedule(after)) if callable(schedule) else schedule


def test_schedules_count_epochs():
    options = Options(learning_rate=1.0, epochs=10)
    assert schedule_of(options, 7) == 1.0
    decay = dataclasses.replace(options, schedule="stepdecay(every=2,factor=0.5)")
    assert [rate(decay, 7, t) for t in (0, 13, 14, 28)] == [1.0, 1.0, 0.5, 0.25]
    cosine = dataclasses.replace(options, schedule="cosine")
    assert rate(cosine, 7, 35) == pytest.approx(0.5)
    assert rate(cosine, 7, 70) == pytest.approx(0.0)
    assert rate(dataclasses.replace(options, schedule="cosine(steps=5)"), 7, 35) == pytest.approx(0.0)
    assert rate(dataclasses.replace(options, schedule="cosine(5)"), 7, 35) == pytest.approx(0.0)
    warm = dataclasses.replace(options, warm_up=2)
    assert rate(warm, 7, 7) == pytest.approx(0.5)
    assert rate(warm, 7, 20) == 1.0


def test_what_is_around_a_rule():
    plain = optimiser_of(Options(), 1)
    assert plain == optim.WeightDecay(optim.Adam(0.002), 0.1)
    clipped = optimiser_of(Options(optimiser="nadam(b1=0.8)", clip_norm=2.0, weight_decay=0.0), 1)
    assert clipped == optim.WeightDecay(optim.ClipNorm(optim.Nadam(0.002, b1=0.8), 2.0), 0.0)


def test_losses_go_with_tasks():
    assert set(losses_for("classification", ("a", "b"))) == {"binary_cross_entropy", "binary_focal"}
    assert set(losses_for("classification", ("a", "b", "c"))) >= {"softmax_cross_entropy", "focal"}
    numbers = losses_for("regression", ())
    assert numbers["poisson"][0] == "count" and numbers["huber"][0] == "number"
