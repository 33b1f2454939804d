"""Names of programs in words: conditions of slices, items of a policy and of cards, units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from audits.reporting.words import glossary, humanised, level_text, model_label, word

_CONDITION = re.compile(
    r"^(?P<name>.+?) (?P<sign>[<>]=|[=<>]|not measured|measured)(?P<value> .*)?$"
)


def variable_labels(quality: Mapping[str, Any]) -> dict[str, str]:
    """Return the study's own labels of its variables by their column.

    Args:
        quality: ``data_quality`` of the evidence.
    """
    units = quality.get("units") or ()
    return {str(u["variable"]): str(u["label"]) for u in units if u.get("label")}


def condition_text(condition: str, labels: Mapping[str, str]) -> str:
    """Return one condition of a slice in words.

    Example:
        >>> condition_text("age_band = 18-<40", {})
        'Age band: 18–<40'
        >>> condition_text("spo2 >= 98", {"spo2": "Oxygen saturation"})
        'Oxygen saturation ≥ 98'
    """
    found = _CONDITION.match(condition)
    if found is None:
        return level_text(condition)
    name = labels.get(found["name"], humanised(found["name"]))
    if found["sign"] == "=":
        return f"{name}:{level_text(found['value'] or '')}"
    sign = found["sign"].replace("<=", "≤").replace(">=", "≥")
    return f"{name} {sign}{found['value'] or ''}"


def own_item(name: str) -> str:
    """Return what the policy or a model's card owes, in words.

    Example:
        >>> own_item("card.icu-mlp@1.0.intended_use"), own_item("group.age_band")
        ('Card of icu-mlp 1.0: intended use', 'Group: age band')
        >>> own_item("reason.margin.tpr")
        'Reason for the margin of sensitivity'
    """
    kind, _, rest = name.partition(".")
    if kind == "card":
        model, _, field = rest.rpartition(".")
        return f"Card of {model_label(model)}: {field.replace('_', ' ')}"
    if rest.startswith("margin."):
        metric = word("metric", rest.partition(".")[2])
        plain = metric if metric[1:2].isupper() else metric[:1].lower() + metric[1:]
        return f"Reason for the margin of {plain}"
    return f"{humanised(kind)}: {rest.replace('_', ' ')}"


def own_place(item: Mapping[str, Any]) -> str:
    """Return where an item of the policy or of a card is found, or why it is not."""
    places = {"See outputs.": "Section 7.", "See models.": "On the model's card."}
    return places.get(str(item["reason"]), str(item["reason"]))


def unit_text(code: str | None) -> str:
    """Return a UCUM unit as people write it.

    Example:
        >>> unit_text("mm[Hg]"), unit_text("{percentile}"), unit_text(None)
        ('mmHg', 'percentile', '')
    """
    if not code:
        return ""
    known = glossary()["unit"].get(code)
    return code.strip("{}") if known is None else str(known["label"])


def place_text(where: str) -> str:
    """Return where a finding of a run belongs: a model in words, else as it stands.

    Example:
        >>> place_text("chest-xray@1.0"), place_text("policy.toml")
        ('chest-xray 1.0', 'policy.toml')
    """
    return model_label(where) if "@" in where and "." not in where.partition("@")[0] else where
