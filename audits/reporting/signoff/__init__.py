"""What people add to a finished run: declared fields, decisions, signatures, the filed report.

A run is never edited. Records are appended beside it (:mod:`audits.storage.chain`), and every
report is made from the evidence and from these records together.
"""

from __future__ import annotations

from audits.reporting.signoff.entries import (
    attestation,
    declaration,
    disparity_action,
    exploratory_limit,
    input_decision,
    reviews_summary,
    supersession,
)
from audits.reporting.signoff.filing import DRAFT, Filing, filing_of, with_signoff
from audits.reporting.signoff.finalise import add_records, finalise
from audits.reporting.signoff.keys import Signature, check_signature, make_key
from audits.reporting.signoff.rules import Obstacles, obstacles
from audits.reporting.signoff.state import DECISIONS, ROLES, SignOff, read_signoff

__all__ = [
    "DECISIONS",
    "DRAFT",
    "ROLES",
    "Filing",
    "Obstacles",
    "SignOff",
    "Signature",
    "add_records",
    "attestation",
    "check_signature",
    "declaration",
    "disparity_action",
    "exploratory_limit",
    "filing_of",
    "finalise",
    "input_decision",
    "make_key",
    "obstacles",
    "read_signoff",
    "reviews_summary",
    "supersession",
    "with_signoff",
]
