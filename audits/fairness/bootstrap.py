"""A bootstrap of patients whose cost does not grow with their number.

Patients with the same counts per group, label and prediction are interchangeable: one multinomial
draw over the distinct profiles is exactly a resample of all patients, and every rate of every
group follows from one small matrix product. A view beside the analytic intervals, never a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from audits.fairness.audit import families_of
from audits.fairness.families import Family, everybody
from audits.fairness.frame import Frame, build_frame
from audits.fairness.on_device import resample_on
from audits.fairness.rates import DENOMINATORS, predicted_positive
from audits.fairness.types import BoolArray, FloatArray, IntArray, ScoredOutput
from audits.policy import Policy
from audits.types import Estimate

REPLICATES = 1_000
NOTE = (
    "A view beside the analytic intervals. Percentile intervals are too narrow where a group has "
    "few patients; verdicts never use them."
)
_CHUNK = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """Distinct patients.

    Attributes:
        counts: How many patients have each profile, (profiles,).
        cells: Rows of each profile in each cell group·4 + 2·label + predicted, sparse.
        groups: Number of groups.
    """

    counts: IntArray
    cells: csr_matrix
    groups: int


def patient_profiles(frame: Frame, family: Family, predicted: BoolArray) -> Profiles:
    """Collapse patients whose rows fall into the same cells the same number of times."""
    inside = family.code < family.size
    cell = (family.code * 4 + frame.positive * 2 + predicted)[inside]
    patient = frame.patient[inside]
    width = family.size * 4
    if not frame.clustered:
        counts = np.bincount(cell, minlength=width)
        held = np.flatnonzero(counts)
        ones = np.ones(len(held))
        matrix = csr_matrix((ones, (np.arange(len(held)), held)), shape=(len(held), width))
        return Profiles(counts=counts[held], cells=matrix, groups=family.size)
    # Equal sums of random 64-bit keys: two unlike profiles collide once in 2**64.
    keys = np.random.default_rng(0x5EED).integers(0, 2**64, width, dtype=np.uint64)
    order = np.argsort(patient, kind="stable")
    start = np.flatnonzero(np.diff(patient[order], prepend=-1))
    hashed = np.add.reduceat(keys[cell[order]], start)
    _, first, profile, counts = np.unique(
        hashed, return_index=True, return_inverse=True, return_counts=True
    )
    chosen = np.zeros(len(start), dtype=np.bool_)
    chosen[first] = True
    of_row = np.repeat(np.arange(len(start)), np.diff(np.append(start, len(order))))
    used = chosen[of_row]
    rows, columns = profile.reshape(-1)[of_row[used]], cell[order][used]
    matrix = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(counts), width))
    return Profiles(counts=counts, cells=matrix, groups=family.size)


def resample_rates(
    profiles: Profiles, *, replicates: int = REPLICATES, seed: int = 0, device: str = "cpu"
) -> dict[str, FloatArray]:
    """Return every rate in every replicate, (replicates, groups); NaN where undefined.

    Args:
        profiles: Distinct patients.
        replicates: Resamples.
        seed: Of the resamples; the law is the same on every device, the draws are not.
        device: ``cuda`` draws on the GPU.
    """
    if device == "cuda":
        dense = profiles.cells.toarray()
        drawn = resample_on(device, profiles.counts, dense, replicates=replicates, seed=seed)
    else:
        drawn = _resampled(profiles, replicates, seed)
    pairs = _fractions(drawn.reshape(replicates, profiles.groups, 4))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {name: np.where(m > 0, k / m, np.nan) for name, (k, m) in pairs.items()}


def _resampled(profiles: Profiles, replicates: int, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    patients = int(profiles.counts.sum())
    share = profiles.counts / max(patients, 1)
    parts = []
    step = max(1, _CHUNK // max(len(share), 1))
    for begin in range(0, replicates, step):
        size = min(step, replicates - begin)
        weights = rng.multinomial(patients, share, size=size)
        parts.append(np.asarray(profiles.cells.T.dot(weights.T.astype(np.float64))).T)
    return np.concatenate(parts)


def _fractions(cells: FloatArray) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return numerator and denominator of every rate from cells (…, 4)."""
    tn, fp, fn, tp = (cells[..., index] for index in range(4))
    rows = tn + fp + fn + tp
    return {
        "tpr": (tp, tp + fn),
        "fpr": (fp, fp + tn),
        "tnr": (tn, fp + tn),
        "fnr": (fn, tp + fn),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
        "accuracy": (tp + tn, rows),
        "selection_rate": (tp + fp, rows),
        "prevalence": (tp + fn, rows),
    }


def bootstrap_estimates(  # noqa: PLR0913 - what is resampled, how often and where
    frame: Frame,
    family: Family,
    predicted: BoolArray,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    level: float = 0.95,
    device: str = "cpu",
) -> dict[str, list[Estimate]]:
    """Return percentile intervals of every rate; replicates without a denominator are left out.

    Their share is stated as the reason. A rate that no replicate varies has no interval.
    """
    profiles = patient_profiles(frame, family, predicted)
    drawn = resample_rates(profiles, replicates=replicates, seed=seed, device=device)
    whole = np.asarray(profiles.cells.T.dot(profiles.counts.astype(np.float64))).reshape(-1, 4)
    out: dict[str, list[Estimate]] = {}
    tails = [(1 - level) / 2, (1 + level) / 2]
    for metric in DENOMINATORS:
        values = drawn[metric]
        out[metric] = [
            _percentile(metric, whole[group], values[:, group], tails, level)
            for group in range(family.size)
        ]
    return out


def _percentile(
    metric: str, cells: FloatArray, values: FloatArray, tails: list[float], level: float
) -> Estimate:
    numerator, denominator = _fractions(cells)[metric]
    k, n = float(numerator), float(denominator)
    method = f"percentile bootstrap of patients, {len(values)} replicates"
    if n == 0:
        return Estimate.undefined(f"no {DENOMINATORS[metric]}", n=0, method=method)
    usable = values[~np.isnan(values)]
    lost = 1 - len(usable) / len(values)
    reason = f"{lost:.1%} of replicates undefined" if lost else None
    low, high = (float(item) for item in np.quantile(usable, tails)) if len(usable) else (0.0, 0.0)
    varies = high > low
    return Estimate(
        value=k / n,
        low=low if varies else None,
        high=high if varies else None,
        level=level,
        k=int(k),
        n=int(n),
        method=method,
        reason=reason if varies else "no interval: no replicate differs",
    )


def bootstrap_section(
    output: ScoredOutput, policy: Policy, *, replicates: int, seed: int = 0, device: str = "cpu"
) -> dict[str, Any]:
    """Return intervals of resampled patients for everybody and every group: a view, no test.

    Args:
        output: One output with a threshold.
        policy: Says which groups there are.
        replicates: Resamples of the patients.
        seed: Of the resamples.
        device: ``cuda`` draws on the GPU.
    """
    if output.threshold is None:
        return {"state": "not_available", "reason": "no threshold is declared"}
    frame = build_frame(output)
    families, _ = families_of(frame, output, policy)
    predicted = predicted_positive(frame, output.threshold)
    groups = []
    for family in (everybody(frame), *families):
        found = bootstrap_estimates(
            frame, family, predicted, replicates=replicates, seed=seed, device=device
        )
        groups += [
            {
                "attributes": dict(label),
                "metrics": {name: values[index].to_dict() for name, values in found.items()},
            }
            for index, label in enumerate(family.labels)
        ]
    return {
        "state": "computed",
        "replicates": replicates,
        "device": device,
        "note": NOTE,
        "groups": groups,
    }
