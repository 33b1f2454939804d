"""Cases through a model: opened in portions, one forward pass each, failures set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.cohorts import Study
from audits.types import Progress, Skipped
from model_adapters.base import Batch, ModelAdapter, Prepared
from model_adapters.batching import batch_size_for, run_in_batches, take_rows
from model_adapters.errors import AdapterError

if TYPE_CHECKING:
    from audits.explanations.cams.engine import MapEngine

# Raw cases held at once. Images are large before they are resized; rows of a table are not.
_PORTION_IMAGES = 16
_PORTION_ROWS = 65536


@dataclass(slots=True)
class Forwarded:
    """What came back, by case."""

    case_ids: list[str] = field(default_factory=list)
    scores: list[npt.NDArray[np.float64]] = field(default_factory=list)
    maps: list[npt.NDArray[np.float32]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class ForwardPass:
    """Runs cases through a model, each once.

    Attributes:
        study: Where the inputs are.
        adapter: The model.
        maps: Engine whose forward pass gives scores and maps at once, or None.
        progress: Told how many cases are done.
        stop: Called between batches; raises to end the run.
    """

    study: Study
    adapter: ModelAdapter
    maps: MapEngine | None
    progress: Progress
    stop: Callable[[], None]
    _out: Forwarded = field(default_factory=Forwarded, init=False)

    def run(self, case_ids: Sequence[str]) -> Forwarded:
        """Run the cases and return what came back."""
        self._out = Forwarded()
        held: list[Prepared] = []
        names: list[str] = []
        size = 0
        for ready, usable, last in self._portions(case_ids):
            if usable:
                size = size or batch_size_for(self.adapter, ready, gradients=self.maps is not None)
                held.append(ready)
                names += usable
            if names and (last or len(names) >= size):
                self._forward(_joined(held), names, size)
                held, names = [], []
        return self._out

    def _portions(self, case_ids: Sequence[str]) -> Iterator[tuple[Prepared, list[str], bool]]:
        """Open and prepare the cases, some at a time; says which portion is the last."""
        large = any(one.modality in ("image", "signal") for one in self.adapter.inputs)
        portion = _PORTION_IMAGES if large else _PORTION_ROWS
        key, total = self.adapter.card.key, len(case_ids)
        for start in range(0, total, portion):
            self.stop()
            message = f"Predicting with {key}: {start:,} of {total:,} cases"
            self.progress(start / total, message)
            some = case_ids[start : start + portion]
            raw, usable, skipped = self.study.raw_batch(self.adapter.inputs, some)
            ready, usable, unfit = prepare_usable(self.adapter, raw, usable)
            self._out.skipped += [*skipped, *unfit]
            yield ready, usable, start + portion >= total
        self.progress(1.0, f"Predicting with {key}: {total:,} of {total:,} cases")

    def _forward(self, ready: Prepared, names: list[str], size: int) -> None:
        for rows, (scores, maps) in run_in_batches(
            lambda rows: self._scored(take_rows(ready, rows)), len(names), batch_size=size
        ):
            self.stop()
            finite: npt.NDArray[np.bool_] = np.asarray(np.isfinite(scores).all(axis=1))
            for case_id, fine in zip(names[rows], finite.tolist(), strict=True):
                if fine:
                    self._out.case_ids.append(case_id)
                else:
                    reason = "The model returned a score that is not a finite number."
                    self._out.skipped.append(Skipped(case=case_id, reason=reason))
            self._out.scores.append(scores[finite])
            if maps is not None:
                self._out.maps.append(np.asarray(maps[finite], dtype=np.float32))

    def _scored(
        self, prepared: Prepared
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32] | None]:
        if self.maps is None:
            return np.asarray(self.adapter.predict(prepared), dtype=np.float64), None
        return self.maps.forward_with_maps(prepared)


def prepare_usable(
    adapter: ModelAdapter, raw: Batch, usable: list[str]
) -> tuple[Prepared, list[str], list[Skipped]]:
    """Prepare cases; where some do not fit the model, find them and go on without.

    Args:
        adapter: The model.
        raw: Raw values of the cases.
        usable: Their ids.

    Returns:
        Prepared values, the ids of the cases in them, and the others with the reason.
    """
    if not usable:
        return {}, [], []
    try:
        return adapter.prepare(raw), usable, []
    except AdapterError:
        good, skipped = [], []
        for row, case_id in enumerate(usable):
            try:
                adapter.prepare(take_rows(raw, [row]))
            except AdapterError as error:
                skipped.append(Skipped(case=case_id, reason=str(error)))
            else:
                good.append(row)
        if not good:
            return {}, [], skipped
        return adapter.prepare(take_rows(raw, good)), [usable[row] for row in good], skipped


def _joined(parts: Sequence[Prepared]) -> Prepared:
    if len(parts) == 1:
        return parts[0]
    return {name: _concatenated([part[name] for part in parts]) for name in parts[0]}


def _concatenated(values: Sequence[Any]) -> Any:
    if isinstance(values[0], np.ndarray):
        return np.concatenate(values)
    import torch

    return torch.cat(list(values))
