import numpy as np
import pytest

from wengert import data
from wengert.errors import DataError


def classes(counts):
    values = np.repeat(np.arange(len(counts)), counts)
    return data.Target(("y",), "classification", tuple(map(str, range(len(counts)))), values, "text")


def test_parts_are_disjoint_complete_and_stratified():
    y = classes([100, 50, 10])
    parts = data.split(y, 0.1, 0.2, np.random.default_rng(0))
    everyone = np.concatenate([parts.training, parts.validation, parts.test])
    assert sorted(everyone) == list(range(160))
    assert np.bincount(y.values[parts.test]).tolist() == [20, 10, 2]
    assert np.bincount(y.values[parts.validation]).tolist() == [10, 5, 1]


def test_the_split_follows_the_seed():
    one, two, other = (data.split(classes([50, 50]), 0.1, 0.2, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(one.training, two.training)
    assert not np.array_equal(one.training, other.training)


def test_every_class_is_trained_on():
    for n in range(1, 12):
        parts = data.split(classes([20, n]), 0.3, 0.4, np.random.default_rng(n))
        assert {0, 1} == set(classes([20, n]).values[parts.training])


def test_parts_may_be_left_out():
    parts = data.split(classes([5, 5]), 0, 0, np.random.default_rng(0))
    assert (len(parts.training), len(parts.validation), len(parts.test)) == (10, 0, 0)


@pytest.mark.parametrize(
    ("validation", "test", "message"),
    [
        (0.5, 0.5, "validation fraction 0.5 and test fraction 0.5 leave too little for training"),
        (-0.1, 0.2, "validation fraction -0.1"),
        (
            0.1,
            0.2,
            r"a validation fraction of 0.1 leaves no row of 4 for the validation part; add rows, or write",
        ),
        (0, 0.1, r"a test fraction of 0.1 leaves no row of 4 .* write --test-fraction 0"),
    ],
)
def test_splits_that_are_refused(validation, test, message):
    with pytest.raises(DataError, match=message):
        data.split(classes([2, 2]), validation, test, np.random.default_rng(0))


# --- by group and by time


def grouped(groups, **columns):
    return data.Table.of_cells(
        "t.csv", ["g", *columns], [[str(g), *r] for g, *r in zip(groups, *columns.values())]
    )


def test_no_group_is_in_two_parts():
    groups = np.random.default_rng(0).integers(0, 50, 1000)
    parts = data.split_by_group(grouped(groups), "g", 0.1, 0.2, np.random.default_rng(0))
    of = [set(groups[part]) for part in (parts.training, parts.validation, parts.test)]
    assert not of[0] & of[1] and not of[1] & of[2] and not of[0] & of[2]
    assert sorted(np.concatenate([parts.training, parts.validation, parts.test])) == list(range(1000))
    assert abs(len(parts.test) - 200) < 30 and abs(len(parts.validation) - 100) < 30


def test_groups_are_dealt_out_by_the_seed():
    table = grouped(np.arange(100) // 5)
    one, two, other = (data.split_by_group(table, "g", 0.1, 0.2, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(one.test, two.test) and not np.array_equal(one.test, other.test)


@pytest.mark.parametrize(
    "written", [lambda i: f"{i}.5", lambda i: str(np.datetime64("2020-01-01") + np.timedelta64(i, "D"))]
)
def test_every_part_is_later_than_the_one_before(written):
    moments = np.random.default_rng(0).permutation(100) // 3
    parts = data.split_by_time(grouped([written(int(m)) for m in moments]), "g", 0.2, 0.2)
    assert moments[parts.training].max() < moments[parts.validation].min()
    assert moments[parts.validation].max() < moments[parts.test].min()
    assert len(parts.training) + len(parts.validation) + len(parts.test) == 100
    assert abs(len(parts.test) - 20) <= 3


def test_parts_by_time_may_be_left_out():
    parts = data.split_by_time(grouped(range(10)), "g", 0, 0)
    assert (len(parts.training), len(parts.validation), len(parts.test)) == (10, 0, 0)


def test_gaps_are_refused():
    for split in (lambda t: data.split_by_time(t, "g", 0.1, 0.1),
                  lambda t: data.split_by_group(t, "g", 0.1, 0.1, np.random.default_rng(0))):  # fmt: skip
        with pytest.raises(DataError, match=r"t.csv:4: 'g' is blank, and rows are split by it; fill it in"):
            split(grouped([1, 2, "", 3]))
