"""What cannot be a program for all inputs and any number of rows is refused, and the message says where."""

from dataclasses import dataclass

import numpy as np
import pytest

import wengert as wg
from tests.exchange.helpers import EACH_TARGET, assert_close, expected, generator
from wengert import nn
from wengert.errors import ExchangeError
from wengert.exchange import to_c, to_numpy, to_onnx
from wengert.exchange._program import Rows, Target, merged, program, shown, source_of
from wengert.nn import Layer

TURNS = generator().normal(size=(4, 3, 3))


def one(x):
    """A network with one output."""
    return nn.MLP.init(generator(), (3, 4, 1), "tanh")(x)


EXPORTS = pytest.mark.parametrize("export", [to_c, to_numpy, to_onnx])
FREE = pytest.mark.parametrize("export", [to_numpy, to_onnx])


@dataclass(frozen=True, repr=False, eq=False)
class Spectrum(Layer):
    weights: np.ndarray

    def __call__(self, x):
        return abs(np.fft.rfft(x, axis=-1)) * self.weights


@EXPORTS
def test_an_operation_without_a_translation_is_named_with_its_layer(export):
    network = nn.Sequential([nn.Dense.init(generator(), 3, 4), Spectrum(np.ones(3))])
    with pytest.raises(
        ExchangeError, match=r"in layers\.1: the operation rfft\(float64\[.*\]\) has no translation"
    ):
        export(network, 3)


@EXPORTS
def test_a_layer_in_a_closure_is_named_by_its_class(export):
    layer = Spectrum(np.ones(2))
    with pytest.raises(ExchangeError, match=r"in Spectrum: the operation rfft"):
        export(lambda x: layer(x), 3)


@EXPORTS
def test_loops_until_something_holds_are_refused(export):
    with pytest.raises(ExchangeError, match=r"the operation while_loop.* has no translation"):
        export(lambda x: wg.while_loop(lambda c: np.max(c) < 9, lambda c: c * 2 + 1, abs(x)), 3)


@pytest.mark.parametrize("export", [to_c, to_onnx])
@pytest.mark.parametrize("network", [lambda x: np.real(x * (1 + 2j)), lambda x: np.fft.rfft(x)])
def test_complex_numbers_are_refused(export, network):
    with pytest.raises(ExchangeError, match=r"complex128.*no translation|has no translation"):
        export(network, 3)


@EACH_TARGET
@pytest.mark.parametrize(
    "network",
    [
        wg.jit(lambda x: one(x)),
        wg.vmap(lambda x: one(x)),
        wg.vmap(wg.grad(lambda x: one(x)[0])),
        lambda x: wg.scan(lambda c, w: (np.tanh(c @ w), np.sum(c, axis=-1)), x, TURNS)[0],
        wg.vmap(lambda x: wg.cond(x[0] > 0, lambda x: x, lambda x: -x, x)),
    ],
    ids=["jit", "vmap", "gradient", "scan", "cond"],
)
def test_transformed_functions(run, network):
    x = generator(2).normal(size=(5, 3))
    assert_close(run(network, x), expected(network, x))


@EXPORTS
def test_a_choice_by_value_is_refused(export):
    def network(x):
        return x if np.max(x) > 0 else -x

    with pytest.raises(
        ExchangeError, match=r"test_program\.py:\d+: what is computed depends on the values .*np\.where"
    ):
        export(network, 3)


@FREE
@pytest.mark.parametrize(
    "network",
    [
        lambda x: x - np.mean(x, axis=0),
        lambda x: x * len(x),
        lambda x: np.arange(float(len(x)))[:, None] + x,
        lambda x: x[: len(x) - 1],
        lambda x: sum([x for _ in range(len(x))]),
        lambda x: np.tanh(x) if len(x) > 2 else np.sinh(x),
    ],
)
def test_what_depends_on_the_number_of_rows_is_refused(export, network):
    with pytest.raises(ExchangeError, match=r"depends on the number of rows|no row for each pattern"):
        export(network, 3)


@pytest.mark.parametrize("network", [lambda x: x - np.max(x, axis=0), lambda x: x - np.mean(x, axis=0)])
def test_c_refuses_rows_that_depend_on_each_other(network):
    with pytest.raises(ExchangeError, match="the prediction of a row depends on the other rows"):
        to_c(network, 3)


@EXPORTS
@pytest.mark.parametrize("network", [np.sum, lambda x: np.sum(x, axis=0), lambda x: np.ones(4)])
def test_outputs_without_a_row_for_each_pattern_are_refused(export, network):
    with pytest.raises(ExchangeError, match=r"no row for each pattern|depends on the other rows"):
        export(network, 3)


@EXPORTS
def test_what_is_no_network_is_refused(export):
    model = wg.MLPClassifier(2, max_iter=1)
    with pytest.raises(ExchangeError, match=r"^MLPClassifier cannot be called .* give its network_, and"):
        export(model, 3)
    with pytest.raises(ExchangeError, match=r"^dict cannot be called with patterns; give one of wengert.nn"):
        export({"w": np.ones(3)}, 3)


@EXPORTS
@pytest.mark.parametrize("inputs", [np.float64(3.0), np.zeros((0, 3)), {}])
def test_inputs_have_to_be_an_example(export, inputs):
    with pytest.raises(ExchangeError, match="inputs is the number of inputs of the network, or an example"):
        export(np.tanh, inputs)


@EXPORTS
def test_random_draws_are_refused(export):
    with pytest.raises(TypeError, match=r"wg\.random"):
        export(lambda x: x + np.random.normal(size=3), 3)


@EACH_TARGET
def test_layers_of_the_users_own(run):
    @dataclass(frozen=True)
    class Bilinear:
        left: np.ndarray
        right: np.ndarray

        def __call__(self, x):
            return (x @ self.left) * (x @ self.right)

    network = Bilinear(generator().normal(size=(3, 2)), generator(1).normal(size=(3, 2)))
    x = generator(2).normal(size=(5, 3))
    assert_close(run(network, x), expected(network, x))


@EACH_TARGET
def test_a_layer_may_look_at_its_own_arrays(run):
    @dataclass(frozen=True)
    class Scaled:
        scale: np.ndarray

        def __call__(self, x):
            largest = np.max(abs(self.scale))
            return x * self.scale / largest if largest > 1 else x / np.sum(self.scale)

    for scale in ([3.0, -4.0], [0.5, 0.25]):
        network, x = Scaled(np.array(scale)), generator().normal(size=(3, 2))
        assert_close(run(network, x), expected(network, x))


@EACH_TARGET
def test_one_row_and_many(run):
    network = nn.MLP.init(generator(), (3, 4, 2), "relu")
    for rows in (1, 2, 1000):
        x = generator(rows).normal(size=(rows, 3))
        assert_close(run(network, x), expected(network, x))


# --- merging ------------------------------------------------------------------------------------------------


def test_what_two_sizes_have_in_common():
    assert merged((2, 4), (3, 4)) == (Rows(1), 4)
    assert merged((8,), (12,)) == (Rows(4),)
    assert merged((..., slice(None), 1), (..., slice(None), 1)) == (..., slice(None), 1)
    assert shown((Rows(1), 3)) == "(rows, 3)" and shown((Rows(2),)) == "(2 rows,)"


def test_the_layers_are_noted_in_the_trace():
    network = nn.Sequential([nn.MLP.init(generator(), (3, 4, 2), "tanh"), nn.LayerNorm.init(2)])
    trace = program(source_of(network, 3), Target("nothing", {})).trace
    assert {e.source for e in trace.equations} == {"layers.0.layers.0", "layers.0.layers.1", "layers.1"}
