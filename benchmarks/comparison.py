"""How long a comparison of two versions takes; how often one errs: ``benchmarks.validity``.

Run as ``python -m benchmarks.comparison``, with ``--only speed`` or ``--only threshold`` for one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from dataclasses import replace

import numpy as np

from audits.cohorts import Attribute
from audits.comparison import LayoutMaker, Pair, PairedComparison, compare_outputs
from audits.fairness import ScoredOutput
from audits.policy import load_policy

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


def main() -> None:
    """Print every figure, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["speed", "threshold"])
    arguments = parser.parse_args()
    if arguments.only in (None, "speed"):
        time_comparison(repeated=False)
        time_comparison(repeated=True)
    if arguments.only in (None, "threshold"):
        time_threshold()


if __name__ == "__main__":
    main()
