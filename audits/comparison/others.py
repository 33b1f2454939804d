"""Whom a group's change is set against: everybody else, or a declared reference group.

Both are sums of the same features, so a difference of two changes has one variance: that of the
group, that of the others, and what the two share through patients with rows in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audits.comparison.changes import quadratic
from audits.comparison.layout import Floats, Layout, Split
from audits.comparison.moments import Moments, outer, pair_sums
from audits.types import Estimate

Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """Sums over the others of every group.

    Attributes:
        sums: (groups, features).
        own: Their second moments by patient, (groups, features, features).
        cross: Second moments of the group's patients with the others', (groups, features,
            features).
    """

    sums: Floats
    own: Floats
    cross: Floats


def rest_of(everybody: Moments, found: Moments) -> Others:
    """Return everybody else of each group."""
    turned = np.swapaxes(found.both, 1, 2)
    return Others(
        sums=everybody.sums - found.sums,
        own=everybody.own[0] - found.both - turned + found.own,
        cross=found.both - found.own,
    )


def reference_of(
    split: Split, found: Moments, cells: np.ndarray, features: Floats, patients: int
) -> Others:
    """Return the declared reference group, for each of the groups.

    Args:
        split: The groups; has a reference.
        found: Their moments.
        cells: (n,) cell of each row.
        features: (k, n) further features.
        patients: Number of patients of the layout.
    """
    at = split.reference or 0
    size, width = split.size, found.sums.shape[1]
    cross = np.zeros((size, width, width))
    if split.shared:
        pairs = pair_sums(split, cells, features)
        theirs = np.zeros((patients, width))
        part = slice(split.bounds[at], split.bounds[at + 1])
        theirs[split.pair_patient[part]] = pairs[:, part].T
        cross = outer(pairs, theirs, split.bounds, split.pair_patient)
    return Others(
        sums=np.broadcast_to(found.sums[at], (size, width)),
        own=np.broadcast_to(found.own[at], (size, width, width)),
        cross=cross,
    )


def apart(own: Floats, other: Floats, found: Moments, others: Others) -> Floats:
    """Return the variance of each group's change minus that of the others, (groups,).

    Args:
        own: Gradient of the group's change, (groups, features).
        other: Gradient of the others' change.
        found: Moments of the groups.
        others: Moments of the others.
    """
    return np.asarray(
        quadratic(own, found.own, own)
        + quadratic(other, others.own, other)
        - 2 * quadratic(own, others.cross, other)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A change, its variance, the others' change and the variance of the two apart; (groups,).

    Attributes:
        delta: Candidate minus base.
        variance: Of ``delta``.
        rest: The others' change, or None where it is not computed.
        apart: Variance of ``delta`` minus ``rest``, or None.
        null: Variance of ``delta`` if nothing changed, by which it is tested; else ``variance``.
    """

    delta: Floats
    variance: Floats
    rest: Floats | None
    apart: Floats | None
    null: Floats | None = None


def difference_in_differences(layout: Layout, split: Split, spread: Spread, group: int) -> Estimate:
    """Return a group's change minus that of the others."""
    if not split.names:
        return Estimate.undefined("everybody has no rest to compare with")
    if group == split.reference:
        return Estimate.undefined("it is the reference group")
    if spread.rest is None or spread.apart is None:
        return Estimate.undefined("not computed for this measure")
    value = float(spread.delta[group] - spread.rest[group])
    variance = float(spread.apart[group])
    if not np.isfinite(value) or not np.isfinite(variance):
        return Estimate.undefined("undefined in the group or outside it")
    if not variance > 0:
        return Estimate(value=value, n=layout.n, reason="no variation between cases")
    half = Z95 * float(np.sqrt(variance))
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        n=layout.n,
        method="influence function" + (" by patient" if layout.named else ""),
    )
