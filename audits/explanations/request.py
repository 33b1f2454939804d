"""What is asked: which score of which case, opened and checked before any method runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError
from audits.explanations.backgrounds import Background, CaseSource, audit_background
from audits.explanations.result import Score
from audits.explanations.spaces import explained, saturated, score_of
from audits.types import Finding

if TYPE_CHECKING:
    from model_adapters.base import Batch, ModelAdapter

NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One score of one case.

    Attributes:
        study: Where the case comes from.
        adapter: The model.
        case: Case id.
        index: Which output.
        raw: The case as the study gives it, one row.
        prepared: The case as the model takes it, one row.
        scores: (1, outputs) in ``output.space``.
        seed: Seed of everything drawn.
        given_background: Background chosen by the caller, or None for the default.
    """

    study: CaseSource
    adapter: ModelAdapter
    case: str
    index: int
    raw: Batch
    prepared: Mapping[str, Any]
    scores: npt.NDArray[np.float64]
    seed: int
    given_background: Background | None = None

    @property
    def output(self) -> str:
        """Return the name of the output."""
        return self.adapter.output.names[self.index]

    @property
    def score(self) -> Score:
        """Return the score on both scales."""
        return score_of(self.scores[0], self.index, self.adapter.output)

    def background(self) -> Background:
        """Return the caller's background, or draw the default one."""
        return self.given_background or audit_background(self.study, self.adapter, seed=self.seed)

    def predict(self, prepared: Mapping[str, Any]) -> npt.NDArray[np.float64]:
        """Return (n, outputs) on the explained scale."""
        return explained(self.adapter.predict(prepared), self.adapter.output.space)

    def findings(self) -> tuple[Finding, ...]:
        """Return what the score itself asks to be said."""
        if not saturated(self.scores[:, self.index], self.adapter.output.space)[0]:
            return ()
        message = (
            "The probability is so near 0 or 1 that its log-odds are not known; effects on the "
            "log-odds scale are cut off there."
        )
        return (Finding(severity="warning", where=f"explanation.{self.case}", message=message),)


def open_request(
    study: CaseSource,
    adapter: ModelAdapter,
    case: str,
    *,
    output: str | None = None,
    seed: int = 0,
    background: Background | None = None,
) -> Request:
    """Open a case and predict it.

    Args:
        study: The study.
        adapter: The model.
        case: Case id.
        output: Name of an output; default the one with the highest score.
        seed: Seed of everything drawn.
        background: Cohort for effects, default drawn from the audited cases.

    Raises:
        ExplanationError: If the case or the output does not exist, or its inputs cannot be used.
    """
    if case not in set(study.case_ids):
        raise ExplanationError(
            f"case: {case!r} is not among the {len(study.case_ids)} audited cases of study "
            f"{study.name!r}, which are {shown(study.case_ids)}; give one of them"
        )
    raw, usable, skipped = study.raw_batch(adapter.inputs, [case])
    if not usable:
        reason = skipped[0].reason if skipped else "its inputs are not in the study"
        raise ExplanationError(
            f"case {case!r} cannot be explained: {reason.rstrip('.')}; "
            "explain a case whose inputs are shipped"
        )
    prepared = adapter.prepare(raw)
    scores = adapter.predict(prepared)
    return Request(
        study=study,
        adapter=adapter,
        case=case,
        index=output_index(adapter, output, scores[0]),
        raw=raw,
        prepared=prepared,
        scores=scores,
        seed=seed,
        given_background=background,
    )


def output_index(adapter: ModelAdapter, output: str | None, scores: npt.NDArray[np.float64]) -> int:
    """Return the position of an output; without a name, of the highest score."""
    names = adapter.output.names
    if output is None:
        return int(np.argmax(scores))
    if output not in names:
        raise ExplanationError(
            f"output: {adapter.card.key} gives no {output!r}; it gives {', '.join(names)}"
        )
    return names.index(output)


def shown(names: Any) -> str:
    """Return the first few names and how many more there are."""
    first = ", ".join(list(names)[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return first + (f" and {more} more" if more > 0 else "")
