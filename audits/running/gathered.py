"""One pass over a table read in portions: counts of every output, rows put aside, a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from audits.cancel import Cancel, stop_if
from audits.cohorts.streamed import Portion, StreamedTable
from audits.fairness import ScoredOutput
from audits.fairness.counts import Counts
from audits.fairness.spill import Spill
from audits.memory import return_freed
from audits.running.patient_sample import PatientSample, Sampler
from audits.types import Progress, Skipped

if TYPE_CHECKING:
    import numpy.typing as npt

_PORTIONS_PER_RETURN = 10
MOST_ENTRIES = 4_000_000
"""Combinations of groups and scores above which scores are binned, so that they fit."""
SHOWN_SKIPPED = 1_000


@dataclass(kw_only=True)
class Gathered:
    """What is known after the rows were read once.

    Attributes:
        counts: Rows by group, label and score of each output; None before any row.
        known: Rows with a label, by output.
        positives: Positive ones among them.
        missing: Missing cells by column.
        unknown_patients: Rows without a patient.
        skipped: The first thousand rows that lack a label or a score.
        unusable: How many lack one.
    """

    counts: list[Counts | None]
    known: list[int]
    positives: list[int]
    missing: dict[str, int] = field(default_factory=dict)
    unknown_patients: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    unusable: int = 0


def gather(
    table: StreamedTable, spill: Spill, progress: Progress, cancel: Cancel, device: str
) -> tuple[Gathered, PatientSample]:
    """Read every portion once; return what was counted, and every row of the sampled patients.

    Args:
        table: The opened table.
        spill: Where rows are put aside by patient.
        progress: Told how many rows were read.
        cancel: Asked between portions.
        device: Where rows are counted.

    Raises:
        StudyError: A score cannot be used.
        AuditError: Rows cannot be put aside on disk.
        CancelledRun: ``cancel`` said so.
    """
    size = len(table.labels)
    sampler = Sampler(table.rows, outputs=size)
    out = Gathered(counts=[None] * size, known=[0] * size, positives=[0] * size)
    for number, portion in enumerate(table.portions()):
        stop_if(cancel)
        if number % _PORTIONS_PER_RETURN == 0:
            return_freed()
        progress(portion.first / max(table.rows, 1), f"Read {portion.first:,} rows")
        patients = portion.patients
        if patients is None:
            first = np.uint64(portion.first)
            patients = first + np.arange(len(portion.scores[0]), dtype=np.uint64)
        spill.add(patients, portion.labels, portion.scores, portion.codes)
        sampler.add(portion, patients)
        for name, count in portion.missing.items():
            out.missing[name] = out.missing.get(name, 0) + count
        out.unknown_patients += portion.unknown_patients
        for index in range(size):
            _count(table, portion, index, out, device)
        _skip(table, portion, out)
    sample = sampler.finish()
    return_freed()
    return out, sample


def _count(table: StreamedTable, portion: Portion, index: int, out: Gathered, device: str) -> None:
    label, score = portion.labels[index], portion.scores[index]
    scored = scored_rows(table, index, label, score, portion.codes)
    counted = Counts.of(scored, device=device)
    before = out.counts[index]
    merged = counted if before is None else before.merge(counted)
    out.counts[index] = merged if len(merged.cell) <= MOST_ENTRIES else merged.to_bins()
    out.known[index] += int((label >= 0).sum())
    out.positives[index] += int((label == 1).sum())


def scored_rows(
    table: StreamedTable,
    index: int,
    label: npt.NDArray[np.int8],
    score: npt.NDArray[np.float64],
    codes: Sequence[npt.NDArray[np.int32]],
) -> ScoredOutput:
    """Return some rows of an output as the statistics take them.

    Args:
        table: The opened table.
        index: Which of its outputs.
        label: 1, 0, or -1 where missing, (n,).
        score: NaN where missing, (n,).
        codes: Level of each row in each attribute, (n,) each.
    """
    return ScoredOutput(
        name=table.labels[index].name,
        y=label,
        score=score,
        label_column=table.labels[index].column,
        positive=table.labels[index].positive,
        space=table.space,
        attributes=tuple(
            a.with_codes(code) for a, code in zip(table.attributes, codes, strict=True)
        ),
        scope=table.scope,
        compared=table.groups,
        crossings=table.intersections,
    )


def _skip(table: StreamedTable, portion: Portion, out: Gathered) -> None:
    """List rows that lack a label or a score; all are counted, the first thousand are named."""
    lacks = []
    for label, score, values, scores in zip(
        table.labels, table.scores, portion.labels, portion.scores, strict=True
    ):
        lacks += [(f"label {label.column!r}", values < 0), (f"score {score!r}", np.isnan(scores))]
    anywhere = np.any([rows for _, rows in lacks], axis=0)
    out.unusable += int(anywhere.sum())
    for row in np.flatnonzero(anywhere)[: SHOWN_SKIPPED - len(out.skipped)].tolist():
        words = list(dict.fromkeys(name for name, rows in lacks if rows[row]))
        reason = f"The {' and the '.join(words)} is missing."
        out.skipped.append(Skipped(case=str(portion.first + row), reason=reason))
