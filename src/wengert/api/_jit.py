"""Functions as native code."""

from __future__ import annotations

from wengert.api._arguments import Function, require_function
from wengert.native.calling.call import compiled


def jit(f: Function) -> Function:
    """Run a function as native code: same results, same errors.

    The first call for arguments of a signature (tree, shapes, dtypes, and the values of what is no number)
    records the function and compiles its trace. Python's ``if``, ``while`` and indices on values are
    followed: each path is compiled once. Globals, closed-over arrays and the attributes of objects other than
    dataclasses are taken as they are at the first call. Python's numbers are computed with as NumPy's are:
    integers have 64 bits, and a division by zero is no error. Inside other transformations the function is
    recorded as it stands.

    A number from ``np.random`` or ``random`` would be drawn at the first call and stay the same, so that
    raises; `wengert.random` draws in native code. Noticed are the functions of the two modules, and the
    generators that f reaches by its variables, attributes and arguments, through other functions too. Not
    noticed is a generator that f makes itself without a seed, other than by ``np.random.default_rng()``, or
    finds among more than 100 items or through what a library holds.

    Parameters
    ----------
    f : callable
        A function of trees of numbers and arrays; other leaves must be hashable.

    Returns
    -------
    callable
        To be called like f, also as a method. Its own methods take the same arguments: ``memory`` gives the
        bytes needed for values in between, ``llvm_ir`` and ``assembly`` the code.

    Raises
    ------
    TypeError
        Where a leaf that is no number cannot be hashed, or f draws random numbers other than with
        `wengert.random`.

    Warns
    -----
    RuntimeWarning
        Where the function is run by the interpreter after all: too many paths, or shapes that depend on
        values.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> step = wg.jit(lambda x: x / 2 if x > 1.0 else 3 * x)
    >>> step(4.0), step(0.5)
    (2.0, 1.5)
    """
    require_function(f)
    return compiled(f)
