"""What is measured, and what measuring a way to split the rows gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audits.fairness.area_contrasts import NullMoments
from audits.fairness.cells import ScoreCells
from audits.fairness.families import Family
from audits.fairness.frame import Frame
from audits.fairness.ratios import REST
from audits.fairness.types import GroupResult, Heterogeneity, IntArray
from audits.fairness.verdicts import Draft
from audits.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is measured: the rows of one output, its threshold and the policy it runs under."""

    index: int
    frame: Frame
    threshold: float | None
    rows: int
    policy: Policy
    moments: NullMoments
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The results of one family."""

    groups: tuple[GroupResult, ...]
    drafts: tuple[Draft, ...]
    heterogeneity: tuple[Heterogeneity, ...]
    between: tuple[Mapping[str, Mapping[str, Any]], ...] = ()
    sections: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)


def make_subject(
    index: int,
    frame: Frame,
    cells: ScoreCells,
    threshold: float | None,
    policy: Policy,
    seed: int,
) -> Subject:
    """Prepare what all families of an output share.

    Args:
        index: Which output of the run it is.
        frame: The rows, or only what is known of all of them.
        cells: Everybody's counts by score, as one group.
        threshold: Predicted positive means score >= threshold.
        policy: The declaration.
        seed: Of everything random.
    """
    return Subject(
        index=index,
        frame=frame,
        threshold=threshold,
        rows=int(cells.positives[0] + cells.negatives[0]),
        policy=policy,
        moments=_null_moments(cells),
        seed=seed,
    )


def _null_moments(cells: ScoreCells) -> NullMoments:
    pos, neg = float(cells.positives[0]), float(cells.negatives[0])
    if pos * neg == 0:
        return NullMoments(var_pos=0.0, var_neg=0.0, cube_pos=0.0, cube_neg=0.0)
    for_pos = (cells.neg_below + cells.neg / 2) / neg
    for_neg = (pos - cells.pos_below - cells.pos / 2) / pos
    area = float(cells.pos @ for_pos) / pos
    return NullMoments(
        var_pos=float(cells.pos @ (for_pos - area) ** 2) / pos,
        var_neg=float(cells.neg @ (for_neg - area) ** 2) / neg,
        cube_pos=float(cells.pos @ (for_pos - area) ** 3) / pos,
        cube_neg=float(cells.neg @ (for_neg - area) ** 3) / neg,
    )


def compared_groups(family: Family, reference: int) -> IntArray:
    """Return the groups that are compared; two groups are one comparison."""
    if not family.names or len(family.occupied) < 2:  # noqa: PLR2004 - nobody to compare with
        return np.zeros(0, dtype=np.int64)
    if reference != REST:
        return np.asarray([g for g in range(family.size) if g != reference], dtype=np.int64)
    if len(family.occupied) == 2:  # noqa: PLR2004 - one comparison says it all
        return family.occupied[:1]
    return np.arange(family.size, dtype=np.int64)
