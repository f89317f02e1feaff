"""One table in every format reads the same; nothing is fetched, loaded or written."""

import gzip
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

from wengert import data
from wengert.data._database import connection
from wengert.errors import DataError

ROWS = 300


def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "whole": rng.integers(-300, 300, ROWS),
            "real": rng.normal(size=ROWS),
            "gaps": np.where(rng.random(ROWS) < 0.2, np.nan, rng.normal(size=ROWS)),
            "word": np.where(rng.random(ROWS) < 0.1, None, rng.choice(["red", "grün", "it's"], ROWS)),
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 10**6, ROWS), "min"),
            "true": rng.random(ROWS) < 0.5,
        }
    )


FRAME = frame()


def write_sqlite(path):
    with closing(sqlite3.connect(path)) as database:
        FRAME.assign(true=np.where(FRAME["true"], "true", "false")).to_sql("t", database, index=False)


def write_csv(path, **options):
    FRAME.assign(true=np.where(FRAME["true"], "true", "false")).to_csv(path, index=False, **options)


def write_parts(path):
    FRAME.assign(part=np.arange(ROWS) // 100).to_parquet(path, partition_cols=["part"])


WRITERS = {
    "t.csv": write_csv,
    "t.csv.gz": write_csv,
    "t.tsv": lambda path: write_csv(path, sep="\t"),
    "semicolons.csv": lambda path: write_csv(path, sep=";"),
    "bars.txt": lambda path: write_csv(path, sep="|"),
    "[t]*.csv": write_csv,
    "compressed.csv": lambda path: write_csv(path, compression="gzip"),
    "t.parquet": FRAME.to_parquet,
    "called.csv": FRAME.to_parquet,
    "folder": write_parts,
    "t.jsonl": lambda path: FRAME.to_json(path, orient="records", lines=True, date_format="iso"),
    "t.json": lambda path: FRAME.to_json(path, orient="records", date_format="iso"),
    "t.feather": FRAME.to_feather,
    "t.db": write_sqlite,
}


@pytest.fixture(params=WRITERS)
def table(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    WRITERS[request.param](request.param)
    return data.read_table(request.param)


def test_every_format_reads_the_same(table):
    assert len(table) == ROWS and set(table.names) - {"part"} == set(FRAME.columns)
    for name in ("whole", "real", "gaps"):
        np.testing.assert_allclose(data_of(table, name), FRAME[name], rtol=1e-9, atol=1e-9)
    word, true = table.columns["word"], table.columns["true"]
    assert [word.text(i) for i in range(ROWS)] == FRAME["word"].fillna("").tolist()
    assert [true.text(i) for i in range(ROWS)] == ["true" if t else "false" for t in FRAME["true"]]
    assert word.missing.tolist() == FRAME["word"].isna().tolist()
    fitted = data.Preprocessing.fit(table, ["when", "true", "word"])
    assert [e.kind for e in fitted.encoders] == ["date", "boolean", "category"]
    days = (FRAME["when"] - pd.Timestamp("1970-01-01")) / pd.Timedelta("1D")
    np.testing.assert_allclose(fitted.encoders[0].read(table), days)


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_in_blocks(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    WRITERS[name](name)
    whole, blocks = data.read_table(name), list(data.read_blocks(name, texts=["word", "true"], rows=77))
    assert [len(block) for block in blocks] == [77, 77, 77, 69]
    for column in ("whole", "real", "gaps"):
        found = np.concatenate([data_of(block, column) for block in blocks])
        np.testing.assert_array_equal(found, data_of(whole, column))
    for column in ("word", "true"):
        found = [block.columns[column].text(i) for block in blocks for i in range(len(block))]
        assert found == [whole.columns[column].text(i) for i in range(ROWS)]
    assert blocks[2].where(5) == whole.where(2 * 77 + 5)


def data_of(table, name):
    return table.columns[name].values


def test_several_parquet_files(tmp_path):
    for i in range(3):
        FRAME.to_parquet(tmp_path / f"part-{i}.parquet")
    assert len(data.read_table(str(tmp_path / "part-[01].parquet"))) == 2 * ROWS
    assert len(data.read_table(str(tmp_path))) == 3 * ROWS


def test_hive_folders_give_their_names_as_columns(tmp_path):
    write_parts(tmp_path / "t")
    part = data.read_table(str(tmp_path / "t")).columns["part"]
    assert part.values.tolist() == np.repeat([0, 1, 2], 100).tolist()


def test_arrays(tmp_path):
    x, words = np.random.default_rng(0).normal(size=(5, 3)), np.array(list("abaab"))
    np.savez(tmp_path / "t.npz", x=x, y=words, on=x[:, 0] > 0, day=np.arange(5).astype("M8[D]"))
    table = data.read_table(str(tmp_path / "t.npz"))
    assert table.names == ("x_0", "x_1", "x_2", "y", "on", "day")
    np.testing.assert_array_equal(data.numbers(table, ["x_0", "x_1", "x_2"]), x)
    assert [table.columns["y"].text(i) for i in range(5)] == list(words)
    assert table.columns["day"].text(2) == "1970-01-03"


@pytest.mark.skipif(os.name != "posix", reason="makes a named pipe")
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_pipes(tmp_path, name):
    WRITERS[name](tmp_path / name)
    code = "import sys; from wengert import data; t = data.read_table(sys.argv[1]); print(len(t), t.source)"
    with open(tmp_path / name, "rb") as file:
        out = subprocess.check_output([sys.executable, "-c", code, "-"], stdin=file, text=True)
    assert out == f"{ROWS} standard input\n"
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cp", str(tmp_path / name), str(tmp_path / "pipe")]):
        assert len(data.read_table(str(tmp_path / "pipe"))) == ROWS


def test_faults_in_a_pipe_are_told_by_line(tmp_path):
    code = "from wengert import data; data.read_table('-')"
    done = subprocess.run([sys.executable, "-c", code], input=b"a,b\n1,2\n3\n", capture_output=True)
    assert b"DataError: standard input:3: 1 cells where the header names 2 columns" in done.stderr


# --- queries


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "t.jsonl", "t.feather", "folder"])
def test_queries(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    WRITERS[name](name)
    table = data.read_table(
        name, "SELECT whole * 2 AS double, word FROM data WHERE whole > 0 ORDER BY whole, real"
    )
    wanted = FRAME[FRAME["whole"] > 0].sort_values(["whole", "real"])
    assert table.names == ("double", "word")
    assert table.columns["double"].values.tolist() == (wanted["whole"] * 2).tolist()


def test_missing_cells_are_null_in_queries(tmp_path):
    (tmp_path / "t.csv").write_text("x,w,d,whole\n1.5,a,2020-01-01,1\nNA,,,2\n-, none ,?,3e0\n")
    table = data.read_table(
        str(tmp_path / "t.csv"), "SELECT *, typeof(whole) AS type FROM data WHERE x IS NULL"
    )
    assert [table.columns["w"].text(i) for i in range(2)] == ["", "none"]
    assert table.columns["d"].missing.all() and table.columns["whole"].values.tolist() == [2, 3]
    assert table.columns["type"].labels == ("BIGINT",)


def test_queries_of_sqlite_are_its_own(tmp_path):
    write_sqlite(tmp_path / "t.db")
    table = data.read_table(
        str(tmp_path / "t.db"), "SELECT count(*) AS n, strftime('%Y', 'now') > '2000' AS late FROM t"
    )
    assert table.columns["n"].values.tolist() == [ROWS]


def test_queries_of_arrays(tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 2))
    np.savez(tmp_path / "t.npz", x=x, y=np.array(["a", "b"] * 25))
    table = data.read_table(str(tmp_path / "t.npz"), "SELECT x_0 + x_1 AS s FROM data WHERE y = 'b'")
    np.testing.assert_array_equal(table.columns["s"].values, x.sum(axis=1)[1::2])


def test_a_query_joins_other_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FRAME.to_parquet("a.parquet")
    FRAME.rename(columns={"real": "other"}).to_parquet("b.parquet")
    joined = data.read_table("a.parquet", "SELECT real, other FROM data POSITIONAL JOIN 'b.parquet'")
    np.testing.assert_array_equal(joined.columns["real"].values, joined.columns["other"].values)


def test_sqlite_is_opened_for_reading(tmp_path):
    path = tmp_path / "t.db"
    write_sqlite(path)
    before = path.read_bytes()
    for query in ("DROP TABLE t", "DELETE FROM t", "INSERT INTO t SELECT * FROM t"):
        with pytest.raises(DataError, match=r"readonly database|a query is one SELECT"):
            data.read_table(str(path), query)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["t.db"]


# --- what is asked of the system


def test_nothing_is_fetched_or_loaded(tmp_path, monkeypatch):
    """Neither the network nor an extension on this machine, even where a query asks for it."""
    monkeypatch.chdir(tmp_path)
    write_csv("t.csv")
    for query in (
        "FROM 'https://example.org/t.csv'",
        "FROM read_csv('s3://b/t.csv')",
        "FROM sqlite_scan('t.db', 't')",
    ):
        with pytest.raises(
            DataError, match=r"t.csv: the query fails \(.*\); mend it; nothing is read from the netw"
        ):
            data.read_table("t.csv", query)
    assert os.listdir(tmp_path) == ["t.csv"]


def test_duckdb_and_the_frames_come_when_they_are_needed():
    code = (
        "import sys, wengert, wengert.data as data; data.read_table('iris'); "
        "late = ('duckdb', 'narwhals', 'pandas', 'pyarrow', 'polars', 'sqlite3'); "
        "print([m for m in late if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


WITHOUT = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pandas", "pyarrow", "polars", "narwhals"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
from wengert import data
from wengert.errors import DataError

for name in sys.argv[1:]:
    try:
        print(len(data.read_table(name)), len(data.read_table(name, "FROM data WHERE whole > 0")))
    except DataError as error:
        print(error)
"""


def test_files_need_no_package_of_data_frames(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["t.csv", "t.parquet", "t.jsonl", "folder", "t.feather"]
    for name in names:
        WRITERS[name](name)
    lines = subprocess.check_output([sys.executable, "-c", WITHOUT, *names], text=True).splitlines()
    assert lines[:4] == [f"{ROWS} {(FRAME['whole'] > 0).sum()}"] * 4
    assert lines[4] == (
        "t.feather: reading Arrow files takes pyarrow; install it, or write the table as Parquet"
    )


def test_embedded_sets_take_queries():
    table = data.read_table("iris", "SELECT target, count(*) AS n FROM data GROUP BY target")
    assert sorted(table.columns["n"].values.tolist()) == [50, 50, 50]
    assert data.read_table("iris").source == "iris"


def test_nothing_and_lists_in_json(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({"a": i, "b": None, "c": [1]}) + "\n" for i in range(3)))
    table = data.read_table(str(path))
    assert isinstance(table.columns["c"], data.Opaque) and table.columns["b"].missing.all()


def test_a_huge_row_of_columns(tmp_path):
    path = tmp_path / "wide.csv.gz"
    names = ",".join(f"column {i}" for i in range(3000))
    path.write_bytes(gzip.compress(f"{names}\n{','.join(map(str, range(3000)))}\n".encode()))
    assert data.read_table(str(path)).columns["column 2999"].values.tolist() == [2999]


def test_json_lines_in_a_pipe_are_told_by_their_first_bytes(tmp_path):
    code = "from wengert import data; print(data.read_table('-').names)"
    for start in ("", "[", " \n[\n"):
        given = (
            f'{start}{{"x": 1, "y": "a"}}'
            + (", " if start else "\n")
            + '{"x": 2, "y": "b"}'
            + "]" * bool(start)
        )
        out = subprocess.check_output([sys.executable, "-c", code], input=given, text=True)
        assert out == "('x', 'y')\n"


def test_ctrl_c_in_duckdb_is_ctrl_c():
    with pytest.raises(KeyboardInterrupt), connection():
        raise RuntimeError("Query interrupted")  # what DuckDB makes of it
    with pytest.raises(RuntimeError, match="other"), connection():
        raise RuntimeError("other")
