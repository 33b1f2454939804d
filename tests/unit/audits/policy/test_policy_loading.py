"""A policy is read whole, hashed, and complained about in one sentence."""

from __future__ import annotations

import hashlib
import json

import pytest

from audits.errors import PolicyError
from audits.policy import load_policy

WHOLE = """
[audit]
alpha = 0.05
groups = ["sex", "age_band", "site"]
intersections = [["sex", "age_band"]]
required_groups = ["race", "ethnicity", "language", "sex", "age_band", "disability"]
verdict_metrics = ["tpr", "fpr", "auroc", "oe_ratio"]
min_effective_n = 10
min_effective_per_class = 30
[audit.reference]
sex = "rest"
[margin]
tpr = 0.1
fpr = 0.05
auroc = 0.05
oe_ratio = 1.25
[reasons]
"margin.tpr" = "as agreed"
[suppression]
release = "restricted"
cell = 10
[[gate.rule]]
metric = "tpr"
scope = "every group"
kind = "noninferiority"
limit = 0.05
on_inconclusive = "fail"
[[gate.rule]]
metric = "shortcut"
kind = "verdict"
limit = "not_used"
[[gate.rule]]
metric = "auroc"
scope = {sex = "F"}
kind = "level"
limit = 0.8
"""


def test_reads_the_file_of_the_contract(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(WHOLE, encoding="utf-8")
    policy = load_policy(path, groups=["other"])
    assert policy.by == "policy.toml"
    assert policy.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert policy.groups == ("sex", "age_band", "site")
    assert policy.intersections == (("sex", "age_band"),)
    assert policy.margins["tpr"] == 0.1
    assert policy.release == "restricted"
    assert [rule.kind for rule in policy.gate] == ["noninferiority", "verdict", "level"]
    assert policy.gate[2].scope == {"sex": "F"}
    assert policy.gate[1].on_inconclusive == "fail"
    warned = {finding.where for finding in policy.findings}
    assert "policy.toml: margin.fpr" in warned
    assert "policy.toml: margin.tpr" not in warned
    assert policy.reasons["margin.tpr"] == "as agreed"
    assert "margin.fpr" not in policy.reasons
    json.dumps(policy.to_dict(), allow_nan=False)


def test_default_declares_what_the_command_line_names():
    policy = load_policy(None, groups=["sex", "sex"], intersections=[["sex", "age"]])
    assert policy.by == "default policy"
    assert policy.groups == ("sex",)
    assert policy.intersections == (("sex", "age"),)
    assert policy.release == "internal"
    assert policy.findings == ()
    for metric in policy.verdict_metrics:
        assert policy.reasons[f"margin.{metric}"]
    assert policy.sha256 == load_policy(None, groups=["x"]).sha256


def test_data_is_hashed_without_regard_to_order():
    one = load_policy({"audit": {"alpha": 0.05, "groups": ["sex"]}})
    two = load_policy({"audit": {"groups": ["sex"], "alpha": 0.05}})
    assert one.sha256 == two.sha256
    assert one.margins["oe_ratio"] == 1.25


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"audit": {"alpha": 2}}, "audit.alpha"),
        ({"audti": {}}, "audti"),
        ({"audit": {"verdict_metrics": ["auprc"]}}, "higher prevalence"),
        ({"audit": {"verdict_metrics": ["brilliance"]}}, "brilliance"),
        ({"margin": {"tpr": -1}}, "margin.tpr"),
        ({"margin": {"tpr": 1.2}}, "between 0 and 1"),
        ({"margin": {"oe_ratio": 0.8}}, "ratio above 1"),
        ({"audit": {"intersections": [["sex"]]}}, "two different attributes"),
        ({"gate": {"rule": [{"metric": "tpr", "kind": "level"}]}}, "needs a number"),
        ({"gate": {"rule": [{"metric": "shortcut", "kind": "verdict", "limit": 1}]}}, "verdict"),
        ({"gate": {"rule": [{"metric": "tpr", "kind": "odd", "limit": 1}]}}, "gate.rule.0.kind"),
        ({"margin": {"tpr": {1, 2}}}, "margin"),
        ({"shortcuts": {"margin_logits": 0}}, "shortcuts.margin_logits"),
    ],
)
def test_one_sentence_for_what_it_cannot_say(data, words):
    with pytest.raises(PolicyError, match=words) as caught:
        load_policy(data)
    assert "\n" not in str(caught.value)


def test_the_margin_of_shortcuts_is_declared_with_a_reason():
    key = "shortcuts.margin_logits"
    default = load_policy(None)
    assert default.shortcuts.margin_logits == load_policy({}).shortcuts.margin_logits == 0.25
    assert default.reasons[key] == load_policy({}).reasons[key]
    own = load_policy({"shortcuts": {"margin_logits": 0.1}})
    assert own.to_dict()["shortcuts"] == {"margin_logits": 0.1}
    assert key not in own.reasons
    assert f"policy given as data: {key}" in {one.where for one in own.findings}
    told = load_policy({"shortcuts": {"margin_logits": 0.1}, "reasons": {key: "as agreed"}})
    assert told.reasons[key] == "as agreed"
    assert key not in " ".join(one.where for one in told.findings)


def test_missing_or_broken_file(tmp_path):
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "absent.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[audit\n", encoding="utf-8")
    with pytest.raises(PolicyError, match="not a TOML file"):
        load_policy(broken)
