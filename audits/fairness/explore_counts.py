"""Moving the threshold of a cohort that was read in portions: its counts, and sampled patients.

Counts at a threshold are those of every row (exact up to a million distinct scores, beyond on the
edges of 65,536 bins). How alike a patient's rows are, hence how wide an interval must be, comes
from patients sampled by a hash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.cohorts.groups import Attribute
from audits.fairness.counts import Counts
from audits.fairness.explore import Table, TableExplorer, table_of
from audits.fairness.frame import Frame, build_frame
from audits.fairness.split_counts import SplitCounts, everybody_counted, split_counts
from audits.fairness.types import ScoredOutput


def explorer_of_counts(
    arrays: Mapping[str, npt.NDArray[Any]],
    crossings: Sequence[Sequence[str]] = (),
    *,
    named_patients: bool = True,
) -> TableExplorer:
    """Return an explorer of everybody, every attribute and the given crossings.

    Args:
        arrays: Counts with the sampled rows, as ``internal/counts`` holds them.
        crossings: Attributes that are crossed.
        named_patients: Whether the run knew which rows are the same patient.
    """
    counts = Counts.from_arrays(arrays)
    sample = sample_of_counts(arrays, named_patients=named_patients)
    ways = [everybody_counted()]
    ways += [split_counts(counts, (name,), declared=True) for name in counts.names]
    ways += [split_counts(counts, tuple(names), declared=True) for names in crossings]
    frame = build_frame(sample)
    tables = [_table(counts, way, sample, frame) for way in ways]
    return TableExplorer(tables, probabilities=counts.bounded)


def sample_of_counts(
    arrays: Mapping[str, npt.NDArray[Any]], *, named_patients: bool = True
) -> ScoredOutput:
    """Return the rows of the sampled patients that counts were kept with.

    Args:
        arrays: As ``internal/counts`` holds them.
        named_patients: Whether the run knew which rows are the same patient.
    """
    counts = Counts.from_arrays(arrays)
    return ScoredOutput(
        name="sample",
        y=arrays["sample_label"],
        score=arrays["sample_score"],
        space="probability" if counts.bounded else "value",
        patients=arrays["sample_patient"] if named_patients else None,
        attributes=tuple(
            Attribute(name=name, column=name, kind="demographic", levels=levels, codes=codes)
            for name, levels, codes in zip(
                counts.names, counts.levels, arrays["sample_codes"], strict=True
            )
        ),
    )


def _table(counts: Counts, way: SplitCounts, sample: ScoredOutput, frame: Frame) -> Table:
    at = [counts.names.index(name) for name in way.names]
    levels = [np.asarray(sample.attributes[i].codes)[frame.keep] for i in at]
    known = table_of(frame, way.family(frame, way.codes(frame.n, levels)))
    cells, scores = way.cells_of(counts), counts.centres
    return Table(
        labels=way.labels,
        scores=scores,
        cells=cells,
        key=cells.key(len(scores)),
        patients=None,
        moments=None,
        known=known,
    )
