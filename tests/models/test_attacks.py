"""Files that somebody has made to do harm end with one sentence, soon, and run nothing."""

import json
import struct

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.helpers import edited, model, opened
from tests.nn.helpers import every_layer
from wengert import models, nn
from wengert.errors import ModelFileError

CONTENT = models.to_bytes(model())
LAYERS = models.network_to_bytes(every_layer())
UNITS = models.network_to_bytes(nn.UnitGraph.from_layers(np.random.default_rng(0), (2, 2, 1)))
SAID = r"^m.wengert: .*(damaged|not a wengert model|cut short|by a newer wengert).*; "


def refused(content, message=SAID):
    with pytest.raises(ModelFileError, match=message) as caught:
        models.network_from_bytes(content, "m.wengert")
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


# --- by chance


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_flipped_bytes(data):
    content = bytearray(data.draw(st.sampled_from([CONTENT, LAYERS, UNITS])))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    if bytes(content) not in (CONTENT, LAYERS, UNITS):
        refused(bytes(content))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_cut_anywhere(data):
    content = data.draw(st.sampled_from([CONTENT, LAYERS, UNITS]))
    refused(content[: data.draw(st.integers(0, len(content) - 1))])


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_rubbish(content):
    refused(content)
    refused(CONTENT + content + b"x")


def test_every_seventh_byte():
    for position in range(0, len(CONTENT), 7):
        changed = bytearray(CONTENT)
        changed[position] ^= 0x01
        refused(bytes(changed))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["class", "array", "tuple", "dict", "weights", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


def places(value, path=()):
    """Where everything in a description stands."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in items:
        yield from places(entry, (*path, key))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_change_of_the_description_is_refused_or_harmless(data):
    """With a seal that fits: then the description is what the file says, and must be one that makes sense."""
    content = data.draw(st.sampled_from([CONTENT, LAYERS, UNITS]))
    replacement = data.draw(JSON)

    def edit(arrays, description):
        *path, last = data.draw(st.sampled_from([p for p in places(description) if p]))
        for key in path:
            description = description[key]
        description[last] = replacement

    try:
        network = models.network_from_bytes(edited(content, edit), "m.wengert")
    except ModelFileError as error:
        assert str(error).startswith("m.wengert: ")
        assert len(str(error)) < 600
    else:
        models.network_to_bytes(network)  # what was accepted is a network of known parts


# --- on purpose


def with_header(content, change):
    """The file with another header, byte for byte."""
    (size,) = struct.unpack("<Q", content[:8])
    header = change(content[8 : 8 + size])
    return struct.pack("<Q", len(header)) + header + content[8 + size :]


def test_headers():
    refused(struct.pack("<Q", 2**63) + b"{" + bytes(20), "cut short")
    refused(struct.pack("<Q", 2**63) + bytes(20), "not a wengert model")
    refused(with_header(CONTENT, lambda h: b"[" * 200_000), "not a wengert model")
    refused(with_header(CONTENT, lambda h: h.replace(b'"F32"', b'"F99"', 1)), "of an unknown type")
    refused(with_header(CONTENT, lambda h: h.replace(b'"F32"', b'"BF16"', 1)), "of an unknown type")
    refused(with_header(CONTENT, lambda h: h.replace(b"[5]", b"[4611686018427387904,4]", 1)), "damaged")
    refused(with_header(CONTENT, lambda h: h.replace(b"[5]", b"[-5]", 1)), "damaged")
    twice = lambda h: h.replace(b'"layers.1.biases":{', b'"layers.0.biases":{')
    refused(with_header(CONTENT, twice), "two arrays have one name")
    refused(with_header(CONTENT, lambda h: b'{"__metadata__":3}'), "not a wengert model")


def test_a_description_nested_without_end():
    def deep(arrays, description):
        value = {"tuple": []}
        for _ in range(400):
            value = {"tuple": [value]}
        description["network"] = value

    refused(edited(CONTENT, deep), "nested too deeply|damaged|not a wengert")


def replacing(path, value):
    def edit(arrays, description):
        for key in path[:-1]:
            description = description[key]
        description[path[-1]] = value

    return edit


FIRST = ("network", "layers", "tuple", 0)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((*FIRST, "class"), "Popen", "unknown layer 'Popen'"),
        ((*FIRST, "class"), "os.system", "unknown layer 'os.system'"),
        ((*FIRST, "class"), ["Dense"], "damaged"),
        ((*FIRST, "run"), "rm", "Dense has no 'run'"),
        ((*FIRST, "activation"), {"activation": "__import__"}, "unknown activation '__import__'"),
        ((*FIRST, "activation"), {"ufunc": "load"}, "unknown function 'load'"),
        ((*FIRST, "activation"), {"ufunc": "__loader__"}, "unknown function"),
        ((*FIRST, "activation"), {"pickle": "gASV"}, "unknown description 'pickle'"),
        ((*FIRST, "activation"), 5, "an activation is a name or a function of one argument, not 5"),
        ((*FIRST, "weights"), {"array": "../../etc/passwd"}, "array '../../etc/passwd' is missing"),
        ((*FIRST, "weights"), {"array": "layers.1.weights"}, "missing, or named twice|do not fit|damaged"),
        ((*FIRST, "weights"), None, "damaged"),
        ((*FIRST, "biases"), None, "belongs to nothing"),
        (("network",), None, "damaged"),
        (("network",), [], "damaged"),
        (("network",), {"class": "Concatenate"}, "belongs to nothing"),
        (("table", "task"), "clustering", "unknown task 'clustering'"),
        (("table", "kind"), "quantile", "'quantile' does not go with its task"),
        (("table", "kind"), ["x"], "damaged"),
        (("table", "classes"), ["a"], "wrong outputs"),
        (("table", "classes"), ["a", "b", "b"], "its classes are no names"),
        (("table", "classes"), ["a", "b", 3], "its classes are no names"),
        (("table", "targets"), [], "it predicts no column"),
        (("table", "preprocessing"), None, "damaged"),
        (("table", "preprocessing"), [], "damaged"),
        (("table", "preprocessing", 0, "kind"), "exec", "damaged"),
        (("table", "preprocessing", 0, "numbers"), 10**9, "damaged"),
        (("table", "preprocessing", 0, "numbers"), -1, "damaged"),
        (("table", "preprocessing", 0, "column"), 7, "its columns are no names"),
        (("table", "preprocessing", 1, "column"), "x", "its columns are no names"),
        (("table", "preprocessing", 0, "missing"), "many", "column 'x' is described wrongly"),
        (("training",), None, "damaged"),
    ],
    ids=str,
)
def test_descriptions_that_make_no_sense(path, value, message):
    refused(edited(CONTENT, replacing(path, value)), f"m.wengert: damaged model file .*{message}|{message}")


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("layers.0.weights", np.full((2, 5), np.nan, np.float32), "'layers.0.weights' holds nan or infinite"),
        ("layers.0.weights", np.ones((2, 5), np.float64), "not of one precision"),
        ("layers.0.weights", np.ones((2, 5), np.int32), "not of one precision"),
        ("layers.0.weights", np.ones((3, 5), np.float32), "cannot take inputs|damaged"),
        ("layers.0.biases", np.ones((100, 5), np.float32), "wrong outputs"),
        ("layers.1.weights", np.ones((5, 4), np.float32), "not of one layer"),
        ("model.outputs.scale", np.zeros(1), "a scale is not positive"),
        ("model.outputs.scale", np.array([np.inf]), "not finite"),
        ("model.outputs.mean", np.zeros(3), "wrong scales"),
        ("model.outputs.mean", np.zeros(1, np.float32), "not finite"),
        ("model.preprocessing", np.array([1.0, 0.0, 2.0, 4.0]), "the state of a number is not one"),
        ("model.preprocessing", np.array([np.nan, 1.0, 2.0, 4.0]), "not finite"),
        ("another", np.zeros(1), "array 'another' belongs to nothing"),
    ],
    ids=str,
)
def test_arrays_that_do_not_fit(name, array, message):
    refused(edited(CONTENT, lambda arrays, description: arrays.update({name: array})), message)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("topology.sources", np.array([0, 0, 1, 1, 2, 99]), "leads from nowhere"),
        ("topology.targets", np.array([2, 3, 2, 3, 4, -1]), "leads nowhere"),
        ("topology.targets", np.array([2, 3, 2, 3, 3, 2]), "cycle"),
        ("topology.targets", np.array([2, 3, 2, 3, 4, 0]), "leads to an input"),
        ("topology.places", np.array([0, 1, 2, 3, 4, 500]), "has no weight"),
        ("topology.places", np.array([0.0, 1, 2, 3, 4, 5]), "has no weight"),
        ("topology.places", np.array([0, 1]), "half a connection"),
        ("topology.bias_places", np.array([-5, -1, 6, 7, 8]), "a bias is missing"),
        ("weights", np.zeros(2), "do not fit"),
    ],
    ids=str,
)
def test_units_that_do_not_fit(name, array, message):
    assert opened(UNITS)[0]["topology.sources"].shape == (6,)
    refused(edited(UNITS, lambda arrays, description: arrays.update({name: array})), message)


def test_nothing_is_executed(tmp_path, monkeypatch):
    """A description that names everything there is to run."""
    monkeypatch.chdir(tmp_path)
    for text in ("__import__('os').system('touch run')", "exec", "nn.Dense.init", "relu(slope=__import__)"):
        for form in ("activation", "ufunc", "class", "array"):
            refused(edited(CONTENT, replacing((*FIRST, "activation"), {form: text})))
    assert not list(tmp_path.iterdir())


def test_a_seal_that_does_not_fit():
    arrays, description = opened(CONTENT)
    content = safetensors.numpy.save(arrays, {"wengert": json.dumps(description | {"sha256": "0"})})
    refused(content, "its content was changed")
