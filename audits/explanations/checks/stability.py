"""Does the map stay where it is when the image changes invisibly?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from audits.explanations.checks.mappers import Mapper

SAMPLES = 10
RADIUS = 0.02


def max_sensitivity(
    mapper: Mapper, case: Mapping[str, Any], field: str, *, seed: int = 0
) -> list[float | None]:
    """Return the largest relative change of each map under tiny noise (Yeh et al., NeurIPS 2019).

    Args:
        mapper: Maps some outputs of a batch, (n, outputs, *grid).
        case: One prepared case.
        field: The image.
        seed: Seed of the noise, uniform within 2 % of the image's range.

    Returns:
        For each output max |map(x + d) - map(x)| / |map(x)| in Frobenius norms, or None for a
        zero map.
    """
    image = case[field]
    rng = np.random.default_rng(seed)
    spread = RADIUS * float(image.max() - image.min())
    drawn = rng.uniform(-spread, spread, size=(SAMPLES, *image.shape[1:])).astype(np.float32)
    batch = {name: _repeated(value, SAMPLES + 1) for name, value in case.items()}
    noise = np.concatenate([np.zeros_like(drawn[:1]), drawn])
    batch[field] = _added(batch[field], noise)
    found = mapper(batch).astype(np.float64)
    maps = found.reshape(*found.shape[:2], -1)
    sizes = np.linalg.norm(maps[0], axis=1)
    moved = np.linalg.norm(maps[1:] - maps[0], axis=2).max(axis=0)
    return [
        float(change / size) if size > 0 else None
        for change, size in zip(moved, sizes, strict=True)
    ]


def _repeated(value: Any, count: int) -> Any:
    if isinstance(value, np.ndarray):
        return np.repeat(value, count, axis=0)
    return value.expand(count, *value.shape[1:])


def _added(values: Any, noise: Any) -> Any:
    if isinstance(values, np.ndarray):
        return values + noise
    import torch

    return values + torch.as_tensor(noise).to(values)
