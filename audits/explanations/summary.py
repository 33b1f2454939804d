"""What drives a model over a sample: importance with intervals, and how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.checks.summary import summarise_checks
from audits.explanations.cluster_means import cluster_means
from audits.explanations.result import CaseExplanation, PlayerEffect
from audits.types import Skipped

if TYPE_CHECKING:
    from model_adapters.base import ModelAdapter

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SCALE_AT = 0.95
MEDIANS = 3
"""Share of the cases whose maps lie wholly within the legend."""


def summarise(
    explanations: Sequence[CaseExplanation],
    adapter: ModelAdapter,
    *,
    patients: Ints | None = None,
    skipped: Sequence[Skipped] = (),
    seed: int = 0,
    reason: str | None = None,
) -> dict[str, Any]:
    """Sum up the explanations of one model.

    Args:
        explanations: One per case and output, cases in order.
        adapter: The model.
        patients: Patient code of each case, in the order the cases first appear.
        skipped: Cases that could not be opened.
        seed: Seed of the bootstrap.
        reason: Why there are none.

    Returns:
        Plain data: ``method``, ``estimand`` per output, ``background``, ``cases``, ``layer``,
        ``grid``, ``map_scale`` (where the legend of every case's map ends),
        and per output the mean absolute effect of every variable as an ESTIMATE
        (bootstrap by patient), the worst additivity residual, the largest standard error and the
        mean off-support share.
    """
    cases = list(dict.fromkeys(one.case for one in explanations))
    first = explanations[0] if explanations else None
    spatial = first.map if first else None
    out: dict[str, Any] = {
        "method": first.method if first else None,
        "checks": summarise_checks(explanations, adapter),
        "background": first.background.to_dict() if first and first.background else None,
        "cases": len(cases),
        "layer": spatial.layer if spatial else None,
        "grid": list(spatial.native.shape) if spatial else None,
        "map_scale": _map_scale(explanations),
        "skipped": [one.to_dict() for one in skipped],
        "outputs": [
            _output_summary(
                name, [one for one in explanations if one.output == name], patients, seed
            )
            for name in adapter.output.names
            if first
        ],
        "findings": _distinct_findings(explanations),
    }
    if reason is not None:
        out["reason"] = reason
    return out


def _map_scale(explanations: Sequence[CaseExplanation]) -> float | None:
    """Return one scale for the maps of all cases and outputs, or None where there are none.

    Scaled each by its own largest value, a map of almost nothing would look like any other. The
    95th percentile of these values leaves a few cells beyond the end of the legend; where a few
    maps are far larger than the rest, so that these would stay empty, it ends at three medians.
    """
    largest = {one.case: one.map.scale for one in explanations if one.map is not None}
    high, middle = np.quantile(list(largest.values()), [SCALE_AT, 0.5]) if largest else (0.0, 0.0)
    found = float(min(high, MEDIANS * middle) or high)
    return found if np.isfinite(found) and found > 0 else None


def _output_summary(
    name: str, explanations: Sequence[CaseExplanation], patients: Ints | None, seed: int
) -> dict[str, Any]:
    first = explanations[0]
    out: dict[str, Any] = {
        "name": name,
        "estimand": first.estimand,
        "base_value": first.base_value,
        "worst_additivity_residual": _most([one.additivity_residual for one in explanations]),
        "largest_se": _most([player.se for one in explanations for player in one.players]),
        "off_support_share": _mean([one.off_support_share for one in explanations]),
        "importance": _importance(explanations, patients, seed),
    }
    if first.map is not None:
        without = [one for one in explanations if one.map and one.map.native.max() <= 0]
        out["no_positive_evidence"] = {"k": len(without), "n": len(explanations)}
    if first.modalities:
        found = [one.modalities for one in explanations]
        out["modalities"] = importance_of(found, patients, seed)
    out["badges"] = _badges(explanations)
    return out


def _badges(explanations: Sequence[CaseExplanation]) -> list[dict[str, Any]]:
    """Return how many explanations carry each badge, in counts that can be masked."""
    from audits.explanations.checks.badge import badge

    words = [badge(one.checks)[0] for one in explanations]
    return [
        {"verdict": word, "k": words.count(word), "n": len(words)}
        for word in ("reflects", "weak", "fails", "not_checked")
    ]


def _importance(
    explanations: Sequence[CaseExplanation], patients: Ints | None, seed: int
) -> list[dict[str, Any]]:
    """Return mean |effect| and mean effect of every variable, most important first."""
    return importance_of([one.parts for one in explanations], patients, seed)


def importance_of(
    cases: Sequence[Sequence[PlayerEffect]], patients: Ints | None, seed: int
) -> list[dict[str, Any]]:
    """Return the importance of players by name; one that a case does not have has no effect there.

    Args:
        cases: The players of each case.
        patients: Patient code of each case.
        seed: Seed of the bootstrap.
    """
    known = {player.name: player for players in cases for player in players}
    players, column = list(known.values()), {name: at for at, name in enumerate(known)}
    if not players:
        return []
    effects = np.zeros((len(cases), len(players)))
    for row, own in enumerate(cases):
        for player in own:
            effects[row, column[player.name]] = player.effect
    clusters = np.arange(len(effects)) if patients is None else patients
    absolute = cluster_means(np.abs(effects), clusters, seed)
    signed = cluster_means(effects, clusters, seed)
    order = sorted(range(len(players)), key=lambda place: -(absolute[place].value or 0.0))
    return [
        {
            "name": players[place].name,
            "label": players[place].label,
            "unit": players[place].unit,
            "mean_absolute_effect": absolute[place].to_dict(),
            "mean_effect": signed[place].to_dict(),
        }
        for place in order
    ]


def _distinct_findings(explanations: Sequence[CaseExplanation]) -> list[dict[str, str]]:
    """Return findings that are not about one case, each once."""
    found = {
        finding.message: finding.to_dict()
        for one in explanations
        for finding in one.findings
        if not finding.where.endswith(one.case)
    }
    return list(found.values())


def _most(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
