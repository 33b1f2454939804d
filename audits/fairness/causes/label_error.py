"""How wrong would a group's labels have to be for its gap to vanish?

With a group's label sensitivity Se (share of true positives labelled so) and specificity Sp,
unrelated to the score given the truth, Rogan and Gladen (1978) recover a true share as
``(observed + Sp − 1) / (Se + Sp − 1)``. Applied to flagged and unflagged cases alike it corrects
every rate: missed labels (Se < 1) raise the FPR and lower PPV and prevalence; false labels
(Sp < 1) lower the TPR. The tipping point is the label error nearest to none at which the gap is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from audits.fairness.causes.influence import Mean, estimate, mean_over, patients_in
from audits.fairness.causes.rows import Pair, Rows, pairs_of
from audits.fairness.types import FloatArray
from audits.types import Estimate

ASSUMPTION = (
    "Only this group's labels err, the reference's are right, and given the truth an error does "
    "not depend on the score."
)
_ROUNDING = 1e-9
_PARAMETER = {
    "tpr": "specificity",
    "fpr": "sensitivity",
    "ppv": "sensitivity",
    "prevalence": "sensitivity",
}


def rogan_gladen(observed: float, sensitivity: float, specificity: float) -> float | None:
    """Return the true share behind an observed one, clipped to [0, 1]; None where Se + Sp ≤ 1.

    Example:
        >>> round(rogan_gladen(0.26, 0.8, 0.9), 4)
        0.2286
    """
    informative = sensitivity + specificity - 1
    if informative <= 0:
        return None
    return float(np.clip((observed + specificity - 1) / informative, 0.0, 1.0))


def corrected_rates(
    counts: tuple[float, float, float, float], sensitivity: float, specificity: float
) -> dict[str, float | None]:
    """Return TPR, FPR, PPV and prevalence after correcting labels, from (tp, fn, fp, tn).

    A rate is None where the error is larger than the counts allow.
    """
    tp, fn, fp, tn = counts
    flagged, quiet = tp + fp, fn + tn
    informative = sensitivity + specificity - 1
    blank: dict[str, float | None] = dict.fromkeys(_PARAMETER)
    if informative <= 0:
        return blank
    sick_flagged = (tp - (1 - specificity) * flagged) / informative
    sick_quiet = (fn - (1 - specificity) * quiet) / informative
    sick = sick_flagged + sick_quiet
    well = flagged + quiet - sick
    if min(sick_flagged, sick_quiet, flagged - sick_flagged, quiet - sick_quiet) < -_ROUNDING:
        return blank
    return {
        "tpr": sick_flagged / sick if sick > _ROUNDING else None,
        "fpr": (flagged - sick_flagged) / well if well > _ROUNDING else None,
        "ppv": sick_flagged / flagged if flagged > 0 else None,
        "prevalence": sick / (flagged + quiet),
    }


def tipping_points(rows: Rows) -> dict[str, Any]:
    """Return, for each group and metric, the label error that would erase the gap."""
    metrics = [m for m in _PARAMETER if m == "prevalence" or rows.called is not None]
    points = []
    for split in rows.splits:
        for pair in pairs_of(split):
            points += [
                {
                    "metric": metric,
                    **pair.named(),
                    "parameter": _PARAMETER[metric],
                    "tipping_point": _point(rows, metric, pair).to_dict(),
                }
                for metric in metrics
            ]
    return {"assumption": ASSUMPTION, "points": points}


def _point(rows: Rows, metric: str, pair: Pair) -> Estimate:
    """Solve the corrected rate of the group for the reference's rate.

    Every solution is a ratio of two linear combinations of the group's counts: Se = A/B, or
    1 − Sp = A/B for the TPR.
    """
    y = rows.y.astype(np.float64)
    called = np.ones(rows.n) if rows.called is None else rows.called.astype(np.float64)
    base = {"tpr": rows.y, "fpr": ~rows.y, "ppv": called > 0, "prevalence": np.ones_like(rows.y)}
    hit = y if metric in ("ppv", "prevalence") else called
    reference = mean_over(hit, pair.other & base[metric])
    own = mean_over(hit, pair.group & base[metric])
    used = pair.group | pair.other
    n = int(used.sum())
    if not (np.isfinite(reference.value) and np.isfinite(own.value)):
        return Estimate.undefined("one side has no such cases", n=n)
    rate = reference.value
    top, bottom = _fraction(metric, y, called, rate)
    a, b = mean_over(top, pair.group), mean_over(bottom, pair.group)
    # The reference's rate enters both parts: its own sampling error moves the answer, too.
    slope_a, slope_b = (float(np.mean(part[pair.group])) for part in _slopes(metric, y, called))
    if abs(b.value) < 1e-12:  # noqa: PLR2004 - rounding of a zero
        return Estimate.undefined("no label error of this kind moves the gap", n=n)
    ratio = a.value / b.value
    influence = _ratio_influence(a, b, reference, slope_a, slope_b)
    error = metric == "tpr"
    value = 1 - ratio if error else ratio
    if not (0 < value < 1 and _allowed(metric, y, called, pair, value)):
        return Estimate.undefined(
            f"no label {_PARAMETER[metric]} that these counts allow erases the gap", n=n
        )
    return estimate(
        rows,
        value,
        -influence if error else influence,
        used,
        fewest=min(patients_in(rows, pair.group), patients_in(rows, pair.other)),
        bounds=(0.0, 1.0),
    )


def _fraction(
    metric: str, y: FloatArray, called: FloatArray, rate: float
) -> tuple[FloatArray, FloatArray]:
    """Return per-row terms whose group means are A and B of the answer A/B."""
    if metric == "tpr":  # (tp − e·flagged) / (sick − e·n) = rate, solved for e = 1 − Sp
        return y * called - rate * y, called - rate
    if metric == "fpr":  # (flagged − tp/Se) / (n − sick/Se) = rate
        return y * called - rate * y, called - rate
    if metric == "ppv":  # (tp/Se) / flagged = rate
        return y * called, rate * called
    return y, np.full(len(y), rate)  # (sick/Se) / n = rate


def _slopes(metric: str, y: FloatArray, called: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the derivatives of both terms by the reference's rate."""
    one = np.ones(len(y))
    if metric in ("tpr", "fpr"):
        return -y, -one
    return 0 * one, called if metric == "ppv" else one


def _ratio_influence(
    a: Mean, b: Mean, reference: Mean, slope_a: float, slope_b: float
) -> FloatArray:
    numerator = a.influence + slope_a * reference.influence
    denominator = b.influence + slope_b * reference.influence
    return np.asarray((numerator - a.value / b.value * denominator) / b.value)


def _allowed(metric: str, y: FloatArray, called: FloatArray, pair: Pair, value: float) -> bool:
    """Return whether the group's counts allow a label error of this size."""
    kind = (2 * y + called)[pair.group].astype(np.int64)
    tn, fp, fn, tp = np.bincount(kind, minlength=4).tolist()
    error = {"sensitivity": 1.0, "specificity": 1.0, _PARAMETER[metric]: value}
    return corrected_rates((tp, fn, fp, tn), **error)[metric] is not None
