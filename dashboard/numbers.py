"""Numbers as people read them: always with their interval and their denominator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.evidence import RATIOS
from dashboard.words import word

Estimate = Mapping[str, Any]
"""An ESTIMATE of the contract."""

MISSING = "not available"
SUPPRESSED = "suppressed (1–10)"


def number(value: float | None, unit: str = "number") -> str:
    """Return one value in its unit.

    Example:
        >>> number(0.8125, "percent"), number(0.9049), number(1.2, "ratio"), number(None)
        ('81.2 %', '0.905', '1.20', 'not available')
    """
    if value is None:
        return MISSING
    if unit == "percent":
        return _minus(f"{100 * value:.1f} %")
    return _minus(f"{value:.2f}" if unit == "ratio" else f"{value:.3f}")


def signed(value: float | None, unit: str = "number") -> str:
    """Return a difference with its sign; percentages become points.

    Example:
        >>> signed(-0.031, "percent"), signed(0.02)
        ('−3.1 points', '+0.020')
    """
    if value is None:
        return MISSING
    sign = "−" if value < 0 else "+"
    size = abs(value)
    return f"{sign}{100 * size:.1f} points" if unit == "percent" else f"{sign}{size:.3f}"


def interval(estimate: Estimate | None, unit: str = "number", *, difference: bool = False) -> str:
    """Return ``low to high`` in the unit, or nothing where there is no interval."""
    if not estimate or estimate.get("low") is None or estimate.get("high") is None:
        return ""
    low, high = float(estimate["low"]), float(estimate["high"])
    if unit == "percent":
        form = "{:+.1f}" if difference else "{:.1f}"
        return _minus(f"{form.format(100 * low)} to {form.format(100 * high)}")
    digits = 2 if unit == "ratio" else 3
    form = f"{{:{'+' if difference else ''}.{digits}f}}"
    return _minus(f"{form.format(low)} to {form.format(high)}")


def with_interval(estimate: Estimate | None, unit: str = "number") -> str:
    """Return ``81.2 % (77.0 to 84.9)``, or why there is no number.

    Example:
        >>> with_interval({"value": 0.8125, "low": 0.77, "high": 0.849}, "percent")
        '81.2 % (77.0 to 84.9)'
        >>> with_interval({"value": None, "reason": "no positives"}, "percent")
        'not available: no positives'
    """
    if not estimate:
        return MISSING
    if estimate.get("suppressed"):
        return SUPPRESSED
    if estimate.get("value") is None:
        reason = estimate.get("reason")
        return f"{MISSING}: {reason}" if reason else MISSING
    limits = interval(estimate, unit)
    return number(estimate["value"], unit) + (f" ({limits})" if limits else "")


def difference_text(estimate: Estimate | None, metric: str) -> str:
    """Return a group difference with its interval; a ratio stays a ratio."""
    unit = word("metric", metric).unit
    if not estimate or estimate.get("value") is None:
        return with_interval(estimate, unit)
    if metric in RATIOS:
        return "× " + with_interval(estimate, "ratio")
    limits = interval(estimate, unit, difference=True)
    return signed(estimate["value"], unit) + (f" ({limits})" if limits else "")


def of(k: int | None, n: int | None) -> str:
    """Return ``334 of 412``, or ``n 412`` where the count is masked or there is none.

    Example:
        >>> of(334, 1412), of(None, None)
        ('334 of 1,412', 'not available')
    """
    if n is None:
        return MISSING
    return f"n {n:,}" if k is None else f"{k:,} of {n:,}"


def denominator(estimate: Estimate | None) -> str:
    """Return what the estimate counts: ``334 of 412`` or ``n 412``."""
    if not estimate:
        return ""
    if estimate.get("suppressed"):
        return SUPPRESSED
    k, n = estimate.get("k"), estimate.get("n")
    if n is None:
        return ""
    return of(k, n) if k is not None else f"n {n:,}"


def full(estimate: Estimate | None, metric: str) -> str:
    """Return value, interval and denominator in one line."""
    text = with_interval(estimate, word("metric", metric).unit)
    count = denominator(estimate)
    return f"{text}, {count}" if count and count != text else text


def count(value: int | None, *, suppressed: bool = False) -> str:
    """Return a count with thousands separated, or that it is suppressed."""
    if suppressed and value is None:
        return SUPPRESSED
    return MISSING if value is None else f"{value:,}"


def counted(n: int, noun: str) -> str:
    """Return a number with its noun.

    Example:
        >>> counted(1, "case"), counted(1200, "case")
        ('1 case', '1,200 cases')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def p_text(value: float | None) -> str:
    """Return a p or q value.

    Example:
        >>> p_text(0.00004), p_text(0.0312), p_text(None)
        ('<0.001', '0.031', '–')
    """
    if value is None:
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004 - printed precision


def short_hash(value: str | None) -> str:
    """Return the first twelve characters of a hash."""
    return (value or MISSING)[:12]


def day(value: str | None) -> str:
    """Return an ISO time as date and minute in UTC."""
    return f"{value[:10]} {value[11:16]} UTC" if value and len(value) > 15 else value or MISSING  # noqa: PLR2004 - length of an ISO minute


def _minus(text: str) -> str:
    return text.replace("-", "−")
