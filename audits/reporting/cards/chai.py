"""A CHAI Applied Model Card (schema v0.2) in XML.

The card has no state for a field that is not there, so such a field says “Not available” and why.
A run with several models gives one card whose fields name each model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from audits.reporting.digest import PLACEHOLDER, with_digest
from audits.reporting.document.findings import disparities, output_label, told
from audits.reporting.document.front import STANCE
from audits.reporting.document.results import OTHER_TASKS, OVERALL
from audits.reporting.document.robustness import site_attributes
from audits.reporting.order import in_order
from audits.reporting.requirements import card_field, declared_field
from audits.reporting.requirements.facts import why_not
from audits.reporting.signoff.filing import DRAFT, Filing, with_signoff
from audits.reporting.summary import verdict_counts
from audits.reporting.words import (
    count,
    group_label,
    humanised,
    is_ratio,
    model_key,
    model_label,
    reference_label,
    unit_of,
    word,
)

Evidence = Mapping[str, Any]
NAMESPACE = "https://mc.chai.org/v0.2/schema.xsd"
_DIGITS = 12
_UNPRINTABLE = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def chai_card(evidence: Evidence, filing: Filing = DRAFT) -> bytes:
    """Return the card as UTF-8 XML; equal evidence gives equal bytes.

    Args:
        evidence: ``evidence.json`` at any release; masked numbers are left out.
        filing: What people signed of the run, and which profiles the card answers.
    """
    card = ET.Element("AppliedModelCard", {"xmlns": NAMESPACE})
    for name, part in _parts(with_signoff(in_order(evidence), filing)):
        _add(card, name, part)
    ET.indent(card)
    made = bytes(ET.tostring(card, encoding="utf-8", xml_declaration=True))
    return with_digest(made + f"\n<!-- {PLACEHOLDER} -->\n".encode())


Part = str | list[tuple[str, Any]]


def _add(parent: ET.Element, name: str, part: Part) -> None:
    element = ET.SubElement(parent, name)
    if isinstance(part, str):
        element.text = _UNPRINTABLE.sub(" ", part)
        return
    for child, value in part:
        _add(element, child, value)


def _parts(evidence: Evidence) -> Iterator[tuple[str, Part]]:
    def said(field: str) -> str:
        return _declared(evidence, field)

    yield (
        "BasicInfo",
        [
            ("ModelName", _names(evidence)),
            ("ModelDeveloper", said("developer")),
            ("DeveloperContact", said("contact")),
        ],
    )
    yield (
        "ReleaseInfo",
        [
            ("ReleaseStage", said("release_stage")),
            ("ReleaseDate", said("release_date")),
            ("ReleaseVersion", ", ".join(m["version"] for m in evidence["models"]) or NO_MODEL),
            ("GlobalAvailability", said("availability")),
            *_where_declared(evidence, "EHRCompatibility"),
            ("RegulatoryApproval", said("regulatory_status")),
        ],
    )
    keyword = ", ".join(dict.fromkeys(humanised(o["name"]) for o in evidence["outputs"]))
    # One keyword: some tools that read the card take no list.
    keywords = [("Keyword", keyword or "bias audit")]
    yield "ModelSummary", [("Summary", _summary(evidence)), ("Keywords", keywords)]
    yield (
        "UsesAndDirections",
        [
            ("IntendedUseAndWorkflow", said("intended_use")),
            ("PrimaryIntendedUsers", said("intended_users")),
            ("HowToUse", said("directions")),
            ("TargetedPatientPopulation", said("population")),
            ("CautionedOutOfScopeSettings", said("out_of_scope")),
        ],
    )
    yield (
        "Warnings",
        [
            ("KnownRisksAndLimitations", said("limitations")),
            ("KnownBiasesOrEthicalConsiderations", _biases(evidence)),
            ("ClinicalRiskLevel", said("clinical_risk")),
        ],
    )
    yield "TrustIngredients", _trust(evidence)
    yield "KeyMetrics", _metrics(evidence)
    yield (
        "Resources",
        [
            *_where_declared(evidence, "EvaluationReferences", "ClinicalTrial"),
            ("PeerReviewedPublications", said("publications")),
            *_where_declared(evidence, "ReimbursementStatus"),
            ("PatientConsentOrDisclosure", said("consent")),
        ],
    )
    # The only required element that a card may leave empty: BibTeX, or nothing.
    yield "Bibliography", "\n".join(_texts(evidence, "bibliography"))


NO_MODEL = "Not available: no model was handed over, only its scores."


def _names(evidence: Evidence) -> str:
    names = [model_label(model_key(m)) for m in evidence["models"]]
    return " and ".join(names) or f"Table of scores {evidence['study']['name']}"


def _declared(evidence: Evidence, field: str) -> str:
    if not evidence["models"]:
        return NO_MODEL
    missing = f"Not available: the model's card does not declare {card_field(field).label.lower()}."
    texts = {
        model_label(model_key(m)): declared_field(m, field) or missing for m in evidence["models"]
    }
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "\n".join(f"- {name}: {text}" for name, text in texts.items())


OPTIONAL = {
    "EHRCompatibility": "ehr_compatibility",
    "FoundationModels": "foundation_models",
    "Security": "cybersecurity",
    "Transparency": "transparency",
    "ThirdPartyInformation": "third_parties",
    "EvaluationReferences": "outcome_evaluations",
    "ClinicalTrial": "clinical_trial",
    "ReimbursementStatus": "reimbursement",
}


def _texts(evidence: Evidence, field: str) -> list[str]:
    found = (declared_field(m, field) for m in evidence["models"])
    return list(dict.fromkeys(text for text in found if text))


def _where_declared(evidence: Evidence, *elements: str) -> Iterator[tuple[str, Part]]:
    """Yield the elements that the schema lets a card leave out, where a model declares them."""
    for element in elements:
        field = OPTIONAL[element]
        if _texts(evidence, field):
            text = _declared(evidence, field)
            yield element, [("EHR", text)] if element == "EHRCompatibility" else text


def _summary(evidence: Evidence) -> str:
    outputs = ", ".join(dict.fromkeys(humanised(o["name"]) for o in evidence["outputs"]))
    return f"{_names(evidence)}; outputs: {outputs}. {STANCE}"


def _biases(evidence: Evidence) -> str:
    counts = verdict_counts(evidence["outputs"])
    said = "; ".join(f"{word('verdict', v)}: {n:,}" for v, n in counts.items())
    lines = [f"- {told(output, one)}" for output, one in disparities(evidence["outputs"])]
    return "\n".join([f"{said}. {word('limit', 'absence', 'text')}", *lines])


def _trust(evidence: Evidence) -> list[tuple[str, Any]]:
    def said(field: str) -> str:
        return _declared(evidence, field)

    outputs = "; ".join(
        f"{output_label(o)}: label {o['label']['column']} = {o['label']['positive']}, threshold "
        f"{(o.get('threshold') or {}).get('value')}"
        for o in evidence["outputs"]
    )
    tasks = dict.fromkeys(str(o.get("task") or "not named") for o in evidence["outputs"])
    kinds = [f"{m['format']}, {m['task']}" for m in evidence["models"]]
    modalities = dict.fromkeys(
        field["modality"] for m in evidence["models"] for field in m.get("inputs", ())
    )
    inputs = f"Inputs: {', '.join(modalities)}." if modalities else why_not("input_features")
    facts = [
        ("OutcomesAndOutputs", outputs or "Not available: the run holds no output."),
        ("ModelType", "; ".join(kinds) or ", ".join(tasks)),
        *_where_declared(evidence, "FoundationModels"),
        ("InputDataSource", said("data_source")),
        ("OutputAndInputDataTypes", f"{inputs} Outputs: {', '.join(tasks)}."),
        ("DevelopmentDataCharacterization", said("training_data")),
        ("BiasMitigationApproaches", said("bias_mitigation")),
        ("OngoingMaintenance", said("update_process")),
        *_where_declared(evidence, "Security", "Transparency"),
    ]
    transparency = [
        ("FundingSource", said("funding")),
        *_where_declared(evidence, "ThirdPartyInformation"),
        ("StakeholdersConsulted", said("stakeholders")),
    ]
    return [("AISystemFacts", facts), ("TransparencyInformation", transparency)]


def _metrics(evidence: Evidence) -> list[tuple[str, Any]]:
    efficacy = [_result(*pair) for pair in _overall(evidence)]
    fairness = [_result(*pair) for pair in _gaps(evidence)]
    safety = [_result(*pair) for pair in _robust(evidence)]
    return [
        (
            "UsefulnessUsabilityEfficacy",
            _metric(evidence, "Performance overall", efficacy, why_not("performance")),
        ),
        (
            "FairnessEquity",
            _metric(evidence, "Differences between groups", fairness, why_not("verdicts")),
        ),
        (
            "SafetyReliability",
            _metric(evidence, "Robustness to sites and to suspect regions", safety, NOT_ROBUST),
        ),
    ]


NOT_ROBUST = "The run compares no sites and holds no shortcut audit."


def _metric(
    evidence: Evidence, goal: str, results: list[Any], reason: str
) -> list[tuple[str, Any]]:
    study = evidence["study"]
    cases = count(study.get("cases"), suppressed=bool(study.get("suppressed")))
    absent = [("MetricResult", [("Label", f"Not available: {reason}"), ("ValueJson", "null")])]
    scope = word("scope", study.get("scope")) or "scope not declared"
    return [
        ("MetricGoal", goal),
        ("Results", results or absent),
        ("Interpretation", word("limit", "scope", "text")),
        ("TestType", f"Retrospective, {scope}"),
        ("TestingDataDescription", f"{study['name']}: {cases} cases"),
        ("ValidationProcessAndJustification", _process(evidence)),
    ]


def _process(evidence: Evidence) -> str:
    declared = evidence["declaration"]
    return (
        f"Groups, measures and margins stand in the policy “{declared['by']}” (sha256 "
        f"{declared['policy_sha256']}), declared {declared['time']} before anything was computed. "
        f"{word('statistic', 'verdicts', 'definition')}"
    )


def _overall(evidence: Evidence) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    for output in evidence["outputs"]:
        metrics = output["overall"]["metrics"]
        for metric in (*OVERALL, *OTHER_TASKS):
            if (metrics.get(metric) or {}).get("value") is not None:
                label = f"{word('metric', metric)}, {output_label(output)}"
                yield label, metrics[metric], unit_of(metric)


def _gaps(evidence: Evidence) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    for output in evidence["outputs"]:
        for one in output["comparisons"]:
            difference = one.get("difference") or {}
            if one.get("verdict") and difference.get("value") is not None:
                metric = one["metric"]
                how = "ratio to" if is_ratio(metric) else "difference to"
                label = (
                    f"{word('metric', metric)}, {group_label(one['group'])}, {how} "
                    f"{reference_label(one.get('reference'))}, {output_label(output)}: "
                    f"{word('verdict', one['verdict']).lower()}"
                )
                yield label, difference, unit_of(metric)


def _robust(evidence: Evidence) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield how far measures differ between sites, and what hiding a suspect region changes."""
    sites = site_attributes(evidence["data_quality"])
    for output in evidence["outputs"]:
        for one in output.get("heterogeneity") or ():
            if one["attribute"] in sites and (one.get("tau2") or {}).get("value") is not None:
                label = (
                    f"{word('metric', one['metric'])}, variance between the levels of "
                    f"{humanised(one['attribute'])}, {output_label(output)}"
                )
                yield label, one["tau2"], ""
    for one in evidence["shortcuts"].get("outputs") or ():
        if (one.get("effect") or {}).get("value") is not None:
            label = (
                f"Change of the score when {humanised(one['suspect'])} is hidden, "
                f"{humanised(one['output'])}, {model_label(one.get('model'))}: "
                f"{word('shortcut', one['verdict']).lower()}"
            )
            yield label, one["effect"], ""


def _result(label: str, estimate: Mapping[str, Any], unit: str) -> tuple[str, Any]:
    percent = unit == "percent"

    def scaled(value: float) -> float:
        return float(f"{100 * value if percent else value:.{_DIGITS}g}")

    low, high = estimate.get("low"), estimate.get("high")
    if low is None or high is None:
        value: dict[str, Any] = {"kind": "single", "value": scaled(estimate["value"])}
    else:
        value = {
            "kind": "estimate_ci",
            "estimate": scaled(estimate["value"]),
            "lower": scaled(low),
            "upper": scaled(high),
            "level": round(100 * estimate.get("level", 0.95)),
            "unit": "%" if percent else "",
        }
    return "MetricResult", [("Label", label), ("ValueJson", json.dumps(value))]
