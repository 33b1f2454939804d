"""Checks of effects: true ones pass, shuffled ones pass as rarely as they should."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from audits.explanations import explain_adapter_case, explain_cohort_sample
from audits.explanations.backgrounds import audit_background
from audits.explanations.checks import VARIABLE_CHECKS
from audits.explanations.checks.variables import checks_of_variables, orders_of, sign_check

from .conftest import FrameStudy, table_adapter

PLAYERS = 8


class Interacting(torch.nn.Module):
    """A known score with an interaction; the last two variables do nothing."""

    def forward(self, x):
        return 3 * x[:, :1] - 2 * x[:, 1:2] + x[:, 2:3] * x[:, 3:4] + x[:, 4:5] - x[:, 5:6]


@pytest.fixture
def study(seeded):
    frame = pd.DataFrame(seeded.normal(size=(80, PLAYERS)), columns=[f"x{i}" for i in range(8)])
    frame.index = [f"case-{row}" for row in frame.index]
    return FrameStudy(cases=frame)


@pytest.fixture
def model():
    return table_adapter(Interacting().eval(), PLAYERS)


def _of(why):
    return {check.name: check for check in why.checks}


def test_true_effects_pass_and_shuffled_ones_do_not(study, model, seeded):
    cases = study.case_ids[:20]
    explained, _ = explain_cohort_sample(study, model, cases)
    effects = np.array([[player.effect for player in one.players] for one in explained])
    raw, _, _ = study.raw_batch(model.inputs, cases)
    background = audit_background(study, model)

    def passed(values):
        found = checks_of_variables(
            model, model.prepare(raw), background, "shapley", {0: values}, seed=3
        )
        return [one[0][0].verdict == "reflects" for one in found]

    assert np.mean(passed(effects)) >= 0.9
    shuffled = [passed(seeded.permuted(effects, axis=1)) for _ in range(8)]
    # 5 % of 160 plus three standard errors
    assert np.sum(shuffled) <= 8 + 3 * np.sqrt(160 * 0.05 * 0.95)
    assert not any(passed(-effects))


def test_the_own_order_is_never_among_the_others():
    ranks = orders_of(np.array([0.4, -1.0, 3.0, 0.0]), seed=0)
    assert ranks.shape == (20, 4)
    assert ranks[0].tolist() == [1, 3, 0, 2]
    assert not (ranks[1:] == ranks[0]).all(axis=1).any()


def test_signs_that_turn_over_are_told_by_size(seeded):
    effects = np.array([2.0, -1.0, 0.05])
    steady = effects + seeded.normal(0, 0.1, size=(500, 3))
    assert sign_check(effects, steady).verdict == "reflects"
    small = effects + seeded.normal(0, [0.1, 2.0, 0.1], size=(500, 3))
    assert sign_check(effects, small).verdict == "weak"
    large = effects + seeded.normal(0, [4.0, 0.1, 0.1], size=(500, 3))
    assert sign_check(effects, large).verdict == "fails"
    assert sign_check(effects, None).verdict == "not_checked"
    assert sign_check(np.zeros(3), steady).verdict == "not_checked"


def test_a_case_is_checked_on_request(study, model):
    untested = explain_adapter_case(study, model, "case-3")
    assert {_of(untested)[name].verdict for name in VARIABLE_CHECKS} == {"not_checked"}
    tested = _of(explain_adapter_case(study, model, "case-3", checks=True))
    assert tested["deletion_rank"].value == pytest.approx(0.05)
    assert tested["sign_stability"].null == pytest.approx(0.95)
    assert tested["additivity"].verdict == "reflects"


def test_three_variables_have_too_few_orders(seeded):
    frame = pd.DataFrame(seeded.normal(size=(40, 3)), columns=["x0", "x1", "x2"])
    frame.index = [f"case-{row}" for row in frame.index]
    net = torch.nn.Linear(3, 1).eval()
    explained, summary = explain_cohort_sample(
        FrameStudy(cases=frame), table_adapter(net, 3), frame.index[:4], check_cases=4
    )
    entries = {entry["name"]: entry for entry in summary["checks"]}
    assert entries["deletion_rank"]["verdict"] == "not_checked"
    assert not entries["deletion_rank"]["decides"]
    assert "fewer than 4 variables" in entries["deletion_rank"]["reason"]
    assert _of(explained[0])["sign_stability"].verdict != "not_checked"
