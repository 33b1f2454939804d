"""One export of a run, or of one case of it, as a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import MappingProxyType
from typing import Any

from audits.errors import AuditError, StoreError
from audits.reporting.case.question import CaseQuestion
from audits.reporting.digest import with_digest
from audits.reporting.signoff.filing import DRAFT, Filing, filing_of, with_signoff
from audits.reporting.signoff.keys import write_signature
from audits.reporting.tables import tables_zip
from audits.storage import Run, canonical_json, refuse_altered

Evidence = Mapping[str, Any]


def _json(evidence: Evidence, filing: Filing = DRAFT) -> bytes:  # noqa: ARG001 - one signature
    return canonical_json(evidence)


def _tables(evidence: Evidence, filing: Filing = DRAFT) -> bytes:
    return tables_zip(with_signoff(evidence, filing))


def _pdf(evidence: Evidence, filing: Filing = DRAFT) -> bytes:
    from audits.reporting.pdf import report_pdf

    return report_pdf(evidence, filing)


def _html(evidence: Evidence, filing: Filing = DRAFT) -> bytes:
    from audits.reporting.html import report_html

    return report_html(evidence, filing)


def _card(evidence: Evidence, filing: Filing = DRAFT) -> bytes:
    from audits.reporting.cards import model_card

    return model_card(evidence, filing)


def _chai(evidence: Evidence, filing: Filing = DRAFT) -> bytes:
    from audits.reporting.cards import chai_card

    return chai_card(evidence, filing)


def _workbook(evidence: Evidence, filing: Filing = DRAFT) -> bytes:
    from audits.reporting.workbook import workbook

    return workbook(evidence, filing)


FORMATS: Mapping[str, Callable[[Evidence, Filing], bytes]] = MappingProxyType(
    {
        "json": _json,
        "csv": _tables,
        "pdf": _pdf,
        "html": _html,
        "md": _card,
        "xlsx": _workbook,
        "xml": _chai,
    }
)
"""Format name to the function that makes its bytes from the evidence and its sign-off."""

CASE_FORMATS = ("pdf", "fhir", "dicom")
"""Formats that tell about one case; ``dicom`` is a folder of objects."""


def export_run(
    run: Run,
    form: str,
    out: Path | str,
    *,
    profiles: Sequence[str] = (),
    key: Path | None = None,
) -> Path:
    """Write one export of a run, whole or not at all.

    Args:
        run: The run.
        form: One of :data:`FORMATS`.
        out: File to write; it must not exist.
        profiles: Ids of the laws and guidelines that it answers; none for all of the run.
        key: Private Ed25519 key of the site; ``<out>.sig`` is written beside the file.

    Raises:
        AuditError: The format or a profile is not known.
        StoreError: The run was altered, or ``out`` exists or cannot be written.
    """
    make = FORMATS.get(form)
    if make is None:
        if form in CASE_FORMATS:
            raise AuditError(f"report: format {form!r} tells about one case; name it with --case.")
        known = ", ".join(sorted({*FORMATS, *CASE_FORMATS}))
        raise AuditError(f"report: there is no format {form!r}; use one of {known}.")
    target = _new(out)
    refuse_altered(run.path)
    _written(target, make(run.evidence, filing_of(run, profiles)), key)
    return target


def export_case(
    run: Run,
    form: str,
    out: Path | str,
    about: CaseQuestion,
    *,
    key: Path | None = None,
) -> Path:
    """Write one export about a single case, whole or not at all.

    Args:
        run: The run; it must explain or hold the case.
        form: One of :data:`CASE_FORMATS`.
        out: File to write (``dicom``: folder); it must not exist.
        about: Which case, model and output, and whether the image is shown.
        key: Private Ed25519 key of the site; signs files, not folders.

    Raises:
        AuditError: The format, the case, the model or the output is not known.
        StoreError: The run was altered, or ``out`` exists or cannot be written.
    """
    from audits.reporting.case import case_of_run

    if form not in CASE_FORMATS:
        raise AuditError(
            f"report: format {form!r} tells about a whole run; leave --case out, or use one of "
            f"{', '.join(CASE_FORMATS)}."
        )
    target = _new(out)
    refuse_altered(run.path, "internal/explanations", "internal/predictions")
    told = case_of_run(run, about)
    if form == "dicom":
        from audits.reporting.dicom import write_dicom

        return write_dicom(run, told, target)
    if form == "fhir":
        from audits.reporting.fhir import case_bundle

        data = with_digest(canonical_json(case_bundle(told)))
    else:
        from audits.reporting.case.page import case_pdf

        data = case_pdf(run, told, with_image=about.with_image)
    _written(target, data, key)
    return target


def _new(out: Path | str) -> Path:
    target = Path(out).absolute()
    if target.exists():
        raise StoreError(f"{target}: already exists; choose another --out or remove it first.")
    return target


def _written(target: Path, data: bytes, key: Path | None) -> None:
    write_whole(target, data)
    if key is not None:
        write_whole(target.with_name(f"{target.name}.sig"), write_signature(data, key))


def write_whole(target: Path, data: bytes) -> None:
    """Write a file so that a reader sees all of it or none.

    Raises:
        StoreError: The folder cannot be written.
    """
    part: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=target.parent, prefix=".", suffix=".part", delete=False) as f:
            part = f.name
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        Path(part).chmod(0o644)
        Path(part).replace(target)
        part = None
    except OSError as error:
        raise StoreError(
            f"{target}: cannot be written ({error.strerror}); choose another --out."
        ) from error
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)
