"""Every table of a run as one workbook; equal evidence gives equal bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from audits.reporting.digest import archive_with_digest
from audits.reporting.document import build_document
from audits.reporting.document.blocks import Fact
from audits.reporting.signoff.filing import DRAFT, Filing, with_signoff
from audits.reporting.tables import Table, evidence_tables

Evidence = Mapping[str, Any]
_WIDEST = 60
_NAME = 31
"""Longest name of a sheet."""


def workbook(evidence: Evidence, filing: Filing = DRAFT) -> bytes:
    """Return an XLSX with a cover and every table, the requirements among them.

    Numbers are numbers, to the sixteen digits that a workbook keeps; a masked or undefined one is
    an empty cell, and the column ``suppressed`` says which. Text is never run as a formula.

    Args:
        evidence: ``evidence.json`` at any release.
        filing: What people signed of the run, and which profiles the report answers.
    """
    import xlsxwriter

    stream = io.BytesIO()
    book = xlsxwriter.Workbook(
        stream,
        {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False},
    )
    created = datetime.fromisoformat(evidence["run"]["created"]).astimezone(UTC)
    document = build_document(evidence, filing)
    book.set_properties(
        {"title": document.subtitle, "author": "Auscult", "created": created.replace(tzinfo=None)}
    )
    head = book.add_format({"bold": True, "font_color": "#0E5A6B", "bottom": 1, "text_wrap": True})
    for name, table in _sheets(with_signoff(evidence, filing), document.cover):
        _write(book.add_worksheet(name), table, head)
    book.close()
    return archive_with_digest(stream.getvalue())


def _sheets(evidence: Evidence, cover: Sequence[Fact]) -> Iterator[tuple[str, Table]]:
    yield (
        "Cover",
        Table(
            name="cover",
            columns=("field", "value"),
            rows=tuple({"field": fact.label, "value": fact.value} for fact in cover),
        ),
    )
    for table in evidence_tables(evidence):
        yield table.name.replace("_", " ").capitalize()[:_NAME], table


def _write(sheet: Any, table: Table, head: Any) -> None:
    for at, column in enumerate(table.columns):
        sheet.write_string(0, at, column, head)
    widths = [len(column) + 2 for column in table.columns]
    for line, row in enumerate(table.rows, start=1):
        for at, column in enumerate(table.columns):
            value = row.get(column)
            if isinstance(value, (dict, list)):
                value = json.dumps(value, ensure_ascii=False, sort_keys=True)
            if isinstance(value, bool):
                sheet.write_boolean(line, at, value)
            elif isinstance(value, (int, float)):
                sheet.write_number(line, at, value)
            elif value is not None:
                sheet.write_string(line, at, str(value))
            widths[at] = min(max(widths[at], len(str(value)) + 1), _WIDEST)
    for at, width in enumerate(widths):
        sheet.set_column(at, at, width)
    sheet.freeze_panes(1, 0)
    if table.rows:
        sheet.autofilter(0, 0, len(table.rows), len(table.columns) - 1)
