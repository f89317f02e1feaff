"""The benchmark of matrix products: what is timed computes a product, and it runs from end to end."""

import json

import matmul
import numpy as np
import pytest
from _native import multiply_adds, peak
from matmul import CASES, Case

SMALL = [
    Case(5, 7, 3), Case(5, 7, 3, "TT"), Case(1, 7, 9), Case(1, 7, 9, "NT"), Case(7, 1, 9),
    Case(7, 1, 9, "TN"), Case(40, 3, 5, "TN"), Case(4, 6, 5, batch=3), Case(1, 1, 1),
]  # fmt: skip


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", SMALL, ids=lambda case: f"{case.name} {case.operands}")
def test_both_compute_the_product(case, dtype, threads):
    a, b, c = matmul.operands(case, dtype)
    for run in matmul.contenders(case, a, b, c, threads).values():
        c[...] = np.nan
        run(3)
        np.testing.assert_allclose(c, a @ b, rtol=1e-4, atol=1e-4)


def test_a_wrong_result_ends_the_program():
    a, b, c = matmul.operands(Case(3, 4, 5), "float64")
    with pytest.raises(SystemExit, match="3 × 4 × 5"):
        matmul.check(Case(3, 4, 5), a, b, lambda count: c.fill(0.0), c)


def test_forty_cases():
    assert len(set(CASES)) == len(CASES) == 40


def test_peak_is_positive_and_its_loop_counts_operations():
    native, operations = multiply_adds("float32")
    numbers = np.full(64, 0.5, "float32")
    native(100, numbers.ctypes.data)
    assert operations % 2 == 0 and np.isfinite(numbers[0])
    assert peak("float32", 1, 1) > 0


def test_runs_from_end_to_end(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(matmul, "settle_heap", lambda: None)  # not in the tests' own process
    numbers, picture = tmp_path / "numbers.json", tmp_path / "picture.png"
    options = [
        "--quick",
        "--only",
        "8 × 8 × 8",
        "--threads",
        "1",
        "--json",
        str(numbers),
        "--plot",
        str(picture),
    ]
    matmul.main(options)
    assert "geometric mean" in capsys.readouterr().out
    assert {r["dtype"] for r in json.loads(numbers.read_text())["results"]} == {"float32", "float64"}
    assert picture.read_bytes().startswith(b"\x89PNG")
