"""What schedules promise, beside the numbers of other packages in test_peers.py."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

import wengert as wg
from wengert import optim

SCHEDULES = [
    optim.Constant(0.1),
    optim.StepDecay(0.1, 7, 0.5),
    optim.Milestones(0.1, (5, 30), 0.3),
    optim.Exponential(0.1, 0.97),
    optim.InverseScaling(0.1, 0.4),
    optim.InverseTime(0.1, 0.2),
    optim.Cosine(0.1, 40, 0.01),
    optim.CosineRestarts(0.1, 10),
    optim.CosineRestarts(0.1, 8, growth=1.5),
    optim.OneCycle(0.1, 60),
    optim.WarmUp(optim.Cosine(0.1, 40), 10),
    optim.PerEpoch(optim.Exponential(0.1, 0.5), 13),
    optim.Adaptive(0.1),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_in_native_code_steps_and_numbers_are_arguments(schedule):
    rate = wg.jit(lambda schedule, steps: schedule(steps))
    found = [rate(schedule, t) for t in range(70)]
    np.testing.assert_allclose(found, [schedule(t) for t in range(70)], rtol=1e-12, atol=1e-17)


def test_inverse_scaling_by_hand():
    schedule = optim.InverseScaling(0.3, 0.25)
    assert schedule(15) == pytest.approx(0.15)
    assert schedule(0) == 0.3


def test_restarts_that_grow_by_less_than_two():
    """Falls of 8, 12 and 18 steps: each begins at the full rate and is half over in its middle."""
    schedule = optim.CosineRestarts(1.0, 8, growth=1.5)
    assert [schedule(t) for t in (0, 8, 20, 38)] == pytest.approx([1, 1, 1, 1])
    assert [schedule(t) for t in (4, 14, 29)] == pytest.approx([0.5, 0.5, 0.5])
    assert schedule(19.999999) == pytest.approx(0, abs=1e-9)


def test_any_function_and_any_dataclass_is_a_schedule():
    @dataclass(frozen=True)
    class Falling:
        rate: float

        def __call__(self, steps):
            return self.rate / (1 + steps)

    for schedule in (lambda steps: 0.1 / (1 + steps), Falling(0.1)):
        rule, w = optim.SGD(schedule), np.array([0.0])
        state = rule.init(w)
        for _ in range(3):
            w, state = rule.update(np.array([-1.0]), state, w)
        np.testing.assert_allclose(w, 0.1 * (1 + 1 / 2 + 1 / 3))
        assert rule.kind == optim.SGD(optim.Called(schedule))


@pytest.mark.parametrize("given", ["0.1", None, 0.1j, np.ones(3), [0.1]], ids=repr)
def test_a_function_that_gives_no_number_is_refused(given):
    rule = optim.Adam(lambda steps: given)
    with pytest.raises(ValueError, match=r"the schedule <lambda> gives .*; return one real number, such as"):
        rule.update(np.ones(2), rule.init(np.ones(2)), np.ones(2))
    with pytest.raises(ValueError, match="the schedule <lambda> gives"):
        wg.jit(optim.Called(lambda steps: given))(np.int64(3))


def judged(schedule, errors):
    """The rate after each epoch."""
    found = []
    for error in errors:
        schedule = schedule.after_epoch(error)
        found.append(schedule.rate)
    return found


def test_adaptive_rate():
    errors = [5, 4, 4, 4.5, 3.9, 3.95, 3.9, 3.95, 3]
    assert judged(optim.Adaptive(1.0), errors) == [1, 1, 1, 0.2, 0.2, 0.2, 0.04, 0.04, 0.04]
    assert judged(optim.Adaptive(1.0, divisor=2.0, patience=1, tol=0.5), [5, 4.6, 4, 3.9]) == [
        1,
        0.5,
        0.5,
        0.25,
    ]
    assert judged(optim.Adaptive(1.0, patience=1), [math.nan, math.nan]) == [1, 1]


def test_an_exhausted_rate_stays():
    schedule = optim.Adaptive(2e-6, patience=1).after_epoch(1.0).after_epoch(1.0)
    assert schedule.rate == 4e-7
    assert not schedule.is_exhausted
    again = schedule.after_epoch(1.0)
    assert again.rate == 4e-7
    assert again.is_exhausted
    assert not again.after_epoch(0.5).is_exhausted


def test_an_adaptive_rate_after_a_warm_up():
    schedule = optim.WarmUp(optim.Adaptive(1.0, patience=1, lowest=0.5), 10).after_epoch(1.0).after_epoch(1.0)
    assert schedule(100) == 0.2
    assert schedule.after_epoch(1.0).is_exhausted


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.Constant(0.0), "rate must be positive, not 0.0"),
        (lambda: optim.StepDecay(0.1, 0), "every must be at least 1, not 0"),
        (lambda: optim.StepDecay(0.1, 5, 0.0), "factor must be positive, not 0.0"),
        (lambda: optim.Milestones(0.1, ()), "at is empty; name at least one step, or write a plain rate"),
        (lambda: optim.Exponential(-0.1, 0.5), "rate must be positive, not -0.1"),
        (lambda: optim.InverseScaling(0.1, -1.0), "power must be at least 0, not -1.0"),
        (lambda: optim.InverseTime(0.1, -1.0), "decay must be at least 0, not -1.0"),
        (lambda: optim.Cosine(0.1, 10, -0.1), "lowest must be at least 0, not -0.1"),
        (lambda: optim.CosineRestarts(0.1, 10, 0.5), "growth must be at least 1, not 0.5"),
        (lambda: optim.OneCycle(0.1, 3), "rise must leave more than one step for the rise"),
        (lambda: optim.WarmUp(0.1, 10, 2.0), "start must be from 0 to 1, not 2.0"),
        (lambda: optim.WarmUp(0.0, 10), "rate must be positive, not 0.0"),
        (lambda: optim.PerEpoch(0.1, 0), "steps must be at least 1, not 0"),
        (lambda: optim.Adaptive(0.1, divisor=1.0), "divisor must be above 1, not 1.0"),
        (lambda: optim.Adaptive(0.1, patience=0), "patience must be at least 1, not 0"),
    ],
)
def test_settings_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("errors", [[1.0] * 12, [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]])
@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: optim.WarmUp(s, 2)], ids=["plain", "warm-up"])
def test_a_rate_is_steady_for_as_many_epochs_as_are_said(wrap, errors):
    schedule = wrap(optim.Adaptive(1.0, patience=3))
    for first in range(len(errors)):
        now, least = schedule, schedule.steady_epochs
        for error in errors[first : first + least - 1]:
            now = now.after_epoch(error)
        assert float(now(99)) == float(schedule(99))
        schedule = schedule.after_epoch(errors[first])


def test_what_judges_epochs_in_its_own_way_is_asked_after_each():
    class Own(optim.Constant):
        def after_epoch(self, error):
            return optim.Constant(self.rate / 2)

    assert Own(0.1).steady_epochs == 1
    assert optim.Constant(0.1).steady_epochs == math.inf
