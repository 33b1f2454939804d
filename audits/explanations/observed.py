"""How many of a hundred cases with such a risk had the condition, beside the explanation of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audits.errors import ExplanationError
from audits.explanations.result import CaseExplanation
from audits.fairness.observed_risk import ObservedRate, observed_of, observed_rate, section_of

if TYPE_CHECKING:
    from audits.cohorts import Study
    from model_adapters.base import ModelAdapter

NO_SAMPLE = (
    "it is counted in the predictions of a cohort; name a run of this model (--run), or give the "
    "study a held-out split."
)


def with_observed_risk(
    found: CaseExplanation, study: Study, adapter: ModelAdapter, run: Path | str | None
) -> CaseExplanation:
    """Return the explanation with the observed rate of its risk, or why there is none.

    The rate is that of a run where one is named. Else it is counted in the study's held-out split,
    where models that take a table are run on it.

    Args:
        found: The explanation.
        study: Its study.
        adapter: Its model.
        run: A run folder that holds the model.

    Raises:
        ExplanationError: The run holds no such output of this model.
        StoreError: The run cannot be read.
    """
    risk = found.score.probability
    told: ObservedRate | str
    if run is not None:
        evidence, entry = _entry(run, found)
        told = observed_of(evidence, entry, risk)
    else:
        from audits.running.observed_risk import held_out_sample

        sample = None if risk is None else held_out_sample(study, adapter, found.output)
        empty = {"state": "not_available", "reason": NO_SAMPLE}
        section = empty if sample is None else section_of(sample, None)
        enriched = study.spec.cases.sampling == "enriched"
        told = observed_rate(section, risk, enriched=enriched)
    made = {"state": "not_available", "reason": told} if isinstance(told, str) else told.to_dict()
    return replace(found, observed_risk=made)


def _entry(run: Path | str, found: CaseExplanation) -> tuple[dict[str, Any], Mapping[str, Any]]:
    from audits.storage import open_run

    evidence = open_run(run).evidence
    for entry in evidence["outputs"]:
        if (entry["model"], entry["name"]) == (found.model, found.output):
            return evidence, entry
    raise ExplanationError(
        f"{run}: holds no output {found.output!r} of {found.model}; name a run of this model."
    )
