"""Calibration of every group: Brier score, debiased ECE, slope and intercept, net benefit.

Only for outputs that are probabilities. Every interval comes from an influence function summed
by patient, so repeated patients widen it as they should.
"""

from __future__ import annotations

from copy import copy

import numpy as np
from scipy.special import expit, logit

from audits.fairness.cells import ScoreCells
from audits.fairness.frame import Family, Frame
from audits.fairness.means import Linear, linear, linear_estimates, mean_of
from audits.fairness.types import BoolArray, FloatArray
from audits.types import Estimate

MAX_BINS = 10
ROWS_PER_BIN = 20
CLIP = 1e-15
_ITERATIONS = 60
_STEP = 2.0
_TOLERANCE = 1e-10
_RUNS = 256
_MANY_ROWS = 20_000


def brier_estimates(frame: Frame, family: Family) -> list[Estimate]:
    """Return the mean squared error of the probabilities (Brier 1950)."""
    measured = mean_of(family, (frame.score - frame.y) ** 2)
    return linear_estimates(frame, measured, undefined=lambda _: "no cases", bounds=(0.0, 1.0))


def net_benefit_estimates(
    frame: Frame, family: Family, predicted: BoolArray, threshold: float
) -> list[Estimate]:
    """Return TP/n - FP/n · t/(1 - t) at the threshold t (Vickers and Elkin 2006)."""
    odds = threshold / (1 - threshold)
    measured = mean_of(family, np.where(predicted, np.where(frame.positive, 1.0, -odds), 0.0))
    return linear_estimates(frame, measured, undefined=lambda _: "no cases", bounds=(-odds, 1.0))


def ece_estimates(frame: Frame, family: Family, cells: ScoreCells) -> list[Estimate]:
    """Return the debiased squared calibration error over up to ten bins of equal mass.

    Σ_b w_b [(p̄_b - ȳ_b)² - ȳ_b(1 - ȳ_b)/(n_b - 1)]: unbiased, so it can be negative. Tied scores
    stay in one bin. The interval keeps the sampling error of the squares, so that it does not
    shrink to nothing at perfect calibration.
    """
    n = (cells.positives + cells.negatives).astype(np.int64)
    bins = np.clip(n // ROWS_PER_BIN, 1, MAX_BINS)
    below = cells.pos_below + cells.neg_below
    middle = 2 * below + cells.pos + cells.neg - 1
    of_cell = np.minimum(
        middle * bins[cells.group] // np.maximum(2 * n[cells.group], 1), bins[cells.group] - 1
    )
    key = cells.group * MAX_BINS + of_cell
    size = len(n) * MAX_BINS
    members = cells.pos + cells.neg
    count = np.bincount(key, members, size)
    events = np.bincount(key, cells.pos, size)
    expected = np.bincount(key, members * frame.distinct[cells.rank], size)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.where(count > 0, (expected - events) / count, 0.0)
        rate = np.where(count > 0, events / count, 0.0)
        noise = np.where(count > 1, rate * (1 - rate) / (count - 1), 0.0)
        weight = count / np.repeat(n, MAX_BINS)
    terms = np.where(count > 0, weight * (gap**2 - noise), 0.0)
    raw = np.where(count > 0, weight * gap**2, 0.0)
    value = np.where(n > 1, terms.reshape(-1, MAX_BINS).sum(axis=1), np.nan)
    plain = np.append(raw.reshape(-1, MAX_BINS).sum(axis=1), 0.0)
    row_gap = cells.to_rows(gap[key], frame.n)
    error = frame.score - frame.y
    influence = (2 * row_gap * error - row_gap**2 - plain[family.code]) / np.append(
        np.maximum(n, 1), 1
    )[family.code]
    return linear_estimates(
        frame,
        linear(family, value, influence),
        undefined=lambda _: "fewer than two cases",
    )


def slope_and_intercept(
    frame: Frame, family: Family, cells: ScoreCells
) -> tuple[list[Estimate], list[Estimate]]:
    """Return slope and intercept of logit P(y = 1) = a + b · logit(p) (Cox 1958).

    All groups are fitted at once by Newton's method; the interval is the sandwich's, by patient.
    """
    x = logit(np.clip(frame.score, CLIP, 1 - CLIP))
    fit = _LogisticFits(cells, x[cells.rows], frame.y[cells.rows])
    fit.solve()
    to_row = np.zeros(frame.n)
    parts = []
    for influence in fit.influence():
        to_row[:] = 0.0
        to_row[cells.rows] = influence
        parts.append(to_row.copy())
    slope = linear(family, fit.slope, parts[1])
    intercept = linear(family, fit.intercept, parts[0])
    reasons = [fit.reason(index) for index in range(cells.size)]
    return tuple(  # type: ignore[return-value]
        _with_events(frame, measured, cells, reasons) for measured in (slope, intercept)
    )


def _with_events(
    frame: Frame, measured: Linear, cells: ScoreCells, reasons: list[str]
) -> list[Estimate]:
    """Return estimates whose degrees of freedom follow the smaller class."""
    smaller = np.minimum(cells.positives, cells.negatives).astype(np.float64)
    limited = Linear(
        value=measured.value,
        se=measured.se,
        df=np.clip(smaller - 1, 1, measured.df),
        deff=measured.deff,
        n=measured.n,
        patients=measured.patients,
    )
    return linear_estimates(frame, limited, undefined=lambda index: reasons[index])


class _LogisticFits:
    """Two-parameter logistic regressions of all groups, on rows ordered by group."""

    def __init__(self, cells: ScoreCells, x: FloatArray, y: FloatArray) -> None:
        self.cells, self.x, self.y = cells, x, y
        self.trials: FloatArray | None = None
        self.counts = cells.positives + cells.negatives
        self.occupied = np.flatnonzero(self.counts)
        self.starts = np.cumsum(self.counts)[self.occupied] - self.counts[self.occupied]
        self.intercept, self.slope = np.zeros(cells.size), np.ones(cells.size)
        self.two_classes = (cells.positives > 0) & (cells.negatives > 0)
        self.varies = self._sum(x * x) - self._sum(x) ** 2 / np.maximum(self.counts, 1) > (
            1e-12 * np.maximum(self._sum(x * x), 1e-300)
        )
        self.overlaps = self._classes_overlap()
        self.converged = np.zeros(cells.size, dtype=np.bool_)

    def _classes_overlap(self) -> BoolArray:
        """Return where a maximum of the likelihood exists: no value of x parts the classes.

        With one covariate that is so unless all of one class lie at or beyond all of the other
        (Albert & Anderson, Biometrika 71 (1984) 1-10). Newton's steps alone cannot tell: they
        die out on the flat likelihood, sooner or later with the order of the rows.
        """
        out = np.zeros(self.cells.size, dtype=np.bool_)
        if len(self.starts):
            positive = self.y == 1
            low1, low0 = (
                np.minimum.reduceat(np.where(side, self.x, np.inf), self.starts)
                for side in (positive, ~positive)
            )
            high1, high0 = (
                np.maximum.reduceat(np.where(side, self.x, -np.inf), self.starts)
                for side in (positive, ~positive)
            )
            out[self.occupied] = (high0 > low1) & (high1 > low0)
        return out

    def _sum(self, values: FloatArray) -> FloatArray:
        out = np.zeros(self.cells.size)
        if len(self.starts):
            out[self.occupied] = np.add.reduceat(values, self.starts)
        return out

    def _spread(self, values: FloatArray) -> FloatArray:
        return np.repeat(values, self.counts)

    def _moments(self) -> tuple[FloatArray, ...]:
        mu = expit(self._spread(self.intercept) + self._spread(self.slope) * self.x)
        residual, weight = self.y - mu, mu * (1 - mu)
        if self.trials is not None:
            residual, weight = self.trials * residual, self.trials * weight
        wx = weight * self.x
        return (
            residual,
            self._sum(residual),
            self._sum(residual * self.x),
            self._sum(weight),
            self._sum(wx),
            self._sum(wx * self.x),
        )

    def _start(self) -> None:
        """Start from the fit to the means of up to 256 runs of rows of each group.

        Rows lie by score within a group, so a run holds nearly equal scores and its fit is close
        to that of the rows: two steps over all rows are left instead of seven.
        """
        runs = np.minimum(self.counts, _RUNS)[self.occupied]
        first = np.repeat(np.cumsum(runs) - runs, runs)
        within = np.arange(len(first)) - first
        edges = np.repeat(self.starts, runs) + within * np.repeat(
            self.counts[self.occupied], runs
        ) // np.repeat(runs, runs)
        size = np.diff(np.append(edges, len(self.x)))
        coarse = copy(self)
        coarse.counts = np.minimum(self.counts, _RUNS)
        coarse.starts = np.cumsum(runs) - runs
        coarse.x = np.add.reduceat(self.x, edges) / size
        coarse.y = np.add.reduceat(self.y, edges) / size
        coarse.trials = size.astype(np.float64)
        coarse.solve()
        found = coarse.converged & np.isfinite(coarse.intercept) & np.isfinite(coarse.slope)
        self.intercept = np.where(found, coarse.intercept, self.intercept)
        self.slope = np.where(found, coarse.slope, self.slope)

    def solve(self) -> None:
        """Iterate until no group that can be fitted moves."""
        active = self.two_classes & self.varies & self.overlaps
        if self.trials is None and len(self.x) > _MANY_ROWS:
            self._start()
        for _ in range(_ITERATIONS):
            if not (active & ~self.converged).any():
                return
            _, s0, s1, h00, h01, h11 = self._moments()
            det = h00 * h11 - h01 * h01
            with np.errstate(divide="ignore", invalid="ignore"):
                step0 = np.clip((h11 * s0 - h01 * s1) / det, -_STEP, _STEP)
                step1 = np.clip((h00 * s1 - h01 * s0) / det, -_STEP, _STEP)
            move = active & np.isfinite(step0) & np.isfinite(step1)
            self.intercept = np.where(move, self.intercept + step0, self.intercept)
            self.slope = np.where(move, self.slope + step1, self.slope)
            size = np.maximum(np.abs(step0), np.abs(step1))
            self.converged = move & (size < _TOLERANCE * (1 + np.abs(self.slope)))

    def influence(self) -> tuple[FloatArray, FloatArray]:
        """Return each row's influence on the intercept and on the slope."""
        self.intercept = np.where(self.converged, self.intercept, np.nan)
        self.slope = np.where(self.converged, self.slope, np.nan)
        residual, _, _, h00, h01, h11 = self._moments()
        with np.errstate(divide="ignore", invalid="ignore"):
            det = h00 * h11 - h01 * h01
            on0 = (self._spread(h11 / det) - self._spread(h01 / det) * self.x) * residual
            on1 = (self._spread(h00 / det) * self.x - self._spread(h01 / det)) * residual
        return np.nan_to_num(on0), np.nan_to_num(on1)

    def reason(self, index: int) -> str:
        """Return why a group has no fit."""
        if self.counts[index] == 0:
            return "no cases"
        if not self.two_classes[index]:
            return "no negatives" if self.cells.positives[index] else "no positives"
        if not self.varies[index]:
            return "the scores do not vary"
        return "the fit does not converge: the scores separate the labels, or nearly"
