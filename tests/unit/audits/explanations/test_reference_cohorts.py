"""Named backgrounds, what they change, the part of being measured, and closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from audits.errors import ExplanationError
from audits.explanations import explain_adapter_case, methods_for
from audits.explanations.backgrounds import audit_background
from audits.explanations.reference_cohorts import offered_cohorts, reference_cohort
from model_adapters.base import Feature

from .conftest import FrameStudy, table_adapter

CASES = 120


@pytest.fixture
def study(seeded):
    frame = pd.DataFrame(seeded.normal(size=(CASES, 5)), columns=[f"x{i}" for i in range(5)])
    frame["age"] = seeded.integers(20, 90, CASES)
    frame["sex"] = np.where(np.arange(CASES) % 2, "F", "M")
    frame["unit"] = np.array(["A", "B", "C"])[np.arange(CASES) % 3]
    frame.index = [f"case-{index}" for index in frame.index]
    ranged = tuple(Feature(name=f"x{i}", label=f"x{i}", normal=(-1.0, 1.5)) for i in range(2))
    return FrameStudy(cases=frame, variables=ranged)


class Measured(torch.nn.Module):
    """A score that knows whether x3 was measured, and its value."""

    def forward(self, x):
        there = (~x[:, 3].isnan()).double()
        x = x.nan_to_num(0.0).double()
        return (2.0 * there + x[:, 3] + x[:, 0] * x[:, 1])[:, None]


def test_cohorts_are_who_their_names_say(study):
    same = reference_cohort(study, "same_unit", "case-4")
    assert set(study.cases.loc[list(same.case_ids), "unit"]) == {"B"}
    assert "same unit (B)" in same.words
    alike = reference_cohort(study, "age_sex", "case-4")
    ages = study.cases.loc[list(alike.case_ids)]
    assert set(ages["sex"]) == {"M"}
    assert (ages["age"] - study.cases.loc["case-4", "age"]).abs().max() <= 20
    assert len(alike.case_ids) >= 5
    healthy = reference_cohort(study, "healthy", None)
    values = study.cases.loc[list(healthy.case_ids), ["x0", "x1"]]
    assert ((values >= -1.0) & (values <= 1.5)).all(axis=None)
    assert offered_cohorts(study) == ("all", "same_unit", "age_sex", "healthy")


def test_too_few_healthy_patients_are_said_to_be_less_so(study):
    study.cases[["x0", "x1"]] = 9.0
    study.cases.loc["case-7", ["x0", "x1"]] = 0.0
    pool = reference_cohort(study, "healthy", None)
    assert "but at most 2" in pool.words
    assert len(pool.case_ids) == CASES


def test_cohorts_that_cannot_be_formed_are_one_sentence(study):
    with pytest.raises(ExplanationError, match="expected one of all"):
        reference_cohort(study, "young", None)
    with pytest.raises(ExplanationError, match="cohort of one patient"):
        reference_cohort(study, "age_sex", None)
    study.cases["age"] = study.cases["age"].astype(float)
    study.cases.loc["case-1", "age"] = np.nan
    with pytest.raises(ExplanationError, match="not known"):
        reference_cohort(study, "age_sex", "case-1")
    bare = FrameStudy(cases=study.cases[["x0"]])
    assert offered_cohorts(bare) == ("all",)


def test_the_choice_stands_in_the_result_and_its_sensitivity_is_shown(study):
    model = table_adapter(Measured(), 5)
    why = explain_adapter_case(study, model, "case-4", background="age_sex", checks=True)
    said = why.to_dict()
    assert said["background"]["cohort"] == "age_sex"
    assert "same sex" in said["background"]["name"]
    others = {view["background"]["cohort"]: view for view in said["sensitivity"]}
    assert set(others) == {"all", "same_unit", "healthy"}
    whole = explain_adapter_case(study, model, "case-4")
    assert others["all"]["base_value"] == pytest.approx(whole.base_value)
    assert others["all"]["effects"]["x3"] == pytest.approx(whole.players[3].effect, abs=1e-6)
    assert whole.background.sha256 == others["all"]["background"]["sha256"]


def test_a_background_is_never_cut_short_in_silence(study):
    model = table_adapter(Measured(), 5)
    drawn = audit_background(study, model)
    assert drawn.id.n == len(drawn.case_ids) == len(drawn.prepared["ehr"]) == 100
    assert drawn.id.name.startswith("100 of 120 audited cases")
    every = audit_background(study, model, rows=1000)
    assert every.id.n == CASES
    assert every.id.sha256 != drawn.id.sha256
    assert len(every.raw["ehr"]) == CASES


def test_being_measured_and_the_value_are_two_parts(study):
    study.cases.loc[study.cases.index[::2], "x3"] = np.nan
    model = table_adapter(Measured(), 5)
    background = audit_background(study, model)
    there = background.raw["ehr"]["x3"]
    share = there.isna().mean()
    measured = explain_adapter_case(study, model, "case-1", background=background).players[3]
    # Half of the cohort lacks it: being measured is worth 2 there, and the mean value of others.
    expected = share * (2.0 + there.mean())
    assert measured.measurement.effect == pytest.approx(expected, abs=0.2)
    assert measured.measurement.se > 0
    value = measured.effect - measured.measurement.effect
    assert value == pytest.approx(study.cases.loc["case-1", "x3"] - there.mean(), abs=0.2)
    missing = explain_adapter_case(study, model, "case-2", background=background).players[3]
    assert missing.value == "not measured"
    assert missing.measurement.effect == missing.effect
    assert missing.to_dict()["measurement"]["effect"] == missing.effect
    idle = explain_adapter_case(study, model, "case-1", background=background).players[0]
    assert idle.measurement is None


def test_linear_models_are_explained_in_closed_form(study):
    net = torch.nn.Linear(5, 1).double()
    model = table_adapter(net, 5, caps=frozenset({"grad", "linear"}))
    model.prepare = lambda raw: {
        "ehr": torch.as_tensor(
            raw["ehr"][[f"x{i}" for i in range(5)]].to_numpy(dtype=float, copy=True)
        )
    }
    assert methods_for(model) == ("linear", "shapley")
    why = explain_adapter_case(study, model, "case-3")
    background = audit_background(study, model)
    weights = net.weight.detach().numpy()[0]
    mean = background.prepared["ehr"].numpy().mean(axis=0)
    own = study.cases.loc["case-3", [f"x{i}" for i in range(5)]].to_numpy(dtype=float)
    assert [p.effect for p in why.players] == pytest.approx(weights * (own - mean), abs=1e-10)
    assert why.method == "linear"
    assert all(player.se == 0 for player in why.players)


def test_a_model_that_only_claims_to_be_linear_is_sampled(study):
    model = table_adapter(Measured(), 5, caps=frozenset({"linear"}))
    why = explain_adapter_case(study, model, "case-3")
    assert why.method == "shapley"
    assert "declared linear" in why.findings[0].message


def test_a_background_of_one_row_gives_the_right_answer(study):
    model = table_adapter(Measured(), 5)
    one = audit_background(study, model, rows=1)
    why = explain_adapter_case(study, model, "case-3", background=one)
    assert why.additivity_residual < 1e-6
    assert why.off_support_share is None
