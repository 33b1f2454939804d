"""What the model's output would be: plausible changes, units, and an honest search."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from audits.errors import ExplanationError
from audits.explanations import explain_adapter_case
from audits.explanations.counterfactual import search_counterfactuals
from audits.explanations.edits import plausible_of
from audits.explanations.request import open_request
from audits.explanations.what_if import what_if
from model_adapters.base import Feature

from .conftest import FrameStudy, table_adapter
from .test_parts import NETWORKS, NOTE, VITALS, Cases, fusion_case, model, note_model, sequences


class Risk(torch.nn.Module):
    def forward(self, x):
        x = x.nan_to_num(0.0)
        return (2 * x[:, 0] - x[:, 1] + 0.5 * x[:, 2] * x[:, 3] - 3.0)[:, None]


@pytest.fixture
def study(seeded):
    frame = pd.DataFrame(seeded.normal(size=(400, 5)), columns=[f"x{i}" for i in range(5)])
    frame.index = [f"case-{index}" for index in frame.index]
    frame.loc["case-0"] = [0.0, 0.0, 0.2, 0.1, 0.0]
    frame.loc["case-1", "x4"] = np.nan
    features = tuple(
        Feature(
            name=f"x{i}",
            label=f"Variable {i}",
            unit="mmol/L",
            normal=(-2.0, 2.0),
            actionable=i < 2,
            direction="down" if i == 1 else None,
        )
        for i in range(5)
    )
    return FrameStudy(cases=frame, variables=features)


@pytest.fixture
def request_of(study):
    model = table_adapter(Risk(), 5)
    return lambda case, **more: open_request(study, model, case, **more)


def test_several_variables_change_at_once(request_of, study):
    request = request_of("case-0")
    asked = what_if(request, {"x0": "1.5 mmol/L", "x1": -1.0, "x4": None})
    assert asked.after.logit == pytest.approx(2 * 1.5 + 1.0 + 0.01 - 3.0, abs=1e-5)
    assert asked.before.logit == pytest.approx(request.score.logit)
    said = asked.to_dict()
    assert {"name": "x4", "from": 0.0, "to": None} in said["changes"]
    assert said["note"].startswith("What the model's output would be")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x0": 99.0}, "outside of its plausible range"),
        ({"x0": "1.0 mg/dL"}, "is in mmol/L, found 'mg/dL'"),
        ({"x0": "high"}, "is a number"),
        ({"x9": 1.0}, "takes no 'x9'"),
    ],
)
def test_changes_that_cannot_be_are_one_sentence(request_of, changes, said):
    with pytest.raises(ExplanationError, match=said):
        what_if(request_of("case-0"), changes)


def test_the_search_keeps_to_actionable_variables_and_their_direction(request_of, study):
    found = search_counterfactuals(request_of("case-0"), target=0.4, seconds=20.0)
    assert found.found
    assert set(found.variables) == {"x0", "x1"}
    for one in found.found:
        assert one.after.probability >= 0.4
        assert set(one.changes) <= {"x0", "x1"}
        before, after = one.changes.get("x1", (0.0, 0.0))
        assert after <= before
        assert one.distance <= 1.0 + 1e-9
    lengths = [len(one.changes) for one in found.found]
    assert lengths == sorted(lengths)


def test_a_search_without_a_result_says_what_was_tried(request_of):
    found = search_counterfactuals(request_of("case-0"), target=0.999, seconds=3.0)
    assert not found.found
    assert found.message.startswith("None found within")
    assert "does not prove" in found.message
    assert found.tried > 0
    assert found.to_dict()["found"] == []


def test_nothing_actionable_is_one_sentence(study):
    bare = FrameStudy(cases=study.cases)
    request = open_request(bare, table_adapter(Risk(), 5), "case-0")
    with pytest.raises(ExplanationError, match="declared actionable"):
        search_counterfactuals(request)


def test_odd_inputs_are_said_before_effects_are_read(study):
    study.cases.loc["case-2", "x0"] = 500.0
    study.cases.loc["case-3"] = np.nan
    study.cases.loc["case-4", "x1"] = -7.0
    model = table_adapter(Risk(), 5)
    said = {
        case: " ".join(f.message for f in explain_adapter_case(study, model, case).findings)
        for case in ("case-2", "case-3", "case-4", "case-5")
    }
    assert "Variable 0: further outside" in said["case-2"]
    assert "None of the variables was measured" in said["case-3"]
    assert "Variable 1: outside of everybody" in said["case-4"]
    assert "500" not in said["case-2"]
    every = explain_adapter_case(study, model, "case-3")
    assert every.additivity_residual < 1e-4
    assert all(player.value == "not measured" for player in every.players)


class Measured(Cases):
    """A study over time whose first variable can be acted on."""

    measured = (Feature(name="a", label="A", unit="mmol/L", actionable=True),)


@pytest.fixture
def over_time(tmp_path):
    study = Measured(vitals=sequences(40))
    name = "auscult.GRU"
    return open_request(study, model(tmp_path, name, NETWORKS[name], {"vitals": VITALS}), "p3")


def test_the_last_value_over_time_is_set_where_it_was_measured(over_time):
    own = over_time.raw["vitals"][0]
    mine = own[(own["variable"] == "a") & (own["time"] < 8)]
    last = mine.loc[mine["time"].idxmax()]
    asked = what_if(over_time, {"a": "0.5 mmol/L"})
    assert asked.changes["a"] == (pytest.approx(last["value"]), 0.5)
    by_hand = own.copy()
    by_hand.loc[last.name, "value"] = 0.5
    prepared = over_time.adapter.prepare({"vitals": [by_hand]})
    assert asked.after.logit == pytest.approx(float(over_time.adapter.predict(prepared)[0, 0]))
    without = what_if(over_time, {"a": None})
    prepared = over_time.adapter.prepare({"vitals": [own[own["variable"] != "a"]]})
    assert without.after.logit == pytest.approx(float(over_time.adapter.predict(prepared)[0, 0]))
    with pytest.raises(ExplanationError, match="plausible range"):
        what_if(over_time, {"a": 50.0})


def test_what_was_never_measured_has_no_last_value(over_time):
    own = over_time.raw["vitals"][0]
    empty = dataclasses.replace(over_time, raw={"vitals": [own[own["variable"] != "a"]]})
    with pytest.raises(ExplanationError, match="has no last value to change"):
        what_if(empty, {"a": 0.1})


def test_the_search_over_time_changes_last_values_alone(over_time):
    target = float(1 / (1 + np.exp(-over_time.score.logit))) + 0.01
    found = search_counterfactuals(over_time, target=min(target, 0.99), seconds=3.0)
    assert found.variables == ("a",)
    assert found.tried > 0
    for one in found.found:
        assert set(one.changes) == {"a"}
        assert one.after.probability >= target


def test_a_fusion_sets_values_of_every_input_that_has_some_and_a_note_has_none(tmp_path):
    study, adapter = fusion_case(tmp_path)
    study.cases = study.table
    request = open_request(study, adapter, "p2")
    assert list(plausible_of(request)) == ["age", "sex", "a", "b", "c"]
    asked = what_if(request, {"age": float(study.table["age"].iloc[0]), "b": 0.0})
    assert asked.after.logit != pytest.approx(asked.before.logit, abs=1e-6)
    note = open_request(Cases(notes={"n": NOTE}), note_model(tmp_path), "n")
    with pytest.raises(ExplanationError, match="which has no variable to set"):
        what_if(note, {"x": 1.0})
