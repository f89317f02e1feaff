"""The benchmarks' problems: functions of `_functions.py`, their data, and where to differentiate them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
from _functions import (
    Function,
    bundle_error,
    gmm_log_posterior,
    lstm_error,
    mlp_error,
    reprojection,
    rosenbrock,
)

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Problem:
    """One function to differentiate.

    Attributes:
        name: What the function is.
        sizes: Its dimensions, for the reader.
        build: Takes the module that stands for NumPy and gives the function.
        arguments: Where to differentiate; with respect to every argument.
        outputs: 0 for a gradient; else the columns of an output whose every row has its own Jacobian block.
        small: Whether the problem belongs in a quick run.
    """

    name: str
    sizes: str
    build: Callable[[ModuleType], Function]
    arguments: tuple[Array, ...]
    outputs: int = 0
    small: bool = False


def dense(rng: np.random.Generator, inputs: int, outputs: int) -> tuple[Array, Array]:
    """Weights and biases of a layer."""
    return rng.normal(size=(inputs, outputs)) / np.sqrt(inputs), 0.1 * rng.normal(size=outputs)


def network(sizes: tuple[int, ...], batch: int, *, small: bool = False, seed: int = 0) -> Problem:
    """A classifier with tanh layers on a random batch."""
    rng = np.random.default_rng(seed)
    x, t = rng.normal(size=(batch, sizes[0])), np.eye(sizes[-1])[rng.integers(sizes[-1], size=batch)]
    parameters = [p for pair in pairwise(sizes) for p in dense(rng, *pair)]
    text = f"{'-'.join(map(str, sizes))} batch {batch}"
    return Problem(
        "MLP error",
        text,
        lambda np: mlp_error(np, np.asarray(x), np.asarray(t)),
        tuple(parameters),
        small=small,
    )


@dataclass(frozen=True)
class Scene:
    """Cameras that look at points: every observation is a camera, a point, a weight and the feature seen."""

    cameras: Array
    points: Array
    weights: Array
    camera_of: Array
    point_of: Array
    features: Array


def scene(cameras: int, points: int, observations: int, seed: int = 0) -> Scene:
    """A random scene, its points five to seven units before the cameras."""
    rng = np.random.default_rng(seed)
    parts = [0.3 * rng.normal(size=(cameras, 3)), 0.1 * rng.normal(size=(cameras, 3)),
             rng.uniform(400, 600, (cameras, 1)), rng.normal(size=(cameras, 2)),
             0.01 * rng.normal(size=(cameras, 2))]  # fmt: skip
    return Scene(
        cameras=np.concatenate(parts, axis=1),
        points=rng.uniform(-1, 1, (points, 3)) + np.array([0, 0, 6]),
        weights=rng.uniform(0.5, 1, observations),
        camera_of=rng.integers(cameras, size=observations),
        point_of=rng.integers(points, size=observations),
        features=10 * rng.normal(size=(observations, 2)),
    )


def bundle(cameras: int, points: int, observations: int, *, small: bool = False) -> Iterator[Problem]:
    """Gradient of the sum of squares, and the Jacobian block of every observation."""
    s = scene(cameras, points, observations)
    text = f"{cameras} cams {points} pts {observations} obs"
    gathered = s.cameras[s.camera_of], s.points[s.point_of], s.weights

    def squares(np: ModuleType) -> Function:
        return bundle_error(np, *map(np.asarray, (s.camera_of, s.point_of, s.features)))

    def residuals(np: ModuleType) -> Function:
        return reprojection(np, np.asarray(s.features))

    yield Problem("bundle adjustment", text, squares, (s.cameras, s.points, s.weights), small=small)
    yield Problem("bundle blocks", text, residuals, gathered, outputs=2, small=small)


def below_diagonal(dimensions: int) -> Array:
    """Matrix that sends the entries below the diagonal, column by column, to their places in a square."""
    columns, rows = np.triu_indices(dimensions, 1)
    places = np.zeros((len(rows), dimensions**2))
    places[np.arange(len(rows)), rows * dimensions + columns] = 1
    return places


def mixture(dimensions: int, components: int, count: int, *, small: bool = False, seed: int = 0) -> Problem:
    """A Gaussian mixture with full covariances and the Wishart prior γ = 1, m = 0 of the ADBench data."""
    rng = np.random.default_rng(seed)
    x, places = rng.normal(size=(count, dimensions)), below_diagonal(dimensions)
    parameters = (
        rng.normal(size=components),
        rng.normal(size=(components, dimensions)),
        0.3 * rng.normal(size=(components, dimensions * (dimensions + 1) // 2)),
    )
    text = f"D={dimensions} K={components} N={count}"

    def log_posterior(np: ModuleType) -> Function:
        return gmm_log_posterior(np, np.asarray(x), np.asarray(places))

    return Problem("Gaussian mixture", text, log_posterior, parameters, small=small)


def valley(dimensions: int, *, small: bool = False) -> Problem:
    """Rosenbrock's function at a random point."""
    x = np.random.default_rng(0).normal(size=dimensions)
    return Problem("Rosenbrock", f"{dimensions}", rosenbrock, (x,), small=small)


def memory_cell(inputs: int, units: int, batch: int, *, small: bool = False, seed: int = 0) -> Problem:
    """One step of an LSTM from a random state."""
    rng = np.random.default_rng(seed)
    x, (h, c, t) = rng.normal(size=(batch, inputs)), rng.normal(size=(3, batch, units))
    w_input, bias = dense(rng, inputs, 4 * units)
    w_hidden, _ = dense(rng, units, 4 * units)
    text = f"{inputs}-{units} batch {batch}"

    def error(np: ModuleType) -> Function:
        return lstm_error(np, *map(np.asarray, (x, h, c, t)))

    return Problem("LSTM step", text, error, (w_input, w_hidden, bias), small=small)


def problems() -> list[Problem]:
    """All problems, in the order of the table."""
    return [
        network((4, 50, 3), 32, small=True),
        network((64, 128, 64, 10), 64),
        *bundle(5, 100, 500, small=True),
        *bundle(49, 7776, 31843),
        mixture(2, 5, 100, small=True),
        mixture(10, 25, 1000),
        valley(1000, small=True),
        memory_cell(64, 64, 32, small=True),
    ]
