"""What the tests of operations share."""

import numpy as np

import wengert as wg


def differences(f, x, step=1e-6):
    """The Jacobian by central differences, of f on NumPy."""
    columns = []
    for i in range(x.size):
        change = step * (np.arange(x.size) == i).reshape(x.shape)
        columns.append((np.asarray(f(x + change)) - np.asarray(f(x - change))) / (2 * step))
    return np.stack(columns, axis=-1).reshape(*np.shape(f(x)), *x.shape)


def agree(f, x, rtol=1e-6, atol=1e-7):
    """Values are NumPy's, a tangent is the limit of differences, and the pullback is its transpose."""
    value, tangent = wg.jvp(f, (x,), (np.cos(x),))
    np.testing.assert_allclose(value, f(x), rtol=1e-12)
    assert np.shape(value) == np.shape(f(x))
    limit = (f(x + 1e-6 * np.cos(x)) - f(x - 1e-6 * np.cos(x))) / 2e-6
    np.testing.assert_allclose(tangent, limit, rtol, atol)
    _, pullback = wg.vjp(f, x)
    weights = np.sin(1 + np.arange(np.size(value))).reshape(np.shape(value))
    np.testing.assert_allclose(np.sum(pullback(weights)[0] * np.cos(x)), np.sum(weights * tangent), rtol=1e-9)
