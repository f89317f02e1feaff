"""Several files of text are read as one table would be, whatever each of them holds."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tests.data.test_agreement import same
from wengert import data
from wengert.data import _sources
from wengert.errors import DataError

ROWS = 4000
HEADER = "n,code,when,word,gaps,bars"


def lines():
    """Rows of which the first half would be read in another way than the second, or than the whole."""
    late = lambda i: i >= ROWS // 2
    for i in range(ROWS):
        yield (
            f"{i}.{i % 3},{'A' if late(i) and i % 7 == 0 else ''}{i % 50:03d},2024-01-{1 + i % 28:02d},"
            f"{'-' if not late(i) else ('red', '?', 'none', 'NA')[i % 4]},{'' if i % 5 else i},"
            f"{'?' if not late(i) else '2024-05-05'}"
        )


@pytest.fixture
def whole(tmp_path, monkeypatch):
    """The table in one file, beside the same in parts."""
    monkeypatch.chdir(tmp_path)
    rows = list(lines())
    Path("whole.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    Path("folder/later").mkdir(parents=True)
    middle = ROWS // 2
    Path("folder/1.csv").write_text("\n".join([HEADER, *rows[:middle]]) + "\n")
    turned = [",".join(line.split(",")[::-1]) for line in [HEADER, *rows[middle:]]]
    Path("folder/later/2.csv.gz").write_bytes(gzip.compress("\n".join(turned).encode()))
    for name in ("folder/_SUCCESS", "folder/README.txt", "folder/.3.csv"):
        Path(name).write_text("no data")
    return data.read_table("whole.csv")


PATTERN = "folder/**/*.csv*"


@pytest.mark.parametrize("small", [0, 1 << 30], ids=["by DuckDB", "strictly"])
def test_one_table_in_several_files(whole, monkeypatch, small):
    monkeypatch.setattr(_sources, "SMALL", small)
    table = data.read_table(PATTERN)
    same(table, whole)
    assert [table.columns[name].text(ROWS - 1) for name in HEADER.split(",")][1:3] == ["049", "2024-01-24"]
    assert [type(column).__name__ for column in table.columns.values()] == [
        "Numbers", "Words", "Times", "Words", "Numbers", "Times",
    ]  # fmt: skip
    assert (table.source, table.head) == (PATTERN, "folder/1.csv:1")
    assert table.where(3) == "folder/1.csv:5"
    assert table.where(ROWS // 2 + 1) == "folder/later/2.csv.gz:3"
    assert table.cell("code", ROWS // 2 + 1) == "001"


def test_a_folder_is_all_its_files_of_data(whole):
    Path("folder/later/2.csv").write_bytes(gzip.decompress(Path("folder/later/2.csv.gz").read_bytes()))
    Path("folder/later/2.csv.gz").unlink()
    same(data.read_table("folder"), whole)


def test_queries_over_several_files(whole):
    query = "SELECT word, count(*) AS n, sum(n) AS total FROM data GROUP BY word ORDER BY word"
    same(data.read_table(PATTERN, query), data.read_table("whole.csv", query))


def test_json_lines_in_a_folder(tmp_path):
    for i in range(2):
        (tmp_path / f"{i}.jsonl").write_text(f'{{"x": {i}}}\n')
    assert data.read_table(str(tmp_path)).columns["x"].values.tolist() == [0, 1]


def test_other_columns_are_refused(whole):
    Path("folder/3.csv").write_text("n,code,when,word,gaps\n1,2,3,4,5\n")
    with pytest.raises(
        DataError, match=r"folder/3.csv:1: column 'bars' is in folder/1.csv and not in folder"
    ):
        data.read_table("folder/*.csv")


# --- block by block


@pytest.mark.parametrize("name", ["whole.csv", PATTERN])
@pytest.mark.parametrize("small", [0, 1 << 30], ids=["by DuckDB", "strictly"])
def test_blocks_are_the_table(whole, monkeypatch, small, name):
    monkeypatch.setattr(_sources, "SMALL", small)
    blocks = list(data.read_blocks(name, texts=["code", "word"], rows=700))
    assert sum(map(len, blocks)) == ROWS
    assert {len(block) for block in blocks} <= {700, ROWS % 700, ROWS // 2 % 700}
    for column in ("code", "word"):
        found = [block.columns[column].text(i) for block in blocks for i in range(len(block))]
        assert found == [whole.columns[column].text(i) for i in range(ROWS)]
    numbers = np.concatenate([block.columns["n"].values for block in blocks])
    np.testing.assert_array_equal(numbers, whole.columns["n"].values)
    assert blocks[-1].where(len(blocks[-1]) - 1) in ("whole.csv:4001", "folder/later/2.csv.gz:2001")


def test_what_is_ragged_is_told_before_anything_is_given(whole):
    with open("whole.csv", "a") as file:
        file.write("1,2\n")
    with pytest.raises(DataError, match=f"whole.csv:{ROWS + 2}: 2 cells where the header names 6 columns"):
        next(data.read_blocks("whole.csv", rows=10))


def test_texts_are_kept_as_they_are_written(whole):
    table = data.read_table("folder/1.csv", texts=["code", "when"])
    assert [table.columns[name].text(1) for name in ("code", "when")] == ["001", "2024-01-02"]
    assert isinstance(data.read_table("folder/1.csv").columns["code"], data.Numbers)
