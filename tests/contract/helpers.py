"""What the contract's tests share: derivatives against numerical ones, in every mode."""

import numpy as np
import pytest

import wengert as wg


def close(found, expected, rtol=1e-9, atol=1e-9):
    """Equal trees of shapes and, within rounding, numbers."""
    if isinstance(expected, dict):
        assert isinstance(found, dict) and found.keys() == expected.keys()
        for key in expected:
            close(found[key], expected[key], rtol, atol)
    elif isinstance(expected, list | tuple):
        assert type(found) is type(expected) and len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            close(one, other, rtol, atol)
    else:
        assert np.shape(found) == np.shape(expected)
        np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=rtol, atol=atol)


def agree(f, *args, rtol=1e-6, atol=1e-7):
    """Values and first derivatives of f by its first argument: forward, reverse and numerical."""
    x, rest = args[0], args[1:]
    value = f(x, *rest)
    expected = wg.numerical.jacobian(lambda x: f(x, *rest), x)
    for mode in ("forward", "reverse"):
        close(wg.jacobian(f, mode=mode)(x, *rest), expected, rtol, atol)
    again, tangent = wg.jvp(lambda x: f(x, *rest), (x,), (np.ones_like(x),))
    close(again, value)
    close(tangent, expected.sum(axis=tuple(range(np.ndim(value), expected.ndim))), rtol, 1e-6)


def agree_twice(f, x, rtol=1e-4, atol=1e-5):
    """As `agree`, and second derivatives of a weighted sum of the outputs."""
    agree(f, x)
    weights = np.cos(np.arange(np.size(f(x)))).reshape(np.shape(f(x)))

    def weighted(x):
        return np.sum(weights * f(x))

    close(wg.hessian(weighted)(x), wg.numerical.hessian(weighted, x), rtol, atol)


def maps(f, xs, refusal=None):
    """Over a batch f gives what it gives for each example, as its derivatives do; or all are refused so."""
    for g in (f, *(wg.jacobian(f, mode=mode) for mode in ("forward", "reverse"))):
        if refusal is None:
            close(wg.vmap(g)(xs), np.stack([g(x) for x in xs]))
        else:
            with pytest.raises(TypeError, match=refusal):
                wg.vmap(g)(xs)
