"""The C file: what it says of itself, and that it is C99 without a warning."""

import ctypes
import hashlib
import re
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange.helpers import by_c, compiled, generator, needs_compiler
from wengert import nn
from wengert.exchange import to_c

sizes = st.lists(st.integers(1, 9), min_size=2, max_size=5)
activations = st.sampled_from(["tanh", "relu", "logistic", "softplus", "elu", "gelu", "softmax", "identity"])


@needs_compiler
@settings(max_examples=12, deadline=None)
@given(sizes, activations, activations, st.sampled_from([np.float64, np.float32]), st.integers(0, 99))
def test_random_networks(sizes, hidden, output, dtype, seed):
    network = nn.MLP.init(generator(seed), sizes, hidden, output, dtype=dtype)
    x = generator(seed + 1).normal(size=(4, sizes[0])).astype(dtype)
    (found,) = by_c(network, x)
    scale = max(1.0, float(np.max(abs(network(x)))))
    assert np.max(abs(found - network(x))) <= 64 * np.finfo(dtype).eps * scale


def test_the_comment_says_what_is_in_the_file():
    network = nn.MLP.init(generator(), (3, 4, 2))
    text = to_c(network, 3, dtype=np.float32)
    arrays = [w.astype(np.float32) for layer in network.layers for w in (layer.weights, layer.biases)]
    digest = hashlib.sha256(b"".join(w.tobytes() for w in arrays)).hexdigest()
    assert "x: 3 of type float" in text and "y: 2 of type float" in text
    assert f"SHA-256 of the constants: {digest}" in text and "26 constants" in text
    assert re.findall(r"#include .*", text) == ["#include <math.h>"]
    assert "double" not in text and "enum { X_SIZE = 3, Y_SIZE = 2 };" in text


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_numbers_are_written_to_the_last_bit(dtype):
    values = np.concatenate(
        [generator().normal(size=40) * 10.0 ** generator(1).integers(-30, 30, 40), [0.0, -0.0]]
    )
    text = to_c(nn.Dense(values.astype(dtype).reshape(-1, 1), None, nn.identity), 42)
    numbers = re.search(r"weights\[42\] = \{(.*?)\}", text, re.DOTALL).group(1).replace("f", "")
    found = np.array([dtype(word) for word in numbers.split(",")])
    assert found.tobytes() == values.astype(dtype).tobytes()


@needs_compiler
def test_categories_out_of_range_take_the_nearest():
    library = compiled(to_c(nn.Embedding(np.arange(6.0).reshape(3, 2)), np.array([0, 1, 2])))
    found = []
    for category in (-100, -3, -1, 2, 3, 10**12):
        y = (ctypes.c_double * 2)()
        library.predict(ctypes.byref(ctypes.c_longlong(category)), y)
        found.append(y[0])
    assert found == [0.0, 0.0, 4.0, 4.0, 4.0, 4.0]


@needs_compiler
def test_infinite_and_missing_weights():
    layer = nn.Dense(np.array([[np.inf, -np.inf, 1.0]]), np.array([0.0, 0.0, np.nan]), nn.identity)
    (found,) = by_c(layer, np.ones((2, 1)))
    assert np.array_equal(found, [[np.inf, -np.inf, np.nan]] * 2, equal_nan=True)


@needs_compiler
def test_names_of_the_language_are_not_used():
    network = {"double": nn.Dense.init(generator(), 2, 2), "int": nn.Dense.init(generator(1), 2, 2)}
    f = nn.Parallel(network)
    x = {"double": np.ones((3, 2)), "int": np.ones((3, 2))}
    for found, wanted in zip(by_c(f, x), f(x).values(), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)


@needs_compiler
def test_it_runs_as_a_program_of_its_own(tmp_path):
    network = nn.MLP.init(generator(), (2, 3, 1), "tanh")
    to_c(network, 2, tmp_path / "network.c")
    (tmp_path / "main.c").write_text(
        "#include <stdio.h>\nvoid predict(const double *x, double *y);\n"
        'int main(void) { double x[2] = {0.5, -1.0}, y; predict(x, &y); printf("%.17g", y); return 0; }\n'
    )
    subprocess.run(["cc", "-std=c99", "network.c", "main.c", "-o", "run", "-lm"], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "run"], capture_output=True, check=True, text=True).stdout
    np.testing.assert_allclose(float(printed), network(np.array([0.5, -1.0]))[0], rtol=1e-14)
