"""Calibration of every group: Brier score, debiased ECE, slope and intercept, net benefit.

Only for outputs that are probabilities. Every interval comes from an influence function summed
by patient, so repeated patients widen it as they should.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from audits.fairness.cells import ScoreCells
from audits.fairness.families import Family
from audits.fairness.frame import Frame
from audits.fairness.means import Linear, linear_estimates
from audits.fairness.types import BoolArray, FloatArray, IntArray
from audits.types import Estimate

MAX_BINS = 10
ROWS_PER_BIN = 20
CLIP = 1e-15
_ITERATIONS = 60
_STEP = 2.0
_TOLERANCE = 1e-10
_RUN = 64
_MANY_CELLS = 20_000


def worth_of(frame: Frame, predicted: BoolArray, threshold: float) -> FloatArray:
    """Return what each row adds to TP/n - FP/n · t/(1 - t) at the threshold t.

    Vickers and Elkin, Med Decis Making 26 (2006) 565-574.
    """
    odds = threshold / (1 - threshold)
    return np.where(predicted, np.where(frame.positive, 1.0, -odds), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BinnedError:
    """The debiased squared calibration error of every group, and what its interval needs.

    Attributes:
        value: Σ_b w_b [(p̄_b - ȳ_b)² - ȳ_b(1 - ȳ_b)/(n_b - 1)], (groups,).
        plain: Σ_b w_b (p̄_b - ȳ_b)².
        n: Rows of each group.
        gap: p̄_b - ȳ_b of the bin of each cell.
    """

    value: FloatArray
    plain: FloatArray
    n: IntArray
    gap: FloatArray

    def influence(self, frame: Frame, family: Family, gap: FloatArray) -> FloatArray:
        """Return each row's influence.

        It keeps the sampling error of the squares, so that the interval does not shrink to
        nothing at perfect calibration.

        Args:
            frame: Some or all of the rows.
            family: Their groups.
            gap: ``gap`` of each row's cell.
        """
        error = frame.score - frame.y
        plain, n = np.append(self.plain, 0.0), np.append(np.maximum(self.n, 1), 1)
        return np.asarray((2 * gap * error - gap**2 - plain[family.code]) / n[family.code])


def binned_error(cells: ScoreCells, distinct: FloatArray) -> BinnedError:
    """Return the debiased squared calibration error over up to ten bins of equal mass.

    Unbiased, so it can be negative. Tied scores stay in one bin.
    """
    n = (cells.positives + cells.negatives).astype(np.int64)
    bins = np.clip(n // ROWS_PER_BIN, 1, MAX_BINS)
    below = cells.pos_below + cells.neg_below
    members = cells.pos + cells.neg
    middle = 2 * below + members - 1
    of_cell = np.minimum(
        middle * bins[cells.group] // np.maximum(2 * n[cells.group], 1), bins[cells.group] - 1
    )
    key = cells.group * MAX_BINS + of_cell
    size = len(n) * MAX_BINS
    count = np.bincount(key, members, size)
    events = np.bincount(key, cells.pos, size)
    expected = np.bincount(key, members * distinct[cells.rank], size)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.where(count > 0, (expected - events) / count, 0.0)
        rate = np.where(count > 0, events / count, 0.0)
        noise = np.where(count > 1, rate * (1 - rate) / (count - 1), 0.0)
        weight = count / np.repeat(n, MAX_BINS)
    terms = np.where(count > 0, weight * (gap**2 - noise), 0.0)
    raw = np.where(count > 0, weight * gap**2, 0.0)
    return BinnedError(
        value=np.where(n > 1, terms.reshape(-1, MAX_BINS).sum(axis=1), np.nan),
        plain=raw.reshape(-1, MAX_BINS).sum(axis=1),
        n=n,
        gap=gap[key],
    )


class LogisticFits:
    """Slope and intercept of logit P(y = 1) = a + b · logit(p) in every group (Cox 1958).

    All groups are fitted at once by Newton's method, on their counts at each distinct score.

    Attributes:
        intercept: a of each group, NaN where there is no fit.
        slope: b of each group.
    """

    def __init__(self, cells: ScoreCells, distinct: FloatArray) -> None:
        """Fit.

        Args:
            cells: Counts by group and score.
            distinct: The scores.
        """
        self.cells = cells
        self.x = logit(np.clip(distinct, CLIP, 1 - CLIP))[cells.rank]
        trials = (cells.pos + cells.neg).astype(np.float64)
        self.rows = _Newton(cells.group, cells.size, self.x, cells.pos / trials, trials)
        self.rows.solve()
        found = self.rows.converged
        self.intercept = np.where(found, self.rows.intercept, np.nan)
        self.slope = np.where(found, self.rows.slope, np.nan)

    def influence(self) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Return the influence of a positive and of a negative of each cell on both numbers."""
        _, _, h00, h01, h11 = self.rows.moments()
        group = self.cells.group
        mu = expit(self.intercept[group] + self.slope[group] * self.x)
        with np.errstate(divide="ignore", invalid="ignore"):
            det = h00 * h11 - h01 * h01
            on_a = (h11 / det)[group] - (h01 / det)[group] * self.x
            on_b = (h00 / det)[group] * self.x - (h01 / det)[group]
        out = {}
        for name, on in (("calibration_slope", on_b), ("calibration_intercept", on_a)):
            out[name] = (np.nan_to_num(on * (1 - mu)), np.nan_to_num(-on * mu))
        return out

    def estimates(self, frame: Frame, measured: Linear) -> list[Estimate]:
        """Return the estimates of slope or intercept; degrees of freedom of the smaller class."""
        smaller = np.minimum(self.cells.positives, self.cells.negatives).astype(np.float64)
        limited = replace(measured, df=np.clip(smaller - 1, 1, measured.df))
        return linear_estimates(frame, limited, undefined=self._reason)

    def _reason(self, index: int) -> str:
        """Return why a group has no fit."""
        positives, negatives = self.cells.positives[index], self.cells.negatives[index]
        if positives + negatives == 0:
            return "no cases"
        if positives == 0 or negatives == 0:
            return "no negatives" if positives else "no positives"
        if not self.rows.varies[index]:
            return "the scores do not vary"
        return "the fit does not converge: the scores separate the labels, or nearly"


class _Newton:
    """Two-parameter logistic regressions of grouped trials, ordered by group and then by x."""

    def __init__(
        self, group: IntArray, size: int, x: FloatArray, y: FloatArray, trials: FloatArray
    ) -> None:
        self.group, self.size = group, size
        self.x, self.y, self.trials = x, y, trials
        self.starts = np.flatnonzero(np.diff(group, prepend=-1))
        self.length = np.diff(np.append(self.starts, len(group)))
        self.intercept, self.slope = np.zeros(size), np.ones(size)
        squares = self._sum(trials * x * x)
        spread = squares - self._sum(trials * x) ** 2 / np.maximum(self._sum(trials), 1)
        self.varies = spread > 1e-12 * np.maximum(squares, 1e-300)
        self.active = self.varies & self._classes_overlap()
        self.converged = np.zeros(size, dtype=np.bool_)

    def _classes_overlap(self) -> BoolArray:
        """Return where a maximum of the likelihood exists: no value of x parts the classes.

        With one covariate that is so unless all of one class lie at or beyond all of the other
        (Albert & Anderson, Biometrika 71 (1984) 1-10). Newton's steps alone cannot tell: they
        die out on the flat likelihood, sooner or later with the order of the rows.
        """
        out = np.zeros(self.size, dtype=np.bool_)
        if len(self.starts):
            some_pos, some_neg = self.y > 0, self.y < 1
            low1, low0 = (
                np.minimum.reduceat(np.where(side, self.x, np.inf), self.starts)
                for side in (some_pos, some_neg)
            )
            high1, high0 = (
                np.maximum.reduceat(np.where(side, self.x, -np.inf), self.starts)
                for side in (some_pos, some_neg)
            )
            out[self.group[self.starts]] = (high0 > low1) & (high1 > low0)
        return out

    def _sum(self, values: FloatArray) -> FloatArray:
        out = np.zeros(self.size)
        if len(self.starts):
            out[self.group[self.starts]] = np.add.reduceat(values, self.starts)
        return out

    def _spread(self, values: FloatArray) -> FloatArray:
        return np.repeat(values[self.group[self.starts]], self.length)

    def moments(self) -> tuple[FloatArray, ...]:
        """Return score and information of every group at the present numbers."""
        mu = self._spread(self.slope)
        mu *= self.x
        mu += self._spread(self.intercept)
        expit(mu, out=mu)
        residual, weight = self.trials * (self.y - mu), self.trials * mu * (1 - mu)
        wx = weight * self.x
        return (
            self._sum(residual),
            self._sum(residual * self.x),
            self._sum(weight),
            self._sum(wx),
            self._sum(wx * self.x),
        )

    def solve(self) -> None:
        """Iterate until no group that can be fitted moves."""
        if len(self.x) > _MANY_CELLS:
            self._start()
        for _ in range(_ITERATIONS):
            if not (self.active & ~self.converged).any():
                return
            s0, s1, h00, h01, h11 = self.moments()
            det = h00 * h11 - h01 * h01
            with np.errstate(divide="ignore", invalid="ignore"):
                step0 = np.clip((h11 * s0 - h01 * s1) / det, -_STEP, _STEP)
                step1 = np.clip((h00 * s1 - h01 * s0) / det, -_STEP, _STEP)
            move = self.active & np.isfinite(step0) & np.isfinite(step1)
            self.intercept = np.where(move, self.intercept + step0, self.intercept)
            self.slope = np.where(move, self.slope + step1, self.slope)
            size = np.maximum(np.abs(step0), np.abs(step1))
            self.converged = move & (size < _TOLERANCE * (1 + np.abs(self.slope)))

    def _start(self) -> None:
        """Start from the fit to the means of runs of 64 neighbouring scores of each group.

        A run holds nearly equal scores, so that its fit is close to that of the scores: two
        steps over all of them are left instead of seven.
        """
        within = np.arange(len(self.x)) - np.repeat(self.starts, self.length)
        first = np.flatnonzero(within % _RUN == 0)
        trials = np.add.reduceat(self.trials, first)
        coarse = _Newton(
            self.group[first],
            self.size,
            np.add.reduceat(self.trials * self.x, first) / trials,
            np.add.reduceat(self.trials * self.y, first) / trials,
            trials,
        )
        coarse.solve()
        self.intercept = np.where(coarse.converged, coarse.intercept, self.intercept)
        self.slope = np.where(coarse.converged, coarse.slope, self.slope)
