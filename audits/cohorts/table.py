"""A table of labels and scores of a model that nobody hands over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cohorts.groups import Attribute, one_level_finding, read_attribute, resolve_groups
from audits.cohorts.hashes import file_sha256, frame_sha256
from audits.cohorts.labels import LabelColumn, read_label
from audits.cohorts.spec import LabelTask, Positive, Scope
from audits.cohorts.tables import (
    as_numbers,
    check_columns,
    column,
    patient_codes,
    read_table,
    unique_ids,
)
from audits.cohorts.task_columns import (
    TaskColumns,
    TaskNames,
    missing_reasons,
    read_task_columns,
)
from audits.errors import StudyError
from audits.types import Finding, Skipped
from model_adapters.base import Space


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreColumn:
    """One column of scores with the label it is judged by.

    Attributes:
        name: The label column: how a run names the output.
        column: The score column.
        label: The label it is paired with.
        values: float64 (n,), NaN where missing or not finite.
    """

    name: str
    column: str
    label: LabelColumn
    values: npt.NDArray[np.float64]

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Where both the label and the score are there (n,)."""
        return np.asarray(self.label.known & ~np.isnan(self.values))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CohortTable:
    """A cohort that is one table, with scores beside the labels.

    Attributes:
        name: Stem of the file, or ``table``.
        sha256: Content hash of the file or of the table's values.
        scope: Where the cases come from.
        space: Scale of every score.
        cases: The columns in use, indexed by case id.
        case_ids: One per row; row numbers counting from 0 where no id column was named.
        patients: int64 (n,) codes from 0, or None.
        labels: By label column.
        scores: One per pair of label and score, in order.
        groups: Names of the attributes declared as groups.
        intersections: Names of the attributes that are crossed.
        skipped: Rows that lack a label or a score.
        findings: What the reader of the run must know.
        id_columns: Columns that name cases or patients.
        task_names: Columns that further tasks read.
        task_columns: Their values.
    """

    name: str
    sha256: str
    scope: Scope
    space: Space
    cases: pd.DataFrame
    case_ids: tuple[str, ...]
    patients: npt.NDArray[np.int64] | None
    labels: Mapping[str, LabelColumn]
    scores: tuple[ScoreColumn, ...]
    groups: tuple[str, ...]
    intersections: tuple[tuple[str, ...], ...]
    skipped: tuple[Skipped, ...]
    findings: tuple[Finding, ...]
    version: str = ""
    description: str = ""
    licence: str = ""
    id_columns: tuple[str, ...] = ()
    task_names: TaskNames = field(default_factory=TaskNames)
    task_columns: TaskColumns = field(default_factory=TaskColumns)
    _attributes: Mapping[str, Attribute] = field(default_factory=dict)

    @property
    def n_patients(self) -> int | None:
        """Distinct patients, or None where no patient is declared."""
        return None if self.patients is None else int(self.patients.max()) + 1

    def attributes(self, names: Sequence[str] | None = None) -> tuple[Attribute, ...]:
        """Return the attributes asked for, or those declared as groups.

        Raises:
            StudyError: If one is not there.
        """
        wanted = self.groups if names is None else names
        return tuple(pick_attribute(self._attributes, name, self.name) for name in wanted)


def pick_attribute(known: Mapping[str, Attribute], name: str, where: str) -> Attribute:
    """Return one attribute by name.

    Raises:
        StudyError: If it is not there; says which are.
    """
    if name not in known:
        raise StudyError(
            f"{where}: there is no group {name!r}; use one of {', '.join(known) or 'none'}."
        )
    return known[name]


def open_table(  # noqa: PLR0913 - mirrors the options of the command line, all by keyword
    source: pd.DataFrame | Path | str,
    *,
    labels: str | Sequence[str],
    scores: str | Sequence[str],
    patient: str | None = None,
    groups: Sequence[str] = (),
    intersections: Sequence[Sequence[str]] = (),
    positive: Positive | Sequence[Positive] = 1,
    task: LabelTask = "binary",
    space: Space = "probability",
    scope: Scope = "same_source_test",
    case_id: str | None = None,
    name: str | None = None,
    keep: Sequence[str] = (),
    columns_of: TaskNames | None = None,
) -> CohortTable:
    """Open a table of labels and scores.

    Args:
        source: CSV or Parquet file, or a table.
        labels: Label columns.
        scores: Score columns, paired with ``labels`` in order.
        patient: Column that says which rows are the same patient.
        groups: ``COL`` or ``COL:b1,b2,…`` each.
        intersections: Lists of column names, banded as in ``groups``.
        positive: Value that counts as positive, one for all or one per label.
        task: How the labels are read.
        space: Scale of the scores; under ``probability`` they lie in [0, 1].
        scope: Where the cases come from.
        case_id: Column of unique case ids; without it cases are row numbers from 0.
        name: What the run calls the study.
        keep: Further columns of the file to keep in ``cases``.
        columns_of: Columns that further tasks read: times, weights, measurements, stays.

    Raises:
        StudyError: One sentence on the first thing that cannot be used as it stands.
    """
    names = columns_of or TaskNames()
    pairs = [] if names.measures else _pairs(labels, scores, positive)
    frame, where, digest = _frame(source, [c for c in (patient, case_id) if c])
    ids = unique_ids(column(frame, case_id, where), where=where, name=case_id) if case_id else None
    case_ids = ids or tuple(map(str, range(len(frame))))
    read: dict[str, LabelColumn] = {}
    findings: list[Finding] = []
    columns: list[ScoreColumn] = []
    for label_name, score_name, value in pairs:
        several = task == "multiclass" and [one for one, _, _ in pairs].count(label_name) > 1
        key = f"{label_name}={value}" if several else label_name
        if key not in read:
            read[key], more = read_label(
                key, frame, column_name=label_name, positive=value, task=task, where=where
            )
            findings += more
        elif read[key].positive != value:
            raise StudyError(
                f"The label {label_name!r} is given with two positive values; copy the column "
                "under a second name and give each its own."
            )
        columns.append(_score(frame, score_name, read[key], space, where))
    if names.image is None:
        _refuse_unusable(columns, where)
    extra, more = read_task_columns(frame, names, where)
    findings += more
    specs, crossed = resolve_groups(groups, intersections, list(frame.columns))
    attributes = {spec.name: read_attribute(spec, frame, where) for spec in specs}
    for attribute in attributes.values():
        findings += one_level_finding(attribute)
    patients, more = _patients(frame, patient, where)
    used = [case_id, patient, *(c.label.column for c in columns), *(c.column for c in columns)]
    used += [*(a.column for a in attributes.values()), *names.columns, *keep]
    return CohortTable(
        name=name or (where if isinstance(source, pd.DataFrame) else Path(where).stem),
        sha256=digest or frame_sha256(frame),
        scope=scope,
        space=space,
        cases=frame[[c for c in dict.fromkeys(used) if c]].set_axis(list(case_ids), axis=0),
        case_ids=case_ids,
        patients=patients,
        labels=read,
        scores=tuple(columns),
        groups=tuple(spec.name for spec in specs[: len(dict.fromkeys(groups))]),
        intersections=crossed,
        skipped=() if names.image else _skipped(columns, case_ids, missing_reasons(names, extra)),
        findings=(*findings, *more),
        id_columns=tuple(c for c in (case_id, patient) if c),
        task_names=names,
        task_columns=extra,
        _attributes=attributes,
    )


def _frame(
    source: pd.DataFrame | Path | str, text: Sequence[str]
) -> tuple[pd.DataFrame, str, str | None]:
    if isinstance(source, pd.DataFrame):
        if source.empty:
            raise StudyError("The table has no row; give one with at least one case.")
        frame = source.reset_index(drop=True).set_axis(list(map(str, source.columns)), axis=1)
        check_columns(frame, "table")
        return frame, "table", None
    path = Path(source)
    frame = read_table(path, text=text)
    return frame.reset_index(drop=True), str(path), file_sha256(path)


def _pairs(
    labels: str | Sequence[str],
    scores: str | Sequence[str],
    positive: Positive | Sequence[Positive],
) -> list[tuple[str, str, Positive]]:
    names = [labels] if isinstance(labels, str) else list(labels)
    columns = [scores] if isinstance(scores, str) else list(scores)
    if not names or len(names) != len(columns):
        raise StudyError(
            f"Labels and scores pair in order, found {len(names)} labels and {len(columns)} "
            "scores; give one score for each label."
        )
    same = [name for name, column in zip(names, columns, strict=True) if name == column]
    if same:
        raise StudyError(
            f"The column {same[0]!r} is named both as label and as score, which would agree with "
            "itself; name the column of the model's scores."
        )
    one = isinstance(positive, (str, bool, int, float))
    values = [positive] * len(names) if one else list(positive)  # type: ignore[arg-type]
    if len(values) != len(names):
        raise StudyError(
            f"Positive values pair with labels in order, found {len(values)} for {len(names)} "
            "labels; give one for all or one for each."
        )
    return list(zip(names, columns, values, strict=True))  # type: ignore[arg-type]


def score_values(
    frame: pd.DataFrame, name: str, space: Space, where: str
) -> npt.NDArray[np.float64]:
    """Return a score column as float64 (n,), NaN where missing or not finite.

    Raises:
        StudyError: A cell is no number or, for probabilities, outside [0, 1].
    """
    # Thresholds are compared in float64: float32 columns are widened, never rounded again.
    values = as_numbers(column(frame, name, where), where=where, name=name, need="holds scores")
    if space in ("probability", "survival"):
        bad = np.flatnonzero((values < 0) | (values > 1))
        if bad.size:
            raise StudyError(
                f"{where}: the score column {name!r} holds {bad.size:,} scores outside [0, 1], "
                f"first in row {bad[0]} (counting from 0); give probabilities, or say that the "
                "scores are logits or values (space)."
            )
    return np.where(np.isfinite(values), values, np.nan)


def _score(
    frame: pd.DataFrame, name: str, label: LabelColumn, space: Space, where: str
) -> ScoreColumn:
    values = score_values(frame, name, space, where)
    return ScoreColumn(name=label.name, column=name, label=label, values=values)


def _refuse_unusable(columns: Sequence[ScoreColumn], where: str) -> None:
    """Refuse a pair of which no row has both; a detection's missed lesions have no score."""
    for score in columns:
        if not score.usable.any():
            raise StudyError(
                f"{where}: no row has both the label {score.label.column!r} and the score "
                f"{score.column!r}; give a table where at least one row has both."
            )


def _skipped(
    columns: Sequence[ScoreColumn],
    case_ids: tuple[str, ...],
    more: Sequence[tuple[str, npt.NDArray[np.bool_]]],
) -> tuple[Skipped, ...]:
    reasons: dict[int, list[str]] = {}
    for pair in columns:
        for name, missing in (
            (f"label {pair.label.column!r}", ~pair.label.known),
            (f"score {pair.column!r}", np.isnan(pair.values)),
            *more,
        ):
            for row in np.flatnonzero(missing):
                words = reasons.setdefault(int(row), [])
                if name not in words:
                    words.append(name)
    return tuple(
        Skipped(case=case_ids[row], reason=f"The {' and the '.join(words)} is missing.")
        for row, words in sorted(reasons.items())
    )


def _patients(
    frame: pd.DataFrame, name: str | None, where: str
) -> tuple[npt.NDArray[np.int64] | None, tuple[Finding, ...]]:
    if name is None:
        return None, ()
    codes, missing = patient_codes(column(frame, name, where))
    return codes, missing_patients(name, missing)


def missing_patients(name: str, count: int) -> tuple[Finding, ...]:
    """Say how rows without a patient id are counted."""
    if not count:
        return ()
    message = f"{count:,} rows have no {name!r}; each is counted as a patient of its own."
    return (Finding(severity="warning", where="patients", message=message),)
