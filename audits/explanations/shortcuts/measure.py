"""Measure, case by case, what every suspect of a study does to every output of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audits.cancel import Cancel, never, part_of
from audits.explanations.shortcuts.markers import measure_markers
from audits.explanations.shortcuts.subject import MeasuredSuspect, subject_of
from audits.explanations.shortcuts.zones import measure_zones
from audits.types import Progress, silent

if TYPE_CHECKING:
    from audits.cohorts import Study
    from model_adapters.base import ModelAdapter

MOST_CASES = 160
MARKERS_SHARE = 0.5


def measure_shortcuts(
    study: Study,
    adapter: ModelAdapter,
    *,
    seed: int = 0,
    most_cases: int = MOST_CASES,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> tuple[MeasuredSuspect, ...]:
    """Measure the suspects of a study: its markers, the border, what lies outside the anatomy.

    Args:
        study: Markers are tested where its image input declares ``marker_mask_column``, the
            surroundings where it declares ``anatomy_mask_column``, the border always.
        adapter: A model that takes that image.
        seed: Seed of the choice of cases, shams and donors.
        most_cases: Cases whose marker is removed at most, drawn at random.
        progress: Told how far it is.
        cancel: Asked between cases.

    Returns:
        Entries of suspects; none for a model that reads no image of the study.

    Raises:
        CancelledRun: If ``cancel`` said so.
    """
    subject = subject_of(study, adapter)
    if subject is None:
        return ()
    rng = np.random.default_rng(seed)
    usable = rng.permutation(np.flatnonzero(study.available(adapter.inputs)))
    cases = [study.case_ids[int(row)] for row in usable]
    found: tuple[MeasuredSuspect, ...] = ()
    if subject.column.marker_mask_column:
        told = part_of(progress, 0.0, MARKERS_SHARE)
        found = measure_markers(subject, cases[:most_cases], rng, progress=told, cancel=cancel)
    told = part_of(progress, MARKERS_SHARE, 1.0)
    found += measure_zones(subject, cases, rng, progress=told, cancel=cancel)
    progress(1.0, "Shortcuts measured")
    return found
