"""Localisation over a cohort: overall and by subgroup, with intervals by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.cluster_means import cluster_means
from audits.explanations.localisation.metrics import Localisation, localise
from audits.explanations.result import CaseExplanation
from audits.fairness.intervals import INSUFFICIENT_BELOW, jeffreys, wilson
from audits.types import Estimate, Finding

if TYPE_CHECKING:
    from audits.cohorts import Attribute, Study
    from audits.explanations.backgrounds import CaseSource

QUANTILE_95 = 1.959963984540054
METRICS = ("iou", "pointing_game", "mass_share", "area_share")


def localise_cohort(
    study: Study,
    explanations: Sequence[CaseExplanation],
    attributes: Sequence[Attribute] = (),
    *,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Sum up how explained maps agree with the study's masks or boxes of the findings.

    Args:
        study: A study whose image input declares masks or boxes.
        explanations: Those without a localisation are passed over.
        attributes: Groups, with codes aligned to the study's cases.
        seed: Seed of the bootstrap.

    Returns:
        Per output ``{"output", "overall", "groups": [{"attributes", "metrics"}]}``, each set of
        metrics being ESTIMATEs of ``iou``, ``pointing_game``, ``mass_share`` and ``area_share``;
        outputs without any mask are left out.
    """
    by_output: dict[str, list[tuple[int, Localisation]]] = {}
    for one in explanations:
        if one.localisation is not None:
            by_output.setdefault(one.output, []).append((study.row(one.case), one.localisation))
    return [_summary(study, output, found, attributes, seed) for output, found in by_output.items()]


def with_localisation(study: CaseSource, explanation: CaseExplanation) -> CaseExplanation:
    """Return an explanation with how its map agrees with the study's mask or boxes.

    Nothing is added where there is no map, no study folder behind the cases, no mask, or where the
    case does not have the finding: nothing is localised where there is nothing.
    """
    from audits.cohorts import Study

    if explanation.map is None or not isinstance(study, Study):
        return explanation
    mask = _finding_of(study, explanation)
    if mask is None or not mask.any() or explanation.patient is None:
        return explanation
    if mask.shape != explanation.patient.shape:
        said = Finding(
            severity="warning",
            where=f"explanation.{explanation.case}",
            message=f"The study's mask of {explanation.output} has the shape {mask.shape}, the "
            f"image {explanation.patient.shape}; the map was not compared with it.",
        )
        return replace(explanation, findings=(*explanation.findings, said))
    return replace(explanation, localisation=localise(explanation.patient, mask))


def _finding_of(study: Study, explanation: CaseExplanation) -> npt.NDArray[np.bool_] | None:
    """Return where the study says the explained finding is, on the stored image; else None."""
    spatial, patient = explanation.map, explanation.patient
    if spatial is None or patient is None or spatial.signal is not None:
        return None
    label = study.labels.get(explanation.output)
    if label is not None and label.values[study.row(explanation.case)] != 1:
        return None
    return study.finding(explanation.case, spatial.field, explanation.output, patient.shape)


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
    means = dict(zip(METRICS, cluster_means(values, patients, seed), strict=True))
    hits = means["pointing_game"]
    if hits.value in (0.0, 1.0):
        means["pointing_game"] = _all_alike(hits)
    return {name: one.to_dict() for name, one in means.items()}


def _all_alike(hits: Estimate) -> Estimate:
    """Return the share with an interval over patients where all of them hit, or none does.

    Resampling equal values can only give a width of zero, which claims certainty of few cases.
    """
    share, patients = float(hits.value or 0.0), hits.n_patients or 0
    few = patients < INSUFFICIENT_BELOW
    low, high = jeffreys(share, patients) if few else wilson(share, patients, QUANTILE_95)
    return replace(
        hits,
        low=float(low),
        high=float(high),
        k=round(share * (hits.n or 0)),
        method="jeffreys" if few else "wilson",
        reason="insufficient" if few else None,
    )
