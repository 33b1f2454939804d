"""Requirements are data, and their state follows from the evidence alone."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from audits.reporting import seal
from audits.reporting.document import build_document
from audits.reporting.document.blocks import Facts
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


# Blocks of each guideline: its numbered items, those with parts counted part by part.
BLOCKS = {"tripod_ai": (27, 52), "stard_ai": (40, 48), "claim2024": (44, 44)}


@pytest.mark.parametrize("guideline", BLOCKS)
def test_a_guideline_has_all_its_items(guideline):
    (found,) = [p for p in profiles() if p.id == guideline]
    numbers = [re.match(rf"{guideline}\.(\d+)[a-g]?$", item.id)[1] for item in found.items]
    items, blocks = BLOCKS[guideline]
    assert list(map(int, dict.fromkeys(numbers))) == list(range(1, items + 1))
    assert len(numbers) == blocks


def test_stard_has_its_parts():
    (stard,) = [p for p in profiles() if p.id == "stard_ai"]
    parts = [i.id.removeprefix("stard_ai.") for i in stard.items if not i.id[-1].isdigit()]
    assert "".join(parts) == "15a15b15c15d16a16b16c17a17b26a26b40a40b"


def test_annex_iv_has_nine_headings_and_articles_10_to_15_are_there():
    (act,) = [p for p in profiles() if p.id == "eu_ai_act"]
    headings = {m[1] for i in act.items if (m := re.match(r"Annex IV\((\d)\)", i.citation))}
    articles = {m[1] for i in act.items if (m := re.match(r"Art\. (\d+)\(", i.citation))}
    assert headings == set("123456789")
    assert articles == {"10", "11", "12", "13", "14", "15"}


def test_what_a_card_declares_is_printed_in_the_section_that_the_crosswalk_names(exact):
    card = {name: f"said of {name}" for name in card_fields()}
    model = {"id": "m", "version": "1", "weights_sha256": "0" * 64, "card": card}
    document = build_document(seal({**exact, "models": [model]}, "0" * 64))
    printed = {
        section.id: {
            fact.value
            for block in section.blocks
            if isinstance(block, Facts)
            for fact in block.facts
        }
        for section in document.sections
    }
    for item in ITEMS:
        assert {f"said of {name}" for name in item.declared} <= printed.get(item.section, set())


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
