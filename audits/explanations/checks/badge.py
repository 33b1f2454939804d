"""Which checks a map gets, and the one word that sums them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from audits.explanations.result import CaseExplanation, Check, Verdict

if TYPE_CHECKING:
    from audits.explanations.request import Request

DELETION = "deletion_rank"
SENSITIVITY = "max_sensitivity"
SIMILARITY = "output_similarity"
COMPLETENESS = "completeness"
RANDOMISATION = "parameter_randomisation"
CHECK_NAMES = (DELETION, SENSITIVITY, SIMILARITY, RANDOMISATION)
DECISIVE = (DELETION, RANDOMISATION)
# Two outputs may rightly look alike (effusion and atelectasis overlap), so this one only informs.
INFORMATIVE = (SIMILARITY,)


def checked_map(request: Request, explanation: CaseExplanation, *, run: bool) -> CaseExplanation:
    """Return a map's explanation with its checks: computed, or named as not checked yet."""
    if explanation.map is None:
        return explanation
    if run:
        from audits.explanations.checks.running import run_checks

        return replace(explanation, checks=(*explanation.checks, *run_checks(request, explanation)))
    waiting = tuple(
        Check(name=name, value=None, null=None, verdict="not_checked") for name in CHECK_NAMES
    )
    return replace(explanation, checks=(*explanation.checks, *waiting))


def badge(checks: Sequence[Check]) -> tuple[Verdict, str]:
    """Return the word for a map and its reason; it says nothing about whether the model is right.

    A failed deletion rank or parameter randomisation makes it *fails*; any other failure makes it
    *weak*; without a deletion rank it is *not_checked*.
    """
    judged = [check for check in checks if check.name not in INFORMATIVE]
    failed = [check.name for check in judged if check.verdict == "fails"]
    for name in failed:
        if name in DECISIVE:
            return "fails", name
    if failed:
        return "weak", failed[0]
    weak = [check.name for check in judged if check.verdict == "weak"]
    if weak:
        return "weak", weak[0]
    if not any(check.name == DELETION and check.verdict == "reflects" for check in judged):
        return "not_checked", ""
    return "reflects", ""
