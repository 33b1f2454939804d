"""Where a note's sections, sentences and negations stand."""

from __future__ import annotations

from itertools import pairwise

import pytest

from audits.explanations.parts.negation import negated_spans
from audits.explanations.parts.sentences import sections_of


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("Denies chest pain.", ["Denies chest pain"]),
        ("No fever, but cough.", ["No fever"]),
        (
            "No evidence of pneumonia or effusion today.",
            ["No evidence of pneumonia or effusion today"],
        ),
        ("Pneumonia was ruled out.", ["Pneumonia was ruled out"]),
        ("Not only fever but cough.", []),
        ("No change in the nodule.", []),
        ("Known nodule.", []),
        ("Fever without cough however shock.", ["without cough"]),
    ],
)
def test_negations(text, negated):
    assert [text[a:b] for a, b in negated_spans(text)] == negated


def test_sections_cover_the_text_without_gaps():
    text = "Seen at night.\nHISTORY: Fall. No pain.\nMr Smith said: ill.\nPLAN: CT!\nPLAN: Rest."
    found = sections_of(text)
    assert [one.stretch.name for one in found] == [
        "opening",
        "history",
        "section 2",
        "plan",
        "plan (2)",
    ]
    pieces = [s for one in found for s in one.sentences]
    assert pieces[0].start == 0
    assert pieces[-1].end == len(text)
    assert all(a.end == b.start for a, b in pairwise(pieces))
    assert [s.name for s in found[1].sentences] == [
        "history, heading",
        "history, sentence 1",
        "history, sentence 2",
    ]


def test_a_text_without_headings_is_one_section():
    (only,) = sections_of("Stable. Awake.")
    assert [s.name for s in only.sentences] == ["note, sentence 1", "note, sentence 2"]
