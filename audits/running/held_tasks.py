"""What a finished run holds of survival outputs and detections, as the statistics take it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.errors import AuditError
from audits.fairness.regions.detection import FALSE_ALARM, LESION, Marks
from audits.fairness.survival.outcome import SurvivalOutcome
from audits.running.survival import survival_scores
from audits.storage import Run

DETECTION, SURVIVAL = "detection", "survival"
Numbers = npt.NDArray[np.float64]


def held_survival(
    run: Run, entry: Mapping[str, Any], cases: pd.DataFrame, score: Numbers, space: str
) -> tuple[Numbers, SurvivalOutcome]:
    """Return a survival output's risks and outcome, at the horizon that the run judged it at.

    Args:
        run: The run.
        entry: The output in its evidence.
        cases: Its cases, in the order of the scores.
        score: (n,) scores in ``space``.
        space: Scale of the scores.

    Raises:
        AuditError: The run was made before runs held the times.
    """
    column = f"time__{entry['name']}"
    if column not in cases:
        raise AuditError(
            f"{run.path}, {entry['name']}: the run holds no times, which runs of earlier versions "
            "did not keep; audit the model again, or compare both versions: auscult compare."
        )
    values, probabilities = survival_scores(score, space)
    outcome = SurvivalOutcome(
        time=cases[column].to_numpy(dtype=np.float64),
        horizon=entry["horizon"]["value"],
        unit=entry["horizon"]["unit"],
        probabilities=probabilities,
    )
    return values, outcome


def refuse_other_horizons(base: Run, candidate: Run) -> None:
    """Refuse survival outputs that two runs judged at different times."""
    theirs = {one["name"]: one.get("horizon") for one in candidate.exact["outputs"]}
    for one in base.exact["outputs"]:
        ours, other = one.get("horizon"), theirs.get(one["name"])
        if ours and other and ours["value"] != other["value"]:
            raise AuditError(
                f"{one['name']}: {base.path} judges it at {ours['value']:g} and {candidate.path} "
                f"at {other['value']:g}; audit one of them again at the other's horizon."
            )


def held_marks(cases: pd.DataFrame, name: str, score: Numbers) -> Marks:
    """Return the lesions and false alarms of one version, on the marks of both.

    Args:
        cases: Marks of both versions (see :func:`marks_of_both`).
        name: The output.
        score: (n,) confidences; NaN where this version made no mark.
    """
    image, _ = pd.factorize(cases["image"])
    lesion = cases[f"label__{name}"].to_numpy(dtype=np.float64, na_value=np.nan) == 1
    unmarked = np.isnan(score)
    kind = np.select([lesion, ~unmarked], [LESION, FALSE_ALARM], -1)
    return Marks(
        image=image.astype(np.int64),
        kind=kind.astype(np.int64),
        confidence=np.where(unmarked, -np.inf, score),
    )


def marks_of_both(base: Run, candidate: Run) -> pd.DataFrame:
    """Return the lesions and false alarms of two runs by their ids, the base's first.

    A false alarm of one version is no case that the other missed to score: it stays, and counts
    against the version that made it.

    Raises:
        AuditError: A lesion stands in one of the runs only.
    """
    ours, theirs = (run.cases.set_index("case_id") for run in (base, candidate))
    labels = [name for name in ours.columns if str(name).startswith("label__")]
    for here, there, run in ((ours, theirs, base), (theirs, ours, candidate)):
        alone = here.loc[here.index.difference(there.index)]
        lost = int((alone[labels] == 1).any(axis=1).sum())
        if lost:
            raise AuditError(
                f"{run.path}: {lost:,} lesions stand in this run only; a lesion that a version "
                "does not mark stands in its table without a score."
            )
    new = theirs.loc[theirs.index.difference(ours.index, sort=False)].copy()
    if "patient" in ours and "patient" in theirs:
        # Codes of patients are each run's own: those of an image are told by the marks of both.
        known = ours.drop_duplicates("image").set_index("image")["patient"]
        fresh = new["patient"] + int(ours["patient"].max()) + 1
        new["patient"] = new["image"].map(known).fillna(fresh).astype(ours["patient"].dtype)
    groups = [name for name in ours.columns if str(name).startswith("group__")]
    return pd.concat([frame.astype(dict.fromkeys(groups, object)) for frame in (ours, new)])
