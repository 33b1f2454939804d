"""From effects by case to a verdict: used, not used beyond the margin, or inconclusive.

The deciding number is the effect of removing the suspect minus the effect of a sham patch of the
same size in the same zone, averaged within each label and then over labels, so that a suspect
that merely occurs more often with the disease cannot pass for a cause. Intervals and tests
resample whole patients. Maps and probes are shown beside it and decide nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.explanations.shortcuts.markers import MARKER
from audits.explanations.shortcuts.regions import BORDER, OUTSIDE
from audits.explanations.shortcuts.subject import MeasuredSuspect
from audits.types import Estimate

DEFAULT_MARGIN = 0.25
"""Log-odds: moves a probability of 50 % by six points, less than models of two seeds differ."""

ALPHA = 0.05
RESAMPLES = 2000
FEWEST_PATIENTS = 8
METHOD = "percentile bootstrap by patient, labels weighted alike"
LIMITS = (
    "Removing a suspect shows that the model reacts to it, not that it is wrong because of it; "
    "what was not tested may still be used; cases without room for a sham are left out. In the "
    "border and outside the anatomy the patch is tested that the model's own map points at: what "
    "is spread over the whole zone, such as its brightness, moves patch and sham alike."
)
UNESTABLISHED = {
    "used": "That the score reacts to the {suspect} is shown, which it may do although the "
    "{suspect} says nothing about the finding; that its errors come from it, and that nothing "
    "else is used, is not.",
    "not_used": "Only this suspect, where the masks or the map find it in this study, was tested; "
    "that the model uses no shortcut is not shown.",
    "inconclusive": "Neither use of the {suspect} nor freedom from it is shown: this is no "
    "clearance.",
}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Difference:
    """Effect minus sham of one output: mean, standard error and 90 % interval."""

    mean: float
    se: float
    low: float
    high: float
    patients: int


def judge_shortcuts(
    measured: Sequence[MeasuredSuspect], *, margin: float = DEFAULT_MARGIN, seed: int = 0
) -> dict[str, Any]:
    """Give every suspect of every output its verdict, with one correction over all of them.

    *used*: the difference lies beyond the margin (q <= 0.05, Benjamini-Hochberg);
    *not_used*: its 90 % interval lies inside the margin; *inconclusive*: neither, or fewer than
    8 patients.

    Args:
        measured: Suspects of all models of a run.
        margin: Largest difference that does not matter, in units of the explained score.
        seed: Seed of the bootstrap.

    Returns:
        The contract's ``shortcuts``: ``{"outputs": [...], "margin", "does_not_establish"}``.
    """
    pairs = [(one, place) for one in measured for place in range(len(one.outputs))]
    differences = [_difference(one, place, seed) for one, place in pairs]
    p_values = [None if one is None else _p_beyond(one, margin) for one in differences]
    q_values = benjamini_hochberg(p_values)
    outputs = [
        _entry(one, place, difference, q, margin, seed)
        for (one, place), difference, q in zip(pairs, differences, q_values, strict=True)
    ]
    return {"outputs": outputs, "margin": margin, "does_not_establish": LIMITS}


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Return q-values; None stays None and does not count (Benjamini and Hochberg, 1995)."""
    known = [place for place, p in enumerate(p_values) if p is not None]
    p = np.array([p_values[place] for place in known], dtype=float)
    order = np.argsort(-p)
    rank = len(p) - np.arange(len(p))
    q = np.minimum.accumulate(p[order] * len(p) / rank) if len(p) else p
    out: list[float | None] = [None] * len(p_values)
    for place, value in zip(order, q, strict=True):
        out[known[int(place)]] = float(min(value, 1.0))
    return out


def _entry(
    one: MeasuredSuspect,
    place: int,
    difference: _Difference | None,
    q: float | None,
    margin: float,
    seed: int,
) -> dict[str, Any]:
    mass = one.mass_share[:, place]
    known = mass[~np.isnan(mass)]
    labels = one.labels[:, place]
    verdict = _verdict(difference, q, margin)
    entry = {
        "model": one.model,
        "output": one.outputs[place],
        "suspect": one.suspect,
        "effect": _estimate(one.effect[:, place], labels, one.patients, seed).to_dict(),
        "sham": _estimate(one.sham[:, place], labels, one.patients, seed).to_dict(),
        "inserted": _inserted(one, place, seed).to_dict(),
        "difference_90": None if difference is None else [difference.low, difference.high],
        "mass_share": float(known.mean()) if len(known) else None,
        "area_share": float(one.area_share.mean()),
        "margin": margin,
        "q": q,
        "verdict": verdict,
        "does_not_establish": UNESTABLISHED[verdict].format(suspect=_words(one.suspect)),
    }
    if difference is None:
        entry["reason"] = f"fewer than {FEWEST_PATIENTS} patients show it"
    return entry


def _words(suspect: str) -> str:
    return {MARKER: "marker", BORDER: "border", OUTSIDE: "area outside the anatomy"}[suspect]


def _verdict(difference: _Difference | None, q: float | None, margin: float) -> str:
    if difference is None:
        return "inconclusive"
    if q is not None and q <= ALPHA:
        return "used"
    if -margin < difference.low and difference.high < margin:
        return "not_used"
    return "inconclusive"


def _difference(one: MeasuredSuspect, place: int, seed: int) -> _Difference | None:
    if len(np.unique(one.patients)) < FEWEST_PATIENTS:
        return None
    from scipy import stats

    values = (one.effect - one.sham)[:, place]
    mean, draws, patients = _resampled(values, one.labels[:, place], one.patients, seed)
    # The bootstrap's spread is too small by this factor where patients are few.
    se = float(draws.std(ddof=1)) * (patients / (patients - 1)) ** 0.5
    half = float(stats.t.ppf(0.95, patients - 1)) * se
    return _Difference(mean, se, mean - half, mean + half, patients)


def _p_beyond(difference: _Difference, margin: float) -> float:
    """Return the p-value of |difference| > margin, both signs counted.

    The largest chance of so large a difference under any true one within the margin.
    """
    from scipy import stats

    if difference.se == 0:
        return 0.0 if abs(difference.mean) > margin else 1.0
    size, freedom = abs(difference.mean), difference.patients - 1
    near = stats.t.sf((size - margin) / difference.se, freedom)
    far = stats.t.sf((size + margin) / difference.se, freedom)
    return float(min(1.0, near + far))


def _inserted(one: MeasuredSuspect, place: int, seed: int) -> Estimate:
    values = one.inserted[:, place]
    known = ~np.isnan(values)
    if not known.any():
        return Estimate.undefined(
            "every usable case shows the suspect, so it cannot be inserted", n=0, method=METHOD
        )
    unlabelled = np.zeros(int(known.sum()), dtype=np.int8)
    return _estimate(values[known], unlabelled, one.inserted_patients[known], seed)


def _estimate(
    values: Floats, labels: npt.NDArray[np.int8], patients: npt.NDArray[np.int64], seed: int
) -> Estimate:
    mean, draws, count = _resampled(values, labels, patients, seed)
    low, high = np.quantile(draws, [0.025, 0.975])
    enough = count >= FEWEST_PATIENTS
    return Estimate(
        value=mean,
        low=float(low) if enough else None,
        high=float(high) if enough else None,
        n=len(values),
        n_patients=count,
        method=METHOD,
        reason=None if enough else f"fewer than {FEWEST_PATIENTS} patients",
    )


def _resampled(
    values: Floats, labels: npt.NDArray[np.int8], patients: npt.NDArray[np.int64], seed: int
) -> tuple[float, Floats, int]:
    """Return the mean over labels of the mean within, its bootstrap draws, and the patients."""
    codes, membership = np.unique(patients, return_inverse=True)
    strata = [labels == level for level in np.unique(labels)]
    sums = np.zeros((len(codes), len(strata)))
    sizes = np.zeros((len(codes), len(strata)))
    for place, inside in enumerate(strata):
        np.add.at(sums[:, place], membership[inside], values[inside])
        np.add.at(sizes[:, place], membership[inside], 1.0)
    rng = np.random.default_rng(seed)
    share = np.full(len(codes), 1 / len(codes))
    drawn = rng.multinomial(len(codes), share, size=RESAMPLES).astype(float)
    return (
        float((sums.sum(axis=0) / sizes.sum(axis=0)).mean()),
        _mean_over_strata(drawn @ sums, drawn @ sizes),
        len(codes),
    )


def _mean_over_strata(sums: Floats, sizes: Floats) -> Floats:
    """Return the mean of the strata that a draw holds, (draws,)."""
    present = sizes > 0
    means = np.where(present, sums / np.where(present, sizes, 1.0), 0.0)
    return np.asarray(means.sum(axis=1) / present.sum(axis=1))
