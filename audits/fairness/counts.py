"""Group × label × score counts that add up: over shards, files and machines.

Kept sparse: one entry per combination of levels and score that occurs. Up to a million distinct
scores they are exact; beyond, scores fall into 65,536 bins and every answer says what the binning
can have cost. Marginals and crossings are sums over entries, so they need no second pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from audits.errors import AuditError
from audits.fairness.on_device import count_on
from audits.fairness.types import FloatArray, IntArray, ScoredOutput

MAX_DISTINCT = 1_000_000
BINS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """What counts must share to add up."""

    names: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    bounded: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts:
    """Positives and negatives by level of every attribute and by score.

    Attributes:
        names: Attributes, in order.
        levels: Their levels, in order.
        scores: Distinct scores, ascending, or the lower edges of the bins.
        binned: Whether scores are bins.
        bounded: Whether scores lie in [0, 1]; others are binned through the logistic function.
        cell: Combination of levels of each entry, in mixed radix over ``levels``.
        place: Index into ``scores`` of each entry.
        pos: Positives of each entry.
        neg: Negatives of each entry.
    """

    names: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    scores: FloatArray
    binned: bool
    bounded: bool
    cell: IntArray
    place: IntArray
    pos: IntArray
    neg: IntArray

    @classmethod
    def of(
        cls, output: ScoredOutput, *, max_distinct: int = MAX_DISTINCT, device: str = "cpu"
    ) -> Counts:
        """Count an output's usable rows.

        Rows without a label, a score or a level of some attribute are left out.

        Args:
            output: Labels, scores and groups.
            max_distinct: Distinct scores up to which they are counted one by one.
            device: ``cuda`` counts on the GPU; the counts are the same.
        """
        labels = np.asarray(output.y, dtype=np.float64)
        score = np.asarray(output.score, dtype=np.float64)
        keep = ((labels == 0) | (labels == 1)) & ~np.isnan(score)
        cell = np.zeros(len(labels), dtype=np.int64)
        for item in output.attributes:
            keep &= np.asarray(item.codes) >= 0
            cell = cell * len(item.levels) + np.asarray(item.codes, dtype=np.int64)
        positive = labels[keep] == 1
        if device == "cuda":
            scores, cell, place, pos, neg = count_on(device, cell[keep], score[keep], positive)
        else:
            scores, place = np.unique(score[keep], return_inverse=True)
            cell, place = cell[keep], place.reshape(-1).astype(np.int64)
            pos, neg = positive.astype(np.int64), (~positive).astype(np.int64)
        bounded = output.space in ("probability", "logit")
        if bounded and len(scores):
            bounded = bool(scores[0] >= 0 and scores[-1] <= 1)
        shape = _Shape(
            names=tuple(item.name for item in output.attributes),
            levels=tuple(item.levels for item in output.attributes),
            bounded=bounded,
        )
        made = _aggregate(shape, scores, cell, place, pos, neg)
        return made if len(scores) <= max_distinct else made.to_bins()

    @property
    def centres(self) -> FloatArray:
        """Return the distinct scores, or the middle of each bin on the scale of the scores."""
        if not self.binned:
            return self.scores
        share = (self._bin(self.scores) + 0.5) / BINS
        return share if self.bounded else np.asarray(logit(share))

    def places(self, scores: FloatArray) -> IntArray:
        """Return the place among ``scores`` of scores that were counted, (n,)."""
        if not self.binned:
            return np.searchsorted(self.scores, scores).astype(np.int64)
        place = np.zeros(BINS + 1, dtype=np.int64)
        place[self._bin(self.scores)] = np.arange(len(self.scores))
        return np.asarray(place[self._bin(scores)])

    @property
    def n(self) -> int:
        """Return the number of rows counted."""
        return int(self.pos.sum() + self.neg.sum())

    def merge(self, other: Counts, *, max_distinct: int = MAX_DISTINCT) -> Counts:
        """Return the sum of two counts of the same attributes.

        Raises:
            AuditError: If attributes or levels differ.
        """
        if self._shape != other._shape:
            raise AuditError(
                "Counts can be merged only where attributes, levels and the kind of score are the "
                f"same; found {', '.join(self.names)} and {', '.join(other.names)}."
            )
        if self.binned or other.binned:
            first, second = self.to_bins(), other.to_bins()
        else:
            first, second = self, other
        scores = np.union1d(first.scores, second.scores)
        place = np.concatenate(
            [np.searchsorted(scores, item.scores)[item.place] for item in (first, second)]
        )
        parts = [np.concatenate((getattr(first, f), getattr(second, f))) for f in _ENTRIES]
        made = _aggregate(
            self._shape, scores, parts[0], place, parts[1], parts[2], binned=first.binned
        )
        return made if made.binned or len(scores) <= max_distinct else made.to_bins()

    def to_bins(self) -> Counts:
        """Return the counts over 65,536 bins of equal width on the probability scale.

        The same bins for every shard, so that binned counts add up too. Scores that are not
        bounded pass through the logistic function, which keeps their order.
        """
        if self.binned:
            return self
        present, place = np.unique(self._bin(self.scores), return_inverse=True)
        edges = present / BINS
        if not self.bounded:
            edges = logit(edges)
        return _aggregate(
            self._shape,
            edges,
            self.cell,
            place.reshape(-1)[self.place],
            self.pos,
            self.neg,
            binned=True,
        )

    @property
    def _shape(self) -> _Shape:
        return _Shape(names=self.names, levels=self.levels, bounded=self.bounded)

    def _bin(self, scores: FloatArray) -> IntArray:
        """Return the bin of each score; a bin's lower edge belongs to it."""
        share = scores if self.bounded else expit(scores)
        # A lower edge that went through logit and back must not fall into the bin below.
        return np.clip(np.floor(share * BINS + 1e-6), 0, BINS - 1).astype(np.int64)

    def auroc(self, names: Sequence[str] = ()) -> tuple[FloatArray, FloatArray]:
        """Return the AUROC of every group, and the most that binning can have changed it."""
        present, group = np.unique(self.joint(names), return_inverse=True)
        group, size = group.reshape(-1).astype(np.int64), len(present)
        order = np.lexsort((self.place, group))
        group, pos, neg = group[order], self.pos[order], self.neg[order]
        place = self.place[order]
        start = np.flatnonzero(
            (np.diff(group, prepend=-1) != 0) | (np.diff(place, prepend=-1) != 0)
        )
        if len(start):
            pos, neg, group = np.add.reduceat(pos, start), np.add.reduceat(neg, start), group[start]
        positives = np.bincount(group, pos, size)
        negatives = np.bincount(group, neg, size)
        below = np.cumsum(neg) - neg
        first = np.flatnonzero(np.diff(group, prepend=-1))
        base = np.zeros(size)
        base[group[first]] = below[first]
        wins = np.bincount(group, pos * (below - base[group] + neg / 2), size)
        ties = np.bincount(group, pos * neg / 2, size)
        with np.errstate(divide="ignore", invalid="ignore"):
            pairs = positives * negatives
            area = np.where(pairs > 0, wins / pairs, np.nan)
            doubt = np.where(pairs > 0, ties / pairs, np.nan) if self.binned else area * 0
        return area, doubt

    def joint(self, names: Sequence[str]) -> IntArray:
        """Return the combination of the named attributes' levels of each entry, mixed radix.

        Raises:
            AuditError: If the counts hold no attribute of that name.
        """
        joint = np.zeros(len(self.cell), dtype=np.int64)
        for name in names:
            if name not in self.names:
                raise AuditError(
                    f"The counts hold no attribute {name!r}; they hold {', '.join(self.names)}."
                )
            at = self.names.index(name)
            after = int(np.prod([len(item) for item in self.levels[at + 1 :]], dtype=np.int64))
            joint = joint * len(self.levels[at]) + (self.cell // after) % len(self.levels[at])
        return joint

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the counts as arrays for an NPZ that loads without pickle."""
        return {
            "names": np.asarray(self.names, dtype=np.str_),
            "sizes": np.asarray([len(item) for item in self.levels]),
            "levels": np.asarray([level for item in self.levels for level in item], dtype=np.str_),
            "binned": np.asarray(self.binned),
            "bounded": np.asarray(self.bounded),
            **{name: getattr(self, name) for name in _ARRAYS},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Counts:
        """Return counts from what :meth:`arrays` gave; further arrays are left alone."""
        flat, cuts = arrays["levels"].tolist(), np.cumsum(arrays["sizes"]).tolist()
        levels = tuple(tuple(flat[start:end]) for start, end in zip([0, *cuts], cuts, strict=False))
        return cls(
            names=tuple(arrays["names"].tolist()),
            levels=levels,
            binned=bool(arrays["binned"]),
            bounded=bool(arrays["bounded"]),
            **{name: arrays[name] for name in _ARRAYS},
        )


_ENTRIES = ("cell", "pos", "neg")
_ARRAYS = ("scores", "cell", "place", "pos", "neg")


def _aggregate(  # noqa: PLR0913 - the columns of one table
    shape: _Shape,
    scores: FloatArray,
    cell: IntArray,
    place: IntArray,
    pos: IntArray,
    neg: IntArray,
    *,
    binned: bool = False,
) -> Counts:
    """Return counts with one entry per combination of levels and score."""
    # Counts that are merged come in two sorted runs, which a stable sort joins in one pass.
    width = max(len(scores), 1)
    key = cell * width + place
    order = np.argsort(key, kind="stable")
    key = key[order]
    start = np.flatnonzero(np.diff(key, prepend=-1))
    cell, place = np.divmod(key, width)

    def summed(values: npt.NDArray[np.int64]) -> IntArray:
        return np.add.reduceat(values[order], start) if len(start) else values[:0]

    return Counts(
        names=shape.names,
        levels=shape.levels,
        scores=scores,
        binned=binned,
        bounded=shape.bounded,
        cell=cell[start],
        place=place[start],
        pos=summed(pos),
        neg=summed(neg),
    )
