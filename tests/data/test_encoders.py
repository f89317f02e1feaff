"""Encoders against scikit-learn's, and what they do with what they have never seen."""

import json

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from wengert import data
from wengert.data._kinds import Seen
from wengert.errors import DataError

rng = np.random.default_rng(0)


def column(values):
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        return data.Numbers(values)
    cells = [["" if v is None else str(v)] for v in values]
    return data.Table.of_cells("t.csv", ["c"], cells).columns["c"]


def table(values, name="t.csv"):
    return data.Table(name, {"c": column(values)})


def fitted(encoder, values, rows=None):
    held = table(values)
    return encoder.fit(Seen(held, "c", np.arange(len(held)) if rows is None else rows))


def encoded(encoder, values):
    return encoder.apply(encoder.read(table(values)))


NUMBERS = rng.normal(5, 3, 100)
HOLES = np.where(np.arange(100) % 7 == 0, np.nan, NUMBERS)
WORDS = list(rng.choice(["red", "green", "blue"], 100))
GAPS = [None if i % 9 == 0 else w for i, w in enumerate(WORDS)]
TRUTHS = ["yes" if i % 3 else "no" for i in range(100)]
DATES = [str(np.datetime64("2019-12-31") + np.timedelta64(11 * i, "D")) for i in range(100)]
TIMES = [str(np.datetime64("2019-12-31T05:30") + np.timedelta64(517 * i, "m")) for i in range(100)]

EXAMPLES = {
    "number": (data.Number, NUMBERS),
    "whole number": (data.Number, np.arange(100, dtype=np.uint8)),
    "number with gaps": (data.Number, HOLES),
    "boolean": (data.Boolean, TRUTHS),
    "boolean with gaps": (data.Boolean, [None, *TRUTHS]),
    "category": (data.Category, WORDS),
    "category with gaps": (data.Category, GAPS),
    "category of numbers": (data.Category, rng.integers(0, 5, 100)),
    "embedding": (data.Embedding, WORDS),
    "embedding with gaps": (data.Embedding, GAPS),
    "date": (data.Date, DATES),
    "date and time": (data.Date, TIMES),
    "date with gaps": (data.Date, [None, *DATES]),
}


@pytest.fixture(params=EXAMPLES, ids=str)
def example(request):
    kind, values = EXAMPLES[request.param]
    if request.param == "category of numbers":
        values = [f"{v}" for v in values] + ["x"]
    return fitted(kind, values), values


def test_as_many_features_as_names(example):
    encoder, values = example
    assert encoded(encoder, values).shape == (len(values), len(encoder.features))
    assert len(set(encoder.features)) == len(encoder.features)
    assert np.isfinite(encoded(encoder, values)).all()


def test_the_state_is_json_and_numbers(example):
    encoder, values = example
    description, numbers = encoder.state()
    again = type(encoder).from_state(json.loads(json.dumps(description)), np.array(numbers, float).tolist())
    assert again == encoder
    np.testing.assert_array_equal(encoded(again, values), encoded(encoder, values))


def test_rows_are_encoded_one_by_one(example):
    encoder, values = example
    for i in (0, 1, len(values) - 1):
        np.testing.assert_array_equal(encoded(encoder, values[i : i + 1])[0], encoded(encoder, values)[i])


def test_what_it_was_fitted_on_is_no_surprise(example):
    encoder, values = example
    assert list(map(str, encoder.surprises(table(values)))) == []


def test_a_row_with_nothing_is_encoded(example):
    encoder, _ = example
    assert np.isfinite(encoded(encoder, [None])).all()
    missing = list(map(str, encoder.surprises(table([None]))))
    assert bool(missing) == (encoder.missing == 0 and encoder.kind != "embedding")


def test_numbers_are_standardised_as_scikit_learn_does():
    rows = np.arange(60)
    ours = encoded(fitted(data.Number, NUMBERS, rows), NUMBERS)
    theirs = StandardScaler().fit(NUMBERS[rows, None]).transform(NUMBERS[:, None])
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_missing_numbers_are_the_mean_with_an_indicator():
    encoder = fitted(data.Number, HOLES)
    x = encoded(encoder, HOLES)
    lacking = np.isnan(HOLES)
    np.testing.assert_array_equal(x[:, 1], lacking)
    assert (x[lacking, 0] == 0).all()
    np.testing.assert_allclose(x[~lacking, 0].mean(), 0, atol=1e-12)
    assert encoder.describe().startswith("number, 15 missing → mean and indicator, standardised by ")


def test_infinite_numbers_are_missing_ones():
    values = np.array([1.0, np.inf, 3.0, -np.inf])
    encoder = fitted(data.Number, values)
    assert (encoder.mean, encoder.missing, encoder.infinite) == (2, 2, 2)
    assert "4 missing" not in encoder.describe() and "2 missing (2 infinite)" in encoder.describe()
    np.testing.assert_array_equal(encoded(encoder, values), [[-1, 0], [0, 1], [1, 0], [0, 1]])


def test_a_constant_number_is_zero():
    assert (encoded(fitted(data.Number, np.full(5, 0.1)), np.full(5, 0.1)) == 0).all()


@pytest.mark.parametrize("values", [WORDS, [f"{w} town" for w in WORDS]])
def test_categories_are_one_hot_as_in_scikit_learn(values):
    rows = np.arange(50)
    ours = encoded(fitted(data.Category, values, rows), values)
    theirs = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    np.testing.assert_array_equal(
        ours, theirs.fit(np.array(values)[rows, None]).transform(np.array(values)[:, None])
    )


def test_words_never_seen_are_zeros_and_told():
    encoder = fitted(data.Category, WORDS)
    np.testing.assert_array_equal(encoded(encoder, ["pink", "blue"]), [[0, 0, 0], [1, 0, 0]])
    told = list(map(str, encoder.surprises(table(["pink", "blue", "pink", "mauve"]))))
    assert told == ["c: 'mauve', 'pink' in 3 rows, never in training; zeros instead"]


def test_missing_words_have_a_place_of_their_own_or_are_the_most_frequent():
    np.testing.assert_array_equal(encoded(fitted(data.Category, GAPS), [None]), [[0, 0, 0, 1]])
    encoder = fitted(data.Category, ["a", "b", "b"])
    np.testing.assert_array_equal(encoded(encoder, [None]), [[0, 1]])
    assert list(map(str, encoder.surprises(table([None])))) == [
        "c: missing in 1 row and never in training; 'b' instead"
    ]


def test_vectors_are_numbered_from_one():
    encoder = fitted(data.Embedding, ["b", "a", "c", "a"])
    assert encoded(encoder, ["a", "b", "c", "d", None]).ravel().tolist() == [1, 2, 3, 0, 0]
    assert (encoder.categories, encoder.units) == (4, 3)
    assert list(map(str, encoder.surprises(table(["d"])))) == [
        "c: 'd' in 1 row, never in training; the vector for these instead"
    ]


def test_categories_that_are_numbers_are_found_among_numbers():
    encoder = fitted(data.Category, ["1", "2", "x"])
    np.testing.assert_array_equal(encoded(encoder, np.array([2.0, 1.0])), [[0, 1, 0], [1, 0, 0]])


def test_truths_in_any_spelling():
    encoder = fitted(data.Boolean, TRUTHS)
    assert encoded(encoder, ["YES", "no", "true", "False"]).ravel().tolist() == [1, -1, 1, -1]
    assert encoded(encoder, np.array([1, 0])).ravel().tolist() == [1, -1]
    assert encoded(encoder, [None]).tolist() == [[1]]


def test_dates_have_a_trend_and_the_cycles_they_pass_through():
    encoder = fitted(data.Date, DATES)
    assert encoder.features == (
        "c",
        "c sine of week",
        "c cosine of week",
        "c sine of year",
        "c cosine of year",
    )
    x = encoded(encoder, DATES)
    np.testing.assert_allclose([x[:, 0].mean(), x[:, 0].std()], [0, 1], atol=1e-12)
    np.testing.assert_allclose(x[:, 1] ** 2 + x[:, 2] ** 2, 1)
    week_later = [str(np.datetime64(d) + np.timedelta64(7, "D")) for d in DATES]
    np.testing.assert_allclose(encoded(encoder, week_later)[:, 1:3], x[:, 1:3], atol=1e-9)
    assert fitted(data.Date, DATES[:1] * 3).features == ("c",)
    assert "c sine of day" in fitted(data.Date, TIMES).features


@pytest.mark.parametrize(
    ("kind", "values", "wrong", "message"),
    [
        (data.Number, NUMBERS, ["1", "x"], "t.csv: row 2: column 'c' holds 'x', which is not a number"),
        (
            data.Number,
            NUMBERS,
            ["2020-01-01"],
            "t.csv: row 1: column 'c' holds '2020-01-01', which is not a number",
        ),
        (
            data.Boolean,
            TRUTHS,
            ["yes", "perhaps"],
            "t.csv: row 2: column 'c' holds 'perhaps'; write yes or no",
        ),
        (
            data.Date,
            DATES,
            ["2020-01-01", "soon"],
            "t.csv: row 2: column 'c' holds 'soon', which is not a date",
        ),
        (
            data.Date,
            DATES,
            np.array([np.nan, 3.0]),
            "t.csv: row 2: column 'c' holds '3', which is not a date",
        ),
    ],
)
def test_what_is_refused(kind, values, wrong, message):
    with pytest.raises(DataError) as caught:
        encoded(fitted(kind, values), wrong)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("kind", "description", "numbers"),
    [
        (data.Date, {"cycles": ["moon"]}, [0.0, 1.0]),
        (data.Date, {"cycles": []}, [0.0, 0.0]),
        (data.Number, {"infinite": 0}, [0.0, 0.0]),
        (data.Number, {"infinite": 0}, [np.inf, 1.0]),
        (data.Number, {"infinite": 0}, [1.0]),
        (data.Category, {"labels": ["a"]}, [1.0]),
        (data.Category, {"labels": []}, [0.0]),
    ],
)
def test_states_that_are_none(kind, description, numbers):
    with pytest.raises(ValueError, match=r"the state of a \w+ is not one|unpack"):
        kind.from_state({"column": "c", "missing": 0, **description}, numbers)


def test_numbers_newly_missing_are_told():
    encoder = fitted(data.Number, NUMBERS)
    told = list(map(str, encoder.surprises(table(np.array([np.nan, 1.0, np.inf])))))
    assert told == ["c: missing or infinite in 2 rows and never in training; the mean instead"]
