"""What a comparison could have seen, and how many further cases would settle it."""

from __future__ import annotations

import math
from typing import Any

from scipy.special import ndtri

POWER_MDE = 0.8
POWER_NEEDED = 0.9
ALPHA_EQUIVALENCE = 0.05


def adjusted_alpha(alpha: float, rejections: int, tests: int) -> float:
    """Return the level of a further rejection: alpha (R + 1) / m, at most alpha."""
    return alpha * min(rejections + 1, max(tests, 1)) / max(tests, 1)


def minimum_detectable(
    unit: tuple[float, float], size: tuple[float, float], alpha: float
) -> float | None:
    """Return the smallest gap found with power 0.8: (z + z) √(v_g/n_g + v_r/n_r).

    Args:
        unit: Variance of one effective case in the group and in the reference.
        size: Effective cases in the group and in the reference.
        alpha: Two-sided level after correction for multiplicity.
    """
    if min(size) <= 0:
        return None
    error = math.sqrt(unit[0] / size[0] + unit[1] / size[1])
    gap = float(ndtri(1 - alpha / 2) + ndtri(POWER_MDE)) * error
    return gap if math.isfinite(gap) else None


def further_cases(
    unit: tuple[float, float],
    size: tuple[float, float],
    margin: float,
    alpha: float,
    *,
    deff: float,
    patients_per_case: float | None,
) -> dict[str, Any]:
    """Return the additional cases of the group that a verdict would take.

    To equivalence: at a true gap of 0, power 0.9 that the 90 % interval lies inside the margin.
    To disparity: at a true gap of twice the margin, power 0.9 at the corrected level. The
    observed gap is never used. The reference is taken to stay as it is.

    Args:
        unit: Variance of one effective case in the group and in the reference.
        size: Effective cases in the group and in the reference.
        margin: Margin on the scale of the test.
        alpha: Two-sided level after correction for multiplicity.
        deff: Rows per effective case.
        patients_per_case: Patients per case of the denominator, or None.
    """
    half_beta = (1 - POWER_NEEDED) / 2
    equivalence = float(ndtri(1 - ALPHA_EQUIVALENCE) + ndtri(1 - half_beta))
    disparity = float(ndtri(1 - alpha / 2) + ndtri(POWER_NEEDED))
    allowed = {
        "to_equivalence": (margin / equivalence) ** 2,
        "to_disparity": (2 * margin / disparity) ** 2,
    }
    out: dict[str, Any] = {}
    reasons = []
    for name, variance in allowed.items():
        left = variance - unit[1] / size[1] if size[1] > 0 else -1.0
        if not left > 0:
            out[name] = None
            reasons.append(f"{name}: the reference alone is too small")
            continue
        more = max(0.0, unit[0] / left - size[0]) * deff
        out[name] = math.ceil(more) if math.isfinite(more) else None
        if patients_per_case is not None and out[name] is not None:
            out[f"patients_{name}"] = math.ceil(more * patients_per_case)
    if reasons:
        out["reason"] = "; ".join(reasons)
    return out
