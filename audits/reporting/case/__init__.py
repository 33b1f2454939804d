"""One case of a run as a person, a record system or an image archive receives it."""

from __future__ import annotations

from audits.reporting.case.question import CaseQuestion
from audits.reporting.case.told import ToldCase, case_of_run

__all__ = ["CaseQuestion", "ToldCase", "case_of_run"]
