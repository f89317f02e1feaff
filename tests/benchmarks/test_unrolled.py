"""The benchmark of unrolled loops: both packages run the same programs, and it runs from end to end."""

import json

import numpy as np
import pytest

unrolled = pytest.importorskip("unrolled")


@pytest.mark.parametrize("name", ["numbers", "pendulum"])
def test_programs_agree(name):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    program, arguments = unrolled.PROGRAMS[name]
    np.testing.assert_allclose(program(np)(*arguments), program(jax.numpy)(*arguments), 1e-10)


def test_other_results_end_the_program():
    found = {"found": [1.0, 2.0]}
    unrolled.check("a", found, found)
    unrolled.check("a", found, None)
    with pytest.raises(SystemExit, match=r"a: \[1.0, 2.0\] is not \[1.0, 2.1\]"):
        unrolled.check("a", found, {"found": [1.0, 2.1]})


def test_what_took_too_long_has_no_ratio():
    found = {"first": 1.0, "cpu": 0.5, "run": 2e-6}
    assert unrolled.row("a", found, None, 30)[-5:] == ["> 30", "", "", "", ""]
    assert unrolled.row("a", found, {**found, "cpu": 1.0}, 30)[-2:] == ["0.50", "1.00"]


def test_it_runs(capsys, tmp_path):
    pytest.importorskip("jax")
    unrolled.main(["--quick", "--only", "numbers", "--json", str(tmp_path / "found.json")])
    assert "numbers" in capsys.readouterr().out
    written = json.loads((tmp_path / "found.json").read_text())
    assert written["samples"]["numbers"]["wengert"]["run"] > 0
