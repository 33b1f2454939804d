"""Opening a study folder: read what it declares, check it, choose the audited rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cohorts.groups import GroupSpec, one_level_finding, read_attribute
from audits.cohorts.inputs import input_column, inside
from audits.cohorts.labels import LabelColumn, read_label
from audits.cohorts.spec import STUDY_FILE, StudySpec, load_spec
from audits.cohorts.study import Study
from audits.cohorts.table import missing_patients
from audits.cohorts.tables import as_text, column, patient_codes, read_table, unique_ids
from audits.cohorts.variables import read_variables
from audits.errors import StudyError
from audits.types import Finding, Skipped
from model_adapters.base import Feature

DEFAULT_SPLIT = "test"


def open_study(folder: Path | str) -> Study:
    """Open a study folder.

    Args:
        folder: Folder with ``study.toml``.

    Raises:
        StudyError: One sentence on the first thing that cannot be used as it stands.
    """
    root = Path(folder)
    spec = load_spec(root)
    text = [name for name in (spec.cases.id, spec.cases.patient, spec.cases.split) if name]
    table = read_table(inside(root, spec.cases.table), text=text)
    ids = unique_ids(
        column(table, spec.cases.id, spec.cases.table), where=spec.cases.table, name=spec.cases.id
    )
    table = table.set_axis(list(ids), axis=0)
    for name in _named_columns(spec):
        column(table, name, f"{root / STUDY_FILE}, {spec.cases.table}")
    return assemble(root, spec, table, None)


def _named_columns(spec: StudySpec) -> Iterator[str]:
    cases, stays = spec.cases, spec.stays
    for name in (cases.patient, cases.time, cases.split, cases.weight):
        if name:
            yield name
    yield from (label.time for label in spec.labels.values() if label.time)
    if stays is not None:
        yield from (stays.stay, stays.at, stays.event)
    for section in spec.inputs.values():
        if section.column:
            yield section.column
        yield from section.mask_fields


def assemble(folder: Path, spec: StudySpec, table: pd.DataFrame, split: str | None) -> Study:
    """Make a study of one split of a table that is already open."""
    where = spec.cases.table
    name, rows = _split_rows(spec, table, split)
    cases = table.loc[rows]
    labels, findings = _labels(spec, cases)
    groups = {
        key: read_attribute(
            GroupSpec(
                name=key,
                column=section.column,
                bands=section.bands,
                kind=section.kind,
                levels=section.levels,
            ),
            cases,
            where,
        )
        for key, section in spec.groups.items()
    }
    for attribute in groups.values():
        findings += one_level_finding(attribute)
    patients, more = _patients(spec, table, cases)
    return Study(
        folder=folder,
        spec=spec,
        table=table,
        split=name,
        cases=cases,
        case_ids=tuple(map(str, cases.index)),
        patients=patients,
        labels=labels,
        inputs={key: input_column(key, section) for key, section in spec.inputs.items()},
        variables=_variables(folder, spec, table),
        measured=_measured(folder, spec),
        findings=(*findings, *more),
        skipped=_unlabelled(labels, cases),
        groups=groups,
    )


def _labels(spec: StudySpec, cases: pd.DataFrame) -> tuple[dict[str, LabelColumn], list[Finding]]:
    labels: dict[str, LabelColumn] = {}
    findings: list[Finding] = []
    for key, section in spec.labels.items():
        labels[key], more = read_label(
            key,
            cases,
            column_name=section.column,
            positive=section.positive,
            task=section.task,
            where=spec.cases.table,
        )
        findings += more
    return labels, findings


def _split_rows(
    spec: StudySpec, table: pd.DataFrame, split: str | None
) -> tuple[str | None, npt.NDArray[np.bool_]]:
    """Choose the rows: the split asked for, else ``audit_split``, else ``test``, else all."""
    wanted = split or spec.cases.audit_split
    if spec.cases.split is None:
        if wanted:
            raise StudyError(
                f"{STUDY_FILE}: the split {wanted!r} is asked for, but cases.split names no "
                "column; name the one that holds the splits."
            )
        return None, np.ones(len(table), dtype=np.bool_)
    texts = np.array(as_text(table[spec.cases.split])[0], dtype=object)
    names = sorted({str(text) for text in texts if text})
    if wanted is None:
        if DEFAULT_SPLIT not in names:
            return None, np.ones(len(table), dtype=np.bool_)
        wanted = DEFAULT_SPLIT
    if wanted not in names:
        raise StudyError(
            f"{STUDY_FILE}: no case is in the split {wanted!r}, the column "
            f"{spec.cases.split!r} holds {', '.join(names) or 'nothing'}; name one of these as "
            "cases.audit_split."
        )
    return wanted, np.asarray(texts == wanted)


def _patients(
    spec: StudySpec, table: pd.DataFrame, cases: pd.DataFrame
) -> tuple[npt.NDArray[np.int64] | None, tuple[Finding, ...]]:
    name = spec.cases.patient
    if name is None:
        return None, ()
    codes, missing = patient_codes(cases[name])
    findings = missing_patients(name, missing)
    others = set(as_text(table.loc[~table.index.isin(cases.index), name])[0]) - {""}
    shared = len(others & set(as_text(cases[name])[0]))
    if shared:
        message = (
            f"{shared:,} patients have cases inside and outside the audited split; a model trained "
            "on the others has seen them."
        )
        findings += (Finding(severity="warning", where="cases.split", message=message),)
    return codes, findings


def _variables(folder: Path, spec: StudySpec, table: pd.DataFrame) -> tuple[Feature, ...]:
    files = [one.variables for one in spec.inputs.values() if one.variables and not one.table]
    read = [read_variables(inside(folder, name), table) for name in dict.fromkeys(files)]
    return tuple(feature for features in read for feature in features)


def _measured(folder: Path, spec: StudySpec) -> tuple[Feature, ...]:
    """Read what is said of the variables of sequences; they have no column in the cases."""
    files = [one.variables for one in spec.inputs.values() if one.variables and one.table]
    read = [read_variables(inside(folder, name), None) for name in dict.fromkeys(files)]
    return tuple(feature for features in read for feature in features)


def _unlabelled(labels: Mapping[str, LabelColumn], cases: pd.DataFrame) -> tuple[Skipped, ...]:
    if not labels:
        return ()
    known = np.any([label.known for label in labels.values()], axis=0)
    return tuple(
        Skipped(case=str(case), reason="None of its labels is there.")
        for case in cases.index[~known]
    )
