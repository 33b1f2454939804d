"""Typesetting of the report by typst; equal evidence gives equal bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from audits.errors import AuditError
from audits.reporting.cards import chai_card
from audits.reporting.digest import PLACEHOLDER, with_digest
from audits.reporting.document import Document, build_document
from audits.reporting.document.blocks import Block, Figure
from audits.reporting.figures import chart_svg
from audits.reporting.signoff.filing import DRAFT, Filing, with_signoff
from audits.reporting.tables import evidence_tables
from audits.storage.canonical import canonical_json


def report_pdf(evidence: Mapping[str, Any], filing: Filing = DRAFT) -> bytes:
    """Return the report as PDF/A-3a and PDF/UA-1.

    ``evidence.json`` and its tables are attached; the keywords hold the file's own digest
    (:mod:`audits.reporting.digest`). The PDF's time is that of the run.

    Args:
        evidence: ``evidence.json`` at any release.
        filing: What people signed of the run, and which profiles the report answers.

    Raises:
        AuditError: typst refuses the document.
    """
    import typst

    document = build_document(evidence, filing)
    template = files("audits.reporting.pdf").joinpath("report.typ").read_bytes()
    logo = files("audits.reporting").joinpath("logo.svg").read_text(encoding="utf-8")
    try:
        made = typst.compile(
            template,
            format="pdf",
            ignore_system_fonts=True,
            pdf_standards=["a-3a", "ua-1"],
            timestamp=_seconds(document.created),
            sys_inputs={
                "document": json.dumps(document_data(document), ensure_ascii=False),
                "files": json.dumps(_attachments(evidence, filing), ensure_ascii=False),
                "digest": PLACEHOLDER,
                "logo": logo,
            },
        )
    except typst.TypstError as error:
        raise AuditError(f"report: the PDF cannot be set ({error.message}).") from error
    return with_digest(made, places=2)


def document_data(document: Document) -> dict[str, Any]:
    """Return a report as plain data, its charts drawn."""
    plain = asdict(document)
    for section, data in zip(document.sections, plain["sections"], strict=True):
        data["blocks"] = [_block(block) for block in section.blocks]
    return plain


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Figure):
        return {
            "type": block.type,
            "id": block.chart.id,
            "caption": block.caption,
            "alt": block.chart.alt,
            "rows": len(block.chart.rows),
            "svg": chart_svg(block.chart),
        }
    return asdict(block)


def _attachments(evidence: Mapping[str, Any], filing: Filing) -> list[dict[str, str]]:
    found = [
        {
            "name": "evidence.json",
            "text": canonical_json(evidence).decode(),
            "mime": "application/json",
            "relationship": "source",
            "description": "The canonical result of the run, from which this report is made.",
        }
    ]
    found.append(
        {
            "name": "chai-model-card.xml",
            "text": chai_card(evidence, filing).decode(),
            "mime": "application/xml",
            "relationship": "supplement",
            "description": "CHAI Applied Model Card, schema v0.2.",
        }
    )
    if filing.signoff.records:
        found.append(
            {
                "name": "signoff.json",
                "text": filing.signoff.to_bytes().decode(),
                "mime": "application/json",
                "relationship": "supplement",
                "description": "What people declared, decided and signed of the run.",
            }
        )
    found += [
        {
            "name": f"{table.name}.csv",
            "text": table.to_csv(),
            "mime": "text/csv",
            "relationship": "data",
            "description": f"The table “{table.name}” of the run.",
        }
        # Without the table of all estimates: evidence.json holds them, and it doubles the file.
        for table in evidence_tables(with_signoff(evidence, filing), estimates=False)
    ]
    return found


def _seconds(time: str) -> int:
    moment = datetime.fromisoformat(time)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
