"""A segmentation model seen as one score per output: the mean log-odds of a set of pixels.

Every method for scores then explains a segmentation: read at a layer it is Seg-Grad-CAM
(Vinogradova, Dibrov and Myers, AAAI 2020), whose sum over the pixels is divided by their number, so
that large and small regions share a scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError
from audits.explanations.segmentation.regions import Mask, Region, on_model, place_of
from audits.explanations.spaces import explained, explained_tensor
from model_adapters.base import OutputSpec

if TYPE_CHECKING:
    import torch

    from model_adapters.base import Batch, Capability, Field, ModelAdapter, ModelCard, Prepared

TABLE_AXES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionScores:
    """A segmentation model behind the interface of a model of scores.

    Attributes:
        model: The segmentation model; ``predict`` gives (n, outputs, *spatial).
        masks: bool (1, outputs, *spatial) on the model's grid, the same for every row; None asks
            each image about what the model itself segments in it.
    """

    model: ModelAdapter
    masks: Mask | None = None

    @property
    def card(self) -> ModelCard:
        """Return the model's identity."""
        return self.model.card

    @property
    def inputs(self) -> tuple[Field, ...]:
        """Return the model's inputs."""
        return self.model.inputs

    @property
    def output(self) -> OutputSpec:
        """Return one score per output, on the explained scale."""
        space = self.model.output.space
        return replace(self.model.output, space="logit" if space == "probability" else space)

    @property
    def caps(self) -> frozenset[Capability]:
        """Return what the model can do."""
        return self.model.caps

    @property
    def device(self) -> str:
        """Return where it runs."""
        return self.model.device

    def prepare(self, raw: Batch) -> Prepared:
        """Apply the model's preprocessing."""
        return self.model.prepare(raw)

    def pixels(self, prepared: Prepared) -> npt.NDArray[np.float64]:
        """Return (n, outputs, *spatial) on the explained scale."""
        return explained(self.model.predict(prepared), self.model.output.space)

    def predict(self, prepared: Prepared) -> npt.NDArray[np.float64]:
        """Return the mean over the region, (n, outputs)."""
        values = self.pixels(prepared)
        if values.ndim <= TABLE_AXES:
            raise ExplanationError(
                f"{self.card.key}: a segmentation gives one value per pixel, found shape "
                f"{values.shape}; declare another task in model.toml"
            )
        masks = self._masks(values)
        axes = tuple(range(TABLE_AXES, values.ndim))
        return np.asarray((values * masks).sum(axis=axes) / masks.sum(axis=axes))

    def forward(self, prepared: Prepared) -> torch.Tensor:
        """Return the same, differentiable; the region itself is held fixed."""
        import torch

        raw = cast("Any", self.model).forward(prepared)
        values = explained_tensor(raw, self.model.output.space)
        masks = self._masks(values.detach().cpu().double().numpy())
        kept = torch.as_tensor(masks, device=values.device).to(values.dtype)
        axes = tuple(range(TABLE_AXES, values.ndim))
        return (values * kept).sum(dim=axes) / kept.sum(dim=axes)

    def module(self) -> torch.nn.Module:
        """Return the network."""
        module: torch.nn.Module = cast("Any", self.model).module()
        return module

    def with_module(self, module: torch.nn.Module) -> RegionScores:
        """Return the same with another network in its place."""
        return replace(self, model=cast("Any", self.model).with_module(module))

    def target_layer(self) -> Any:
        """Return the declared layer, or None."""
        return cast("Any", self.model).target_layer()

    def tokens(self) -> Any:
        """Return the declared tokens, or None."""
        ask = getattr(self.model, "tokens", None)
        return ask() if callable(ask) else None

    def geometry(self, field: str, native: tuple[int, ...], **more: Any) -> Any:
        """Return how an image lies in the model's input."""
        return cast("Any", self.model).geometry(field, native, **more)

    def cuts(self) -> npt.NDArray[np.float64]:
        """Return where each output's pixels count as inside, on the explained scale."""
        thresholds, space = self.model.output.thresholds, self.model.output.space
        count = len(self.model.output.names)
        if thresholds is None:
            return np.zeros(count)
        held = np.asarray(thresholds, dtype=np.float64)
        return held if space == "value" else explained(held, "probability")

    def predicted(self, values: npt.NDArray[np.float64]) -> Mask:
        """Return what the model segments, bool like ``values`` (n, outputs, *spatial)."""
        cuts = self.cuts().reshape(1, -1, *(1,) * (values.ndim - TABLE_AXES))
        return np.asarray(values >= cuts)

    def _masks(self, values: npt.NDArray[np.float64]) -> Mask:
        if self.masks is not None:
            if self.masks.shape[TABLE_AXES:] == values.shape[TABLE_AXES:]:
                return self.masks
            return nearest(self.masks, values.shape[TABLE_AXES:])
        return with_peak(self.predicted(values), values)


def with_peak(masks: Mask, values: npt.NDArray[np.float64]) -> Mask:
    """Return masks in which an empty one holds its most probable pixel."""
    flat = masks.reshape(*masks.shape[:2], -1).copy()
    peaks = values.reshape(*values.shape[:2], -1).argmax(axis=2)
    for row, output in zip(*np.nonzero(~flat.any(axis=2)), strict=True):
        flat[row, output, peaks[row, output]] = True
    return flat.reshape(masks.shape)


def nearest(masks: Mask, shape: tuple[int, ...]) -> Mask:
    """Return (n, outputs, *grid) on another grid; an output that would be lost keeps a cell."""
    out = masks
    for axis, size in enumerate(shape, start=TABLE_AXES):
        place = ((np.arange(size) + 0.5) / size * out.shape[axis]).astype(np.intp)
        out = np.take(out, place, axis=axis)
    lost = masks.any(axis=tuple(range(2, masks.ndim))) & ~out.any(axis=tuple(range(2, out.ndim)))
    for row, output in zip(*np.nonzero(lost), strict=True):
        at = np.argwhere(masks[row, output])[0]
        cell = tuple(
            int(p * new // old) for p, new, old in zip(at, shape, masks.shape[2:], strict=True)
        )
        out[(row, output, *cell)] = True
    return out


def explainable(adapter: ModelAdapter) -> ModelAdapter:
    """Return a model of scores: a segmentation model is asked about what it segments."""
    if adapter.output.task != "segmentation" or isinstance(adapter, RegionScores):
        return adapter
    return cast("ModelAdapter", RegionScores(model=adapter))


def fixed_to(
    scores: RegionScores,
    prepared: Mapping[str, Any],
    region: Region,
    *,
    native: tuple[int, ...],
    references: Mapping[str, Mask | None],
) -> RegionScores:
    """Return the scores of one image with the region held still, whatever happens to the image.

    Args:
        scores: The model.
        prepared: One prepared case.
        region: What is asked.
        native: Spatial shape of the stored image.
        references: The study's mask of each output on the stored image, where it has one.

    Raises:
        ExplanationError: If the region lies outside, or the study has no such mask.
    """
    field = scores.inputs[0].name
    if region.kind == "mask":
        values = scores.pixels(prepared)
        return replace(scores, masks=with_peak(scores.predicted(values), values))
    geometry = scores.geometry(field, native)
    if region.kind != "reference":
        one = on_model(place_of(region, native), geometry)
        return replace(scores, masks=np.stack([one] * len(scores.output.names))[None])
    masks = []
    for name in scores.output.names:
        mask = references.get(name)
        if mask is None or not mask.any() or mask.shape != native:
            found = "none" if mask is None else "an empty one" if not mask.any() else mask.shape
            raise ExplanationError(
                f"region: reference wants the study's mask of {name} on an image of {native}, "
                f"found {found}; use region mask, pixel or box"
            )
        masks.append(on_model(mask, geometry))
    return replace(scores, masks=np.stack(masks)[None])
