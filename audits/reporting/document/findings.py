"""What the comparisons of a run say, in sentences that need no statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audits.reporting.words import (
    SUPPRESSED,
    estimate_text,
    group_label,
    humanised,
    is_ratio,
    limits,
    margin_text,
    model_label,
    reference_label,
    unit_of,
    word,
)

Output = Mapping[str, Any]
Comparison = Mapping[str, Any]

_OPENING = {
    "tpr": "the model finds {value} of the cases with {name}",
    "fnr": "the model misses {value} of the cases with {name}",
    "fpr": "the model raises a false alarm in {value} of the cases without {name}",
    "tnr": "the model leaves {value} of the cases without {name} unflagged",
    "auroc": "the AUROC for {name} is {value}",
    "oe_ratio": "{name} occurs {value} times as often as the model predicts",
}


def comparisons(outputs: Sequence[Output]) -> Iterator[tuple[Output, Comparison]]:
    """Yield every declared comparison with its output."""
    for output in outputs:
        for one in output["comparisons"]:
            if one.get("verdict"):
                yield output, one


def disparities(outputs: Sequence[Output]) -> list[tuple[Output, Comparison]]:
    """Return the disparities, most telling first.

    Confirmed ones come first, then those that no larger group carries, then rates before other
    measures (everybody can picture a missed case), then the largest against their margin.
    """
    found = [(o, c) for o, c in comparisons(outputs) if c["verdict"] == "disparity"]

    def rank(pair: tuple[Output, Comparison]) -> tuple[bool, bool, bool, float]:
        one = pair[1]
        plain = unit_of(one["metric"]) == "percent"
        return one["strength"] != "confirmed", bool(one.get("carried_by")), not plain, -size(one)

    return sorted(found, key=rank)


def size(comparison: Comparison) -> float:
    """Return a difference in units of its margin; 0 where either is not shown."""
    value = (comparison.get("difference") or {}).get("value")
    margin = comparison.get("margin")
    if value is None or not margin:
        return 0.0
    if not is_ratio(comparison["metric"]):
        return float(abs(value) / margin)
    return abs(math.log(value)) / math.log(margin) if value > 0 and margin > 1 else 0.0


def output_label(output: Output, *, with_model: bool = True) -> str:
    """Return an output in words, with its model where there may be several."""
    name = humanised(output["name"])
    if not with_model or output.get("model") is None:
        return name
    return f"{name}, {model_label(output['model'])}"


def told(output: Output, comparison: Comparison) -> str:
    """Return one comparison as a sentence, from the numbers in the evidence alone."""
    metric = comparison["metric"]
    group = group_label(comparison["group"])
    name = humanised(output["name"])
    value = _group_value(output, comparison)
    opening = _OPENING.get(metric, "{label} for {name} is {value}")
    start = opening.format(value=value, name=f"“{name}”", label=word("metric", metric).lower())
    by = f" ({model_label(output['model'])})" if output.get("model") else ""
    return f"In the group “{group}”, {start}{by}, {_distance(comparison)}."


def _group_value(output: Output, comparison: Comparison) -> str:
    for group in output["groups"]:
        if group["attributes"] == comparison["group"]:
            estimate = group["metrics"].get(comparison["metric"]) or {}
            shown = estimate_text({**estimate, "low": None}, unit_of(comparison["metric"]))
            return shown + _behind(estimate)
    return SUPPRESSED


def _behind(estimate: Mapping[str, Any]) -> str:
    """Return the counts behind a value, where the release shows them."""
    k, n = estimate.get("k"), estimate.get("n")
    if estimate.get("value") is None or n is None:
        return ""
    return f" (n {n:,})" if k is None else f" ({k:,} of {n:,})"


def _distance(comparison: Comparison) -> str:
    metric = comparison["metric"]
    difference = comparison.get("difference") or {}
    value, low, high = (difference.get(k) for k in ("value", "low", "high"))
    rest = reference_label(comparison.get("reference"))
    margin = margin_text(comparison.get("margin"), metric)
    if value is None:
        return f"the difference to {rest} is {SUPPRESSED} (margin {margin})"
    if is_ratio(metric):
        inside = limits(low, high, "ratio")
        return f"{value:.2f} times the figure of {rest} (95 % interval {inside}; margin {margin})"
    unit = unit_of(metric)
    # The sentence says the direction, so the interval is told in the same direction.
    if value < 0:
        low, high = _flipped(high), _flipped(low)
    way = ("lower" if value < 0 else "higher") + f" than in {rest}"
    amount = f"{100 * abs(value):.1f} points" if unit == "percent" else f"{abs(value):.3f}"
    inside = limits(low, high, unit)
    return f"{amount} {way} (95 % interval {inside}; margin {margin})"


def _flipped(value: float | None) -> float | None:
    return None if value is None else -value


def disadvantaged(comparison: Comparison) -> str:
    """Return who fares worse, in words."""
    return {
        "group": group_label(comparison["group"]),
        "reference": reference_label(comparison.get("reference")).capitalize(),
    }.get(str(comparison.get("worse")), "Neither")
