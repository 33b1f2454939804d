"""Groups of patients that nobody declared and for whom a model errs more often."""

from __future__ import annotations

from audits.fairness.slices.discover import discover_slices

__all__ = ["discover_slices"]
