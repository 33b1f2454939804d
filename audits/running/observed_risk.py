"""Where "x in 100" comes from: observed rates by predicted risk, on the best sample at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audits.errors import PackageError
from audits.fairness.risk_bins import RiskBin, risk_bins

if TYPE_CHECKING:
    from audits.cohorts import Study
    from audits.storage import Run
    from model_adapters.base import ModelAdapter

MOST_CASES = 200_000
HELD_OUT = ("calibration", "tune", "tuning", "validation", "valid", "val", "dev")
"""Names of splits that the model was neither trained nor audited on, best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRisk:
    """Observed rates by predicted risk.

    Attributes:
        bins: From the lowest risk to the highest; none where too few patients are there.
        split: The split they were counted in, None for the audited cases themselves.
        prevalence: Share with the condition in that sample.
        declared_prevalence: The share at the place of use, where the policy declares one.
        enriched: The sample was chosen for the condition, so its rates are nobody's risk.
    """

    bins: tuple[RiskBin, ...]
    split: str | None
    prevalence: float | None
    declared_prevalence: float | None
    enriched: bool


def observed_risk(
    run: Run,
    model: str | None,
    output: str,
    *,
    study: Study | None = None,
    adapter: ModelAdapter | None = None,
    cache: Path | None = None,
) -> ObservedRisk:
    """Count how often the condition was there, by predicted risk.

    Cases of a held-out split are scored where the study has one and the model takes a table, or
    brings their scores; else the audited cases themselves are counted, which ``split`` says.

    Args:
        run: The run.
        model: ``id@version``, or None for a table of predictions.
        output: Name of the output.
        study: The run's study, where its folder is still there.
        adapter: The model, where its folder is still there.
        cache: Folder for computed predictions.
    """
    evidence = run.evidence
    declared = (evidence["policy"].get("deployment") or {}).get("prevalence") or {}
    found = _held_out(study, adapter, output, cache) if study and adapter else None
    split, risk, label, patients = found or (None, *_audited(run, model, output))
    known = np.isfinite(risk) & np.isfinite(label)
    risk, label = risk[known], label[known].astype(np.int64)
    who = None if patients is None else patients[known]
    return ObservedRisk(
        bins=risk_bins(risk, label, who),
        split=split,
        prevalence=float(label.mean()) if len(label) else None,
        declared_prevalence=declared.get(output),
        enriched=evidence["study"].get("sampling") == "enriched",
    )


Sample = tuple[str, np.ndarray, np.ndarray, np.ndarray | None]


def _held_out(
    study: Study, adapter: ModelAdapter, output: str, cache: Path | None
) -> Sample | None:
    from audits.predictions import predict_cohort

    split = _held_out_split(study)
    cheap = {field.modality for field in adapter.inputs} <= {"table", "case_id"}
    if split is None or not cheap or output not in adapter.output.names:
        return None
    try:
        other = study.in_split(split)
        if output not in other.labels or len(other.case_ids) > MOST_CASES:
            return None
        made = predict_cohort(other, adapter, cache=cache)
    except PackageError:
        return None  # a split that cannot be scored is none
    if made.probabilities is None:
        return None
    risk = made.probabilities[:, adapter.output.names.index(output)]
    truth = other.labels[output]
    label = np.where(truth.known, truth.values, np.nan).astype(np.float64)[made.rows]
    patients = None if other.patients is None else other.patients[made.rows]
    return split, risk, label, patients


def _held_out_split(study: Study) -> str | None:
    column = study.spec.cases.split
    if column is None or study.split is None:
        return None
    named = {str(name).lower(): str(name) for name in study.table[column].dropna().unique()}
    own = study.split.lower()
    return next((named[name] for name in HELD_OUT if name in named and name != own), None)


def _audited(
    run: Run, model: str | None, output: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    predictions = run.predictions(model or "scores")
    name = f"prob__{output}"
    cases = run.cases.set_index("case_id").loc[predictions["case_id"]]
    label = cases[f"label__{output}"].astype("float64").to_numpy()
    risk = predictions[name].to_numpy(dtype=np.float64) if name in predictions else label * np.nan
    patients = cases["patient"].to_numpy(dtype=np.int64) if "patient" in cases else None
    return risk, label, patients
