"""How long a comparison of two versions takes, and how often it raises a difference without one.

The null takes two real networks' scores of the 1,302 chest X-rays that both scored (../shared/data)
and swaps them patient by patient; it is left out where the data is not there.

    python -m benchmarks.comparison
    python -m benchmarks.comparison --only null --runs 1000
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom

from audits.cohorts import Attribute
from audits.comparison import LayoutMaker, Pair, PairedComparison, compare_outputs
from audits.fairness import ScoredOutput
from audits.policy import load_policy

SHARED = Path(__file__).parents[2] / "shared" / "data"
ROWS, OUTPUTS = 1_000_000, 15
RATES = ("tpr", "fpr", "ppv", "selection_rate", "accuracy")


def attribute(name: str, levels: int, codes: np.ndarray) -> Attribute:
    """Return an attribute of numbered levels."""
    return Attribute(
        name=name,
        column=name,
        kind="demographic",
        levels=tuple(f"{name}{at}" for at in range(levels)),
        codes=codes.astype(np.int32),
    )


def cohort(rows: int, *, repeated: bool) -> tuple[ScoredOutput, ScoredOutput]:
    """Return two versions of one output with 10 × 5 groups."""
    rng = np.random.default_rng(0)
    y = (rng.random(rows) < 0.2).astype(np.int8)
    logits = rng.normal(size=rows) + y - 1
    base = 1 / (1 + np.exp(-logits))
    candidate = 1 / (1 + np.exp(-(logits + 0.5 * rng.normal(size=rows))))
    crossed = (
        attribute("a", 10, rng.integers(0, 10, rows)),
        attribute("b", 5, rng.integers(0, 5, rows)),
    )
    made = ScoredOutput(
        name="y0",
        y=y,
        score=base,
        threshold=0.4,
        patients=rng.integers(0, rows * 7 // 10, rows) if repeated else None,
        attributes=crossed,
    )
    return made, replace(made, score=candidate)


def time_comparison(*, repeated: bool) -> None:
    """Print the time of a full paired comparison: 1M rows, 50 intersections, 15 outputs."""
    base, candidate = cohort(ROWS, repeated=repeated)
    pairs, audited = [], []
    for at in range(OUTPUTS):
        # Another order of the scores each time, so that nothing is warm.
        turn = np.roll(np.arange(ROWS), at * 1_000)
        names = {"name": f"y{at}"}
        pairs.append(
            (
                replace(base, score=base.score[turn], y=base.y[turn], **names),
                replace(candidate, score=candidate.score[turn], y=base.y[turn], **names),
            )
        )
        # The audit of each column is another figure (benchmarks.fairness); here none is made.
        known = {"n": ROWS, "metrics": {}}
        audited.append({"model": None, "name": f"y{at}", "overall": known, "groups": []})
    policy = load_policy(None, groups=["a", "b"], intersections=[["a", "b"]])
    wall, cpu = time.perf_counter(), time.process_time()
    compare_outputs(pairs, policy, base="a", candidate="b", audited=audited)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    what = "repeated patients" if repeated else "independent rows"
    print(
        f"{OUTPUTS} outputs × {ROWS:,} rows × 50 intersections, {what:18} {wall:6.1f} s wall, "
        f"{cpu:6.1f} s CPU on {os.cpu_count()} cores   goal 10 s"
    )


def time_threshold() -> None:
    """Print the time of a moved threshold: every group's rates of both versions."""
    base, candidate = cohort(ROWS, repeated=False)
    layout = LayoutMaker(["a", "b"], [["a", "b"]]).layout(ROWS, None, base.attributes)
    pair = Pair(
        y=base.y,
        base=base.score,
        candidate=candidate.score,
        base_threshold=0.4,
        candidate_threshold=0.4,
        probabilities=True,
    )
    spent = []
    for threshold in np.linspace(0.2, 0.6, 7):
        start = time.process_time()
        moved = replace(pair, candidate_threshold=float(threshold))
        paired = PairedComparison(moved, layout, metrics=RATES)
        for split in layout.splits:
            paired.measure(split)
        spent.append(time.process_time() - start)
    print(f"threshold moved, {ROWS:,} rows, 66 groups {'':17} {statistics.median(spent):.3f} s CPU")


FINDINGS = ("Effusion", "Infiltration", "Atelectasis", "Cardiomegaly", "Mass", "Nodule")
JUDGED = ("tpr", "fpr", "ppv", "npv", "accuracy", "auroc", "oe_ratio")


def swapped(runs: int, findings: Sequence[str] = FINDINGS) -> None:
    """Print in how many of so many swaps any difference is raised."""
    table = shared_images()
    if table is None:
        print("null: real data is not here (../shared/data)")
        return
    policy = load_policy({"audit": {"groups": ["sex", "view"], "verdict_metrics": list(JUDGED)}})
    groups = []
    for name in ("sex", "view"):
        codes, levels = pd.factorize(table[name], sort=True)
        groups.append(replace(attribute(name, len(levels), codes), levels=tuple(map(str, levels))))
    patients, _ = pd.factorize(table["patient_id"])
    for finding in findings:
        rng = np.random.default_rng(7)
        old, new = table[f"prob_{finding}"].to_numpy(), table[f"prob_{finding}_2"].to_numpy()
        made = ScoredOutput(
            name=finding,
            y=table[f"label_{finding}"].to_numpy(dtype=np.int8),
            score=old,
            threshold=0.2,
            patients=patients,
            attributes=tuple(groups),
        )
        known = {"n": len(table), "metrics": {}}
        audited = [{"model": None, "name": finding, "overall": known, "groups": []}]
        raised = judged = 0
        for _ in range(runs):
            swap = (rng.random(patients.max() + 1) < 0.5)[patients]
            pair = (
                replace(made, score=np.where(swap, new, old)),
                replace(made, score=np.where(swap, old, new)),
            )
            found = compare_outputs([pair], policy, base="a", candidate="b", audited=audited)
            (output,) = found.to_dict()["outputs"]
            entries = [e for group in output["groups"] for e in group["metrics"].values()]
            raised += any(e["q"] is not None and e["q"] <= policy.alpha for e in entries)
            judged += any(e["verdict"] in {"better", "worse"} for e in entries)
        print(
            f"null, {finding:13} {runs:,} swaps of {len(table):,} images of "
            f"{patients.max() + 1:,} patients: {raised} with any q ≤ .05, {judged} with any better "
            f"or worse   limit {int(binom.ppf(0.99, runs, 0.05))}",
            flush=True,
        )


def shared_images() -> pd.DataFrame | None:
    """Return the images that two real networks scored, or None where they are not here."""
    files = (
        SHARED / "nih-chexnet" / "predictions.parquet",
        SHARED / "nih-underdiagnosis" / "predictions_seed45.parquet",
    )
    if not all(file.exists() for file in files):
        return None
    base, candidate = (pd.read_parquet(file).set_index("image") for file in files)
    both = base.index.intersection(candidate.index)
    theirs = candidate.loc[both].filter(like="prob_").add_suffix("_2")
    return base.loc[both].join(theirs).reset_index()


def main() -> None:
    """Print every figure, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["speed", "threshold", "null"])
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--findings", nargs="+", default=FINDINGS)
    arguments = parser.parse_args()
    if arguments.only in (None, "speed"):
        time_comparison(repeated=False)
        time_comparison(repeated=True)
    if arguments.only in (None, "threshold"):
        time_threshold()
    if arguments.only in (None, "null"):
        swapped(arguments.runs, arguments.findings)


if __name__ == "__main__":
    main()
