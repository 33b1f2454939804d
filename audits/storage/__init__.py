"""Runs on disk: written whole or not at all, hashed file by file, remembered in a registry.

A run folder is the one result that screen, command line, exports and gate read. It is written
into a hidden sibling folder and renamed into place, so a reader never meets half a run.
"""

from __future__ import annotations

from audits.storage.canonical import canonical_json, file_sha256, sha256_of
from audits.storage.home import home_folder
from audits.storage.names import file_name_of, name_of_file
from audits.storage.registry import GateRecord, RunRecord, Store, list_runs
from audits.storage.reviews import CaseReview, Reviews, reviews_bytes
from audits.storage.run import Run, open_run
from audits.storage.verify import Verification, refuse_altered, verify_run
from audits.storage.writer import RunWriter

__all__ = [
    "CaseReview",
    "GateRecord",
    "Reviews",
    "Run",
    "RunRecord",
    "RunWriter",
    "Store",
    "Verification",
    "canonical_json",
    "file_name_of",
    "file_sha256",
    "home_folder",
    "list_runs",
    "name_of_file",
    "open_run",
    "refuse_altered",
    "reviews_bytes",
    "sha256_of",
    "verify_run",
]
