"""Draws that would be frozen: refused under jit, vmap and scan, allowed elsewhere."""

import functools
import random
from random import gauss

import numpy as np
import pytest
from numpy.random import standard_normal

import wengert as wg

GENERATOR, OLD, PYTHONS = np.random.default_rng(0), np.random.RandomState(0), random.Random(0)
HELD = {"generator": [np.random.default_rng(1)]}
BOUND = np.random.default_rng(2).normal


class Noisy:
    """A model with a generator of its own."""

    def __init__(self):
        self.rng = np.random.default_rng(3)

    def step(self, x):
        return x + self.rng.normal()


def helper():
    return GENERATOR.uniform()


def closure():
    inner = np.random.default_rng(4)
    return lambda x: x * inner.random()


FUNCTIONS = {
    "numpy.random.normal": lambda x: x + np.random.normal(),
    "numpy.random.permutation": lambda x: x + np.random.permutation(3)[0],
    "numpy.random.standard_normal": lambda x: x + standard_normal(),
    "numpy.random.sample": lambda x: x + np.random.sample(),
    "numpy.random.default_rng()": lambda x: x + np.random.default_rng().normal(),
    "random.random": lambda x: x + random.random(),
    "random.gauss": lambda x: x + gauss(0, 1),
}
GENERATORS = {
    "GENERATOR (Generator)": lambda x: x + GENERATOR.normal(),
    "OLD (RandomState)": lambda x: x + OLD.rand(),
    "PYTHONS (Random)": lambda x: x + PYTHONS.random(),
    "HELD['generator'][...] (Generator)": lambda x: x + HELD["generator"][0].normal(),
    "BOUND (Generator)": lambda x: x + BOUND(),
    "rng (Generator)": Noisy().step,
    "inner (Generator)": closure(),
    "['rng'] (Generator)": functools.partial(lambda x, rng: x + rng.normal(), rng=np.random.default_rng(5)),
}
GENERATORS_TOO = {
    "a helper's": lambda x: x + helper(),
    "in a gradient": wg.grad(lambda x: x * GENERATOR.normal()),
}


def vmapped(f):
    return lambda x: wg.vmap(f)(np.array([x, x]))


def scanned(f):
    def last(x):
        return wg.scan(lambda c, _: (1.0 * f(c), None), x, None, length=2)[0]

    return wg.grad(last)


frozen = pytest.mark.parametrize("frozen", [wg.jit, vmapped, scanned])


@frozen
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_draws_is_refused_where_it_stands(name, frozen):
    with pytest.raises(TypeError, match=r"test_draws\.py:\d+: .*wg\.random") as error:
        frozen(FUNCTIONS[name])(2.0)
    assert name in str(error.value)


@frozen
@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_that_is_drawn_from_is_named(name, frozen):
    with pytest.raises(TypeError, match=r"wg\.random") as error:
        frozen(GENERATORS[name])(2.0)
    assert name in str(error.value)


@frozen
@pytest.mark.parametrize("name", GENERATORS_TOO)
def test_generators_further_away(name, frozen):
    with pytest.raises(TypeError, match=r"GENERATOR .*wg\.random"):
        frozen(GENERATORS_TOO[name])(2.0)


def test_a_generator_among_the_arguments():
    with pytest.raises(TypeError, match=r"\(Generator\) was drawn from"):
        wg.jit(lambda x, rng: x * rng.normal())(1.0, np.random.default_rng(0))
    assert wg.jit(lambda x, rng: 2 * x)(1.0, np.random.default_rng(0)) == 2


@frozen
def test_a_seed_inside_the_function_makes_a_constant(frozen):
    f = lambda x: x * np.random.default_rng(0).normal()
    expected = np.random.default_rng(0).normal()
    assert np.ravel(frozen(f)(1.0))[0] == pytest.approx(expected if frozen is not scanned else expected**2)


@pytest.mark.parametrize("f", [*FUNCTIONS.values(), *GENERATORS.values()])
def test_a_gradient_alone_draws_afresh_in_every_call(f):
    first, second = (wg.value_and_grad(f)(1.0)[0] for _ in range(2))
    assert first != second or f is FUNCTIONS["numpy.random.permutation"]


def test_outside_of_recordings_the_functions_are_numpys_own():
    before = np.random.normal, random.random
    wg.jit(lambda x: 2 * x)(1.0)
    assert (np.random.normal, random.random) == before


def test_a_draw_in_another_function_at_the_same_time_is_none_of_our_business():
    """What matters is whether a recording is active, not that one has been."""
    f = wg.jit(lambda x: 2 * x)
    f(1.0)
    np.random.normal()
    assert f(2.0) == 4
