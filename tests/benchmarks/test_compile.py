"""The benchmark of first calls: both packages take the same step, and it runs from end to end."""

import json
import os
import re
import sys
import time

import pytest

compile_ = pytest.importorskip("compile")


def sample(seconds, found=(1.0, 2.0)):
    state = {
        **dict.fromkeys(compile_.PARTS, seconds / len(compile_.PARTS)),
        "total": seconds,
        "cpu": seconds,
        "second": seconds,
        "found": list(found),
    }
    return {"cold": state, "cached": {**state, "total": seconds / 2}}


def test_steps_agree():
    pytest.importorskip("jax")
    import jax

    from wengert.core import tree

    ours, theirs = (step(*args) for step, args in (compile_.wengert_step(), compile_.jax_step()))
    found = compile_.summary(ours, lambda t: tree.flatten(t)[0])
    assert found == pytest.approx(compile_.summary(theirs, jax.tree.leaves), abs=compile_.TOLERANCE)
    assert len(found) == 7


def test_other_results_end_the_program():
    compile_.check({"wengert": [sample(0.1)], "jax": [sample(0.2)]})
    for other in ((1.0, 2.1), (1.0, float("nan"))):
        with pytest.raises(SystemExit, match="the results of the step differ by"):
            compile_.check({"wengert": [sample(0.1)], "jax": [sample(0.2, other)]})


def test_parts_are_added_up():
    clock, module = compile_.Clock(), type(sys)("module")
    module.inner = lambda x: time.sleep(0.02) or x
    module.outer = lambda x, y=1: module.inner(x) + y
    clock.watch("load", module, "inner")
    clock.watch("text", module, "outer")
    assert module.outer(2, y=3) == 5
    first = dict(clock.times)
    assert first["load"] >= 0.02 > first["text"] > 0
    module.inner(2)
    clock.turn("rest")
    assert clock.times["load"] > first["load"] and clock.times["text"] == first["text"]


def test_rows():
    samples = {"wengert": [sample(0.1), sample(0.2), sample(0.3)], "jax": 3 * [sample(0.4)]}
    rows = compile_.rows_of_calls(samples)
    assert rows[0] == ["wengert", "cold", *8 * ["25.0"], "200.0", "100.0", "200.0", "120", "0.500"]
    assert rows[1][-3:] == ["200.0", "10", "0.500"]
    assert rows[2][-3:] == ["400.0", "", "1.000"]


def test_processes_write_bytecode_and_use_their_own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    variables = compile_.environment(tmp_path)
    assert "PYTHONDONTWRITEBYTECODE" not in variables
    [times] = compile_.import_seconds(1, tmp_path, {"this": "import queue"})["this"]
    assert times["total"] > 0
    assert times["cpu"] > 0
    assert os.listdir(tmp_path / "bytecode")


def test_runs_from_end_to_end(tmp_path, capsys):
    numbers, picture = tmp_path / "numbers.json", tmp_path / "picture.png"
    compile_.main(["--quick", "--only", "wengert", "--json", str(numbers), "--plot", str(picture)])
    out = capsys.readouterr().out
    assert re.search(r"^wengert +cached", out, re.MULTILINE)
    assert "import wengert" in out
    first = json.loads(numbers.read_text())["first_calls"]["wengert"][0]
    assert first["cold"]["compile"] > 0
    assert first["cached"]["compile"] == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
