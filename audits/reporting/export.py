"""One export of a run as a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import MappingProxyType
from typing import Any

from audits.errors import AuditError, StoreError
from audits.reporting.tables import tables_zip
from audits.storage import Run, canonical_json


def _pdf(evidence: Mapping[str, Any]) -> bytes:
    from audits.reporting.pdf import report_pdf

    return report_pdf(evidence)


def _html(evidence: Mapping[str, Any]) -> bytes:
    from audits.reporting.html import report_html

    return report_html(evidence)


def _card(evidence: Mapping[str, Any]) -> bytes:
    from audits.reporting.cards import model_card

    return model_card(evidence)


def _chai(evidence: Mapping[str, Any]) -> bytes:
    from audits.reporting.cards import chai_card

    return chai_card(evidence)


def _workbook(evidence: Mapping[str, Any]) -> bytes:
    from audits.reporting.workbook import workbook

    return workbook(evidence)


FORMATS: Mapping[str, Callable[[Mapping[str, Any]], bytes]] = MappingProxyType(
    {
        "json": canonical_json,
        "csv": tables_zip,
        "pdf": _pdf,
        "html": _html,
        "md": _card,
        "xlsx": _workbook,
        "xml": _chai,
    }
)
"""Format name to the function that makes its bytes from the evidence alone."""


def export_run(run: Run, form: str, out: Path | str) -> Path:
    """Write one export of a run, whole or not at all.

    Args:
        run: The run.
        form: One of :data:`FORMATS`.
        out: File to write; it must not exist.

    Raises:
        AuditError: The format is not known.
        StoreError: ``out`` exists or cannot be written.
    """
    make = FORMATS.get(form)
    if make is None:
        known = ", ".join(sorted(FORMATS))
        raise AuditError(
            f"report: format {form!r} is not available in this version; use one of {known}."
        )
    target = Path(out).absolute()
    if target.exists():
        raise StoreError(f"{target}: already exists; choose another --out or remove it first.")
    write_whole(target, make(run.evidence))
    return target


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
