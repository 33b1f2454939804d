"""What every test of a suspect needs: the model, its image, and scores of changed images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default_field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.maps import patient_map
from audits.explanations.spaces import explained

if TYPE_CHECKING:
    from audits.cohorts import Study
    from audits.cohorts.inputs import InputColumn
    from audits.explanations.cams import MapEngine
    from audits.explanations.shortcuts.regions import Mask
    from model_adapters.base import Field, ImageValue, ModelAdapter

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSuspect:
    """Effects of one suspect on some outputs of one model, case by case.

    Attributes:
        model: ``id@version``.
        outputs: Names of the outputs, in the order of the columns below.
        suspect: What was removed.
        case_ids: Cases that show it.
        patients: Patient code of each case.
        labels: int8 (cases, outputs): 1, 0, or -1 where unknown or where no label is joined.
        effect: (cases, outputs) score minus score without the suspect, on the explained scale.
        sham: The same for a patch of equal size and zone elsewhere.
        inserted: (others, outputs) effect of putting the suspect into negatives minus that of a
            sham, NaN for cases that are no negatives of the output.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An opened case.

    Attributes:
        case: Its id.
        raw: Every input of it, one row.
        image: The image that is changed.
    """

    case: str
    raw: Mapping[str, Any]
    image: ImageValue

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the image's spatial shape."""
        pixels = self.image.pixels
        return tuple(pixels.shape[:-1] if self.image.colour else pixels.shape)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """A model and the image of a study that it reads.

    Attributes:
        study: The study.
        adapter: The model.
        field: Its image input.
        column: The study's column of it.
        engine: Maps in one pass, or None for models whose maps would need a sweep per case.
    """

    study: Study
    adapter: ModelAdapter
    field: Field
    column: InputColumn
    engine: MapEngine | None
    _maps: dict[str, npt.NDArray[np.float32]] = default_field(default_factory=dict, repr=False)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the names of the model's outputs."""
        return self.adapter.output.names

    def open(self, case: str) -> Opened | None:
        """Open a case; None where an input of it does not open."""
        raw, usable, _ = self.study.raw_batch(self.adapter.inputs, [case])
        return Opened(case=case, raw=raw, image=raw[self.field.name][0]) if usable else None

    def mask(self, case: str, column: str | None, shape: Sequence[int]) -> Mask | None:
        """Return a mask of a case; None where there is none, an empty one, or of another shape."""
        found = None if column is None else self.study.mask(case, column)
        if found is None or not found.any() or found.shape != tuple(shape):
            return None
        return found

    def scores(self, opened: Opened, variants: Sequence[ImageValue]) -> Floats:
        """Return (variants, outputs) on the explained scale; other inputs stay the case's own."""
        batch = {name: _repeated(value, len(variants)) for name, value in opened.raw.items()}
        batch[self.field.name] = list(variants)
        predicted = self.adapter.predict(self.adapter.prepare(batch))
        return explained(predicted, self.adapter.output.space)

    def maps(self, opened: Opened) -> npt.NDArray[np.float32]:
        """Return every output's map (outputs, *grid); computed once a case."""
        assert self.engine is not None  # noqa: S101 - the caller has looked
        if opened.case not in self._maps:
            prepared = self.adapter.prepare(opened.raw)
            self._maps[opened.case] = self.engine.forward_with_maps(prepared)[1][0]
        return self._maps[opened.case]

    def mass_inside(self, opened: Opened, mask: Mask) -> Floats:
        """Return the share of positive attribution inside a region, (outputs,); NaN without."""
        out = np.full(len(self.outputs), np.nan)
        if self.engine is None:
            return out
        for index, native in enumerate(self.maps(opened)):
            found = patient_map(self.adapter, self.field.name, native, mask.shape)
            positive = None if found is None else np.maximum(found.astype(np.float64), 0.0)
            if positive is not None and positive.sum() > 0:
                out[index] = positive[mask].sum() / positive.sum()
        return out

    def patients(self, case_ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the patient code of each case; its own number where the study names none."""
        if self.study.patients is None:
            return np.arange(len(case_ids), dtype=np.int64)
        codes = [self.study.patients[self.study.row(case)] for case in case_ids]
        return np.array(codes, dtype=np.int64)

    def labels(self, case_ids: Sequence[str]) -> npt.NDArray[np.int8]:
        """Return 1, 0 or -1 for every case and output."""
        out = np.full((len(case_ids), len(self.outputs)), -1, dtype=np.int8)
        rows = [self.study.row(case) for case in case_ids]
        for place, name in enumerate(self.outputs):
            if name in self.study.labels:
                out[:, place] = np.asarray(self.study.labels[name].values)[rows]
        return out


def subject_of(study: Study, adapter: ModelAdapter) -> Subject | None:
    """Return what is tested; None for a model that reads no image of the study."""
    from audits.cohorts.inputs import match_input

    for one in adapter.inputs:
        if one.modality == "image":
            column = match_input(study.inputs, one, f"Study {study.name}")
            engine = _engine(adapter)
            return Subject(study=study, adapter=adapter, field=one, column=column, engine=engine)
    return None


def _engine(adapter: ModelAdapter) -> MapEngine | None:
    if not {"grad", "layers"} <= adapter.caps:
        return None
    from audits.explanations.attention import leading_engine

    engine = leading_engine(adapter)
    return engine if engine.fallback is None else None


def _repeated(value: Any, count: int) -> Any:
    if hasattr(value, "iloc"):
        return value.iloc[[0] * count]
    return [value[0]] * count
