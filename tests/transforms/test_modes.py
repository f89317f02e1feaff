"""Random programs: every mode of differentiation gives the same derivative, and every pass keeps the value.

A program is a list of steps over arrays of random shapes, lengths 0 and 1 among them. Each step is drawn so
that it fits the shapes before it, and is written for NumPy and for JAX alike.
"""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.core.evaluate import evaluate
from wengert.core.recording import record
from wengert.core.verify import verify
from wengert.transforms.simplify import simplify

jax.config.update("jax_enable_x64", True)

SHAPES = st.lists(st.sampled_from([0, 1, 2, 3]), max_size=3).map(tuple)
RUNS = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))

SMOOTH = {
    "tanh": lambda xp, x: xp.tanh(x),
    "sin": lambda xp, x: xp.sin(x),
    "exp": lambda xp, x: xp.exp(0.3 * xp.tanh(x)),
    "log": lambda xp, x: xp.log(1.5 + xp.cos(x)),
    "sqrt": lambda xp, x: xp.sqrt(1 + x * x),
    "arctan": lambda xp, x: xp.arctan(x),
    "square": lambda xp, x: xp.square(xp.sin(x)),
    "power": lambda xp, x: (2 + xp.sin(x)) ** 1.5,
    "cube": lambda xp, x: xp.tanh(x) ** 3,
    "logaddexp": lambda xp, x: xp.logaddexp(x, 0.5),
    "where": lambda xp, x: xp.where(x > 0.1, 2 * x, xp.sin(x)),
    "clip": lambda xp, x: xp.clip(x, -0.7, 0.9),
    "abs": lambda xp, x: xp.abs(x - 0.01),
}
PAIRS = {
    "add": lambda xp, a, b: a + b,
    "subtract": lambda xp, a, b: a - b,
    "multiply": lambda xp, a, b: a * b,
    "divide": lambda xp, a, b: a / (2 + xp.cos(b)),
    "maximum": lambda xp, a, b: xp.maximum(a, b + 0.01),
    "arctan2": lambda xp, a, b: xp.arctan2(a, 1.5 + xp.sin(b)),
}
REDUCTIONS = {
    "sum": lambda xp, x, **k: xp.sum(x, **k),
    "mean of one more": lambda xp, x, **k: xp.sum(x, **k) / (1 + x.size),
    "max": lambda xp, x, **k: xp.max(x, initial=-0.2, **k),
    "prod": lambda xp, x, **k: xp.prod(xp.tanh(x), **k),
    "logsumexp": lambda xp, x, **k: xp.log(1 + xp.sum(xp.exp(xp.tanh(x)), **k)),
}


@st.composite
def programs(draw):
    """A function of a namespace and two arrays, and where to take it."""
    shapes = [draw(SHAPES), draw(SHAPES)]
    seed = draw(st.integers(0, 2**16))
    xs = [np.random.default_rng(seed + i).uniform(-1, 1, shape) for i, shape in enumerate(shapes)]
    steps, values = [], list(xs)
    for _ in range(draw(st.integers(1, 6))):
        step = draw(st.sampled_from(STEPS))(draw, [v.shape for v in values])
        if step is not None:
            steps.append(step)
            with np.errstate(over="ignore"):
                values.append(np.asarray(step(np, values)))
            assume(np.all(np.abs(values[-1]) < 100))

    def f(xp, *xs):
        values = list(xs)
        for step in steps:
            values.append(step(xp, values))
        return sum(xp.sum(xp.sin(v + 0.1 * i)) for i, v in enumerate(values))

    assume(sum(x.size for x in xs) > 0)
    return f, xs


def _one(draw, shapes):
    return draw(st.integers(0, len(shapes) - 1))


def smooth(draw, shapes):
    i, rule = _one(draw, shapes), SMOOTH[draw(st.sampled_from(sorted(SMOOTH)))]
    return lambda xp, v: rule(xp, v[i])


def pair(draw, shapes):
    i, j, rule = _one(draw, shapes), _one(draw, shapes), PAIRS[draw(st.sampled_from(sorted(PAIRS)))]
    try:
        np.broadcast_shapes(shapes[i], shapes[j])
    except ValueError:
        return None
    return lambda xp, v: rule(xp, v[i], v[j])


def reduction(draw, shapes):
    i, rule = _one(draw, shapes), REDUCTIONS[draw(st.sampled_from(sorted(REDUCTIONS)))]
    axes = st.sets(st.sampled_from(range(len(shapes[i])))).map(tuple) if shapes[i] else st.just(())
    axis = draw(st.none() | axes)
    keepdims = draw(st.booleans())
    return lambda xp, v: rule(xp, v[i], axis=axis, keepdims=keepdims)


def matmul(draw, shapes):
    i, j = _one(draw, shapes), _one(draw, shapes)
    try:
        np.matmul(np.zeros(shapes[i]), np.zeros(shapes[j]))
    except ValueError:
        return None
    return lambda xp, v: xp.matmul(v[i], v[j])


def outer(draw, shapes):
    i, j = _one(draw, shapes), _one(draw, shapes)
    return lambda xp, v: xp.einsum("i,j->ji", xp.ravel(v[i])[:3], xp.ravel(v[j])[:3])


def rearranged(draw, shapes):
    i = _one(draw, shapes)
    ndim = len(shapes[i])
    order = draw(st.permutations(range(ndim)))
    place = draw(st.integers(0, ndim))
    kind = draw(
        st.sampled_from(["transpose", "ravel", "expand_dims", "flip", "roll", "stack", "concatenate"])
    )
    return {
        "transpose": lambda xp, v: xp.transpose(v[i], order),
        "ravel": lambda xp, v: xp.reshape(v[i], (-1, 1) if v[i].size else (0,)),
        "expand_dims": lambda xp, v: xp.expand_dims(v[i], place),
        "flip": lambda xp, v: xp.flip(v[i]),
        "roll": lambda xp, v: xp.roll(v[i], 1),
        "stack": lambda xp, v: xp.stack([v[i], 2 * v[i]], axis=place),
        "concatenate": lambda xp, v: xp.concatenate([xp.ravel(v[i]), xp.ravel(v[0])]),
    }[kind]


def taken(draw, shapes):
    i = _one(draw, shapes)
    n = int(np.prod(shapes[i]))
    if n == 0:
        return lambda xp, v: v[i][..., None]
    kind = draw(st.sampled_from(["slice", "integers", "sort", "cumsum", "mask"]))
    start, step = draw(st.integers(0, n)), draw(st.sampled_from([1, 2, -1]))
    places = np.array(draw(st.lists(st.integers(-n, n - 1), min_size=1, max_size=4)))
    return {
        "slice": lambda xp, v: xp.ravel(v[i])[start::step],
        "integers": lambda xp, v: xp.ravel(v[i])[places],
        "sort": lambda xp, v: xp.sort(xp.ravel(v[i])),
        "cumsum": lambda xp, v: xp.cumsum(xp.ravel(v[i])),
        "mask": lambda xp, v: xp.ravel(v[i])[np.arange(n) % 2 == 0],
    }[kind]


STEPS = [smooth, smooth, pair, pair, reduction, matmul, outer, rearranged, taken]


def directions(xs):
    return [np.cos(1 + np.arange(x.size)).reshape(x.shape) for x in xs]


def inner(xs, ys):
    return sum(np.sum(x * y) for x, y in zip(xs, ys, strict=True))


@RUNS
@given(programs())
def test_all_modes_agree(program):
    f, xs = program
    vs = directions(xs)
    g = lambda *xs: f(np, *xs)
    value, tangent = wg.jvp(g, xs, vs)
    again, gradient = wg.value_and_grad(g, (0, 1))(*xs)
    np.testing.assert_allclose([value, again], g(*xs), rtol=1e-14)  # NumPy rounds numbers and arrays apart
    np.testing.assert_allclose(inner(gradient, vs), tangent, rtol=1e-9, atol=1e-9)
    numerical = wg.numerical.derivative(lambda r: g(*(x + r * v for x, v in zip(xs, vs, strict=True))), 0.0)
    np.testing.assert_allclose(tangent, numerical, rtol=1e-4, atol=1e-4)
    theirs = jax.grad(lambda xs: f(jnp, *xs))([jnp.asarray(x) for x in xs])
    for one, other in zip(gradient, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-8)


@RUNS
@given(programs())
def test_second_derivatives_agree(program):
    f, xs = program
    vs = directions(xs)
    g = lambda *xs: f(np, *xs)
    forward_over_reverse = wg.hvp(g, xs, vs)
    reverse_over_forward = wg.grad(lambda *xs: wg.jvp(g, xs, vs)[1], (0, 1))(*xs)
    reverse_over_reverse = wg.grad(lambda *xs: inner(wg.grad(g, (0, 1))(*xs), vs), (0, 1))(*xs)
    theirs = jax.jvp(
        jax.grad(lambda xs: f(jnp, *xs)), ([jnp.asarray(x) for x in xs],), ([jnp.asarray(v) for v in vs],)
    )[1]
    for found in (forward_over_reverse, reverse_over_forward, reverse_over_reverse):
        for one, other in zip(found, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-7)


@RUNS
@given(programs())
def test_every_pass_keeps_the_value(program):
    f, xs = program
    expected = f(np, *xs)
    recording = record(f, xs, lambda f, tracers: f(np, *tracers))
    trace = verify(recording.trace())
    recorded = [recording.recorder.env[output] for output in trace.outputs]
    recording.recorder.close()
    assert evaluate(trace, xs) == recorded
    np.testing.assert_allclose(recorded, [expected], rtol=1e-13)
    np.testing.assert_allclose(evaluate(verify(simplify(trace)), xs), [expected], rtol=1e-12)
    batch = wg.vmap(lambda *xs: f(np, *xs))(*[np.stack([x, -x, x]) for x in xs])
    rows = [f(np, *(sign * x for x in xs)) for sign in (1, -1, 1)]
    np.testing.assert_allclose(batch, rows, rtol=1e-9, atol=1e-12)
    alone = wg.vmap(lambda x: f(np, x, xs[1]))(np.stack([xs[0], -xs[0]]))
    np.testing.assert_allclose(alone[1], f(np, -xs[0], xs[1]), rtol=1e-9, atol=1e-12)


@RUNS
@given(programs())
def test_gradients_of_batches_are_batches_of_gradients(program):
    f, xs = program
    batches = [np.stack([x, 0.5 * x]) for x in xs]
    gradient = wg.grad(lambda *xs: f(np, *xs), (0, 1))
    found = wg.vmap(gradient)(*batches)
    through = wg.grad(lambda *bs: np.sum(wg.vmap(lambda *xs: f(np, *xs))(*bs)), (0, 1))(*batches)
    rows = [gradient(*(b[i] for b in batches)) for i in range(2)]
    for one, two, parts in zip(found, through, zip(*rows, strict=True), strict=True):
        np.testing.assert_allclose(one, np.stack(parts), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(two, np.stack(parts), rtol=1e-9, atol=1e-9)


@given(programs())
@RUNS
def test_a_gradient_costs_at_most_six_times_the_function(program):
    """Reverse mode's bound, counted: whatever the number of inputs."""
    f, xs = program
    function = lambda *xs: f(np, *xs)
    plain = wg.cost(function)(*xs).operations
    assert wg.cost(wg.grad(function, argnums=(0, 1)))(*xs).operations <= 6 * plain
