"""The benchmark of graphs: all packages take the same steps, and it runs from end to end."""

import json

import _graphs
import graphs
import numpy as np
import pytest

SMALL = [
    _graphs.sparse((5, 6, 4, 2), 40, "float32", patterns=9, steps=3),
    _graphs.chain(40, 2, 2, "float32", patterns=9, steps=3),
]


@pytest.mark.parametrize("problem", SMALL, ids=lambda problem: problem.name)
@pytest.mark.parametrize("name", [name for name in _graphs.PACKAGES if name != "wengert"])
def test_packages_take_the_same_steps(name, problem):
    if name.startswith("JAX"):
        pytest.importorskip("jax")
    try:
        found = _graphs.PACKAGES[name](problem)()
    except _graphs.Unavailable:
        pytest.skip("the package has no way")
    expected = _graphs.with_wengert(problem)()
    for one, other, start in zip(
        found, expected, (problem.network.weights, problem.network.biases), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
        assert not np.allclose(other, start, rtol=1e-4)


def test_another_result_ends_the_program():
    with pytest.raises(SystemExit, match="the weights of peer differ by 1"):
        graphs.check(SMALL[0], "peer", [np.ones(2)], [np.zeros(2)])


def test_runs_from_end_to_end(tmp_path, capsys, monkeypatch):
    here = {name: _graphs.PACKAGES[name] for name in ("wengert", "SciPy")}
    for module, name, stand_in in (
        (graphs, "settle_heap", print),
        (graphs, "limit_threads", print),
        (graphs, "PACKAGES", here),
        (graphs, "HEADER", ("network", *here, "ratio", "first", "first of the best peer")),
        (graphs, "problems", lambda: [SMALL[0]._replace(small=True)]),
    ):
        monkeypatch.setattr(module, name, stand_in)
    numbers = tmp_path / "numbers.json"
    graphs.main(["--quick", "--json", str(numbers)])
    assert "5-6-4-2, 40 connections" in capsys.readouterr().out
    assert len(json.loads(numbers.read_text())["results"][0]["samples"]["SciPy"]["seconds"]) == 3
