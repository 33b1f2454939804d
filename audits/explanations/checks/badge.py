"""Which checks an explanation gets, and the one word that sums them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from audits.explanations.checks.names import (
    DECISIVE,
    DELETION,
    INFORMATIVE,
    MAP_CHECKS,
    VARIABLE_CHECKS,
)
from audits.explanations.result import CaseExplanation, Check, Verdict

if TYPE_CHECKING:
    from audits.explanations.request import Request


def checked(request: Request, explanation: CaseExplanation, *, run: bool) -> CaseExplanation:
    """Return an explanation with its checks: computed, or named as not checked yet."""
    if run:
        from audits.explanations.checks.running import run_checks

        return replace(explanation, checks=(*explanation.checks, *run_checks(request, explanation)))
    waiting = tuple(
        Check(name=name, value=None, null=None, verdict="not_checked")
        for name in (VARIABLE_CHECKS if explanation.map is None else MAP_CHECKS)
        if name not in {check.name for check in explanation.checks}
    )
    return replace(explanation, checks=(*explanation.checks, *waiting))


def badge(checks: Sequence[Check]) -> tuple[Verdict, str]:
    """Return the word for an explanation and its reason, not whether the model is right.

    A failed deletion rank, parameter randomisation or additivity makes it *fails*; any other
    failure makes it *weak*; without a deletion rank it is *not_checked*.
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
