import pytest

from wengert._refusals import choice, named, require


def test_what_holds_is_not_refused():
    require(1 < 2, "1 is not below 2")
    with pytest.raises(ValueError, match=r"^2 is not below 1$"):
        require(2 < 1, "2 is not below 1")


def test_a_name_stands_for_what_the_table_has():
    assert named("function", "tanh", {"tanh": 1, "relu": 2}) == 1
    with pytest.raises(
        ValueError, match=r"^unknown function 'thanh'; did you mean 'tanh'\? Choose one of tanh, relu$"
    ):
        named("function", "thanh", {"tanh": 1, "relu": 2})


def test_a_name_that_resembles_none_is_not_guessed_at():
    assert choice("x", ["tanh", "relu"]) == "choose one of tanh, relu"
