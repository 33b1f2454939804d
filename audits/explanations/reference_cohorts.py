"""Named cohorts that a patient may be compared with: everybody, the same unit, alike, healthy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError

if TYPE_CHECKING:
    import pandas as pd

    from audits.explanations.backgrounds import CaseSource
    from model_adapters.base import Feature

Cohort = Literal["all", "same_unit", "age_sex", "healthy"]
COHORTS: tuple[Cohort, ...] = get_args(Cohort)

UNITS = ("unit", "ward", "department", "site", "hospital")
AGES = ("age", "age_years", "age_at_admission", "anchor_age")
SEXES = ("sex", "gender")
FEWEST = 20
AGE_STEP = 5
WIDEST_AGE = 20

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Cases of a named cohort, before some are drawn.

    Attributes:
        cohort: Its name on the command line.
        words: What it is, for the background's name.
        case_ids: In the study's order.
    """

    cohort: Cohort
    words: str
    case_ids: tuple[str, ...]


def reference_cohort(study: CaseSource, cohort: str, case: str | None) -> Pool:
    """Return the cases of a named cohort.

    Args:
        study: The study.
        cohort: ``all``, ``same_unit``, ``age_sex`` or ``healthy``.
        case: The patient that is compared; only ``same_unit`` and ``age_sex`` need one.

    Raises:
        ExplanationError: If there is no such cohort, or the study cannot tell who belongs to it.
    """
    if cohort == "all":
        return Pool(cohort="all", words="audited cases", case_ids=tuple(study.case_ids))
    if cohort == "healthy":
        return _healthy(study)
    if cohort not in COHORTS:
        raise ExplanationError(
            f"background: expected one of {', '.join(COHORTS)}, found {cohort!r}; name one of them"
        )
    if case is None:
        raise ExplanationError(
            f"background: {cohort!r} is the cohort of one patient and several are explained "
            'together; use "all" or "healthy"'
        )
    return _same_unit(study, case) if cohort == "same_unit" else _alike(study, case)


def offered_cohorts(study: CaseSource) -> tuple[Cohort, ...]:
    """Return the cohorts that a study can form for any of its patients."""
    case = next(iter(study.case_ids), None)
    out: list[Cohort] = []
    for cohort in COHORTS:
        try:
            reference_cohort(study, cohort, case)
        except ExplanationError:
            continue
        out.append(cohort)
    return tuple(out)


def _same_unit(study: CaseSource, case: str) -> Pool:
    frame = _frame(study)
    name = _column(frame, UNITS)
    if name is None:
        raise ExplanationError(
            f"background: study {study.name!r} has no column for a unit ({', '.join(UNITS)}); "
            'add one or use "all"'
        )
    own: Any = frame.loc[case, name]
    same = (frame[name] == own).to_numpy(dtype=bool)
    if not same.any():
        raise ExplanationError(
            f'background: the {name} of case {case!r} is not known; use "all" or another cohort'
        )
    words = f"cases of the same {name} ({own})"
    return Pool(cohort="same_unit", words=words, case_ids=_picked(frame, same))


def _alike(study: CaseSource, case: str) -> Pool:
    """Return cases of the same sex within 5 years of age, or as few more years as give 20."""
    frame = _frame(study)
    age, sex = _column(frame, AGES), _column(frame, SEXES)
    if age is None or sex is None or frame[age].dtype.kind not in "iuf":
        raise ExplanationError(
            f"background: study {study.name!r} has no numeric age with a sex to match by "
            f'(columns {", ".join((*AGES, *SEXES))}); add them or use "all"'
        )
    mine: Any = frame.loc[case]
    own_age, own_sex = float(mine[age]), mine[sex]
    same = (frame[sex] == own_sex).to_numpy(dtype=bool)
    if np.isnan(own_age) or not same.any():
        raise ExplanationError(
            f'background: age or sex of case {case!r} is not known; use "all" or another cohort'
        )
    gap = np.abs(frame[age].to_numpy(dtype=float) - own_age)
    width = AGE_STEP
    while (same & (gap <= width)).sum() < FEWEST and width < WIDEST_AGE:
        width += AGE_STEP
    words = f"cases of the same {sex} and of {own_age:.0f} ± {width} years"
    return Pool(cohort="age_sex", words=words, case_ids=_picked(frame, same & (gap <= width)))


def _healthy(study: CaseSource) -> Pool:
    """Return cases with every measured variable in its reference range, or the nearest to it."""
    frame = _frame(study)
    variables: Sequence[Feature] = getattr(study, "variables", ())
    ranged = [v for v in variables if v.normal not in {None, (None, None)} and v.name in frame]
    if not ranged:
        raise ExplanationError(
            f"background: study {study.name!r} gives no reference ranges; add low and high to "
            'variables.csv or use "all"'
        )
    outside = np.zeros(len(frame), dtype=np.int64)
    for variable in ranged:
        low, high = variable.normal or (None, None)
        values = frame[variable.name].to_numpy(dtype=float)
        if low is not None:
            outside += values < low
        if high is not None:
            outside += values > high
    allowed = int(np.sort(outside)[min(FEWEST, len(outside)) - 1])
    beyond = "" if allowed == 0 else f" but at most {allowed}"
    words = f"cases with all of {len(ranged)} variables{beyond} in the reference range"
    return Pool(cohort="healthy", words=words, case_ids=_picked(frame, outside <= allowed))


def _frame(study: CaseSource) -> pd.DataFrame:
    frame: Any = getattr(study, "cases", None)
    if frame is None:
        raise ExplanationError(
            f'background: study {study.name!r} has no table of its cases; use "all"'
        )
    known: pd.DataFrame = frame
    return known


def _column(frame: pd.DataFrame, names: Sequence[str]) -> str | None:
    lower = {str(column).lower(): str(column) for column in frame.columns}
    return next((lower[name] for name in names if name in lower), None)


def _picked(frame: pd.DataFrame, keep: Bools) -> tuple[str, ...]:
    return tuple(str(case) for case in frame.index[keep])
