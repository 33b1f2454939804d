"""Metrics as functions of sums, with their gradients: what a patient's rows move them by.

A metric h(S) of sums S that does not change when all sums are scaled has the influence
∇h(S) · u on a patient whose own sums are u. The difference of two versions has the difference of
their gradients, and keeps by that what pairs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audits.comparison.layout import Floats
from audits.comparison.sums import CELLS

RATES = ("tpr", "fpr", "tnr", "fnr", "accuracy", "selection_rate")
"""Proportions whose denominator both versions share, so that discordant pairs decide."""

RATIOS = ("ppv", "npv")
"""Proportions whose denominator depends on the version."""

SCORED = (*RATIOS, "brier", "mae")
"""Metrics whose change is tested by its variance if nothing changed."""

LOSS, RISK, ODDS_RATIO = CELLS, CELLS + 2, "oe_ratio"
"""Place of the base's squared loss and risk among the features; the candidate's follows each."""

Graded = tuple[Floats, Floats]
"""Value of each group (groups,) and its gradient (groups, features); NaN where undefined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Which version of the pair is meant: 0 is the base, 1 the candidate."""

    place: int
    threshold: float | None

    def called(self) -> Floats:
        """Return which of the eight cells this version calls positive."""
        bit = 2 - self.place
        return ((np.arange(CELLS) // bit) % 2).astype(np.float64)


POSITIVE = (np.arange(CELLS) >= CELLS // 2).astype(np.float64)


def ratio(sums: Floats, numerator: Floats, denominator: Floats) -> Graded:
    """Return numerator over denominator, each a weight for every feature, and the gradient."""
    top, bottom = sums @ numerator, sums @ denominator
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(bottom > 0, top / bottom, np.nan)
        gradient = (numerator - value[:, None] * denominator) / bottom[:, None]
    return value, gradient


def under_no_change(metric: str, sums: Floats, versions: Sequence[Version]) -> Floats:
    """Return the gradient of a change as it is where both versions have one common value.

    Along it the observed change is still the sum of the patients' shares, but no version's own
    value, by chance near 0 or 1, makes it look surer than it is. Expected events are compared
    themselves, as both versions have the same observed ones.

    Args:
        metric: One of ``SCORED``, or ``oe_ratio``.
        sums: (groups, features) sums as :mod:`audits.comparison.moments` makes them.
        versions: Base and candidate.

    Reference:
        Leisenring, Alonzo & Pepe, Biometrics 56 (2000) 345-351 (generalised score statistic).
    """
    width = sums.shape[1]
    base, candidate = (_terms(metric, one, width) for one in versions)
    if metric == ODDS_RATIO:
        return np.broadcast_to(candidate[1] - base[1], sums.shape)
    bottoms = sums @ base[1], sums @ candidate[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        common = (sums @ (base[0] + candidate[0])) / (bottoms[0] + bottoms[1])
        own = [
            (top - common[:, None] * bottom) / total[:, None]
            for (top, bottom), total in zip((base, candidate), bottoms, strict=True)
        ]
    return np.asarray(own[1] - own[0])


def _terms(metric: str, version: Version, width: int) -> tuple[Floats, Floats]:
    """Return the weights of a metric's numerator and denominator."""
    everything = _wide(np.ones(CELLS), width)
    if metric in {*RATES, *RATIOS}:
        numerator, denominator = rate_weights(metric, version)
        return _wide(numerator, width), _wide(denominator, width)
    if metric in {"mae", "bias"}:
        at = CELLS + NUMBER_FEATURES * version.place + (metric == "bias")
        return _one(at, width), everything
    if metric == "net_benefit":
        threshold = float(version.threshold or 0.0)
        gain = np.where(POSITIVE == 1, 1.0, -threshold / (1 - threshold))
        return _wide(version.called() * gain, width), everything
    if metric == "brier":
        return _one(LOSS + version.place, width), everything
    return _wide(POSITIVE, width), _one(RISK + version.place, width)


def rate_weights(metric: str, version: Version) -> tuple[Floats, Floats]:
    """Return which cells count in a rate's numerator and in its denominator."""
    called = version.called()
    everything = np.ones(CELLS)
    denominator, counted = {
        "tpr": (POSITIVE, called),
        "fnr": (POSITIVE, 1 - called),
        "fpr": (1 - POSITIVE, called),
        "tnr": (1 - POSITIVE, 1 - called),
        "ppv": (called, POSITIVE),
        "npv": (1 - called, 1 - POSITIVE),
        "accuracy": (everything, (called == POSITIVE).astype(np.float64)),
        "selection_rate": (everything, called),
    }[metric]
    return denominator * counted, denominator


def graded(metric: str, sums: Floats, version: Version) -> Graded:
    """Return a metric of one version in every group, with its gradient.

    Args:
        metric: A rate, ``net_benefit``, ``brier`` or ``oe_ratio``.
        sums: (groups, features) sums as :mod:`audits.comparison.moments` makes them.
        version: The version.

    References:
        Vickers & Elkin, Medical Decision Making 26 (2006) 565-574 (net benefit).
    """
    value, gradient = ratio(sums, *_terms(metric, version, sums.shape[1]))
    if metric != ODDS_RATIO:
        return value, gradient
    # As in the audit: no observed event leaves nothing to set against the expected ones.
    return np.where(value > 0, value, np.nan), gradient


def graded_number(metric: str, sums: Floats, version: Version) -> Graded:
    """Return a metric of predictions that are numbers, as :func:`graded`.

    Features after the cells: |error|, error, score, score², score · outcome of the base, the same
    of the candidate, then outcome and outcome².
    """
    if metric in {"mae", "bias"}:
        return ratio(sums, *_terms(metric, version, sums.shape[1]))
    return _kappa(sums, CELLS + NUMBER_FEATURES * version.place + 2)


NUMBER_FEATURES = 5


def _kappa(sums: Floats, score: int) -> Graded:
    """Return quadratic weighted kappa, 1 - D/E, and its gradient.

    D is the mean squared distance of score and outcome, E the same if they were independent.

    Reference:
        Cohen, Psychological Bulletin 70 (1968) 213-220.
    """
    outcome = sums.shape[1] - 2
    n = np.maximum(sums[:, :CELLS].sum(axis=1), 1.0)
    s, ss, sy, y, yy = (
        sums[:, at] / n for at in (score, score + 1, score + 2, outcome, outcome + 1)
    )
    apart, chance = ss + yy - 2 * sy, ss + yy - 2 * s * y
    gradient = np.zeros_like(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(chance > 0, 1 - apart / chance, np.nan)
        share = apart / chance
        pull = (share - 1) / chance
        gradient[:, score] = -2 * y * share / chance
        gradient[:, outcome] = -2 * s * share / chance
        gradient[:, score + 1] = gradient[:, outcome + 1] = pull
        gradient[:, score + 2] = 2 / chance
        gradient /= n[:, None]
        # What an added row takes away through the means; without it the influences had no mean 0.
        gradient[:, :CELLS] = -(gradient * sums).sum(axis=1)[:, None] / n[:, None]
    return value, gradient


def _wide(weights: Floats, width: int) -> Floats:
    out = np.zeros(width)
    out[: len(weights)] = weights
    return out


def _one(place: int, width: int) -> Floats:
    out = np.zeros(width)
    out[place] = 1.0
    return out


METRIC_OF: Mapping[bool, Callable[[str, Floats, Version], Graded]] = {
    False: graded,
    True: graded_number,
}
"""Whether predictions are numbers, to the function that grades them."""
