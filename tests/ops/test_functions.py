"""NumPy's functions on tracers: values, both modes against numerical derivatives, a batch against a loop."""

import warnings

import numpy as np
import pytest

import wengert as wg

rng = np.random.default_rng(0)
X = rng.standard_normal((3, 4))
V = rng.standard_normal(5)
M = rng.standard_normal((3, 3))
S = M @ M.T + 3 * np.eye(3)
B = rng.standard_normal((2, 3, 3))
BS = B @ np.swapaxes(B, -1, -2) + 3 * np.eye(3)
HOLES = np.eye(3, 4, 1, dtype=bool)
KERNEL = np.array([1.0, 2.0, -1.0])
GRID = np.arange(-3.0, 4.0)

FUNCTIONS = {}


def case(name, f, x):
    FUNCTIONS[name] = (f, x)


case("interp_fp", lambda v: np.interp(np.array([0.1, 1.5, 7.0, -1]), np.arange(5.0), v), V)
case("interp_x", lambda v: np.interp(v, np.arange(-3.0, 3), np.arange(-3.0, 3) ** 2), V)
case(
    "interp_xp",
    lambda v: np.interp(np.array([0.1, 0.5, 1.0]), np.cumsum(np.abs(v) + 0.1), np.arange(5.0) ** 2),
    V,
)
case("trapezoid", lambda v: np.trapezoid(v), V)
case("trapezoid_x", lambda v: np.trapezoid(v**2, np.sort(v)), V)
case("gradient", lambda v: np.gradient(v), V)
case("gradient2", lambda v: np.gradient(v)[1] * np.gradient(v, axis=0), X)
case("gradient_x", lambda v: np.gradient(np.sin(v), np.cumsum(np.abs(v))), V)
case("gradient_e2", lambda v: np.gradient(v, edge_order=2), V)
for m in ("full", "same", "valid"):
    case("convolve_" + m, lambda v, m=m: np.convolve(v, np.array([1.0, 2.0, -1]), m), V)
    case("convolve2_" + m, lambda v, m=m: np.convolve(np.array([1.0, 2.0, -1]), v, m), V)
    case("correlate_" + m, lambda v, m=m: np.correlate(v, np.array([1.0, 2.0, -1]), m), V)
    case("correlate2_" + m, lambda v, m=m: np.correlate(v[:3], v, m), V)
case("polyval", lambda v: np.polyval(v, np.array([1.0, 2.0])), V)
case("polyval_x", lambda v: np.polyval(np.array([1.0, 2.0, 3]), v), V)
case("poly_class", lambda v: np.polynomial.polynomial.polyval(np.array([1.0, 2.0, 3]), v), V)
case("poly.polyval_x", lambda v: np.polynomial.polynomial.polyval(v, np.array([1.0, 2.0, 3])), V)
case("chebval", lambda v: np.polynomial.chebyshev.chebval(v, np.array([1.0, 2.0, 3])), V)
case("polyfit", lambda v: np.polyfit(np.arange(5.0), v, 2), V)
case("polyder", lambda v: np.polyder(v), V)
case("polyint", lambda v: np.polyint(v), V)
case("polymul", lambda v: np.polymul(v, v), V)
case("polyadd", lambda v: np.polyadd(v, np.ones(2)), V)
case("median", lambda v: np.median(v), V)
case("median_ax", lambda v: np.median(v, axis=1), X)
case("median_ax0k", lambda v: np.median(v, axis=0, keepdims=True), X)
case("percentile", lambda v: np.percentile(v, 30), V)
case("percentile2", lambda v: np.percentile(v, [30, 60], axis=1), X)
case("quantile", lambda v: np.quantile(v, 0.3, axis=0, keepdims=True), X)
case("quantile_m", lambda v: np.quantile(v, 0.3, axis=0, method="median_unbiased"), X)
case("quantile_low", lambda v: np.quantile(v, 0.3, method="lower"), X)
case("quantile_q", lambda v: np.quantile(np.arange(9.0) ** 2, abs(v) / 4), V)
case("nanmedian", lambda v: np.nanmedian(v, axis=1), X)
case("nanquantile", lambda v: np.nanquantile(v, 0.4, axis=1), X)
case("diff", lambda v: np.diff(v), X)
case("diff2", lambda v: np.diff(v, n=2, axis=0, prepend=0), X)
case("ediff1d", lambda v: np.ediff1d(v), V)
case("ptp", lambda v: np.ptp(v, axis=0), X)
for n in ["nansum", "nanmean", "nanmax", "nanmin", "nanvar", "nanstd", "nanprod", "nancumsum", "nancumprod"]:
    case(n, lambda v, n=n: getattr(np, n)(v, axis=1), X)
    case(n + "_nan", lambda v, n=n: getattr(np, n)(np.where(HOLES, np.nan, v)), X)
case("select", lambda v: np.select([v > 1, v > 0], [v**2, v * 3], np.sin(v)), V)
case("select_list", lambda v: np.select([v > 1, v > 0], [v**2, v * 3]), V)
case("piecewise", lambda v: np.piecewise(v, [v < 0, v >= 0], [lambda x: -(x**2), lambda x: x**3]), V)
case("apply_along", lambda v: np.apply_along_axis(lambda r: np.sum(r**2), 1, v), X)
case("apply_along2", lambda v: np.apply_along_axis(lambda r: r / np.sum(r**2), 0, v), X)
case("apply_over_axes", lambda v: np.apply_over_axes(np.sum, v, [0, 1]), X)
case("vectorize", lambda v: np.vectorize(lambda a: a * a if a > 0 else np.sin(a))(v), V)
case("meshgrid", lambda v: np.meshgrid(v, v[:2])[0] * np.meshgrid(v, v[:2])[1], V)
case("ix_", lambda v: v[np.ix_([0, 2], [1, 3])], X)
case("unwrap", lambda v: np.unwrap(v * 4), V)
case("fft", lambda v: np.abs(np.fft.fft(v)), V)
case("ifft", lambda v: np.real(np.fft.ifft(v)), V)
case("rfft", lambda v: np.imag(np.fft.rfft(v)), V)
case("irfft", lambda v: np.fft.irfft(v * (1 + 1j)), V)
case("irfft_n", lambda v: np.fft.irfft(v * (1 + 1j), n=7), V)
case("rfft_n", lambda v: np.abs(np.fft.rfft(v, n=4, norm="ortho")), V)
case("fft2", lambda v: np.abs(np.fft.fft2(v)), X)
case("ifft2", lambda v: np.abs(np.fft.ifft2(v)), X)
case("rfft2", lambda v: np.abs(np.fft.rfft2(v)), X)
case("fftn", lambda v: np.abs(np.fft.fftn(v)), X)
case("irfftn", lambda v: np.fft.irfftn(v * (1 + 2j)), X)
case("hfft", lambda v: np.fft.hfft(v * (1 + 2j)), V)
case("fftshift", lambda v: np.fft.fftshift(v), V)
case("ifftshift", lambda v: np.fft.ifftshift(v), X)
for n in ["linspace", "logspace", "geomspace"]:
    case(n, lambda v, n=n: getattr(np, n)(abs(v[0]), abs(v[1]), 5), V)
case("vander", lambda v: np.vander(v, 3), V)
case("tri_", lambda v: np.tril(v) + np.triu(v, 1), M)
case("cov", lambda v: np.cov(v), X)
case("cov2", lambda v: np.cov(v[0], v[1]), X)
case("corrcoef", lambda v: np.corrcoef(v), X)
case("average", lambda v: np.average(v, axis=1, weights=np.array([1.0, 2, 3, 4])), X)
case("insert", lambda v: np.insert(v, 1, v[0] ** 2), V)
case("delete", lambda v: np.delete(v, 1), V)
case("resize", lambda v: np.resize(v, (2, 4)), V)
case("trim_zeros", lambda v: np.trim_zeros(v), V)
case("unique", lambda v: np.unique(v), V)
case("fill_diagonal", lambda v: (lambda a: (np.fill_diagonal(a, 0.0), a)[1])(v * 1.0), M)
case("place", lambda v: (lambda a: (np.place(a, a > 0, [1.0, 2.0]), a)[1])(v * 1.0), V)
case("triu_indices", lambda v: v[np.triu_indices(3)], M)
case("kron", lambda v: np.kron(v, M[:2]), M)
case("cross", lambda v: np.cross(v, M[::-1]), M)
case("outer", lambda v: np.outer(v, v), V)
case("inner", lambda v: np.inner(v, v), X)
case("vdot", lambda v: np.vdot(v, v), X)
case("tensordot", lambda v: np.tensordot(v, v, axes=([0], [0])), X)
case("norm", lambda v: np.linalg.norm(v), V)
for o in (1, 2, 3, np.inf, -np.inf, 0, -1, 0.5):
    case(f"norm_v{o}", lambda v, o=o: np.linalg.norm(v, o), V)
for o in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
    case(f"norm_m{o}", lambda v, o=o: np.linalg.norm(v, o), X)
case("norm_ax", lambda v: np.linalg.norm(v, axis=1, keepdims=True), X)
case("norm_b2", lambda v: np.linalg.norm(v, 2, axis=(1, 2)), B)
case("vector_norm", lambda v: np.linalg.vector_norm(v, axis=0, ord=3), X)
case("matrix_norm", lambda v: np.linalg.matrix_norm(v), B)
case("solve", lambda v: np.linalg.solve(v, np.ones(3)), S)
case("solveb", lambda v: np.linalg.solve(v, np.ones((2, 3, 2))), BS)
case("solveb1", lambda v: np.linalg.solve(S, v), M)
case("inv", lambda v: np.linalg.inv(v), BS)
case("det", lambda v: np.linalg.det(v), BS)
case("slogdet", lambda v: np.linalg.slogdet(v)[1], BS)
case("slogdet_n", lambda v: np.linalg.slogdet(v).logabsdet, BS)
case("chol", lambda v: np.linalg.cholesky(v), BS)
case("cholu", lambda v: np.linalg.cholesky(v, upper=True), BS)
case("eigh", lambda v: np.linalg.eigh(v)[0], BS)
case("eighU", lambda v: np.linalg.eigh(v, UPLO="U").eigenvalues, BS)
case("eighv", lambda v: np.linalg.eigh(v)[1] ** 2, BS)
case("eigvalsh", lambda v: np.linalg.eigvalsh(v), S)
case("qr", lambda v: np.linalg.qr(v)[0], M)
case("qrR", lambda v: np.linalg.qr(v).R, np.concatenate([B, B**2], axis=-2))
case("qrr", lambda v: np.linalg.qr(v, mode="r"), M)
case("svd_s", lambda v: np.linalg.svd(v, compute_uv=False), X)
case("svd", lambda v: np.linalg.svd(v, full_matrices=False)[0] ** 2, X)
case("svdt", lambda v: np.linalg.svd(v.T, full_matrices=False).Vh ** 2, X)
case("svdvals", lambda v: np.linalg.svdvals(v), X)
case("pinv", lambda v: np.linalg.pinv(v), X)
case("matrix_power", lambda v: np.linalg.matrix_power(v, 3), M)
case("matrix_power_n", lambda v: np.linalg.matrix_power(v, -2), S)
case("lstsq", lambda v: np.linalg.lstsq(v, np.ones(4))[0], X.T.copy())
case("multi_dot", lambda v: np.linalg.multi_dot([v, M, v.T]), X.T.copy())
case("cond", lambda v: np.linalg.cond(v), M)
case("tensorsolve", lambda v: np.linalg.tensorsolve(v, np.ones(3)), S)
case("tensorinv", lambda v: np.linalg.tensorinv(v, ind=1), S)
case("trace", lambda v: np.trace(v), M)
case("prod0", lambda v: np.prod(v * np.array([1, 0, 1, 1, 1.0])), V)
case("cumprod0", lambda v: np.cumprod(v * np.array([1, 0, 1, 1, 1.0])), V)
case("block", lambda v: np.block([[v, v**2], [v, v]]), M)
case("roll", lambda v: np.roll(v, 2, axis=1), X)
case("pad_linear_ramp", lambda v: np.pad(v, 2, mode="linear_ramp"), V)
case("pad_mean", lambda v: np.pad(v, 2, mode="mean"), V)
case("pad_edge", lambda v: np.pad(v, 2, mode="edge"), V)
case("pad_cv", lambda v: np.pad(v, 2, constant_values=(1, 2)), V)
case("pad_traced", lambda v: np.pad(v, 2, constant_values=v[0]), V)
case("i0", lambda v: np.i0(v), V)
case("sinc", lambda v: np.sinc(v), V)
case("rot90", lambda v: np.rot90(v), X)
case("sort", lambda v: np.sort(v, axis=0), X)
case("sort_complex", lambda v: np.real(np.sort_complex(v)), V)
case("partition", lambda v: np.partition(v, 2)[2], V)
case("take", lambda v: np.take(v, [0, 2], axis=1), X)
case("take_mode", lambda v: np.take(v, [0, 7, -9], mode="clip"), V)
case("choose", lambda v: np.choose([0, 1, 0, 1, 0], [v, v**2]), V)
case("compress", lambda v: np.compress([True, False, True], v, axis=0), X)
case("extract", lambda v: np.extract(v > 0, v), V)
case("bincount_w", lambda v: np.bincount([0, 1, 1, 2, 0], weights=v), V)
case("einsum_imp", lambda v: np.einsum("ij,jk", v, M), M)
case("einsum_ell", lambda v: np.einsum("...ij,...j->...i", v, M[0]), B)
case("einsum_rep", lambda v: np.einsum("ii->i", v), M)
case("einsum_tr", lambda v: np.einsum("ii", v), M)
case("einsum_rep2", lambda v: np.einsum("bii->b", v), B)
case("einsum_3", lambda v: np.einsum("ij,jk,kl->il", v, v, v), M)
case("einsum_4", lambda v: np.einsum("i,i,i,i", v, v, v, v), V)
case("einsum_b1", lambda v: np.einsum("ij,ij->ij", v[:1], v), M)
case("einsum_b1sum", lambda v: np.einsum("ij,ij->", v[:1], v), M)
case("einsum_inter", lambda v: np.einsum(v, [0, 1], v, [1, 2], [0, 2]), M)
case("einsum_inter_i", lambda v: np.einsum(v, [0, 1], v, [1, 2]), M)
case("einsum_inter_e", lambda v: np.einsum(v, [Ellipsis, 0], v, [Ellipsis, 0], [Ellipsis]), M)
case("einsum_outer", lambda v: np.einsum("i,j", v, v), V)
case("einsum_same", lambda v: np.einsum("ij,ij", v, v), M)
case("einsum_sp", lambda v: np.einsum(" i j , j k -> k i ", v, v), M)
case("dsplit", lambda v: np.dsplit(v, [1])[1], B)
case("array_split", lambda v: np.array_split(v, 3)[1], V)
case("broadcast_arrays", lambda v: np.broadcast_arrays(v, X)[0] * X, V[:4])
case("atleast_3d", lambda v: np.atleast_3d(v), X)
case("nan_to_num", lambda v: np.nan_to_num(v), V)
case("clip", lambda v: np.clip(v, -0.5, 0.5), V)
case("cumulative_sum", lambda v: np.cumulative_sum(v, include_initial=True), V)
case("cumulative_prod", lambda v: np.cumulative_prod(v), V)
case("real_if_close", lambda v: np.real_if_close(v), V)
case("flatnonzero", lambda v: v[np.flatnonzero(v > 0)], V)
case(
    "putaa",
    lambda v: (lambda a: (np.put_along_axis(a, np.array([[0], [1], [2]]), 7.0, axis=1), a)[1])(v * 1),
    X,
)
case("lexsort", lambda v: v[np.lexsort((v,))], V)
case("angle", lambda v: np.angle(v + 1j * v**2), V)
case("copyto", lambda v: (lambda a: (np.copyto(a, v**2, where=v > 0), a)[1])(np.zeros(5)), V)
case("full", lambda v: np.full((3,), v[0]), V)
case("full_like", lambda v: np.full_like(v, v[0]), V)
case("ones_like", lambda v: v * np.ones_like(v), V)
case("zeros_like", lambda v: v + np.zeros_like(v), V)
case("matvec", lambda v: np.matvec(M, v), M)
case("vecmat", lambda v: np.vecmat(M[0], v), M)
case("linalg.diag", lambda v: np.linalg.diagonal(v), B)
case("add.reduce", lambda v: np.add.reduce(v, axis=1), X)
case("multiply.outer", lambda v: np.multiply.outer(v, v), V)
case("maximum.accumulate", lambda v: np.maximum.accumulate(v), V)
case("add.reduceat", lambda v: np.add.reduceat(v, [0, 2]), V)
case("add.accumulate", lambda v: np.add.accumulate(v, axis=1), X)
case("logaddexp.reduce", lambda v: np.logaddexp.reduce(v), V)
case("subtract.outer", lambda v: np.subtract.outer(v, v), V)
case("where_kw", lambda v: np.add(v, 1.0, where=v > 0, out=v * 1.0), V)
case("sum_where", lambda v: np.sum(v, where=v > 0), X)
case("mean_where", lambda v: np.mean(v, axis=1, where=v < 9), X)
case("max_where", lambda v: np.max(v, where=v > 0, initial=0), X)
case("sum_initial", lambda v: np.sum(v, initial=3.0), X)
case("ndarray.dot", lambda v: M.dot(v), M)
case("divmod", lambda v: divmod(v, 0.7)[1], V)
case("moveaxis", lambda v: np.moveaxis(v, 0, -1), B)
case("fmin", lambda v: np.fmin(v, 0.3), V)
case("float_power", lambda v: np.float_power(abs(v), v), V)
case("flip", lambda v: np.flip(v), X)
case("split", lambda v: np.split(v, [1, 2], axis=1)[1], X)
case("stack", lambda v: np.stack([v, v**2], axis=-1), X)
case("linalg.outer", lambda v: np.linalg.outer(v, v), V)
case("diag_indices", lambda v: v[np.diag_indices(3)], M)
case("argwhere", lambda v: v[np.argwhere(v > 0)], V)
case("tolist", lambda v: np.array([sum(r) for r in v.tolist()]), M)
case("lib.stride", lambda v: np.lib.stride_tricks.sliding_window_view(v, 3) ** 2, V)
case("nanargmax", lambda v: v[np.nanargmax(v)], V)
case("poly1d", lambda v: np.poly1d(v)(2.0), V)
case("Polynomial", lambda v: np.polynomial.Polynomial(v)(2.0), V)
case("vstack", lambda v: np.vstack([v, v]), V)
case("c_", lambda v: np.c_[v, v**2], V)
case("r_", lambda v: np.r_[v, 1.0, v**2], V)


NAMES = pytest.mark.parametrize("name", FUNCTIONS)


@NAMES
def test_both_modes_agree_with_numerical_derivatives(name):
    f, x = FUNCTIONS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = differences(f, x)
    for mode in ("forward", "reverse"):
        found = wg.jacobian(f, mode=mode)(x)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def differences(f, x, step=1e-6):
    columns = []
    for i in range(x.size):
        change = step * (np.arange(x.size) == i).reshape(x.shape)
        columns.append((np.asarray(f(x + change)) - np.asarray(f(x - change))) / (2 * step))
    return np.stack(columns, axis=-1).reshape(*np.shape(f(x)), *x.shape)


@NAMES
def test_value_is_numpys(name):
    f, x = FUNCTIONS[name]
    value, _ = wg.jvp(f, (x,), (np.ones_like(x),))
    expected = f(x)
    assert np.shape(value) == np.shape(expected)
    assert value.dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)


@NAMES
def test_a_batch_is_a_loop_or_says_why_not(name):
    f, x = FUNCTIONS[name]
    batch = np.stack([x, 1.01 * x])
    try:
        found = wg.vmap(f)(batch)
    except wg.errors.WengertError as error:
        assert "test_functions.py" in str(error)
        return
    np.testing.assert_allclose(found, np.stack([f(row) for row in batch]), rtol=1e-9, atol=1e-9)
