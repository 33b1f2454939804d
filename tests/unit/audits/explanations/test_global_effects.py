"""Global importance, subgroups, care-process leakage and the protected-basis inventory."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from audits.cohorts.groups import Attribute
from audits.errors import ExplanationError
from audits.explanations import explain_adapter_case
from audits.explanations.global_effects import draw_cases, global_effects
from audits.explanations.importance import global_summary
from audits.explanations.protected_basis import no_inventory, protected_inventory
from model_adapters.base import Feature

from .conftest import FrameStudy, table_adapter

CASES = 240


class Ordering(torch.nn.Module):
    """Reads x0 doubly, in men only; knows whether x1 was ordered; reads x2 a little."""

    def forward(self, x):
        ordered = (~x[:, 1].isnan()).float()
        x = x.nan_to_num(0.0)
        return (2 * x[:, 0] * x[:, 3] + 1.5 * ordered + 0.2 * x[:, 1] + 0.3 * x[:, 2])[:, None]


@pytest.fixture
def made(seeded):
    frame = pd.DataFrame(seeded.normal(size=(CASES, 5)), columns=[f"x{i}" for i in range(5)])
    male = np.arange(CASES) % 2
    frame["x3"] = male.astype(float)
    race = np.where(np.arange(CASES) % 4 < 2, "A", "B")
    frame["x2"] += 3.0 * (race == "A")
    frame.loc[seeded.random(CASES) < 0.5, "x1"] = np.nan
    frame = frame.rename(columns={"x4": "age"})
    frame.index = [f"case-{index}" for index in frame.index]
    model = table_adapter(Ordering(), 5)
    fields = model.inputs[0].features
    renamed = (*fields[:4], Feature(name="age", label="Age", columns=(4,), protected=True))
    model.inputs = (dataclasses.replace(model.inputs[0], features=renamed),)
    attributes = tuple(
        Attribute(name=name, column=name, kind="demographic", levels=levels, codes=codes)
        for name, levels, codes in (
            ("sex", ("F", "M"), male.astype(np.int32)),
            ("race", ("A", "B"), (race == "B").astype(np.int32)),
        )
    )
    return FrameStudy(cases=frame), model, attributes


def test_importance_is_overall_and_by_subgroup(made):
    study, model, attributes = made
    found = global_effects(study, model, CASES, seed=1)
    summary = global_summary(found, attributes, seed=1)
    (output,) = summary["outputs"]
    first = output["importance"][0]
    estimate = first["mean_absolute_effect"]
    assert estimate["low"] < estimate["value"] < estimate["high"]
    assert sum(one["share"]["value"] for one in output["importance"]) == pytest.approx(1.0)
    by_sex = {
        one["attributes"]["sex"]: {v["name"]: v for v in one["importance"]}
        for one in output["by_group"]
        if "sex" in one["attributes"]
    }
    size = {sex: own["x0"]["mean_absolute_effect"] for sex, own in by_sex.items()}
    assert size["M"]["low"] > size["F"]["high"]
    few = [dataclasses.replace(attributes[0], codes=np.zeros(CASES, np.int32).copy())]
    few[0].codes[:3] = 1
    small = global_summary(found, few)["outputs"][0]["by_group"][1]
    assert small["importance"] == []
    assert "fewer than 20" in small["reason"]


def test_orders_that_drive_the_score_are_named(made):
    study, model, _ = made
    found = global_effects(study, model, CASES, seed=1)
    (entry,) = global_summary(found, ())["outputs"][0]["care_process"]
    assert entry["name"] == "x1"
    assert entry["leaks"]
    assert entry["rank"] <= 3
    assert entry["not_measured"]["value"] == pytest.approx(0.5, abs=0.1)


def test_the_inventory_names_measures_and_proxies(made):
    study, model, attributes = made
    found = global_effects(study, model, CASES, seed=1)
    inventory = protected_inventory(found, attributes, seed=1)
    role = {(one["name"], one["basis"]): one for one in inventory["inputs"]}
    assert role["age", "age"]["role"] == "measures"
    assert role["age", "age"]["association"]["value"] is None
    proxy = role["x2", "race"]
    assert proxy["role"] == "proxy"
    assert proxy["association"]["low"] > 0.7
    assert 0 < proxy["shares"][0]["share"]["value"] < 1
    assert role["x3", "sex"]["association"]["value"] == pytest.approx(1.0)
    assert role["x0", "race"]["role"] == "none"
    state = {one["basis"]: one["state"] for one in inventory["bases"]}
    assert state["race"] == state["age"] == "computed"
    assert state["disability"] == "not_available"
    assert no_inventory("images")["bases"][0]["reason"] == "images"


def test_all_effects_are_kept_long_and_cases_are_drawn_once(made):
    study, model, _ = made
    found = global_effects(study, model, 50, seed=1)
    frame = found.frame()
    assert len(frame) == 50 * 5
    own = frame[(frame.case_id == found.case_ids[7]) & (frame.variable == "x2")].iloc[0]
    assert own.effect == found.effects[7, 2, 0]
    assert float(own.value) == pytest.approx(study.cases.loc[found.case_ids[7], "x2"])
    assert draw_cases(study, model, 50, seed=1) == found.case_ids
    assert len(draw_cases(study, model, 10_000, seed=1)) == CASES


class Unforgiving(torch.nn.Module):
    """Gives no score where x1 is missing."""

    def forward(self, x):
        return x.sum(dim=1, keepdim=True)


def test_cases_without_a_score_are_left_out_or_said(made):
    study, _, _ = made
    model = table_adapter(Unforgiving(), 4)
    found = global_effects(study, model, CASES, seed=1)
    assert np.isfinite(found.effects).all()
    assert not study.cases.loc[list(found.case_ids), "x1"].isna().any()
    missing = study.cases.index[study.cases["x1"].isna()][0]
    with pytest.raises(ExplanationError, match="gives it no score"):
        explain_adapter_case(study, model, missing)
    known = study.cases.index[~study.cases["x1"].isna()][0]
    assert explain_adapter_case(study, model, known).additivity_residual < 1e-4
