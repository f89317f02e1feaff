"""The timing that the benchmarks share."""

import gc
import json
import time

import pytest
from _measure import Comparison, Samples, compare, interleave, machine, machine_line, table, write_json


def test_interleaves_in_both_orders_and_lets_no_sample_be_short():
    calls = []
    samples = interleave({"a": lambda: calls.append("a"), "b": lambda: time.sleep(2e-3)}, 3, 1e-3)
    assert len(samples["a"].seconds) == len(samples["b"].seconds) == 3
    assert samples["a"].inner > samples["b"].inner == 1
    assert samples["b"].minimum >= 2e-3


def test_order_turns_round_by_round():
    order = []
    sleeps = {name: lambda name=name: (order.append(name), time.sleep(2e-3)) for name in "ab"}
    interleave(sleeps, rounds=2, floor=1e-3)
    assert "".join(order[-8:]) == "aabbbbaa"  # each sample is one call to warm up and one that counts


def test_collector_is_left_as_it_was():
    interleave({"a": lambda: None}, rounds=1, floor=1e-4)
    assert gc.isenabled()


def test_comparison_takes_the_median_of_the_rounds():
    a, b = Samples((1.0, 9.0, 4.0), 1), Samples((2.0, 3.0, 2.0), 1)
    assert compare(a, b) == Comparison(median=2.0, minimum=0.5)


def test_table_is_aligned():
    text = table(("name", "ms"), [["long name", "1.0"], ["x", "10.0"]])
    assert text.splitlines() == ["name         ms", "---------  ----", "long name   1.0", "x          10.0"]


def test_machine_names_versions_and_settings():
    line = machine_line(machine(("numpy", "no-such-package"), threads=1))
    assert "numpy " in line
    assert "threads 1" in line
    assert "no-such-package" not in line


def test_json_keeps_every_sample(tmp_path):
    path = tmp_path / "result.json"
    write_json(path, {"samples": Samples((1.0, 3.0), 2), "ratio": Comparison(1.0, 2.0)})
    read = json.loads(path.read_text())
    assert read["samples"]["seconds"] == [1.0, 3.0]
    assert read["samples"]["median"] == pytest.approx(2.0)
    assert read["ratio"]["minimum"] == pytest.approx(2.0)
