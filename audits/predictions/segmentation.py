"""A segmentation model on a cohort: what it draws against the study's masks, case by case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from audits.cancel import Cancel, never, stop_if
from audits.cohorts import Study
from audits.cohorts.inputs import match_input
from audits.errors import AuditError, PackageError
from audits.explanations.segmentation.scores import RegionScores
from audits.fairness.regions.overlap import dice, hd95
from audits.predictions.joining import OutputJoin, join_outputs
from audits.types import Finding, Progress, Skipped, silent
from model_adapters.base import Field, ModelAdapter

NO_SPACING = "no pixel spacing is known, so no distance in mm"
_AXES = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SegmentedCohort:
    """What was measured of every case that could be segmented.

    Attributes:
        key: ``id@version`` of the model.
        case_ids: The cases (n).
        rows: int64 (n,), positions in the study's ``case_ids``.
        names: Outputs with masks in the study.
        measures: Output -> metric -> values, NaN where undefined, (n,).
        reasons: Metric -> why values may be undefined, where that is not what it usually is.
        skipped: Cases that did not open or have no mask, and why.
        findings: What the reader of the run must know.
    """

    key: str
    case_ids: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    names: tuple[str, ...]
    measures: Mapping[str, Mapping[str, npt.NDArray[np.float64]]]
    reasons: Mapping[str, str]
    skipped: tuple[Skipped, ...]
    findings: tuple[Finding, ...]


def segment_cohort(
    study: Study, adapter: ModelAdapter, *, progress: Progress = silent, cancel: Cancel = never
) -> SegmentedCohort:
    """Segment every case that has an image and masks, and measure the overlap on the image's grid.

    A pixel is drawn where its probability reaches the model's threshold, 0.5 where it has none. The
    model's map is brought onto the stored image before it is cut, so distances are in that image's
    millimetres.

    Args:
        study: Its labels of task ``segmentation`` name mask files.
        adapter: The model.
        progress: Told how far it is.
        cancel: Asked between cases; True ends it.

    Raises:
        AuditError: No output has masks, the model takes no image, or no case could be segmented.
        CancelledRun: ``cancel`` said so.
    """
    join = join_outputs(study, adapter)
    field = _image_field(adapter)
    masks = match_input(study.inputs, field, f"Study {study.name}")
    for name in join.names:
        if study.labels[name].task != "segmentation" and masks.mask_column(name) is None:
            raise AuditError(
                f"{adapter.card.key}: its task is segmentation, and nothing in {study.name} names "
                f"masks of {name!r}; give the image input a mask_column, or the label task = "
                '"segmentation" and a column of mask files.'
            )
    cases = _Cases(study, adapter, field, join)
    total = len(study.case_ids)
    for row, case_id in enumerate(study.case_ids):
        stop_if(cancel)
        progress(row / max(total, 1), f"Segmenting with {adapter.card.key}: {row:,} of {total:,}")
        cases.measure(row, case_id)
    return cases.cohort(join)


def _image_field(adapter: ModelAdapter) -> Field:
    images = [one for one in adapter.inputs if one.modality == "image"]
    if len(images) != 1:
        raise AuditError(
            f"{adapter.card.key}: a segmentation is measured on one image, and it takes "
            f"{len(images)}; declare one image input."
        )
    return images[0]


class _Cases:
    """Collects the measurements of one case after the other."""

    def __init__(self, study: Study, adapter: ModelAdapter, field: Field, join: OutputJoin) -> None:
        self.study, self.adapter, self.field, self.join = study, adapter, field, join
        self.scores = RegionScores(model=adapter)
        self.rows: list[int] = []
        self.values: list[list[tuple[float, float]]] = []
        self.skipped: list[Skipped] = []
        self.unscaled = 0

    def measure(self, row: int, case_id: str) -> None:
        """Segment one case, or say why it cannot be."""
        try:
            masks = [self._mask(case_id, name) for name in self.join.names]
            if all(mask is None for mask in masks):
                self.skipped.append(Skipped(case=case_id, reason="It has no mask."))
                return
            drawn, spacing = self._drawn(case_id)
        except PackageError as error:
            self.skipped.append(Skipped(case=case_id, reason=str(error)))
            return
        found = []
        for mask, one in zip(masks, drawn, strict=True):
            if mask is not None and mask.shape != one.shape:
                reason = f"Its mask has the shape {mask.shape}, its image {one.shape}."
                self.skipped.append(Skipped(case=case_id, reason=reason))
                return
            found.append(_measured(one, mask, spacing))
        self.unscaled += spacing is None
        self.rows.append(row)
        self.values.append(found)

    def _mask(self, case_id: str, name: str) -> npt.NDArray[np.bool_] | None:
        label = self.study.labels[name]
        if label.task == "segmentation":
            return self.study.mask(case_id, label.column)
        return self.study.reference_mask(case_id, self.field, name)

    def _drawn(self, case_id: str) -> tuple[list[npt.NDArray[np.bool_]], tuple[float, ...] | None]:
        """Return what the model draws on the stored image, one mask per output, and its spacing."""
        raw, usable, skipped = self.study.raw_batch(self.adapter.inputs, [case_id])
        if not usable:
            raise AuditError(skipped[0].reason)
        values = self.scores.pixels(self.adapter.prepare(raw))
        if values.ndim <= _AXES:
            raise AuditError("The model gives one number per case, not one per pixel.")
        image = self.study.image(case_id, self.field.name)
        native = image.pixels.shape[: values.ndim - _AXES]
        geometry = cast("Any", self.adapter).geometry(self.field.name, native)
        on_image = np.stack([geometry.to_native(values[0, at]) for at in self.join.columns])
        cuts = self.scores.cuts()[list(self.join.columns)]
        drawn = [one >= cut for one, cut in zip(on_image, cuts, strict=True)]
        return drawn, image.spacing_mm

    def cohort(self, join: OutputJoin) -> SegmentedCohort:
        """Return everything that was measured."""
        key = self.adapter.card.key
        if not self.rows:
            reason = self.skipped[0].reason.rstrip(".") if self.skipped else "there is no case"
            raise AuditError(
                f"Model {key}: none of the {len(self.study.case_ids):,} cases of study "
                f"{self.study.name} could be segmented (the first: {reason}); ship images and "
                "masks."
            )
        table = np.asarray(self.values)  # (cases, outputs, metrics)
        findings = list(join.findings)
        reasons = {}
        if self.unscaled:
            reasons["hd95"] = f"no true or no drawn region, or {NO_SPACING}"
            message = f"{self.unscaled:,} images have no pixel spacing, so no distance in mm."
            findings.append(Finding(severity="info", where=f"{key}: hd95", message=message))
        return SegmentedCohort(
            key=key,
            case_ids=tuple(self.study.case_ids[row] for row in self.rows),
            rows=np.asarray(self.rows, dtype=np.int64),
            names=join.names,
            measures={
                name: {"dice": table[:, at, 0], "hd95": table[:, at, 1]}
                for at, name in enumerate(join.names)
            },
            reasons=reasons,
            skipped=tuple(self.skipped),
            findings=tuple(findings),
        )


def _measured(
    drawn: npt.NDArray[np.bool_],
    mask: npt.NDArray[np.bool_] | None,
    spacing: tuple[float, ...] | None,
) -> tuple[float, float]:
    """Return Dice and HD95 of one output; NaN where no mask says what is true."""
    if mask is None:
        return float("nan"), float("nan")
    far = float("nan") if spacing is None else hd95(drawn, mask, spacing)
    return dice(drawn, mask), far
