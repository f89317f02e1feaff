"""Derivatives by every package, each in its best form: compiled where the package compiles.

A package takes a problem's function, written in NumPy (`_functions.py`), and gives a call without arguments
that computes what a task asks for and waits until it is there:

    function            f
    gradient            ∇f with respect to every argument
    blocks              Jacobian blocks of a function whose rows depend on the same rows of its arguments
    product             H·v of a scalar function
    rows                the gradient of every pattern's error: vmap of grad
    hessian             H of a function of one vector

Its `scan` is its loop along a sequence, a Python loop where it has none.
"""

from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import autograd
import autograd.numpy
import numpy as np
from _functions import Function

import wengert as wg

Array = Any
Call = Callable[..., Any]


class Unavailable(Exception):
    """A task that a package has no way, or no sensible one, to do."""


def everything(arguments: Sequence[Array]) -> tuple[int, ...]:
    """The numbers of all arguments."""
    return tuple(range(len(arguments)))


def looped(stack: Call) -> Call:
    """A loop along a sequence in Python, whose results a package's function puts together."""

    def scan(step: Call, carry: Any, xs: Any) -> tuple[Any, Any]:
        found = []
        for x in xs:
            carry, y = step(carry, x)
            found.append(y)
        return carry, stack(found)

    return scan


class Wengert:
    """Native code: `wg.jit` around everything."""

    numpy: Any = np
    scan = staticmethod(wg.scan)

    def array(self, x: Any) -> Array:
        return np.asarray(x)

    def function(self, f: Function, *arguments: Array) -> Call:
        return partial(wg.jit(f), *arguments)

    def gradient(self, f: Function, *arguments: Array) -> Call:
        return partial(wg.jit(wg.grad(f, everything(arguments))), *arguments)

    def blocks(self, f: Function, *arguments: Array) -> Call:
        one = wg.vmap(wg.jacobian(f, everything(arguments), mode="reverse"))
        return partial(wg.jit(one), *arguments)

    def product(self, f: Function, point: Sequence[Array], direction: Sequence[Array]) -> Call:
        return partial(wg.jit(lambda p, v: wg.hvp(f, p, v)), tuple(point), tuple(direction))

    def rows(self, f: Function, parameters: Sequence[Array], *patterns: Array) -> Call:
        each = wg.vmap(wg.grad(f), (None, *(0 for _ in patterns)))
        return partial(wg.jit(each), tuple(parameters), *patterns)

    def hessian(self, f: Function, point: Array) -> Call:
        return partial(wg.jit(wg.hessian(f)), point)


class Jax:
    """JAX with `jit`, on the CPU in double precision."""

    def __init__(self) -> None:
        import jax
        import jax.numpy

        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_enable_x64", True)
        self.jax, self.numpy, self.scan = jax, jax.numpy, jax.lax.scan

    def array(self, x: Any) -> Array:
        return self.numpy.asarray(x)

    def _waited(self, f: Call, *arguments: Any) -> Call:
        compiled, ready = self.jax.jit(f), self.jax.block_until_ready
        return lambda: ready(compiled(*arguments))

    def function(self, f: Function, *arguments: Array) -> Call:
        return self._waited(f, *arguments)

    def gradient(self, f: Function, *arguments: Array) -> Call:
        return self._waited(self.jax.grad(f, everything(arguments)), *arguments)

    def blocks(self, f: Function, *arguments: Array) -> Call:
        return self._waited(self.jax.vmap(self.jax.jacrev(f, everything(arguments))), *arguments)

    def product(self, f: Function, point: Sequence[Array], direction: Sequence[Array]) -> Call:
        def product(p: Any, v: Any) -> Any:
            return self.jax.jvp(self.jax.grad(f, everything(point)), p, v)[1]

        return self._waited(product, tuple(point), tuple(direction))

    def rows(self, f: Function, parameters: Sequence[Array], *patterns: Array) -> Call:
        each = self.jax.vmap(self.jax.grad(f), (None, *(0 for _ in patterns)))
        return self._waited(each, tuple(parameters), *patterns)

    def hessian(self, f: Function, point: Array) -> Call:
        return self._waited(self.jax.hessian(f), point)


class Torch:
    """PyTorch, operation by operation; with the tape of `torch.autograd` where that is faster."""

    def __init__(self) -> None:
        import torch

        self.torch = torch
        self.numpy: Any = torch_numpy(torch)
        self.scan = looped(torch.stack)

    def array(self, x: Any) -> Array:
        return self.torch.asarray(x)

    def compiled(self, f: Call) -> Call:
        """The function as this form of the package runs it."""
        return f

    def function(self, f: Function, *arguments: Array) -> Call:
        return partial(self.compiled(f), *arguments)

    def gradient(self, f: Function, *arguments: Array) -> Call:
        leaves, gradient = self._leaves(arguments), self.torch.autograd.grad
        return lambda: gradient(f(*leaves), leaves)

    def _leaves(self, arguments: Sequence[Array]) -> list[Array]:
        return [a.detach().clone().requires_grad_() for a in arguments]

    def blocks(self, f: Function, *arguments: Array) -> Call:
        one = self.torch.func.vmap(self.torch.func.jacrev(f, everything(arguments)))
        return partial(self.compiled(one), *arguments)

    def product(self, f: Function, point: Sequence[Array], direction: Sequence[Array]) -> Call:
        leaves, gradient = self._leaves(point), self.torch.autograd.grad

        def product() -> Any:
            return gradient(gradient(f(*leaves), leaves, create_graph=True), leaves, direction)

        return product

    def rows(self, f: Function, parameters: Sequence[Array], *patterns: Array) -> Call:
        func = self.torch.func
        each = func.vmap(func.grad(f), (None, *(0 for _ in patterns)))
        return partial(self.compiled(each), tuple(parameters), *patterns)

    def hessian(self, f: Function, point: Array) -> Call:
        return partial(self.compiled(self.torch.func.hessian(f)), point)


class CompiledTorch(Torch):
    """The same by `torch.compile`."""

    def compiled(self, f: Call) -> Call:
        return self.torch.compile(f, dynamic=False)

    def gradient(self, f: Function, *arguments: Array) -> Call:
        return partial(self.compiled(self.torch.func.grad(f, everything(arguments))), *arguments)

    def product(self, f: Function, point: Sequence[Array], direction: Sequence[Array]) -> Call:
        func = self.torch.func

        def product(p: Any, v: Any) -> Any:
            return func.jvp(func.grad(f, everything(point)), p, v)[1]

        return partial(self.compiled(product), tuple(point), tuple(direction))


def torch_numpy(torch: Any) -> SimpleNamespace:
    """PyTorch under the names and with the parameters of NumPy that the functions use."""
    same = ("abs", "cos", "exp", "log", "matmul", "reshape", "sin", "sqrt", "sum", "swapaxes", "tanh")
    return SimpleNamespace(
        **{name: getattr(torch, name) for name in same},
        asarray=torch.asarray,
        max=lambda a, axis, keepdims=False: torch.amax(a, axis, keepdims),
        squeeze=lambda a, axis: torch.squeeze(a, axis),
        split=lambda a, count, axis: torch.tensor_split(a, count, axis),
        cross=lambda a, b: torch.linalg.cross(a, b),
        eye=lambda n: torch.eye(n, dtype=torch.float64),
    )


class Autograd:
    """HIPS autograd; every Jacobian row and every pattern is a pullback of its own."""

    numpy: Any = autograd.numpy
    scan = staticmethod(looped(autograd.numpy.stack))

    def array(self, x: Any) -> Array:
        return np.asarray(x)

    def function(self, f: Function, *arguments: Array) -> Call:
        return partial(f, *arguments)

    def gradient(self, f: Function, *arguments: Array) -> Call:
        return partial(autograd.grad(f, everything(arguments)), *arguments)

    def blocks(self, f: Function, *arguments: Array) -> Call:
        raise Unavailable("no vmap")

    def product(self, f: Function, point: Sequence[Array], direction: Sequence[Array]) -> Call:
        gradient = autograd.grad(lambda p: f(*p))

        def slope(p: Any) -> Any:
            return sum(self.numpy.sum(g * v) for g, v in zip(gradient(p), direction, strict=True))

        return partial(autograd.grad(slope), tuple(point))

    def rows(self, f: Function, parameters: Sequence[Array], *patterns: Array) -> Call:
        gradient = autograd.grad(f)

        def each() -> Any:
            found = [gradient(tuple(parameters), *pattern) for pattern in zip(*patterns, strict=True)]
            return [np.stack(one) for one in zip(*found, strict=True)]

        return each

    def hessian(self, f: Function, point: Array) -> Call:
        return partial(autograd.hessian(f), point)


PACKAGES: dict[str, Callable[[], Any]] = {
    "wengert": Wengert,
    "JAX": Jax,
    "PyTorch": Torch,
    "compile": CompiledTorch,
    "autograd": Autograd,
}
