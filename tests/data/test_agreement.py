"""What DuckDB reads is what the strict reader reads, or else DuckDB gives up."""

import csv
import gzip
import io

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wengert.data import Numbers, Words, read_csv
from wengert.data._database import read_text
from wengert.data._text import open_text_file, read_strictly
from wengert.errors import DataError

NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(repr),
    st.sampled_from(
        ["", "NA", "-", " 1", "2 ", "+3", "1_000", "0x1f", "1e5", ".5", "5.", "1e400", "-0.0", "inf", "٣"]
    ),
)
TEXTS = st.text(st.sampled_from("ab ,;\t|\"'\n\r1._-/:é€😀#\\"), max_size=6)
DATES = st.datetimes().map(str) | st.dates().map(str) | st.just("2020-02-30")
CELLS = [NUMBERS, st.integers(0, 9).map(str), TEXTS, DATES, st.sampled_from(["yes", "no"])]


@st.composite
def tables(draw):
    """Rows of cells, most of them of one kind down a column."""
    kinds = draw(st.lists(st.sampled_from(CELLS), min_size=2, max_size=4))
    rows = [[draw(kind) for kind in kinds] for _ in range(draw(st.integers(1, 6)))]
    return [[f"column {i}" for i in range(len(kinds))], *rows]


def written(rows, **dialect):
    buffer = io.StringIO(newline="")
    csv.writer(buffer, **{"lineterminator": "\n", **dialect}).writerows(rows)
    return buffer.getvalue().encode()


def both(path, content):
    path.write_bytes(content)
    text = open_text_file(path, "t.csv")
    return read_text(text), next(read_strictly(text))


def same(one, other):
    assert one.names == other.names
    for name in one.names:
        a, b = one.columns[name], other.columns[name]
        assert type(a) is type(b), (name, a, b)
        if isinstance(a, Words):
            assert [a.text(i) for i in range(len(a))] == [b.text(i) for i in range(len(b))]
            np.testing.assert_array_equal(a.missing, b.missing)
        else:
            np.testing.assert_array_equal(a.values, b.values)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("agreement") / "t.csv"


@settings(max_examples=150, deadline=None)
@given(rows=tables(), ends=st.sampled_from(["\n", "\r\n"]), mark=st.sampled_from(",;\t|"))
def test_both_readers_agree_on_what_is_well_written(path, rows, ends, mark):
    try:
        fast, strict = both(path, written(rows, lineterminator=ends, delimiter=mark))
    except DataError:  # a row of blank cells, or another separator that divides better
        return
    if fast is not None:
        same(fast, strict)


@settings(max_examples=150, deadline=None)
@given(body=st.lists(st.text(st.sampled_from('12.,,,"ab \n\r'), max_size=30), max_size=4).map("\n".join))
def test_both_readers_agree_on_anything(path, body):
    path.write_bytes(b"x,y\n" + body.encode())
    try:
        text = open_text_file(path, "t.csv")
        strict = next(read_strictly(text))
    except DataError:
        return
    if (fast := read_text(text)) is not None:
        same(fast, strict)


def test_duckdb_reads_what_is_plain(path):
    fast, strict = both(path, b"a,b\n1,x\n2,y\n")
    same(fast, strict)


def test_a_column_that_ends_in_words_is_read_again(path):
    rows = "".join(f"{i},{i}\n" for i in range(5000))
    fast, strict = both(path, f"a,b\n{rows}x,7\n".encode())
    assert isinstance(fast.columns["a"], Words) and isinstance(fast.columns["b"], Numbers)
    same(fast, strict)


def test_names_that_look_like_patterns(path):
    for name in ("[a]*?.csv", "it's.csv", "a{b,c}.csv"):
        fast, strict = both(path.with_name(name), b"a,b\n1,x\n2,y\n")
        same(fast, strict)


@pytest.mark.parametrize("cell", ["1_0", "x" * 200_000])
def test_what_duckdb_would_take(path, cell):
    """Underscores in numbers, and cells of any size."""
    rows = "".join(f"{i},{i}\n" for i in range(2000))
    path.write_bytes(f"a,b\n{rows}{cell},7\n".encode())
    if len(cell) > 10:
        with pytest.raises(DataError, match=r"t.csv:2002: field larger than field limit"):
            read_csv(path, "t.csv")
    else:
        assert isinstance(read_csv(path, "t.csv").columns["a"], Words)


@pytest.mark.parametrize("compressed", [False, True])
def test_pandas_and_polars_read_the_same(tmp_path, compressed):
    rng = np.random.default_rng(0)
    rows = 5000
    frame = pd.DataFrame(
        {
            "whole": rng.integers(-40_000, 40_000, rows),
            "small": rng.integers(0, 2, rows),
            "real": rng.normal(size=rows) * 10.0 ** rng.integers(-300, 300, rows),
            "gaps": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
            "word": rng.choice(["red", "grün", 'say "hi"', "a,b", " x"], rows),
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 10**6, rows), "min"),
        }
    )
    content = frame.to_csv(index=False).encode()
    path = tmp_path / ("t.csv.gz" if compressed else "t.csv")
    path.write_bytes(gzip.compress(content) if compressed else content)
    table = read_csv(path)
    again, other = pd.read_csv(io.BytesIO(content)), pl.read_csv(content)
    for name in ("whole", "small", "real", "gaps"):
        np.testing.assert_array_equal(table.columns[name].values, again[name].to_numpy())
        np.testing.assert_array_equal(table.columns[name].values, other[name].cast(pl.Float64).to_numpy())
    word = table.columns["word"]
    assert [word.text(i) for i in range(rows)] == [w.strip() for w in frame["word"]]
    np.testing.assert_array_equal(
        table.columns["when"].values, frame["when"].to_numpy().astype("datetime64[us]")
    )
    assert table.columns["whole"].values.dtype == np.int32 and table.columns["small"].values.dtype == np.uint8
