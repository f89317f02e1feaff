"""What the packages differentiate, and how many times faster than the best of the others wengert is to be.

A task is a problem of `_problems.py` and a kind of derivative of it (`_peers.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from _functions import mlp_error, pattern_error, reprojection, rosenbrock, sequence_error
from _problems import bundle, dense, memory_cell, mixture, network, scene, valley

Call = Callable[[], Any]


@dataclass(frozen=True)
class Task:
    """One derivative.

    Attributes:
        name: What is computed.
        sizes: The dimensions, for the reader.
        target: How many times faster than the best peer it is meant to be; 0 where nothing was set.
        derivative: A package's call that computes it.
        function: A package's call that computes the function alone.
        small: Whether the task belongs in a quick run.
    """

    name: str
    sizes: str
    target: float
    derivative: Callable[[Any], Call]
    function: Callable[[Any], Call]
    small: bool = False


def arrays(package: Any, given: Any) -> list[Any]:
    """The arrays as the package has them."""
    return [package.array(x) for x in given]


def gradient(name: str, problem: Any, target: float, small: bool = False) -> Task:
    """The gradient of a problem's function."""

    def derivative(package: Any) -> Call:
        return package.gradient(problem.build(package.numpy), *arrays(package, problem.arguments))

    def function(package: Any) -> Call:
        return package.function(problem.build(package.numpy), *arrays(package, problem.arguments))

    return Task(name, problem.sizes, target, derivative, function, small)


def sequence(inputs: int, units: int, batch: int, steps: int, small: bool = False) -> Task:
    """The gradient of a recurrent layer's error along a sequence."""
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(steps, batch, inputs)), rng.normal(size=(steps, batch, units))
    (w_input, bias), (w_hidden, _) = dense(rng, inputs, 4 * units), dense(rng, units, 4 * units)
    given = x, np.zeros((batch, units)), targets

    def error(package: Any) -> Callable[..., Any]:
        return sequence_error(package.numpy, package.scan, *arrays(package, given))

    def derivative(package: Any) -> Call:
        return package.gradient(error(package), *arrays(package, (w_input, w_hidden, bias)))

    def function(package: Any) -> Call:
        return package.function(error(package), *arrays(package, (w_input, w_hidden, bias)))

    text = f"{inputs}-{units} batch {batch}, {steps} steps"
    return Task("LSTM sequence", text, 0, derivative, function, small)


def bundle_blocks(cameras: int, points: int, observations: int, target: float, small: bool = False) -> Task:
    """The Jacobian block of every observation's residual."""
    s = scene(cameras, points, observations)
    given = (s.cameras[s.camera_of], s.points[s.point_of], s.weights, s.features)

    def one(np: Any) -> Callable[..., Any]:
        def residual(camera: Any, point: Any, weight: Any, feature: Any) -> Any:
            return reprojection(np, feature[None])(camera[None], point[None], np.reshape(weight, (1,)))[0]

        return residual

    def all_of_them(np: Any) -> Callable[..., Any]:
        return lambda cameras, points, weights, features: reprojection(np, features)(cameras, points, weights)

    text = f"{cameras} cams {points} pts {observations} obs"
    return Task(
        "bundle blocks", text, target,
        lambda package: package.blocks(one(package.numpy), *arrays(package, given)),
        lambda package: package.function(all_of_them(package.numpy), *arrays(package, given)),
        small,
    )  # fmt: skip


def curvature(sizes: tuple[int, ...], batch: int, target: float, small: bool = False) -> Task:
    """The Hessian of a network's error times a vector."""
    problem, rng = network(sizes, batch), np.random.default_rng(1)
    direction = [rng.normal(size=p.shape) for p in problem.arguments]

    def derivative(package: Any) -> Call:
        point, vector = arrays(package, problem.arguments), arrays(package, direction)
        return package.product(problem.build(package.numpy), point, vector)

    return Task(
        "MLP H·v", problem.sizes, target, derivative,
        lambda package: package.function(problem.build(package.numpy), *arrays(package, problem.arguments)),
        small,
    )  # fmt: skip


def pattern_gradients(sizes: tuple[int, ...], batch: int, target: float, small: bool = False) -> Task:
    """The gradient of every pattern's error by all weights and biases."""
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(batch, sizes[0])), np.eye(sizes[-1])[rng.integers(sizes[-1], size=batch)]
    parameters = [p for pair in pairwise(sizes) for p in dense(rng, *pair)]

    def error(np: Any) -> Callable[..., Any]:
        return lambda *given: mlp_error(np, *given[-2:])(*given[:-2])

    def derivative(package: Any) -> Call:
        f = pattern_error(package.numpy)
        return package.rows(f, arrays(package, parameters), *arrays(package, (x, t)))

    return Task(
        "per-example", f"{'-'.join(map(str, sizes))} batch {batch}", target, derivative,
        lambda package: package.function(error(package.numpy), *arrays(package, (*parameters, x, t))),
        small,
    )  # fmt: skip


def dense_hessian(dimensions: int, target: float, small: bool = False) -> Task:
    """The whole Hessian of Rosenbrock's function."""
    problem = valley(dimensions)
    return Task(
        "Rosenbrock H", problem.sizes, target,
        lambda package: package.hessian(rosenbrock(package.numpy), *arrays(package, problem.arguments)),
        lambda package: package.function(rosenbrock(package.numpy), *arrays(package, problem.arguments)),
        small,
    )  # fmt: skip


def tasks() -> Iterator[Task]:
    """All tasks, in the order of the table."""
    yield gradient("Gaussian mixture", mixture(10, 25, 1000), 3)
    yield gradient("Gaussian mixture", mixture(32, 50, 1000), 3)
    yield gradient("bundle adjustment", next(bundle(49, 7776, 31843)), 0)
    yield bundle_blocks(5, 100, 500, 5, small=True)
    yield bundle_blocks(49, 7776, 31843, 5)
    yield gradient("LSTM step", memory_cell(64, 64, 32), 5, small=True)
    yield sequence(64, 64, 32, 50)
    yield gradient("MLP error", network((64, 128, 64, 10), 64), 0, small=True)
    yield curvature((64, 128, 64, 10), 64, 1.5, small=True)
    yield pattern_gradients((4, 50, 3), 32, 3, small=True)
    yield pattern_gradients((64, 128, 64, 10), 64, 3)
    yield gradient("Rosenbrock", valley(1000), 0, small=True)
    yield dense_hessian(1000, 2)
