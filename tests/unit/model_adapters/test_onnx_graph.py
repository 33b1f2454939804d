"""ONNX folders: numbers of the graph, fixed batches, and files outside the folder."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

from model_adapters import AdapterError, ImageValue, load_adapter
from model_adapters.formats.onnx_external import external_locations

WEIGHT = np.array([[0.5], [-1.0]], dtype=np.float32)
TABLE = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 5.0]})
EHR = {"inputs.ehr": {"features": ["a", "b"]}}


def linear(*, rows=None, extra_output=False, weight=WEIGHT):
    """A graph that multiplies a table by two weights."""
    taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, 2])
    given = [helper.make_tensor_value_info("score", TensorProto.FLOAT, [rows, weight.shape[1]])]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["score"])]
    if extra_output:
        given.append(helper.make_tensor_value_info("copy", TensorProto.FLOAT, [rows, 1]))
        nodes.append(helper.make_node("Identity", ["score"], ["copy"]))
    graph = helper.make_graph(nodes, "g", [taken], given, [numpy_helper.from_array(weight, "w")])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9)


def folder(write_model, model, *, weights=None, sections=EHR, **manifest):
    data = model if isinstance(model, bytes) else model.SerializeToString()
    declared = {"format": "onnx", "file": "model.onnx", **(weights or {})}
    return write_model(data, weights=declared, model=manifest, **sections)


@pytest.mark.parametrize("rows", [None, 1, 2])
def test_scores_of_the_graph(write_model, rows):
    adapter = load_adapter(folder(write_model, linear(rows=rows)), device="cpu")
    got = adapter.predict(adapter.prepare({"ehr": TABLE}))
    np.testing.assert_allclose(got, TABLE.to_numpy() @ WEIGHT, rtol=1e-6)
    assert adapter.caps == frozenset()
    assert adapter.predict(adapter.prepare({"ehr": TABLE.iloc[:0]})).shape == (0, 1)


def test_two_columns_of_a_binary_model(write_model):
    two = np.array([[1.0, 0.5], [0.0, -1.0]], dtype=np.float32)
    adapter = load_adapter(folder(write_model, linear(weight=two)))
    scores = TABLE.to_numpy() @ two
    got = adapter.predict(adapter.prepare({"ehr": TABLE}))
    np.testing.assert_allclose(got[:, 0], scores[:, 1] - scores[:, 0], rtol=1e-6)


def test_several_outputs_want_a_name(write_model):
    model = linear(extra_output=True)
    with pytest.raises(AdapterError, match=r"weights\.output: name the graph's output"):
        load_adapter(folder(write_model, model))
    adapter = load_adapter(folder(write_model, model, weights={"output": "copy"}))
    assert adapter.predict(adapter.prepare({"ehr": TABLE})).shape == (3, 1)


def test_an_image_network(write_model):
    taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 4, 4])
    given = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [taken], [given])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = folder(write_model, model, sections={"inputs.image": {"size": [4, 4]}})
    adapter = load_adapter(path)
    image = ImageValue(pixels=np.full((8, 8), 3, dtype=np.float32), low=0, high=4)
    got = adapter.predict(adapter.prepare({"image": [image, image]}))
    np.testing.assert_allclose(got, 0.75)


def external(tmp_path, location):
    model = linear(weight=np.ones((2, 1), dtype=np.float32))
    onnx.save_model(
        model,
        str(tmp_path / "e.onnx"),
        save_as_external_data=True,
        size_threshold=0,
        location="w.bin",
    )
    kept = (tmp_path / "w.bin").read_bytes()
    data = (tmp_path / "e.onnx").read_bytes()
    model = onnx.load_model_from_string(data)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    return model.SerializeToString(), kept


def test_external_data_inside_the_folder_wants_its_hash(write_model, tmp_path):
    data, kept = external(tmp_path, "w.bin")
    assert external_locations(data) == ("w.bin",)
    path = folder(write_model, data)
    (path / "w.bin").write_bytes(kept)
    with pytest.raises(
        AdapterError, match=r"keeps tensors in 'w\.bin', whose hash is not declared"
    ):
        load_adapter(path)
    declared = {"external": {"w.bin": hashlib.sha256(kept).hexdigest()}}
    path = folder(write_model, data, weights=declared)
    adapter = load_adapter(path)
    got = adapter.predict(adapter.prepare({"ehr": TABLE}))
    np.testing.assert_allclose(got[:, 0], [1, 3, 8])
    (path / "w.bin").write_bytes(kept[::-1])
    with pytest.raises(AdapterError, match=r"'w\.bin' has another hash"):
        load_adapter(path)


@pytest.mark.parametrize("location", ["../w.bin", "/etc/passwd"])
def test_external_data_outside_the_folder_is_refused(write_model, tmp_path, location):
    data, _ = external(tmp_path, location)
    with pytest.raises(AdapterError, match="must stay inside the model folder"):
        load_adapter(folder(write_model, data, weights={"external": {location: "0" * 64}}))


def test_tensors_inside_nodes_and_branches_are_found():
    """External data may hide in constants of a branch as well as in the initialisers."""
    tensor = numpy_helper.from_array(np.zeros(1, dtype=np.float32), "t")
    tensor.ClearField("raw_data")
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../hidden"
    tensor.data_location = TensorProto.EXTERNAL
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    branch = helper.make_graph([constant], "b", [], [])
    node = helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)
    model = helper.make_model(helper.make_graph([node], "g", [], []))
    assert external_locations(model.SerializeToString()) == ("../../hidden",)


@pytest.mark.parametrize("data", [b"\x08", b"\x0a\xff\x01", b"\x0f", b"not a graph at all"])
def test_garbage_is_one_sentence(write_model, data):
    with pytest.raises(AdapterError, match=r"is not an ONNX file|cannot run it") as error:
        load_adapter(folder(write_model, data))
    assert "\n" not in str(error.value)


def test_a_graph_of_whole_numbers_is_refused(write_model):
    taken = helper.make_tensor_value_info("x", TensorProto.INT64, [None, 2])
    given = helper.make_tensor_value_info("y", TensorProto.INT64, [None, 2])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [taken], [given])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    with pytest.raises(AdapterError, match="one floating-point input is supported"):
        load_adapter(folder(write_model, model))
