"""Check a drawn few of many explanations; what belongs to the model is noted on all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audits.cancel import Cancel, stop_if
from audits.explanations.checks.badge import checked
from audits.explanations.checks.names import ONE_PASS, RANDOMISATION
from audits.explanations.checks.reference import model_reference
from audits.explanations.checks.running import run_checks
from audits.explanations.checks.shown import flagged
from audits.explanations.checks.variables import CaseChecks, checks_of_variables
from audits.explanations.result import CaseExplanation, Check
from audits.types import Progress

if TYPE_CHECKING:
    from audits.explanations.sample import Sample


def with_checks(
    sample: Sample,
    explanations: Sequence[CaseExplanation],
    *,
    count: int,
    progress: Progress,
    cancel: Cancel,
) -> list[CaseExplanation]:
    """Return explanations with their checks: run on some cases, named as waiting on the others.

    Parameter randomisation belongs to the model, so every map of a one-pass method carries it.

    Args:
        sample: The opened cases.
        explanations: Their explanations.
        count: How many cases are checked for each output, drawn with the sample's seed; of maps
            those come first whose map is shown, because the model flags them.
        progress: Told how far it is.
        cancel: Asked between explanations.
    """
    names = sample.adapter.output.names
    drawn = {name: _drawn(sample, explanations, name, count) for name in names}
    first = drawn[names[0]]
    tables = _tables_at_once(sample, explanations, first) if first else {}
    total = sum(len(rows) for rows in drawn.values())
    out: list[CaseExplanation] = []
    done = 0
    for one in explanations:
        stop_if(cancel)
        index = names.index(one.output)
        rows = drawn[one.output]
        if one.case not in rows:
            row = sample.case_ids.index(one.case)
            waiting = checked(sample.request(row, index), one, run=False)
            out.append(_with_randomisation(sample, waiting, index))
            continue
        if one.case in tables:
            found = tables[one.case][index]
        else:
            _of_the_model(sample, one, index)  # of all outputs, which run_checks finds done
            found = run_checks(
                sample.request(rows[one.case], index),
                one,
                others=_others(explanations, one),
                insertion=False,
            )
        out.append(replace(one, checks=(*one.checks, *found)))
        done += 1
        progress(done / total, "Checking explanations")
    return out


def _drawn(
    sample: Sample, explanations: Sequence[CaseExplanation], output: str, count: int
) -> dict[str, int]:
    """Return the cases to check of one output, with their rows, in the sample's order."""
    order = np.random.default_rng(sample.seed).permutation(len(sample.case_ids))
    mine = {one.case: one for one in explanations if one.output == output}
    shown = [
        one.map is not None and flagged(one, sample.adapter) is True
        for one in (mine[sample.case_ids[row]] for row in order)
    ]
    chosen = order[np.argsort(~np.array(shown), kind="stable")][:count]
    return {sample.case_ids[row]: int(row) for row in sorted(chosen)}


def _others(explanations: Sequence[CaseExplanation], own: CaseExplanation) -> list[CaseExplanation]:
    return [one for one in explanations if one.case == own.case and one.output != own.output]


def _with_randomisation(sample: Sample, one: CaseExplanation, index: int) -> CaseExplanation:
    found = _of_the_model(sample, one, index)
    return one if found is None else replace(one, checks=_replaced(one.checks, found))


def _of_the_model(sample: Sample, one: CaseExplanation, index: int) -> Check | None:
    """Return parameter randomisation of a map of one pass, asked of all outputs at once."""
    if one.map is None or one.method not in ONE_PASS:
        return None
    return model_reference(
        sample.study, sample.adapter, one.method, index, seed=sample.seed, every=True
    )[0]


def _replaced(checks: Sequence[Check], found: Check) -> tuple[Check, ...]:
    return tuple(found if check.name == RANDOMISATION else check for check in checks)


def _tables_at_once(
    sample: Sample, explanations: Sequence[CaseExplanation], rows: dict[str, int]
) -> dict[str, CaseChecks]:
    """Return checks of effects of all drawn cases; none where cases cannot share a background."""
    mine = [one for one in explanations if one.case in rows]
    if sample.background is None or not sample.is_one_table or any(one.map for one in mine):
        return {}
    effects = {
        index: np.array([[p.effect for p in one.players] for one in _of(mine, name, rows)])
        for index, name in enumerate(sample.adapter.output.names)
    }
    found = checks_of_variables(
        sample.adapter,
        sample.rows(list(rows.values())),
        sample.background,
        mine[0].method,
        effects,
        seed=sample.seed,
    )
    return dict(zip(rows, found, strict=True))


def _of(
    explanations: Sequence[CaseExplanation], output: str, cases: Collection[str]
) -> list[CaseExplanation]:
    """Return one output's explanations in the order of ``cases``."""
    by_case = {one.case: one for one in explanations if one.output == output}
    return [by_case[case] for case in cases]
