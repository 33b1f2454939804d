"""Do maps look elsewhere at some sites? Mean maps by site, against sites shuffled within label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from audits.cohorts import Attribute, Study
    from audits.predictions import CohortMaps

PERMUTATIONS = 499
FEWEST_PATIENTS = 10

Floats = npt.NDArray[np.float64]


def site_profiles(
    study: Study,
    maps: CohortMaps,
    case_ids: Sequence[str],
    outputs: Sequence[str],
    model: str,
    *,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Compare the mean map of each site with that of all, for every output and site attribute.

    One case of each patient counts, so that shuffling cases shuffles patients. Maps are cut at
    zero and divided by their sum; the distance is one minus the cosine of mean maps, weighted by
    the sites' sizes and averaged over labels; sites are shuffled within label.

    Args:
        study: The study.
        maps: Low-resolution maps of its cases.
        case_ids: Cases that ``maps.rows`` counts in.
        outputs: Names of the maps' outputs.
        model: ``id@version``.
        seed: Seed of the shuffles.

    Returns:
        Per output and attribute of kind ``site``: ``sites`` (``level``, ``n``, ``distance``),
        ``statistic``, ``usual`` (mean of shuffled ones), ``p`` and ``patients``. It informs and
        gives no verdict: sites may differ in their patients.
    """
    sites = [one for one in study.attributes() if one.kind == "site"]
    rows = np.array([study.row(case_ids[row]) for row in maps.rows], dtype=np.int64)
    if not sites or not len(rows):
        return []
    firsts = _one_per_patient(study, rows)
    found = []
    for attribute in sites:
        for place, output in enumerate(outputs):
            profile = _profile(
                study, attribute, maps.values[firsts, place], rows[firsts], output, seed
            )
            if profile is not None:
                found.append({"model": model, "output": output, **profile})
    return found


def _one_per_patient(study: Study, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    if study.patients is None:
        return np.arange(len(rows))
    return np.sort(np.unique(np.asarray(study.patients)[rows], return_index=True)[1])


def _profile(
    study: Study,
    attribute: Attribute,
    maps: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    output: str,
    seed: int,
) -> dict[str, Any] | None:
    positive = np.maximum(maps.reshape(len(maps), -1).astype(np.float64), 0.0)
    total = positive.sum(axis=1)
    codes = np.asarray(attribute.codes)[rows].astype(np.int64)
    label = np.zeros(len(rows), dtype=np.int64)
    if output in study.labels:
        label = np.asarray(study.labels[output].values)[rows].astype(np.int64)
    keep = total > 0
    for code in np.unique(codes):
        keep &= (codes != code) | ((codes == code) & keep).sum() >= FEWEST_PATIENTS
    levels = np.unique(codes[keep])
    if len(levels) < 2:  # noqa: PLR2004 - two sites to compare
        return None
    shares = positive[keep] / total[keep, None]
    codes, label = codes[keep], label[keep]
    own, by_site = _distance(shares, codes, label, levels)
    rng = np.random.default_rng(seed)
    null = np.array(
        [
            _distance(shares, _shuffled(codes, label, rng), label, levels)[0]
            for _ in range(PERMUTATIONS)
        ]
    )
    return {
        "attribute": attribute.name,
        "sites": [
            {
                "level": str(attribute.levels[level]),
                "n": int((codes == level).sum()),
                "distance": float(by_site[at]),
            }
            for at, level in enumerate(levels)
        ],
        "statistic": float(own),
        "usual": float(null.mean()),
        "p": float((1 + (null >= own).sum()) / (1 + PERMUTATIONS)),
        "patients": len(codes),
    }


def _distance(
    shares: Floats,
    codes: npt.NDArray[np.int64],
    label: npt.NDArray[np.int64],
    levels: npt.NDArray[np.int64],
) -> tuple[float, Floats]:
    """Return the statistic, and each site's own distance, averaged over labels by size."""
    by_site, weight = np.zeros(len(levels)), np.zeros(len(levels))
    for stratum in np.unique(label):
        inside = label == stratum
        centre = shares[inside].mean(axis=0)
        for at, level in enumerate(levels):
            mine = inside & (codes == level)
            size = int(mine.sum())
            if not size:
                continue
            mean = shares[mine].mean(axis=0)
            norm = float(np.linalg.norm(mean) * np.linalg.norm(centre))
            by_site[at] += size * (1.0 - float(mean @ centre) / norm)
            weight[at] += size
    total = float(by_site.sum() / weight.sum())
    return total, by_site / np.maximum(weight, 1)


def _shuffled(
    codes: npt.NDArray[np.int64], label: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    out = codes.copy()
    for stratum in np.unique(label):
        inside = np.flatnonzero(label == stratum)
        out[inside] = codes[rng.permutation(inside)]
    return out
