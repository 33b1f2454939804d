"""Counting and resampling on a GPU, by PyTorch; the same code runs on its CPU device.

Counts are whole numbers, so they are the same on every device. Resamples follow the same law
everywhere, but a GPU draws other random numbers than NumPy does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audits.fairness.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import torch

_CHUNK = 50_000_000


def count_on(
    device: str, cell: IntArray, score: FloatArray, positive: BoolArray
) -> tuple[FloatArray, IntArray, IntArray, IntArray, IntArray]:
    """Count positives and negatives of each cell at each distinct score in one pass.

    Args:
        device: ``cuda``, ``mps`` or ``cpu``.
        cell: Combination of levels of each row, (n,).
        score: float64, (n,).
        positive: Label of each row, (n,).

    Returns:
        Distinct scores ascending; then cell, index of the score, positives and negatives of each
        combination that occurs, ordered by (cell, score).
    """
    import torch

    where = torch.device(device)
    scores, place = torch.unique(
        torch.as_tensor(score, device=where), sorted=True, return_inverse=True
    )
    width = max(len(scores), 1)
    key = torch.as_tensor(cell, device=where) * width + place
    found, entry = torch.unique(key, sorted=True, return_inverse=True)
    label = torch.as_tensor(positive, device=where).long()
    pos = torch.zeros(len(found), dtype=torch.int64, device=where).index_add_(0, entry, label)
    neg = torch.zeros_like(pos).index_add_(0, entry, 1 - label)
    return (
        np.asarray(scores.cpu().numpy(), dtype=np.float64),
        np.asarray((found // width).cpu().numpy()),
        np.asarray((found % width).cpu().numpy()),
        np.asarray(pos.cpu().numpy()),
        np.asarray(neg.cpu().numpy()),
    )


def resample_on(
    device: str, counts: IntArray, cells: FloatArray, *, replicates: int, seed: int
) -> FloatArray:
    """Return the rows of each cell in every resample of patients, (replicates, cells).

    Patients of one profile are interchangeable, so a resample is one multinomial draw over
    profiles. It is drawn profile by profile from the binomial given those before, all replicates
    at once: exact, and the number of patients is kept.

    Args:
        device: ``cuda`` or ``cpu``.
        counts: Patients of each profile, (profiles,).
        cells: Rows of a patient of each profile in each cell, (profiles, cells).
        replicates: Resamples.
        seed: Of the device's generator.
    """
    import torch

    where = torch.device(device)
    generator = torch.Generator(device=where).manual_seed(seed)
    total = int(counts.sum())
    after = total - np.concatenate(([0], np.cumsum(counts)[:-1]))
    share = counts / np.maximum(after, 1)
    table = torch.as_tensor(cells, dtype=torch.float64, device=where)
    parts = []
    step = max(1, _CHUNK // max(len(counts), 1))
    for begin in range(0, replicates, step):
        size = min(step, replicates - begin)
        drawn = _multinomial(total, share.tolist(), size, where, generator)
        parts.append((drawn.T @ table).cpu().numpy())
    return np.concatenate(parts)


def _multinomial(
    total: int, share: list[float], size: int, where: torch.device, generator: torch.Generator
) -> torch.Tensor:
    """Return multinomial draws, (profiles, size), from each profile's share of those left."""
    import torch

    left = torch.full((size,), float(total), dtype=torch.float64, device=where)
    drawn = torch.empty((len(share), size), dtype=torch.float64, device=where)
    for index, part in enumerate(share):
        chance = torch.full_like(left, min(part, 1.0))
        drawn[index] = torch.binomial(left, chance, generator=generator)
        left -= drawn[index]
    return drawn
