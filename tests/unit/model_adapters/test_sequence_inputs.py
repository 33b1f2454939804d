"""Measurements over time: onto a grid, into channels, through networks of our own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save

from model_adapters import AdapterError, check_model_folder, load_adapter
from model_adapters.architectures.own_networks import build_own
from model_adapters.preprocessing.sequence import encode_sequences, prepare_sequences
from model_adapters.schema_time import SequenceInput

VARIABLES = [{"variable": "hr", "mean": 80.0, "std": 10.0}, {"variable": "map", "impute": 75.0}]
VITALS = {"modality": "sequence", "hours": 4.0, "step": 1.0, "variables": VARIABLES}


def measured(*rows):
    return pd.DataFrame(list(rows), columns=["time", "variable", "value"])


def spec(**changes):
    return SequenceInput.model_validate({**VITALS, **changes})


def test_values_are_carried_forward_with_their_age():
    table = measured((0.5, "hr", 90), (2.25, "hr", 100), (2.75, "hr", 70), (9.0, "hr", 1))
    grid = prepare_sequences("vitals", spec(), [table])
    assert grid.shape == (1, 4, 2, 2)
    np.testing.assert_allclose(grid[0, :, 0, 0], [90, np.nan, 70, np.nan])
    seen = encode_sequences(spec(), grid)[0]
    assert seen.shape == (4, 7)
    np.testing.assert_allclose(seen[:, 0], [1, 1, -1, -1])
    np.testing.assert_allclose(seen[:, 2], [1, 0, 1, 0])
    np.testing.assert_allclose(seen[:, 4], [0.125, 0.375, 0.0625, 0.3125])
    np.testing.assert_allclose(seen[:, 1], 75.0)  # never measured: as declared, not 0
    np.testing.assert_allclose(seen[:, 5], 1.0)
    np.testing.assert_allclose(seen[:, 6], [0.125, 0.5, 0.6875, 1.0])


def test_imputed_and_clipped_values_are_standardised():
    one = spec(
        variables=[{"variable": "map", "mean": 70, "std": 10, "impute": 80, "clip": [60, 90]}]
    )
    seen = encode_sequences(one, prepare_sequences("v", one, [measured((2.0, "map", 500))]))
    np.testing.assert_allclose(seen[0, :, 0], [1, 1, 2, 2])


def test_mean_keeps_the_mean_of_a_step():
    grid = prepare_sequences("v", spec(keep="mean"), [measured((0.1, "hr", 80), (0.9, "hr", 90))])
    assert grid[0, 0, 0, 0] == 85


def test_clocks_and_units():
    table = measured((600, "hr", 80), (720, "hr", 90))
    first = prepare_sequences("v", spec(clock="since_first", time_unit="min"), [table])
    assert torch.nonzero(~torch.isnan(first[0, :, 0, 0]))[:, 0].tolist() == [0, 2]
    last = prepare_sequences("v", spec(clock="until_last", time_unit="min"), [table])
    assert torch.nonzero(~torch.isnan(last[0, :, 0, 0]))[:, 0].tolist() == [2, 3]
    dates = table.assign(time=pd.to_datetime(["2026-01-01 08:00", "2026-01-01 10:00"]))
    same = prepare_sequences("v", spec(clock="until_last"), [dates])
    torch.testing.assert_close(same, last, equal_nan=True)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (measured(("noon", "hr", 80)), "time must be numeric, found 1 of 1"),
        (measured((1.0, "hr", "high")), "value must be numeric, found 1 of 1"),
        (pd.DataFrame({"when": [1]}), "no column 'time'"),
        (measured((pd.Timestamp("2026-01-01"), "hr", 80)), "counts from no date"),
    ],
)
def test_bad_sequences_are_one_sentence(table, said):
    with pytest.raises(AdapterError, match=said):
        prepare_sequences("vitals", spec(), [table])


def test_lengths_zero_and_one_and_unknown_variables_stay_in_their_row():
    tables = [measured(), measured((1.0, "hr", 80)), measured((1.0, "crp", 5.0))]
    grid = prepare_sequences("vitals", spec(), tables)
    assert torch.isnan(grid[0]).all()
    assert torch.isnan(grid[2]).all()
    assert int((~torch.isnan(grid[1, ..., 0])).sum()) == 1
    assert bool(torch.isfinite(encode_sequences(spec(), grid)).all())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variables": [{"variable": "a"}, {"variable": "a"}]}, "names one variable twice"),
        ({"channels": ["hour", "value"]}, "in this order"),
        ({"step": 1e-6}, "widen step"),
        ({"variables": [{"variable": "a", "clip": [2, 1]}]}, "lower value first"),
    ],
)
def test_declarations_that_cannot_be(changes, said):
    with pytest.raises(ValueError, match=said):
        spec(**changes)


NETWORKS = {
    "auscult.GRU": {"inputs": 7, "hidden": 5, "outputs": 1},
    "auscult.LSTM": {"inputs": 7, "hidden": 5, "layers": 2, "outputs": 1},
    "auscult.TimeTransformer": {"variables": 2, "width": 8, "heads": 2, "outputs": 1},
}


def sequence_model(write_model, name):
    torch.manual_seed(0)
    module = build_own(name, NETWORKS[name], "test")
    return write_model(
        save(module.state_dict()),
        weights={"format": "safetensors", "file": "w.safetensors"},
        architecture={"name": name, "args": NETWORKS[name]},
        **{"inputs.vitals": VITALS},
    ), module.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_our_own_keep_every_promise(write_model, name):
    folder, _ = sequence_model(write_model, name)
    results = {one.name: one for one in check_model_folder(folder)}
    assert all(one.passed for one in results.values()), results
    assert results["missing values stay in their row"].status == "passed"
    assert results["forward equals predict"].status == "passed"


def test_hours_apart_matter_to_the_transformer(write_model):
    adapter = load_adapter(sequence_model(write_model, "auscult.TimeTransformer")[0], device="cpu")
    near, far = (measured((0.5, "hr", 90), (hour, "hr", 60)) for hour in (1.5, 3.5))
    a, b = (adapter.predict(adapter.prepare({"vitals": [one]}))[0, 0] for one in (near, far))
    assert abs(a - b) > 1e-4


def test_wrong_arguments_are_one_sentence(write_model):
    folder = write_model(
        save({"a": torch.zeros(1)}),
        weights={"format": "safetensors", "file": "w.safetensors"},
        architecture={"name": "auscult.GRU", "args": {"hidden": 4}},
        **{"inputs.vitals": VITALS},
    )
    with pytest.raises(AdapterError, match=r"architecture\.args: auscult\.GRU does not take them"):
        load_adapter(folder, device="cpu")


def test_an_onnx_graph_takes_the_channels(write_model, tmp_path):
    from onnx import TensorProto, helper, numpy_helper

    weight = np.arange(7, dtype=np.float32).reshape(7, 1) / 10
    taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4, 7])
    given = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["m", "w"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [taken], [given], [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    folder = write_model(
        model.SerializeToString(),
        weights={"format": "onnx", "file": "m.onnx"},
        **{"inputs.vitals": VITALS},
    )
    adapter = load_adapter(folder, device="cpu")
    prepared = adapter.prepare({"vitals": [measured((0.5, "hr", 90))]})
    seen = encode_sequences(spec(), prepared["vitals"]).numpy()
    np.testing.assert_allclose(adapter.predict(prepared), seen.mean(axis=1) @ weight, atol=1e-6)
