"""Random programs: NumPy code put together step by step from operations that fit the shapes at hand.

A program keeps a pool of arrays. A step takes some of them and adds one; what it takes is drawn beforehand,
so that the program is the same function whenever it is called. Decisions (comparisons, sorting, extrema) are
made on *exact* arrays alone, which are arguments or elements of them: elsewhere a rounding could turn
them round, and two right answers would differ.

    f, arguments = program(seed)
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import wengert as wg

EXTENTS = (0, 1, 1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 33, 63, 65)
LARGEST = 6000  # elements of an array
DTYPES = ("float64", "float64", "float32", "float32", "int64", "int32", "bool", "uint8")

Array = Any
Function = Callable[..., Any]


class Entry(NamedTuple):
    """What is known of an array of the pool: its shape and dtype, and whether no rounding is in it."""

    shape: tuple[int, ...]
    kind: str
    exact: bool


class Step(NamedTuple):
    """A function of the pool."""

    name: str
    function: Function
    operands: tuple[int, ...]


class Maker:
    """Draws one program."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.steps: list[Step] = []
        self.entries: list[Entry] = []

    # --- draws ----------------------------------------------------------------------------------------------

    def pick(self, options: Sequence[Any]) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def shape(self) -> tuple[int, ...]:
        """Up to three axes, not too many elements, seldom none at all."""
        while True:
            shape = tuple(int(self.pick(EXTENTS)) for _ in range(self.rng.integers(0, 4)))
            if math.prod(shape) <= LARGEST and (0 not in shape or self.rng.random() < 0.1):
                return shape

    def argument(self, shape: tuple[int, ...], dtype: str) -> Array:
        """Numbers between -1 and 1, many of them equal to another one."""
        x = self.rng.uniform(-1, 1, shape)
        if self.rng.random() < 0.3:
            x = np.round(x * 4) / 4
        if dtype == "bool":
            return np.asarray(x > 0)
        if dtype.startswith(("int", "uint")):
            return np.asarray(np.abs(np.round(x * 5)) if dtype[0] == "u" else np.round(x * 5)).astype(dtype)
        return np.asarray(x).astype(dtype)

    def index(self, kinds: str = "f", exact: bool = False, least: int = 0) -> int | None:
        """An array of the pool, rather a late one."""
        able = [
            i
            for i, e in enumerate(self.entries)
            if e.kind in kinds and (e.exact or not exact) and len(e.shape) >= least
        ]
        return able[-1 - min(int(self.rng.exponential(2)), len(able) - 1)] if able else None

    def axis(self, shape: tuple[int, ...]) -> int:
        return int(self.rng.integers(-len(shape), len(shape)))

    def axes(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        chosen = [i for i in range(len(shape)) if self.rng.random() < 0.5]
        return tuple(chosen) or (int(self.rng.integers(len(shape))),)

    # --- steps ----------------------------------------------------------------------------------------------

    def run(self, arguments: Sequence[Array], count: int) -> Function:
        for x in arguments:
            self.entries.append(Entry(x.shape, x.dtype.kind, True))
        self.values = [np.asarray(x) for x in arguments]
        while len(self.steps) < count:
            STEPS[int(self.rng.integers(len(STEPS)))](self)
        steps, results = tuple(self.steps), self.results(len(arguments))

        def f(*operands: Array) -> Array:
            pool = list(operands)
            for step in steps:
                pool.append(step.function(*(pool[i] for i in step.operands)))
            return tuple(pool[i] for i in results)

        f.steps = [step.name for step in steps]  # type: ignore[attr-defined]
        return f

    def results(self, arguments: int) -> list[int]:
        """What nobody has used, and the last array."""
        used = {i for step in self.steps for i in step.operands}
        return [i for i in range(arguments, len(self.entries)) if i not in used] or [len(self.entries) - 1]

    def add(self, name: str, function: Function, *operands: int, exact: bool = False) -> None:
        """Take a step, if NumPy can (not with every empty array) and its result is not too large."""
        try:
            with np.errstate(all="ignore"):
                value = np.asarray(function(*(self.values[i] for i in operands)))
        except (ValueError, np.linalg.LinAlgError):
            return
        if value.size > LARGEST or not np.all(np.isfinite(value)) or np.any(np.abs(value) > 1e4):
            return
        exact = exact and all(self.entries[i].exact for i in operands)
        self.steps.append(Step(name, function, operands))
        self.entries.append(Entry(value.shape, value.dtype.kind, exact or value.dtype.kind in "biu"))
        self.values.append(value)


# --- the kinds of steps -------------------------------------------------------------------------------------


def unary(maker: Maker) -> None:
    i = maker.index()
    if i is not None:
        name, function = maker.pick(UNARY)
        maker.add(name, function, i)


UNARY: list[tuple[str, Function]] = [
    ("sin", np.sin),
    ("tanh", np.tanh),
    ("exp", lambda x: np.exp(-x * x)),
    ("log", lambda x: np.log(1.5 + x * x)),
    ("sqrt", lambda x: np.sqrt(1 + x * x)),
    ("square", np.square),
    ("times", lambda x: 0.7 * x - 0.2),
    ("reciprocal", lambda x: 1 / (2 + np.cos(x))),
    ("arctan", np.arctan),
    ("logistic", lambda x: 1 / (1 + np.exp(-x))),
    ("power", lambda x: (1.5 + np.sin(x)) ** 1.7),
    ("cube", lambda x: x**3),
    ("float32", lambda x: x.astype(np.float32)),
    ("float64", lambda x: x.astype(np.float64)),
    ("erf-like", lambda x: np.expm1(x * 0.3) + np.log1p(x * x)),
]


def binary(maker: Maker) -> None:
    """Operands of shapes that fit, by one's first row or column where they do not."""
    i, j = maker.index("fiub"), maker.index("f")
    if i is None or j is None:
        return
    a, b = maker.entries[i].shape, maker.entries[j].shape
    name, function = maker.pick(BINARY)
    try:
        np.broadcast_shapes(a, b)
        maker.add(name, function, i, j)
    except ValueError:
        maker.add(f"{name} of a mean", lambda x, y: function(x, np.mean(y)), i, j)


BINARY: list[tuple[str, Function]] = [
    ("add", lambda x, y: x + y),
    ("subtract", lambda x, y: x - y),
    ("multiply", lambda x, y: x * y),
    ("divide", lambda x, y: x / (2 + y * y)),
    ("hypot", lambda x, y: np.hypot(x * 1.0, y) + 0.1),
    ("arctan2", lambda x, y: np.arctan2(x * 1.0, 2 + y)),
    ("logaddexp", lambda x, y: np.logaddexp(x * 1.0, y)),
]


def whole(maker: Maker) -> None:
    """Arithmetic of whole numbers and truth values."""
    i = maker.index("iu")
    if i is not None:
        name, function = maker.pick(WHOLE)
        maker.add(name, function, i)


WHOLE: list[tuple[str, Function]] = [
    ("floor_divide", lambda x: x // 3),
    ("remainder", lambda x: x % 3),
    ("shift", lambda x: x << 1),
    ("and", lambda x: (x & 5) | 2),
    ("gcd", lambda x: np.gcd(x, 6)),
    ("lcm", lambda x: np.lcm(x, np.asarray(4, x.dtype))),
    ("less", lambda x: x < 2),
    ("float", lambda x: x * 0.25),
    ("count", lambda x: np.count_nonzero(x, axis=-1) if x.ndim else x),
    ("cumsum", lambda x: np.cumsum(x, axis=0) if x.ndim else x),
    ("maximum", lambda x: np.maximum(x, 1)),
]


def decision(maker: Maker) -> None:
    """What depends on order, of exact arrays."""
    i = maker.index("fiu", exact=True, least=1)
    if i is None or 0 in maker.entries[i].shape:
        return
    axis = maker.axis(maker.entries[i].shape)
    name = maker.pick(("argmax", "argmin", "argsort", "any", "all", "count_nonzero"))
    function = getattr(np, name)
    if name == "argsort":
        maker.add(name, lambda x: np.argsort(x, axis=axis, kind="stable"), i)
    else:
        keepdims = bool(maker.rng.integers(2))
        maker.add(name, lambda x: function(x, axis=axis, keepdims=keepdims), i)


def extremum(maker: Maker) -> None:
    i = maker.index("fiu", exact=True, least=1)
    if i is None or 0 in maker.entries[i].shape:
        return
    axes, keepdims = maker.axes(maker.entries[i].shape), bool(maker.rng.integers(2))
    name = maker.pick(("max", "min", "sort", "relu", "median", "clip"))
    functions: dict[str, Function] = {
        "max": lambda x: np.max(x, axis=axes, keepdims=keepdims),
        "min": lambda x: np.min(x, axis=axes, keepdims=keepdims),
        "sort": lambda x: np.sort(x, axis=axes[0]),
        "relu": lambda x: np.where(x > 0.3, x, x * 0),
        "median": lambda x: np.sort(x, axis=axes[0])[..., :1],
        "clip": lambda x: np.minimum(np.maximum(x, 0), 3),
    }
    maker.add(name, functions[name], i, exact=name != "relu")


def reduction(maker: Maker) -> None:
    i = maker.index(least=1)
    if i is None:
        return
    axes, keepdims = maker.axes(maker.entries[i].shape), bool(maker.rng.integers(2))
    count = max(1, math.prod(maker.entries[i].shape[a] for a in axes))
    name = maker.pick(("sum", "mean", "prod", "logsumexp", "softmax", "var", "norm", "all"))
    functions: dict[str, Function] = {
        "sum": lambda x: np.sum(x, axis=axes, keepdims=keepdims) / count,
        "mean": lambda x: np.sum(x * x, axis=axes, keepdims=keepdims) / count,
        "prod": lambda x: np.prod(1 + x * (0.5 / count), axis=axes, keepdims=keepdims),
        "logsumexp": lambda x: wg.special.logsumexp(x, axis=axes, keepdims=keepdims),
        "softmax": lambda x: wg.special.softmax(x, axis=axes),
        "var": lambda x: np.sum(np.square(x - np.sum(x, axis=axes, keepdims=True) / count), axis=axes),
        "norm": lambda x: np.sqrt(1 + np.sum(x * x, axis=axes, keepdims=True)),
        "all": lambda x: np.sum(x, axis=None) / max(1, x.size),
    }
    maker.add(name, functions[name], i)


def running(maker: Maker) -> None:
    i = maker.index(least=1)
    if i is not None:
        shape = maker.entries[i].shape
        axis = maker.axis(shape)
        n = max(1, shape[axis])
        functions: list[tuple[str, Function]] = [
            ("cumsum", lambda x: np.cumsum(x, axis=axis) / n),
            ("cumprod", lambda x: np.cumprod(1 + x / (2 * n), axis=axis)),
            ("cumsum of sin", lambda x: np.cumsum(np.sin(x), axis=axis) / n),
        ]
        maker.add(*maker.pick(functions), i)


def movement(maker: Maker) -> None:
    """Views, copies and joins: exact stays exact."""
    i = maker.index("fiub", least=1)
    if i is None:
        return
    shape = maker.entries[i].shape
    axis, shift = maker.axis(shape), int(maker.rng.integers(-5, 6))
    order = [int(a) for a in maker.rng.permutation(len(shape))]
    cut = (slice(None),) * (axis % len(shape)) + (slice(None, None, maker.pick((1, 2, 3, -1, -2))),)
    functions: list[tuple[str, Function]] = [
        ("transpose", lambda x: np.transpose(x, order)),
        ("reshape", lambda x: np.reshape(x, -1)),
        ("fold", lambda x: np.reshape(x, (x.shape[0], -1)) if x.size else x),
        ("flip", lambda x: np.flip(x, axis)),
        ("roll", lambda x: np.roll(x, shift, axis)),
        ("slice", lambda x: x[cut]),
        ("tail", lambda x: x[1:]),
        ("first", lambda x: x[0] if x.shape[0] else x),
        ("new axis", lambda x: x[..., None]),
        ("new axis in front", lambda x: x[None]),
        ("concatenate", lambda x: np.concatenate([x, x[:1], x], axis=0)),
        ("stack", lambda x: np.stack([x, np.flip(x)], axis=1)),
        ("pad", lambda x: np.pad(x, [(1, 2)] * x.ndim)),
        ("repeat", lambda x: np.repeat(x, 2, axis=axis)),
        ("tile", lambda x: np.tile(x, 2)),
        ("copy", np.copy),
        ("broadcast", lambda x: np.broadcast_to(x, (2, *x.shape))),
        ("lower", lambda x: np.tril(x) if x.ndim > 1 else x),
        ("diagonal", lambda x: np.diagonal(x) if x.ndim > 1 else x),
    ]
    maker.add(*maker.pick(functions), i, exact=True)


def lookup(maker: Maker) -> None:
    """Indices with arrays, negative ones and repeated ones too; writing at such places."""
    i = maker.index("f", least=1)
    if i is None or 0 in maker.entries[i].shape:
        return
    shape = maker.entries[i].shape
    n, axis = shape[0], maker.axis(shape)
    places = maker.rng.integers(-n, n, maker.pick(((3,), (17,), (2, 3), (1,))))
    other = maker.rng.integers(0, shape[-1], places.shape)

    def written(x: Array, value: Any) -> Array:
        x = x * 1.0
        x[places] = value
        return x

    def in_order(axes: int) -> Array:
        return np.cos(np.arange(places.size).reshape(places.shape + (1,) * axes))

    def added(x: Array) -> Array:
        x = x * 1.0
        np.add.at(x, places, 0.3)
        return x

    functions: list[tuple[str, Function]] = [
        ("take", lambda x: x[places]),
        ("take along", lambda x: np.take(x, np.arange(shape[axis])[::-1], axis=axis)),
        ("pairs", lambda x: x[places, ..., other] if x.ndim > 1 else x[places]),
        ("behind", lambda x: x[..., other]),
        ("set", lambda x: written(x, 0.5)),
        ("set to sines", lambda x: written(x, np.sin(x[places]))),
        ("set in order", lambda x: written(x, in_order(x.ndim - 1))),
        ("add at", added),
    ]  # fmt: skip
    maker.add(*maker.pick(functions), i)


def chosen(maker: Maker) -> None:
    """Elements at traced positions."""
    i, j = maker.index("f", least=1), maker.index("iu", least=1)
    if i is None or j is None or 0 in maker.entries[i].shape:
        return
    n = maker.entries[i].shape[0]
    maker.add("take at remainders", lambda x, k: x[k.astype(np.int64) % n], i, j)


def product(maker: Maker) -> None:
    i = maker.index(least=1)
    if i is None:
        return
    shape = maker.entries[i].shape
    k, n = shape[-1], int(maker.pick(EXTENTS[1:]))
    w = maker.rng.uniform(-1, 1, (k, n)).astype(maker.pick(("float32", "float64")))
    scale = 1 / max(1, k)
    functions: list[tuple[str, Function]] = [
        ("x @ w", lambda x: np.tanh(x @ w * scale + 0.1)),
        ("w' @ x'", lambda x: (w.T @ np.swapaxes(x, 0, -1)) * scale if x.ndim == 2 else x),
        ("x x'", lambda x: x @ np.swapaxes(x, -1, -2) * scale if x.ndim > 1 else x @ x * scale),
        ("x' x", lambda x: np.swapaxes(x, -1, -2) @ x * scale if x.ndim > 1 else np.outer(x, x)),
        ("x @ v", lambda x: x @ w[:, 0] * scale),
        ("einsum", lambda x: np.einsum("...i,ij->...j", x, w) * scale),
        ("einsum turned", lambda x: np.einsum("...i,ij->j...", x, w) * scale),
        ("einsum of all", lambda x: np.einsum("...i,...i->...", x, x) * scale),
        ("convolve", lambda x: np.convolve(x, w[:, 0]) * scale if x.ndim == 1 and x.size else x),
    ]  # fmt: skip
    maker.add(*maker.pick(functions), i)


def pair(maker: Maker) -> None:
    """Products of two arrays of the pool."""
    i, j = maker.index(least=2), maker.index(least=2)
    if i is None or j is None:
        return
    a, b = maker.entries[i].shape, maker.entries[j].shape
    scale = 1 / max(1, a[-1])
    if a[-1] == b[-2] and (a[:-2] == b[:-2] or not a[:-2] or not b[:-2]):
        maker.add("a @ b", lambda x, y: x @ y * scale, i, j)
    elif a[-1] == b[-1]:
        maker.add(
            "a @ b'", lambda x, y: np.einsum("...i,ki->...k", x, y.reshape(-1, y.shape[-1])) * scale, i, j
        )


def algebra(maker: Maker) -> None:
    i = maker.index(least=2)
    if i is None or not 0 < maker.entries[i].shape[-1] <= 33:
        return
    n = maker.entries[i].shape[-1]

    def positive(x: Array) -> Array:
        return np.swapaxes(x, -1, -2) @ x / max(1, x.shape[-2]) + np.eye(n, dtype=x.dtype)

    functions: list[tuple[str, Function]] = [
        ("inv", lambda x: np.linalg.inv(positive(x))),
        ("solve", lambda x: np.linalg.solve(positive(x), np.swapaxes(x, -1, -2))),
        ("slogdet", lambda x: np.linalg.slogdet(positive(x))[1]),
        ("cholesky", lambda x: np.linalg.cholesky(positive(x))),
        ("eigvalsh", lambda x: np.linalg.eigh(positive(x) + np.diag(np.arange(n) * 2.0).astype(x.dtype))[0]),
    ]
    maker.add(*maker.pick(functions), i)


def loop(maker: Maker) -> None:
    """A scan over the first axis, a loop that counts, a choice."""
    i = maker.index(least=2)
    if i is None or not 0 < maker.entries[i].shape[0] <= 17:
        return

    def recurrent(x: Array) -> Array:
        def step(h: Any, row: Any) -> Any:
            h = np.tanh(0.5 * h + row)
            return h, h * row

        return wg.scan(step, x[0] * 0, x)[1]

    def fibonacci(x: Array) -> Array:
        def step(c: Any, row: Any) -> Any:
            a, b = c
            return (b, 0.5 * a + 0.3 * b + row), a

        (a, b), ys = wg.scan(step, (x[0], x[-1]), x)
        return ys + a - b

    def crossed(x: Array) -> Array:
        def step(c: Any, row: Any) -> Any:
            half = c.shape[-1] // 2
            turned = np.concatenate([np.sin(c[..., half:]), np.cos(c[..., :half]) * row[..., :half]], axis=-1)
            return turned, np.roll(c, 1)

        return wg.scan(step, x[0], x)[1]

    def counted(x: Array) -> Array:
        def body(c: Any) -> Any:
            n, y = c
            return n + 1, np.sin(y) + x

        return wg.while_loop(lambda c: c[0] < 3, body, (0, x * 0.5))[1]

    loops = [("scan", recurrent), ("fibonacci", fibonacci), ("crossed", crossed), ("while", counted)]
    maker.add(*maker.pick(loops), i)


STEPS: list[Callable[[Maker], None]] = [
    *[unary] * 4, *[binary] * 4, *[reduction] * 3, *[movement] * 4, *[lookup] * 2, *[product] * 2,
    *[whole] * 2, decision, extremum, running, chosen, pair, pair, algebra, loop,
]  # fmt: skip


def program(seed: int, steps: int = 8) -> tuple[Function, list[Array]]:
    """A function and its arguments; the first argument is of floating point."""
    maker = Maker(seed)
    dtypes = [maker.pick(DTYPES[:4]), *(maker.pick(DTYPES) for _ in range(maker.rng.integers(0, 3)))]
    arguments = [maker.argument(maker.shape(), dtype) for dtype in dtypes]
    return maker.run(arguments, int(maker.rng.integers(2, steps + 1))), arguments
