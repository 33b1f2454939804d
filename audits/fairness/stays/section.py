"""The section of an output whose predictions repeat during stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.fairness.audit import families_of
from audits.fairness.families import Family, everybody
from audits.fairness.frame import Frame, build_frame
from audits.fairness.rates import predicted_positive
from audits.fairness.statistics.arms import arm_estimate, measure_arm, rows_of_groups
from audits.fairness.statistics.point import Statistic
from audits.fairness.stays.alarms import Alarms, Stays, alarms_of
from audits.fairness.stays.statistics import median_limits, stay_statistics
from audits.fairness.types import Grouping, IntArray, ScoredOutput
from audits.policy import Policy
from audits.types import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Codes:
    """A grouping of stays: that of their first prediction."""

    name: str
    levels: tuple[str, ...]
    codes: npt.NDArray[np.int32]


def stays_section(output: ScoredOutput, stays: Stays, policy: Policy) -> dict[str, Any]:
    """Return event-level results of one output for everybody and every group.

    Exploratory: estimates with intervals clustered by patient, and no verdict. A stay belongs to
    the group of its first prediction.

    Args:
        output: The predictions.
        stays: When they were made, aligned to the output's rows.
        policy: Names the groups.
    """
    if output.threshold is None:
        reason = "no threshold is declared, so no prediction raises an alarm"
        return {"state": "not_available", "reason": reason}
    frame = build_frame(output)
    kept = Stays(
        stay=stays.stay[frame.keep],
        at=stays.at[frame.keep],
        event_at=stays.event_at[frame.keep],
        window=stays.window,
        silence=stays.silence,
        unit=stays.unit,
    )
    if not ((kept.stay >= 0) & np.isfinite(kept.at)).any():
        reason = "no prediction has both a stay and a time"
        return {"state": "not_available", "reason": reason}
    alarms = alarms_of(kept, predicted_positive(frame, output.threshold))
    by_stay = _of_stays(output, frame, alarms)
    whole = build_frame(by_stay)
    families, _ = families_of(whole, by_stay, policy)
    statistics = stay_statistics(alarms)
    groups = [entry for one in families for entry in _groups(whole, one, alarms, statistics)]
    return {
        "state": "computed",
        "window": stays.window,
        "silence": stays.silence,
        "unit": stays.unit,
        "predictions_after_event": int(alarms.late.sum()),
        "overall": _groups(whole, everybody(whole), alarms, statistics)[0],
        "groups": groups,
    }


def _of_stays(output: ScoredOutput, frame: Frame, alarms: Alarms) -> ScoredOutput:
    """Return the output with one row per stay."""
    rows = np.flatnonzero(frame.keep)[alarms.first_row]
    # Without a patient column a stay is a patient of its own.
    patients = None if output.patients is None else output.patients[rows]
    return replace(
        output,
        y=alarms.event.astype(np.float64),
        score=np.zeros(len(rows)),
        weights=None,
        patients=patients,
        attributes=tuple(_taken(item, rows) for item in output.attributes),
    )


def _taken(item: Grouping, rows: IntArray) -> _Codes:
    return _Codes(name=item.name, levels=item.levels, codes=np.asarray(item.codes)[rows])


def _groups(
    frame: Frame, family: Family, alarms: Alarms, statistics: Sequence[Statistic]
) -> list[dict[str, Any]]:
    out = []
    for label, rows in zip(family.labels, rows_of_groups(family), strict=True):
        metrics = {
            one.metric: arm_estimate(frame, one, measure_arm(frame, one, rows)).to_dict()
            for one in statistics
        }
        metrics["median_lead_time"] = _median(frame, alarms, rows).to_dict()
        patients = len(np.unique(frame.patient[rows])) if frame.named_patients else None
        out.append(
            {
                "attributes": dict(label),
                "n": len(rows),
                "patients": patients,
                "events": int(alarms.event[rows].sum()),
                "metrics": metrics,
            }
        )
    return out


def _median(frame: Frame, alarms: Alarms, rows: IntArray) -> Estimate:
    lead = alarms.lead[rows]
    known = np.isfinite(lead)
    n, method = int(known.sum()), "order statistics"
    who = len(np.unique(frame.patient[rows][known])) if frame.named_patients else None
    found = median_limits(lead)
    if found is None:
        return Estimate.undefined("no event was warned of", n=0, n_patients=who, method=method)
    value, low, high = found
    wide = low < high
    return Estimate(
        value=value,
        low=low if wide else None,
        high=high if wide else None,
        n=n,
        n_patients=who,
        method=method,
        reason=None if wide else "no interval: too few events were warned of",
    )
