"""Exports of a run and its verification; every file is made from ``evidence.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audits.reporting.export import FORMATS
from audits.reporting.requirements.catalogue import profiles
from audits.storage import Verification, verify_run
from dashboard.queries.runs import RunRef, load_run

ORDER = ("pdf", "html", "json", "csv", "xlsx", "md", "xml")
MIME = {
    "pdf": "application/pdf",
    "html": "text/html",
    "json": "application/json",
    "csv": "application/zip",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "md": "text/markdown",
    "xml": "application/xml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A law or guideline whose items the evidence answers."""

    id: str
    name: str


def offered_forms() -> list[str]:
    """Return the formats that this version makes, those for people first."""
    return [form for form in ORDER if form in FORMATS]


def export_bytes(ref: RunRef, form: str) -> bytes:
    """Return one export; ``json`` is the run's own file, byte for byte."""
    if form == "json":
        return (Path(ref.path) / "evidence.json").read_bytes()
    return FORMATS[form](load_run(ref).evidence)


def manifest_bytes(ref: RunRef) -> bytes:
    """Return ``manifest.json`` as it lies in the run."""
    return (Path(ref.path) / "manifest.json").read_bytes()


def file_name(ref: RunRef, form: str) -> str:
    """Return the name under which an export is saved: study, run and ending."""
    held = load_run(ref).evidence
    ending = {"csv": "tables.zip", "json": "evidence.json"}.get(form, f"report.{form}")
    return f"{held['study']['name']}-{held['run']['id']}-{ending}"


def known_profiles() -> list[Profile]:
    """Return laws and guidelines in the order of a report."""
    return [Profile(id=profile.id, name=profile.name) for profile in profiles()]


def verify(ref: RunRef) -> Verification:
    """Compare the run folder with its manifest, now.

    Raises:
        StoreError: The folder is gone or is no run.
    """
    return verify_run(ref.path)
