"""Exports of a run and its verification; every file is made from ``evidence.json``."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from audits.reporting.case.question import CaseQuestion
from audits.reporting.export import FORMATS, export_case
from audits.reporting.requirements.catalogue import profiles
from audits.reporting.signoff import filing_of
from audits.reporting.signoff.filing import with_signoff
from audits.storage import Verification, refuse_altered, verify_run
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


def export_bytes(ref: RunRef, form: str, profiles: Sequence[str] = ()) -> bytes:
    """Return one export as it is filed now; ``json`` is the run's own file, byte for byte.

    Args:
        ref: The run.
        form: One of :data:`ORDER`.
        profiles: Laws and guidelines that it answers; none for all of the run.
    """
    refuse_altered(ref.path)
    if form == "json":
        return (Path(ref.path) / "evidence.json").read_bytes()
    run = load_run(ref)
    return FORMATS[form](run.evidence, filing_of(run, profiles))


def stated(ref: RunRef, profiles: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return every requirement with its state as a report made now would print it.

    What people declared and signed is in it.

    Args:
        ref: The run.
        profiles: Laws and guidelines; none for all of the run.
    """
    run = load_run(ref)
    return list(with_signoff(run.evidence, filing_of(run, profiles))["requirements"])


def case_question(case: str, model: str | None, output: str | None) -> CaseQuestion:
    """Return which case an export tells about; no model and no output mean the first and top."""
    return CaseQuestion(case=case.strip(), model=model, output=output)


def case_bytes(ref: RunRef, form: str, about: CaseQuestion) -> bytes:
    """Return one export about a single case; ``dicom`` objects come as a zip.

    Raises:
        AuditError: The run has no such case, or nothing to write about it.
    """
    run = load_run(ref)
    with TemporaryDirectory() as folder:
        written = export_case(run, form, Path(folder) / "export", about)
        if written.is_file():
            return written.read_bytes()
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(written.iterdir()):
                archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes())
        return stream.getvalue()


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
