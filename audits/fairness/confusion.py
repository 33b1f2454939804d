"""Classes against classes: the confusion matrix of a multi-class model, by group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from audits.fairness.audit import families_of
from audits.fairness.families import Family, everybody
from audits.fairness.frame import Frame, build_frame
from audits.fairness.statistics.arms import arm_estimate, measure_arm, rows_of_groups
from audits.fairness.statistics.point import Point, Statistic, undefined
from audits.fairness.types import BoolArray, IntArray, ScoredOutput
from audits.fairness.weighted.mass import kish_patients
from audits.fairness.weighted.rates import pooled_correlation
from audits.policy import Policy

OTHER = "none of these"


def multiclass_sets(outputs: Sequence[ScoredOutput]) -> Iterator[tuple[int, ...]]:
    """Yield the positions of outputs that are classes of one label of one model."""
    found: dict[tuple[str | None, str], list[int]] = {}
    for at, output in enumerate(outputs):
        if output.task == "multiclass":
            found.setdefault((output.model, output.label_column), []).append(at)
    yield from (tuple(places) for places in found.values() if len(places) > 1)


def confusion_section(outputs: Sequence[ScoredOutput], policy: Policy) -> dict[str, Any]:
    """Return counts of true against predicted class; the highest score is the prediction.

    ``accuracy`` is the share of cases of an audited class that are predicted rightly, ``recall``
    and ``precision`` are those of each class, ``balanced_accuracy`` is the mean recall. Rates have
    Wilson limits on an effective count of patients. Descriptive: verdicts are those of each class
    against the rest.

    Args:
        outputs: One per class, on the same rows.
        policy: Names the groups.
    """
    if len({len(output.y) for output in outputs}) > 1:
        reason = "the classes do not have scores on the same cases"
        return {"state": "not_available", "reason": reason}
    names = [str(output.positive) for output in outputs]
    truth = np.column_stack([np.asarray(output.y) == 1 for output in outputs])
    scores = np.column_stack([output.score for output in outputs])
    known = np.all([np.isin(output.y, (0, 1)) for output in outputs], axis=0)
    usable = known & np.isfinite(scores).all(axis=1)
    true = np.where(truth.any(axis=1), truth.argmax(axis=1), len(names))
    frame = build_frame(replace(outputs[0], y=np.where(usable, 0, -1)))
    classes = _Classes(frame, names, true[usable], np.argmax(np.nan_to_num(scores), axis=1)[usable])
    families, _ = families_of(frame, outputs[0], policy)
    return {
        "state": "computed",
        "classes": names,
        "overall": classes.groups(everybody(frame))[0],
        "groups": [entry for family in families for entry in classes.groups(family)],
    }


class _Classes:
    """True and predicted class of every row."""

    def __init__(self, frame: Frame, names: list[str], true: IntArray, called: IntArray) -> None:
        self.frame, self.names, self.true, self.called = frame, names, true, called
        inside = true < len(names)
        self.parts: dict[str, Statistic] = {
            "accuracy": self._rate("accuracy", inside, true == called),
            "balanced_accuracy": Statistic(
                metric="balanced_accuracy", of=self._balanced, bounds=(0.0, 1.0)
            ),
        }
        for at, name in enumerate(names):
            self.parts[f"recall {name}"] = self._rate(name, true == at, called == at)
            self.parts[f"precision {name}"] = self._rate(name, called == at, true == at)

    def groups(self, family: Family) -> list[dict[str, Any]]:
        """Return the matrix and the rates of every group."""
        return [
            {"attributes": dict(label), "n": len(rows), **self._group(rows)}
            for label, rows in zip(family.labels, rows_of_groups(family), strict=True)
        ]

    def _group(self, rows: IntArray) -> dict[str, Any]:
        size = len(self.names) + 1
        cells = np.bincount(self.true[rows] * size + self.called[rows], minlength=size * size)
        matrix = cells.reshape(size, size)[:, :-1]
        if not matrix[-1].any():
            matrix = matrix[:-1]
        found = {
            name: arm_estimate(self.frame, one, measure_arm(self.frame, one, rows)).to_dict()
            for name, one in self.parts.items()
        }
        return {
            "matrix": matrix.tolist(),
            "rows": [*self.names, OTHER][: len(matrix)],
            "accuracy": found["accuracy"],
            "balanced_accuracy": found["balanced_accuracy"],
            "recall": [found[f"recall {name}"] for name in self.names],
            "precision": [found[f"precision {name}"] for name in self.names],
        }

    def _rate(self, metric: str, base: BoolArray, hit: BoolArray) -> Statistic:
        of = partial(self._share, base, hit, pooled_correlation(self.frame, base, hit))
        return Statistic(metric=metric, of=of, bounds=(0.0, 1.0))

    def _share(self, base: BoolArray, hit: BoolArray, rho: float, rows: IntArray) -> Point:
        used = base[rows]
        n, k = int(used.sum()), int((hit[rows] & used).sum())
        if n == 0:
            return undefined(rows, "no cases")
        influence = np.where(used, hit[rows] - k / n, 0.0) / n
        worth = kish_patients(np.ones(n), self.frame.patient[rows[used]], rho)
        return Point(
            value=k / n, influence=influence, fewest=worth, counts=(k, n), n=n, effective=worth
        )

    def _balanced(self, rows: IntArray) -> Point:
        influence, recalls = np.zeros(len(rows)), []
        for at in range(len(self.names)):
            base = self.true[rows] == at
            if not base.any():
                return undefined(rows, f"no case is {self.names[at]}")
            right = (self.called[rows] == at)[base]
            recalls.append(float(right.mean()))
            influence[base] += (right - right.mean()) / base.sum() / len(self.names)
        fewest = min(int((self.true[rows] == at).sum()) for at in range(len(self.names)))
        n = int((self.true[rows] < len(self.names)).sum())
        return Point(value=float(np.mean(recalls)), influence=influence, fewest=fewest, n=n)
