r"""Patterns as an estimator takes them: a matrix of finite numbers, one row a pattern, one column a feature.

What comes in may be an array, a list of lists, a sparse matrix, or a table of pandas, Polars or Arrow; what
goes on is an array of float32 or float64 (a sparse matrix stays one). The number of features, and their names
where the columns have any, must be those of the training.
"""

from typing import Any

import numpy as np

from wengert.errors import warn

Array = np.ndarray
FLOATS = (np.float64, np.float32)
NAMES_SHOWN = 5


def patterns(estimator: Any, X: Any, first: bool) -> Any:
    """The patterns as a matrix; their number of features and names are noted the first time, then compared.

    Raises
    ------
    ValueError
        Where X is not a matrix of finite numbers, or not of the features seen in training.
    """
    X = _at_hand(X)
    _note_names(estimator, X) if first else _compare_names(estimator, X)
    name = type(estimator).__name__
    if first:
        estimator._encoder = _encoder_of(X, estimator.categorical, estimator.missing)
        estimator._fill = _means_of(X, estimator) if estimator._encoder is None else None
    encoder = getattr(estimator, "_encoder", None) or _filling(X, getattr(estimator, "_fill", None))
    if encoder is not None and not hasattr(X, "columns"):
        _require_features(_array(X), X, name, None if first else estimator.n_features_in_)
    x = sparse(X, name) if is_sparse(X) else dense(X if encoder is None else encoder(X), name)
    count = x.shape[1] if encoder is None else len(encoder.columns)
    if first:
        estimator.n_features_in_ = count
    else:
        _require_count(count, name, getattr(estimator, "n_features_in_", count))
    return x


def _require_features(x: Array, X: Any, name: str, known: int | None) -> None:
    """An array whose columns are encoded: two dimensions, and the features of training."""
    require_matrix(x, X, name)
    if known is not None:
        _require_count(x.shape[1], name, known)


def _require_count(count: int, name: str, known: int) -> None:
    if count != known:
        raise ValueError(f"X has {count} features, but {name} is expecting {known} features as input.")


def _encoder_of(X: Any, categorical: str, missing: str) -> Any:
    """How to encode X; None where it is an array in which nothing may be missing, or no matrix."""
    if type(X) is np.ndarray and (missing != "indicator" or X.ndim != 2):
        return None
    from wengert.estimators._tables import encoder_of

    return encoder_of(X, categorical, missing)


def _means_of(X: Any, estimator: Any) -> Any:
    """The means of a table of numbers, which stand for what is missing in later ones."""
    if type(X) is np.ndarray or is_sparse(X) or estimator.missing != "auto":
        return None
    from wengert.estimators._tables import means_of

    return means_of(X)


def _filling(X: Any, means: Any) -> Any:
    """How to encode a table in which numbers are missing where training had all; None for any other."""
    if means is None or type(X) is np.ndarray:
        return None
    from wengert.estimators._tables import filling

    return filling(X, means)


def dense(X: Any, name: str) -> Array:
    """A matrix of finite floating-point numbers."""
    x = as_floats(_array(X), name)
    require_matrix(x, X, name)
    require_finite(x, "X", name)
    return x


def sparse(X: Any, name: str) -> Any:
    """A sparse matrix of finite floating-point numbers, row by row."""
    x = X.tocsr()
    _require_real(x)
    if x.dtype not in FLOATS:
        x = x.astype(np.float64)
    require_matrix(x, X, name)
    require_finite(x.data, "X", name)
    return x


def is_sparse(X: Any) -> bool:
    """Whether it is a sparse matrix or array of SciPy, which is not imported for the question."""
    return hasattr(X, "tocsr") and hasattr(X, "nnz")


def densified(x: Any) -> Any:
    """The same as an array of NumPy's, if it is sparse."""
    return x.toarray() if is_sparse(x) else x


def rows(x: Any, chosen: Any) -> Any:
    """These rows as a dense matrix."""
    return densified(x[chosen])


def _at_hand(X: Any) -> Any:
    """A masked array with NaN where it is masked; a table that is still a query is refused."""
    if hasattr(X, "collect") and hasattr(X, "collect_schema"):
        raise ValueError("X is a table that has not been computed yet; give X.collect()")
    if not hasattr(X, "filled"):
        return X
    return (X if X.dtype.kind == "f" else X.astype(np.float64)).filled(np.nan)


def _array(X: Any) -> Array:
    if X is None:
        raise ValueError("X is None; give a matrix, one row a pattern")
    return np.asarray(X)


def _require_real(x: Any) -> None:
    if x.dtype.kind == "c":
        raise ValueError(
            "Complex data not supported; give its real and imaginary parts as features of their own"
        )


def as_floats(x: Array, name: str) -> Array:
    """In the precision they have, if that is single or double; anything else in double."""
    _require_real(x)
    if x.dtype in FLOATS:
        return x
    try:
        return x.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{name}: {error}; every entry of X must be a number. Categories may stand in a table of pandas, "
            "Polars or Arrow"
        ) from error


def require_matrix(x: Any, X: Any, name: str) -> None:
    """Two dimensions, neither of them empty."""
    if x.ndim != 2:
        raise ValueError(
            f"{name}: expected a 2D array for X, not one of shape {x.shape}. "
            "Reshape your data: X.reshape(-1, 1) if it has a single feature, X.reshape(1, -1) if it is one "
            "pattern"
        )
    for count, what in ((x.shape[0], "sample(s)"), (x.shape[1], "feature(s)")):
        if count < 1:
            raise ValueError(
                f"Found array with 0 {what} (shape={x.shape}) while a minimum of 1 is required by {name}."
            )


def require_finite(x: Array, which: str, name: str) -> None:
    """Neither NaN nor infinite."""
    if x.dtype.kind == "O":
        _require_no_missing(x, which, name)
    elif x.dtype.kind == "f" and not _is_finite(x):
        what = "NaN" if np.isnan(x).any() else f"infinity or a value too large for {x.dtype!r}"
        raise ValueError(
            f"Input {which} contains {what}; {name} needs finite numbers. Leave such rows out or impute"
        )


def _is_finite(x: Array) -> bool:
    """Whether all numbers are; a finite sum says so without an array beside x."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.sum(x)) or np.isfinite(x).all())


def _require_no_missing(x: Array, which: str, name: str) -> None:
    if any(value is None or value != value for value in x.flat):
        raise ValueError(f"Input {which} contains NaN; {name} needs a value in every row")


def weights_of(sample_weight: Any, patterns: int, dtype: Any = np.float64) -> Array | None:
    """The weights of the patterns, one a row.

    Raises
    ------
    ValueError
        Where they are not one finite number a pattern, none negative and not all zero.
    """
    if sample_weight is None:
        return None
    w = np.asarray(sample_weight)
    w = np.full(patterns, w) if w.ndim == 0 else w
    if w.shape != (patterns,):
        raise ValueError(f"sample_weight.shape == {w.shape}, expected {(patterns,)}: one weight a pattern")
    _require_real(w)
    try:
        w = w.astype(dtype)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error}; sample_weight must be numbers, one a pattern") from error
    require_finite(w, "sample_weight", "training")
    if (w < 0).any():
        raise ValueError(f"Sample weights cannot be negative: that of pattern {np.argmin(w)} is {w.min()}")
    if not w.any():
        raise ValueError("Sample weights must contain at least one non-zero number: all weights are zero")
    return w


# -------------------------------------------------------------------------------------------- names


def _note_names(estimator: Any, X: Any) -> None:
    names = names_of(X)
    if names is not None:
        estimator.feature_names_in_ = names
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


def names_of(X: Any) -> Array | None:
    """The names of the columns, if X is a table whose columns have strings for names.

    Raises
    ------
    TypeError
        Where some are strings and others are not.
    """
    columns = getattr(X, "column_names", getattr(X, "columns", None))  # Arrow's; pandas' and Polars'
    if columns is None or not hasattr(columns, "__len__") or not len(columns):
        return None
    strings = sum(isinstance(c, str) for c in columns)
    if 0 < strings < len(columns):
        raise TypeError(
            "Feature names are only supported if all input features have string names, but some are of other "
            "types; write X.columns = X.columns.astype(str)"
        )
    return np.asarray(columns, dtype=object) if strings else None


def _compare_names(estimator: Any, X: Any) -> None:
    known, given = getattr(estimator, "feature_names_in_", None), names_of(X)
    name = type(estimator).__name__
    if known is None and given is not None:
        warn(f"X has feature names, but {name} was fitted without feature names")
    elif known is not None and given is None:
        warn(f"X does not have valid feature names, but {name} was fitted with feature names")
    elif known is not None and given is not None and not np.array_equal(known, given):
        raise ValueError(_difference(known.tolist(), given.tolist()))


def _difference(known: list[str], given: list[str]) -> str:
    lines = ["The feature names should match those that were passed during fit."]
    unseen, missing = sorted({*given} - {*known}), sorted({*known} - {*given})
    if unseen:
        lines += ["Feature names unseen at fit time:", *_listed(unseen)]
    if missing:
        lines += ["Feature names seen at fit time, yet now missing:", *_listed(missing)]
    if not unseen and not missing:
        lines += ["Feature names must be in the same order as they were in fit."]
    return "\n".join(lines) + "\n"


def _listed(names: list[str]) -> list[str]:
    shown = [f"- {name}" for name in names[:NAMES_SHOWN]]
    return [*shown, "- ..."] if len(names) > NAMES_SHOWN else shown
