"""The metrics of a survival output, and why some of them are not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from audits.fairness.frame import Frame
from audits.fairness.statistics.point import Point, Statistic, undefined
from audits.fairness.survival.concordance import uno_c
from audits.fairness.survival.horizon import auc_at, brier_at, observed_expected_at
from audits.fairness.survival.outcome import SurvivalOutcome
from audits.fairness.types import IntArray
from audits.fairness.weighted.mass import weights_of

NO_HORIZON = "no horizon is declared"
NO_RISK = "the scores are not probabilities of the event by the horizon"


def survival_statistics(frame: Frame, outcome: SurvivalOutcome) -> tuple[Statistic, ...]:
    """Return Uno's C, and AUC, Brier score and O/E at the horizon.

    Args:
        frame: The rows; ``positive`` says who had the event.
        outcome: Times, aligned to the frame's rows, and the horizon.
    """
    time, event, score, horizon = outcome.time, frame.positive, frame.score, outcome.horizon
    # Every curve wants its rows by time, and every rank the rank of a score: sorted once for all.
    by_time = np.lexsort((~event, time))
    weight = weights_of(frame)

    def in_order(of: Callable[[IntArray], Point]) -> Callable[[IntArray], Point]:
        def ordered(rows: IntArray) -> Point:
            chosen = np.zeros(frame.n, dtype=np.bool_)
            chosen[rows] = True
            sorted_rows = by_time[chosen[by_time]]
            point = of(sorted_rows)
            influence = np.zeros(frame.n)
            influence[sorted_rows] = point.influence
            return replace(point, influence=influence[rows])

        return ordered

    @in_order
    def concordance(rows: IntArray) -> Point:
        return uno_c(
            *(time[rows], event[rows], frame.rank[rows], rows),
            until=horizon,
            weight=weight[rows],
        )

    def at(measure: Callable[..., Point], *, risks: bool) -> Callable[[IntArray], Point]:
        scored = score if risks else frame.rank

        @in_order
        def of(rows: IntArray) -> Point:
            if horizon is None:
                return undefined(rows, NO_HORIZON)
            if risks and not outcome.probabilities:
                return undefined(rows, NO_RISK)
            return measure(
                *(time[rows], event[rows], scored[rows], rows),
                horizon=horizon,
                weight=weight[rows],
            )

        return of

    area: tuple[float, float] = (0.0, 1.0)
    return (
        Statistic(
            metric="c_uno",
            of=concordance,
            scale="logit",
            bounds=area,
            what="events",
            per_class=True,
        ),
        Statistic(
            metric="auc_t",
            of=at(auc_at, risks=False),
            scale="logit",
            bounds=area,
            what="cases with or without the event",
            per_class=True,
        ),
        Statistic(metric="brier_t", of=at(brier_at, risks=True), bounds=(0.0, np.inf)),
        Statistic(
            metric="oe_t",
            of=at(observed_expected_at, risks=True),
            scale="log",
            bounds=(0.0, np.inf),
            what="observed events",
        ),
    )
