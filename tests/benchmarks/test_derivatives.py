"""The benchmark of derivatives: what it claims about counts holds, and it runs from end to end."""

import json

import numpy as np
import pytest

pytest.importorskip("autograd")

import _tasks as tasks
import derivatives
from _peers import Unavailable
from _problems import Problem, bundle, memory_cell, mixture, network, valley

import wengert as wg

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


# In the tests' own process the heap, threads and JAX's precision stay as they are.
HERE = {name: derivatives.PACKAGES[name] for name in ("wengert", "autograd")}


@pytest.mark.parametrize("part, key", [("native", "native"), ("eager", "results")])
def test_runs_from_end_to_end(part, key, tmp_path, capsys, monkeypatch):
    for name, stand_in in (("settle_heap", print), ("limit_threads", print), ("PACKAGES", HERE)):
        monkeypatch.setattr(derivatives, name, stand_in)
    numbers, picture = tmp_path / "numbers.json", tmp_path / "picture.png"
    arguments = ["--quick", "--only", "rosenbrock", "--json", str(numbers), "--plot", str(picture)]
    derivatives.main([*arguments, "--part", part])
    assert "Rosenbrock" in capsys.readouterr().out
    assert len(json.loads(numbers.read_text())[key][0]["samples"]["wengert"]["seconds"]) == 5
    assert picture.read_bytes().startswith(b"\x89PNG")


SMALL_TASKS = [
    tasks.bundle_blocks(3, 5, 11, 0),
    tasks.curvature((4, 5, 3), 6, 0),
    tasks.pattern_gradients((4, 5, 3), 6, 0),
    tasks.dense_hessian(9, 0),
]


@pytest.mark.parametrize("task", SMALL_TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("name", ["wengert", "autograd", "PyTorch"])
def test_packages_compute_the_derivative_that_a_task_asks_for(name, task):
    if name == "PyTorch":
        pytest.importorskip("torch")
    try:
        found = derivatives.arrays_of(task.derivative(derivatives.PACKAGES[name]())())
    except Unavailable:
        pytest.skip("the package has no way")
    expected = derivatives.arrays_of(task.derivative(Eager())())
    assert derivatives.disagreement(found, expected) < 1e-9


class Eager(derivatives.PACKAGES["wengert"]):
    """wengert without native code."""

    def blocks(self, f, *arguments):
        return lambda: wg.vmap(wg.jacobian(f, tuple(range(len(arguments)))))(*arguments)

    def product(self, f, point, direction):
        return lambda: wg.hvp(f, tuple(point), tuple(direction))

    def rows(self, f, parameters, *patterns):
        found = [wg.grad(f)(tuple(parameters), *pattern) for pattern in zip(*patterns, strict=True)]
        return lambda: [np.stack(arrays) for arrays in zip(*found, strict=True)]

    def hessian(self, f, point):
        return lambda: wg.hessian(f)(point)
