"""The model card: front matter that is data, text that cannot act as markup."""

from __future__ import annotations

import json

import pytest

from audits.reporting.cards import model_card
from audits.reporting.cards.markdown import plain
from audits.storage import canonical_json


@pytest.fixture(scope="module")
def card(exact):
    return model_card(json.loads(canonical_json(exact))).decode()


def results(card):
    (line,) = [x for x in card.splitlines() if x.startswith("  results: ")]
    return json.loads(line.removeprefix("  results: "))


def test_the_index_holds_every_slice_with_its_interval(card, exact):
    (result,) = results(card)
    output = exact["outputs"][0]
    values = {(m["name"], m["value"]) for m in result["metrics"]}
    assert ("Sensitivity", output["overall"]["metrics"]["tpr"]["value"]) in values
    sliced = [m for m in result["metrics"] if "group" in m["args"]]
    assert {"F", "M"} <= {m["args"]["group"].get("sex") for m in sliced}
    assert all({"low", "high", "n"} <= set(m["args"]) for m in result["metrics"])


def test_it_has_the_headings_of_a_card(card):
    for heading in (
        "Model Details",
        "Uses",
        "Bias, Risks and Limitations",
        "Training Details",
        "Evaluation",
        "Model Examination",
        "Technical Specifications",
    ):
        assert f"\n## {heading}\n" in card


def test_a_masked_number_is_no_result(restricted):
    card = model_card(restricted).decode()
    assert "suppressed" in card
    assert all(m["value"] is not None for m in results(card)[0]["metrics"])


def test_text_stays_text():
    assert plain("a|b\n*c* <x> [y](z)") == r"a\|b \*c\* \<x\> \[y\](z)"
