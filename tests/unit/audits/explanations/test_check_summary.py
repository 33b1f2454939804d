"""What the checks of a sample say together, and how a release gate judges it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from audits.explanations import Check, explain_cohort_sample
from audits.explanations.checks.summary import majority
from audits.policy import load_policy
from audits.policy.gate import run_gate
from model_adapters.base import ImageValue

from .conftest import FrameStudy, InPlaceNet, image_adapter

RULE = {"metric": "explanation", "kind": "verdict", "limit": "reflects"}


def _checks(reflect, fail):
    verdicts = ["reflects"] * reflect + ["fails"] * fail + ["not_checked"] * 3
    return [
        Check(
            name="deletion_rank",
            value=None if v == "not_checked" else 0.05,
            null=0.05,
            verdict=v,
        )
        for v in verdicts
    ]


@pytest.mark.parametrize(
    ("reflect", "fail", "verdict"),
    [(8, 0, "reflects"), (7, 1, "reflects"), (6, 2, "weak"), (2, 6, "weak"), (1, 7, "fails")],
)
def test_a_majority_must_be_settled_by_its_interval(reflect, fail, verdict):
    entry = majority(_checks(reflect, fail), "deletion_rank")
    assert entry["verdict"] == verdict
    share = entry["share"]
    assert (share["k"], share["n"], share["method"]) == (reflect, 8, "wilson")
    assert [one["k"] for one in entry["cases"]] == [reflect, 0, fail]


def test_nothing_checked_has_no_share():
    entry = majority(_checks(0, 0), "deletion_rank")
    assert (entry["verdict"], entry["value"]) == ("not_checked", None)
    assert "share" not in entry


@pytest.fixture
def images(seeded):
    return {
        f"case-{index}": ImageValue(
            pixels=seeded.normal(100, 30, size=(32, 32)).astype(np.float32), low=0.0, high=200.0
        )
        for index in range(9)
    }


def _sample(images, count, **more):
    torch.manual_seed(7)
    study = FrameStudy(cases=pd.DataFrame(index=list(images)), images=images)
    adapter = image_adapter(InPlaceNet().eval(), 2, **more)
    return explain_cohort_sample(study, adapter, list(images), check_cases=count, seed=5)


def test_a_seeded_few_are_checked_and_counted(images):
    explained, summary = _sample(images, 3)
    tested = [
        one.case
        for one in explained
        if any(c.name == "deletion_rank" and c.verdict != "not_checked" for c in one.checks)
    ]
    assert len(tested) == 6
    assert len(set(tested)) == 3
    assert [one.case for one in explained if one.case in tested] == tested
    assert _sample(images, 3)[1] == summary
    entries = {(e["output"], e["name"]): e for e in summary["checks"]}
    rank = entries["finding_1", "deletion_rank"]
    assert rank["share"]["n"] == 3
    assert rank["decides"]
    assert not entries["finding_0", "output_similarity"]["decides"]
    passed = [sum(b["k"] for b in o["badges"] if b["verdict"] == "reflects")
              for o in summary["outputs"]]  # fmt: skip
    assert max(passed) <= 3
    model = {c.name: c for c in explained[0].checks}["parameter_randomisation"]
    assert all(
        {c.name: c for c in one.checks}["parameter_randomisation"] == model
        for one in explained
        if one.output == explained[0].output
    )


def test_none_leaves_the_ranks_open(images):
    entries = {(e["output"], e["name"]): e for e in _sample(images, 0)[1]["checks"]}
    assert entries["finding_0", "deletion_rank"]["verdict"] == "not_checked"
    assert entries["finding_0", "parameter_randomisation"]["verdict"] in {"weak", "fails"}


def test_what_a_black_box_cannot_show_does_not_hold_up_the_gate(images):
    _, summary = _sample(images, 2, caps=frozenset())
    assert summary["method"] == "occlusion"
    decides = {e["name"]: e["decides"] for e in summary["checks"]}
    assert decides == {
        "deletion_rank": True,
        "insertion_rank": False,
        "max_sensitivity": False,
        "output_similarity": False,
        "parameter_randomisation": False,
    }


def _evidence(*verdicts):
    checks = [
        {"name": f"check_{i}", "output": "effusion", "verdict": verdict, "decides": decides}
        for i, (verdict, decides) in enumerate(verdicts)
    ]
    return {"outputs": [], "explanations": {"m@1": {"checks": checks}}}


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([("reflects", True), ("not_checked", False)], 0),
        ([("reflects", True), ("weak", True)], 3),
        ([("reflects", True), ("not_checked", True)], 3),
        ([("weak", True), ("fails", True)], 1),
        ([("reflects", True), ("fails", False)], 0),
    ],
)
def test_the_gate_reads_what_decides(verdicts, code):
    policy = load_policy({"gate": {"rule": [RULE]}})
    result = run_gate(_evidence(*verdicts), policy)
    assert result.exit_code == code
    named = load_policy({"gate": {"rule": [RULE | {"output": "effusion"}]}})
    assert run_gate(_evidence(*verdicts), named).exit_code == code
