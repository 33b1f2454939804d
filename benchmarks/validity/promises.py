"""Promises A and B, the wrong "equivalent", and the power, audit by audit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from audits.fairness.significance import benjamini_hochberg
from benchmarks.validity.audits import ALL, audit, tally
from benchmarks.validity.cohorts import (
    CELLS,
    Design,
    cell_of,
    draw,
    draw_calibrated,
)

SEED = 20_261_121


def promise_a(
    n: int,
    *,
    clustered: bool,
    audits: int,
    first: int = 0,
    auc: float = 0.85,
    metrics: Sequence[str] = ALL,
) -> dict[str, Any]:
    """Count fair audits that show any disparity: nobody differs in TPR, FPR or AUROC."""
    design = Design(n=n, clustered=clustered, auc=auc)
    raised, by_metric, confirmed = 0, dict.fromkeys(metrics, 0), 0
    for rng in streams(range(first, first + audits), "a", n, clustered, auc):
        said = tally(
            audit(
                draw(design, rng),
                threshold=design.threshold,
                clustered=clustered,
                metrics=tuple(metrics),
            )
        )
        raised += said["disparity"] > 0
        confirmed += said["confirmed"] > 0
        for metric in metrics:
            by_metric[metric] += said[f"disparity {metric}"] > 0
    return {"any_disparity": raised, "by_metric": by_metric, "confirmed": confirmed}


def promise_a_calibration(
    n: int, *, clustered: bool, audits: int, first: int = 0
) -> dict[str, Any]:
    """Count audits of calibrated probabilities that show a disparity in observed/expected."""
    raised = 0
    for rng in streams(range(first, first + audits), "oe", n, clustered):
        table = draw_calibrated(n, rng, clustered=clustered)
        said = tally(
            audit(
                table,
                threshold=0.2,
                clustered=clustered,
                metrics=("oe_ratio",),
                space="probability",
            )
        )
        raised += said["disparity"] > 0
    return {"any_disparity": raised}


def promise_b(n: int, *, clustered: bool, audits: int, first: int = 0) -> dict[str, Any]:
    """Count audits that confirm a disparity where every true gap lies inside the margin."""
    base = Design(n=n, clustered=clustered)
    confirmed, raised = 0, 0
    for rng in streams(range(first, first + audits), "b", n, clustered):
        # Cell rates of sd .025, kept within .02 of the base: no cell is .05 from any rest.
        tpr = base.tpr() + np.clip(rng.normal(0, 0.025, CELLS), -0.024, 0.024)
        fpr = base.fpr() + np.clip(rng.normal(0, 0.025, CELLS), -0.024, 0.024)
        design = replace(
            base,
            shift_pos=tuple(ndtri(tpr) + base.threshold - base.distance),
            shift_neg=tuple(ndtri(fpr) + base.threshold),
        )
        said = tally(
            audit(
                draw(design, rng),
                threshold=design.threshold,
                clustered=clustered,
                metrics=("tpr", "fpr"),
            )
        )
        confirmed += said["confirmed"] > 0
        raised += said["disparity"] > 0
    return {"confirmed": confirmed, "raised": raised}


def equivalence_at_the_margin(  # noqa: PLR0913 - the settings of a cohort
    n: int, *, clustered: bool, metric: str, auc: float, sign: int, audits: int, first: int = 0
) -> dict[str, Any]:
    """Count wrong claims "equivalent" about a group whose true gap is the margin exactly."""
    base = Design(n=n, clustered=clustered, auc=auc)
    design, threshold = _shifted(base, metric, sign * 0.05)
    claims = wrong = 0
    for rng in streams(range(first, first + audits), "eq", metric, sign, n, clustered, auc):
        said = audit(draw(design, rng), threshold=threshold, clustered=clustered, metrics=(metric,))
        for item in said:
            if item["group"] == {"sex": "0"} and item["verdict"] != "not_evaluable":
                claims += 1
                wrong += item["verdict"] == "equivalent"
    return {"equivalent": {"wrong": wrong, "claims": claims}}


def _shifted(base: Design, metric: str, gap: float) -> tuple[Design, float]:
    """Shift all cells of sex 0, so that it differs from the rest by the gap exactly."""
    first = np.arange(CELLS) < CELLS // 2
    if metric == "fpr":
        shift = ndtri(float(base.fpr()[0]) + gap) + base.threshold
        design = replace(base, shift_neg=tuple(np.where(first, shift, 0.0)))
    elif metric == "tpr":
        shift = ndtri(float(base.tpr()[0]) + gap) + base.threshold - base.distance
        design = replace(base, shift_pos=tuple(np.where(first, shift, 0.0)))
    else:
        shift = np.sqrt(2) * ndtri(base.auc + gap) - base.distance
        design = replace(base, shift_pos=tuple(np.where(first, shift, 0.0)))
    return design, base.threshold


def power(positives: int, gap: float, *, audits: int, first: int = 0) -> dict[str, Any]:
    """Compare the power for one bad cell with a known-variance z-test under the same BH.

    The rows are independent; the bad cell is the one in the middle by size with about so many
    positives. The z-test knows every true rate and tests the same comparisons of TPR.
    """
    cell = int(cell_of(np.asarray(0), np.asarray(2), np.asarray(1)))
    share = 0.55 * 0.25 * 0.2 * (0.08 + 0.05 * 2 + 0.03)
    base = Design(n=round(positives / share), clustered=False)
    rate = float(base.tpr()[cell]) - gap
    shift = np.zeros(CELLS)
    shift[cell] = ndtri(rate) + base.threshold - base.distance
    design = replace(base, shift_pos=tuple(shift))
    ours = theirs = 0
    for rng in streams(range(first, first + audits), "power", positives, gap):
        table = draw(design, rng)
        said = audit(table, threshold=design.threshold, clustered=False, metrics=("tpr",))
        wanted = {"sex": "0", "age": "2", "race": "1"}
        ours += any(c["group"] == wanted and c["verdict"] == "disparity" for c in said)
        theirs += _z_test_finds(said, wanted, design)
    return {"found": ours, "found_by_z_test": theirs}


def _z_test_finds(said: list[Any], wanted: dict[str, str], design: Design) -> bool:
    """Test every comparison with the true variance, under the same correction and margin."""
    tested = [item for item in said if item["verdict"] != "not_evaluable"]
    rates = design.tpr()
    base = float(np.median(rates))
    p, found = [], None
    for index, item in enumerate(tested):
        true = base
        if item["group"] == wanted:
            found, true = index, float(rates.min())
        variance = true * (1 - true) / item["group_n"] + base * (1 - base) / item["ref_n"]
        p.append(2 * ndtr(-abs(item["difference"]["value"]) / math.sqrt(variance)))
    if found is None:
        return False
    q = benjamini_hochberg(np.asarray(p))[found]
    return bool(q <= 0.05 and abs(tested[found]["difference"]["value"]) > 0.05)


def streams(numbers: Iterable[int], *key: object) -> Iterator[np.random.Generator]:
    """Return one generator per audit, fixed by what is simulated and the audit's number."""
    tag = [int.from_bytes(str(part).encode()[:6], "big") for part in key]
    for number in numbers:
        yield np.random.default_rng([SEED, *tag, number])
