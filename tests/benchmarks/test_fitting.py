"""The benchmark of fits: derivatives by hand are right, other parameters end it, it runs from end to end."""

import json

import fitting
import numpy as np
import pytest

import wengert as wg


def test_derivatives_by_hand():
    p, x = np.array([2.0, 0.7, 0.1]), np.linspace(0, 1, 5)
    np.testing.assert_allclose(fitting.decay_slopes(p, x, x), wg.jacobian(fitting.decay)(p, x, x))


def test_other_parameters_end_the_program():
    contenders = {name: lambda: np.ones(2) for name in fitting.PEERS} | {"wengert": lambda: np.zeros(2)}
    with pytest.raises(SystemExit, match="SciPy comes to other parameters"):
        fitting.check(fitting.Case("a fit", contenders))


def test_from_end_to_end(tmp_path, capsys):
    fitting.main(["--quick", "--json", str(tmp_path / "fits.json")])
    assert "decay, 200 points" in capsys.readouterr().out
    written = json.loads((tmp_path / "fits.json").read_text())
    assert [result["name"] for result in written["results"]] == [
        "decay, 200 points",
        "valley, 20 dimensions, BFGS",
    ]
