"""Who was compared, at which thresholds, and what was left out, in words for page and report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audits.reporting.words import model_label

_WHY = {
    "base_only": "scored by {base} only",
    "candidate_only": "scored by {candidate} only",
    "unmeasured": "without a label, or without a measurement in one version",
}


def compared_words(comparison: Mapping[str, Any], output: Mapping[str, Any]) -> Iterator[str]:
    """Yield sentences on one compared output.

    Args:
        comparison: ``comparison`` of the evidence, at whichever release.
        output: One of its outputs.

    Yields:
        How many cases were compared and left out, each version's threshold where they differ,
        and the outputs that one version alone gives.
    """
    sides = {side: _named(comparison, side) for side in ("base", "candidate")}
    cases = output.get("cases") or {}
    if cases.get("suppressed"):
        yield "How many cases were compared and left out is masked in this release."
    elif cases:
        left = [
            f"{cases[why]:,} {text.format(**sides)}" for why, text in _WHY.items() if cases[why]
        ]
        told = f"; left out: {', '.join(left)}" if left else ", none left out"
        yield f"{cases['compared']:,} cases compared that both versions scored{told}."
    thresholds = output.get("thresholds") or {}
    base, candidate = thresholds.get("base"), thresholds.get("candidate")
    if base is not None and candidate is not None and base != candidate:
        yield (
            f"Calls are made from {base:.3f} on by {sides['base']}, from {candidate:.3f} on by "
            f"{sides['candidate']}: rates compare these decisions."
        )
    for one in comparison.get("not_compared") or ():
        yield f"{one['name']} is given by {sides[one['given_by']]} only and not compared."


def _named(comparison: Mapping[str, Any], side: str) -> str:
    name = str(comparison.get(side) or side)
    # A version of a table is named by all of its columns, which would be no name in a sentence.
    return model_label(name) if "@" in name and ", " not in name else f"the {side}"
