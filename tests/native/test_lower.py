"""Every operation as native code, beside the reference interpreter; which ones are left to it is asserted exactly."""

import numpy as np
import pytest
from _traces import run, traced

import wengert as wg
from tests.ops.test_registry import CASES, WITH_BODIES
from wengert.core.evaluate import evaluate
from wengert.core.primitive import REGISTRY
from wengert.core.recorder import Recorder
from wengert.native.emit import write_module
from wengert.native.host import this_host
from wengert.native.kernels import Unlowerable
from wengert.native.plan import Plan

# What native code does not do; the table in docs/operations.md says the same.
INTERPRETED = set(
    "bdtr bdtrc betainc betaincc betaincinv betaln beta chdtr chdtrc complex_absolute dawsn digamma ellipe ellipk erfcinv "
    "erfcx erfi erfinv".split()
)


def equation(case):
    """A trace of one operation, of its operands as inputs."""
    recorder = Recorder()
    tracers = [recorder.input(x) for x in case.operands]
    result = recorder.record(case.primitive, tracers, case.params, False)
    trace = recorder.trace(
        [t.variable for t in tracers], result if case.primitive.multiple else [result]
    )
    recorder.close()
    return trace


def is_complex(case):
    trace = equation(case)
    return any(v.type.dtype.kind == "c" for v in trace.variables())


def lowers(case):
    try:
        write_module(Plan(equation(case)), this_host())
    except Unlowerable:
        return False
    return True


REAL = [case for case in CASES if not is_complex(case)]
LOWERED = [case for case in REAL if lowers(case)]


def test_what_is_left_to_the_interpreter():
    names = {case.primitive.name for case in CASES}
    lowered = {case.primitive.name for case in LOWERED}
    print(sorted(names - lowered)); assert names - lowered == INTERPRETED
