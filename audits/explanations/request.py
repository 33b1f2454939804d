"""What is asked: which score of which case, opened and checked before any method runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError
from audits.explanations.backgrounds import Background, CaseSource, audit_background
from audits.explanations.result import Score
from audits.explanations.segmentation.regions import Region, parse_region
from audits.explanations.segmentation.scores import RegionScores, explainable, fixed_to
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
        given_background: Background chosen by the caller, or None for one that is drawn.
        cohort: Name of the cohort it is drawn from.
        region: What is asked of a segmentation; None for every other model.
        since: Hours back to the earlier prediction that a change is told from; None for a
            quarter of the window.
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
    cohort: str = "all"
    region: Region | None = None
    since: float | None = None

    @property
    def output(self) -> str:
        """Return the name of the output."""
        return self.adapter.output.names[self.index]

    @property
    def score(self) -> Score:
        """Return the score on both scales."""
        return score_of(self.scores[0], self.index, self.adapter.output)

    def background(self) -> Background:
        """Return the caller's background, or draw one from the named cohort."""
        return self.given_background or self.background_of(self.cohort)

    def background_of(self, cohort: str) -> Background:
        """Draw a background from a named cohort.

        Raises:
            ExplanationError: If the study cannot form that cohort for this case.
        """
        return audit_background(
            self.study, self.adapter, seed=self.seed, cohort=cohort, case=self.case
        )

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


def open_request(  # noqa: PLR0913 - what is asked of one case
    study: CaseSource,
    adapter: ModelAdapter,
    case: str,
    *,
    output: str | None = None,
    seed: int = 0,
    background: Background | str | None = None,
    region: str | None = None,
    since: float | None = None,
) -> Request:
    """Open a case and predict it.

    Args:
        study: The study.
        adapter: The model.
        case: Case id.
        output: Name of an output; default the one with the highest score.
        seed: Seed of everything drawn.
        background: Cohort for effects, or the name of one; default drawn from all audited cases.
        region: Which pixels of a segmentation; default what the model segments.
        since: Hours back to the prediction that a change is told from.

    Raises:
        ExplanationError: If the case or the output does not exist, its inputs cannot be used, or
            the region does not fit the model or the image.
    """
    adapter = explainable(adapter)
    asked = _region(adapter, region)
    if case not in set(study.case_ids):
        raise ExplanationError(
            f"case: {case!r} is not among the {len(study.case_ids)} audited cases of study "
            f"{study.name!r}, which are {shown(study.case_ids)}; give one of them"
        )
    raw, usable, skipped = study.raw_batch(adapter.inputs, [case])
    if not usable:
        reason = skipped[0].reason if skipped else "its inputs are not in the study"
        reason = reason.removeprefix(f"Case {case}: ").rstrip(".")
        raise ExplanationError(f"Case {case!r} cannot be explained: {reason}.")
    prepared = adapter.prepare(raw)
    if asked is not None:
        adapter = held_still(study, adapter, case, raw, prepared, asked)
    scores = adapter.predict(prepared)
    if not np.isfinite(scores).all():
        raise ExplanationError(
            f"case {case!r} cannot be explained: {adapter.card.key} gives it no score, which "
            "happens where inputs are missing that it cannot do without; complete them, or "
            "declare impute in the model's encoding"
        )
    return Request(
        study=study,
        adapter=adapter,
        case=case,
        index=output_index(adapter, output, scores[0]),
        raw=raw,
        prepared=prepared,
        scores=scores,
        seed=seed,
        given_background=None if isinstance(background, str) else background,
        cohort=background if isinstance(background, str) else "all",
        region=asked,
        since=since,
    )


def held_still(
    study: CaseSource,
    adapter: ModelAdapter,
    case: str,
    raw: Batch,
    prepared: Mapping[str, Any],
    region: Region,
) -> ModelAdapter:
    """Return a segmentation model that is asked about the same pixels whatever is blanked."""
    scores = cast("RegionScores", adapter)
    image = raw[scores.inputs[0].name][0]
    native = image.pixels.shape[:-1] if image.colour else image.pixels.shape
    references = {}
    if region.kind == "reference":
        references = {one: reference_of(study, scores, case, one) for one in scores.output.names}
    fixed = fixed_to(scores, prepared, region, native=native, references=references)
    return cast("ModelAdapter", fixed)


def reference_of(
    study: CaseSource, adapter: ModelAdapter, case: str, output: str
) -> npt.NDArray[np.bool_] | None:
    """Return the study's mask of an output on the stored image, or None where it has none."""
    ask = getattr(study, "reference_mask", None)
    found: npt.NDArray[np.bool_] | None = ask(case, adapter.inputs[0], output) if ask else None
    return found


def _region(adapter: ModelAdapter, region: str | None) -> Region | None:
    if isinstance(adapter, RegionScores):
        return parse_region(region or "mask")
    if region is None:
        return None
    raise ExplanationError(
        f"region: {adapter.card.key} gives one score per case and no segmentation, found "
        f"{region!r}; leave it out"
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
