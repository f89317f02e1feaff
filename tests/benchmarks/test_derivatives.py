"""The benchmark of derivatives: what it claims about counts holds, and it runs from end to end."""

import json

import numpy as np
import pytest

pytest.importorskip("autograd")

import derivatives
from _problems import Problem, bundle, memory_cell, mixture, network, valley

SMALL = [network((4, 5, 3), 6), *bundle(3, 5, 11), mixture(3, 2, 6), valley(9), memory_cell(3, 4, 2)]


@pytest.fixture(params=SMALL, ids=lambda problem: problem.name)
def problem(request) -> Problem:
    return request.param


def central_difference(f, arguments, directions, step=1e-6):
    """Derivative of f along the directions."""
    ahead, behind = (
        f(*(a + sign * step * v for a, v in zip(arguments, directions, strict=True))) for sign in (1, -1)
    )
    return (ahead - behind) / (2 * step)


@pytest.mark.parametrize("peer", derivatives.PEERS.values(), ids=derivatives.PEERS.keys())
def test_derivative_along_a_direction(peer, problem):
    rng = np.random.default_rng(0)
    directions = [rng.normal(size=a.shape) for a in problem.arguments]
    expected = central_difference(problem.build(np), problem.arguments, directions)
    parts = derivatives.derivative(peer, problem)(*problem.arguments)
    if problem.outputs:
        along = sum(
            np.sum(block.reshape(*block.shape[:2], -1) * v.reshape(len(v), 1, -1), axis=2)
            for block, v in zip(parts, directions, strict=True)
        )
    else:
        along = sum(np.sum(part * v) for part, v in zip(parts, directions, strict=True))
    np.testing.assert_allclose(along, expected, rtol=1e-6, atol=1e-6)


def test_packages_agree(problem):
    assert derivatives.check(problem) <= derivatives.TOLERANCE


def test_gradient_costs_at_most_four_functions():
    for problem in derivatives.problems():
        if problem.small and not problem.outputs:
            ratio = derivatives.quotient(derivatives.counted(problem), "operations")
            assert ratio <= 4, f"{problem.name}: {ratio:.2f}"


def test_disagreement_ends_the_program(monkeypatch):
    monkeypatch.setattr(derivatives, "disagreement", lambda ours, theirs: float("nan"))
    with pytest.raises(SystemExit, match="Rosenbrock"):
        derivatives.check(valley(5))


def test_runs_from_end_to_end(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(derivatives, "settle_heap", lambda fresh: None)  # not in the tests' own process
    numbers, picture = tmp_path / "numbers.json", tmp_path / "picture.png"
    derivatives.main(["--quick", "--only", "rosenbrock", "--json", str(numbers), "--plot", str(picture)])
    assert "Rosenbrock" in capsys.readouterr().out
    assert len(json.loads(numbers.read_text())["results"][0]["samples"]["wengert"]["seconds"]) == 5
    assert picture.read_bytes().startswith(b"\x89PNG")
