"""Causes, slices and mitigation of every output, added to the audit that was just made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.cancel import Cancel, never, stop_if
from audits.cohorts import CohortTable, Study
from audits.cohorts.tables import text_codes
from audits.fairness import FairnessResult, ScoredOutput
from audits.fairness.causes import Column, Context, explain_gaps, not_available
from audits.fairness.mitigation import preview_mitigation
from audits.fairness.slices import discover_slices
from audits.policy import Policy
from audits.types import Progress, silent
from model_adapters.base import Feature

if TYPE_CHECKING:
    import pandas as pd

SECTIONS = ("causes", "slices", "mitigation")
MAX_ROWS = 60_000
"""Scored labels of a run up to which these sections are made without being asked for."""
_MAX_LEVELS = 20

Known = Callable[[ScoredOutput], Context]
"""Returns what is known of an output's cases; called only if the sections are made."""


def with_causes(  # noqa: PLR0913 - passes the run's options on
    result: FairnessResult,
    outputs: Sequence[tuple[ScoredOutput, Known]],
    policy: Policy,
    *,
    seed: int,
    why: bool | None = None,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> FairnessResult:
    """Return the audit with ``causes``, ``slices`` and ``mitigation`` in every output.

    Args:
        result: The audit; its verdicts stay as they are.
        outputs: Each output with what else is known of its cases, in the order of the audit.
        policy: The declaration.
        seed: Seed of everything random.
        why: Make the sections; None for up to 60,000 scored labels in the run.
        progress: Called with the finished share and what is being done.
        cancel: Asked between outputs.

    Raises:
        CancelledRun: ``cancel`` said so.
    """
    rows = sum(len(output.y) for output, _ in outputs)
    reason = _left_out(rows, why=why)
    deeper = []
    for at, (made, (output, known)) in enumerate(zip(result.outputs, outputs, strict=True)):
        stop_if(cancel)
        progress(at / max(len(outputs), 1), f"Asking why groups differ in {output.name}")
        if reason is None:
            extras = _sections(output, policy, known(output), seed)
        else:
            extras = {name: not_available(reason) for name in SECTIONS}
        deeper.append(replace(made, extras={**made.extras, **extras}))
    return replace(result, outputs=tuple(deeper))


def without_causes(result: FairnessResult, reason: str) -> FairnessResult:
    """Return the audit whose outputs say why they have no causes, slices and mitigation."""
    extras = {name: not_available(reason) for name in SECTIONS}
    made = tuple(replace(item, extras={**item.extras, **extras}) for item in result.outputs)
    return replace(result, outputs=made)


def _left_out(rows: int, *, why: bool | None) -> str | None:
    if why is False:
        return "not asked for; run the audit with --why"
    if why is None and rows > MAX_ROWS:
        return f"the run has more than {MAX_ROWS:,} scored labels; run the audit with --why"
    return None


def _sections(
    output: ScoredOutput, policy: Policy, context: Context, seed: int
) -> dict[str, dict[str, Any]]:
    return {
        "causes": explain_gaps(output, policy, seed=seed, context=context),
        "slices": discover_slices(output, policy, seed=seed, context=context),
        "mitigation": preview_mitigation(output, policy, seed=seed),
    }


def study_context(
    study: Study, policy: Policy, case_ids: Sequence[str]
) -> Callable[[ScoredOutput], Context]:
    """Return what a study knows of the cases that a model scored."""

    def known(output: ScoredOutput) -> Context:
        cases = study.cases.loc[list(case_ids)]
        grouped = {a.column for a in study.attributes() if a.name in _declared(output, policy)}
        columns = []
        for feature in study.variables:
            is_label = feature.name == output.label_column
            is_same = feature.name in grouped and feature.kind != "numeric"
            if feature.name in cases.columns and not is_label and not is_same:
                column = _column(cases[feature.name], feature.name, feature)
                columns += [] if column is None else [column]
        return _context(cases, tuple(columns), policy, output)

    return known


def table_context(
    table: CohortTable, policy: Policy, rows: npt.NDArray[np.intp]
) -> Callable[[ScoredOutput], Context]:
    """Return what a table of scores knows of the rows of one output.

    Only columns that the policy names serve as variables: others may be ids or further labels.
    """

    def known(output: ScoredOutput) -> Context:
        cases = table.cases.iloc[rows]
        columns = []
        for name in policy.causes.slice_columns:
            if name in cases.columns:
                column = _column(cases[name], name, None)
                columns += [] if column is None else [column]
        return _context(cases, tuple(columns), policy, output)

    return known


def _declared(output: ScoredOutput, policy: Policy) -> set[str]:
    return {a.name for a in output.attributes if not policy.groups or a.name in policy.groups}


def _column(values: pd.Series, name: str, feature: Feature | None) -> Column | None:
    """Return a variable as numbers, or as levels; None where it has too many levels to say."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    label = feature.label if feature else name
    if is_numeric_dtype(values.dtype) and not is_bool_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return Column(
            name=name,
            label=label,
            unit=feature.unit if feature else None,
            values=np.where(np.isfinite(numbers), numbers, np.nan),
            normal=feature.normal if feature else None,
        )
    codes, _, texts = text_codes(values)
    if not 1 <= len(texts) <= _MAX_LEVELS:
        return None
    return Column(
        name=name, label=label, values=np.asarray(codes, dtype=np.int64), levels=tuple(texts)
    )


def _context(
    cases: pd.DataFrame, columns: tuple[Column, ...], policy: Policy, output: ScoredOutput
) -> Context:
    from pandas.api.types import is_numeric_dtype

    name = policy.causes.second_label.get(output.name)
    if name is None:
        return Context(columns=columns)
    if name not in cases.columns or not is_numeric_dtype(cases[name].dtype):
        problem = "is no column of numbers in the data"
        return Context(columns=columns, no_second_label=f"{name!r} {problem}")
    values = cases[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return Context(columns=columns, second_label=(name, values))
