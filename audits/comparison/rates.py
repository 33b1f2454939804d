"""Changes of rates whose denominator both versions share: discordant cases decide.

All groups and rates of a split go through Tango's interval at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from audits.comparison.changes import PairedDifference, root, undefined
from audits.comparison.layout import Floats, Layout, Split
from audits.comparison.mcnemar import cautious_limits, exact_mcnemar, sign_flip_p
from audits.comparison.moments import Moments
from audits.comparison.others import Spread, difference_in_differences
from audits.comparison.ratios import Version, rate_weights
from audits.comparison.sums import CELLS
from audits.types import Estimate

_WHOSE = {"tpr": 1, "fnr": 1, "fpr": 2, "tnr": 2}
"""Which patients stand behind a rate: with a positive row, with a negative one, else all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Discordant:
    """One rate in every group: cases gained, lost and in the denominator; (groups,)."""

    gained: Floats
    lost: Floats
    n: Floats
    deff: Floats


def rate_changes(
    layout: Layout,
    split: Split,
    found: Moments,
    spreads: Mapping[str, Spread],
    *,
    tests: bool,
) -> dict[str, list[PairedDifference]]:
    """Return the changes of some rates in every group of a split.

    Args:
        layout: Who the rows belong to.
        split: The groups.
        found: Moments of the groups.
        spreads: Rate to its change and variance.
        tests: Whether p is wanted.
    """
    if not spreads:
        return {}
    counted = {
        metric: _discordant(metric, layout, found, spread) for metric, spread in spreads.items()
    }
    parts = counted.values()
    with np.errstate(divide="ignore", invalid="ignore"):
        gained, lost, n = (
            np.stack([getattr(one, name) / one.deff for one in parts])
            for name in ("gained", "lost", "n")
        )
        low, high = cautious_limits(gained, lost, n, level=(0.95, 0.90))
    return {
        metric: _of_rate(
            (metric, counted[metric]),
            layout,
            split,
            found,
            spreads[metric],
            (low[:, at], high[:, at]),
            tests=tests,
        )
        for at, metric in enumerate(counted)
    }


def _of_rate(  # noqa: PLR0913 - one rate and what it takes to trust it
    counted: tuple[str, _Discordant],
    layout: Layout,
    split: Split,
    found: Moments,
    spread: Spread,
    limits: tuple[Floats, Floats],
    *,
    tests: bool,
) -> list[PairedDifference]:
    metric, cases = counted
    p = _p_values(metric, split, found, cases) if tests else None
    patients = found.patients[_WHOSE.get(metric, 0)]
    low, high = limits
    out = []
    for group in range(split.size):
        if cases.n[group] == 0:
            out.append(undefined("no case in the denominator", int(split.counts[group])))
            continue
        deff = float(cases.deff[group])
        delta = Estimate(
            value=float(spread.delta[group]),
            low=float(low[0, group]),
            high=float(high[0, group]),
            n=int(cases.n[group]),
            n_patients=int(patients[group]) if layout.named else None,
            deff=deff,
            method="tango" if deff == 1.0 else "tango on effective counts",
        )
        out.append(
            PairedDifference(
                delta=delta,
                low_90=float(low[1, group]),
                high_90=float(high[1, group]),
                p=None if p is None else p[group],
                test="exact mcnemar" if split.pair_of_row is None else "exact sign flip by patient",
                did=difference_in_differences(layout, split, spread, group),
                se=root(spread.variance[group]),
            )
        )
    return out


def _discordant(metric: str, layout: Layout, found: Moments, spread: Spread) -> _Discordant:
    base, candidate = (
        rate_weights(metric, Version(place=place, threshold=None)) for place in (0, 1)
    )
    change = candidate[0] - base[0]
    counts = found.sums[:, :CELLS]
    gained, lost = counts @ (change > 0), counts @ (change < 0)
    n = counts @ base[1]
    deff = np.ones(len(n))
    if layout.clustered:
        deff = _design_effect(found, spread.variance, gained, lost, base[1])
    return _Discordant(gained=gained, lost=lost, n=n, deff=deff)


def _design_effect(
    found: Moments, variance: Floats, gained: Floats, lost: Floats, denominator: Floats
) -> Floats:
    """Return how much repeating patients inflate the variance of a difference, at least 1.

    Where nothing or nearly nothing is discordant the ratio cannot be estimated; the mean
    number of rows a patient has, weighted by rows, is its largest possible value and is used
    instead.
    """
    n = found.sums[:, :CELLS] @ denominator
    own = found.own[:, :CELLS, :CELLS]
    with np.errstate(divide="ignore", invalid="ignore"):
        largest = np.nan_to_num((own @ denominator) @ denominator / n, nan=1.0)
        alone = gained + lost - (gained - lost) ** 2 / n
        deff = np.clip(variance * n**2 / alone, 1.0, np.maximum(largest, 1.0))
    few = (gained + lost < 5) | ~(alone > 0)  # noqa: PLR2004 - as for Jeffreys
    return np.where(few, np.maximum(largest, 1.0), deff)


def _p_values(metric: str, split: Split, found: Moments, cases: _Discordant) -> list[float]:
    if found.net.shape[1] == 0:
        pairs = zip(cases.gained.astype(int).tolist(), cases.lost.astype(int).tolist(), strict=True)
        return [exact_mcnemar(up, down) for up, down in pairs]
    up, down = found.net
    net = {"tpr": up, "fnr": up, "fpr": down, "tnr": down, "accuracy": up - down}.get(
        metric, up + down
    )
    return [sign_flip_p(net[start:end]) for start, end in pairwise(split.bounds.tolist())]
