import gzip

import pytest

from wengert import data
from wengert.errors import DataError


def lines(table):
    return [int(table.where(row).rpartition(":")[2]) for row in range(len(table))]


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
    with pytest.raises(
        DataError, match="is a folder without files of data; name one with CSV or Parquet files"
    ):
        data.read_table(str(tmp_path))


def test_embedded_names_come_before_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "iris").write_text("a,b\n1,2\n")
    assert len(data.read_table("iris")) == 150
    assert len(data.read_table("./iris")) == 1
