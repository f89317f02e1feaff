"""The bytes of messages: as protobuf writes them, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wengert.errors import ExchangeError
from wengert.exchange._protobuf import decode, encode
from wengert.exchange._tensors import DATA_TYPES, array, number_of, tensor

names = st.text(max_size=5)
attributes = st.fixed_dictionaries(
    {
        "name": names,
        "i": st.integers(-(2**63), 2**63 - 1),
        "f": st.floats(width=32, allow_nan=False),
        "s": st.binary(),
    },
    optional={"ints": st.lists(st.integers(-(2**63), 2**63 - 1)), "floats": st.lists(st.just(0.5))},
)


@given(st.lists(attributes, max_size=3), st.lists(names, max_size=3))
def test_what_is_written_is_read(found, inputs):
    node = decode(encode({"input": inputs, "attribute": found}, "Node"), "Node")
    assert node["input"] == inputs
    assert [
        {key: a[key] for key in given} for a, given in zip(node["attribute"], found, strict=True)
    ] == found


@given(st.lists(attributes, max_size=3))
def test_protobuf_reads_the_same(found):
    onnx = pytest.importorskip("onnx")
    node = onnx.NodeProto.FromString(encode({"attribute": found}, "Node"))
    assert [(a.name, a.i, a.s) for a in node.attribute] == [(a["name"], a["i"], a["s"]) for a in found]


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_refused(content):
    try:
        assert isinstance(decode(content, "Model"), dict)
    except ExchangeError as error:
        assert "damaged" in str(error)


def test_packed_numbers_are_read():
    onnx = pytest.importorskip("onnx")
    proto = onnx.helper.make_tensor("t", onnx.TensorProto.FLOAT, [3], [1.0, 2.5, -3.0])
    assert array(decode(proto.SerializeToString(), "Tensor"), "t").tolist() == [1.0, 2.5, -3.0]


@pytest.mark.parametrize("name", sorted(set(DATA_TYPES.values())))
def test_arrays_of_every_type(name):
    onnx = pytest.importorskip("onnx")
    value = np.array([[0, 1, 1], [1, 0, 1]]).astype(name)
    message = tensor("t", value)
    assert np.array_equal(array(decode(encode(message, "Tensor"), "Tensor"), "t"), value)
    assert np.array_equal(
        onnx.numpy_helper.to_array(onnx.TensorProto.FromString(encode(message, "Tensor"))), value
    )
    if name not in ("uint32", "uint64"):
        listed = onnx.helper.make_tensor("t", number_of(value.dtype), value.shape, value.ravel().tolist())
        assert np.array_equal(array(decode(listed.SerializeToString(), "Tensor"), "t"), value)


def test_types_without_a_number():
    with pytest.raises(ExchangeError, match="numbers of type complex128 have no translation to ONNX"):
        tensor("t", np.ones(2, complex))
