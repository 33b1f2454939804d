"""Where the positive attribution lies: border, outside the anatomy, beside the share of area."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.cancel import Cancel, never, stop_if
from audits.cohorts.inputs import match_input
from audits.errors import StudyError
from audits.explanations.cluster_means import cluster_means
from audits.explanations.maps import patient_map
from audits.explanations.shortcuts.regions import BORDER, OUTSIDE, Mask, border, outside

if TYPE_CHECKING:
    from audits.cohorts import Study
    from audits.cohorts.inputs import InputColumn
    from audits.predictions import CohortMaps
    from model_adapters.base import ModelAdapter

MOST_CASES = 80
FINEST = 64
"""Longest side of the grid on which shares are measured: far finer than any layer."""


def attribution_shares(
    study: Study,
    adapter: ModelAdapter,
    maps: CohortMaps,
    case_ids: Sequence[str],
    *,
    seed: int = 0,
    cancel: Cancel = never,
) -> list[dict[str, Any]]:
    """Measure where maps lie, on up to 80 drawn cases.

    Args:
        study: Gives the anatomy's masks, where it has any.
        adapter: The model.
        maps: Low-resolution maps of its cases.
        case_ids: Cases that ``maps.rows`` counts in.
        seed: Seed of the draw and of the bootstrap.
        cancel: Asked between cases.

    Returns:
        Per output and place (``border``, ``outside_anatomy``): ``mass`` and ``area`` (ESTIMATEs),
        ``positives`` and ``negatives`` (ESTIMATEs of the mass by label, None without labels).
        A coarse map bleeds, so the area is the number to compare with; it gives no verdict.
    """
    field = next((one for one in adapter.inputs if one.name == maps.field), None)
    if field is None or field.modality != "image":
        return []
    column = match_input(study.inputs, field, f"Study {study.name}")
    drawn = np.random.default_rng(seed).permutation(len(maps.rows))[:MOST_CASES]
    names = adapter.output.names
    found: dict[str, list[tuple[int, float, npt.NDArray[np.float64]]]] = {}
    for place in np.sort(drawn):
        stop_if(cancel)
        case = case_ids[maps.rows[place]]
        try:
            image = study.image(case, column.name)
            anatomy = column.anatomy_mask_column and study.mask(case, column.anatomy_mask_column)
        except StudyError:
            continue
        shape = image.pixels.shape[:-1] if image.colour else image.pixels.shape
        step = max(1, -(-max(shape) // FINEST))
        thin = (slice(step // 2, None, step),) * len(shape)
        places = {BORDER: border(shape)[thin]}
        if isinstance(anatomy, np.ndarray) and anatomy.any() and anatomy.shape == shape:
            places[OUTSIDE] = outside(anatomy, _findings(study, column, case, shape))[thin]
        grids = [patient_map(adapter, maps.field, one, shape) for one in maps.values[place]]
        for name, mask in places.items():
            inside = np.array([_share(None if g is None else g[thin], mask) for g in grids])
            found.setdefault(name, []).append((study.row(case), float(mask.mean()), inside))
    return [
        _entry(study, adapter.card.key, output, index, name, rows, seed)
        for name, rows in found.items()
        for index, output in enumerate(names)
    ]


def _findings(study: Study, column: InputColumn, case: str, shape: tuple[int, ...]) -> list[Mask]:
    """Return the masks of a case's findings, which are never outside the anatomy."""
    found = (study.mask(case, name) for name in column.finding_masks())
    return [one for one in found if one is not None and one.shape == shape]


def _share(values: npt.NDArray[np.float32] | None, mask: Mask) -> float:
    if values is None:
        return float("nan")
    positive = np.maximum(values.astype(np.float64), 0.0)
    total = positive.sum()
    return float(positive[mask].sum() / total) if total > 0 else float("nan")


def _entry(  # noqa: PLR0913, PLR0917 - one line of the table
    study: Study,
    model: str,
    output: str,
    index: int,
    place: str,
    rows: Sequence[tuple[int, float, npt.NDArray[np.float64]]],
    seed: int,
) -> dict[str, Any]:
    at = np.array([row for row, _, _ in rows])
    values = np.array([[inside[index], area] for _, area, inside in rows])
    known = np.isfinite(values[:, 0])
    patients = at if study.patients is None else np.asarray(study.patients)[at]
    entry: dict[str, Any] = {"model": model, "output": output, "where": place}
    if not known.any():
        reason = "no map has positive attribution"
        return {**entry, "mass": None, "area": None, "reason": reason}
    mass, area = cluster_means(values[known], patients[known], seed)
    entry |= {"mass": mass.to_dict(), "area": area.to_dict()}
    label = study.labels.get(output)
    for name, wanted in (("positives", 1), ("negatives", 0)):
        mine = known & (np.asarray(label.values)[at] == wanted) if label else known & False
        entry[name] = (
            cluster_means(values[mine, :1], patients[mine], seed)[0].to_dict()
            if mine.any()
            else None
        )
    return entry
