"""The audit of a cohort that does not fit into memory: the same sums, bucket after bucket.

Rows were counted by group, label and score (:class:`audits.fairness.counts.Counts`) and put aside
by patient (:class:`audits.fairness.spill.Spill`). Memory is that of the counts and of two buckets.
Beyond a million distinct scores, ranks are those of 65,536 bins; rates at the threshold, the Brier
score and observed over expected are exact all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from audits.fairness.applicable import metric_findings
from audits.fairness.audit import (
    THRESHOLD_MISSING,
    Pending,
    absent_groups,
    audit_pending,
    crossed_names,
    planned_families,
    reference_of,
)
from audits.fairness.cells import ScoreCells
from audits.fairness.counts import BINS, Counts
from audits.fairness.families import Family
from audits.fairness.frame import Frame
from audits.fairness.gathering import Part
from audits.fairness.measures import measure_family
from audits.fairness.side_by_side import side_by_side
from audits.fairness.spill import Bucket, Spill
from audits.fairness.split_counts import SplitCounts, everybody_counted, split_counts
from audits.fairness.subject import Measured, make_subject
from audits.fairness.types import FairnessResult, FloatArray, ScoredOutput
from audits.memory import return_freed
from audits.policy import Policy
from audits.types import Finding, Progress, silent

_BUCKETS_AT_ONCE = 2
"""Families measured beside each other: each reads a bucket of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedOutput:
    """One output whose rows lie on disk.

    Attributes:
        output: Everything but the rows; its arrays are empty.
        counts: Rows by group, label and score.
        spill: The rows of all outputs, by patient.
        index: Which of them this is.
        named_patients: Whether a patient column was declared.
    """

    output: ScoredOutput
    counts: Counts
    spill: Spill
    index: int
    named_patients: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Buckets:
    """The rows of one family in parts, each a bucket."""

    source: StreamedOutput
    frame: Frame
    groups: SplitCounts
    cells: ScoreCells
    shared: bool

    def parts(self) -> Iterator[Part]:
        """Return the parts, read from disk each time."""
        for frame, family in _families(self.source, self.frame, self.groups):
            family_there = replace(family, shared=self.shared)
            of_row = self.cells.locate(family.code, frame.rank, len(frame.distinct))
            yield Part(frame=frame, family=family_there, of_row=of_row)


def audit_streamed(
    outputs: Sequence[StreamedOutput],
    policy: Policy,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> FairnessResult:
    """Audit outputs whose rows lie on disk; the result is that of :func:`audit_fairness`.

    Args:
        outputs: Counted and put aside.
        policy: The declaration.
        seed: Seed of the permutations of the descriptive heterogeneity test.
        progress: Called with the finished share and what is being done.
    """
    pending = []
    for index, source in enumerate(outputs):
        progress(index / max(len(outputs), 1), f"Measuring {source.output.name} in every group")
        pending.append(_measure(index, source, policy, seed, progress))
    return audit_pending(pending, policy)


def _measure(
    index: int, source: StreamedOutput, policy: Policy, seed: int, progress: Progress
) -> Pending:
    output, counts = source.output, source.counts
    frame = _frame(source)
    everybody = everybody_counted()
    whole, whole_rows = _whole(source, frame, everybody)
    subject = make_subject(index, frame, whole_rows.cells, output.threshold, policy, seed)
    plan, findings = planned_families(output, policy)
    crossed = crossed_names(policy)

    def split(names: tuple[str, ...], *, declared: bool) -> tuple[Measured, list[Finding]]:
        groups = split_counts(counts, names, declared=declared)
        family, rows = _whole(source, frame, groups)
        reference, found = reference_of(family, policy)
        is_crossed = len(names) == 1 and names[0] in crossed
        measured = measure_family(
            subject, family, reference=reference, crossed=is_crossed, rows=rows
        )
        return_freed()
        return measured, found

    def undivided() -> tuple[Measured, list[Finding]]:
        return measure_family(subject, whole, rows=whole_rows), []

    tasks: list[Callable[[], tuple[Measured, list[Finding]]]] = [undivided]
    tasks += [partial(split, names, declared=declared) for names, declared in plan]
    (overall, _), *found = side_by_side(
        tasks,
        counts.n,
        most=_BUCKETS_AT_ONCE,
        done=lambda share: progress(share, f"Measuring {output.name} in every group"),
    )
    findings += [finding for _, some in found for finding in some]
    return Pending(
        output=output,
        overall=overall,
        families=tuple(measured for measured, _ in found),
        not_available=absent_groups(output, policy),
        findings=(
            *findings,
            *_threshold_findings(output),
            *_bin_findings(counts, output),
            *metric_findings(frame, output.name, policy),
        ),
    )


def _frame(source: StreamedOutput) -> Frame:
    """Return what is known of all rows, without any."""
    counts, none = source.counts, np.zeros(0, dtype=np.int64)
    patients = source.spill.patients[source.index]
    probabilities = source.output.space in ("probability", "logit") and counts.bounded
    return Frame(
        y=np.zeros(0),
        positive=np.zeros(0, dtype=np.bool_),
        score=np.zeros(0),
        order=none,
        rank=none,
        distinct=counts.centres,
        patient=none,
        patients=patients,
        by_patient=none,
        named_patients=source.named_patients,
        clustered=patients < counts.n,
        keep=np.zeros(0, dtype=np.bool_),
        probabilities=probabilities,
        regression=False,
    )


def _bucket_frame(whole: Frame, bucket: Bucket, counts: Counts) -> Frame:
    """Return the rows of a bucket; ranks are those among all scores."""
    rows = np.arange(len(bucket.y), dtype=np.int64)
    return replace(
        whole,
        y=bucket.y,
        positive=bucket.y == 1,
        score=bucket.score,
        order=rows,
        rank=counts.places(bucket.score),
        patient=bucket.patient,
        patients=bucket.patients,
        by_patient=rows,
    )


def _families(
    source: StreamedOutput, whole: Frame, groups: SplitCounts
) -> Iterator[tuple[Frame, Family]]:
    at = [source.counts.names.index(name) for name in groups.names]
    for bucket in source.spill.buckets(source.index):
        frame = _bucket_frame(whole, bucket, source.counts)
        yield frame, groups.family(frame, groups.codes(frame.n, [bucket.codes[i] for i in at]))


def _whole(source: StreamedOutput, frame: Frame, groups: SplitCounts) -> tuple[Family, _Buckets]:
    """Return a family of all rows, without the rows, and the rows in parts."""
    patients: FloatArray = np.zeros(len(groups.labels))
    cohort = 0
    for _, part in _families(source, frame, groups):
        patients = patients + part.patients
        cohort += part.cohort
    shared = bool(patients.sum() > cohort)
    empty = groups.family(frame, np.zeros(0, dtype=np.int64))
    family = replace(
        empty,
        patients=patients,
        cohort=cohort,
        shared=shared,
        occupied=np.flatnonzero(patients > 0),
    )
    cells = groups.cells_of(source.counts)
    rows = _Buckets(source=source, frame=frame, groups=groups, cells=cells, shared=shared)
    return family, rows


def _threshold_findings(output: ScoredOutput) -> list[Finding]:
    if output.threshold is not None:
        return []
    return [Finding(severity="warning", where=output.name, message=THRESHOLD_MISSING)]


def _bin_findings(counts: Counts, output: ScoredOutput) -> list[Finding]:
    """Say what binning can have cost, where there was any."""
    if not counts.binned:
        return []
    bound = bin_errors(counts)
    scale = "width" if counts.bounded else "width on the logistic scale"
    message = (
        f"More distinct scores than are counted one by one: ranks are those of {BINS:,} bins of "
        f"equal {scale}. This moves the AUROC by at most {bound['auroc']:.2g}; the calibration "
        "slope, the calibration error and decision curves read each score as the middle of its "
        "bin. Rates at the threshold, the Brier score and observed over expected are exact."
    )
    return [Finding(severity="info", where=f"{output.name}: scores", message=message)]


def bin_errors(counts: Counts) -> Mapping[str, float]:
    """Return the most that binning can have moved the AUROC of everybody.

    Half of the pairs of a positive and a negative in one bin, over all pairs.
    """
    _, doubt = counts.auroc()
    return {"auroc": float(np.nan_to_num(doubt).max(initial=0.0))}
