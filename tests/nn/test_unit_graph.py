"""Networks of single units: against layered networks, worked examples, and what is no network."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from tests.nn.graphs import PATTERNS, error
from wengert import losses, nn, optim, train


def small(**options):
    edges = [("x1", "h", 2.0), ("x2", "h", -1.0), ("h", "y", 1.0), ("x1", "y", 0.5)]
    return nn.UnitGraph.from_edges(edges, inputs=["x1", "x2"], outputs=["y"], **options)


# --- layered networks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("output", ["identity", "softmax"])
def test_layers_are_a_multilayer_perceptron(output, dtype, rtol):
    options = {"activation": "tanh", "output": output, "dtype": dtype}
    mlp = nn.MLP.init(np.random.default_rng(0), (3, 6, 5, 2), **options)
    network = nn.UnitGraph.from_layers(np.random.default_rng(0), (3, 6, 5, 2), **options)
    x = PATTERNS.astype(dtype)
    assert network(x).dtype == dtype
    np.testing.assert_allclose(network(x), mlp(x), rtol=rtol)
    found, expected = wg.grad(error)(network, x), wg.grad(error)(mlp, x)
    matrices = np.concatenate([layer.weights.T.ravel() for layer in expected.layers])
    np.testing.assert_allclose(found.weights, matrices, rtol=rtol, atol=rtol)
    vectors = np.concatenate([layer.biases for layer in expected.layers])
    np.testing.assert_allclose(found.biases, vectors, rtol=rtol, atol=rtol)


def test_units_without_biases_and_outputs_joined_by_the_logarithm_of_softmax():
    rng = np.random.default_rng(0)
    layers = nn.Dense.init(rng, 3, 4, "elu(alpha=0.5)", biases=None), nn.Dense.init(rng, 4, 2, "log_softmax")
    mlp = nn.MLP(layers)
    network = nn.UnitGraph.from_mlp(mlp)
    np.testing.assert_allclose(network(PATTERNS), mlp(PATTERNS), rtol=1e-12)
    assert [unit.bias for unit in network.units] == [None] * 7 + [0.0] * 2
    assert [unit.activation for unit in network.units][6:] == ["elu(alpha=0.5)", *["log_softmax"] * 2]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"dropout": 0.5}, "a Dropout has no single units; give a network of dense layers only"),
        ({"normalisation": "batch"}, "a BatchNorm has no single units"),
        ({"skip": "concatenate"}, "a Skip has no single units"),
        ({"activation": "softmax"}, "softmax is the activation of 'z1.1', 'z1.2'; it joins all output units"),
    ],
)
def test_layers_that_are_not_units(options, message):
    with pytest.raises(ValueError, match=message):
        nn.UnitGraph.from_mlp(nn.MLP.init(np.random.default_rng(0), (3, 2, 2), **options))


def test_layers_train_like_a_multilayer_perceptron():
    x = np.random.default_rng(0).normal(size=(40, 3))
    t = np.sin(x[:, :1]) * x[:, 1:2]
    mlp = nn.MLP.init(np.random.default_rng(1), (3, 8, 1), "tanh")
    fits = [
        train.fit(network, losses.mean_squared_error, x, t, optimiser=optim.Adam(0.01), epochs=5, seed=3)
        for network in (mlp, nn.UnitGraph.from_mlp(mlp))
    ]
    np.testing.assert_allclose(fits[0].curve.training, fits[1].curve.training, rtol=1e-10)


# --- the lectures -------------------------------------------------------------------------------------------


def lecture_network():
    """Backpropagation, example 3: two inputs, two hidden units, one output, all logistic."""
    edges = [("x1", "h1", 0.2), ("x2", "h1", 0.4), ("x1", "h2", 0.3), ("x2", "h2", 0.7)]
    return nn.UnitGraph.from_edges(
        [*edges, ("h1", "y", 0.6), ("h2", "y", 0.9)],
        inputs=["x1", "x2"],
        outputs=["y"],
        activation="logistic",
        output="logistic",
        biases={"h1": 0.1, "h2": 0.2, "y": 0.3},
    )


def test_the_worked_example_of_the_lecture():
    """Its numbers are rounded on the way, and 0.6 · 0.562 + 0.9 · 0.601 + 0.3 is 1.178, not 1.185."""
    network, x = lecture_network(), np.array([0.5, 0.1])
    assert network(x) == pytest.approx(0.766, abs=2e-3)
    value, gradient = wg.value_and_grad(lambda network: -np.log(network(x)[0]))(network)
    assert value == pytest.approx(0.267, abs=2e-3)
    in_hidden, in_output = gradient.weights[:4], gradient.weights[4:]
    np.testing.assert_allclose(in_hidden, [-0.0173, -0.00346, -0.0253, -0.00505], rtol=1e-2)
    np.testing.assert_allclose(in_output, [-0.131, -0.141], rtol=1e-2)
    np.testing.assert_allclose(gradient.biases, [-0.0346, -0.0505, -0.234], rtol=1e-2)
    rule = optim.SGD(0.01)
    updated, _ = rule.update(gradient, rule.init(network), network)
    expected = [0.200173, 0.400035, 0.300253, 0.700051, 0.60131, 0.90141]
    np.testing.assert_allclose(updated.weights, expected, atol=2e-5)
    np.testing.assert_allclose(updated.biases, [0.100346, 0.200505, 0.30234], atol=2e-5)


def test_the_quiz_derivatives_are_sums_over_paths():
    """Problem 3: dy/dx is the sum over the paths from x to y of the products of the partial derivatives."""
    edges = ["x1 a", "x1 b", "x2 c", "a c", "x2 d", "a d", "b d", "d e", "c y", "d y", "e y"]
    rng = np.random.default_rng(0)
    network = nn.UnitGraph.from_edges(
        [edge.split() for edge in edges],
        inputs=["x1", "x2"],
        outputs=["y", *"abcde"],
        activation="tanh",
        output="tanh",
        rng=rng,
    )
    x = np.array([0.3, -0.7])
    z = dict(zip(["y", *"abcde"], network(x)))
    d = {(c.target, c.source): c.weight * (1 - z[c.target] ** 2) for c in network.connections}
    through_d = d["y", "d"] + d["y", "e"] * d["e", "d"]
    by_x1 = d["y", "c"] * d["c", "a"] * d["a", "x1"] + through_d * (
        d["d", "a"] * d["a", "x1"] + d["d", "b"] * d["b", "x1"]
    )
    by_x2 = d["y", "c"] * d["c", "x2"] + through_d * d["d", "x2"]
    np.testing.assert_allclose(wg.grad(lambda x: network(x)[0])(x), [by_x1, by_x2], rtol=1e-12)


XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([[0.0], [1.0], [1.0], [0.0]])


def test_one_hidden_unit_and_skip_connections_learn_exclusive_or():
    network = nn.UnitGraph.from_edges(
        [("x1", "h"), ("x2", "h"), ("x1", "y"), ("x2", "y"), ("h", "y")],
        inputs=["x1", "x2"],
        outputs=["y"],
        rng=np.random.default_rng(1),
    )
    fit = train.fit(
        network, losses.binary_cross_entropy, *XOR, optimiser=optim.Adam(0.1), epochs=300, batch_size=4
    )
    np.testing.assert_array_equal(fit.network(XOR[0]) > 0, XOR[1] > 0.5)
    assert fit.curve.training[-1] < 0.05


# --- shared and fixed weights -------------------------------------------------------------------------------


def test_the_derivative_of_a_shared_weight_is_the_sum_over_its_connections():
    edges = [("x1", "h"), ("x2", "h"), ("x1", "g"), ("h", "y"), ("g", "y"), ("x2", "y")]
    make = lambda weights: nn.UnitGraph.from_edges(
        [(*edge, w) for edge, w in zip(edges, weights, strict=True)],
        inputs=["x1", "x2"],
        outputs=["y"],
        weights={"v": 0.7} if "v" in weights else {},
    )
    shared, apart = make(["v", 0.2, "v", "v", 0.3, "v"]), make([0.7, 0.2, 0.7, 0.7, 0.3, 0.7])
    x = PATTERNS[:, :2]
    found, parts = wg.grad(error)(shared, x).weights, wg.grad(error)(apart, x).weights
    assert len(shared.weights) == 3
    np.testing.assert_allclose(found, [parts[[0, 2, 3, 5]].sum(), parts[1], parts[4]], rtol=1e-12)


@pytest.mark.parametrize("optimiser", [optim.SGD(0.1, 0.9), optim.WeightDecay(optim.Adam(0.1), 0.1)])
def test_fixed_weights_never_move(optimiser):
    network = nn.UnitGraph.from_edges(
        [("x1", "h"), ("x2", "h", nn.Fixed(0.5)), ("h", "y"), ("x1", "y", "skip")],
        inputs=["x1", "x2"],
        outputs=["y"],
        biases={"h": nn.Fixed(-0.25), "y": None},
        weights={"skip": nn.Fixed(2.0)},
        rng=np.random.default_rng(0),
    )
    assert list(nn.parameters(network)) == ["weights", "biases"]
    x = PATTERNS[:, :2]
    fit = train.fit(network, losses.mean_squared_error, x, x[:, :1] ** 2, optimiser=optimiser, epochs=20)
    np.testing.assert_array_equal(fit.network.fixed, [0.5, 2.0, -0.25])
    assert not np.allclose(fit.network.weights, network.weights)


# --- unusual networks ---------------------------------------------------------------------------------------


def test_the_order_and_the_names_of_units_do_not_matter():
    rng = np.random.default_rng(0)
    plain = nn.UnitGraph.random_sparse(rng, (3, 5, 4, 2), 30)
    edges = [(*pair, w) for *pair, w, _ in plain.connections]
    renamed = {unit.name: f"unit {i}" for unit, i in zip(plain.units, rng.permutation(len(plain.units)))}
    other = nn.UnitGraph.from_edges(
        [(renamed[s], renamed[t], w) for s, t, w in (edges[i] for i in rng.permutation(len(edges)))],
        inputs=[renamed[f"x{i}"] for i in (1, 2, 3)],
        outputs=[renamed[f"y{i}"] for i in (1, 2)],
    )
    np.testing.assert_allclose(other(PATTERNS), plain(PATTERNS), rtol=1e-12)


def test_an_output_may_be_an_input_or_a_hidden_unit():
    network = nn.UnitGraph.from_edges(
        [("x", "h", 2.0), ("h", "y", 3.0)], inputs=["x"], outputs=["y", "x", "h"], activation="identity"
    )
    np.testing.assert_array_equal(network(np.array([[1.0], [-1.0]])), [[6, 1, 2], [-6, -1, -2]])
    nothing = nn.UnitGraph.from_edges([], inputs=["x", "z"], outputs=["z", "x"])
    np.testing.assert_array_equal(wg.jit(nothing)(PATTERNS[:, :2]), PATTERNS[:, 1::-1])


def test_a_unit_that_reads_nothing_is_its_bias():
    network = nn.UnitGraph.from_edges(
        [("one", "y", 3.0), ("x", "y", 1.0), ("zero", "y", 5.0)],
        inputs=["x"],
        outputs=["y"],
        activation="identity",
        biases={"one": nn.Fixed(1.0), "zero": None},
    )
    np.testing.assert_array_equal(network(np.array([[4.0]])), [[7.0]])
    np.testing.assert_array_equal(wg.jit(network)(np.array([[4.0]])), [[7.0]])
    assert wg.grad(lambda n: n(np.array([4.0]))[0])(network).weights.tolist() == [1.0, 4.0, 0.0]


def test_an_input_that_nothing_reads_is_allowed():
    network = nn.UnitGraph.from_edges([("x1", "y", 2.0)], inputs=["x1", "x2"], outputs=["y"])
    np.testing.assert_array_equal(network(np.array([3.0, np.nan])), [6.0])


def test_activations_of_single_units_and_functions_of_ones_own():
    network = small(activation=np.sin, output="logistic", activations={"h": np.cos})
    a = np.cos(2.0 - 1.0 * 3.0) + 0.5
    assert network(np.array([1.0, 3.0])) == pytest.approx(1 / (1 + np.exp(-a)))
    assert [unit.activation for unit in network.units] == [None, None, "cos", "logistic"]


# --- matrices, tables, copies -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.coo_array])
def test_an_adjacency_matrix_and_back(form):
    matrix = np.triu(np.random.default_rng(0).normal(size=(6, 6)), 1)
    matrix[np.random.default_rng(1).random((6, 6)) < 0.3] = 0
    matrix[:2, :2] = 0
    matrix[2:5, 5] = matrix[1, 2:5] = 0.5
    network = nn.UnitGraph.from_adjacency(form(matrix), inputs=2, outputs=[5], bias=None)
    np.testing.assert_array_equal(network.adjacency(), matrix)
    z = np.array([0.4, -1.0, 0, 0, 0, 0])
    for j in range(2, 6):
        z[j] = z @ matrix[:, j] if j == 5 else np.tanh(z @ matrix[:, j])
    np.testing.assert_allclose(network(z[:2]), z[5:], rtol=1e-12)
    assert {unit.bias for unit in network.units} == {None}


def test_adjacency_matrices_that_are_none():
    with pytest.raises(
        ValueError, match=r"an adjacency matrix is square, with a row for each unit, not \(2, 3\)"
    ):
        nn.UnitGraph.from_adjacency(np.ones((2, 3)), inputs=1, outputs=1)
    with pytest.raises(ValueError, match="there are 1 names for 2 units"):
        nn.UnitGraph.from_adjacency([[0, 1], [0, 0]], inputs=1, outputs=1, names=["x"])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 40))
def test_random_connections_are_as_many_as_asked_for(seed, more):
    network = nn.UnitGraph.random_sparse(np.random.default_rng(seed), (4, 5, 3, 2), 18 + more)
    pairs = {(c.source, c.target) for c in network.connections}
    assert len(pairs) == len(network.weights) == 18 + more
    assert all(unit.fan_in or unit.level == 0 for unit in network.units)
    assert all(unit.fan_out for unit in network.units if unit.name.startswith("z"))
    assert all(_layer(source) < _layer(target) for source, target in pairs)


def _layer(name):
    return {"x": 0, "z": 1, "y": 9}[name[0]] + (int(name[1]) if name[0] == "z" else 0)


def test_more_connections_than_pairs():
    with pytest.raises(
        ValueError, match=r"9 connections do not fit layers of \(2, 2, 1\); give from \d to 8"
    ):
        nn.UnitGraph.random_sparse(np.random.default_rng(0), (2, 2, 1), 9)


def test_a_network_of_tracers_is_printed_without_numbers():
    found = []
    wg.grad(lambda network: (found.append(repr(network)), network(np.ones(2))[0])[1])(small())
    assert found[0].startswith("UnitGraph(weights=float64[4], biases=float64[2], fixed=float64[0], topology=")


def test_the_table_of_units_is_cut_short():
    text = repr(nn.UnitGraph.from_layers(np.random.default_rng(0), (4, 30, 2)))
    assert text.startswith(
        "UnitGraph: 4 inputs, 32 units on 2 levels, 2 outputs; 180 connections, 212 numbers trained"
    )
    assert text.endswith("and 16 more units")
    assert len(text.splitlines()) == 23


def test_copies_are_the_same_network_and_compiled_once():
    network, x = small(), np.ones((2, 2))
    calls = []
    f = wg.jit(lambda network, x: (calls.append(1), network(x))[1])
    others = [copy.deepcopy(network), pickle.loads(pickle.dumps(network)), small()]
    for one in [network, *others]:
        np.testing.assert_array_equal(f(one, x), network(x))
        assert one.topology == network.topology and hash(one.topology) == hash(network.topology)
    assert len(calls) == 1
    assert nn.is_known(network) and not nn.is_known(small(activation=lambda a: np.sin(a)))
    assert small(activation="relu").topology != network.topology


# --- what is refused ----------------------------------------------------------------------------------------

CYCLE = [("x", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "y")]
REFUSED = [
    (CYCLE, "form a cycle, (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c);"),
    ([("x", "y"), ("y", "y")], "form a cycle, y -> y;"),
    ([("x", "y"), ("x", "y")], r"edges join \('x', 'y'\) more than once"),
    ([("y", "x"), ("x", "y")], r"\('y', 'x'\) lead to an input"),
    ([("X", "y")], "'X' is no input and receives no connection; correct the name"),
    ([("x", "Y")], "'y' is no input and receives no connection"),
    ([("x", "y"), ("x", "h")], "no output depends on 'h'; connect it"),
    ([("x", "y", 1.0, 2.0)], r"write \(source, target\) or \(source, target, weight\)"),
    (["xy"], "'xy' is no connection"),
    ([("x", "y")], "some weights have no value; give them one, or a generator: rng=..."),
]  # fmt: skip


@pytest.mark.parametrize("edges, message", REFUSED)
def test_connections_that_are_no_network(edges, message):
    with pytest.raises(ValueError, match=message):
        nn.UnitGraph.from_edges(edges, inputs=["x"], outputs=["y"])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"activations": {"k": "tanh"}}, "an activation is given for 'k'; the names are 'h', 'y'"),
        ({"biases": {"x1": 0.0}}, "a bias is given for 'x1'; the names are 'h', 'y'"),
        ({"weights": {"v": 1.0}}, "a value is given for 'v'; the names are none"),
        ({"activation": "softmax"}, "softmax is the activation of 'h'; it joins all output units"),
        ({"activation": "tahn"}, "unknown activation 'tahn'"),
    ],
)
def test_what_is_said_about_units_that_are_not_there(options, message):
    with pytest.raises(ValueError, match=message):
        small(**options)


@pytest.mark.parametrize(
    "inputs, outputs, message",
    [
        ([], ["y"], "there are no inputs"),
        (["x"], [], "there are no outputs"),
        (["x", "x"], ["y"], "inputs name 'x' more than once"),
        (["x"], ["y", "y"], "outputs name 'y' more than once"),
    ],
)
def test_inputs_and_outputs_that_are_none(inputs, outputs, message):
    edges = [(x, y, 1.0) for x in inputs[:1] for y in outputs[:1]]
    biases = {y: 0.0 for y in outputs}
    with pytest.raises(ValueError, match=message):
        nn.UnitGraph.from_edges(edges, inputs=inputs, outputs=outputs, biases=biases)


def test_patterns_of_another_size():
    with pytest.raises(ValueError, match=r"x of shape \(5, 3\) does not end with the 2 inputs"):
        small()(PATTERNS)


def test_a_list_is_a_pattern_too():
    np.testing.assert_array_equal(small()([1.0, 2.0]), small()(np.array([1.0, 2.0])))
