"""The usable rows of one output, in the order the statistics want them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audits.errors import AuditError
from audits.fairness.types import (
    BoolArray,
    Details,
    FloatArray,
    IntArray,
    ScoredOutput,
)

NUMBER_TASKS = ("regression", "ordinal")
BINARY_TASKS = ("binary", "multilabel", "multiclass", "anomaly")
"""Tasks whose labels are read as one value against the rest."""
DETAILED_TASKS = ("survival", "segmentation", "detection")
"""Tasks that know more of a row than its label and its score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Usable rows of one output.

    Attributes:
        y: Label, or the outcome for regression and grades; float64, (n,).
        positive: y == 1, (n,).
        score: float64, (n,).
        order: Rows by ascending score, (n,).
        rank: Index of each row's score among the distinct scores, (n,).
        distinct: Distinct scores, ascending.
        patient: Patient of each row, 0 … patients - 1; the row itself where none is declared.
        patients: Number of patients.
        by_patient: Rows ordered by patient, (n,).
        named_patients: Whether a patient column was declared.
        clustered: Whether any patient has more than one row.
        keep: Which rows of the output are used.
        probabilities: Whether the scores are probabilities.
        regression: Whether y is a number, not a class.
        ordinal: Whether that number is a grade.
        weight: Weight of each row, (n,), or None where every row stands for itself.
        details: What the task knows of each row beside its label and its score, or None.
    """

    y: FloatArray
    positive: BoolArray
    score: FloatArray
    order: IntArray
    rank: IntArray
    distinct: FloatArray
    patient: IntArray
    patients: int
    by_patient: IntArray
    named_patients: bool
    clustered: bool
    keep: BoolArray
    probabilities: bool
    regression: bool
    ordinal: bool = False
    weight: FloatArray | None = None
    details: Details | None = None

    @property
    def n(self) -> int:
        """Return the number of usable rows."""
        return len(self.y)


def build_frame(output: ScoredOutput) -> Frame:
    """Select the usable rows of an output and put them in order.

    Rows with a missing label or score are left out; the caller has listed them as skipped.

    Raises:
        AuditError: If the task has no statistics, arrays differ in length, weights cannot be
            used, or a grade is no whole number.
    """
    check_task(output.task, f"Output {output.name!r}")
    _check_lengths(output)
    regression = output.task in NUMBER_TASKS
    labels = np.asarray(output.y, dtype=np.float64)
    scores = np.asarray(output.score, dtype=np.float64)
    valid = np.isfinite(labels) if regression else (labels == 0) | (labels == 1)
    keep = valid & ~np.isnan(scores)
    if output.details is not None:
        keep &= output.details.usable
    if output.weights is not None:
        keep &= output.weights > 0
    y, score = labels[keep], scores[keep]
    if output.task == "ordinal":
        _check_grades(output.name, {"label": y, "score": score})
    order = np.argsort(score)
    rank, distinct = _ranks(score, order)
    codes = None if output.patients is None else np.asarray(output.patients)[keep]
    patient, patients = _compact(codes, len(y))
    inside = bool(len(score) == 0 or (distinct[0] >= 0 and distinct[-1] <= 1))
    return Frame(
        y=y,
        positive=y == 1,
        score=score,
        order=order,
        rank=rank,
        distinct=distinct,
        patient=patient,
        patients=patients,
        by_patient=np.argsort(patient, kind="stable")
        if patients < len(y)
        else np.arange(len(y), dtype=np.int64),
        named_patients=codes is not None,
        clustered=patients < len(y),
        keep=keep,
        probabilities=output.space in ("probability", "logit") and inside and not regression,
        regression=regression,
        ordinal=output.task == "ordinal",
        weight=None if output.weights is None else output.weights[keep],
        details=None if output.details is None else output.details.take(keep),
    )


_NEEDS = {
    "survival": "the time of each row",
    "segmentation": "measurements of each case",
    "detection": "the image and the kind of each mark",
}


def check_task(task: str, where: str) -> None:
    """Refuse a task that no statistics exist for.

    Raises:
        AuditError: Names the task and what can be audited.
    """
    known = (*BINARY_TASKS, *NUMBER_TASKS, *DETAILED_TASKS)
    if task not in known:
        raise AuditError(f"{where}: there is no task {task!r}; audit one of {', '.join(known)}.")


def _check_grades(name: str, grades: Mapping[str, FloatArray]) -> None:
    for what, values in grades.items():
        odd = int((values != np.rint(values)).sum())
        if odd:
            raise AuditError(
                f"Output {name!r}: an ordinal {what} is a grade, a whole number, and {odd:,} are "
                "not; give the predicted grade of each case, or audit it as regression."
            )


def _check_lengths(output: ScoredOutput) -> None:
    n = len(output.y)
    if (output.task in DETAILED_TASKS) != (output.details is not None):
        raise AuditError(
            f"Output {output.name!r}: a {output.task} output needs "
            f"{_NEEDS.get(output.task, 'no details beside labels and scores')}; give them."
            if output.task in DETAILED_TASKS
            else f"Output {output.name!r}: details of another task do not belong to {output.task}; "
            "leave them out."
        )
    given = {"scores": len(output.score)}
    if output.patients is not None:
        given["patients"] = len(output.patients)
    if output.weights is not None:
        given["weights"] = len(output.weights)
    given |= {f"group {item.name}": len(item.codes) for item in output.attributes}
    for what, length in given.items():
        if length != n:
            raise AuditError(
                f"Output {output.name!r}: {length} {what} for {n} labels; give one per row."
            )
    if output.weights is not None and output.task == "detection":
        raise AuditError(
            f"Output {output.name!r}: a detection counts false alarms per image that was read, "
            "which has no weighted meaning; remove the weights, or audit the cohort as it stands."
        )


def _ranks(score: FloatArray, order: IntArray) -> tuple[IntArray, FloatArray]:
    if len(score) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    ascending = score[order]
    new = np.empty(len(score), dtype=np.bool_)
    new[0] = True
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    rank = np.empty(len(score), dtype=np.int64)
    rank[order] = np.cumsum(new) - 1
    return rank, ascending[new]


def _compact(codes: npt.NDArray[np.generic] | None, n: int) -> tuple[IntArray, int]:
    """Return patient codes without holes, and how many there are."""
    if codes is None:
        return np.arange(n, dtype=np.int64), n
    if codes.dtype.kind in "iu" and n and codes.min() >= 0 and codes.max() < 4 * n + 1024:
        present = np.bincount(codes) > 0
        new = np.cumsum(present) - 1
        return new[codes], int(new[-1]) + 1
    levels, inverse = np.unique(codes, return_inverse=True)
    return inverse.reshape(-1).astype(np.int64), len(levels)
