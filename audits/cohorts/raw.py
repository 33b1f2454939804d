"""Raw values of a batch of cases, as model adapters take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audits.cohorts.inputs import InputColumn, match_input, table_values
from audits.cohorts.spec import did_you_mean
from audits.errors import StudyError
from audits.types import Skipped
from model_adapters.base import Batch, Field

if TYPE_CHECKING:
    from audits.cohorts.study import Study


def read_batch(
    study: Study, fields: Sequence[Field], case_ids: Sequence[str]
) -> tuple[Batch, list[str], list[Skipped]]:
    """Open what a model wants of some cases.

    A case of which one input fails is skipped as a whole; images are opened once.
    """
    values: dict[str, dict[str, Any]] = {}
    skipped: dict[str, Skipped] = {}
    tables = []
    for wanted in fields:
        if wanted.modality == "table":
            tables.append(wanted)
        elif wanted.modality != "case_id":
            read = _reader(study, match_input(study.inputs, wanted, f"Study {study.name}"), wanted)
            values[wanted.name] = {}
            for case_id in case_ids:
                if case_id in skipped:
                    continue
                try:
                    values[wanted.name][case_id] = read(case_id)
                except StudyError as error:
                    skipped[case_id] = Skipped(case=case_id, reason=str(error))
    usable = [case_id for case_id in case_ids if case_id not in skipped]
    batch: dict[str, Any] = {}
    for wanted in fields:
        if wanted.modality == "case_id":
            batch[wanted.name] = np.array(usable, dtype=str)
        elif wanted in tables:
            rows = study.cases.iloc[[study.row(case_id) for case_id in usable]]
            batch[wanted.name] = table_values(rows, wanted.features, study.spec.cases.table)
        else:
            batch[wanted.name] = [values[wanted.name][case_id] for case_id in usable]
    return batch, usable, list(skipped.values())


def _check_variables(study: Study, wanted: Field) -> None:
    """Refuse a variable that no case of the study has: its name is wrong, not its measurement."""
    known = study.measured_variables(wanted.name)
    absent = [feature.name for feature in wanted.features if feature.name not in known]
    if absent:
        raise StudyError(
            f"Study {study.name}: the model reads {absent[0]!r} of {wanted.name!r}, which no case "
            f"has; the study measures {', '.join(sorted(known)[:8]) or 'nothing'}"
            f"{did_you_mean(absent[0], sorted(known))}; correct the name."
        )


def _reader(study: Study, one: InputColumn, wanted: Field) -> Callable[[str], Any]:
    if one.modality == "sequence":
        _check_variables(study, wanted)
        return lambda case_id: study.sequence(case_id, one.name)
    if one.modality == "signal":
        return lambda case_id: study.signal(case_id, one.name)
    if one.modality == "image":
        return lambda case_id: study.image(case_id, one.name).to_value()

    def text(case_id: str) -> str:
        found = study.note(case_id, one.name)
        if found is None or not found.strip():
            raise StudyError(f"Case {case_id}: it has no text in {one.column!r}; add one.")
        return found

    return text
