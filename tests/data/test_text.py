import gzip

import numpy as np
import pytest

from wengert import data
from wengert.errors import DataError


@pytest.fixture
def table(tmp_path):
    """Write text or bytes to a file and read it as a table."""

    def read(content, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return data.read_csv(path, source=name)

    return read


def lines(table):
    return [int(table.where(row).rpartition(":")[2]) for row in range(len(table))]


def target(table, cells, **options):
    return data.read_target(table("y\n" + "\n".join(cells) + "\n"), "y", **options)


# --- reading


def test_a_plain_table(table):
    t = table('a, b ,"c,d"\n1,2,"x ""y"""\n3,4,z\n')
    assert t.names == ("a", "b", "c,d")
    assert t.columns["b"].values.tolist() == [2, 4]
    assert (t.columns["c,d"].labels, t.columns["c,d"].codes.tolist()) == (('x "y"', "z"), [0, 1])
    assert lines(t) == [2, 3]


def test_byte_order_mark_line_ends_and_blank_lines_are_passed_over(table):
    t = table(b"\xef\xbb\xbfa,b\r\n\r\n1,2\r\n\r\n3,4")
    assert t.names == ("a", "b")
    assert lines(t) == [3, 5]


def test_lines_are_counted_through_quoted_line_ends(table):
    assert lines(table('a,b\n"1\n2",3\n4,5\n')) == [2, 4]


def test_compressed_files(table):
    assert table(gzip.compress(b"a\n1\n"), "t.csv.gz").cell("a", 0) == "1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "t.csv: the file is empty; the first line must name the columns"),
        ("\n\n", "t.csv: the file is empty"),
        ("a,b\n", "t.csv: has a header but no rows; add rows below it"),
        ("a,b\n1,2\n3\n", "t.csv:3: 1 cells where the header names 2 columns; add or remove cells"),
        ("a,b\n1,2,3\n", "t.csv:2: 3 cells where the header names 2 columns"),
        ("a,,c\n1,2,3\n", "t.csv:1: column 2 has no name; name it, or delete the column"),
        ("a,b,a\n1,2,3\n", "t.csv:1: column 'a' appears more than once; give each column its own name"),
        ('a,b\n1,2\n"3,4\n', "t.csv:3: unexpected end of data; check the quotation marks from this line on"),
        (b"a,b\n1,2\n\xff,4\n", "t.csv:3: byte 0xff is not UTF-8 text; save the file as UTF-8"),
        ("a,b\n1,\0\n", "t.csv:2: contains a NUL character; this is not a CSV text file"),
        ("a\n" + "x" * 200_000 + "\n", "t.csv:2: field larger than field limit"),
    ],
)
def test_files_that_are_refused(table, content, message):
    with pytest.raises(DataError) as caught:
        table(content)
    assert str(caught.value).startswith(message)


def test_damaged_compression(table):
    with pytest.raises(DataError, match=r"t.csv.gz: damaged gzip file .*; compress it again"):
        table(gzip.compress(b"a\n1\n" * 1000)[:-9], "t.csv.gz")


def test_a_file_that_is_not_there():
    with pytest.raises(
        DataError, match=r"digit: no such file; did you mean 'digits'\? there are also the embedded"
    ):
        data.read_table("digit")


def test_a_folder(tmp_path):
    with pytest.raises(DataError, match="is a folder; name the CSV file in it"):
        data.read_table(str(tmp_path))


def test_embedded_names_come_before_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "iris").write_text("a,b\n1,2\n")
    assert len(data.read_table("iris")) == 150
    assert len(data.read_table("./iris")) == 1


# --- columns


def test_numbers(table):
    x = data.numbers(table("a,b\n 1 ,2e3\n-0.5,+4\n"), ["b", "a"])
    np.testing.assert_array_equal(x, [[2000, 1], [4, -0.5]])


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("x", "holds 'x', which is not a number; correct it, or encode or delete the column"),
        ("3,5", "holds '3,5', which is not a number; write it with a decimal point"),
        ("1_000", "holds '1_000', which is not a number"),
        ("", "is blank; fill in a number, or delete the row or the column"),
        ("  ", "is blank"),
        ("NA", "has a missing value, 'NA'; fill in a number"),
        ("nan", "has a missing value, 'nan'"),
        ("?", "has a missing value, '?'"),
        ("-inf", "holds '-inf', which is not finite; write a finite number, or delete the row"),
        ("1e999", "holds '1e999', which is not finite"),
    ],
)
def test_cells_that_are_refused(table, cell, what):
    with pytest.raises(DataError) as caught:
        data.numbers(table(f'a,width\n1,2\n3,"{cell}"\n5,6\n'), ["a", "width"])
    assert str(caught.value).startswith(f"t.csv:3: column 'width' {what}")


def test_absent_columns_are_named_with_the_likeliest(table):
    with pytest.raises(
        DataError, match=r"t.csv:1: no column 'widht', 'x'; did you mean 'width'\? the file has"
    ):
        data.numbers(table("a,width\n1,2\n"), ["widht", "x"])


# --- target


@pytest.mark.parametrize(
    ("cells", "task", "classes"),
    [
        (["b", "a", "b"], "classification", ("a", "b")),
        (["true", "false"], "classification", ("false", "true")),
        (["1", "0", "1"], "classification", ("0", "1")),
        (["10", "9.0", "9", "10"], "classification", ("9", "10")),
        (["0.5", "1"], "regression", ()),
        ([str(i % 20) for i in range(100)], "classification", tuple(map(str, range(20)))),
        ([str(i % 21) for i in range(1000)], "regression", ()),
        ([str(i % 5) for i in range(20)], "regression", ()),
    ],
)
def test_the_task_is_inferred(table, cells, task, classes):
    found = target(table, cells)
    assert (found.task, found.classes) == (task, classes)


def test_the_task_can_be_told(table):
    assert target(table, ["1", "0"], task="regression").values.tolist() == [1.0, 0.0]
    assert target(table, ["1.5", "0.5"], task="classification").classes == ("0.5", "1.5")


def test_class_indices_follow_the_classes(table):
    assert target(table, ["b", "a", "c", "a"]).values.tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize(
    ("cells", "options", "message"),
    [
        (["a", "a"], {}, "t.csv: target 'y' has one class only, 'a'; classification needs at least two"),
        (["1", "1.0"], {}, "t.csv: target 'y' has one class only, '1'"),
        (["2.5", "2.5"], {}, "t.csv: target 'y' is 2.5 in every row; there is nothing to learn"),
        (["1", "x", "2"], {}, "t.csv:3: target 'y' holds 'x' among numbers; correct it, or say that"),
        (["1", "x"], {"task": "regression"}, "t.csv:3: column 'y' holds 'x', which is not a number"),
    ],
)
def test_targets_that_are_refused(table, cells, options, message):
    with pytest.raises(DataError) as caught:
        target(table, cells, **options)
    assert str(caught.value).startswith(message)


def test_a_blank_target(table):
    with pytest.raises(DataError, match=r"t.csv:3: target 'y' is blank; fill it in, or delete the row"):
        data.read_target(table("x,y\n1,a\n2, \n3,b\n"), "y")


def test_an_unknown_class(table):
    with pytest.raises(
        DataError, match=r"t.csv:3: target 'y' holds the unknown class 'rde'; did you mean 'red'"
    ):
        data.class_indices(table("y\nred\nrde\n"), ["y"], ("green", "red"))


# --- splitting and scaling


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


def test_standardisation():
    x = np.random.default_rng(0).normal(5, 3, (100, 2))
    scale = data.Standardiser.fit(x)
    np.testing.assert_allclose(scale(x).mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scale(x).std(axis=0), 1)
    np.testing.assert_allclose(scale.inverse(scale(x)), x)


def test_constant_columns_become_zero():
    x = np.full((10, 1), 0.1)
    assert np.all(data.Standardiser.fit(x)(x) == 0)


def test_numbers_too_large_to_average():
    with pytest.raises(DataError, match="too large to average; rescale"):
        data.Standardiser.fit(np.array([[1e308], [-1e308], [1e308]]))
