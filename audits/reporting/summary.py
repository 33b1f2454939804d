"""Counts over a run that reports print, so that they too stand in ``evidence.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

VERDICTS = ("disparity", "equivalent", "inconclusive", "not_evaluable")
VERSION_VERDICTS = ("better", "worse", "equivalent", "inconclusive", "not_evaluable")
STATES = ("computed", "declared", "attested", "not_available")


def verdict_counts(outputs: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how often each verdict was reached; what is masked or exploratory has none."""
    counted = Counter(c.get("verdict") for output in outputs for c in output["comparisons"])
    return {name: counted.get(name, 0) for name in VERDICTS}


def judged(counts: Mapping[str, int]) -> int:
    """Return how many comparisons reached a verdict."""
    return sum(counts.values())


def unsettled(counts: Mapping[str, int]) -> int:
    """Return how many comparisons show neither a disparity nor equivalence."""
    return counts["inconclusive"] + counts["not_evaluable"]


def masked_counts(output: Mapping[str, Any]) -> dict[str, int]:
    """Return how many groups and comparisons an output has, and how many hold masked numbers."""
    groups, compared = output["groups"], output["comparisons"]
    return {
        "groups": len(groups),
        "groups_suppressed": sum(bool(one.get("suppressed")) for one in groups),
        "comparisons": len(compared),
        "comparisons_suppressed": sum(bool(one.get("suppressed")) for one in compared),
    }


def summarise(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts of a run at its release.

    Args:
        evidence: The evidence, masked already where its release says so.
    """
    outputs = evidence["outputs"]
    verdicts = verdict_counts(outputs)
    strengths = Counter(c.get("strength") for output in outputs for c in output["comparisons"])
    states = Counter(item["state"] for item in evidence["requirements"])
    return {
        "verdicts": verdicts,
        "judged": judged(verdicts),
        "unsettled": unsettled(verdicts),
        "confirmed": strengths.get("confirmed", 0),
        "outputs": [
            {
                "model": o["model"],
                "name": o["name"],
                "verdicts": verdict_counts([o]),
                "masked": masked_counts(o),
            }
            for o in outputs
        ],
        "requirements": {name: states.get(name, 0) for name in STATES},
        "prior_runs": len(evidence["prior_runs"]),
        "comparison": version_counts(evidence["comparison"]),
    }


def version_counts(comparison: Mapping[str, Any]) -> dict[str, int]:
    """Return how often each verdict on two versions was reached; empty without a comparison."""
    if not comparison:
        return {}
    counted = Counter(
        one.get("verdict")
        for output in comparison.get("outputs") or ()
        for group in output["groups"]
        for one in group["metrics"].values()
    )
    return {name: counted.get(name, 0) for name in VERSION_VERDICTS}
