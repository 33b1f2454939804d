"""Which values a variable may be given: seen in the cohort, in the study's own unit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audits.errors import ExplanationError

if TYPE_CHECKING:
    import pandas as pd

    from model_adapters.base import Feature

TAIL = 0.001
GRID = 12

_WRITTEN = re.compile(r"^\s*([-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?)\s*(.*?)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plausible:
    """What a variable may be set to.

    Attributes:
        name: Column of the study.
        label: Words a clinician uses.
        unit: UCUM unit, or None.
        low: Smallest plausible number, or None for categories.
        high: Largest.
        levels: Known categories; empty for numbers.
        whole: Whether only whole numbers occur.
        grid: Numbers worth trying, rising: quantiles of the cohort.
        actionable: Whether somebody can act on it.
        direction: The only direction in which it can be moved, or None for both.
    """

    name: str
    label: str
    unit: str | None
    low: float | None = None
    high: float | None = None
    levels: tuple[str, ...] = ()
    whole: bool = False
    grid: tuple[float, ...] = ()
    actionable: bool = False
    direction: Literal["up", "down"] | None = None


def plausible_values(features: Sequence[Feature], cohort: pd.DataFrame) -> dict[str, Plausible]:
    """Return what each variable may be set to: all but the outermost 0.1 % of the cohort.

    Args:
        features: The model's variables with the study's words.
        cohort: Values of the audited cases, a column per variable.
    """
    out = {}
    for feature in features:
        values = cohort[feature.name].dropna()
        described: dict[str, Any] = {
            "name": feature.name,
            "label": feature.label,
            "unit": feature.unit,
            "actionable": feature.actionable,
            "direction": feature.direction,
        }
        if values.dtype.kind in "iuf" and len(values):
            numbers = values.to_numpy(dtype=float)
            steps = np.quantile(numbers, np.linspace(TAIL, 1 - TAIL, GRID), method="nearest")
            described |= {
                "low": float(steps[0]),
                "high": float(steps[-1]),
                "whole": bool((numbers == np.round(numbers)).all()),
                "grid": tuple(float(step) for step in np.unique(steps)),
            }
        else:
            described["levels"] = tuple(sorted({str(value) for value in values}))
        out[feature.name] = Plausible(**described)
    return out


def checked_changes(
    changes: Mapping[str, Any], known: Mapping[str, Plausible]
) -> dict[str, float | str | None]:
    """Return the values to set, each within its plausible range.

    Args:
        changes: Name -> a number, a text such as ``"4.0 mmol/L"``, a category, or None for “not
            measured”.
        known: What each variable may be set to.

    Raises:
        ExplanationError: If a variable is unknown, its unit is another one, or its value is not
            plausible; in one sentence.
    """
    out: dict[str, float | str | None] = {}
    for name, wanted in changes.items():
        if name not in known:
            raise ExplanationError(
                f"what-if: the model takes no {name!r}; it takes {', '.join(known)}"
            )
        out[name] = None if wanted is None else _checked(known[name], wanted)
    return out


def _checked(variable: Plausible, wanted: Any) -> float | str:
    if variable.low is None or variable.high is None:
        text = str(wanted).strip()
        if text not in variable.levels:
            raise ExplanationError(
                f"what-if: {variable.name} is {text!r}, which nobody in the study has; use one of "
                f"{', '.join(variable.levels)}"
            )
        return text
    number = _number(variable, wanted)
    if not variable.low <= number <= variable.high:
        unit = f" {variable.unit}" if variable.unit else ""
        raise ExplanationError(
            f"what-if: {variable.name} = {number:g} is outside of its plausible range, "
            f"{variable.low:g} to {variable.high:g}{unit}; check the unit, or choose a value "
            "inside"
        )
    return number


def _number(variable: Plausible, wanted: Any) -> float:
    match = _WRITTEN.match(str(wanted))
    if match is None:
        raise ExplanationError(
            f"what-if: {variable.name} is a number, found {wanted!r}; write it like 4.0"
        )
    unit = match[2]
    if unit and unit != (variable.unit or ""):
        raise ExplanationError(
            f"what-if: {variable.name} is in {variable.unit or 'no unit'}, found {unit!r}; convert "
            "the value"
        )
    return float(match[1].replace(",", "."))
