"""Every operation in the registry, tested from its own declaration: no rule is restated here.

An operation says where to try it, with ``domain`` or ``examples``; one that says neither fails. Asked are:
value and type are NumPy's, the tangent is the limit of differences, the adjoint is the transpose of the
tangent, the same again for the derivative of the derivative, and a batch is what a loop over its examples
gives.
"""

import itertools
import zlib

import numpy as np
import pytest

import wengert as wg
import wengert.ops
from wengert.core.primitive import REGISTRY
from wengert.core.recorder import bind, infer, type_of
from wengert.errors import DerivativeError
from wengert.ops.special import load as load_special_functions

STEP = 1e-6


class Draw:
    """Random numbers, the same in every run."""

    def __init__(self, name):
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))

    def __call__(self, *shape):
        return self.rng.standard_normal(shape)[()]

    def inside(self, interval, shape):
        return self.rng.uniform(*interval, shape)[()]

    def like(self, x):
        """A direction: random numbers of the type of x."""
        direction = self(*np.shape(x))
        if np.asarray(x).dtype.kind == "c":
            direction = direction + 1j * self(*np.shape(x))
        return np.asarray(direction).astype(np.asarray(x).dtype)[()]


class Case:
    """One operation at one point; as a function of its floating-point operands alone."""

    def __init__(self, primitive, operands, params):
        self.primitive = primitive
        self.operands = operands
        self.params = params
        self.moving = [i for i, x in enumerate(operands) if np.asarray(x).dtype.kind in "fc"]

    def __repr__(self):
        operands = ", ".join(map(repr, map(type_of, self.operands)))
        params = "".join(f", {key}={value}" for key, value in self.params.items())
        return f"{self.primitive.name}({operands}{params})"

    @property
    def point(self):
        return tuple(self.operands[i] for i in self.moving)

    def __call__(self, *moved):
        """The operation, as a list of outputs of floating point."""
        operands = list(self.operands)
        for i, x in zip(self.moving, moved):
            operands[i] = x
        result = bind(self.primitive, operands, self.params)
        outputs = result if self.primitive.multiple else (result,)
        return [y for y in outputs if y.dtype.kind in "fc"]

    def astype(self, dtype):
        """The same case in another precision."""
        kind = {"f": dtype, "c": np.result_type(dtype, np.complex64)}
        cast = [
            x.astype(kind[x.dtype.kind]) if x.dtype.kind in "fc" else x
            for x in map(np.asarray, self.operands)
        ]
        return Case(self.primitive, [x[()] for x in cast], self.params)


def examples(primitive):
    """The places where an operation wants to be tried."""
    draw = Draw(primitive.name)
    if primitive.examples is not None:
        return [Case(primitive, list(operands), params) for operands, params in primitive.examples(draw)]
    if primitive.domain is None:
        return []
    n = len(primitive.domain)
    shapes = {
        1: [((),), ((3,),), ((2, 3),), ((0,),)],
        2: [((), ()), ((3,), (3,)), ((2, 1), (3,)), ((), (2, 2)), ((1, 3), (1,))],
    }
    return [
        Case(
            primitive, [draw.inside(interval, shape) for interval, shape in zip(primitive.domain, chosen)], {}
        )
        for chosen in shapes[n]
    ]


# These hold a trace or a function of their own; tests/contract/test_transforms.py and tests/control are about
# them.
WITH_BODIES = {"scan", "while_loop", "cond", "checkpoint", "custom_jvp", "custom_vjp"}

load_special_functions()
NAMES = sorted(REGISTRY.keys() - WITH_BODIES)
CASES = [case for name in NAMES for case in examples(REGISTRY[name])]
SMOOTH = [case for case in CASES if case.primitive.kind != "constant" and case.moving]


def over(cases):
    return pytest.mark.parametrize("case", cases, ids=repr)


def pairing(xs, ys):
    return sum(np.sum(np.real(np.asarray(x) * np.asarray(y))) for x, y in zip(xs, ys))


def near(found, expected, rtol=1e-6, atol=1e-7):
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert np.shape(one) == np.shape(other)
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


def differences(f, point, direction, step=STEP):
    ahead = f(*(x + step * v for x, v in zip(point, direction)))
    behind = f(*(x - step * v for x, v in zip(point, direction)))
    return [(np.asarray(a) - np.asarray(b)) / (2 * step) for a, b in zip(ahead, behind)]


@pytest.mark.parametrize("name", NAMES)
def test_says_where_to_try_it(name):
    assert examples(REGISTRY[name]), f"{name} declares neither domain nor examples"


@over(CASES)
def test_value_and_type_are_numpys(case):
    expected = case.primitive.numpy(*case.operands, **case.params)
    expected = expected if case.primitive.multiple else (expected,)
    found, _ = wg.vjp(lambda *xs: case(*xs), *case.point) if case.moving else (case(), None)
    near(found, [y for y in expected if np.asarray(y).dtype.kind in "fc"], rtol=0, atol=0)
    types = infer(case.primitive, [type_of(x) for x in case.operands], case.params)
    types = types if case.primitive.multiple else (types,)
    assert [(t.shape, t.dtype) for t in types] == [(np.shape(y), np.asarray(y).dtype) for y in expected]


@over([case for case in CASES if case.moving])
def test_single_precision_stays_single(case):
    single = case.astype(np.float32)
    expected = single.primitive.numpy(*single.operands, **single.params)
    expected = expected if case.primitive.multiple else (expected,)
    types = infer(case.primitive, [type_of(x) for x in single.operands], case.params)
    types = types if case.primitive.multiple else (types,)
    assert [(t.shape, t.dtype) for t in types] == [(np.shape(y), np.asarray(y).dtype) for y in expected]
    direction = tuple(Draw("single").like(x) for x in single.point)
    values, tangents = wg.jvp(single, single.point, direction)
    values, pullback = wg.vjp(single, *single.point)
    adjoints = pullback(values)
    assert [t.dtype for t in tangents] == [y.dtype for y in values]
    assert [a.dtype for a in adjoints] == [x.dtype for x in single.point]
    exact = wg.jvp(case, case.point, direction)[1]
    near(tangents, exact, rtol=2e-3, atol=1e-3)


@over(SMOOTH)
def test_tangent_is_the_limit_of_differences(case):
    draw = Draw("tangent")
    direction = tuple(draw.like(x) for x in case.point)
    value, tangent = wg.jvp(case, case.point, direction)
    near(tangent, differences(case, case.point, direction))
    near(value, case(*case.point), rtol=0, atol=0)


@over(SMOOTH)
def test_adjoint_is_the_transpose_of_the_tangent(case):
    draw = Draw("transpose")
    direction = tuple(draw.like(x) for x in case.point)
    _, tangent = wg.jvp(case, case.point, direction)
    value, pullback = wg.vjp(case, *case.point)
    weights = [draw.like(y) for y in value]
    adjoint = pullback(weights)
    assert [np.shape(a) for a in adjoint] == [np.shape(x) for x in case.point]
    assert pairing(weights, tangent) == pytest.approx(pairing(adjoint, direction), rel=1e-9, abs=1e-9)


@over(SMOOTH)
def test_second_derivative(case):
    draw = Draw("second")
    weights = [draw.like(y) for y in case(*case.point)]
    direction = tuple(draw.like(x) for x in case.point)

    def gradient(*xs):
        return wg.vjp(case, *xs)[1](weights)

    def tangent(*xs):
        return wg.jvp(case, xs, direction)[1]

    near(wg.jvp(gradient, case.point, direction)[1], differences(gradient, case.point, direction), 1e-5, 1e-6)
    near(wg.jvp(tangent, case.point, direction)[1], differences(tangent, case.point, direction), 1e-5, 1e-6)
    _, pullback = wg.vjp(tangent, *case.point)
    moved = wg.jvp(tangent, case.point, direction)[1]
    assert pairing(pullback(weights), direction) == pytest.approx(pairing(weights, moved), rel=1e-8, abs=1e-8)


def choices(count):
    """Which operands are batched: each alone, and all."""
    alone = [[i == j for j in range(count)] for i in range(count)]
    return alone if count == 1 else [*alone, [True] * count]


@over(CASES)
def test_a_batch_is_a_loop(case):
    draw = Draw("batch")
    for flags in choices(len(case.operands)):
        operands = [batch_of(x, draw) if flag else x for x, flag in zip(case.operands, flags)]
        rows = [[x[i] if flag else x for x, flag in zip(operands, flags)] for i in range(3)]
        expected = [bind(case.primitive, row, case.params) for row in rows]
        in_axes = tuple(0 if flag else None for flag in flags)
        found = wg.vmap(lambda *xs: bind(case.primitive, xs, case.params), in_axes)(*operands)
        columns = list(zip(*expected)) if case.primitive.multiple else [expected]
        found = found if case.primitive.multiple else (found,)
        near(found, [np.stack(column) for column in columns], rtol=1e-12, atol=1e-12)
        assert [y.dtype for y in found] == [np.asarray(column[0]).dtype for column in columns]


@over(CASES)
def test_a_batch_of_batches_is_a_loop(case):
    """The inner batch is recorded with an axis in front that the operation's parameters do not speak of."""
    draw = Draw("batches")
    count = len(case.operands)
    for outer, inner in itertools.product(choices(count), choices(count)):
        operands = []
        for x, o, i in zip(case.operands, outer, inner):
            x = batch_of(x, draw) if i else x
            operands.append(batch_of(x, draw)[:2] if o else x)
        f = wg.vmap(lambda *xs: bind(case.primitive, xs, case.params), _axes(inner))
        found = wg.vmap(f, _axes(outer))(*operands)
        rows = [[_pick(operands, outer, inner, a, b) for b in range(3)] for a in range(2)]
        expected = [[bind(case.primitive, row, case.params) for row in part] for part in rows]
        for place, y in enumerate(found if case.primitive.multiple else [found]):
            parts = [[r[place] if case.primitive.multiple else r for r in part] for part in expected]
            near([y], [np.stack([np.stack(part) for part in parts])], rtol=1e-12, atol=1e-12)


def _axes(flags):
    return tuple(0 if flag else None for flag in flags)


def _pick(operands, outer, inner, a, b):
    """The operands of one example."""
    rows = [x[a] if o else x for x, o in zip(operands, outer)]
    return [x[b] if i else x for x, i in zip(rows, inner)]


def batch_of(x, draw):
    """Three examples near x; of integers and truth values, copies."""
    x = np.asarray(x)
    if x.dtype.kind not in "fc":
        return np.stack([x, x[::-1] if x.ndim else x, x])
    return np.stack([x * (1 + 0.01 * draw(*x.shape)) for _ in range(3)]).astype(x.dtype)


@over([case for case in SMOOTH if 0 < sum(np.size(x) for x in case.point) < 40])
def test_jacobian_is_the_same_forward_and_in_reverse(case):
    """Both modes run over a batch axis, so this tries the batched tangents and adjoints."""
    argnums = tuple(range(len(case.point)))
    try:
        forward = wg.jacobian(case, argnums, mode="forward")(*case.point)
    except DerivativeError as error:
        assert "needs a function with a complex derivative" in str(error)
        assert any(np.iscomplexobj(x) for x in case.point)
        with pytest.raises(DerivativeError, match="needs a function with a complex derivative"):
            wg.jacobian(case, argnums, mode="reverse")(*case.point)
        return
    reverse = wg.jacobian(case, argnums, mode="reverse")(*case.point)
    for one, other in zip(forward, reverse):
        near(one, other, rtol=1e-9, atol=1e-9)


@over(SMOOTH)
def test_the_adjoint_in_a_loop_is_the_adjoint_of_every_step(case):
    """A scan records the backward pass of its body for types: with operands from outside, and as rows."""
    draw = Draw("loop")
    rows = [case.point, tuple(x + 0 for x in case.point)]
    values, pullback = wg.vjp(case, *case.point)
    cotangents = [draw.like(y) for y in values]
    expected = pullback(cotangents)
    both = [np.stack([ct, 2 * ct]) for ct in cotangents]

    _, pullback = wg.vjp(
        lambda *xs: wg.scan(lambda c, _: (c, case(*xs)), 0.0, None, length=2)[1], *case.point
    )
    for one, other in zip(pullback(both), expected):
        near([one], [3 * other], rtol=1e-9, atol=1e-9)
    stacked = [np.stack(column) for column in zip(*rows)]
    _, pullback = wg.vjp(lambda *xs: wg.scan(lambda c, row: (c, case(*row)), 0.0, xs)[1], *stacked)
    for one, other in zip(pullback(both), expected):
        near([one], [np.stack([other, 2 * other])], rtol=1e-9, atol=1e-9)
