"""What the model's output would be if some variables had other values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError
from audits.explanations.plausible import Plausible, checked_changes, plausible_values
from audits.explanations.result import Score
from audits.explanations.spaces import score_of
from audits.explanations.variables import described, plain_value, table_field

if TYPE_CHECKING:
    import pandas as pd

    from audits.explanations.request import Request

NOT_ADVICE = (
    "What the model's output would be. It says nothing about what would happen to the patient: "
    "the model has learnt associations and no effects of treatment."
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The model's output under other values.

    Attributes:
        changes: Name -> (value before, value after).
        before: The patient's score.
        after: What the model's output would be.
    """

    changes: Mapping[str, tuple[float | str | None, float | str | None]]
    before: Score
    after: Score

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "changes": [
                {"name": name, "from": one, "to": other}
                for name, (one, other) in self.changes.items()
            ],
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "note": NOT_ADVICE,
        }


def plausible_of(request: Request) -> dict[str, Plausible]:
    """Return what each of the model's variables may be set to, by the study's audited cases.

    Raises:
        ExplanationError: If the study has no table of its cases.
    """
    field = table_field(request.adapter)
    cohort = getattr(request.study, "cases", None)
    if cohort is None:
        raise ExplanationError(
            f"what-if: study {request.study.name!r} has no table of its cases; give one"
        )
    features = described(field, getattr(request.study, "variables", ()))
    return plausible_values(features, cohort)


def what_if(request: Request, changes: Mapping[str, Any]) -> WhatIf:
    """Return what the model's output would be with some values changed.

    Args:
        request: The case.
        changes: Name -> value, text with a unit, category, or None for “not measured”.

    Raises:
        ExplanationError: If a value is not plausible, in one sentence.
    """
    wanted = checked_changes(changes, plausible_of(request))
    field = table_field(request.adapter).name
    row = request.raw[field].iloc[0]
    after = scores_of_rows(request, changed_rows(request, [wanted]))
    return WhatIf(
        changes={name: (_shown(row[name]), value) for name, value in wanted.items()},
        before=request.score,
        after=score_of(after[0], request.index, request.adapter.output),
    )


def changed_rows(request: Request, changes: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the patient once per set of changes, as the study would give it."""
    import pandas as pd

    own: pd.DataFrame = request.raw[table_field(request.adapter).name]
    rows = pd.concat([own] * len(changes), ignore_index=True)
    for name in {name for one in changes for name in one}:
        values = [one.get(name, own[name].iloc[0]) for one in changes]
        number = rows[name].dtype.kind in "iufb"
        rows[name] = pd.Series(
            [np.nan if value is None else value for value in values],
            dtype=float if number else object,
        )
    return rows


def scores_of_rows(request: Request, rows: pd.DataFrame) -> Floats:
    """Return the model's output for changed patients, (n, outputs); other inputs stay."""
    adapter = request.adapter
    field = table_field(adapter).name
    raw = {
        name: rows if name == field else [value[0]] * len(rows)
        for name, value in request.raw.items()
    }
    return adapter.predict(adapter.prepare(raw))


def _shown(value: Any) -> float | str | None:
    import pandas as pd

    return None if value is None or pd.isna(value) else plain_value(value)
