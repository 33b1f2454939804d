"""Zones that every image has, the border and what lies off the anatomy: does what is there count?

A whole zone cannot be compared with a place elsewhere of its size. So the suspect is the patch of
the zone on which the output's own map lies most, and the sham another patch of the same zone and
size. The map only points; what decides is what happens to the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from audits.cancel import Cancel, never, stop_if
from audits.explanations.maps import patient_map
from audits.explanations.shortcuts.patches import with_pasted, without
from audits.explanations.shortcuts.regions import BORDER, OUTSIDE, border, outside, patch_pair
from audits.explanations.shortcuts.subject import MeasuredSuspect
from audits.types import Progress, silent

if TYPE_CHECKING:
    from audits.explanations.shortcuts.regions import Mask
    from audits.explanations.shortcuts.subject import Opened, Subject

MOST_OF_A_LABEL = 16
ZONES = (BORDER, OUTSIDE)


@dataclass(frozen=True, slots=True)
class _Row:
    """One case: effects, and where patch and sham lie (a cohort of full masks is large)."""

    case: str
    label: int
    shape: tuple[int, ...]
    patch: npt.NDArray[np.int64]
    sham: npt.NDArray[np.int64]
    effect: float
    sham_effect: float
    mass: float


def measure_zones(
    subject: Subject,
    case_ids: Sequence[str],
    rng: np.random.Generator,
    *,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> tuple[MeasuredSuspect, ...]:
    """Remove the patch that each output's map points at in each zone, and a sham of the zone.

    Args:
        subject: Model and image; without a map engine there is nothing to point with.
        case_ids: Cases that may be drawn, in the order they are tried.
        rng: Chooses shams.
        progress: Told how far it is.
        cancel: Asked between cases.

    Returns:
        An entry per zone and output.
    """
    if subject.engine is None:
        return ()
    labels, patients = subject.labels(case_ids), subject.patients(case_ids)
    found = []
    for index, name in enumerate(subject.outputs):
        drawn = _drawn(labels[:, index], patients)
        rows: dict[str, list[_Row]] = {zone: [] for zone in ZONES}
        for at in drawn:
            stop_if(cancel)
            opened = subject.open(case_ids[at])
            if opened is not None:
                for zone, row in _removed(subject, opened, index, int(labels[at, index]), rng):
                    rows[zone].append(row)
        for zone, some in rows.items():
            if some:
                found.append(_measured(subject, index, zone, some, cancel))
        progress((index + 1) / len(subject.outputs), f"Removing patches beside the anatomy: {name}")
    return tuple(found)


def _drawn(labels: npt.NDArray[np.int8], patients: npt.NDArray[np.int64]) -> list[int]:
    """Return up to 16 cases of each label, one a patient; without labels, of all."""
    known = set(np.unique(labels)) & {0, 1} or {-1}
    taken: set[int] = set()
    drawn: list[int] = []
    for wanted in sorted(known, reverse=True):
        side: list[int] = []
        for row in np.flatnonzero(labels == wanted):
            if len(side) < MOST_OF_A_LABEL and int(patients[row]) not in taken:
                taken.add(int(patients[row]))
                side.append(int(row))
        drawn += side
    return drawn


def _removed(
    subject: Subject, opened: Opened, index: int, label: int, rng: np.random.Generator
) -> list[tuple[str, _Row]]:
    """Return what removing patch and sham of each zone does to one output."""
    values = _map(subject, opened, index)
    if values is None:
        return []
    places = []
    for zone, mask in _zones(subject, opened).items():
        pair = patch_pair(values, mask, rng)
        if pair is not None:
            places.append((zone, *pair))
    if not places:
        return []
    image = opened.image
    variants = [without(image, mask) for _, patch, sham in places for mask in (patch, sham)]
    own, *changed = subject.scores(opened, [image, *variants])[:, index]
    positive = np.maximum(values.astype(np.float64), 0.0)
    total = float(positive.sum())
    return [
        (
            zone,
            _Row(
                case=opened.case,
                label=label,
                shape=opened.shape,
                patch=np.flatnonzero(patch),
                sham=np.flatnonzero(sham),
                effect=float(own - changed[2 * at]),
                sham_effect=float(own - changed[2 * at + 1]),
                mass=float(positive[patch].sum()) / total if total > 0 else float("nan"),
            ),
        )
        for at, (zone, patch, sham) in enumerate(places)
    ]


def _map(subject: Subject, opened: Opened, index: int) -> npt.NDArray[np.float32] | None:
    native = subject.maps(opened)[index]
    found = patient_map(subject.adapter, subject.field.name, native, opened.shape)
    return found if found is not None and np.abs(found).max() > 0 else None


def _zones(subject: Subject, opened: Opened) -> dict[str, Mask]:
    found = {BORDER: border(opened.shape)}
    column = subject.column
    anatomy = subject.mask(opened.case, column.anatomy_mask_column, opened.shape)
    if anatomy is not None:
        masks = (subject.mask(opened.case, name, opened.shape) for name in column.finding_masks())
        found[OUTSIDE] = outside(anatomy, [one for one in masks if one is not None])
    return found


def _measured(
    subject: Subject, index: int, zone: str, rows: Sequence[_Row], cancel: Cancel
) -> MeasuredSuspect:
    cases = [one.case for one in rows]
    into, inserted = _insertions(subject, index, rows, cancel)
    return MeasuredSuspect(
        model=subject.adapter.card.key,
        outputs=(subject.outputs[index],),
        suspect=zone,
        case_ids=tuple(cases),
        patients=subject.patients(cases),
        labels=np.array([[one.label] for one in rows], dtype=np.int8),
        effect=np.array([[one.effect] for one in rows]),
        sham=np.array([[one.sham_effect] for one in rows]),
        inserted=np.array(inserted, dtype=np.float64).reshape(-1, 1),
        inserted_patients=subject.patients(into),
        mass_share=np.array([[one.mass] for one in rows]),
        area_share=np.array([len(one.patch) / np.prod(one.shape) for one in rows]),
    )


def _insertions(
    subject: Subject, index: int, rows: Sequence[_Row], cancel: Cancel
) -> tuple[list[str], list[float]]:
    """Return negatives into which a positive's patch was pasted, and the score minus a sham's."""
    cases, found = [], []
    givers = [one for one in rows if one.label == 1]
    for at, row in enumerate(one for one in rows if one.label == 0):
        stop_if(cancel)
        same = [one for one in givers if one.shape == row.shape]
        taker = subject.open(row.case) if same else None
        giver = subject.open(same[at % len(same)].case) if same else None
        if taker is None or giver is None:
            continue
        given = same[at % len(same)]
        pasted = [
            with_pasted(taker.image, giver.image, _mask(places, row.shape))
            for places in (given.patch, given.sham)
        ]
        scores = subject.scores(taker, pasted)[:, index]
        cases.append(row.case)
        found.append(float(scores[0] - scores[1]))
    return cases, found


def _mask(places: npt.NDArray[np.int64], shape: tuple[int, ...]) -> Mask:
    out = np.zeros(int(np.prod(shape)), dtype=np.bool_)
    out[places] = True
    return out.reshape(shape)
