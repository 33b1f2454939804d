"""Every number a report prints stands in the evidence it was made from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from audits.reporting.document import build_document
from audits.reporting.document.blocks import Figure
from audits.reporting.requirements import profiles
from audits.reporting.sections import SECTIONS
from audits.reporting.words import glossary

NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
FORMS = ("{:.1f}", "{:.2f}", "{:.3f}", "{:g}", "{:.2g}", "{:.4g}", "{:,.0f}")


def numbers_in(text: str) -> set[str]:
    """Return the numbers a text prints; hashes, ids and words with digits are none."""
    text = re.sub(r"\b[0-9a-f]{12,}\b", " ", text)
    return {m.rstrip(",") for m in NUMBER.findall(text)}


def leaves(value: Any) -> Iterator[Any]:
    """Yield every number and text of plain data."""
    if isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif value is not None and not isinstance(value, bool):
        yield value


def forms(value: float) -> Iterator[str]:
    for scaled in {value, 100 * value, abs(value), 100 * abs(value)}:
        for form in FORMS:
            yield form.format(scaled).lstrip("-")


def known_numbers(evidence: dict[str, Any]) -> set[str]:
    """Return every number of the evidence, in each form in which a report prints numbers."""
    found: set[str] = set()
    for leaf in leaves(evidence):
        found |= numbers_in(leaf) if isinstance(leaf, str) else set(forms(leaf))
    return found


def fixed_numbers() -> set[str]:
    """Return the numbers of sentences that are the same in every report."""
    texts = [p.note + p.citation + p.status + p.effective + p.name + p.short for p in profiles()]
    texts += [i.citation + " " + i.name for p in profiles() for i in p.items]
    texts += [s.number for s in SECTIONS]
    texts += [t for s in glossary().values() for e in s.values() for t in e.values()]
    # Sections that sentences name, levels of intervals, the retention class, masked counts,
    # the smallest p that is printed, and the name of the hash.
    return numbers_in(" ".join(texts)) | {"12", "7", "95", "90", "10", "1", "0", "0.001", "256"}


def texts_of(evidence: dict[str, Any]) -> list[str]:
    """Return every text of a report: what any format prints."""
    document = build_document(evidence)
    found = [document.title, document.subtitle, document.stance]
    found += [f.value for f in document.cover if not f.code]
    for section in document.sections:
        found += [section.title, section.question, section.evidence_for]
        for block in section.blocks:
            found += list(_texts(block))
    return found


def _texts(block: Any) -> Iterator[str]:
    if isinstance(block, Figure):
        yield block.caption
        yield block.chart.alt
        yield from (mark.text for row in block.chart.rows for mark in row.marks)
        return
    for name in ("text", "caption"):
        yield getattr(block, name, "")
    for fact in getattr(block, "facts", ()):
        yield from () if fact.code else (fact.value,)
    for tile in getattr(block, "tiles", ()):
        yield from (tile.value, tile.detail)
    for row in getattr(block, "rows", ()):
        for cell in row.cells:
            yield from (cell.text, cell.note)


@pytest.mark.parametrize("release", ["exact", "restricted"])
def test_every_printed_number_is_in_the_evidence(release, request):
    evidence = request.getfixturevalue(release)
    printed = numbers_in("\n".join(texts_of(evidence)))
    assert len(printed) > 50
    assert printed <= known_numbers(evidence) | fixed_numbers()
