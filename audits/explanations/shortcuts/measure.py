"""Measure, case by case, what removing or inserting a suspect does to every output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.cancel import Cancel, never, stop_if
from audits.explanations.maps import patient_map
from audits.explanations.shortcuts.patches import (
    Mask,
    grown,
    sham_of,
    with_pasted,
    without,
)
from audits.explanations.spaces import explained
from audits.types import Progress, silent

if TYPE_CHECKING:
    from audits.cohorts import Study
    from audits.cohorts.inputs import InputColumn
    from audits.explanations.cams import MapEngine
    from model_adapters.base import Field, ImageValue, ModelAdapter

Floats = npt.NDArray[np.float64]

MARKER = "marker"
MOST_CASES = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSuspect:
    """Effects of one suspect on every output of one model, case by case.

    Attributes:
        model: ``id@version``.
        outputs: Names of the outputs, in the order of the columns below.
        suspect: What was removed.
        case_ids: Cases that show it.
        patients: Patient code of each case.
        labels: int8 (cases, outputs): 1, 0, or -1 where unknown or where no label is joined.
        effect: (cases, outputs) score minus score without the suspect, on the explained scale.
        sham: The same for a patch of equal size and zone elsewhere.
        inserted: (others, outputs) score with the suspect pasted in minus the score with a
            sham patch pasted in, for cases that do not show it.
        inserted_patients: Patient code of each of those.
        mass_share: (cases, outputs) share of the positive attribution inside, NaN where there is
            no map or no positive attribution.
        area_share: (cases,) share of the image's area.
    """

    model: str
    outputs: tuple[str, ...]
    suspect: str
    case_ids: tuple[str, ...]
    patients: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int8]
    effect: Floats
    sham: Floats
    inserted: Floats
    inserted_patients: npt.NDArray[np.int64]
    mass_share: Floats
    area_share: Floats


@dataclass(frozen=True, slots=True)
class _Case:
    """An opened case that shows the suspect."""

    case: str
    raw: Mapping[str, Any]
    image: ImageValue
    mask: Mask
    sham: Mask


def measure_shortcuts(
    study: Study,
    adapter: ModelAdapter,
    *,
    seed: int = 0,
    most_cases: int = MOST_CASES,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> tuple[MeasuredSuspect, ...]:
    """Measure the suspects that the study has masks for.

    Args:
        study: A study whose image input declares ``marker_mask_column``.
        adapter: A model that takes that image.
        seed: Seed of the choice of cases, shams and donors.
        most_cases: Cases measured at most, drawn at random.
        progress: Told how far it is.
        cancel: Asked between cases.

    Returns:
        One entry per suspect; none where the study declares no mask or no case shows it.

    Raises:
        CancelledRun: If ``cancel`` said so.
    """
    place = _marked_input(study, adapter)
    if place is None:
        return ()
    field, column = place
    rng = np.random.default_rng(seed)
    shown, others = _open_cases(study, adapter, field, column, rng, most_cases)
    if not shown:
        return ()
    engine = _engine(adapter)
    effects, shams, masses = [], [], []
    for number, one in enumerate(shown):
        stop_if(cancel)
        variants = [one.image, without(one.image, one.mask), without(one.image, one.sham)]
        scores = _scores(adapter, field, one.raw, variants)
        effects.append(scores[0] - scores[1])
        shams.append(scores[0] - scores[2])
        masses.append(_mass_inside(adapter, engine, field, one))
        progress(0.8 * (number + 1) / len(shown), "Removing markers and sham patches")
    inserted = _insertions(adapter, field, shown, others, rng, cancel)
    progress(1.0, "Shortcuts measured")
    names = adapter.output.names
    return (
        MeasuredSuspect(
            model=adapter.card.key,
            outputs=names,
            suspect=MARKER,
            case_ids=tuple(one.case for one in shown),
            patients=_patients(study, [one.case for one in shown]),
            labels=_labels(study, names, [one.case for one in shown]),
            effect=np.stack(effects),
            sham=np.stack(shams),
            inserted=inserted,
            inserted_patients=_patients(study, [case for case, _, _ in others][: len(inserted)]),
            mass_share=np.stack(masses),
            area_share=np.array([one.mask.mean() for one in shown]),
        ),
    )


def _marked_input(study: Study, adapter: ModelAdapter) -> tuple[Field, InputColumn] | None:
    from audits.cohorts.inputs import match_input

    for field in adapter.inputs:
        if field.modality == "image":
            column = match_input(study.inputs, field, f"Study {study.name}")
            return (field, column) if column.marker_mask_column else None
    return None


def _open_cases(
    study: Study,
    adapter: ModelAdapter,
    field: Field,
    column: InputColumn,
    rng: np.random.Generator,
    most: int,
) -> tuple[list[_Case], list[tuple[str, Mapping[str, Any], ImageValue]]]:
    """Return cases that show the suspect and have room for a sham, and cases that do not."""
    shown: list[_Case] = []
    others: list[tuple[str, Mapping[str, Any], ImageValue]] = []
    usable = np.flatnonzero(study.available(adapter.inputs))
    for row in rng.permutation(usable)[:most]:
        case = study.case_ids[int(row)]
        raw, opened, _ = study.raw_batch(adapter.inputs, [case])
        if not opened:
            continue
        image: ImageValue = raw[field.name][0]
        mask = study.mask(case, str(column.marker_mask_column))
        if mask is None or not mask.any():
            others.append((case, raw, image))
            continue
        shape = image.pixels.shape[:-1] if image.colour else image.pixels.shape
        if mask.shape != shape:
            continue
        region = grown(mask)
        sham = sham_of(region, [region, *_anatomy(study, case, column, region)], rng)
        if sham is not None:
            shown.append(_Case(case, raw, image, region, sham))
    return shown, others


def _anatomy(study: Study, case: str, column: InputColumn, region: Mask) -> list[Mask]:
    """Return the anatomy, which a sham must not touch unless the suspect itself does."""
    if column.anatomy_mask_column is None:
        return []
    anatomy = study.mask(case, column.anatomy_mask_column)
    if anatomy is None or anatomy.shape != region.shape or (anatomy & region).any():
        return []
    return [anatomy]


def _scores(
    adapter: ModelAdapter, field: Field, raw: Mapping[str, Any], variants: Sequence[ImageValue]
) -> Floats:
    """Return (variants, outputs) on the explained scale; other inputs stay the case's own."""
    batch = {name: _repeated(value, len(variants)) for name, value in raw.items()}
    batch[field.name] = list(variants)
    return explained(adapter.predict(adapter.prepare(batch)), adapter.output.space)


def _repeated(value: Any, count: int) -> Any:
    if hasattr(value, "iloc"):
        return value.iloc[[0] * count]
    return [value[0]] * count


def _engine(adapter: ModelAdapter) -> MapEngine | None:
    """Return a CAM engine; None for models whose maps would need a sweep per case."""
    if not {"grad", "layers"} <= adapter.caps:
        return None
    from audits.explanations.cams import cam_engine

    engine = cam_engine(adapter)
    return engine if engine.fallback is None else None


def _mass_inside(
    adapter: ModelAdapter, engine: MapEngine | None, field: Field, one: _Case
) -> Floats:
    """Return the share of positive attribution inside the suspect, (outputs,)."""
    count = len(adapter.output.names)
    if engine is None:
        return np.full(count, np.nan)
    _, maps = engine.forward_with_maps(adapter.prepare(one.raw))
    out = np.full(count, np.nan)
    for index in range(count):
        patient = patient_map(adapter, field.name, maps[0, index], one.mask.shape)
        if patient is None:
            continue
        positive = np.maximum(patient.astype(np.float64), 0.0)
        if positive.sum() > 0:
            out[index] = positive[one.mask].sum() / positive.sum()
    return out


def _insertions(
    adapter: ModelAdapter,
    field: Field,
    shown: Sequence[_Case],
    others: Sequence[tuple[str, Mapping[str, Any], ImageValue]],
    rng: np.random.Generator,
    cancel: Cancel,
) -> Floats:
    """Return score with a pasted suspect minus score with a pasted sham, (others, outputs)."""
    out = []
    for _, raw, image in others:
        stop_if(cancel)
        donors = [one for one in shown if one.image.pixels.shape == image.pixels.shape]
        if not donors:
            out.append(np.full(len(adapter.output.names), np.nan))
            continue
        donor = donors[int(rng.integers(len(donors)))]
        pasted = with_pasted(image, donor.image, donor.mask)
        sham = with_pasted(image, donor.image, donor.sham)
        scores = _scores(adapter, field, raw, [pasted, sham])
        out.append(scores[0] - scores[1])
    return np.stack(out) if out else np.empty((0, len(adapter.output.names)))


def _patients(study: Study, case_ids: Sequence[str]) -> npt.NDArray[np.int64]:
    if study.patients is None:
        return np.arange(len(case_ids), dtype=np.int64)
    return np.array([study.patients[study.row(case)] for case in case_ids], dtype=np.int64)


def _labels(study: Study, outputs: Sequence[str], case_ids: Sequence[str]) -> npt.NDArray[np.int8]:
    out = np.full((len(case_ids), len(outputs)), -1, dtype=np.int8)
    rows = [study.row(case) for case in case_ids]
    for place, name in enumerate(outputs):
        if name in study.labels:
            out[:, place] = np.asarray(study.labels[name].values)[rows]
    return out
