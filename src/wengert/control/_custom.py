r"""Functions whose derivative their author states: forwards, or backwards.

.. math:: \dot y = J(x)\,\dot x \qquad\text{or}\qquad \bar x = J(x)^T \bar y

Both are linear maps, and one is the transpose of the other. So either states the derivative of a function in
both modes: what is asked for in the other direction is found by recording the stated map and transposing it.

The function itself runs on numbers, never on tracers, wherever there are numbers; its trace is recorded where
only types are known, and in place of the call where native code is made of it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from types import MethodType
from typing import Any

import numpy as np

from wengert._refusals import name_of
from wengert.control._bodies import (
    Values,
    body_of,
    filled,
    is_recording,
    record_trace,
    tangent_types,
    with_holes,
)
from wengert.core import tree
from wengert.core.evaluate import environment
from wengert.core.leaves import is_number, like
from wengert.core.primitive import Primitive, nonlinear
from wengert.core.recorder import Tracer, bind, current, type_of
from wengert.core.recording import record, settle
from wengert.core.trace import Trace, Type
from wengert.core.tracer import operand
from wengert.core.verify import bodies, verify_linear
from wengert.errors import DerivativeError, MismatchError, TraceError, at_user_line, place_of
from wengert.transforms.adjoint import Adjoints, pull
from wengert.transforms.batch import evaluate_batch, spread
from wengert.transforms.tangent import zeros

Function = Callable[..., Any]
Types = tuple[Type, ...]


# --- what the user writes -----------------------------------------------------------------------------------


class Stated:
    """A function with a stated derivative: its arguments by position, and a rule."""

    primitive: Primitive
    missing: str

    def __init__(self, f: Function, nondiff_argnums: Sequence[int] = ()) -> None:
        if not callable(f):
            raise TypeError(
                at_user_line(
                    f"{type(self).__name__} needs a function, not something of type {type(f).__name__}. "
                    f"Write @wg.{type(self).__name__} above a function."
                )
            )
        functools.update_wrapper(self, f)
        self.f = f
        self.nondiff_argnums = tuple(nondiff_argnums)
        self.rule: Any = None

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not is_recording():
            return self.f(*args, **kwargs)
        if self.rule is None:
            raise DerivativeError(at_user_line(f"{name_of(self.f)} has no rule. {self.missing}"))
        given = self._by_position(args, kwargs)
        call = Call(self, given)
        outputs = bind(self.primitive, call.operands(given), {"call": call})
        return tree.unflatten(call.result, outputs)

    def _by_position(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Sequence[Any]:
        """The arguments in the order of the parameters, defaults too: a rule always takes the same number."""
        try:
            bound = inspect.signature(self.f).bind(*args, **kwargs)
        except ValueError:  # of compiled code nothing is known
            bound = None
        except TypeError as error:
            wanted = inspect.signature(self.f)
            raise TypeError(
                at_user_line(f"{name_of(self.f)}{wanted}: {error}. Give these arguments.")
            ) from None
        if bound is not None:
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        if kwargs:
            names = ", ".join(kwargs)
            raise TypeError(
                at_user_line(f"{name_of(self.f)} takes {names} by name alone. Let it take them by position.")
            )
        return args


class custom_jvp(Stated):
    r"""A function whose tangent its author states, for all transformations.

    .. math:: \dot y = J(x)\,\dot x

    Reverse mode transposes the stated tangent, which must be linear in the tangents.

    Parameters
    ----------
    f : callable
        A function of trees of numbers and arrays. It need not be NumPy code where no `vmap`, `scan` or native
        code is asked for: on a recorded call it is run on the numbers.
    nondiff_argnums : sequence of int
        Positions of arguments of any kind that no derivative is taken of. The rule gets them first.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> @wg.custom_jvp
    ... def log1pexp(x):
    ...     return np.log1p(np.exp(x))
    >>> @log1pexp.defjvp
    ... def log1pexp_jvp(primals, tangents):
    ...     (x,), (dx,) = primals, tangents
    ...     return log1pexp(x), dx / (1 + np.exp(-x))
    >>> wg.grad(log1pexp)(100.0)  # exp(100) / (1 + exp(100)) without the rule
    np.float64(1.0)
    """

    missing = "Write @f.defjvp above its rule (primals, tangents) -> (value, tangent)."

    def defjvp(self, jvp: Function) -> Function:
        """State the tangent.

        Parameters
        ----------
        jvp : callable
            ``jvp(primals, tangents)`` gives ``(value, tangent)``; both arguments are tuples, one entry for
            each argument of the function. With ``nondiff_argnums`` those arguments come first.

        Returns
        -------
        callable
            ``jvp``, so that this serves as a decorator.
        """
        self.rule = jvp
        return jvp


class custom_vjp(Stated):
    r"""A function whose pullback its author states, for all transformations.

    .. math:: \bar x = J(x)^T\,\bar y

    Forward mode, and with it `hessian` and `hvp`, transposes the stated pullback, where it is linear in the
    cotangent. The backward pass runs ``fwd``, so that what it keeps lives only as long as ``bwd`` needs it.

    Parameters
    ----------
    f : callable
        A function of trees of numbers and arrays, as for `custom_jvp`.
    nondiff_argnums : sequence of int
        Positions of arguments of any kind that no derivative is taken of. ``bwd`` gets them first.

    Examples
    --------
    The gradient of a root :math:`g(x, a) = x^2 - a = 0`, however it was found:

    >>> import numpy as np
    >>> import wengert as wg
    >>> @wg.custom_vjp
    ... def root(a):
    ...     x = 1.0
    ...     while abs(x * x - a) > 1e-12 * a:
    ...         x = (x + a / x) / 2
    ...     return x
    >>> def forward(a):
    ...     x = root(a)
    ...     return x, x
    >>> def backward(x, x_bar):
    ...     return (x_bar / (2 * x),)
    >>> root.defvjp(forward, backward)
    >>> wg.grad(root)(4.0), wg.hessian(root)(4.0)
    (np.float64(0.25), np.float64(-0.03125))
    """

    missing = "State it with f.defvjp(fwd, bwd)."

    def defvjp(self, fwd: Function, bwd: Function) -> None:
        """State the pullback.

        Parameters
        ----------
        fwd : callable
            Takes the function's arguments and gives ``(value, residuals)``: any tree that ``bwd`` needs.
        bwd : callable
            ``bwd(residuals, cotangent)`` gives a tuple, one entry for each argument, like the argument or
            None for zeros. With ``nondiff_argnums`` those arguments come first, and have no entry.
        """
        self.rule = fwd, bwd


# --- one call as a function of flat values ------------------------------------------------------------------


class Call:
    """A call: its operands are the leaves of the arguments that a derivative may be taken of."""

    def __init__(self, stated: Stated, args: Sequence[Any]) -> None:
        self.stated = stated
        self.fixed_places = [_place(stated, place, len(args)) for place in stated.nondiff_argnums]
        self.places = [place for place in range(len(args)) if place not in self.fixed_places]
        self.fixed = [self._untraced(place, args[place]) for place in self.fixed_places]
        self.structure = tree.flatten(tuple(args[place] for place in self.places))[1]
        self.types = tuple(map(type_of, self.operands(args)))
        self.result: Any = None  # the structure, once the function has run
        self.bodies: dict[Types, Trace] = {}

    def __str__(self) -> str:
        return name_of(self.stated.f)

    def _untraced(self, place: int, argument: Any) -> Any:
        if any(isinstance(leaf, Tracer) for leaf in tree.flatten(argument)[0]):
            raise DerivativeError(
                at_user_line(
                    f"argument {place} of {self} is traced, and nondiff_argnums names it. Leave it out of "
                    "nondiff_argnums, and give zeros or None for it in the rule."
                )
            )
        return argument

    def _operand(self, leaf: Any) -> Any:
        if not is_number(leaf):
            raise TypeError(
                at_user_line(
                    f"{self} was given a {type(leaf).__name__}, which is no number or array. Name its "
                    "place in nondiff_argnums."
                )
            )
        return operand(leaf)

    def operands(self, args: Sequence[Any]) -> list[Any]:
        """The leaves of the arguments, which are not kept: values live no longer than their recording."""
        leaves = tree.flatten(tuple(args[place] for place in self.places))[0]
        return [self._operand(leaf) for leaf in leaves]

    def primals(self, leaves: Values) -> tuple[Any, ...]:
        """The arguments with these leaves, those without a derivative left out."""
        found: tuple[Any, ...] = tree.unflatten(self.structure, leaves)
        return found

    def arguments(self, leaves: Values) -> list[Any]:
        """All arguments in order."""
        pairs = [*zip(self.fixed_places, self.fixed, strict=True)]
        pairs += zip(self.places, self.primals(leaves), strict=True)
        return [argument for _, argument in sorted(pairs, key=lambda pair: pair[0])]

    def run(self, values: Values) -> Values:
        """Run the function on numbers, as if nothing were recorded."""
        token = current.set(None)
        try:
            result = self.stated.f(*self.arguments([*map(_own, values)]))
        finally:
            current.reset(token)
        leaves, self.result = tree.flatten(result)
        leaves = [self._operand(settle(leaf)) for leaf in leaves]
        self._refuse(leaf for leaf in leaves if isinstance(leaf, Tracer))
        return leaves

    def _refuse(self, captured: Iterable[Any]) -> None:
        if any(True for _ in captured):
            raise DerivativeError(
                f"{place_of(self.stated.f)}{self} uses a traced value from outside, of which its rule says "
                "nothing. Let it take the value as an argument."
            )

    def body(self, types: Types) -> Trace:
        """The function's trace."""
        if types not in self.bodies:
            found = body_of(self.stated.f, types, lambda f, xs: f(*self.arguments(xs)))
            body, captured, self.result = found
            self._refuse(captured)
            self.bodies[types] = body
        return self.bodies[types]

    def move(self, primals: Values, vectors: Values, types: Sequence[Type]) -> Values:
        """Apply the stated linear map; ``types`` are those of the outputs."""
        return MOVES[type(self.stated)](self, self.stated.rule, primals, vectors, types)


def _place(stated: Stated, place: int, count: int) -> int:
    if not -count <= place < count:
        raise TypeError(
            at_user_line(
                f"{name_of(stated.f)} has {count} arguments, and nondiff_argnums names number {place}. "
                "Count them from 0."
            )
        )
    return place % count


def _own(value: Any) -> Any:
    """An array that may be written into."""
    return value.copy() if isinstance(value, np.ndarray) else value


def _pair(found: Any, rule: Function, what: str) -> tuple[Any, Any]:
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise MismatchError(
            f"{place_of(rule)}{name_of(rule)} gives a {type(found).__name__}. Return the pair {what}."
        )
    return found[0], found[1]


def _forwards(call: Call, jvp: Function, primals: Values, tangents: Values, types: Sequence[Type]) -> Values:
    """The tangents of the outputs of floating point from those of the operands."""
    moved = with_zeros(tangents, [type_of(x) for x in primals])
    found = jvp(*call.fixed, call.primals([*map(_own, primals)]), call.primals(moved))
    tangent = _pair(found, jvp, "(value, tangent)")[1]
    leaves = like(tangent, call.result, types, "tangent", f"value of {call}", lambda: place_of(jvp))
    return [x for x, type in zip(leaves, types, strict=True) if type.inexact]


def _backwards(call: Call, rule: Any, primals: Values, cts: Values, types: Sequence[Type]) -> Values:
    """The cotangents of the operands of floating point from those of the outputs."""
    fwd, bwd = rule
    residuals = _pair(fwd(*call.arguments([*map(_own, primals)])), fwd, "(value, residuals)")[1]
    cotangent = tree.unflatten(call.result, with_zeros(cts, types))
    found = bwd(*call.fixed, residuals, cotangent)
    if not isinstance(found, tuple | list) or len(found) != len(call.places):
        what = f"{len(found)} entries" if isinstance(found, tuple | list) else f"a {type(found).__name__}"
        raise MismatchError(
            f"{place_of(bwd)}{name_of(bwd)} gives {what}, and {call} has {len(call.places)} arguments with a "
            "derivative. Return a tuple, one cotangent or None for each: return (x_bar,) for a single one."
        )
    back: list[Any] = []
    for place, given, argument in zip(call.places, found, call.primals(primals), strict=True):
        back += _cotangents(given, argument, f"argument {place} of {call}", bwd)
    return back


def _cotangents(given: Any, argument: Any, what: str, bwd: Function) -> Values:
    leaves, structure = tree.flatten(argument)
    types = [type_of(leaf) for leaf in leaves]
    if given is None:
        return [zeros(type) for type in types if type.inexact]
    found = like(given, structure, types, "cotangent", what, lambda: place_of(bwd))
    return [x for x, type in zip(found, types, strict=True) if type.inexact]


MOVES: dict[type[Stated], Callable[..., Values]] = {custom_jvp: _forwards, custom_vjp: _backwards}


def with_zeros(vectors: Values, types: Sequence[Type]) -> list[Any]:
    """One vector for each leaf: zeros for those that are not of floating point."""
    holes = with_holes(vectors, types)
    return [zeros(type) if vector is None else vector for vector, type in zip(holes, types, strict=True)]


class Batch:
    """A call for every example of a batch; operands that are not flagged are the same for all."""

    def __init__(self, call: Any, types: Sequence[Type], flags: Sequence[bool], size: int) -> None:
        self.stated, self.call, self.size = call.stated, call, size
        self.types, self.flags = tuple(types), list(flags)
        self.bodies: dict[Types, Trace] = {}

    def __str__(self) -> str:
        return str(self.call)

    def run(self, values: Values) -> Values:
        """The outputs, all with the batch axis in front."""
        found = evaluate_batch(self.call.body(self.types), values, self.flags, self.size)
        return [v if flag else spread(v, self.size) for v, flag in found]

    def body(self, types: Types) -> Trace:
        """The trace of all examples."""
        if types not in self.bodies:
            self.bodies[types] = record_trace(self.run, types)
        return self.bodies[types]

    def move(self, primals: Values, vectors: Values, types: Sequence[Type]) -> Values:
        """The stated linear map of every example; what all share gets the sum of their cotangents."""
        forwards = self.stated.primitive is jvp_p
        moving = [flag for flag, type in zip(self.flags, self.types, strict=True) if type.inexact]
        given, taken = (moving, None) if forwards else ([True] * len(vectors), moving)
        trace, captured = self._map(forwards)
        flags = [False] * len(captured) + self.flags + given
        found = evaluate_batch(trace, [*captured, *primals, *vectors], flags, self.size)
        wanted = [True] * len(found) if taken is None else taken
        return [self._shared(v, flag, want) for (v, flag), want in zip(found, wanted, strict=True)]

    def _shared(self, value: Any, flag: bool, want: bool) -> Any:
        if want:
            return value if flag else spread(value, self.size)
        return np.sum(value, axis=0) if flag else value * self.size

    def _map(self, forwards: bool) -> tuple[Trace, list[Any]]:
        """The linear map of one example, as a trace of its operands and vectors."""
        outs = [atom.type for atom in self.call.body(self.types).outputs]
        vectors = tangent_types(self.types if forwards else outs)
        count = len(self.types)
        trace, captured, _ = body_of(
            self.call.move, [*self.types, *vectors], lambda f, xs: f(xs[:count], xs[count:], outs)
        )
        return trace, captured


# --- the operations -----------------------------------------------------------------------------------------


def applied(linear: Callable[[Values], Values], vectors: Values, others: Values) -> Values:
    """The image of vectors under a map that user's code computes from other values, tracers among them."""
    recording = record(linear, vectors, lambda f, given: f(given), above=[*vectors, *others])
    found = [recording.value(output) for output in recording.outputs]
    recording.recorder.close()
    return found


def transposed(
    call: Any, linear: Callable[[Values], Values], types: Sequence[Type], seeds: Values, others: Values
) -> list[Any]:
    """The image of seeds under the transpose of such a map, None where it is zero."""
    recording = record(linear, types, lambda f, given: f(given), abstract=True, above=[*seeds, *others])
    trace = recording.trace()
    _require_linear(call, trace)
    # Types stand for the values, which a linear map needs only to run a loop once more.
    known = recording.recorder.env
    if any(map(bodies, trace.equations)):
        known = environment(trace, [*map(zeros, types)])
    adjoints = Adjoints()
    for output, seed in zip(recording.outputs, seeds, strict=True):
        if recording.is_traced(output):
            adjoints.add(output.variable, seed)
    pull(reversed(trace.equations), known, adjoints)
    recording.recorder.close()
    return [adjoints.get(var) for var in recording.inputs]


def _require_linear(call: Any, trace: Trace) -> None:
    try:
        verify_linear(trace)
    except TraceError as error:
        rule = call.stated.rule
        forwards = call.stated.primitive is jvp_p
        of, mode = ("tangents", "Reverse") if forwards else ("cotangent", "Forward")
        raise DerivativeError(
            f"{place_of(rule if forwards else rule[1])}the rule of {call} is not linear in the {of}: "
            f"{error} {mode} mode needs its transpose. Write it as sums of products with the {of}."
        ) from None


def _run(*operands: Any, call: Any) -> tuple[Any, ...]:
    return tuple(call.run(operands))


def _types(*types: Type, call: Any) -> list[Any]:
    return [(a.type.shape, a.type.dtype, a.type.weak) for a in call.body(types).outputs]


def _inline(*types: Type, call: Any) -> Trace | None:
    """The function's trace, where its code can be recorded on types alone; elsewhere it runs on numbers."""
    try:
        body: Trace = call.body(types)
    except Exception:
        return None
    return body


def _batch(values: Values, flags: Sequence[bool], types: Any, size: int, *, call: Any) -> Any:
    return bind(call.stated.primitive, values, {"call": Batch(call, types, flags, size)})


def _operands(call: Any, values: Values) -> list[Any]:
    """The operands as they were given: elsewhere rules take Python's whole numbers in the result's dtype."""
    pairs = zip(values, call.types, strict=True)
    return [x if t.inexact or not type_of(x).inexact else x.astype(t.dtype) for x, t in pairs]


def _of(values: Values) -> list[Type]:
    return [type_of(value) for value in values]


def _jvp_tangent(tangents: Values, operands: Values, outputs: Values, *, call: Any) -> Values:
    primals, outs = _operands(call, operands), _of(outputs)
    moved = filled(tangents, _of(primals))
    return with_holes(applied(lambda xs: call.move(primals, xs, outs), moved, primals), outs)


def _jvp_pullback(
    cts: Values, operands: Values, outputs: Values, wants: Sequence[bool], *, call: Any
) -> Values:
    primals, outs = _operands(call, operands), _of(outputs)
    moved, types = filled(cts, outs), _of(primals)
    found = transposed(call, lambda xs: call.move(primals, xs, outs), tangent_types(types), moved, primals)
    return _wanted(with_holes(found, types), wants)


def _vjp_tangent(tangents: Values, operands: Values, outputs: Values, *, call: Any) -> Values:
    primals, outs = _operands(call, operands), _of(outputs)
    moved = filled(tangents, _of(primals))
    found = transposed(call, lambda xs: call.move(primals, xs, outs), tangent_types(outs), moved, primals)
    return with_holes(found, outs)


def _vjp_pullback(
    cts: Values, operands: Values, outputs: Values, wants: Sequence[bool], *, call: Any
) -> Values:
    primals, outs = _operands(call, operands), _of(outputs)
    found = applied(lambda xs: call.move(primals, xs, outs), filled(cts, outs), primals)
    return _wanted(with_holes(found, _of(primals)), wants)


def _wanted(found: Values, wants: Sequence[bool]) -> Values:
    return [x if want else None for x, want in zip(found, wants, strict=True)]


_FACTS: dict[str, Any] = {
    "infer": _types, "inline": _inline, "batch": _batch, "multiple": True, "text": "{call}({args})",
}  # fmt: skip
jvp_p = nonlinear("custom_jvp", _run, _jvp_tangent, pullback=_jvp_pullback, **_FACTS)
vjp_p = nonlinear("custom_vjp", _run, _vjp_tangent, pullback=_vjp_pullback, **_FACTS)
custom_jvp.primitive, custom_vjp.primitive = jvp_p, vjp_p
