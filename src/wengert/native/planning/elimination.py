r"""Linear algebra of small matrices: Gaussian elimination written out, for all matrices of a batch at once.

.. math:: l_{ik} = a_{ik} / a_{kk},\qquad a_{ij} \leftarrow a_{ij} - l_{ik} a_{kj}\quad (i, j > k)

Before each step the row with the largest element of column k is chosen among those from k on, as LAPACK does,
by selecting element by element instead of branching. With every element goes a bound of its error,

.. math:: e_{ij} \leftarrow e_{ij} + |l_{ik}| e_{kj} + |a_{kj}| e(l_{ik}) + |l_{ik} a_{kj}| + |a_{ij}|,\qquad
          e(l_{ik}) = (e_{ik} + |l_{ik}| e_{kk}) / |a_{kk}| + |l_{ik}|,

in units of the rounding error. A pivot within a few times its bound may be 0: whether the matrix is singular
then depends on the order of roundings. The run is noted as failed, and the reference interpreter, which asks
LAPACK, gives the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from wengert.core.trace import Equation, Var, type_for
from wengert.native.planning.compositions import expand
from wengert.native.planning.plan import Plan

MOST = 4  # rows and columns, and right-hand sides
DOUBT = 8  # error bounds within which a pivot may be 0

Row = list[Any]


class System:
    """Rows of matrices and of what stands to their right, and bounds of the errors of the matrices."""

    def __init__(self, rows: list[Row], right: Sequence[Row] | None = None) -> None:
        self.n, self.dtype = len(rows), rows[0][0].dtype
        self.rows = [[*row, *beside] for row, beside in zip(rows, right or [[]] * self.n, strict=True)]
        self.errors: list[Row] = [[self.dtype.type(0)] * self.n for _ in rows]
        self.sign: Any = self.dtype.type(1)

    def solved(self) -> System:
        """After the whole elimination."""
        for k in range(self.n):
            self.choose(k)
            self.eliminate(k)
        return self

    def choose(self, k: int) -> None:
        """Bring the row with the largest element of column k to place k."""
        for i in range(k + 1, self.n):
            larger = abs(self.rows[i][k]) > abs(self.rows[k][k])
            for rows in (self.rows, self.errors):
                rows[k], rows[i] = _exchanged(larger, rows[k], rows[i])
            self.sign = np.where(larger, -self.sign, self.sign)

    def eliminate(self, k: int) -> None:
        """Subtract multiples of row k from the rows below it, so that column k becomes zero there."""
        for i in range(k + 1, self.n):
            factor = self.rows[i][k] / _divisor(self.rows[k][k])
            products = [factor * x for x in self.rows[k]]
            self.rows[i] = [x - y for x, y in zip(self.rows[i], products, strict=True)]
            self.errors[i] = self._errors_after(k, i, abs(factor), products)

    def _errors_after(self, k: int, i: int, factor: Any, products: Row) -> Row:
        above, row, upper = self.errors[k], self.errors[i], self.rows[k]
        of_factor = (row[k] + factor * above[k]) / abs(_divisor(upper[k])) + factor
        carried = [e + factor * f + abs(x) * of_factor for e, f, x in zip(row, above, upper, strict=False)]
        return [e + abs(p) + abs(x) for e, p, x in zip(carried, products, self.rows[i], strict=False)]

    @property
    def pivots(self) -> Row:
        """The elements of the diagonal."""
        return [self.rows[k][k] for k in range(self.n)]

    @property
    def sizes(self) -> Row:
        """Magnitudes of the pivots."""
        return [abs(pivot) for pivot in self.pivots]

    def is_regular(self) -> Any:
        """Whether no pivot is 0, however numbers were rounded. One that is NaN is not."""
        return ~reduce(np.logical_or, map(np.less_equal, self.sizes, self._doubts()))

    def is_positive(self) -> Any:
        """Whether all pivots are positive, however numbers were rounded."""
        return reduce(np.logical_and, map(np.greater, self.pivots, self._doubts()))

    def _doubts(self) -> Row:
        unit, least = DOUBT * np.finfo(self.dtype).eps, np.finfo(self.dtype).tiny
        return [self.errors[k][k] * self.dtype.type(unit) + self.dtype.type(least) for k in range(self.n)]

    def solution(self) -> list[Row]:
        """What the matrices take to what stands to the right of them, row by row."""
        found: list[Row] = []
        for i in reversed(range(self.n)):
            sums = self.rows[i][self.n :]
            for j, row in zip(range(i + 1, self.n), found, strict=True):
                sums = [s - self.rows[i][j] * x for s, x in zip(sums, row, strict=True)]
            found.insert(0, [s / _divisor(self.rows[i][i]) for s in sums])
        return found


def _exchanged(change: Any, a: Row, b: Row) -> tuple[Row, Row]:
    pairs = list(zip(a, b, strict=True))
    return [np.where(change, y, x) for x, y in pairs], [np.where(change, x, y) for x, y in pairs]


def _divisor(x: Any) -> Any:
    """1 in place of 0: what is computed with it is not used."""
    return np.where(x == 0, x.dtype.type(1), x)


def _entries(a: Any) -> list[Row]:
    return [[a[..., i, j] for j in range(a.shape[-1])] for i in range(a.shape[-2])]


def _matrices(rows: Sequence[Row]) -> Any:
    shape = np.broadcast_shapes(*(x.shape for row in rows for x in row))
    wide = [[np.broadcast_to(x, shape) for x in row] for row in rows]
    return np.stack([np.stack(row, axis=-1) for row in wide], axis=-2)


def _product(values: Row) -> Any:
    """Multiplied in an order that leaves the range of numbers only if the whole product does.

    The next factor is one on the other side of 1, if any is left.
    """
    total, *rest = values
    while rest:
        for i in range(1, len(rest)):
            alike = (abs(total) > 1) == (abs(rest[0]) > 1)
            (rest[0],), (rest[i],) = _exchanged(alike, [rest[0]], [rest[i]])
        total = total * rest.pop(0)
    return total


# --- operations, with whether their results are without doubt -----------------------------------------------


def solve(a: Any, b: Any) -> tuple[Any, Any]:
    """X = A⁻¹B."""
    dtype = np.result_type(a.dtype, b.dtype)
    system = System(_entries(np.astype(a, dtype)), _entries(np.astype(b, dtype))).solved()
    return _matrices(system.solution()), system.is_regular()


def inv(a: Any) -> tuple[Any, Any]:
    """The solution for the unit matrix."""
    return solve(a, np.eye(a.shape[-1], dtype=a.dtype))


def det(a: Any) -> Any:
    """The product of the pivots, and 0 if one of them is."""
    system = System(_entries(a)).solved()
    singular = reduce(np.logical_or, [p == 0 for p in system.pivots])
    return np.where(singular, a.dtype.type(0), system.sign * _product(system.pivots))


def slogdet(a: Any) -> tuple[Any, Any, Any]:
    """The sign and the logarithm of the magnitude."""
    system = System(_entries(a)).solved()
    sign = reduce(lambda sign, pivot: np.where(pivot < 0, -sign, sign), system.pivots, system.sign)
    return sign, reduce(np.add, map(np.log, system.sizes)), system.is_regular()


def cholesky(a: Any) -> tuple[Any, Any]:
    """Of the lower triangle: a symmetric matrix is eliminated without choosing rows."""
    n = a.shape[-1]
    system = System([[a[..., max(i, j), min(i, j)] for j in range(n)] for i in range(n)])
    columns = []
    for k in range(n):
        root = np.sqrt(system.rows[k][k])
        below = [system.rows[i][k] / root for i in range(k + 1, n)]
        columns.append([np.zeros_like(root)] * k + [root, *below])
        system.eliminate(k)
    return _matrices([list(row) for row in zip(*columns, strict=True)]), system.is_positive()


WRITTEN_OUT: dict[str, Callable[..., Any]] = {
    "solve": solve,
    "inv": inv,
    "det": det,
    "slogdet": slogdet,
    "cholesky": cholesky,
}


def is_small(equation: Equation) -> bool:
    """Whether an operation is written out."""
    return max(n for atom in equation.inputs for n in atom.type.shape[-2:]) <= MOST


def write_out(plan: Plan, equation: Equation) -> None:
    """Lower an operation on small matrices; the run fails where there is a doubt."""
    function = WRITTEN_OUT[equation.primitive.name]
    if function is det:
        expand(plan, equation, function)
        return
    certain = Var(type_for(equation.inputs[0].type.shape[:-2], np.dtype(bool)))
    expand(plan, Equation(equation.primitive, equation.inputs, {}, [*equation.outputs, certain]), function)
    plan.require(certain)
