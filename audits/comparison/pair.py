"""Two versions' scores on the same cases, and what of every row the comparison needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audits.comparison.layout import Bools, Floats
from audits.comparison.ratios import RATES, RATIOS
from audits.comparison.sums import cells_of

METRICS = (*RATES, *RATIOS, "auroc", "brier", "oe_ratio", "calibration_slope", "net_benefit")
"""Every metric of calls and risks that is compared, in the order of the tables."""

NUMBER_METRICS = {"regression": ("mae", "bias"), "ordinal": ("kappa_w", "mae", "bias")}
"""Compared metrics of tasks whose predictions are numbers."""

PROBABLE = ("brier", "oe_ratio", "calibration_slope", "net_benefit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The scores of two versions on the same cases.

    Attributes:
        y: (n,) labels 0 or 1; the outcome itself where ``task`` is one of numbers.
        base: (n,) scores of the base version.
        candidate: (n,) scores of the candidate.
        base_threshold: Threshold of the base on its score, or None.
        candidate_threshold: Threshold of the candidate, or None.
        probabilities: Whether both scores are probabilities.
        task: Task of both versions.
    """

    y: npt.NDArray[np.generic]
    base: Floats
    candidate: Floats
    base_threshold: float | None
    candidate_threshold: float | None
    probabilities: bool
    task: str = "binary"

    @property
    def numbers(self) -> bool:
        """Return whether predictions are numbers and not calls."""
        return self.task in NUMBER_METRICS

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return the metrics that this task compares."""
        return NUMBER_METRICS.get(self.task, METRICS)

    @property
    def calls(self) -> bool:
        """Return whether both versions call cases."""
        return not (self.numbers or self.base_threshold is None or self.candidate_threshold is None)

    @property
    def decisions(self) -> tuple[Bools, Bools] | None:
        """Return what each version decides, or None without thresholds."""
        if self.numbers or self.base_threshold is None or self.candidate_threshold is None:
            return None
        return self.base >= self.base_threshold, self.candidate >= self.candidate_threshold

    @property
    def positive(self) -> Bools:
        """Return who has the outcome; nobody where predictions are numbers."""
        return np.zeros(len(self.y), np.bool_) if self.numbers else np.asarray(self.y) == 1

    @property
    def cells(self) -> npt.NDArray[np.uint8]:
        """Return each row's cell of label × base's call × candidate's call, (n,)."""
        uncalled = np.zeros(len(self.y), np.bool_)
        return cells_of(self.positive, *(self.decisions or (uncalled, uncalled)))


def features_of(pair: Pair, metrics: Sequence[str]) -> Floats:
    """Return the rows of features that :mod:`audits.comparison.ratios` reads, (k, n)."""
    if pair.numbers:
        outcome = np.asarray(pair.y, dtype=np.float64)
        rows = []
        for score in (pair.base, pair.candidate):
            error = score - outcome
            rows += [np.abs(error), error, score, score * score, score * outcome]
        return np.stack([*rows, outcome, outcome * outcome])
    if not pair.probabilities or not {"brier", "oe_ratio"} & set(metrics):
        return np.empty((0, len(pair.y)))
    out = np.empty((4, len(pair.y)))
    for loss, risk, score in zip(out[:2], out[2:], (pair.base, pair.candidate), strict=True):
        risk[:] = score
        np.subtract(score, pair.y, out=loss)
        np.square(loss, out=loss)
    return out
