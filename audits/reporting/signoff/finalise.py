"""Adding records to a run, and closing an edition with its report filed beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audits.errors import AuditError, StoreError
from audits.reporting.signoff.entries import finalisation
from audits.reporting.signoff.filing import Filing, filing_of
from audits.reporting.signoff.keys import sign
from audits.reporting.signoff.rules import obstacles
from audits.reporting.signoff.state import SignOff, read_signoff, signoff_of
from audits.storage.canonical import file_sha256
from audits.storage.chain import append, next_link, read_chain, write_beside
from audits.storage.manifest import MANIFEST
from audits.storage.run import Run
from audits.storage.verify import verify_run


def add_records(run: Run, records: Sequence[Mapping[str, Any]]) -> SignOff:
    """Append records to a run that is intact and not final, and return where it stands.

    Raises:
        StoreError: The edition is final, or the run is not as it was written.
        AuditError: A new edition is opened although none is final.
    """
    now = read_signoff(run.path)
    opens = [record for record in records if record["kind"] == "superseded"]
    if now.final and not opens:
        raise StoreError(
            f"{run.path}: edition {now.edition} is final and cannot be changed; open a new one "
            "with `auscult signoff supersede`."
        )
    if opens and not now.final:
        raise AuditError(
            f"{run.path}: edition {now.edition} is not final, so there is nothing to supersede; "
            "change it as it is."
        )
    return signoff_of(append(run.path, records))


def finalise(
    run: Run, *, by: str, profiles: Sequence[str] = (), key: Path | None = None
) -> tuple[SignOff, Path]:
    """Close the edition: write its report beside the records and bind both together.

    Args:
        run: The run.
        by: Who finalises.
        profiles: Profiles that the report answers; none for all of the run.
        key: Private Ed25519 key of the site, to sign with.

    Returns:
        The sign-off and the filed PDF.

    Raises:
        AuditError: A required field is blank without a reason, a signature is missing, or the
            release shows what it must mask.
        StoreError: The edition is final already, or the run is not as it was written.
    """
    filing = filing_of(run, profiles)
    _refuse(run, filing)
    links = read_chain(run.path)
    record = finalisation(by=by, evidence_sha256=file_sha256(run.path / "evidence.json"))
    if profiles:
        record["profiles"] = list(profiles)
    closing = next_link(run.path, links, record)
    signoff = signoff_of((*links, closing))
    pdf = _report(run, Filing(signoff=signoff, profiles=filing.profiles))
    filed = write_beside(run.path, f"report-{signoff.edition}.pdf", pdf)
    body: dict[str, Any] = {
        "kind": "filed",
        "by": record["by"],
        "time": record["time"],
        "edition": signoff.edition,
        "manifest_sha256": file_sha256(run.path / MANIFEST),
        "finalised_sha256": closing.sha256,
        "files": {filed: hashlib.sha256(pdf).hexdigest()},
    }
    if key is not None:
        body["signature"] = sign(body, key)
    return signoff_of(append(run.path, [record, body])), run.path / filed


def _refuse(run: Run, filing: Filing) -> None:
    if filing.signoff.final:
        raise StoreError(
            f"{run.path}: edition {filing.signoff.edition} is final already; open a new one with "
            "`auscult signoff supersede`."
        )
    found = verify_run(run.path)
    if not found.intact:
        names = ", ".join([*found.altered, *found.missing, *found.added])
        raise StoreError(
            f"{run.path}: cannot be finalised, it is not as it was written ({names}); restore it."
        )
    stands = obstacles(run, filing)
    if not stands.none:
        raise AuditError(
            f"{run.path}: cannot be finalised: {stands.told()}; add them with `auscult signoff`."
        )


def _report(run: Run, filing: Filing) -> bytes:
    from audits.reporting.pdf import report_pdf

    return report_pdf(run.evidence, filing)


def filed_reports(run: Path) -> list[Mapping[str, Any]]:
    """Return the record of every filed report, oldest first.

    Raises:
        StoreError: The records are not as they were written.
    """
    return [link.record for link in read_chain(run) if link.record["kind"] == "filed"]
