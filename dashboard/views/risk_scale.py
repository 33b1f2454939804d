"""A risk on its scale from 0 to 100 %, with the threshold: small, and readable without colour.

Plain boxes, because Streamlit strips drawings from HTML; they take the colour of the text, so both
themes are right.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def risk_scale(risk: float, threshold: float | None, *, others: Sequence[float], alt: str) -> str:
    """Return the scale as HTML: a diamond for the risk, a ring for each other version's.

    Args:
        risk: Predicted probability.
        threshold: Threshold of the call, or None.
        others: Predicted probabilities of other versions.
        alt: What the scale shows, in words.
    """
    parts = [
        _box("left:0;right:0;top:30px;height:8px;border-radius:4px;opacity:.15", fill=True),
        _box(
            f"left:0;width:{_at(risk)};top:30px;height:8px;border-radius:4px;opacity:.4", fill=True
        ),
    ]
    if threshold is not None:
        place = _at(threshold)
        parts.append(_box(f"left:{place};top:22px;height:24px;border-left:2px dashed"))
        parts.append(_text(threshold, "top:48px", f"threshold {100 * threshold:.1f} %"))
    for other in others:
        ring = "top:28px;width:12px;height:12px;margin-left:-6px;border:2px solid"
        parts.append(_box(f"left:{_at(other)};{ring};border-radius:50%"))
    diamond = "top:27px;width:14px;height:14px;margin-left:-7px;transform:rotate(45deg)"
    parts.append(_box(f"left:{_at(risk)};{diamond}", fill=True))
    parts.append(_text(risk, "top:0;font-weight:600", f"{100 * risk:.1f} %"))
    return (
        f'<div role="img" aria-label="{escape(alt, quote=True)}" '
        'style="position:relative;height:70px;margin:0 10px;font-size:0.9rem">'
        + "".join(parts)
        + "</div>"
    )


def _box(style: str, *, fill: bool = False) -> str:
    ground = "background:currentColor;" if fill else ""
    return f'<div style="position:absolute;box-sizing:border-box;{ground}{style}"></div>'


def _text(share: float, style: str, text: str) -> str:
    """Return a label centred on its place, but inside the scale at both ends."""
    shift = -100 * min(max(share, 0.0), 1.0)
    edge = -50 if 0.1 < share < 0.9 else shift  # noqa: PLR2004 - a label's half width
    return (
        f'<div style="position:absolute;white-space:nowrap;left:{_at(share)};'
        f'transform:translateX({edge:.0f}%);{style}">{escape(text)}</div>'
    )


def _at(share: float) -> str:
    return f"{100 * min(max(share, 0.0), 1.0):.2f}%"
