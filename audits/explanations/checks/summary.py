"""What the checks of a sample say together, in a form that a release gate can judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audits.explanations.checks import names
from audits.explanations.checks.shown import flagged
from audits.explanations.result import CaseExplanation, Check, Verdict
from audits.fairness.intervals import wilson
from audits.types import Estimate

if TYPE_CHECKING:
    from model_adapters.base import ModelAdapter

MAJORITY = 0.5
QUANTILE_95 = 1.959963984540054
_SEVERITY: Mapping[str, int] = {"not_checked": 0, "reflects": 1, "weak": 2, "fails": 3}
# One failing case is enough: it proves that the numbers do not add up to the score.
_WORST_DECIDES = (names.ADDITIVITY,)
_OF_THE_MODEL = (names.RANDOMISATION,)


def summarise_checks(
    explanations: Sequence[CaseExplanation], adapter: ModelAdapter
) -> list[dict[str, Any]]:
    """Return one entry per output and check.

    A check of single cases reflects where the 95 % Wilson interval of the share of cases that
    reflect lies above one half, fails where it lies below, and is weak where the cases drawn do
    not settle it. Additivity takes its worst case; parameter randomisation is the model's own.
    A map is not shown unasked where the model does not flag the case, so those cases are counted
    beside (``unflagged``) and do not decide.

    Args:
        explanations: Explanations with their checks.
        adapter: The model.

    Returns:
        ``output``, ``name``, ``value`` (median of the cases, or the worst), ``null``,
        ``verdict``, ``decides`` (whether a gate judges it) with a ``reason`` where not, and for
        checks of single cases ``share`` (an ESTIMATE) and ``cases`` (counts by verdict).
    """
    out = []
    for output in adapter.output.names:
        mine = [one for one in explanations if one.output == output]
        shown = [one for one in mine if one.map is None or flagged(one, adapter) is not False]
        hidden = [one for one in mine if one not in shown]
        for name in dict.fromkeys(check.name for one in mine for check in one.checks):
            if name in _WORST_DECIDES + _OF_THE_MODEL:
                entry = _worst(_named(name, mine))
            else:
                entry = majority(_named(name, shown), name)
                entry |= _unflagged(_named(name, hidden))
            reason = _why_not(name, mine[0].method, adapter)
            entry |= {"output": output, "decides": reason is None}
            out.append(entry if reason is None else {**entry, "reason": reason})
    return out


def _why_not(name: str, method: str, adapter: ModelAdapter) -> str | None:
    if name == names.SIMILARITY:
        return "it informs only: two findings may rightly be seen in one place"
    if name == names.INSERTION:
        return "it informs only: what suffices for a score is more than what it needs"
    return names.not_applicable(name, method, adapter)


def _worst(checks: Sequence[Check]) -> dict[str, Any]:
    worst = max(checks, key=lambda check: (_SEVERITY[check.verdict], check.value or 0.0))
    return worst.to_dict()


def _named(name: str, explanations: Sequence[CaseExplanation]) -> list[Check]:
    return [check for one in explanations for check in one.checks if check.name == name]


def _unflagged(checks: Sequence[Check]) -> dict[str, Any]:
    """Return how many checks of cases that are not flagged reflect; empty where none was made."""
    made = [check for check in checks if check.verdict != "not_checked"]
    if not made:
        return {}
    return {"unflagged": {"k": sum(c.verdict == "reflects" for c in made), "n": len(made)}}


def majority(checks: Sequence[Check], name: str) -> dict[str, Any]:
    """Return what one check says over the cases it was made of.

    Args:
        checks: Of single cases, by that name.
        name: What was tested.
    """
    made = [check for check in checks if check.verdict != "not_checked"]
    entry: dict[str, Any] = {
        "name": name,
        "value": _median([check.value for check in made]),
        "null": _median([check.null for check in made]),
        "verdict": "not_checked",
    }
    if not made:
        return entry
    share = _share(sum(check.verdict == "reflects" for check in made), len(made))
    verdicts: tuple[Verdict, ...] = ("reflects", "weak", "fails")
    return {
        **entry,
        "verdict": _settled(share),
        "share": share.to_dict(),
        "cases": [
            {"verdict": word, "k": sum(c.verdict == word for c in made), "n": len(made)}
            for word in verdicts
        ],
    }


def _settled(share: Estimate) -> Verdict:
    if share.low is not None and share.low > MAJORITY:
        return "reflects"
    return "fails" if share.high is not None and share.high < MAJORITY else "weak"


def _share(k: int, n: int) -> Estimate:
    low, high = wilson(k / n, n, QUANTILE_95)
    return Estimate(value=k / n, low=float(low), high=float(high), k=k, n=n, method="wilson")


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
