"""The words and number formats of a report; labels come from ``audits/glossary.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

SUPPRESSED = "suppressed"
MISSING = "not available"
_RATIOS = frozenset({"oe_ratio", "oe_t"})
_SMALLEST_P = 0.001


@cache
def glossary() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Return every entry of the glossary by section and name."""
    text = files("audits").joinpath("glossary.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def word(section: str, name: str | None, part: str = "label") -> str:
    """Return one part of a glossary entry; a label falls back on the name itself."""
    entry = glossary().get(section, {}).get(name or "", {})
    fallback = (name or "").replace("_", " ") if part == "label" else ""
    return entry.get(part, fallback)


def is_ratio(metric: str) -> bool:
    """Return whether differences of a metric are ratios, 1 meaning no difference."""
    return metric in _RATIOS


def unit_of(metric: str) -> str:
    """Return ``percent``, ``number`` or ``ratio``."""
    return word("metric", metric, "unit") or "number"


def humanised(name: str) -> str:
    """Return a column name as words.

    Example:
        >>> humanised("age_band")
        'Age band'
    """
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def level_text(level: str) -> str:
    """Return a level; bands get an en dash.

    Example:
        >>> level_text("60-<80"), level_text(">=80")
        ('60–<80', '≥80')
    """
    return level.replace("-<", "–<").replace(">=", "≥")


def group_label(attributes: Mapping[str, str]) -> str:
    """Return a group in words; the empty mapping is everybody.

    Example:
        >>> group_label({"sex": "F", "age_band": "60-<80"})
        'Sex: F · Age band: 60–<80'
    """
    if not attributes:
        return "Everybody"
    return " · ".join(f"{humanised(a)}: {level_text(str(v))}" for a, v in attributes.items())


def reference_label(reference: object) -> str:
    """Return what a group is compared with."""
    return "the rest" if reference in (None, "rest") else level_text(str(reference))


def model_key(model: Mapping[str, Any]) -> str:
    """Return the ``id@version`` under which a run holds a model of its evidence."""
    return f"{model['id']}@{model['version']}"


def model_label(key: str | None) -> str:
    """Return the words for ``id@version``.

    Example:
        >>> model_label("chest-xray@1.0"), model_label(None)
        ('chest-xray 1.0', 'Table of scores')
    """
    if key is None:
        return "Table of scores"
    name, _, version = key.partition("@")
    return f"{name} {version}".strip()


def number(value: float | None, unit: str = "number") -> str:
    """Return one value in its unit, with a true minus.

    Example:
        >>> number(0.8125, "percent"), number(-0.9049), number(1.2, "ratio"), number(None)
        ('81.2 %', '−0.905', '1.20', 'not available')
    """
    if value is None:
        return MISSING
    if unit == "percent":
        return minus(f"{100 * value:.1f} %")
    return minus(f"{value:.2f}" if unit == "ratio" else f"{value:.3f}")


def limits(low: float | None, high: float | None, unit: str = "number") -> str:
    """Return an interval without unit, or nothing where there is none.

    Example:
        >>> limits(0.77, 0.849, "percent")
        '77.0 to 84.9'
    """
    if low is None or high is None:
        return ""
    if unit == "percent":
        return minus(f"{100 * low:.1f} to {100 * high:.1f}")
    digits = 2 if unit == "ratio" else 3
    return minus(f"{low:.{digits}f} to {high:.{digits}f}")


def points(value: float | None, metric: str) -> str:
    """Return the size of a difference: points for rates, a factor for ratios.

    Example:
        >>> points(-0.031, "tpr"), points(0.02, "auroc"), points(1.31, "oe_ratio")
        ('−3.1 points', '+0.020', '× 1.31')
    """
    if value is None:
        return MISSING
    if is_ratio(metric):
        return f"× {value:.2f}"
    if unit_of(metric) == "percent":
        return minus(f"{100 * value:+.1f} points")
    return minus(f"{value:+.3f}")


def margin_text(value: float | None, metric: str) -> str:
    """Return a margin as people read it.

    Example:
        >>> margin_text(0.05, "tpr"), margin_text(1.25, "oe_ratio")
        ('5 points', 'factor 1.25')
    """
    if value is None:
        return MISSING
    if is_ratio(metric):
        return f"factor {value:g}"
    return f"{100 * value:g} points" if unit_of(metric) == "percent" else f"{value:g}"


def count(value: int | None, *, suppressed: bool = False) -> str:
    """Return a count with its thousands set apart, or why there is none.

    Example:
        >>> count(6373), count(None, suppressed=True)
        ('6,373', 'suppressed')
    """
    if value is None:
        return SUPPRESSED if suppressed else MISSING
    return f"{value:,}"


def p_text(value: float | None) -> str:
    """Return a p or q value.

    Example:
        >>> p_text(0.00004), p_text(0.0312), p_text(None)
        ('<0.001', '0.031', '–')
    """
    if value is None:
        return "–"
    return f"<{_SMALLEST_P}" if value < _SMALLEST_P else f"{value:.3f}"


def estimate_text(estimate: Mapping[str, Any] | None, unit: str = "number") -> str:
    """Return value and interval in one line, or why there is no number.

    Example:
        >>> estimate_text({"value": 0.8125, "low": 0.77, "high": 0.849}, "percent")
        '81.2 % (77.0 to 84.9)'
        >>> estimate_text({"value": None, "suppressed": True})
        'suppressed'
    """
    if estimate is None:
        return MISSING
    if estimate.get("value") is None:
        return SUPPRESSED if estimate.get("suppressed") else MISSING
    inside = limits(estimate.get("low"), estimate.get("high"), unit)
    return number(estimate["value"], unit) + (f" ({inside})" if inside else "")


def day(time: str | None) -> str:
    """Return an ISO time as date and minute in UTC.

    Example:
        >>> day("2026-11-21T10:54:45Z")
        '2026-11-21 10:54 UTC'
    """
    if not time:
        return MISSING
    date, _, clock = time.partition("T")
    return f"{date} {clock[:5]} UTC" if clock else date


_NOTHING = re.compile(r"-(?=0(?:\.0+)?(?![\d.]))")


def minus(text: str) -> str:
    """Return the text with true minus signs; what rounds to nothing has none.

    Example:
        >>> minus("-0.31 to -0.000")
        '−0.31 to 0.000'
    """
    return _NOTHING.sub("", text).replace("-", "−")


def plural(number_: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun.

    Example:
        >>> plural(1, "audit"), plural(1200, "case")
        ('1 audit', '1,200 cases')
    """
    return f"{number_:,} {one if number_ == 1 else many or one + 's'}"


def ordinal(number_: int) -> str:
    """Return an ordinal in digits.

    Example:
        >>> ordinal(1), ordinal(3), ordinal(12), ordinal(22)
        ('1st', '3rd', '12th', '22nd')
    """
    teens = number_ % 100 in (11, 12, 13)
    return f"{number_:,}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number_ % 10, 'th')}"
