"""Occlusion: how much each output falls when a part of the image is blanked.

One sweep serves every output (Zeiler and Fergus, ECCV 2014), needs only ``predict`` and so works
for every model, black boxes included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from audits.explanations.pixels.boxes import BoxGrid, tiles
from audits.explanations.pixels.refining import is_refinable, refined_maps
from audits.explanations.spaces import explained

if TYPE_CHECKING:
    import torch

    from model_adapters.base import ModelAdapter, OutputSpec, Prepared

ROWS_PER_CALL = 256
PIXELS_PER_CALL = {"cpu": 2**17, "cuda": 2**24}
"""Pixels of one call at most; on a CPU more leave the caches and are no faster."""

BLUR = 0.08
"""Standard deviation of the blur as a share of the image's size."""

Baseline = float | None


class Predictor(Protocol):
    """Whatever gives numbers for prepared cases: a model, or a measure of its output."""

    @property
    def output(self) -> OutputSpec:
        """Return what the numbers are."""
        ...

    def predict(self, prepared: Prepared) -> npt.NDArray[np.float64]:
        """Return (n, outputs)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OcclusionEngine:
    """Occlusion maps behind the interface of :class:`~audits.explanations.cams.MapEngine`.

    Attributes:
        adapter: Any model with an image or signal input.
        field: Which input field is occluded; the others stay as they are.
        fallback: Why occlusion stands in for another method, or None.
        cells: Cells per axis, or None for the default grid.
        baseline: Value put in, in the model's own input units; None is the image's own mean.
        rows: Images per prediction call.
        refine: Cut only those large boxes into small ones that matter.
    """

    adapter: ModelAdapter
    field: str
    fallback: str | None = None
    cells: tuple[int, ...] | None = None
    baseline: Baseline = None
    rows: int = ROWS_PER_CALL
    refine: bool = True

    @property
    def method(self) -> str:
        """Return the contract's name."""
        return "occlusion"

    @property
    def layer(self) -> None:
        """Return None: pixels are perturbed, no layer is read."""
        return

    @property
    def grid(self) -> tuple[int, ...]:
        """Return the declared grid, or () while it follows the image's size."""
        return self.cells or ()

    def forward_with_maps(
        self, prepared: Prepared
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
        """Return scores (n, outputs) and maps (n, outputs, *grid) on the explained scale."""
        spatial = tuple(prepared[self.field].shape[2:])
        boxes = tiles(spatial, self.cells)
        scores = self.adapter.predict(prepared)
        if self.refine and is_refinable(boxes.grid):
            return scores, refined_maps(self._sweep, prepared, self.field, boxes)
        return scores, self._sweep(prepared, boxes)

    def _sweep(self, prepared: Prepared, boxes: BoxGrid) -> npt.NDArray[np.float32]:
        return occlusion_maps(
            self.adapter, prepared, self.field, boxes, baseline=self.baseline, rows=self.rows
        )


def occlusion_maps(
    adapter: Predictor,
    prepared: Prepared,
    field: str,
    boxes: BoxGrid,
    *,
    baseline: Baseline = None,
    rows: int = ROWS_PER_CALL,
) -> npt.NDArray[np.float32]:
    """Blank one box at a time and return what each output loses.

    The untouched case goes through the same batches as its occluded copies, so both come from
    the same arithmetic.

    Args:
        adapter: The model.
        prepared: n cases.
        field: The input to occlude.
        boxes: Where.
        baseline: Value put in; None is each image's own mean per channel.
        rows: Images per call.

    Returns:
        float32 (n, outputs, *boxes.grid): f(x) - f(x with the box blanked); positive supports
        the output.
    """
    cases = []
    for index in range(len(prepared[field])):
        case = {name: value[index : index + 1] for name, value in prepared.items()}
        cases.append(_one_case(adapter, case, field, boxes, baseline, rows))
    return np.stack(cases).astype(np.float32)


def _one_case(
    adapter: Predictor,
    case: Mapping[str, Any],
    field: str,
    boxes: BoxGrid,
    baseline: Baseline,
    rows: int,
) -> npt.NDArray[np.float64]:
    image = case[field][0]
    fill = channel_mean(image) if baseline is None else baseline

    def occlude(position: int) -> Any:
        changed = copy_of(image)
        if position >= 0:
            box = (slice(None), *boxes.boxes[position])
            changed[box] = fill
        return changed

    values = evaluate_variants(
        adapter, case, field, range(-1, len(boxes.boxes)), occlude, rows=rows
    )
    drops = values[:1] - values[1:]
    return drops.T.reshape(-1, *boxes.grid)


def evaluate_variants(
    adapter: Predictor,
    case: Mapping[str, Any],
    field: str,
    variants: range,
    make: Callable[[int], Any],
    *,
    rows: int = ROWS_PER_CALL,
) -> npt.NDArray[np.float64]:
    """Predict many versions of one case that differ in one input.

    Args:
        adapter: The model.
        case: One case as ``prepare`` returns it, leading axis 1.
        field: The input that differs.
        variants: Numbers handed to ``make``.
        make: Returns the changed input (channels, *spatial).
        rows: Versions per call.

    Returns:
        float64 (variants, outputs) on the explained scale.
    """
    out = []
    rows = rows_per_call(adapter, case[field][0], rows)
    for start in range(0, len(variants), rows):
        chunk = variants[start : start + rows]
        batch = {name: repeat_rows(value, len(chunk)) for name, value in case.items()}
        batch[field] = stack_rows([make(number) for number in chunk])
        out.append(explained(adapter.predict(batch), adapter.output.space))
    return np.concatenate(out)


def channel_mean(image: Any) -> Any:
    """Return the mean per channel of (channels, *spatial), shaped to be written into a box."""
    axes = tuple(range(1, image.ndim))
    if isinstance(image, np.ndarray):
        return image.mean(axis=axes, keepdims=True)
    return image.mean(dim=axes, keepdim=True)


def kept_or_filled(image: Any, fill: Any, keep: npt.NDArray[np.bool_]) -> Any:
    """Return (channels, *spatial) with the fill wherever ``keep`` (*spatial) is False."""
    if isinstance(image, np.ndarray):
        return np.where(keep[None], image, fill)
    import torch

    return torch.where(torch.as_tensor(keep, device=image.device)[None], image, fill)


def rows_per_call(adapter: Any, image: Any, most: int) -> int:
    """Return how many versions of an image go into one call: fewer where it is large."""
    size = math.prod(int(side) for side in image.shape[1:])
    device = str(getattr(adapter, "device", "cpu"))
    return max(1, min(most, PIXELS_PER_CALL.get(device, 2**17) // max(1, size)))


def blurred(image: Any) -> Any:
    """Return (channels, *spatial) without detail: the usual start of insertion."""
    from scipy.ndimage import gaussian_filter

    values = image if isinstance(image, np.ndarray) else image.cpu().numpy()
    sigma = [0.0, *(size * BLUR for size in values.shape[1:])]
    soft = gaussian_filter(values, sigma, mode="nearest")
    if isinstance(image, np.ndarray):
        return soft
    import torch

    return torch.as_tensor(soft).to(image)


def copy_of(image: Any) -> Any:
    """Return a copy that may be written to."""
    return image.copy() if isinstance(image, np.ndarray) else image.clone()


def repeat_rows(value: Any, count: int) -> Any:
    """Return a single row repeated; arrays and tensors keep their type."""
    if isinstance(value, np.ndarray):
        return np.repeat(value, count, axis=0)
    return value.expand(count, *value.shape[1:])


def stack_rows(rows: list[Any]) -> Any:
    """Return rows stacked along a new first axis; arrays and tensors keep their type."""
    if isinstance(rows[0], np.ndarray):
        return np.stack(rows)
    import torch

    tensors: list[torch.Tensor] = rows
    return torch.stack(tensors)
