"""Detections by group: the mean sensitivity at fixed false alarms per image (FROC)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from audits.fairness.frame import Frame
from audits.fairness.statistics.point import Point, Statistic, undefined
from audits.fairness.types import BoolArray, FloatArray, IntArray

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False alarms per image at which sensitivities are averaged (Setio et al., LUNA16, 2017)."""
_BLOCKS = 40
_SEED = 20170117
FALSE_ALARM, LESION = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Lesions and false alarms, one per row; a row that is neither stands for its image alone.

    Attributes:
        image: Image of each row, codes from 0, (n,).
        kind: 1 a true lesion, 0 a false alarm, -1 neither, (n,).
        confidence: Of the mark that hit the lesion or of the false alarm; -inf where a lesion was
            not marked, (n,).
    """

    image: IntArray
    kind: IntArray
    confidence: FloatArray

    @property
    def usable(self) -> BoolArray:
        """Return all rows: each says that its image was read."""
        return np.ones(len(self.image), dtype=np.bool_)

    def take(self, keep: BoolArray) -> Marks:
        """Return the same of some rows."""
        return replace(
            self,
            image=self.image[keep],
            kind=self.kind[keep],
            confidence=self.confidence[keep],
        )


def froc(kind: IntArray, confidence: FloatArray, images: int) -> float:
    """Return the mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false alarms per image.

    Between two numbers of false alarms the sensitivity is interpolated, as LUNA16 does; NaN
    without a lesion.
    """
    lesions = np.sort(confidence[kind == LESION])
    alarms = np.sort(confidence[kind == FALSE_ALARM])[::-1]
    if len(lesions) == 0 or images == 0:
        return float("nan")
    # With k alarms allowed, marks count that lie above alarm k + 1; a tie with it is not above.
    limit = np.append(alarms, -np.inf)
    found = 1 - np.searchsorted(lesions, limit, side="right") / len(lesions)
    return float(np.interp(np.asarray(RATES) * images, np.arange(len(limit)), found).mean())


def froc_statistic(frame: Frame, marks: Marks) -> Statistic:
    """Return FROC as a statistic; its error is a jackknife over up to 40 blocks of patients.

    Blocks, because leaving out one case alone moves a threshold by one step or none, which
    misjudges the error of any quantile (Shao and Wu 1989).
    """

    def of(rows: IntArray) -> Point:
        kind, confidence = marks.kind[rows], marks.confidence[rows]
        lesions = int((kind == LESION).sum())
        if lesions == 0:
            return undefined(rows, "no lesions")
        image = np.unique(marks.image[rows], return_inverse=True)[1].reshape(-1)
        value = froc(kind, confidence, int(image.max()) + 1)
        patients, who = np.unique(frame.patient[rows], return_inverse=True)
        influence, blocks = _jackknife(kind, confidence, image, who.reshape(-1), len(patients))
        found = int((kind == LESION) @ np.isfinite(confidence))
        reason = f"{lesions - found} of {lesions} lesions are not marked at all"
        return Point(
            value=value,
            influence=influence,
            fewest=min(lesions, blocks),
            reason=reason if found < lesions else None,
            n=lesions,
        )

    return Statistic(metric="froc", of=of, scale="logit", bounds=(0.0, 1.0), what="lesions")


def _jackknife(
    kind: IntArray, confidence: FloatArray, image: IntArray, who: IntArray, patients: int
) -> tuple[FloatArray, int]:
    """Return per-row flows whose clustered variance is that of the block jackknife."""
    influence = np.zeros(len(kind))
    blocks = min(patients, _BLOCKS)
    if blocks < 2:  # noqa: PLR2004 - one block leaves nothing
        return influence, blocks
    # Drawn, because patients stand in an order: every second one may be of one group.
    place = np.random.default_rng(_SEED).permutation(patients)
    block, without = place[who] % blocks, np.empty(blocks)
    for index in range(blocks):
        kept = block != index
        without[index] = froc(kind[kept], confidence[kept], len(np.unique(image[kept])))
    moved = np.nan_to_num(np.nanmean(without) - without)
    scale = np.sqrt((patients - 1) / patients * (blocks - 1) / blocks)
    first = np.unique(block, return_index=True)[1]
    influence[first] = scale * moved
    return influence, blocks
