"""Two hundred ways in which files go wrong, each with the message that it must end with."""

import gzip
import io
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather

from wengert import models, nn
from wengert.data import Preprocessing, Standardiser, Table


class Case(NamedTuple):
    """A command in a folder with these files, and how its one line of error begins."""

    name: str
    files: dict[str, bytes]
    arguments: list[str]
    message: str


ROWS = 60
GOOD = "x,color,target\n" + "".join(
    f"{i}.5,{'red' if i % 3 else 'blue'},{'ab'[i % 2]}\n" for i in range(ROWS)
)
LONG = 30_000


def training(name: str, content: bytes | str, message: str, file: str = "t.csv", *options: str) -> Case:
    """A file that cannot be trained on."""
    data = content.encode() if isinstance(content, str) else content
    return Case(name, {file: data}, ["train", file, *options], message)


def lines(count: int = ROWS, mark: str = ",") -> list[str]:
    """A good file line by line."""
    return ["x,y,target".replace(",", mark)] + [
        f"{i},{i * i}.5,{'ab'[i % 2]}".replace(",", mark) for i in range(count)
    ]


def with_line(number: int, line: str, count: int = ROWS, mark: str = ",") -> str:
    """A good file but for one line, counted from 1."""
    found = lines(count, mark)
    found[number - 1] = line
    return "\n".join(found) + "\n"


# ---------------------------------------------------------------------------------------------- shape


def ragged() -> Iterator[Case]:
    for mark, word in ((",", "comma"), (";", "semicolon"), ("\t", "tab"), ("|", "bar")):
        for cells, line in ((2, f"1{mark}2"), (4, f"1{mark}2{mark}a{mark}"), (1, "1")):
            for at in (ROWS // 2, ROWS + 1):
                message = rf"t.csv:{at}: {cells} cells where the header names 3 columns; add or remove cells"
                yield training(f"{cells} cells at {at}, {word}", with_line(at, line, mark=mark), message)
    for at in (2, LONG // 2, LONG + 1):
        message = f"t.csv:{at}: 2 cells where the header names 3 columns"
        yield training(f"ragged far down at {at}", with_line(at, "1,2", LONG), message)
    yield training("ragged in tsv", "a\ttarget\n1\tb\n2\n", "t.tsv:3: 1 cells where the header", "t.tsv")
    content = gzip.compress(with_line(9, "1,2").encode())
    yield training("ragged in gzip", content, "t.csv.gz:9: 2 cells", "t.csv.gz")
    yield training("ragged after a quoted line end", 'a,target\n"1\n2",b\n3\n', "t.csv:4: 1 cells")


def encodings() -> Iterator[Case]:
    not_utf8 = "is not UTF-8 text; save the file as UTF-8"
    for at in (1, 2, ROWS + 1, LONG):
        content = with_line(at, "caf\xe9,1,a", LONG).encode("latin-1")
        yield training(f"latin-1 at {at}", content, rf"t.csv:{at}: byte 0xe9 {not_utf8}")
    for name, wrong in {
        "cp1252 quotes": b"\x93hi\x94", "overlong": b"\xc0\xaf", "surrogate": b"\xed\xa0\x80",
        "lone tail": b"\x80", "beyond": b"\xf5\x80\x80\x80", "cut in a line": b"\xe2\x82,",
        "shift-jis": "日本".encode("shift-jis"),
    }.items():  # fmt: skip
        content = GOOD.encode() + wrong + b",red,a\n"
        yield training(name, content, rf"t.csv:{ROWS + 2}: byte 0x{wrong[0]:02x} {not_utf8}")
    yield training("cut character", GOOD.encode() + b"1,\xe2\x82", rf"t.csv:{ROWS + 2}: byte 0xe2 {not_utf8}")
    yield training("UTF-16", GOOD.encode("utf-16"), "t.csv:1: is UTF-16 text; save the file as UTF-8")
    big = b"\xfe\xff" + GOOD.encode("utf-16-be")
    yield training("UTF-16 big", big, "t.csv:1: is UTF-16 text; save the file as UTF-8")
    yield training("UTF-16 without mark", GOOD.encode("utf-16-le"), "t.csv:1: contains a NUL character")
    mixed = GOOD.encode() + "é,red,a\n".encode() + "é,red,a\n".encode("latin-1")
    yield training("two encodings", mixed, rf"t.csv:{ROWS + 3}: byte 0xe9 {not_utf8}")
    yield training("latin-1 in gzip", gzip.compress(mixed), rf"t.csv.gz:{ROWS + 3}: byte 0xe9", "t.csv.gz")
    yield training(
        "two marks", b"\xef\xbb\xbf" * 2 + GOOD.encode(), "t.csv:1: column 1 begins with a byte order mark"
    )
    joined = GOOD.encode() + b"\xef\xbb\xbf" + GOOD.encode()
    yield training("two files joined", joined, rf"t.csv:{ROWS + 2}: column 'x' holds '.ufeffx' among numbers")


def quotes() -> Iterator[Case]:
    for at in (2, ROWS, ROWS + 1):
        content = with_line(at, '1,"2,a')
        yield training(
            f"quote never closed at {at}", content, rf"t.csv:{at}: unexpected end of data; check the quot"
        )
        content = with_line(at, '1,"2"3,a')
        yield training(
            f"text behind a quote at {at}", content, rf"t.csv:{at}: ',' expected after '\"'; check"
        )
    yield training("quote far down", with_line(LONG, '1,"2"3,a', LONG), rf"t.csv:{LONG}: ',' expected after")
    yield training("quoted header never closed", '"x,target\n1,a\n', "t.csv:1: unexpected end of data")
    yield training(
        "quote in gzip", gzip.compress(b'x,target\n1,"a\n'), "t.csv.gz:2: unexpected end", "t.csv.gz"
    )


def nul() -> Iterator[Case]:
    message = "contains a NUL character; this is not a CSV text file"
    for at in (1, 2, ROWS + 1, LONG):
        yield training(f"NUL at {at}", with_line(at, "1,\0,a", LONG), f"t.csv:{at}: {message}")
    yield training("NULs alone", bytes(100), f"t.csv:1: {message}")
    yield training("zeros behind", GOOD.encode() + bytes(4096), f"t.csv:{ROWS + 2}: {message}")
    yield training("NUL in gzip", gzip.compress(b"x,target\n\0,a\n"), f"t.csv.gz:2: {message}", "t.csv.gz")
    yield training("an executable", b"\x7fELF\x02\x01\x01" + bytes(60), f"t.csv:1: {message}")
    yield training("a picture", b"\x89PNG\r\n\x1a\n" + bytes(60), r"t.csv:\d: contains a NUL character")


def huge() -> Iterator[Case]:
    wide = "x" * 200_000
    for at in (2, ROWS + 1, LONG):
        message = f"t.csv:{at}: field larger than field limit"
        yield training(f"huge word at {at}", with_line(at, f"1,{wide},a", LONG), message)
    yield training("huge name", f"{wide},target\n1,a\n", "t.csv:1: field larger than field limit")
    yield training("huge quoted", f'x,target\n"{wide}",a\n', "t.csv:2: field larger than field limit")
    yield training(
        "huge number", with_line(9, f"{'1' * 200_000},1,a"), "t.csv:9: field larger than field limit"
    )
    million = f"x,target\n{'y' * 3_000_000},a\n"
    yield training("a line of megabytes", million, "t.csv:2: field larger than field limit")


def headers() -> Iterator[Case]:
    repeated = "appears more than once; give each column its own name"
    for name, header in {
        "twice": "x,x,target",
        "with spaces": "x, x ,target",
        "quoted": 'x,"x",target',
    }.items():
        yield training(f"name {name}", with_line(1, header), f"t.csv:1: column 'x' {repeated}")
    yield training("target twice", with_line(1, "x,target,target"), f"t.csv:1: column 'target' {repeated}")
    yield training("name thrice in tsv", "x\tx\tx\n1\t2\t3\n", f"t.tsv:1: column 'x' {repeated}", "t.tsv")
    yield training(
        "twice in gzip", gzip.compress(b"x,x\n1,2\n"), f"t.csv.gz:1: column 'x' {repeated}", "t.csv.gz"
    )
    yield training("twice below blank lines", "\n\nx,x\n1,2\n", f"t.csv:3: column 'x' {repeated}")
    for i, header in enumerate((",y,target", "x,,target", "x,y,", 'x," ",target')):
        column = (1, 2, 3, 2)[i]
        message = f"t.csv:1: column {column} has no name; name it, or delete the column"
        yield training(f"no name {i}", with_line(1, header), message)


def empty() -> Iterator[Case]:
    for name, content in {
        "nothing": b"",
        "a line end": b"\n",
        "blank lines": b"\n \n\n",
        "a mark": b"\xef\xbb\xbf",
    }.items():
        yield training(name, content, "t.csv: the file is empty; the first line must name the columns")
    yield training("nothing in gzip", gzip.compress(b""), "t.csv.gz: the file is empty", "t.csv.gz")
    for name, content in {
        "header": "x,target\n",
        "header alone": "x,target",
        "header and blanks": "x,target\n\n\n",
    }.items():
        yield training(name, content, "t.csv: has a header but no rows; add rows below it")
    yield training("one row", "x,target\n1,a\n", "t.csv: target 'target' has one class only, 'a'")
    yield training("one row of numbers", "x,target\n1,2.5\n", "t.csv: target 'target' is 2.5 in every row")
    yield training("two rows", "x,target\n1,a\n2,b\n", "a validation fraction of 0.1 leaves no row of 2")
    for word in ("", "NA", "null", "nan"):
        rows = "".join(f"{word},{'ab'[i % 2]}\n" for i in range(ROWS))
        message = "t.csv: no column holds anything to predict from; fill some in"
        yield training(f"all missing {word!r}", f"x,target\n{rows}", message)
    targets = "x,target\n" + "1,\n" * ROWS
    yield training("all targets missing", targets, "t.csv:2: target 'target' is blank; fill it in, or delete")
    for ending in ("parquet", "arrow", "json", "npz", "db"):
        yield training(f"empty {ending}", b"", rf"t.{ending}: ", f"t.{ending}")


# --------------------------------------------------------------------------------------------- target


def targets() -> Iterator[Case]:
    def of(name, cells, message, *options):
        rows = "".join(f"{i},{cell}\n" for i, cell in enumerate(cells))
        return training(name, f"x,t\n{rows}", message, "t.csv", "--target", "t", *options)

    half = ["a", "b"] * 30
    yield training(
        "no target named", "x,y\n1,2\n", "t.csv:1: which column is to be predicted. Write --target with one"
    )
    absent = r"t.csv:1: no column 'tt'; did you mean 't'\? the file has the columns x, t"
    yield of("no such target", half, absent, "--target", "tt")
    yield of("no such column ignored", half, "t.csv:1: no column 'y'", "--ignore", "y")
    yield of(
        "nothing but the target", half, "t.csv:1: there is no column but the target 't'", "--ignore", "x"
    )
    for at in (0, 30, 59):
        cells = [*half[:at], "", *half[at + 1 :]]
        yield of(
            f"blank at {at}", cells, f"t.csv:{at + 2}: target 't' is blank; fill it in, or delete the row"
        )
        cells = [*half[:at], "NA", *half[at + 1 :]]
        yield of(f"NA at {at}", cells, f"t.csv:{at + 2}: target 't' has a missing value, 'NA'; fill it in")
    yield of("one class", ["a"] * 60, "t.csv: target 't' has one class only, 'a'; classification needs")
    yield of("one class of numbers", ["1"] * 60, "t.csv: target 't' has one class only, '1'")
    yield of("one number", ["2.5"] * 60, "t.csv: target 't' is 2.5 in every row; there is nothing to learn")
    numbers = [str(i + 0.5) for i in range(60)]
    for wrong in ("x", "1,5", "12 kg", "--"):
        cells = [*numbers[:40], f'"{wrong}"', *numbers[41:]]
        yield of(
            f"target {wrong} among numbers",
            cells,
            f"t.csv:42: target 't' holds '{wrong}' among numbers; correct it",
        )
    for wrong in ("inf", "-inf", "1e999"):
        cells = [*numbers[:40], wrong, *numbers[41:]]
        message = f"t.csv:42: column 't' holds '{wrong}', which is not finite; write a finite number"
        yield of(f"target {wrong}", cells, message)
    yield of(
        "text told to be numbers",
        half,
        "t.csv:2: target 't' holds 'a', and regression predicts numbers; choose another",
        "--task",
        "regression",
    )
    large = [str(2**60 + i % 3) for i in range(60)]
    message = "t.csv:2: target 't' holds numbers beyond 2.53, which cannot be told apart as classes"
    yield of("classes beyond floats", large, message, "--task", "classification")
    yield of(
        "labels of numbers", numbers, "t.csv: target 't' holds numbers, not labels", "--task", "multi-label"
    )
    yield of(
        "two targets of text",
        half,
        "t.csv:2: target 't' holds 'a', and regression predicts numbers; choose another",
        "--target",
        "x",
    )
    both = ("--target", "x", "--task", "multi-label")
    yield of("labels that are none", half, "t.csv:2: target 't' holds 'a'; a label is 0 or 1", *both)
    message = "classification predicts one column, not t, x; name one"
    yield of("two classes to predict", half, message, "--target", "x", "--task", "classification")
    yield of("group of no column", half, "t.csv:1: no column 'g'", "--group", "g")
    yield of("a single group", half, "a test fraction of 0.2 leaves no group of 1 in 't'", "--group", "t")
    yield of("time of no column", half, "t.csv:1: no column 'g'", "--time", "g")
    yield of(
        "time that is none",
        half,
        "t.csv:2: column 't' holds 'a', which is not a date; write dates as",
        "--time",
        "t",
    )
    yield of(
        "group and time",
        half,
        "--group and --time each split the rows; write one",
        "--group",
        "x",
        "--time",
        "x",
    )
    blank = "x,g,target\n" + "".join(f"{i},{i if i != 7 else ''},{'ab'[i % 2]}\n" for i in range(60))
    yield training(
        "blank group", blank, "t.csv:9: 'g' is blank, and rows are split by it", "t.csv", "--group", "g"
    )
    yield training(
        "blank time", blank, "t.csv:9: 'g' is blank, and rows are split by it", "t.csv", "--time", "g"
    )


def columns() -> Iterator[Case]:
    def of(name, cells, message):
        rows = "".join(f'"{cell}",{"ab"[i % 2]}\n' for i, cell in enumerate(cells))
        return training(name, f"c,target\n{rows}", message)

    text = r"t.csv:1: column 'c' \(\d+ different values in \d+ rows\) is text; leave it out \(--ignore c\)"
    yield of("names", [f"name {i}" for i in range(60)], text)
    yield of("sentences", [f"{i} is a number, and so on." for i in range(60)], text)
    yield of("addresses", [f"{i}@example.org" for i in range(200)], text)
    yield of("times of the day", [f"{i // 60:02}:{i % 60:02}" for i in range(200)], text)
    yield of("dates in words", [f"{i % 28 + 1} March {1900 + i}" for i in range(100)], text)
    for wrong in ("x", "1,5", "1_0", "0x10", "12%", "$3", "3.5.1", "one", "1 000"):
        cells = [str(i) for i in range(60)]
        cells[20] = wrong
        found = wrong.replace("$", r"\$")
        yield of(
            f"{wrong} among numbers", cells, f"t.csv:22: column 'c' holds '{found}' among numbers; correct it"
        )
    cells = [str(i) for i in range(LONG)]
    cells[LONG - 10] = "x"
    yield of("x far down", cells, f"t.csv:{LONG - 8}: column 'c' holds 'x' among numbers; correct it, or say")
    cells[20] = "y" * 100_000
    shown = "y" * 57 + r"\.\.\."
    yield of("a page among numbers", cells, f"t.csv:22: column 'c' holds '{shown}' among numbers; correct it")
    wide = ["1e308", "-1e308"] * 30
    yield of(
        "numbers too large",
        wide,
        "column 'c': the numbers are too large to average; rescale those above 1e150",
    )


# -------------------------------------------------------------------------------------------- formats


def gzips() -> Iterator[Case]:
    content = gzip.compress("\n".join(lines(5000)).encode(), mtime=0)
    damaged = r"t.csv.gz: damaged gzip file \(.*\); compress it again"
    for length in (5, 12, len(content) // 2, len(content) - 9, len(content) - 1):
        yield training(f"gzip of {length} bytes", content[:length], damaged, "t.csv.gz")
    for at in (0, 2, len(content) // 3, len(content) // 2, len(content) - 6):
        changed = bytearray(content)
        changed[at] ^= 0xFF
        yield training(f"gzip changed at {at}", bytes(changed), rf"{damaged}|t.csv.gz:\d+: ", "t.csv.gz")
    yield training("no gzip at all", GOOD, damaged, "t.csv.gz")
    yield training("gzip and rubbish", content + b"rubbish", damaged, "t.csv.gz")


def parquets() -> Iterator[Case]:
    frame = pd.DataFrame({"x": np.arange(500.0), "target": np.arange(500) % 2})
    content = frame.to_parquet()
    for length in (4, 8, 100, len(content) // 2, len(content) - 9, len(content) - 4, len(content) - 1):
        yield training(
            f"parquet of {length} bytes",
            content[:length],
            "t.parquet: cannot be read as Parquet",
            "t.parquet",
        )
    for at in (len(content) - 5, len(content) - 8):
        changed = bytearray(content)
        changed[at] ^= 0xFF
        yield training(
            f"parquet changed at {at}", bytes(changed), "t.parquet: cannot be read as Parquet", "t.parquet"
        )
    yield training(
        "CSV called parquet",
        GOOD,
        r"t.parquet: cannot be read as Parquet \(No magic bytes found at end of file",
        "t.parquet",
    )
    yield training(
        "parquet without rows", frame[:0].to_parquet(), "t.parquet: no rows; there must be some", "t.parquet"
    )
    of = ("t.parquet", "--query", "FROM data")
    yield training("query of a damaged parquet", content[:500], "t.parquet: cannot be read as Parquet", *of)
    lists = frame.assign(x=[[1.0, 2.0]] * 500).to_parquet()
    message = (
        r"t.parquet: column 'x' holds DOUBLE\[\], which a network cannot take; leave it out \(--ignore x\)"
    )
    yield training("parquet of lists", lists, message, "t.parquet")
    yield training(
        "parquet without target", frame[["x"]].to_parquet(), "t.parquet: which column", "t.parquet"
    )
    holes = frame.assign(target=[None, *frame["target"][1:]]).to_parquet()
    yield training("parquet with a hole", holes, "t.parquet: row 1: target 'target' is blank", "t.parquet")


def jsons() -> Iterator[Case]:
    good = "".join(json.dumps({"x": i, "target": "ab"[i % 2]}) + "\n" for i in range(ROWS))
    for name, content, place in (
        ("a broken line", good + '{"x": 1, "target"\n' + good, f"in line {ROWS + 2}"),
        ("cut", good[:-5], f"in line {ROWS + 1}|in line {ROWS}"),
        ("a comma too many", good.replace('"x": 7,', '"x": 7,,'), "in line [89]"),
        ("single quotes", good.replace('"', "'"), "at byte 2"),
        ("no JSON", "hello\n", "at byte 1"),
    ):
        message = rf"t.jsonl: cannot be read as JSON \(Malformed JSON .*({place}).*\); mend it there"
        yield training(f"JSON: {name}", content, message, "t.jsonl")
    yield training("JSON of numbers", "1\n2\n3\n", "t.jsonl: which column is to be predicted", "t.jsonl")
    message = "t.jsonl: cannot be read as JSON"
    yield training("query of damaged JSON", good[:-5], message, "t.jsonl", "--query", "FROM data")
    nested = "".join(json.dumps({"x": {"y": i}, "target": "ab"[i % 2]}) + "\n" for i in range(ROWS))
    yield training("JSON of objects", nested, r"t.jsonl: column 'x' holds STRUCT\(", "t.jsonl")


def others() -> Iterator[Case]:
    table = pa.table({"x": np.arange(500.0), "target": np.arange(500) % 2})
    buffer = io.BytesIO()
    pyarrow.feather.write_feather(table, buffer, compression="uncompressed")
    content = buffer.getvalue()
    for length in (6, 100, len(content) // 2, len(content) - 1):
        yield training(f"feather of {length} bytes", content[:length], "t.feather: ", "t.feather")
    yield training(
        "CSV called feather", GOOD, r"t.feather: damaged Arrow file \(.*\); write it again", "t.feather"
    )
    content = archive(x=np.arange(500.0), target=np.arange(500) % 2)
    for length in (4, 50, len(content) // 2, len(content) - 1):
        yield training(f"npz of {length} bytes", content[:length], "t.npz: damaged NPZ archive", "t.npz")
    objects = archive(x=np.array([{}, []], dtype=object))
    yield training("npz of objects", objects, "t.npz: damaged NPZ archive, or one of Python objects", "t.npz")
    uneven = archive(x=np.arange(3), target=np.arange(4))
    yield training(
        "uneven npz", uneven, "t.npz: array 'target' has 4 rows where 'x' has 3; arrays of one", "t.npz"
    )
    yield training(
        "npz of a number", archive(x=np.array(1)), "t.npz: array 'x' is a single value; save one", "t.npz"
    )
    absurd = archive(x=np.zeros(9)).replace(b"(9,), }" + b" " * 20, b"(" + b"9" * 21 + b",), }")
    assert len(absurd) == len(archive(x=np.zeros(9)))
    yield training("npz of an absurd shape", absurd, "t.npz: damaged NPZ archive", "t.npz")
    yield training("npz of nothing", archive(), "t.npz: holds no arrays|t.npz: damaged", "t.npz")
    good = database(
        "CREATE TABLE t (x, target)", *[f"INSERT INTO t VALUES ({i}, {i % 2})" for i in range(500)]
    )
    for length in (100, 4096, len(good) // 2):
        yield training(f"SQLite of {length} bytes", good[:length], "t.db: ", "t.db")
    yield training("CSV called db", GOOD, "t.db: file is not a database", "t.db")
    two = database("CREATE TABLE a (x)", "CREATE TABLE b (x)")
    yield training("two tables", two, r"t.db: which table\? There are a, b; write --query with", "t.db")
    yield training(
        "no table",
        database("CREATE TABLE a (x)", "DROP TABLE a"),
        r"t.db: which table\? There are none",
        "t.db",
    )
    yield training(
        "table without rows", database("CREATE TABLE a (x)"), "t.db: no rows; there must be some", "t.db"
    )


def archive(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def database(*statements: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.db"
        with closing(sqlite3.connect(path)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        return path.read_bytes()


def places() -> Iterator[Case]:
    for address in ("https://example.org/t.csv", "s3://bucket/t.parquet"):
        message = f"{address}: is not a file, and nothing is read from the network; download it first"
        yield Case(address, {}, ["train", address], message)
    yield Case(
        "no file", {}, ["train", "t.csv"], "t.csv: no such file; there are also the embedded sets digits"
    )
    yield Case("no match", {}, ["train", "*.csv"], r"\*.csv: no such file")
    files = {"a.npz": archive(x=np.arange(3)), "b.npz": archive(x=np.arange(3))}
    message = r"\*.npz: names 2 files, and only those of CSV, Parquet or JSON lines are one table; name one"
    yield Case("a pattern of NPZ", files, ["train", "*.npz"], message)
    yield Case("a folder of NPZ", files, ["train", "."], message.replace("*.npz", "."))
    yield Case("an empty folder", {}, ["train", "."], r"\.: is a folder without files of data; name one with")
    files = {"a.csv": GOOD.encode(), "b.tsv": GOOD.replace(",", "\t").encode()}
    message = (
        r"\.: is a folder of different files, \.csv, \.tsv; choose with a pattern, for instance \./\*\.csv"
    )
    yield Case("a mixed folder", files, ["train", "."], message)
    files = {"a.csv": GOOD.encode(), "b.csv": b"x,target\n1,a\n"}
    message = (
        "b.csv:1: column 'color' is in a.csv and not in b.csv; files that are one table have the same columns"
    )
    yield Case("other columns", files, ["train", "*.csv"], message)
    files = {"a.csv": GOOD.encode(), "b.csv": GOOD.encode() + b"1\n"}
    yield Case(
        "a ragged second file", files, ["train", "*.csv"], r"b.csv:\d+: 1 cells where the header names"
    )


def queries() -> Iterator[Case]:
    def of(name, query, message):
        return training(name, GOOD, message, "t.csv", "--query", query)

    single = "a query is one SELECT, which changes nothing; write for instance"
    for query in ("DROP TABLE data", "COPY data TO 'out.csv'", "ATTACH 'x.db'", "INSTALL httpfs",
                  "SELECT 1; SELECT 2", "SET threads = 1", "", "CREATE TABLE t AS FROM data"):  # fmt: skip
        yield of(f"query {query!r}", query, single)
    yield of("bad SQL", "SELEKT", r"t.csv: the query fails \(.*syntax error.*\); mend it")
    yield of("no such column", "SELECT nosuch FROM data", r't.csv: the query fails \(.*"nosuch" not found')
    yield of(
        "no rows", "FROM data WHERE x > 1000", "t.csv: no rows are left by the query; there must be some"
    )
    yield of(
        "from the network",
        "FROM 'https://example.org/t.csv'",
        r"t.csv: the query fails \(.*\); mend it; nothing is read from the network",
    )
    yield of(
        "query of a broken cell",
        "SELECT x::INT + color::INT FROM data",
        r"t.csv: the query fails \(Could not convert string .*\); mend it",
    )


# --------------------------------------------------------------------------------------------- models


def model() -> models.Model:
    rows = [["1", "red", "yes", "2020-01-01"], ["2", "blue", "no", "2020-03-01"]]
    table = Table.of_cells("t", ["x", "color", "on", "when"], rows)
    preprocessing = Preprocessing.fit(table, table.names)
    network = nn.MLP.init(np.random.default_rng(0), (len(preprocessing.features), 4, 1), dtype=np.float32)
    scale = Standardiser(np.zeros(1), np.ones(1))
    return models.Model(network, preprocessing, ("target",), "classification", ("a", "b"), scale)


def damaged_models() -> Iterator[Case]:
    content = models.to_bytes(model())

    def of(
        name, changed, message="m.wengert: .*(damaged model file|not a wengert model|cut short|newer wengert)"
    ):
        return Case(
            name, {"m.wengert": changed, "t.csv": GOOD.encode()}, ["predict", "m.wengert", "t.csv"], message
        )

    for length in (0, 7, 8, 9, 100, len(content) // 2, len(content) - 1):
        yield of(f"model of {length} bytes", content[:length])
    for at in range(9, len(content), len(content) // 12):
        changed = bytearray(content)
        changed[at] ^= 0x04
        yield of(f"model changed at {at}", bytes(changed))
    yield of("model and rubbish", content + b"rubbish")
    yield of(
        "CSV for a model",
        GOOD.encode(),
        "m.wengert: not a wengert model; name a file that `wengert train` wrote",
    )
    yield of("pickle for a model", b"\x80\x04\x95\x00.", "m.wengert: not a wengert model")
    absurd = (2**62).to_bytes(8, "little") + b"{" + bytes(50)
    yield of("absurd header", absurd, "m.wengert: the model file is cut short; copy or train it again")


def predictions() -> Iterator[Case]:
    content = models.to_bytes(model())

    def of(name, data, message, *command):
        files = {"m.wengert": content, "t.csv": data.encode()}
        return Case(name, files, [*(command or ("predict",)), "m.wengert", "t.csv"], message)

    header = "x,color,on,when"
    yield of(
        "column not there",
        "x,color,on\n1,red,yes\n",
        "t.csv:1: no column 'when'; .*the file has the columns x",
    )
    yield of(
        "word for a number",
        f"{header}\none,red,yes,2020-01-01\n",
        "t.csv:2: column 'x' holds 'one', which is not",
    )
    yield of(
        "word for a boolean",
        f"{header}\n1,red,maybe,2020-01-01\n",
        "t.csv:2: column 'on' holds 'maybe'; write yes",
    )
    yield of(
        "word for a date",
        f"{header}\n1,red,yes,soon\n",
        "t.csv:2: column 'when' holds 'soon', which is not a date",
    )
    yield of(
        "number for a date",
        f"{header}\n1,red,yes,7\n",
        "t.csv:2: column 'when' holds '7', which is not a date",
    )
    row = f"{header},target\n1,red,yes,2020-01-01"
    yield of(
        "unknown class", f"{row},c\n", "t.csv:2: target 'target' holds the unknown class 'c'", "evaluate"
    )
    yield of("blank class", f"{row},\n", "t.csv:2: target 'target' is blank; fill it in", "evaluate")
    wide = f"{row},{'c' * 100_000}\n"
    yield of(
        "a page for a class", wide, "t.csv:2: target 'target' holds the unknown class 'c{57}", "evaluate"
    )
    wide = ",".join(f"{'n' * 9000}{i}" for i in range(9)) + "\n" + ",".join("1" * 9) + "\n"
    yield of(
        "long names", wide, "t.csv:1: no column 'x', 'color', 'on', 'when'; the file has the columns nnn"
    )
    yield of("no class", f"{header}\n1,red,yes,2020-01-01\n", "t.csv:1: no column 'target'", "evaluate")


FAMILIES = (
    ragged, encodings, quotes, nul, huge, headers, empty, targets, columns, gzips, parquets, jsons, others,
    places, queries, damaged_models, predictions,
)  # fmt: skip
CASES = [case for family in FAMILIES for case in family()]
