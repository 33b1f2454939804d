"""Associations of an input with a group: of numbers, of categories, and of the words of a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.cluster_means import resamples
from audits.types import Estimate

if TYPE_CHECKING:
    import pandas as pd

    from audits.cohorts import Attribute

RESAMPLES = 200
MOST_LEVELS = 30
FEWEST_TEXTS = 40
FEWEST_WITH_WORD = 5

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def word_association(
    texts: Sequence[frozenset[str] | None], codes: Ints, patients: Ints, seed: int
) -> Estimate:
    """Return how strongly the most telling single word of a section goes with a group.

    The word is chosen in one half of the patients and its Cramér's V measured in the other, so
    that the best of many words does not win by chance. The word itself goes nowhere.

    Args:
        texts: The words of each case's section; None where it lacks it.
        codes: Level of the group of each case.
        patients: Patient of each case.
        seed: Seed of the halves and of the resamples.
    """
    rows = np.array([row for row, words in enumerate(texts) if words is not None], dtype=np.int64)
    if len(rows) < FEWEST_TEXTS:
        return Estimate.undefined(f"fewer than {FEWEST_TEXTS} of the drawn cases have this section")
    known = {row: words for row, words in enumerate(texts) if words is not None}
    names = sorted(set().union(*known.values()))
    place = {word: at for at, word in enumerate(names)}
    present = np.zeros((len(rows), len(names)), dtype=bool)
    for at, row in enumerate(rows):
        present[at, [place[word] for word in known[int(row)]]] = True
    levels, people = np.asarray(codes, dtype=np.int64)[rows], patients[rows]
    everybody = np.unique(people)
    drawn = np.random.default_rng(seed).permutation(everybody)[: len(everybody) // 2]
    choosing = np.isin(people, drawn)
    here = present[choosing]
    enough = (here.sum(axis=0) >= FEWEST_WITH_WORD) & ((~here).sum(axis=0) >= FEWEST_WITH_WORD)
    if not enough.any():
        return Estimate.undefined("every drawn case's section uses the same words")
    group = np.eye(int(levels.max(initial=0)) + 1)[levels[choosing]]
    found = np.stack([(~here).T @ group, here.T @ group], axis=1)[enough]
    strength = np.nan_to_num(_cramer_of_cells(found.reshape(len(found), -1), 2, group.shape[1]))
    best = np.flatnonzero(enough)[int(np.argmax(strength))]
    rest = ~choosing
    return cramers_v(present[rest, best].astype(np.int64), levels[rest], people[rest], seed)


def association_of(
    values: pd.Series[Any], attribute: Attribute, patients: Ints, seed: int
) -> tuple[str, Estimate]:
    """Return the stronger association of the value and of its being missing, with its name."""
    codes = np.asarray(attribute.codes, dtype=np.int64)
    missing = values.isna().to_numpy(dtype=bool)
    found = []
    if _is_number(values):
        found.append(("eta", _eta(values[~missing], codes[~missing], patients[~missing], seed)))
        if missing.any() and not missing.all():
            absent = cramers_v(missing.astype(np.int64), codes, patients, seed)
            found.append(("cramers_v_missing", absent))
    else:
        texts = values.astype("string").fillna("not measured").to_numpy(dtype=str)
        _, levels = np.unique(texts, return_inverse=True)
        if levels.max(initial=0) >= MOST_LEVELS:
            return "", Estimate.undefined(f"more than {MOST_LEVELS} categories")
        found.append(("cramers_v", cramers_v(levels, codes, patients, seed)))
    return max(found, key=lambda one: -1.0 if one[1].value is None else one[1].value)


def _is_number(values: pd.Series[Any]) -> bool:
    return values.dtype.kind in "iuf" and values.nunique() > 2  # noqa: PLR2004 - yes and no is no scale


def _eta(values: pd.Series[Any], codes: Ints, patients: Ints, seed: int) -> Estimate:
    ranks = values.rank().to_numpy(dtype=float)
    levels = np.eye(int(codes.max(initial=0)) + 1)[codes]
    moments = np.column_stack([levels, levels * ranks[:, None], ranks, ranks**2])
    return _resampled(moments, patients, seed, _eta_of_sums, len(values))


def _eta_of_sums(sums: Floats) -> Floats:
    """Return eta from sums of levels, of ranks per level, of ranks and of their squares."""
    count = (sums.shape[1] - 2) // 2
    size, within = sums[:, :count], sums[:, count : 2 * count]
    total, mean = size.sum(axis=1), sums[:, -2] / size.sum(axis=1)
    between = np.divide(within**2, size, out=np.zeros_like(size), where=size > 0).sum(axis=1)
    whole = sums[:, -1] - total * mean**2
    share = np.divide(
        between - total * mean**2, whole, out=np.full_like(whole, np.nan), where=whole > 0
    )
    return np.asarray(np.sqrt(np.maximum(share, 0.0)))


def cramers_v(levels: Ints, codes: Ints, patients: Ints, seed: int) -> Estimate:
    """Return Cramér's V of two categorical codes, with an interval from resampled patients."""
    columns = int(codes.max(initial=0)) + 1
    cells = np.eye((int(levels.max(initial=0)) + 1) * columns)[levels * columns + codes]
    rows = int(levels.max(initial=0)) + 1
    return _resampled(
        cells, patients, seed, lambda sums: _cramer_of_cells(sums, rows, columns), len(levels)
    )


def _cramer_of_cells(sums: Floats, rows: int, columns: int) -> Floats:
    table = sums.reshape(-1, rows, columns)
    total = table.sum(axis=(1, 2))
    expected = table.sum(axis=2)[:, :, None] * table.sum(axis=1)[:, None, :]
    expected = expected / total[:, None, None]
    squares = np.divide(
        (table - expected) ** 2, expected, out=np.zeros_like(table), where=expected > 0
    ).sum(axis=(1, 2))
    used = np.minimum((table.sum(axis=2) > 0).sum(axis=1), (table.sum(axis=1) > 0).sum(axis=1)) - 1
    share = np.divide(squares, total * used, out=np.full_like(total, np.nan), where=used > 0)
    return np.asarray(np.sqrt(share))


def _resampled(moments: Floats, patients: Ints, seed: int, of_sums: Any, count: int) -> Estimate:
    """Return a statistic of sums over cases with an interval from resampled patients."""
    codes, membership = np.unique(patients, return_inverse=True)
    if len(codes) < 2:  # noqa: PLR2004 - one patient has no spread
        return Estimate.undefined("fewer than two patients have a value")
    sums = np.zeros((len(codes), moments.shape[1]))
    np.add.at(sums, membership, moments)
    value = float(of_sums(sums.sum(axis=0, keepdims=True))[0])
    if np.isnan(value):
        return Estimate.undefined("the input or the basis has only one value")
    low, high = np.nanquantile(
        of_sums(resamples(len(codes), seed)[:RESAMPLES] @ sums), (0.025, 0.975)
    )
    return Estimate(
        value=value,
        low=float(low),
        high=float(high),
        n=count,
        n_patients=len(codes),
        method="percentile bootstrap by patient",
    )
