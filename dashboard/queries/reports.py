"""Exports of a run and its verification; every file is made from ``evidence.json``."""

from __future__ import annotations

from pathlib import Path

from audits.reporting.tables import tables_zip
from audits.storage import Verification, verify_run
from dashboard.queries.runs import RunRef, load_run


def evidence_bytes(ref: RunRef) -> bytes:
    """Return ``evidence.json`` as it lies in the run, byte for byte."""
    return (Path(ref.path) / "evidence.json").read_bytes()


def manifest_bytes(ref: RunRef) -> bytes:
    """Return ``manifest.json`` as it lies in the run."""
    return (Path(ref.path) / "manifest.json").read_bytes()


def tables_bytes(ref: RunRef) -> bytes:
    """Return every table of the evidence as CSV files in one zip."""
    return tables_zip(load_run(ref).evidence)


def verify(ref: RunRef) -> Verification:
    """Compare the run folder with its manifest, now.

    Raises:
        StoreError: The folder is gone or is no run.
    """
    return verify_run(ref.path)
