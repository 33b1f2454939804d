"""What stands beside the causal test: where maps lie, by site too, and what the features encode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from audits.cancel import Cancel, never
from audits.explanations.shortcuts.probes import probe_attributes
from audits.explanations.shortcuts.profiles import site_profiles
from audits.explanations.shortcuts.shares import attribution_shares
from audits.explanations.shortcuts.verdicts import benjamini_hochberg

if TYPE_CHECKING:
    from audits.cohorts import Attribute, Study
    from audits.predictions import CohortPredictions
    from model_adapters.base import ModelAdapter

Facts = Mapping[str, list[dict[str, Any]]]

NOT_A_VERDICT = (
    "Shares, profiles and probes inform only: a coarse map bleeds, sites differ in their patients, "
    "and what the features encode need not be used."
)


def shortcut_context(
    study: Study,
    adapter: ModelAdapter,
    predictions: CohortPredictions,
    attributes: Sequence[Attribute],
    *,
    seed: int = 0,
    cancel: Cancel = never,
) -> Facts:
    """Return ``shares``, ``profiles`` and ``probes`` of one model that reads images.

    Args:
        study: The study.
        adapter: The model.
        predictions: With the maps of the pass that scored.
        attributes: Of all cases of the study.
        seed: Seed of everything drawn.
        cancel: Asked between cases.
    """
    maps = predictions.maps
    if maps is None:
        return {}
    ids, names = predictions.case_ids, adapter.output.names
    return {
        "shares": attribution_shares(study, adapter, maps, ids, seed=seed, cancel=cancel),
        "profiles": site_profiles(study, maps, ids, names, predictions.key, seed=seed),
        "probes": probe_attributes(study, adapter, attributes, seed=seed, cancel=cancel),
    }


def joined_context(facts: Sequence[Facts]) -> dict[str, Any]:
    """Join the facts of all models of a run, with one correction over all profiles."""
    out: dict[str, Any] = {
        name: [entry for one in facts for entry in one.get(name, [])]
        for name in ("shares", "profiles", "probes")
    }
    q_values = benjamini_hochberg([entry["p"] for entry in out["profiles"]])
    out["profiles"] = [
        {**entry, "q": q} for entry, q in zip(out["profiles"], q_values, strict=True)
    ]
    return {**out, "context_establishes": NOT_A_VERDICT}
