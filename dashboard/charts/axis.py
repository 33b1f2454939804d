"""Round numbers along an axis."""

from __future__ import annotations

import math

_MOST = 7
"""Steps between the ends of an axis, so that their texts keep apart."""


def ticks_between(low: float, high: float, unit: str) -> list[tuple[float, str]]:
    """Return round places between two ends and their texts.

    Args:
        low: Lower end.
        high: Upper end, above it.
        unit: Unit of the glossary; ``percent`` is written as such.

    Example:
        >>> ticks_between(0.11, 0.64, "percent")
        [(0.2, '20%'), (0.3, '30%'), (0.4, '40%'), (0.5, '50%'), (0.6, '60%')]
    """
    finest = (high - low) / _MOST
    power = 10.0 ** math.floor(math.log10(finest))
    step = next(by * power for by in (1, 2, 5, 10) if by * power >= finest * (1 - _ROUNDING))
    percent = unit == "percent"
    digits = max(-math.floor(math.log10(step * (100 if percent else 1)) + _ROUNDING), 0)
    first, last = math.ceil(low / step - _ROUNDING), math.floor(high / step + _ROUNDING)
    places = [round(at * step, 12) for at in range(first, last + 1)]
    shape = f".{digits}%" if percent else f".{digits}f"
    return [(place, format(place, shape).replace("-", "−")) for place in places]


_ROUNDING = 1e-9
