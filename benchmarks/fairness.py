"""How fast a subgroup audit is, with fairlearn 0.15 in the same process on the same rows.

    python -m benchmarks.fairness               # up to 1,000,000 rows, resamples to 10,000,000
    python -m benchmarks.fairness --rows 10000  # a quick look
    python -m benchmarks.fairness --audit       # only a whole audit of 1,000,000, with its peak

CPU seconds (``process_time``), medians of three unless said. fairlearn's bootstrap is measured at
two replicates and multiplied: its loop over replicates is serial.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from fairlearn.metrics import (
    MetricFrame,
    false_negative_rate,
    false_positive_rate,
    selection_rate,
    true_negative_rate,
    true_positive_rate,
)
from scipy.special import expit
from sklearn.metrics import accuracy_score

from audits.cohorts.groups import Attribute
from audits.fairness import ScoredOutput, ThresholdExplorer, audit_fairness
from audits.fairness.bootstrap import Profiles, patient_profiles, resample_rates
from audits.fairness.families import crossing
from audits.fairness.frame import build_frame
from audits.policy import load_policy
from benchmarks.validity.cohorts import Design, draw

SIX = {
    "tpr": true_positive_rate,
    "fpr": false_positive_rate,
    "tnr": true_negative_rate,
    "fnr": false_negative_rate,
    "selection_rate": selection_rate,
    "accuracy": accuracy_score,
}
REPLICATES = 1_000
PEER_REPLICATES = 2
GROUPS = ("sex", "age", "race")


def seconds(action: Callable[[], object], repeats: int = 3) -> float:
    """Return the median CPU time of an action."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def cohort(rows: int, *, clustered: bool) -> tuple[pd.DataFrame, ScoredOutput]:
    """Return a simulated cohort of 50 intersections as a table and as an output."""
    table = draw(Design(n=rows, clustered=clustered), np.random.default_rng(1))
    table["score"] = expit(table["score"] - 1.5)
    attributes = tuple(
        Attribute(
            name=name,
            column=name,
            kind="demographic",
            levels=tuple(str(level) for level in range(int(table[name].max()) + 1)),
            codes=table[name].to_numpy(dtype=np.int32),
        )
        for name in GROUPS
    )
    output = ScoredOutput(
        name="y",
        y=table["y"].to_numpy(),
        score=table["score"].to_numpy(),
        threshold=0.4,
        patients=table["patient"].to_numpy() if clustered else None,
        attributes=attributes,
    )
    return table, output


def counted(output: ScoredOutput) -> Profiles:
    """Count 50 intersections by label and call, patient by patient."""
    frame = build_frame(output)
    family = crossing(frame, output.attributes, declared=True)
    return patient_profiles(frame, family, frame.score >= 0.4)


def resampled(profiles: Profiles) -> None:
    """Do 50 intersections × 9 rates × 1,000 resamples of what was counted."""
    drawn = resample_rates(profiles, replicates=REPLICATES)
    for name in SIX:
        np.nanquantile(drawn[name], [0.025, 0.975], axis=0)


def our_bootstrap(output: ScoredOutput) -> None:
    """Do the same, counting included."""
    resampled(counted(output))


def fairlearn_frame(table: pd.DataFrame, replicates: int | None) -> MetricFrame:
    """Return fairlearn's frame over the same 50 intersections and six metrics."""
    more = {} if replicates is None else {"n_boot": replicates, "ci_quantiles": [0.025, 0.975]}
    return MetricFrame(
        metrics=SIX,
        y_true=table["y"],
        y_pred=(table["score"] >= 0.4).astype(int),
        sensitive_features=table[list(GROUPS)],
        random_state=0 if replicates else None,
        **more,
    )


def compare_bootstraps(rows: int, *, peer: bool) -> None:
    """Print the bootstrap of 50 intersections beside fairlearn's."""
    table, output = cohort(rows, clustered=False)
    ours = seconds(lambda: our_bootstrap(output))
    _, repeated = cohort(rows, clustered=True)
    patients = seconds(lambda: our_bootstrap(repeated))
    print(f"\n{rows:,} rows: 50 intersections x 6 rates x {REPLICATES:,} resamples")
    print(f"  Auscult, rows                {ours:10.3f} s")
    print(f"  Auscult, patients            {patients:10.3f} s")
    if peer:
        point = seconds(lambda: fairlearn_frame(table, None), 1)
        boot = seconds(lambda: fairlearn_frame(table, PEER_REPLICATES), 1)
        each = max(boot - point, 1e-9) / PEER_REPLICATES
        whole = point + REPLICATES * each
        print(f"  fairlearn, no interval       {point:10.3f} s")
        print(f"  fairlearn, a replicate       {each:10.3f} s   (from {PEER_REPLICATES})")
        print(f"  fairlearn, extrapolated      {whole:10.0f} s   ratio {whole / ours:,.0f}x")


def resamples_once_counted(rows: int) -> None:
    """Print the cost of 1,000 resamples of rows and of patients that were counted before."""
    for how, clustered in (("rows", False), ("patients", True)):
        profiles = counted(cohort(rows, clustered=clustered)[1])
        taken = seconds(partial(resampled, profiles))
        print(f"{rows:,} {how}, {REPLICATES:,} resamples once counted {taken:8.3f} s", flush=True)


def whole_audit(rows: int) -> None:
    """Print the time of a default audit with every metric, clustered, with verdicts."""
    _, output = cohort(rows, clustered=True)
    policy = load_policy(None, groups=list(GROUPS), intersections=[list(GROUPS)])
    repeats = 1 if rows >= 1_000_000 else 3
    began = time.perf_counter()
    taken = seconds(lambda: audit_fairness([output], policy).to_dict(), repeats)
    wall = (time.perf_counter() - began) / repeats
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"\n{rows:,} rows, whole default audit  {taken:8.2f} CPU s, {wall:.2f} s wall")
    print(f"{rows:,} rows, peak memory so far     {peak:8.2f} GiB")
    start = time.process_time()
    explorer = ThresholdExplorer(output, policy)
    built = time.process_time() - start
    moved = seconds(lambda: explorer.at(0.37))
    print(f"{rows:,} rows, threshold slider     {moved * 1000:8.1f} ms  (built in {built:.2f} s)")


def main() -> int:
    """Print every figure."""
    parser = argparse.ArgumentParser(description="Time the subgroup audit beside fairlearn.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="largest cohort")
    parser.add_argument("--audit", action="store_true", help="only the whole audit of these rows")
    given = parser.parse_args()
    largest = given.rows
    threads = os.environ.get("OMP_NUM_THREADS", "default")
    print(f"CPU seconds, OMP_NUM_THREADS={threads}")
    if given.audit:
        whole_audit(largest)
        return 0
    for rows in (10_000, 100_000, 1_000_000):
        if rows <= largest:
            compare_bootstraps(rows, peer=rows <= 100_000)
            whole_audit(rows)
    for rows in (10_000, 1_000_000, 10 * largest):
        resamples_once_counted(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
