"""Localisation over a cohort: overall and by subgroup, with intervals by patient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.cluster_means import cluster_means
from audits.explanations.localisation.metrics import Localisation, localise
from audits.explanations.result import CaseExplanation

if TYPE_CHECKING:
    from audits.cohorts import Attribute, Study

METRICS = ("iou", "pointing_game", "mass_share", "area_share")


def localise_cohort(
    study: Study,
    explanations: Sequence[CaseExplanation],
    attributes: Sequence[Attribute] = (),
    *,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Compare explained maps with the study's masks of the findings.

    Only cases that have the finding and a mask of it count; nothing is localised where there is
    nothing.

    Args:
        study: A study whose image input declares masks.
        explanations: Maps in patient space; others are passed over.
        attributes: Groups, with codes aligned to the study's cases.
        seed: Seed of the bootstrap.

    Returns:
        Per output ``{"output", "overall", "groups": [{"attributes", "metrics"}]}``, each set of
        metrics being ESTIMATEs of ``iou``, ``pointing_game``, ``mass_share`` and ``area_share``;
        outputs without any mask are left out.
    """
    by_output: dict[str, list[tuple[int, Localisation]]] = {}
    for one, mask in _masked(study, explanations):
        if one.patient is None:
            continue
        found = localise(one.patient, mask)
        if found is not None:
            by_output.setdefault(one.output, []).append((study.row(one.case), found))
    return [_summary(study, output, found, attributes, seed) for output, found in by_output.items()]


def _masked(
    study: Study, explanations: Sequence[CaseExplanation]
) -> Iterator[tuple[CaseExplanation, npt.NDArray[np.bool_]]]:
    for one in explanations:
        if one.map is None or one.patient is None:
            continue
        column = study.inputs.get(one.map.field)
        name = column.mask_column(one.output) if column else None
        label = study.labels.get(one.output)
        if name is None or (label is not None and label.values[study.row(one.case)] != 1):
            continue
        mask = study.mask(one.case, name)
        if mask is not None and mask.any():
            yield one, mask


def _summary(
    study: Study,
    output: str,
    found: Sequence[tuple[int, Localisation]],
    attributes: Sequence[Attribute],
    seed: int,
) -> dict[str, Any]:
    rows = np.array([row for row, _ in found])
    values = np.array([[one.iou, float(one.hit), one.mass, one.area] for _, one in found])
    patients = rows if study.patients is None else np.asarray(study.patients)[rows]
    groups = []
    for attribute in attributes:
        codes = np.asarray(attribute.codes)[rows]
        for code, level in enumerate(attribute.levels):
            inside = codes == code
            if inside.any():
                groups.append(
                    {
                        "attributes": {attribute.name: level},
                        "metrics": _estimates(values[inside], patients[inside], seed),
                    }
                )
    return {
        "output": output,
        "overall": _estimates(values, patients, seed),
        "groups": groups,
    }


def _estimates(
    values: npt.NDArray[np.float64], patients: npt.NDArray[np.int64], seed: int
) -> Mapping[str, Any]:
    means = cluster_means(values, patients, seed)
    return {name: one.to_dict() for name, one in zip(METRICS, means, strict=True)}
