"""Reports: ``evidence.json`` and everything that is made from it."""

from __future__ import annotations

from audits.reporting.case.question import CaseQuestion
from audits.reporting.evidence import (
    AuditParts,
    Requirement,
    build_evidence,
    library_versions,
    seal,
)
from audits.reporting.export import CASE_FORMATS, FORMATS, export_case, export_run
from audits.reporting.release import restrict
from audits.reporting.tables import Table, evidence_tables, tables_zip

__all__ = [
    "CASE_FORMATS",
    "FORMATS",
    "AuditParts",
    "CaseQuestion",
    "Requirement",
    "Table",
    "build_evidence",
    "evidence_tables",
    "export_case",
    "export_run",
    "library_versions",
    "restrict",
    "seal",
    "tables_zip",
]
