"""A risk on its scale from 0 to 100 %, with the threshold: small, and readable without colour."""

from __future__ import annotations

from html import escape

WIDTH, HEIGHT = 640, 74
LEFT, RIGHT = 16, 624


def risk_scale(risk: float, threshold: float | None, *, other: float | None, names: str) -> str:
    """Return an SVG of the scale.

    Args:
        risk: Predicted probability.
        threshold: Threshold of the call, or None.
        other: Predicted probability of another version, or None.
        names: Alternative text.
    """
    head = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" '
        f'style="max-width:{WIDTH}px" aria-label="{escape(names, quote=True)}" '
        'font-family="inherit" font-size="13" fill="currentColor">'
    )
    full, reached = RIGHT - LEFT, max(_x(risk) - LEFT, 1)
    parts = [
        head,
        f'<rect x="{LEFT}" y="32" width="{full}" height="8" rx="4" opacity="0.16"/>',
        f'<rect x="{LEFT}" y="32" width="{reached:.1f}" height="8" rx="4" opacity="0.45"/>',
    ]
    if threshold is not None:
        x = _x(threshold)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="22" y2="50" stroke="currentColor" '
            'stroke-width="2" stroke-dasharray="4 3"/>'
            f'<text x="{_inside(x):.1f}" y="66" text-anchor="middle">threshold '
            f"{100 * threshold:.0f} %</text>"
        )
    if other is not None:
        parts.append(
            f'<circle cx="{_x(other):.1f}" cy="36" r="7" fill="none" stroke="currentColor" '
            'stroke-width="2"/>'
        )
    x = _x(risk)
    parts.append(
        f'<path d="M{x:.1f} 26 l10 10 l-10 10 l-10 -10 z"/>'
        f'<text x="{_inside(x):.1f}" y="16" text-anchor="middle" font-weight="600">'
        f"{100 * risk:.1f} %</text></svg>"
    )
    return "".join(parts)


def _x(share: float) -> float:
    return LEFT + (RIGHT - LEFT) * min(max(share, 0.0), 1.0)


def _inside(x: float) -> float:
    return min(max(x, 48.0), WIDTH - 48.0)
