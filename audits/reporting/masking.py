"""Masking one estimate or one section of the evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from audits.reporting.cells import Hide, is_hidden

_LABELLED = Hide.SIZE | Hide.LABEL
_ANY = _LABELLED | Hide.POSITIVE | Hide.NEGATIVE

# What each metric gives away: (flags that hide its value, count that is its denominator).
_METRICS: Mapping[str, tuple[Hide, str | None]] = {
    "tpr": (_LABELLED | Hide.POSITIVE, "positives"),
    "fnr": (_LABELLED | Hide.POSITIVE, "positives"),
    "fpr": (_LABELLED | Hide.NEGATIVE, "negatives"),
    "tnr": (_LABELLED | Hide.NEGATIVE, "negatives"),
    "prevalence": (_LABELLED, "n"),
    "accuracy": (_ANY, "n"),
    "selection_rate": (_ANY, "n"),
    "ppv": (_ANY, None),
    "npv": (_ANY, None),
    "net_benefit": (_ANY, "n"),
    # A rank or calibration measure printed in full gives positives and negatives away.
    "auroc": (_LABELLED, "n"),
    "auprc": (_LABELLED, "n"),
    "brier": (_LABELLED, "n"),
    "ece_debiased": (_LABELLED, "n"),
    "calibration_slope": (_LABELLED, "n"),
    "calibration_intercept": (_LABELLED, "n"),
    "oe_ratio": (_LABELLED, "n"),
}
_OTHER = (_ANY, "n")

# A count in a section: masked when small, with every other number of the same object.
_COUNTS = frozenset(
    ["n", "k", "cases", "patients", "rows", "missing", "positives", "count", "n_patients"]
)
_ROW_LEVEL = frozenset(["case", "case_ids", "skipped"])


def metric_hidden(metric: str, flags: Hide) -> bool:
    """Return whether a metric of a group with these flags is masked."""
    return bool(_METRICS.get(metric, _OTHER)[0] & flags)


def masked_estimate(metric: str, estimate: Mapping[str, Any], flags: Hide) -> dict[str, Any]:
    """Return the estimate as it may be shown; a numerator of 0 stays."""
    hidden, denominator = _METRICS.get(metric, _OTHER)
    if not hidden & flags:
        return dict(estimate)
    shown = dict.fromkeys(estimate)
    shown |= {k: estimate[k] for k in ("level", "method") if k in estimate}
    if estimate.get("k") == 0:
        shown["k"] = 0
    if estimate.get("n") == 0:
        shown["n"] = 0
    if denominator is not None and not is_hidden(denominator, flags):
        shown |= {k: estimate[k] for k in ("n", "n_patients") if k in estimate}
    return {**shown, "suppressed": True}


def masked_section(value: Any, cell: int) -> Any:
    """Return a section with small counts masked, and whatever stands beside them.

    In a list of which one entry is masked, every entry is: their sum may be known. Lists of
    single cases are left out; they stay in ``internal/``.
    """
    if isinstance(value, Mapping):
        if _is_small(value, cell):
            return without_numbers(value)
        return {k: masked_section(v, cell) for k, v in value.items() if k not in _ROW_LEVEL}
    if isinstance(value, list):
        if any(_any_small(v, cell) for v in value):
            return [without_numbers(v) for v in value]
        return [masked_section(v, cell) for v in value]
    return value


def _is_small(entry: Mapping[str, Any], cell: int) -> bool:
    counts = {k: v for k, v in entry.items() if k in _COUNTS and isinstance(v, int)}
    if any(1 <= v <= cell for v in counts.values()):
        return True
    k, n = counts.get("k"), counts.get("n")
    return k is not None and n is not None and 1 <= n - k <= cell


def _any_small(value: Any, cell: int) -> bool:
    if isinstance(value, Mapping):
        return _is_small(value, cell) or any(_any_small(v, cell) for v in value.values())
    return isinstance(value, list) and any(_any_small(v, cell) for v in value)


def without_numbers(value: Any) -> Any:
    """Return plain data with every number but 0 null, and said to be suppressed."""
    if isinstance(value, Mapping):
        kept = {k: without_numbers(v) for k, v in value.items() if k not in _ROW_LEVEL}
        return {**kept, "suppressed": True}
    if isinstance(value, list):
        return [without_numbers(v) for v in value]
    keep = isinstance(value, bool) or value == 0 or not isinstance(value, (int, float))
    return value if keep else None


def blank(value: Any) -> Any:
    """Return an estimate, or a set of numbers, with every number null."""
    if not isinstance(value, Mapping):
        return None
    keep: Callable[[str], bool] = {"level", "method"}.__contains__
    return {k: v if keep(k) else None for k, v in value.items()} | {"suppressed": True}
