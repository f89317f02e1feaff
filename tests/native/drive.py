"""Runs operations of `Lanes` over arrays, and measures errors in units in the last place."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from wengert.native.elementary.lanes import Lanes
from wengert.native.machine import host, ir

FUSED = host.this_host().fused


@cache
def kernel(
    name: str,
    dtypes: tuple[str, ...],
    count: int,
    fused: bool = FUSED,
    params: tuple[Any, ...] = (),
    of: int = -1,
    machine: host.Host | None = None,
) -> Callable[..., np.ndarray]:
    """An operation as a function of arrays of dtypes, ``count`` lanes of operand ``of`` at a time."""
    module = ir.Module()
    params_of = [("out", "ptr"), *((f"x{i}", "ptr") for i in range(len(dtypes))), ("n", "i64")]
    f = module.function("run", "void", params_of)
    lanes = Lanes(f, dtypes[of], count, replace(machine or host.this_host(), fused=fused))
    with f.loop(ir.index(0), f.param("n"), count) as loop:
        operands = [_read(f, f.param(f"x{i}"), loop.index, np.dtype(d), count) for i, d in enumerate(dtypes)]
        result = getattr(lanes, name)(*operands, **dict(params))
        memory = _memory(f, result)
        f.store(memory, f.offset(f.param("out"), ir.element_of(memory.type), loop.index))
    f.ret()
    code = host.load(str(module))
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(dtypes) + 1), ctypes.c_int64)(code.address("run"))

    def run(*arrays: np.ndarray) -> np.ndarray:
        n = len(arrays[0])
        padded = [_padded(a, d, count) for a, d in zip(arrays, dtypes)]
        out = np.empty(
            len(padded[0]), _dtype_of(result, np.dtype("uint8" if name == "bitwise_count" else dtypes[of]))
        )
        call(out.ctypes.data, *(a.ctypes.data for a in padded), len(out))
        return out[:n]

    run.code, run.call = code, call  # type: ignore[attr-defined]
    return run


def _padded(array: np.ndarray, dtype: str, count: int) -> np.ndarray:
    array = np.ascontiguousarray(array, dtype)
    missing = -len(array) % count
    return np.concatenate([array, array[:1].repeat(missing)]) if missing else array


def _read(f: ir.Function, pointer: ir.Value, index: ir.Value, dtype: np.dtype[Any], count: int) -> ir.Value:
    element = ir.type_name(dtype)
    value = f.load(ir.vector(element, count), f.offset(pointer, element, index))
    return f.compare("icmp ne", value, ir.constant(0, value.type)) if dtype.kind == "b" else value


def _memory(f: ir.Function, value: ir.Value) -> ir.Value:
    if ir.element_of(value.type) != "i1":
        return value
    return f.cast("zext", value, ir.vector("i8", ir.lanes_of(value.type)))


def _dtype_of(value: ir.Value, dtype: np.dtype[Any]) -> Any:
    element = ir.element_of(value.type)
    found = {"i1": bool, "float": "f4", "double": "f8", "i8": "u1", "i32": "i4", "i64": "i8", "i16": "i2"}[
        element
    ]
    return dtype if dtype.kind in "iu" and element == ir.type_name(dtype) else found


def ulps(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """The error in units in the last place of the exact result; 0 for equal infinities and NaNs, else ∞."""
    info = np.finfo(found.dtype)
    wider = np.longdouble if found.dtype == np.float64 else np.float64
    wide = exact.astype(wider)
    with np.errstate(all="ignore"):
        exponents = np.frexp(np.where(np.isfinite(wide), np.abs(wide), 1))[1]
        exponents = np.clip(exponents - 1, info.minexp, info.maxexp - 1)
        unit = np.ldexp(wider(1), exponents - info.nmant)
        error = np.abs(found.astype(wider) - wide) / unit
        rounded = exact.astype(found.dtype)
    same = (found == rounded) | (np.isnan(found) & np.isnan(exact))
    settled = np.isinf(found) | np.isinf(rounded) | np.isnan(found) | np.isnan(exact)
    return np.where(settled, np.where(same, 0, np.inf), error).astype(np.float64)
