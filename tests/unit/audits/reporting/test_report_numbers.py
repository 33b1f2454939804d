"""Every number a report prints stands in the evidence it was made from."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from audits.reporting.cards import chai_card, model_card
from audits.reporting.document import build_document
from audits.reporting.document.blocks import Figure
from audits.reporting.figures import chart_svg
from audits.reporting.html import report_html
from audits.reporting.requirements import profiles
from audits.reporting.sections import SECTIONS
from audits.reporting.tables import evidence_tables
from audits.reporting.words import glossary
from audits.reporting.workbook import workbook
from audits.storage import canonical_json, open_run

NUMBER = re.compile(r"(?<![\w.])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[+-]?\d+)?")
FORMS = ("{:.1f}", "{:.2f}", "{:.3f}", "{:g}", "{:.2g}", "{:.4g}", "{:,.0f}", "{:.12g}")


def numbers_in(text: str) -> set[str]:
    """Return the numbers a text prints; hashes, ids, DICOM tags and words with digits are none."""
    text = re.sub(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{12}…|\(\d{4},\d{4}\)|CID \d+", " ", text)
    return set(NUMBER.findall(text))


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
    yield str(value).lstrip("-")
    for scaled in {value, 100 * value, abs(value), 100 * abs(value)}:
        for form in FORMS:
            yield form.format(scaled).lstrip("-")
        # A workbook keeps sixteen digits of a float; the twelfth may be rounded from those.
        yield f"{float(f'{scaled:.16g}'):.12g}".lstrip("-")


def known_numbers(evidence: dict[str, Any]) -> set[str]:
    """Return every number of the evidence, in each form in which a report prints numbers."""
    found: set[str] = set()
    for leaf in leaves(evidence):
        if isinstance(leaf, str):
            # A report prints the hour of a time after a blank, and "00" is no other number.
            found |= numbers_in(re.sub(r"(?<=\d)T(?=\d)", " ", leaf))
        else:
            found |= set(forms(leaf))
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


class Page(HTMLParser):
    """Text of a page, with what charts say; the ticks of an axis are a scale, not a result."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found += [v or "" for k, v in attrs if k in ("aria-label", "title", "alt")]
        if tag in ("style", "script", "svg", "title", "code"):
            self.inside.append(tag)

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data):
        if not self.inside or self.inside[-1] == "title":
            self.found.append(data)


def html_texts(evidence: dict[str, Any]) -> list[str]:
    page = Page()
    page.feed(report_html(evidence).decode())
    return page.found


def xlsx_texts(evidence: dict[str, Any]) -> list[str]:
    book = openpyxl.load_workbook(io.BytesIO(workbook(evidence)))
    rows = [row for sheet in book for row in sheet.iter_rows(min_row=2, values_only=True)]
    return [f"{c:.12g}" if isinstance(c, float) else str(c) for row in rows for c in row]


def csv_texts(evidence: dict[str, Any]) -> list[str]:
    tables = [csv.reader(io.StringIO(t.to_csv())) for t in evidence_tables(evidence)]
    return [cell for table in tables for row in table for cell in row]


FORMATS = {
    "document": texts_of,
    "html": html_texts,
    "md": lambda evidence: [model_card(evidence).decode()],
    "csv": csv_texts,
    "xml": lambda evidence: [chai_card(evidence).decode()],
    "xlsx": xlsx_texts,
}


KNOWN: dict[int, tuple[dict[str, Any], set[str]]] = {}
"""Numbers of the evidence that was read last: every format asks for the same ones."""


def strangers(evidence: dict[str, Any], form: str) -> set[str]:
    """Return printed numbers that stand nowhere in the evidence."""
    printed = numbers_in("\n".join(FORMATS[form](evidence)))
    assert len(printed) > 20
    if id(evidence) not in KNOWN:
        KNOWN.clear()
        KNOWN[id(evidence)] = (evidence, known_numbers(evidence) | fixed_numbers())
    return printed - KNOWN[id(evidence)][1]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("release", ["exact", "restricted"])
def test_every_printed_number_is_in_the_evidence(release, form, request):
    assert not strangers(request.getfixturevalue(release), form)


@pytest.mark.parametrize("form", ["document", "html", "csv", "xlsx"])
@pytest.mark.parametrize("kind", ["survival", "regression"])
def test_every_number_of_another_task_is_in_the_evidence(kind, form, request):
    assert not strangers(request.getfixturevalue(kind), form)


@pytest.mark.parametrize("form", FORMATS)
def test_every_number_of_two_versions_and_of_shortcuts_is_in_the_evidence(form, compared):
    assert compared["comparison"]["outputs"]
    assert [one["verdict"] for one in compared["shortcuts"]["outputs"]].count("used") == 1
    assert not strangers(compared, form)


@pytest.mark.parametrize("form", FORMATS)
def test_every_number_of_a_study_with_notes_is_in_the_evidence(form, noted):
    base, _ = noted
    evidence = open_run(base / "run").evidence
    assert evidence["explanations"]
    assert not strangers(evidence, form)


def test_a_foreign_number_would_be_noticed(exact):
    known = known_numbers(exact) | fixed_numbers()
    assert not {"987,654", "0.123456", "98765.4"} & known


def test_every_number_of_the_pdf_is_in_the_evidence(exact, exact_pdf, tmp_path):
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler-utils) is not installed")
    path = tmp_path / "r.pdf"
    path.write_bytes(exact_pdf)
    done = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, check=True)
    lines = done.stdout.decode().splitlines()
    pages = {str(n) for n in range(1, 1 + done.stdout.count(b"\f"))}
    # What stands inside a figure is on its axis; the words of a chart are in its description.
    ticks = {t for chart in charts_of(exact) for t in chart_ticks(chart)}
    printed = numbers_in("\n".join(lines)) - pages - ticks
    assert not printed - known_numbers(exact) - fixed_numbers()


def charts_of(evidence: dict[str, Any]) -> list[Any]:
    sections = build_document(evidence).sections
    return [b.chart for s in sections for b in s.blocks if isinstance(b, Figure)]


def chart_ticks(chart: Any) -> set[str]:
    return numbers_in(" ".join(re.findall(r"<text[^>]*>([^<]*)</text>", chart_svg(chart))))


@given(chosen=st.sets(st.integers(0, 99), min_size=3, max_size=12))
@settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.generate],  # a report takes a second, so nothing is shrunk
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_what_is_masked_is_nowhere_worked_out_again(request, chosen):
    evidence = json.loads(canonical_json(request.getfixturevalue("exact")))
    (output,) = evidence["outputs"]
    rows = [output["overall"], *output["groups"], *output["comparisons"]]
    for at in chosen:
        mask(rows[at % len(rows)])
    evidence["release"] = "restricted"
    for form in ("document", "html", "md", "xlsx", "xml"):
        assert not strangers(evidence, form)
    assert "suppressed" in "\n".join(texts_of(evidence))


def mask(entry: dict[str, Any]) -> None:
    """Null every number of a group or comparison, as a restricted release does."""
    for key, value in entry.items():
        if key == "metrics":
            for estimate in value.values():
                mask(estimate)
        elif isinstance(value, dict) and key not in ("group", "attributes"):
            mask(value)
        elif isinstance(value, (int, float, list)) and not isinstance(value, bool):
            entry[key] = None
    entry["suppressed"] = True
