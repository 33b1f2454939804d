"""The rows of one output, and the groups they fall into, in the order the statistics want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audits.errors import AuditError
from audits.fairness.types import (
    BoolArray,
    Details,
    FloatArray,
    Grouping,
    IntArray,
    ScoredOutput,
    Tier,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A way to split the rows: one attribute, a crossing of several, or everybody.

    Attributes:
        names: Attributes that define it; empty for everybody.
        labels: One mapping attribute -> level per group.
        tier: marginal or intersection.
        declared: Whether the policy names it.
        code: Group of each usable row, (n,); ``len(labels)`` where the row is in none.
        by_score: Rows in a group, ordered by (group, score).
        pair_of_row: Index of the row's (group, patient) pair, (n,).
        pair_group: Group of each pair, ascending.
        pair_patient: Patient of each pair.
        shared: Whether any patient has rows in two groups.
        starts: First pair of each group that has any.
        occupied: The groups that have any pair.
        cells: Level of each group in each attribute, (groups, attributes).
        patients: Patients with rows in each group, (groups,).
        cohort: Patients with rows in any group.
    """

    names: tuple[str, ...]
    labels: tuple[dict[str, str], ...]
    tier: Tier
    declared: bool
    code: IntArray
    by_score: IntArray
    pair_of_row: IntArray
    pair_group: IntArray
    pair_patient: IntArray
    shared: bool
    starts: IntArray
    occupied: IntArray
    cells: IntArray
    patients: FloatArray
    cohort: int

    @property
    def size(self) -> int:
        """Return the number of groups."""
        return len(self.labels)

    @property
    def name(self) -> str:
        """Return the attribute as the contract writes it: ``sex`` or ``sex×age_band``."""
        return "×".join(self.names)

    def sum_rows(self, values: FloatArray | None = None) -> FloatArray:
        """Return the sum of per-row values, or the count, in each group."""
        sums = np.bincount(self.code, values, self.size + 1)[: self.size]
        return np.asarray(sums, dtype=np.float64)

    def sum_to_pairs(self, values: FloatArray) -> FloatArray:
        """Return the sum of per-row values in each (group, patient) pair."""
        pairs = len(self.pair_group)
        return np.asarray(
            np.bincount(self.pair_of_row, values, pairs + 1)[:pairs], dtype=np.float64
        )

    def sum_pairs(self, values: npt.NDArray[np.generic]) -> FloatArray:
        """Return the sum of per-pair values in each group."""
        out = np.zeros(self.size)
        if len(self.starts):
            out[self.occupied] = np.add.reduceat(values, self.starts, dtype=np.float64)
        return out


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


def everybody(frame: Frame) -> Family:
    """Return the family of one group that holds every row."""
    return family_of_codes(
        frame,
        np.zeros(frame.n, dtype=np.int64),
        names=(),
        labels=({},),
        tier="marginal",
        declared=True,
        cells=np.zeros((1, 0), dtype=np.int64),
    )


def marginal(frame: Frame, attribute: Grouping, *, declared: bool) -> Family:
    """Return the groups of one attribute, empty ones included so that they are reported."""
    codes = np.asarray(attribute.codes, dtype=np.int64)[frame.keep]
    levels = attribute.levels
    return family_of_codes(
        frame,
        np.where((codes < 0) | (codes >= len(levels)), len(levels), codes),
        names=(attribute.name,),
        labels=tuple({attribute.name: level} for level in levels),
        tier="marginal",
        declared=declared,
        cells=np.arange(len(levels), dtype=np.int64)[:, None],
    )


def crossing(frame: Frame, attributes: Sequence[Grouping], *, declared: bool) -> Family:
    """Return the groups of a crossing that occur, in the order of the attributes' levels."""
    joint = np.zeros(frame.n, dtype=np.int64)
    missing = np.zeros(frame.n, dtype=np.bool_)
    for attribute in attributes:
        codes = np.asarray(attribute.codes, dtype=np.int64)[frame.keep]
        missing |= codes < 0
        joint = joint * len(attribute.levels) + codes
    joint[missing] = -1
    code, present = _occurring(joint)
    cells = np.empty((len(present), len(attributes)), dtype=np.int64)
    rest = present.copy()
    for column in range(len(attributes) - 1, -1, -1):
        rest, cells[:, column] = np.divmod(rest, len(attributes[column].levels))
    labels = tuple(
        {item.name: item.levels[level] for item, level in zip(attributes, row, strict=True)}
        for row in cells
    )
    return family_of_codes(
        frame,
        code.astype(np.int64),
        names=tuple(item.name for item in attributes),
        labels=labels,
        tier="intersection",
        declared=declared,
        cells=cells,
    )


def _occurring(joint: IntArray) -> tuple[IntArray, IntArray]:
    """Return the position of each code among those that occur, and these codes; -1 is none."""
    largest = int(joint.max(initial=-1))
    if largest > 4 * len(joint) + 1024:
        present = np.unique(joint[joint >= 0])
        code = np.searchsorted(present, joint)
        return np.where(joint < 0, len(present), code), present
    present = np.flatnonzero(np.bincount(joint[joint >= 0], minlength=largest + 1))
    place = np.full(largest + 2, len(present))
    place[present] = np.arange(len(present))
    return place[joint], present


def family_of_codes(  # noqa: PLR0913 - the one place where a family is put together
    frame: Frame,
    code: IntArray,
    *,
    names: tuple[str, ...],
    labels: tuple[dict[str, str], ...],
    tier: Tier,
    declared: bool,
    cells: IntArray,
) -> Family:
    """Put a family together from the group of each row.

    Args:
        frame: The rows.
        code: Group of each row, (n,); ``len(labels)`` where the row is in none.
        names: Attributes that define the groups.
        labels: One mapping attribute -> level per group.
        tier: marginal or intersection.
        declared: Whether the policy names it.
        cells: Level of each group in each attribute, (groups, attributes).
    """
    size = len(labels)
    # Stable sorts of 16-bit codes are radix sorts: linear in the rows.
    narrow = code.astype(np.int16 if size < np.iinfo(np.int16).max else np.int32)
    inside = code < size
    everyone = bool(inside.all())
    by_score = frame.order
    by_pair = frame.by_patient
    if size > 1 or not everyone:
        by_score = by_score[np.argsort(narrow[by_score], kind="stable")]
        by_pair = by_pair[np.argsort(narrow[by_pair], kind="stable")]
    if not everyone:
        kept = int(inside.sum())
        by_score, by_pair = by_score[:kept], by_pair[:kept]
    group, patient = code[by_pair], frame.patient[by_pair]
    first = np.ones(len(by_pair), dtype=np.bool_)
    if frame.clustered and len(by_pair):
        first[1:] = (group[1:] != group[:-1]) | (patient[1:] != patient[:-1])
    pair_of_row = np.full(frame.n, int(first.sum()), dtype=np.int64)
    pair_of_row[by_pair] = np.cumsum(first) - 1
    pair_group, pair_patient = group[first], patient[first]
    starts = np.flatnonzero(np.diff(pair_group, prepend=-1))
    seen = np.count_nonzero(np.bincount(pair_patient)) if frame.clustered else len(pair_patient)
    return Family(
        names=names,
        labels=labels,
        tier=tier,
        declared=declared,
        code=code,
        by_score=by_score,
        pair_of_row=pair_of_row,
        pair_group=pair_group,
        pair_patient=pair_patient,
        shared=bool(seen < len(pair_patient)),
        starts=starts,
        occupied=pair_group[starts],
        cells=cells,
        patients=np.bincount(pair_group, minlength=size).astype(np.float64),
        cohort=int(seen),
    )
