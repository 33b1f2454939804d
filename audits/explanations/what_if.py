"""What the model's output would be if some variables had other values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audits.explanations.edits import changed, own_values, plausible_of, scores_of
from audits.explanations.plausible import Plausible, checked_changes
from audits.explanations.result import Score
from audits.explanations.spaces import score_of

if TYPE_CHECKING:
    from audits.explanations.request import Request

NOT_ADVICE = (
    "What the model's output would be. It says nothing about what would happen to the patient: "
    "the model has learnt associations and no effects of treatment."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The model's output under other values.

    Attributes:
        changes: Name -> (value before, value after).
        before: The patient's score.
        after: What the model's output would be.
    """

    changes: Mapping[str, tuple[float | str | None, float | str | None]]
    before: Score
    after: Score

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "changes": [
                {"name": name, "from": one, "to": other}
                for name, (one, other) in self.changes.items()
            ],
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "note": NOT_ADVICE,
        }


def what_if(
    request: Request, changes: Mapping[str, Any], *, known: Mapping[str, Plausible] | None = None
) -> WhatIf:
    """Return what the model's output would be with some values changed.

    Args:
        request: The case.
        changes: Name -> value, text with a unit, category, or None for “not measured”.
        known: What each variable may be set to, where it is asked about many times; default read
            from the cohort.

    Raises:
        ExplanationError: If the model takes no variable, or a value is not plausible, in one
            sentence.
    """
    wanted = checked_changes(changes, known or plausible_of(request))
    own = own_values(request)
    after = scores_of(request, changed(request, [wanted]))
    return WhatIf(
        changes={name: (own[name], value) for name, value in wanted.items()},
        before=request.score,
        after=score_of(after[0], request.index, request.adapter.output),
    )
