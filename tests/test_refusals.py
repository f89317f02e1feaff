from functools import partial

import pytest

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
