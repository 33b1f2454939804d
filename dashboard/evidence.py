"""Plain views on ``evidence.json``: which output, which group, which comparison.

Nothing is computed here; the functions only find and name what the run holds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.words import humanised

Evidence = Mapping[str, Any]
RATIOS = frozenset({"oe_ratio", "oe_t"})
"""Metrics whose difference is group over reference."""

VERDICTS = ("disparity", "inconclusive", "equivalent", "not_evaluable")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputKey:
    """Names one output of one model in a run; ``model`` is None for a table of predictions."""

    model: str | None
    name: str

    @property
    def label(self) -> str:
        """Return the words shown in pickers."""
        return humanised(self.name)


def model_keys(evidence: Evidence) -> list[str]:
    """Return ``id@version`` of each model, in the order of the run."""
    return [f"{m['id']}@{m['version']}" for m in evidence.get("models", [])]


def model_label(key: str | None) -> str:
    """Return the words for a model key.

    Example:
        >>> model_label("chest-xray@1.0"), model_label(None)
        ('chest-xray, version 1.0', 'table of predictions')
    """
    if key is None:
        return "table of predictions"
    name, _, version = key.partition("@")
    return f"{name}, version {version}" if version else name


def next_version(key: str, among: Sequence[str]) -> str:
    """Return the version that follows a model's: of the same model if there is one.

    Example:
        >>> next_version("mlp@1.0", ["xgb@1.0", "mlp@1.0", "mlp@2.0"])
        'mlp@2.0'
    """
    others = [other for other in among if other != key]
    family = [other for other in others if _family(other) == _family(key)]
    later = [other for other in family if among.index(other) > list(among).index(key)]
    return next(iter(later or family or others))


def first_of_family(among: Sequence[str]) -> str:
    """Return the first model that comes in several versions, else the first of all."""
    families = Counter(_family(key) for key in among)
    return next((key for key in among if families[_family(key)] > 1), among[0])


def _family(key: str) -> str:
    return key.partition("@")[0]


def output_keys(evidence: Evidence, model: str | None = None) -> list[OutputKey]:
    """Return the outputs of a model, or all of them where no model is given."""
    return [
        OutputKey(model=out.get("model"), name=out["name"])
        for out in evidence.get("outputs", [])
        if model is None or _is_model(out, model, evidence)
    ]


def find_output(evidence: Evidence, model: str | None, name: str) -> dict[str, Any] | None:
    """Return the entry of ``outputs`` for a model's output, or None."""
    for out in evidence.get("outputs", []):
        if out["name"] == name and (model is None or _is_model(out, model, evidence)):
            return dict(out)
    return None


def _is_model(output: Mapping[str, Any], key: str, evidence: Evidence) -> bool:
    named = output.get("model")
    if named is None or named == key:
        return named == key
    same_id = [k for k in model_keys(evidence) if k.partition("@")[0] == named]
    return same_id == [key]


def group_label(attributes: Mapping[str, str]) -> str:
    """Return a group in words; the empty mapping is everybody.

    Example:
        >>> group_label({"sex": "F", "age_band": "60-<80"})
        'Sex F · Age band 60–<80'
        >>> group_label({"age_band": ">=80"})
        'Age band ≥80'
    """
    if not attributes:
        return "Everybody"
    told = (f"{humanised(name)} {level_label(level)}" for name, level in attributes.items())
    return " · ".join(told)


def level_label(level: str) -> str:
    """Return a group's level as people write it.

    Example:
        >>> level_label("60-<80"), level_label(">=80")
        ('60–<80', '≥80')
    """
    return level.replace("-<", "–<").replace(">=", "≥")


def modalities_read(evidence: Mapping[str, Any], model: str | None) -> set[str]:
    """Return the kinds of input a model takes; empty where the run does not say.

    Example:
        >>> gru = {"id": "gru", "version": "1.0", "inputs": [{"modality": "sequence"}]}
        >>> modalities_read({"models": [gru]}, "gru@1.0"), modalities_read({}, None)
        ({'sequence'}, set())
    """
    own = [m for m in evidence.get("models", []) if f"{m['id']}@{m['version']}" == model]
    return {one["modality"] for m in own for one in m.get("inputs") or []}


def is_intersection(group: Mapping[str, Any]) -> bool:
    """Return whether a group is defined by more than one attribute."""
    return len(group.get("attributes", {})) > 1


def group_entry(output: Mapping[str, Any], attributes: Mapping[str, str]) -> dict[str, Any] | None:
    """Return a group's entry, ``overall`` for the empty mapping, or None."""
    if not attributes:
        return dict(output["overall"]) | {"attributes": {}}
    for group in output.get("groups", []):
        if dict(group["attributes"]) == dict(attributes):
            return dict(group)
    return None


def metrics_of(output: Mapping[str, Any]) -> list[str]:
    """Return the metrics of an output, those with verdicts first."""
    declared = list(dict.fromkeys(c["metric"] for c in comparisons(output) if c.get("verdict")))
    rest = [name for name in output["overall"]["metrics"] if name not in declared]
    return declared + rest


def comparisons(output: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the output's comparisons in the order of the run."""
    yield from output.get("comparisons", [])


def verdict_counts(outputs: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how often each verdict occurs; exploratory comparisons have none."""
    counted = Counter(c["verdict"] for out in outputs for c in comparisons(out) if c.get("verdict"))
    return {name: counted.get(name, 0) for name in VERDICTS}


def by_concern(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return comparisons, disparities first and among them the largest, margin by margin.

    A crossed group whose gap its attributes carry comes after the attributes themselves.
    """
    order = {"disparity": 0, "inconclusive": 1, "equivalent": 2, "not_evaluable": 3}

    def rank(item: Mapping[str, Any]) -> tuple[int, bool, bool, float]:
        grave = order.get(item.get("verdict") or "", 4)
        weak = item.get("strength") != "confirmed"
        return grave, weak, bool(item.get("carried_by")), -margins_away(item)

    return sorted(items, key=rank)


def shrunken(
    output: Mapping[str, Any], attributes: Mapping[str, str], metric: str
) -> Mapping[str, Any] | None:
    """Return a group's estimate drawn towards the mean of its attribute, or None."""
    for family in output.get("shrinkage", []):
        if family["metric"] != metric:
            continue
        for group in family["groups"]:
            if group["attributes"] == dict(attributes) and group.get("shrunk") is not None:
                found: Mapping[str, Any] = group
                return found
    return None


def worst_group(output: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the group that the run found worse off by the most margins, or None.

    A disparity counts before any other difference; undeclared comparisons do not count.
    """
    worse = [c for c in comparisons(output) if c.get("verdict") and c.get("worse") == "group"]
    ranked = [c for c in by_concern(worse) if c["verdict"] != "not_evaluable"]
    return dict(ranked[0]["group"]) if ranked else None


def gravest_attribute(output: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return which of some attributes holds the gravest verdict; the first where none has one.

    Confirmed disparities come before indicated ones, larger before smaller, margin by margin.

    Args:
        output: Entry of an output.
        names: Attributes to choose from, at least one.
    """
    single = [c for c in comparisons(output) if c.get("verdict") and len(c["group"]) == 1]
    ranked = (next(iter(c["group"])) for c in by_concern(single))
    return next((name for name in ranked if name in names), names[0])


def margins_away(comparison: Mapping[str, Any]) -> float:
    """Return the size of a difference in declared margins, so that measures can be ranked.

    Example:
        >>> margins_away({"metric": "tpr", "margin": 0.1, "difference": {"value": -0.25}})
        2.5
    """
    value = (comparison.get("difference") or {}).get("value")
    margin = comparison.get("margin")
    if value is None or not margin:
        return 0.0
    if comparison["metric"] in RATIOS:
        return abs(math.log(value) / math.log(margin)) if value > 0 and margin > 1 else 0.0
    return float(abs(value) / margin)


def disparities(evidence: Evidence) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Return (output, comparison) of every disparity to the disadvantage of somebody."""
    found = [
        (out, c)
        for out in evidence.get("outputs", [])
        for c in comparisons(out)
        if c.get("verdict") == "disparity"
    ]
    ranked = by_concern([c for _, c in found])
    owner = {id(c): out for out, c in found}
    return [(owner[id(c)], c) for c in ranked]


def comparison_of(
    output: Mapping[str, Any], attributes: Mapping[str, str], metric: str
) -> Mapping[str, Any] | None:
    """Return the comparison of a group in a metric.

    A two-level attribute is compared once; the other level then finds the same comparison.
    """
    exact = [
        c
        for c in comparisons(output)
        if c["metric"] == metric and dict(c["group"]) == dict(attributes)
    ]
    if exact:
        return exact[0]
    if len(attributes) != 1:
        return None
    (name,) = attributes
    levels = [g for g in output.get("groups", []) if list(g["attributes"]) == [name]]
    same = [c for c in comparisons(output) if c["metric"] == metric and c["attribute"] == name]
    return same[0] if len(levels) <= 2 and len(same) == 1 else None  # noqa: PLR2004 - two levels
