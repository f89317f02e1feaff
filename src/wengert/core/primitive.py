r"""What an operation is: one declaration from which every mode of differentiation follows.

An operation states one mathematical fact, and the kind of fact gives the rule:

================  ==========================================  =============================================
kind              tangent                                     adjoint of an operand
================  ==========================================  =============================================
``elementwise``   :math:`\dot y=\sum_i p_i\,\dot x_i`         :math:`\bar x_i \mathrel{+}= p_i\,\bar y`
``linear``        :math:`\dot y=\mathrm{op}(\dot x)`          :math:`\bar x \mathrel{+}= \mathrm{op}^T\bar y`
``bilinear``      op(ȧ, b) + op(a, ḃ)                         one transpose for each operand
``nonlinear``     a stated linear map of the tangents         the transpose of that map, found by recording it
``constant``      zero                                        zero
================  ==========================================  =============================================

Broadcasting and dtype promotion are NumPy's; their transposes live in one place
(`transforms.adjoint.conform`), so no rule mentions them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

Rule = Callable[..., Any]


class Primitive:
    """An elementary operation. Made by the constructors below; collected in `REGISTRY`.

    Attributes
    ----------
    name, kind : str
    numpy : callable
        ``numpy(*values, **params)`` evaluates the operation on NumPy values.
    partials : sequence of callable, 1, -1 or None
        For ``elementwise``: ``partial(*operands, y, **params)``, one for each operand; None for an operand
        that has no derivative.
    transposes : sequence of callable or None
        For ``linear`` and ``bilinear``: ``transpose(cotangent, *operands, **params)``, one for each operand.
    tangent : callable
        For ``nonlinear``: ``tangent(tangents, operands, y, **params)``, linear in the tangents.
    infer : callable, optional
        ``infer(*types, **params)`` gives ``(shape, dtype)`` (a list for several outputs). Without it the
        operation is evaluated on ones that take no memory, so that NumPy itself decides.
    core : sequence of int, optional
        How many trailing axes of each operand the operation works on, where it broadcasts over the others.
    inline : callable, optional
        ``inline(*types, **params)`` gives a trace that computes the same, or None; its derivative is another.
    batch : callable, optional
        Batching rule (see `transforms.batch`), or ``"loop"``. Not needed where axes are counted from the end.
    cost : callable, optional
        ``cost(inputs, outputs, **params)`` counts arithmetic operations from the types.
    text : str
        How the equation is written, e.g. ``"{0} + {1}"``.
    python : callable, optional
        Python's own operator, for Python scalars.
    domain : sequence of (low, high)
        Where the generated tests draw the operands of an elementwise operation from.
    examples : callable
        For any other operation: ``examples(draw)`` lists pairs ``(operands, params)`` for the generated
        tests, where ``draw(*shape)`` gives random numbers.
    """

    __slots__ = (
        "batch",
        "core",
        "cost",
        "domain",
        "examples",
        "infer",
        "inline",
        "kind",
        "multiple",
        "name",
        "numpy",
        "partials",
        "pullback",
        "python",
        "tangent",
        "text",
        "transposes",
        "weight",
    )

    name: str
    kind: str
    numpy: Rule
    partials: Sequence[Any]
    transposes: Sequence[Any]
    tangent: Rule
    pullback: Rule | None
    infer: Rule | None
    inline: Rule | None
    core: Sequence[int] | None
    batch: Any
    cost: Rule | None
    weight: float | None
    multiple: bool | None
    python: Rule | None
    text: str | None
    domain: Any
    examples: Rule | None

    def __init__(self, name: str, kind: str, numpy: Rule, **facts: Any) -> None:
        self.name = name
        self.kind = kind
        self.numpy = numpy
        for fact in self.__slots__:
            if fact not in ("name", "kind", "numpy"):
                setattr(self, fact, facts.pop(fact, None))
        if facts:
            raise TypeError(f"Primitive {name!r}: unknown facts {sorted(facts)}.")

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


REGISTRY: dict[str, Primitive] = {}
UFUNCS: dict[Any, Primitive] = {}
FUNCTIONS: dict[Any, Rule] = {}


def _register(primitive: Primitive) -> Primitive:
    if primitive.name in REGISTRY:
        raise ValueError(f"Operation {primitive.name!r} is declared twice.")
    REGISTRY[primitive.name] = primitive
    return primitive


def elementwise(
    name: str, numpy: Rule, partials: Sequence[Any], *, weight: float = 1, ufunc: Any = None, **facts: Any
) -> Primitive:
    """An operation on each element; ``partials`` in operands and output, ``weight`` is its counted cost."""
    primitive = _register(Primitive(name, "elementwise", numpy, partials=partials, weight=weight, **facts))
    if ufunc is not None or hasattr(numpy, "nin"):
        UFUNCS[ufunc or numpy] = primitive
    return primitive


def constant(name: str, numpy: Rule, **facts: Any) -> Primitive:
    """An operation whose derivative is zero wherever it has one (comparisons, rounding, argmax)."""
    if hasattr(numpy, "nin"):
        facts.setdefault("core", (0,) * numpy.nin)
    primitive = _register(Primitive(name, "constant", numpy, **facts))
    if hasattr(numpy, "nin"):
        UFUNCS[numpy] = primitive
    return primitive


def linear(name: str, numpy: Rule, transpose: Any, **facts: Any) -> Primitive:
    """An operation that is linear in those operands, taken together, which have a transpose."""
    transposes = transpose if isinstance(transpose, tuple | list) else (transpose,)
    return _register(Primitive(name, "linear", numpy, transposes=transposes, **facts))


def variadic(name: str, numpy: Rule, transpose: Rule, **facts: Any) -> Primitive:
    """A linear operation of any number of operands; ``transpose(cotangent, i, *operands)`` for operand i."""
    return _register(Primitive(name, "linear", numpy, transposes=_Each(transpose), **facts))


class _Each(Sequence[Rule]):
    """One transpose for every operand, however many there are."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __len__(self) -> int:
        raise TypeError("A variadic operation has as many transposes as operands.")

    def __iter__(self) -> Iterator[Rule]:
        position = 0
        while True:
            yield self[position]
            position += 1

    def __getitem__(self, i: Any) -> Any:
        return lambda ct, *operands, **params: self.rule(ct, i, *operands, **params)


def bilinear(name: str, numpy: Rule, transpose: tuple[Rule, Rule], **facts: Any) -> Primitive:
    """An operation that is linear in each of its two operands separately."""
    return _register(Primitive(name, "bilinear", numpy, transposes=transpose, **facts))


def nonlinear(name: str, numpy: Rule, tangent: Rule, **facts: Any) -> Primitive:
    """Any other operation: ``tangent(tangents, operands, y, **params)`` is linear in the tangents.

    Its adjoint is found by recording that linear map and transposing it.
    """
    return _register(Primitive(name, "nonlinear", numpy, tangent=tangent, **facts))


def implements(*functions: Any) -> Callable[[Rule], Rule]:
    """Declare how a NumPy function is recorded: as a composition of operations."""

    def declare(rule: Rule) -> Rule:
        FUNCTIONS.update(dict.fromkeys(functions, rule))
        return rule

    return declare
