"""Some opened cases of one model, so that every evaluation that can be shared is shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.backgrounds import Background, CaseSource, audit_background
from audits.explanations.request import Request, held_still
from audits.explanations.segmentation.regions import Region
from audits.explanations.segmentation.scores import RegionScores, explainable
from audits.types import Skipped

if TYPE_CHECKING:
    from model_adapters.base import ModelAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Opened cases of one model: raw and prepared rows in the order of ``case_ids``.

    Attributes:
        study: Where they come from.
        adapter: The model.
        case_ids: Those that could be opened.
        raw: As the study gives them.
        prepared: As the model takes them.
        scores: (n, outputs) in ``output.space``.
        seed: Seed of everything drawn.
        background: Cohort for effects, or None for models without a table or a sequence.
        skipped: Those that could not be opened.
    """

    study: CaseSource
    adapter: ModelAdapter
    case_ids: tuple[str, ...]
    raw: Mapping[str, Any]
    prepared: Mapping[str, Any]
    scores: npt.NDArray[np.float64]
    seed: int
    background: Background | None
    skipped: tuple[Skipped, ...]

    @property
    def is_one_table(self) -> bool:
        """Return whether the model takes a table alone, so that cases can be explained at once."""
        return [field.modality for field in self.adapter.inputs] == ["table"]

    def rows(self, rows: Sequence[int]) -> Mapping[str, Any]:
        """Return some prepared rows."""
        picked = list(rows)
        return {name: value[picked] for name, value in self.prepared.items()}

    def only(self, rows: Sequence[int]) -> Sample:
        """Return the same sample with some of its cases."""
        picked = [int(row) for row in rows]
        raw = {
            name: value.iloc[picked] if hasattr(value, "iloc") else [value[row] for row in picked]
            for name, value in self.raw.items()
        }
        return replace(
            self,
            case_ids=tuple(self.case_ids[row] for row in picked),
            raw=raw,
            prepared=self.rows(picked),
            scores=self.scores[picked],
        )

    def request(self, row: int, index: int) -> Request:
        """Return one output of one case as a request."""
        raw = {name: _row(value, row) for name, value in self.raw.items()}
        prepared = {name: value[row : row + 1] for name, value in self.prepared.items()}
        adapter, case, region = self.adapter, self.case_ids[row], None
        if isinstance(adapter, RegionScores):
            region = Region()
            adapter = held_still(self.study, adapter, case, raw, prepared, region)
        return Request(
            study=self.study,
            adapter=adapter,
            case=case,
            index=index,
            raw=raw,
            prepared=prepared,
            scores=self.scores[row : row + 1],
            seed=self.seed,
            given_background=self.background,
            region=region,
        )


def open_sample(
    study: CaseSource,
    adapter: ModelAdapter,
    case_ids: Sequence[str],
    *,
    seed: int,
    background: Background | None,
) -> Sample:
    """Open and predict some cases; those that cannot be opened are listed.

    Args:
        study: The study.
        adapter: The model.
        case_ids: Which cases.
        seed: Seed of everything drawn.
        background: Cohort for effects; default drawn from the audited cases.
    """
    adapter = explainable(adapter)
    raw, usable, skipped = study.raw_batch(adapter.inputs, list(case_ids))
    prepared = adapter.prepare(raw) if usable else {}
    scores = adapter.predict(prepared) if usable else np.empty((0, len(adapter.output.names)))
    needed = usable and any(field.modality in {"table", "sequence"} for field in adapter.inputs)
    if background is None and needed:
        background = audit_background(study, adapter, seed=seed)
    return Sample(
        study=study,
        adapter=adapter,
        case_ids=tuple(usable),
        raw=raw,
        prepared=prepared,
        scores=scores,
        seed=seed,
        background=background,
        skipped=tuple(skipped),
    )


def _row(value: Any, row: int) -> Any:
    """Return one row of a table, a list or an array, as a batch of one."""
    return value.iloc[[row]] if hasattr(value, "iloc") else value[row : row + 1]
