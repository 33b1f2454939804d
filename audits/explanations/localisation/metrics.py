"""Agreement of one map with one mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError

BINS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Localisation:
    """How a map and a mask agree; several numbers, because they disagree with each other.

    A large overlap can be a miss of the pointing game and a small one a hit (CheXlocalize,
    Saporta et al., Nature MI 4, 2022).

    Attributes:
        iou: Overlap over union of the map, cut at Otsu's threshold, and the mask.
        hit: Whether the map's peak lies in the mask (pointing game).
        mass: Share of the positive attribution inside the mask.
        area: Share of the image's area inside the mask: what ``mass`` is for a flat map.
    """

    iou: float
    hit: bool
    mass: float
    area: float

    def to_dict(self) -> dict[str, float | bool]:
        """Return plain data under the names of the cohort's metrics."""
        return {
            "iou": self.iou,
            "pointing_game": self.hit,
            "mass_share": self.mass,
            "area_share": self.area,
        }


def localise(patient: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_]) -> Localisation | None:
    """Compare a map in patient space with a mask of the finding.

    Args:
        patient: The signed map on the image's own pixels; only its positive part counts.
        mask: True inside the finding, same shape.

    Returns:
        The agreement, or None where the mask is empty or nothing in the map is positive.

    Raises:
        ExplanationError: If the shapes differ.
    """
    if patient.shape != mask.shape:
        raise ExplanationError(
            f"mask: expected the image's shape {patient.shape}, found {mask.shape}; "
            "draw the mask on the stored image"
        )
    positive = np.maximum(np.asarray(patient, dtype=np.float64), 0.0)
    total = positive.sum()
    if not mask.any() or total == 0:
        return None
    chosen = positive > otsu_threshold(positive)
    union = (chosen | mask).sum()
    peaks = positive == positive.max()
    return Localisation(
        iou=float((chosen & mask).sum() / union),
        hit=bool(mask[peaks].mean() > 0.5),  # noqa: PLR2004 - a plateau counts where most of it lies
        mass=float(positive[mask].sum() / total),
        area=float(mask.mean()),
    )


def otsu_threshold(values: npt.NDArray[np.floating]) -> float:
    """Return the cut that separates two classes best (Otsu, 1979); the value itself if constant."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low
    counts, edges = np.histogram(values, bins=BINS, range=(low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    weight = np.cumsum(counts)[:-1]
    rest = counts.sum() - weight
    mass = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = mass[:-1] / weight - (mass[-1] - mass[:-1]) / rest
    between = np.where((weight > 0) & (rest > 0), weight * rest * gap**2, 0.0)
    best = np.flatnonzero(np.isclose(between, between.max()))  # every cut in an empty gap ties
    return float(edges[best + 1].mean())
