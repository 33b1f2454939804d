"""Requirements are data, and their state follows from the evidence alone."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from audits.reporting.requirements import assess_requirements, declared_field, profiles
from audits.reporting.requirements.cards import card_fields
from audits.reporting.requirements.facts import FACTS
from audits.reporting.sections import SECTIONS, section
from audits.reporting.signoff.state import ROLES

ITEMS = [item for profile in profiles() for item in profile.items]


def evidence(*, scope="local", card=None):
    estimate = {"value": 0.8, "low": 0.7, "high": 0.9, "k": 8, "n": 10}
    output = {
        "model": "m@1",
        "name": "y",
        "label": {"column": "y", "positive": 1},
        "scope": scope,
        "task": "binary",
        "threshold": {"value": 0.5},
        "overall": {"metrics": {"tpr": estimate}},
        "groups": [{"attributes": {"sex": "F"}, "metrics": {"tpr": estimate}}],
        "comparisons": [{"metric": "tpr", "verdict": "equivalent"}],
        "heterogeneity": [],
    }
    return {
        "release": "internal",
        "run": {"id": "r", "versions": {"auscult": "1"}},
        "declaration": {"policy_sha256": "0"},
        "models": [] if card is None else [{"id": "m", "version": "1", "card": card}],
        "skipped": [],
        "outputs": [output],
        "explanations": {},
        "shortcuts": {},
        "comparison": {},
        "data_quality": {},
    }


def states(found):
    return {item["id"]: item["state"] for item in found}


def test_ids_are_unique():
    assert max(Counter(item.id for item in ITEMS).values()) == 1


def test_hti1_has_its_31_attributes_in_nine_groups():
    (hti,) = [p for p in profiles() if p.id == "hti1"]
    assert [item.id for item in hti.items] == [f"hti1.{n}" for n in range(1, 32)]
    groups = Counter(re.match(r"\((\d)\)", item.citation)[1] for item in hti.items)
    assert [groups[str(n)] for n in range(1, 10)] == [4, 4, 2, 4, 2, 4, 5, 4, 2]


def test_tripod_has_its_52_blocks():
    (tripod,) = [p for p in profiles() if p.id == "tripod_ai"]
    assert len(tripod.items) == 52


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)
def test_every_item_names_a_section_facts_and_fields_that_exist(item):
    assert section(item.section) in SECTIONS
    assert set(item.computed) <= set(FACTS)
    assert set(item.declared) <= set(card_fields())
    assert set(item.attested) <= set(ROLES)
    assert item.computed or item.declared or item.attested


def test_every_profile_says_when_it_was_checked():
    for profile in profiles():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", profile.checked_on)
        assert profile.status
        assert profile.citation


def test_a_test_of_the_same_source_is_no_local_validity():
    same = states(assess_requirements(evidence(scope="same_source_test")))
    local = states(assess_requirements(evidence(scope="local")))
    assert (same["hti1.21"], same["hti1.27"]) == ("computed", "not_available")
    assert (local["hti1.21"], local["hti1.27"]) == ("not_available", "computed")


def test_a_card_declares_under_its_own_names():
    found = states(assess_requirements(evidence(card={"known_limits": "children", "funding": " "})))
    assert found["hti1.10"] == "declared"
    assert found["hti1.2"] == "not_available"
    assert declared_field({"card": {"known_limits": "children"}}, "limitations") == "children"


def test_every_reason_is_there_and_holds_no_number_that_a_release_would_mask():
    for card in (None, {}, {"intended_use": "ranking"}):
        for item in assess_requirements(evidence(card=card)):
            assert item["reason"]
            assert not re.search(r"\d", item["reason"]), item


def test_nothing_is_called_compliant():
    for item in assess_requirements(evidence(card={})):
        assert item["state"] in {"computed", "declared", "not_available"}
        assert "complian" not in item["reason"].lower()


def test_profiles_can_be_chosen():
    assert {i["profile"] for i in assess_requirements(evidence(), only=["hti1"])} == {"hti1"}
