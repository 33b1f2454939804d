"""Raw values of a batch of cases, as model adapters take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audits.cohorts.inputs import InputColumn, match_input, table_values
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
            read = _reader(study, match_input(study.inputs, wanted, f"Study {study.name}"))
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


def _reader(study: Study, one: InputColumn) -> Callable[[str], Any]:
    if one.modality == "sequence":
        return lambda case_id: study.sequence(case_id, one.name)
    if one.modality == "signal":
        raise StudyError(
            f"Study {study.name}: the input {one.name!r} is a signal, which no reader opens; "
            "audit a model of this study that takes images, tables, sequences or text."
        )
    if one.modality == "image":
        return lambda case_id: study.image(case_id, one.name).to_value()

    def text(case_id: str) -> str:
        found = study.note(case_id, one.name)
        if found is None:
            raise StudyError(f"Case {case_id}: it has no text in {one.column!r}; add one.")
        return found

    return text
