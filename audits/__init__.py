"""What an audit is: cohorts, predictions, explanations, statistics, runs and reports.

The names below are the public API; each loads what it needs when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audits.explanations.case import explain_case
    from audits.running.api import audit_predictions
    from audits.running.comparison import compare_predictions

_HOMES = {
    "audit_predictions": "audits.running.api",
    "compare_predictions": "audits.running.comparison",
    "explain_case": "audits.explanations.case",
}

__all__ = ["audit_predictions", "compare_predictions", "explain_case"]


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'audits' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
