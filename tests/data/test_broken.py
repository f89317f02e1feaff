"""Broken files end with one clear message and exit code 2, and nothing is written."""

import os
import re
import sys

import pytest

from tests.data.broken import CASES
from wengert import cli


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_are_two_hundred():
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: re.sub(r"[^\w .,-]", "_", case.name))
def test_one_message_and_nothing_written(case, tmp_path, monkeypatch, capfd):
    for name, content in case.files.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["wengert", *case.arguments])
    before = contents(tmp_path)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    out, err = capfd.readouterr()
    lines = err.splitlines()
    assert caught.value.code == 2, err
    assert len(lines) == 1
    said = lines[0].removeprefix("wengert: error: ")
    assert re.match(case.message, said), said
    assert (";" in said or "? Write --" in said) and len(said) < 1000  # a remedy, and no dump of data
    assert out == ""
    assert contents(tmp_path) == before and not [
        name for name in os.listdir(tmp_path) if name.startswith(".")
    ]
