r"""Layers from several nodes: activations that are exported in parts, and biases that are added.

.. math:: \texttt{Mul}(x, \texttt{Sigmoid}(x)) \;\to\; \operatorname{silu}(x)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert import nn
from wengert.exchange._imported import Arithmetic, flattened


class Step(NamedTuple):
    """A value of the network: what operation gives it, the layer for that, and what it reads.

    ``constants`` are the numbers among its operands by their places; None is an operand that is read.
    """

    operation: str
    layer: Any
    reads: tuple[str, ...]
    operands: tuple[Any, ...]


def reached(steps: Mapping[str, Step], names: Sequence[str]) -> list[str]:
    """The steps that these depend on, in their order."""
    needed = set(names)
    for name in reversed(list(steps)):
        if name in needed:
            needed.update(steps[name].reads)
    return [name for name in steps if name in needed]


# --- steps that make up one layer -------------------------------------------------------------------------

X = object()  # what an activation is computed of
ROOT_TWO = 2**0.5
ROOT_TWO_OVER_PI = (2 / np.pi) ** 0.5
CUBE = ("Mul", X, ("Mul", X, X))
_INNER = ("Add", X, ("Mul", 0.044715, CUBE))
_POWERED = ("Add", X, ("Mul", 0.044715, ("Pow", X, 3.0)))
_ABOVE = ("Greater", X, 0.0)
_NEGATIVE = ("Where", _ABOVE, 0.0, X)
_EXPM1 = ("Mul", ("Tanh", ("Mul", 0.5, _NEGATIVE)), ("Add", ("Exp", _NEGATIVE), 1.0))

# Activations as the trees of operations that they are exported as; operands of Add and Mul in any order.
COMPOSED: tuple[tuple[Callable[..., Any], Any], ...] = (
    (nn.silu, ("Mul", X, ("Sigmoid", X))),
    (nn.mish, ("Mul", X, ("Tanh", ("Softplus", X)))),
    (nn.softsign, ("Div", X, ("Add", ("Abs", X), 1.0))),
    (nn.softplus, ("Where", ("Greater", X, 20.0), X, ("Softplus", X))),
    (nn.gelu, ("Mul", ("Mul", X, ("Add", ("Erf", ("Div", X, ROOT_TWO)), 1.0)), 0.5)),
    (nn.gelu, ("Mul", ("Mul", X, 0.5), ("Add", ("Erf", ("Div", X, ROOT_TWO)), 1.0))),
    (nn.gelu, ("Mul", X, ("Mul", 0.5, ("Sub", 1.0, ("Erf", ("Mul", -1 / ROOT_TWO, X)))))),
    (nn.gelu_tanh, ("Mul", 0.5, ("Mul", X, ("Add", 1.0, ("Tanh", ("Mul", ROOT_TWO_OVER_PI, _INNER)))))),
    (nn.gelu_tanh, ("Mul", X, ("Sigmoid", ("Mul", 2 * ROOT_TWO_OVER_PI, _POWERED)))),
    (nn.gaussian, ("Exp", ("Neg", ("Mul", X, X)))),
    (nn.gudermannian, ("Mul", 2.0, ("Atan", ("Tanh", ("Mul", 0.5, X))))),
    (nn.hard_tanh, ("Where", ("Less", ("Abs", X), 1.0), X, ("Sign", X))),
    (nn.step, ("Where", _ABOVE, 1.0, ("Where", ("Less", X, 0.0), 0.0, 0.0))),
    (nn.elu, ("Where", _ABOVE, X, _EXPM1)),
    (
        nn.selu,
        ("Where", _ABOVE, ("Mul", nn.SELU_SCALE, X), ("Mul", nn.SELU_SCALE * nn.SELU_ALPHA, _EXPM1)),
    ),
    (nn.leaky_relu, ("Where", _ABOVE, X, ("Mul", 0.01, X))),
)


class Simplified:
    """The steps with biases and activations brought into their layers, until nothing more fits."""

    def __init__(self, steps: Mapping[str, Step], outputs: Sequence[str]) -> None:
        self.steps = dict(steps)
        self.outputs = outputs
        for name in steps:
            self._recognise(name)
        self._forget_unread()
        for name in list(self.steps):
            self._join(name)
        self._forget_unread()

    def _forget_unread(self) -> None:
        self.steps = {name: self.steps[name] for name in reached(self.steps, self.outputs)}
        self.uses = Counter(name for step in self.steps.values() for name in step.reads)
        self.uses.update(self.outputs)

    def _recognise(self, name: str) -> None:
        for h, form in COMPOSED:
            found: list[Any] = []
            if self.steps[name].operation == form[0] and self._matches(form, name, found):
                self.steps[name] = Step(h.__name__, nn.Function(h), (found[0],), (found[0],))
                return

    def _matches(self, form: Any, given: Any, found: list[Any]) -> bool:
        """Whether an operand is of a form; ``found`` is then what stands for X."""
        if form is X:
            found[:] = found or [given]
            return isinstance(given, str) and found[0] == given
        if isinstance(form, float):
            return isinstance(given, np.ndarray) and given.size == 1 and np.isclose(given.item(), form, 1e-5)
        step = self.steps.get(given) if isinstance(given, str) else None
        if step is None or step.operation != form[0] or len(step.operands) != len(form) - 1:
            return False
        orders = [form[1:], form[:0:-1]] if form[0] in ("Add", "Mul") else [form[1:]]
        return any(self._all_match(order, step.operands, found) for order in orders)

    def _all_match(self, forms: Sequence[Any], operands: Sequence[Any], found: list[Any]) -> bool:
        trial = list(found)
        holds = all(self._matches(form, given, trial) for form, given in zip(forms, operands, strict=True))
        if holds:
            found[:] = trial
        return holds

    def _join(self, name: str) -> None:
        """Bring a step into the layer that it alone reads."""
        step = self.steps[name]
        before = self.steps.get(step.reads[0]) if len(step.reads) == 1 else None
        if before is None or self.uses[step.reads[0]] != 1 or step.reads[0] in self.outputs:
            return
        layer = _joined(before.layer, step.layer)
        if layer is not None:
            self.steps[name] = Step("Dense", layer, before.reads, before.operands)


def _joined(before: Any, layer: Any) -> Any:
    """A dense layer with the bias or the activation that follows it; None where they make no layer."""
    if not isinstance(before, nn.Dense) or before.activation is not nn.identity:
        return None
    if isinstance(layer, nn.Function) and layer.function is not flattened:
        return nn.Dense(before.weights, before.biases, layer.function)
    if isinstance(layer, Arithmetic) and layer.operation is np.add and before.biases is None:
        units = before.weights.shape[1]
        if layer.constant.size in (1, units):
            return nn.Dense(before.weights, np.broadcast_to(layer.constant, (units,)).copy(), nn.identity)
    return None
