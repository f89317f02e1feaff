"""Hashes of rows: equal where the rows are."""

import duckdb
import numpy as np

from wengert import data
from wengert.data import fingerprint, row_hashes

rng = np.random.default_rng(0)
ROWS = 20_000


def of(*columns):
    return row_hashes(columns, np.arange(len(columns[0])))


def test_coarse_numbers_have_hashes_of_their_own():
    """In double precision numbers such as 0.5 and 1.5 differ in the first bits alone."""
    cells = rng.integers(0, 400, (ROWS, 6)) + 0.5
    cells[100] = cells[200]
    different = len(np.unique(cells, axis=0))
    assert different == ROWS - 1
    assert len(np.unique(of(*map(data.Numbers, cells.T)))) == different


def test_whatever_holds_a_number_gives_its_hash():
    values = rng.integers(0, 100, 50)
    kinds = (np.uint8, np.int8, np.int16, np.int64, np.float32, np.float64)
    hashes = {of(data.Numbers(values.astype(kind))).tobytes() for kind in kinds}
    assert len(hashes) == 1
    signed = data.Numbers(np.array([-3, 5], np.int8))
    assert (of(signed) == of(data.Numbers(np.array([-3.0, 5.0])))).all()
    assert len({*of(data.Numbers(np.array([0.0, -0.0, np.nan, -np.nan])))}) == 2


def test_words_count_by_their_letters_and_columns_by_their_place():
    one = data.Words(("a", "b"), np.array([0, 1, -1], np.int32))
    other = data.Words(("b", "a"), np.array([1, 0, -1], np.int32))
    assert (of(one) == of(other)).all()
    assert len({*of(one)}) == 3
    assert not (of(one, data.Numbers(np.arange(3))) == of(data.Numbers(np.arange(3)), one)).any()


def test_a_row_has_one_hash_wherever_it_stands():
    columns = [data.Numbers(rng.normal(size=ROWS)), data.Numbers(rng.integers(0, 9, ROWS).astype(np.uint8))]
    some = rng.permutation(ROWS)[:17_000]
    assert (row_hashes(columns, some) == of(*columns)[some]).all()


def test_a_file_has_one_fingerprint_in_every_format(tmp_path):
    lines = [
        f"{i},{i / 3:.4f},town {i % 40},{np.datetime64('2024-01-01') + np.timedelta64(i, 'D')}"
        for i in range(5000)
    ]
    (tmp_path / "t.csv").write_text("n,x,town,day\n" + "\n".join(lines) + "\n")
    duckdb.sql(f"COPY (FROM '{tmp_path}/t.csv') TO '{tmp_path}/t.parquet'")
    tables = [data.read_table(f"{tmp_path}/t.{ending}") for ending in ("csv", "parquet")]
    first, second = (fingerprint(of(*table.columns.values())) for table in tables)
    assert first == second
    assert fingerprint(of(*tables[0].columns.values())[::-1]) != first
