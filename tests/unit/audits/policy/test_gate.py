"""The gate on hand-written evidence: every kind of rule, every outcome, every exit code."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from audits.errors import PolicyError
from audits.policy import load_policy
from audits.policy.gate import run_gate
from audits.policy.gate_reports import junit_xml, markdown_summary


def estimate(value, low, high, **more):
    return {"value": value, "low": low, "high": high, "n": 100} | more


def change(value, low, high, *, low_90=None, high_90=None, p=0.5):
    return {
        "delta": estimate(value, low, high),
        "delta_90": [low if low_90 is None else low_90, high if high_90 is None else high_90],
        "p": p,
    }


EVIDENCE = {
    "outputs": [
        {
            "model": "m@1",
            "name": "effusion",
            "overall": {"metrics": {"auroc": estimate(0.9, 0.85, 0.94)}},
            "groups": [
                {
                    "attributes": {"sex": "F"},
                    "metrics": {
                        "tpr": estimate(0.7, 0.6, 0.78),
                        "fpr": estimate(0.1, 0.05, 0.2),
                    },
                },
                {"attributes": {"sex": "M"}, "metrics": {"tpr": estimate(None, None, None)}},
            ],
            "comparisons": [
                {"metric": "tpr", "group": {"sex": "F"}, "declared": True, "verdict": "disparity"},
                {"metric": "fpr", "group": {"sex": "F"}, "declared": True, "verdict": None},
            ],
        }
    ],
    "comparison": {
        "outputs": [
            {
                "name": "effusion",
                "groups": [
                    {"attributes": {}, "metrics": {"tpr": change(0.01, -0.01, 0.03)}},
                    {
                        "attributes": {"sex": "F"},
                        "metrics": {"tpr": change(-0.06, -0.12, 0.0, low_90=-0.11, high_90=-0.01)},
                    },
                ],
            }
        ]
    },
    "shortcuts": {
        "outputs": [
            {"model": "m@1", "output": "effusion", "suspect": "marker", "verdict": "used"},
        ]
    },
    "explanations": {"m@1": {"checks": [{"name": "randomisation", "verdict": "not_checked"}]}},
}


def gate(*rules):
    return run_gate(EVIDENCE, load_policy({"gate": {"rule": list(rules)}}))


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"metric": "auroc", "scope": "overall", "kind": "level", "limit": 0.8}, 0),
        ({"metric": "auroc", "scope": "overall", "kind": "level", "limit": 0.95}, 1),
        ({"metric": "auroc", "scope": "overall", "kind": "level", "limit": 0.9}, 3),
        ({"metric": "fpr", "scope": {"sex": "F"}, "kind": "level", "limit": 0.25}, 0),
        ({"metric": "fpr", "scope": {"sex": "F"}, "kind": "level", "limit": 0.01}, 1),
        ({"metric": "tpr", "scope": "every group", "kind": "level", "limit": 0.5}, 3),
        ({"metric": "tpr", "scope": "overall", "kind": "change", "limit": 0.05}, 0),
        ({"metric": "tpr", "scope": "every group", "kind": "noninferiority", "limit": 0.05}, 3),
        ({"metric": "tpr", "scope": "every group", "kind": "noninferiority", "limit": 0.2}, 0),
        ({"metric": "tpr", "scope": "every group", "kind": "noninferiority", "limit": 0.005}, 1),
        ({"metric": "tpr", "kind": "verdict", "limit": "equivalent"}, 1),
        ({"metric": "fpr", "kind": "verdict", "limit": "equivalent"}, 3),
        ({"metric": "shortcut", "kind": "verdict", "limit": "not_used"}, 1),
        ({"metric": "explanation", "kind": "verdict", "limit": "reflects"}, 3),
    ],
)
def test_exit_codes(rule: dict, code: int):
    result = gate(rule)
    assert result.exit_code == code
    assert "\n" not in result.results[0].line()


@pytest.mark.parametrize(("setting", "code"), [("pass", 0), ("warn", 0), ("fail", 3)])
def test_the_rule_says_what_inconclusive_does(setting: str, code: int):
    rule = {"metric": "auroc", "scope": "overall", "kind": "level", "limit": 0.9}
    assert gate(rule | {"on_inconclusive": setting}).exit_code == code


def test_a_violation_outweighs_an_inconclusive_rule():
    undecided = {"metric": "auroc", "scope": "overall", "kind": "level", "limit": 0.9}
    broken = {"metric": "auroc", "scope": "overall", "kind": "level", "limit": 0.99}
    assert gate(undecided, broken).exit_code == 1


def test_a_gate_without_rules_or_subject_is_refused_in_a_sentence():
    with pytest.raises(PolicyError, match=r"no \[\[gate.rule\]\]"):
        run_gate(EVIDENCE, load_policy(None))
    with pytest.raises(PolicyError, match="finds nothing to judge"):
        gate({"metric": "tpr", "scope": {"sex": "X"}, "kind": "level", "limit": 0.5})


def test_ci_reports_count_the_rules_and_name_the_worst():
    result = gate(
        {"metric": "auroc", "scope": "overall", "kind": "level", "limit": 0.8},
        {"metric": "auroc", "scope": "overall", "kind": "level", "limit": 0.99},
        {"metric": "tpr", "kind": "level", "limit": 0.5, "on_inconclusive": "warn"},
    )
    suite = ET.fromstring(junit_xml(result, run="r1", time="2026-11-21T10:00:00Z", notes=["Once."]))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    assert suite.find("system-out").text.endswith("Once.")
    summary = markdown_summary(result, run="r1")
    assert "Exit code 1." in summary
    assert "Gate failed: run r1" in summary
    assert "0.900 (0.850 to 0.940)" in summary


def test_junit_xml_has_all_that_the_strict_schema_asks_for():
    """Ant's JUnit.xsd (Windy Road): order of the parts and every required attribute."""
    rule = {"metric": "auroc", "scope": "overall", "kind": "level"}
    result = gate(*({**rule, "limit": limit} for limit in (0.8, 0.9, 0.99)))
    suite = ET.fromstring(junit_xml(result, run="r1", time="2026-11-21T10:00:00Z"))
    parts = [part.tag for part in suite]
    assert parts == ["properties", *["testcase"] * 3, "system-out", "system-err"]
    wanted = {"name", "timestamp", "hostname", "tests", "failures", "errors", "time"}
    assert wanted <= set(suite.attrib)
    assert suite.get("timestamp") == "2026-11-21T10:00:00"
    for case in suite.iter("testcase"):
        assert {"name", "classname", "time"} <= set(case.attrib)
        assert all(found.get("type") for found in case)


def test_the_worst_stands_first_with_its_count():
    result = gate({"metric": "tpr", "scope": "overall", "kind": "change", "limit": 0.05})
    said = result.results[0].line()
    assert said.endswith("closest effusion, overall: changed by +0.010 (95 % interval -0.010 to "
                         "+0.030), n 100")  # fmt: skip
    far, near = change(-0.2, -0.3, 0.1), change(-0.02, -0.1, 0.06)
    groups = [
        {"attributes": {"sex": level}, "metrics": {"tpr": entry}}
        for level, entry in (("F", near), ("M", far))
    ]
    evidence = {"outputs": [], "comparison": {"outputs": [{"name": "died", "groups": groups}]}}
    rule = {"metric": "tpr", "kind": "noninferiority", "limit": 0.05}
    (found,) = run_gate(evidence, load_policy({"gate": {"rule": [rule]}})).results
    assert [one.subject for one in found.judgements] == ["died, sex M", "died, sex F"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"metric": "tpr", "kind": "level", "limit": 0.5, "output": "mass"}, "it has|has effusion"),
        ({"metric": "tpr", "kind": "level", "limit": 0.5, "scope": {"sex": "X"}}, "it has F, M"),
        ({"metric": "tpr", "kind": "level", "limit": 0.5, "scope": {"ward": "A"}}, "made by sex"),
        ({"metric": "ppv", "kind": "level", "limit": 0.5}, "it has auroc, tpr, fpr"),
        ({"metric": "auroc", "kind": "verdict", "limit": "equivalent"}, "name it in verdict_metr"),
        (
            {"metric": "explanation_drift", "kind": "verdict", "limit": "within_noise"},
            "compares no",
        ),
    ],
)
def test_a_rule_that_finds_nothing_says_what_there_is(rule, said):
    with pytest.raises(PolicyError, match=said):
        gate(rule)


def test_a_change_in_a_run_of_one_version_names_the_way_out():
    rule = {"metric": "tpr", "kind": "noninferiority", "limit": 0.05}
    alone = {**EVIDENCE, "comparison": {}}
    with pytest.raises(PolicyError, match=r"holds one version; .* --base-run"):
        run_gate(alone, load_policy({"gate": {"rule": [rule]}}))


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"metric": "tpr", "kind": "verdict", "limit": "ok"}, "one of equivalent, better"),
        ({"metric": "shortcut", "kind": "verdict", "limit": "no"}, "one of not_used, used"),
        ({"metric": "tpr", "kind": "level", "limit": 5}, "lies between 0 and 1"),
        ({"metric": "tpr", "kind": "noninferiority", "limit": -0.05}, "0 or more"),
    ],
)
def test_a_limit_that_nothing_can_meet_is_refused(rule, said):
    with pytest.raises(PolicyError, match=said):
        load_policy({"gate": {"rule": [rule]}})


def versions(verdict: str | None, drift: str) -> dict:
    """Evidence of two versions that one group and the reasons tell apart."""
    entry = {**change(0.0, -0.01, 0.01), "verdict": verdict}
    output = {"name": "died", "groups": [{"attributes": {"sex": "F"}, "metrics": {"tpr": entry}}]}
    moved = {"outputs": [{"name": "died", "verdict": drift}]}
    return {"outputs": [], "comparison": {"outputs": [output], "explanation_drift": moved}}


@pytest.mark.parametrize(
    ("limit", "verdict", "outcome"),
    [
        ("better", "better", "pass"),
        ("better", "equivalent", "violated"),
        ("not_worse", "equivalent", "pass"),
        ("not_worse", "worse", "violated"),
        ("not_worse", "inconclusive", "inconclusive"),
        ("not_worse", None, "inconclusive"),
    ],
)
def test_a_verdict_on_two_versions_is_a_rule(limit, verdict, outcome):
    rule = {"metric": "tpr", "kind": "verdict", "limit": limit}
    policy = load_policy({"gate": {"rule": [rule]}})
    assert run_gate(versions(verdict, "within_noise"), policy).results[0].outcome == outcome


@pytest.mark.parametrize(
    ("verdict", "code"), [("within_noise", 0), ("beyond_noise", 1), ("not_evaluable", 3)]
)
def test_drift_of_the_reasons_is_a_rule(verdict, code):
    rule = {"metric": "explanation_drift", "kind": "verdict", "limit": "within_noise"}
    result = run_gate(versions("equivalent", verdict), load_policy({"gate": {"rule": [rule]}}))
    assert result.exit_code == code


def test_a_metric_without_a_better_side_has_no_change_to_judge():
    rule = {"metric": "oe_ratio", "kind": "noninferiority", "limit": 0.1}
    with pytest.raises(PolicyError, match="oe_ratio has no better side"):
        load_policy({"gate": {"rule": [rule]}})


def test_a_segmentation_of_a_table_is_one_version_by_all_its_columns():
    old = {**EVIDENCE["outputs"][0], "model": "d1, h1"}
    new = {**EVIDENCE["outputs"][0], "model": "d2, h2"}
    old["overall"] = {"metrics": {"auroc": estimate(0.6, 0.55, 0.64)}}
    compared = {**EVIDENCE["comparison"], "base": "d1, h1", "candidate": "d2, h2"}
    rule = {"metric": "auroc", "scope": "overall", "kind": "level", "limit": 0.8}
    evidence = {**EVIDENCE, "outputs": [old, new], "comparison": compared}
    assert run_gate(evidence, load_policy({"gate": {"rule": [rule]}})).exit_code == 0


def test_the_version_in_use_is_not_judged():
    """A level that only the old version misses keeps no new one back."""
    old = {**EVIDENCE["outputs"][0], "model": "m@0"}
    old["overall"] = {"metrics": {"auroc": estimate(0.6, 0.55, 0.64)}}
    compared = {**EVIDENCE["comparison"], "base": "m@0", "candidate": "m@1"}
    evidence = {**EVIDENCE, "outputs": [old, *EVIDENCE["outputs"]], "comparison": compared}
    rules = [
        {"metric": "auroc", "scope": "overall", "kind": "level", "limit": 0.8},
        {"metric": "shortcut", "kind": "verdict", "limit": "used"},
        {"metric": "explanation", "kind": "verdict", "limit": "not_checked"},
    ]
    result = run_gate(evidence, load_policy({"gate": {"rule": rules}}))
    assert result.exit_code == 0
    assert {len(one.judgements) for one in result.results} == {1}
