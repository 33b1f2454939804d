"""A preview of what group-wise thresholds and recalibration would change, on held-out patients."""

from __future__ import annotations

from audits.fairness.mitigation.preview import preview_mitigation

__all__ = ["preview_mitigation"]
