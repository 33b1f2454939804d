"""What is promised of two versions, counted on simulated cohorts whose truth is known.

Non-inferiority: every group's sensitivity and AUROC fall by exactly the margin, so that each pass
of the gate's rule is wrong; it may happen in at most 5 % of cohorts, in each group. Flips: the
counts of every group equal those of a loop over its cases.

    python -m benchmarks.validity.versions --runs 2000
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
ICC, SAME = 0.3, 0.8


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


def count(runs: int, rows: int, per_patient: int, seed: int) -> dict[str, Any]:
    """Count wrong passes of every group and metric, and groups whose flips are not exact."""
    rng = np.random.default_rng([seed, rows, per_patient])
    declared = policy()
    granted: dict[tuple[str, str], int] = {}
    wrong_flips = 0
    for _ in range(runs):
        pair = cohort(rng, rows, per_patient)
        # The versions' own estimates are not in question, so none are made.
        known = {"model": None, "name": "y", "overall": {"n": rows, "metrics": {}}, "groups": []}
        found = compare_outputs([pair], declared, base="a", candidate="b", audited=[known])
        comparison = found.to_dict()
        wrong_flips += sum(not exact(pair, one) for one in comparison["outputs"][0]["groups"])
        for one in run_gate({"outputs": [], "comparison": comparison}, declared).results:
            for judgement in one.judgements:
                key = (one.rule.metric, judgement.subject)
                granted[key] = granted.get(key, 0) + (judgement.outcome == "pass")
    return {
        "rows": rows,
        "per_patient": per_patient,
        "runs": runs,
        "limit_per_group": int(binom.ppf(0.99, runs, 0.05)),
        "limit_all_groups": int(binom.ppf(1 - 0.01 / len(granted), runs, 0.05)),
        "wrongly_granted": {f"{metric}, {who}": k for (metric, who), k in sorted(granted.items())},
        "groups_with_wrong_flips": wrong_flips,
    }


def exact(pair: tuple[ScoredOutput, ScoredOutput], entry: dict[str, Any]) -> bool:
    """Return whether the flips of a group are those of a loop over its cases."""
    base, candidate = pair
    (attribute,) = base.attributes
    level = entry["attributes"].get("group")
    worse = better = missed = 0
    for at in range(len(base.y)):
        if level is not None and attribute.levels[attribute.codes[at]] != level:
            continue
        truth = base.y[at] == 1
        before = (base.score[at] >= base.threshold) == truth
        after = (candidate.score[at] >= candidate.threshold) == truth
        worse += bool(before and not after)
        better += bool(after and not before)
        missed += bool(before and not after and truth)
    told = entry["negative_flips"]
    return (worse, missed, better) == (
        told["k"],
        told["missed_positives"],
        entry["positive_flips"]["k"],
    )


def main() -> None:
    """Count every setting and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=20261121)
    arguments = parser.parse_args()
    found = []
    for rows, per_patient in ((6_000, 1), (6_000, 4)):
        found.append(count(arguments.runs, rows, per_patient, arguments.seed))
        print(json.dumps(found[-1], indent=1), flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
