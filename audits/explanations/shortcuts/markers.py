"""A mark that some images show: its effect when it is taken out, and when it is put in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from audits.cancel import Cancel, never, stop_if
from audits.explanations.shortcuts.patches import grown, sham_of, with_pasted, without
from audits.explanations.shortcuts.subject import MeasuredSuspect
from audits.types import Progress, silent

if TYPE_CHECKING:
    from audits.explanations.shortcuts.regions import Mask
    from audits.explanations.shortcuts.subject import Floats, Opened, Subject

MARKER = "marker"


@dataclass(frozen=True, slots=True)
class _Marked:
    """Where a case shows the mark, and where its sham lies; a cohort of full masks is large."""

    case: str
    shape: tuple[int, ...]
    mark: npt.NDArray[np.int64]
    sham: npt.NDArray[np.int64]


def measure_markers(
    subject: Subject,
    case_ids: Sequence[str],
    rng: np.random.Generator,
    *,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> tuple[MeasuredSuspect, ...]:
    """Take the mark out of the cases that show it, and put it into negatives that do not.

    Args:
        subject: Model and image; its column names the mark's masks.
        case_ids: Drawn cases.
        rng: Chooses shams and donors.
        progress: Told how far it is.
        cancel: Asked between cases.

    Returns:
        One entry, or none where no case with room for a sham shows the mark.
    """
    shown: list[_Marked] = []
    others: list[str] = []
    effects, shams, masses = [], [], []
    for number, case in enumerate(case_ids):
        stop_if(cancel)
        opened = subject.open(case)
        if opened is None:
            continue
        mask = subject.study.mask(case, str(subject.column.marker_mask_column))
        if mask is None or not mask.any():
            others.append(case)
            continue
        found = _marked(subject, opened, mask, rng)
        if found is None:
            continue
        mark, sham = _region(found.mark, found.shape), _region(found.sham, found.shape)
        image = opened.image
        scores = subject.scores(opened, [image, without(image, mark), without(image, sham)])
        effects.append(scores[0] - scores[1])
        shams.append(scores[0] - scores[2])
        masses.append(subject.mass_inside(opened, mark))
        shown.append(found)
        progress(0.8 * (number + 1) / len(case_ids), "Removing markers and sham patches")
    if not shown:
        return ()
    cases = [one.case for one in shown]
    into, inserted = _insertions(subject, shown, others, rng, cancel)
    return (
        MeasuredSuspect(
            model=subject.adapter.card.key,
            outputs=subject.outputs,
            suspect=MARKER,
            case_ids=tuple(cases),
            patients=subject.patients(cases),
            labels=subject.labels(cases),
            effect=np.stack(effects),
            sham=np.stack(shams),
            inserted=inserted,
            inserted_patients=subject.patients(into),
            mass_share=np.stack(masses),
            area_share=np.array([len(one.mark) / np.prod(one.shape) for one in shown]),
        ),
    )


def _marked(
    subject: Subject, opened: Opened, mask: Mask, rng: np.random.Generator
) -> _Marked | None:
    """Return where mark and sham lie; None without room for a sham."""
    if mask.shape != opened.shape:
        return None
    mark = grown(mask)
    anatomy = subject.mask(opened.case, subject.column.anatomy_mask_column, opened.shape)
    # The sham must not touch the anatomy, unless the mark itself does.
    avoid = [mark] if anatomy is None or (anatomy & mark).any() else [mark, anatomy]
    sham = sham_of(mark, avoid, rng)
    if sham is None:
        return None
    return _Marked(opened.case, opened.shape, np.flatnonzero(mark), np.flatnonzero(sham))


def _insertions(
    subject: Subject,
    shown: Sequence[_Marked],
    others: Sequence[str],
    rng: np.random.Generator,
    cancel: Cancel,
) -> tuple[list[str], Floats]:
    """Return the cases a mark was pasted into, and score with it minus score with a sham.

    NaN for outputs of which the case is no negative.
    """
    cases, found = [], []
    for case in others:
        stop_if(cancel)
        opened = subject.open(case)
        donors = [] if opened is None else [one for one in shown if one.shape == opened.shape]
        labels = subject.labels([case])[0]
        if opened is None or not donors or (labels == 1).all():
            continue
        donor = donors[int(rng.integers(len(donors)))]
        giving = subject.open(donor.case)
        if giving is None:
            continue
        pasted, sham = (
            with_pasted(opened.image, giving.image, _region(places, donor.shape))
            for places in (donor.mark, donor.sham)
        )
        scores = subject.scores(opened, [pasted, sham])
        cases.append(case)
        found.append(np.where(labels == 1, np.nan, scores[0] - scores[1]))
    return cases, np.stack(found) if found else np.empty((0, len(subject.outputs)))


def _region(places: npt.NDArray[np.int64], shape: tuple[int, ...]) -> Mask:
    out = np.zeros(int(np.prod(shape)), dtype=np.bool_)
    out[places] = True
    return out.reshape(shape)
