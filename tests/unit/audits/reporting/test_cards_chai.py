"""The CHAI card: the schema's elements in their order, every required one filled."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from audits.reporting.cards import chai_card
from audits.reporting.cards.chai import NAMESPACE
from audits.reporting.cards.chai import OPTIONAL as OPTIONAL_ELEMENTS
from audits.reporting.requirements.cards import card_fields
from audits.storage import canonical_json

METRIC = (
    *("MetricGoal", "Results", "Interpretation", "TestType", "TestingDataDescription"),
    "ValidationProcessAndJustification",
)
# Element names of the schema v0.2 in its order, without those that may be left out and are.
ORDER = {
    "BasicInfo": ("ModelName", "ModelDeveloper", "DeveloperContact"),
    "ReleaseInfo": (
        *("ReleaseStage", "ReleaseDate", "ReleaseVersion", "GlobalAvailability"),
        "RegulatoryApproval",
    ),
    "ModelSummary": ("Summary", "Keywords"),
    "UsesAndDirections": (
        *("IntendedUseAndWorkflow", "PrimaryIntendedUsers", "HowToUse"),
        *("TargetedPatientPopulation", "CautionedOutOfScopeSettings"),
    ),
    "Warnings": (
        *("KnownRisksAndLimitations", "KnownBiasesOrEthicalConsiderations"),
        "ClinicalRiskLevel",
    ),
    "TrustIngredients": ("AISystemFacts", "TransparencyInformation"),
    "AISystemFacts": (
        *("OutcomesAndOutputs", "ModelType", "InputDataSource", "OutputAndInputDataTypes"),
        *("DevelopmentDataCharacterization", "BiasMitigationApproaches", "OngoingMaintenance"),
    ),
    "TransparencyInformation": ("FundingSource", "StakeholdersConsulted"),
    "KeyMetrics": ("UsefulnessUsabilityEfficacy", "FairnessEquity", "SafetyReliability"),
    "UsefulnessUsabilityEfficacy": METRIC,
    "FairnessEquity": METRIC,
    "SafetyReliability": METRIC,
    "Resources": ("PeerReviewedPublications", "PatientConsentOrDisclosure"),
}
TOP = (
    *("BasicInfo", "ReleaseInfo", "ModelSummary", "UsesAndDirections", "Warnings"),
    *("TrustIngredients", "KeyMetrics", "Resources", "Bibliography"),
)


def name(element):
    return element.tag.removeprefix(f"{{{NAMESPACE}}}")


@pytest.fixture(scope="module")
def card(exact):
    return ET.fromstring(chai_card(exact))


def test_the_same_evidence_gives_the_same_bytes(exact):
    assert chai_card(json.loads(canonical_json(exact))) == chai_card(
        json.loads(canonical_json(exact))
    )


@pytest.mark.parametrize("release", ["exact", "restricted"])
def test_the_card_is_valid_against_the_structure_of_its_schema(release, request):
    etree = pytest.importorskip("lxml.etree")
    schema = etree.RelaxNG(etree.parse(Path(__file__).with_name("chai_card.rng")))
    made = etree.fromstring(chai_card(request.getfixturevalue(release)))
    schema.assertValid(made)
    made[0].remove(made[0][1])
    assert not schema.validate(made)


def test_a_card_that_declares_everything_fills_the_optional_elements(exact):
    etree = pytest.importorskip("lxml.etree")
    schema = etree.RelaxNG(etree.parse(Path(__file__).with_name("chai_card.rng")))
    evidence = json.loads(canonical_json(exact))
    card = {name: f"{name} said" for name in card_fields()}
    evidence["models"] = [
        {"id": "m", "version": "1", "format": "onnx", "task": "binary", "card": card}
    ]
    made = etree.fromstring(chai_card(evidence))
    schema.assertValid(made)
    said = {etree.QName(e).localname: e.text for e in made.iter(etree.Element)}
    assert set(OPTIONAL_ELEMENTS) <= set(said)
    assert (said["Security"], said["EHR"]) == ("cybersecurity said", "ehr_compatibility said")
    assert said["Bibliography"] == "bibliography said"


def test_safety_shows_what_the_shortcut_audit_measured(compared):
    results = ET.fromstring(chai_card(compared)).findall(".//{*}SafetyReliability/{*}Results/*")
    labels = [one[0].text for one in results]
    assert any("Marker is hidden" in text and text.endswith("used") for text in labels)
    assert not any("Not available" in text for text in labels)


def test_the_elements_stand_in_the_order_of_the_schema(card):
    assert tuple(map(name, card)) == TOP
    for element in card.iter():
        if name(element) in ORDER:
            assert tuple(map(name, element)) == ORDER[name(element)]


def test_every_field_says_something(card):
    for element in card.iter():
        if not len(element) and name(element) not in {"Keywords", "Bibliography"}:
            assert (element.text or "").strip(), name(element)


def test_results_carry_their_intervals(card, exact):
    tag = f"{{{NAMESPACE}}}"
    results = card.findall(f".//{tag}UsefulnessUsabilityEfficacy/{tag}Results/{tag}MetricResult")
    first = json.loads(results[0][1].text)
    tpr = exact["outputs"][0]["overall"]["metrics"]["tpr"]
    assert first["kind"] == "estimate_ci"
    assert first["estimate"] == pytest.approx(100 * tpr["value"])
    assert first["lower"] == pytest.approx(100 * tpr["low"])
    assert first["level"] == 95


def test_text_stays_text(exact):
    evidence = json.loads(canonical_json(exact))
    evidence["study"]["name"] = "<x>&\x00"
    assert "<x>& " in ET.fromstring(chai_card(evidence)).find(".//{*}ModelName").text


OPTIONAL = {
    "ReleaseInfo": {"EHRCompatibility", "RegulatoryApproval"},
    "AISystemFacts": {"FoundationModels", "Security", "Transparency"},
    "TransparencyInformation": {"ThirdPartyInformation"},
    "Resources": {"EvaluationReferences", "ClinicalTrial", "ReimbursementStatus"},
}
MANY = {"MetricResult": 'maxOccurs="unbounded"', "Keyword": 'minOccurs="0" maxOccurs="unbounded"'}


def schema_of(name, parent=""):
    """Restate the schema v0.2 (without its optional XML signature) for a validator."""
    children = {
        **ORDER,
        "Results": ("MetricResult",),
        "MetricResult": ("Label", "ValueJson"),
        "Keywords": ("Keyword",),
        "AppliedModelCard": TOP,
    }
    free = 'minOccurs="0"' if name in OPTIONAL.get(parent, ()) else MANY.get(name, "")
    if name not in children:
        return f'<xs:element name="{name}" type="xs:string" {free}/>'
    inner = "".join(schema_of(child, name) for child in children[name])
    body = f"<xs:complexType><xs:sequence>{inner}</xs:sequence></xs:complexType>"
    return f'<xs:element name="{name}" {free if parent else ""}>{body}</xs:element>'


@pytest.mark.parametrize("release", ["exact", "restricted"])
def test_a_validator_accepts_the_card(release, request):
    etree = pytest.importorskip("lxml.etree")
    head = 'xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified"'
    text = f'<xs:schema {head} targetNamespace="{NAMESPACE}">{schema_of("AppliedModelCard")}'
    schema = etree.XMLSchema(etree.fromstring(f"{text}</xs:schema>"))
    schema.assertValid(etree.fromstring(chai_card(request.getfixturevalue(release))))
