"""Whole comparisons: null by swapping patients, planted change, joins and refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audits.cohorts import Attribute
from audits.comparison import Version, compare_outputs, join_versions
from audits.errors import AuditError
from audits.fairness import ScoredOutput
from audits.policy import load_policy

POLICY = load_policy({"audit": {"groups": ["sex"], "verdict_metrics": ["tpr", "fpr", "auroc"]}})


def scored(score, y, sex, *, patients=None, threshold=0.5, name="died") -> ScoredOutput:
    attribute = Attribute(
        name="sex", column="sex", kind="demographic", levels=("F", "M"), codes=sex
    )
    return ScoredOutput(
        name=name,
        y=y,
        score=score,
        threshold=threshold,
        patients=patients,
        attributes=(attribute,),
    )


def cohort(seed: int, n: int = 900):
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n // 3), 3)
    severity = np.repeat(rng.normal(size=n // 3), 3)
    y = (severity + rng.normal(size=n) > 0.5).astype(np.int8)
    sex = np.repeat(rng.integers(0, 2, n // 3), 3).astype(np.int32)
    base = 1 / (1 + np.exp(-(severity + y + rng.normal(size=n))))
    candidate = 1 / (1 + np.exp(-(severity + y + rng.normal(size=n))))
    return rng, patients, y, sex, base, candidate


def verdicts(result, metric: str) -> dict[str, str]:
    groups = result.to_dict()["outputs"][0]["groups"]
    return {
        "/".join(group["attributes"].values()): group["metrics"][metric]["verdict"]
        for group in groups
    }


def test_swapping_versions_patient_by_patient_raises_few_differences():
    raised = 0
    runs = 60
    # The estimates of each version are not in question here, so none are made.
    known = {"model": None, "name": "died", "overall": {"n": 900, "metrics": {}}, "groups": []}
    for seed in range(runs):
        rng, patients, y, sex, base, candidate = cohort(seed)
        swap = (rng.random(patients.max() + 1) < 0.5)[patients]
        first = np.where(swap, candidate, base)
        second = np.where(swap, base, candidate)
        pair = (
            scored(first, y, sex, patients=patients),
            scored(second, y, sex, patients=patients),
        )
        result = compare_outputs([pair], POLICY, base="a", candidate="b", audited=[known])
        found = [verdicts(result, metric) for metric in ("tpr", "fpr", "auroc")]
        raised += any(v in {"better", "worse"} for one in found for v in one.values())
    # 99 % limit of Bin(60, .05)
    assert raised <= 8


def test_a_change_planted_in_one_group_is_found_there():
    _, patients, y, sex, base, _ = cohort(7, n=3000)
    candidate = np.where((sex == 0) & (y == 1), base * 0.5, base)
    pair = (scored(base, y, sex, patients=patients), scored(candidate, y, sex, patients=patients))
    result = compare_outputs([pair], POLICY, base="a", candidate="b")
    assert verdicts(result, "tpr")["F"] == "worse"
    assert verdicts(result, "tpr")["M"] == "equivalent"
    men = result.to_dict()["outputs"][0]["groups"][2]
    assert men["attributes"] == {"sex": "M"}
    assert men["negative_flips"]["k"] == 0
    did = men["metrics"]["tpr"]["difference_in_differences"]
    assert did["low"] > 0


def test_estimates_are_those_of_the_audit_and_json_has_no_nan():
    _, patients, y, sex, base, candidate = cohort(3)
    pair = (scored(base, y, sex, patients=patients), scored(candidate, y, sex, patients=patients))
    data = compare_outputs([pair], POLICY, base="a", candidate="b").to_dict()
    json.dumps(data, allow_nan=False)
    women = data["outputs"][0]["groups"][1]["metrics"]["tpr"]
    rows = (sex == 0) & (y == 1)
    assert women["base"]["value"] == pytest.approx((base[rows] >= 0.5).mean(), abs=1e-12)
    assert women["delta"]["value"] == pytest.approx(
        women["candidate"]["value"] - women["base"]["value"], abs=1e-12
    )


def test_versions_are_joined_by_name_and_case():
    _, patients, y, sex, base, candidate = cohort(5)
    ids = [f"c{row}" for row in range(len(y))]
    order = np.random.default_rng(0).permutation(len(y))[:700]
    first = Version(
        key="m@1",
        case_ids={"died": ids, "los": ids},
        outputs=(scored(base, y, sex, patients=patients),),
    )
    second = Version(
        key="m@2",
        case_ids={"died": [ids[row] for row in order]},
        outputs=(
            scored(candidate[order], y[order], sex[order], patients=patients[order]),
            scored(candidate[order], y[order], sex[order], name="extra"),
        ),
    )
    joined = join_versions(first, second)
    (a, b), said = joined.pairs[0], " ".join(finding.message for finding in joined.findings)
    assert len(joined.pairs) == 1
    assert joined.cases == {
        "died": {"compared": 700, "base_only": 200, "candidate_only": 0, "unmeasured": 0}
    }
    assert joined.not_compared == ({"name": "extra", "given_by": "candidate"},)
    kept = np.sort(order)
    np.testing.assert_array_equal(a.score, base[kept])
    np.testing.assert_array_equal(b.score, candidate[kept])
    assert "200 cases were scored by m@1 only" in said
    assert "extra is given by m@2 only" in said


def test_nothing_in_common_is_one_sentence():
    _, _, y, sex, base, candidate = cohort(5)
    ids = [f"c{row}" for row in range(len(y))]
    first = Version(key="m@1", case_ids={"died": ids, "los": ids}, outputs=(scored(base, y, sex),))
    other = Version(
        key="m@2",
        case_ids={"died": ids, "los": ids},
        outputs=(scored(candidate, y, sex, name="los"),),
    )
    with pytest.raises(AuditError, match="no output has the same name"):
        join_versions(first, other)
    strangers = Version(
        key="m@2", case_ids={"died": [f"x{i}" for i in ids]}, outputs=(scored(candidate, y, sex),)
    )
    with pytest.raises(AuditError, match="no case in common"):
        join_versions(first, strangers)
