import pytest

from wengert.train import Epoch
from wengert.train._stopping import Criterion, Standing


def after(values, **criterion):
    epochs = [Epoch(i + 1, 9.0, value) for i, value in enumerate(values)]
    return Standing(Criterion(**criterion)).after_all(epochs)


@pytest.mark.parametrize(
    ("values", "criterion", "best", "waited"),
    [
        ([3, 2, 1], {}, 3, 0),
        ([1, 2, 3], {}, 1, 2),
        ([3, 2.9, 2.8], {"tolerance": 0.5}, 3, 2),
        ([3, 2.9, 2], {"tolerance": 0.5}, 3, 0),
        ([3, None, 4, None], {}, 1, 1),
        ([0.1, 0.5, 0.4], {"mode": "max"}, 2, 1),
        ([1, 1, 1], {}, 1, 2),
        ([None, None], {}, 0, 0),
    ],
)
def test_standings(values, criterion, best, waited):
    standing = after(values, **criterion)
    assert (standing.best_epoch, standing.waited) == (best, waited)


def test_too_many_looks_without_an_improvement():
    assert not after([1, 2], patience=2).is_over
    assert after([1, 2, 3], patience=2).is_over
    assert not after([1, 2, 3]).is_over


def test_what_is_watched():
    epoch = Epoch(1, 2.0, 3.0, {"accuracy": 0.5})
    values = [Criterion(monitor, mode).value(epoch) for monitor in ("training", "validation", "accuracy")
              for mode in ("min", "max")]  # fmt: skip
    assert values == [2, -2, 3, -3, 0.5, -0.5]
    assert Criterion("accuracy").value(Epoch(1, 2.0)) is None
