"""What is promised of two versions, counted on simulated cohorts whose truth is known.

Non-inferiority: every group's sensitivity and AUROC fall by exactly the margin, so that each pass
of the gate's rule is wrong; it may happen in at most 5 % of cohorts, in each group. Flips: the
counts of every group equal those of a loop over its cases.

    python -m benchmarks.validity.versions --runs 2000

Every cohort has its own random stream; the same command takes up what was counted before.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import binom

from audits.cohorts import Attribute
from audits.comparison import compare_outputs
from audits.fairness import ScoredOutput
from audits.policy import Policy, load_policy
from audits.policy.gate import run_gate

RESULTS = Path(__file__).parents[1] / "versions_results.json"
MARGIN = 0.05
BASE_TPR, BASE_AUROC = 0.80, 0.85
SHARES = (0.30, 0.22, 0.16, 0.12, 0.09, 0.06, 0.05)
"""Shares of the groups: from some 600 to some 100 positives in 6,000 rows."""
SIZES = (1_800, 6_000)
"""Rows of a cohort: in the smaller ones the groups have some 30 to some 190 positives."""
ICC, SAME = 0.3, 0.8
PORTION = 20


def policy() -> Policy:
    """Return a policy that judges both metrics in every group."""
    rules = [
        {"metric": metric, "kind": "noninferiority", "limit": MARGIN} for metric in ("tpr", "auroc")
    ]
    return load_policy(
        {
            "audit": {"groups": ["group"], "verdict_metrics": ["tpr", "auroc"]},
            "gate": {"rule": rules},
        }
    )


def cohort(
    rng: np.random.Generator, rows: int, per_patient: int
) -> tuple[ScoredOutput, ScoredOutput]:
    """Return base and candidate of one cohort; the candidate is worse by the margin everywhere."""
    patients = rows // per_patient
    whose = np.repeat(np.arange(patients), per_patient)
    group = rng.choice(len(SHARES), patients, p=SHARES)[whose]
    y = (rng.random(rows) < 0.35).astype(np.int8)
    shared = np.sqrt(ICC) * rng.normal(size=patients)[whose] if per_patient > 1 else 0.0
    own = np.sqrt(1 - ICC) if per_patient > 1 else 1.0
    base = shared + own * rng.normal(size=rows)
    other = shared + own * rng.normal(size=rows)
    candidate = SAME * base + np.sqrt(1 - SAME**2) * other
    if per_patient > 1:
        # Both share the patient's part, which the mixture counts twice: back to variance 1.
        candidate /= np.sqrt(1 + 2 * SAME * np.sqrt(1 - SAME**2) * ICC)
    attribute = Attribute(
        name="group",
        column="group",
        kind="demographic",
        levels=tuple(f"g{at}" for at in range(len(SHARES))),
        codes=group.astype(np.int32),
    )
    made = []
    for score, area, rate in (
        (base, BASE_AUROC, BASE_TPR),
        (candidate, BASE_AUROC - MARGIN, BASE_TPR - MARGIN),
    ):
        shift = np.sqrt(2) * ndtri(area)
        made.append(
            ScoredOutput(
                name="y",
                y=y,
                score=score + shift * y,
                space="value",
                threshold=float(shift - ndtri(rate)),
                patients=whose,
                attributes=(attribute,),
            )
        )
    return made[0], made[1]


def count(told: dict[str, Any], portion: int, seed: int) -> None:
    """Add a portion of cohorts: wrong passes by group and metric, groups with other flips."""
    declared = policy()
    rows, per_patient, first = told["rows"], told["per_patient"], told["runs"]
    granted: dict[str, int] = told["wrongly_granted"]
    for at in range(first, first + portion):
        rng = np.random.default_rng([seed, rows, per_patient, at])
        pair = cohort(rng, rows, per_patient)
        # The versions' own estimates are not in question, so none are made.
        known = {"model": None, "name": "y", "overall": {"n": rows, "metrics": {}}, "groups": []}
        found = compare_outputs([pair], declared, base="a", candidate="b", audited=[known])
        comparison = found.to_dict()
        told["groups_with_wrong_flips"] += inexact(pair, comparison["outputs"][0]["groups"])
        for one in run_gate({"outputs": [], "comparison": comparison}, declared).results:
            for judgement in one.judgements:
                key = f"{one.rule.metric}, {judgement.subject}"
                granted[key] = granted.get(key, 0) + (judgement.outcome == "pass")
    runs = told["runs"] = first + portion
    told["limit_per_group"] = int(binom.ppf(0.99, runs, 0.05))
    told["limit_all_groups"] = int(binom.ppf(1 - 0.01 / len(granted), runs, 0.05))


def inexact(pair: tuple[ScoredOutput, ScoredOutput], groups: list[dict[str, Any]]) -> int:
    """Return how many groups' flips are not those of a loop over the cases."""
    base, candidate = pair
    (attribute,) = base.attributes
    counted = {level: [0, 0, 0] for level in (None, *attribute.levels)}
    # Python's own numbers: the same comparisons, five times as fast as one by one in NumPy.
    cases = zip(
        base.y.tolist(),
        base.score.tolist(),
        candidate.score.tolist(),
        attribute.codes.tolist(),
        strict=True,
    )
    for y, old, new, code in cases:
        truth = y == 1
        before = (old >= base.threshold) == truth
        after = (new >= candidate.threshold) == truth
        for level in (None, attribute.levels[code]):
            counted[level][0] += before and not after
            counted[level][1] += before and not after and truth
            counted[level][2] += after and not before
    told = [
        (
            counted[group["attributes"].get("group")],
            [
                group["negative_flips"]["k"],
                group["negative_flips"]["missed_positives"],
                group["positive_flips"]["k"],
            ],
        )
        for group in groups
    ]
    return sum(mine != theirs for mine, theirs in told)


def held(seed: int) -> list[dict[str, Any]]:
    """Return what earlier portions of this seed counted, or the settings with nothing counted."""
    if RESULTS.exists():
        known: list[dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))
        if all(one.get("seed") == seed for one in known):
            return known
    empty = {"seed": seed, "runs": 0, "groups_with_wrong_flips": 0}
    return [
        {**empty, "rows": rows, "per_patient": many, "wrongly_granted": {}}
        for rows in SIZES
        for many in (1, 4)
    ]


def main() -> None:
    """Count every setting in portions that add up, and write the results after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=20261121)
    arguments = parser.parse_args()
    found = held(arguments.seed)
    while any(one["runs"] < arguments.runs for one in found):
        for one in found:
            count(one, min(PORTION, arguments.runs - one["runs"]), arguments.seed)
        RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1, sort_keys=True))


if __name__ == "__main__":
    main()
