"""Pulmonary vessels and hila: a branching tree, splatted by calibre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from .anatomy import Body
from .grid import Grid, Plane, chord
from .thorax import Thorax

CALIBRES = (3.4, 2.2, 1.4, 0.9)
"""Radii of the four generations that are drawn, mm."""
POINTS = (90, 64, 44, 30)
"""Points per path and generation; about one per 0.7 mm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """One generation of n paths: starts (n, 2) in mm, directions (n,) in rad, lengths (n,) in mm.

    ``side`` is +1 or -1 (n,); angles count from straight outwards, downwards positive.
    """

    start: npt.NDArray[np.float64]
    angle: npt.NDArray[np.float64]
    length: npt.NDArray[np.float64]
    side: npt.NDArray[np.float64]


def draw_vessels(grid: Grid, body: Body, thorax: Thorax) -> Plane:
    """Return vessels and hila in mm of soft tissue.

    Paths start at each hilum, fan out and taper; each generation is splatted as points and
    blurred to its calibre, so overlapping vessels add up as they do on film.
    """
    rng = np.random.default_rng(body.vessel_seed)
    scale = thorax.dome - thorax.apex
    out = np.zeros(grid.shape, np.float32)
    roots = []
    for side in (-1.0, 1.0):
        hilum = (side * (31 + rng.normal(0, 2)), thorax.apex + (0.47 if side > 0 else 0.5) * scale)
        roots.append((side, hilum, np.linspace(-1.45, 1.35, 11) + rng.normal(0, 0.09, 11)))
        r = np.hypot((grid.x - hilum[0] - side * 2) / 11, (grid.y - hilum[1]) / 24)
        out += 15 * chord(np.minimum(r, 1), 1.6)
        lower = np.hypot((grid.x - hilum[0] - side * 9) / 8, (grid.y - hilum[1] - 22) / 22)
        out += 8 * chord(np.minimum(lower, 1), 1.6)
    branches = Branches(
        start=np.array([hilum for _, hilum, angles in roots for _ in angles]),
        angle=np.concatenate([angles for _, _, angles in roots]),
        length=np.full(22, 0.30 * scale),
        side=np.repeat([side for side, _, _ in roots], 11),
    )
    for radius, points in zip(CALIBRES, POINTS, strict=True):
        paths, bends = _walk(rng, branches, points)
        out += _splat(grid, paths, branches.length / points, radius)
        branches = _fork(rng, branches, paths, bends)
    return out


def _walk(
    rng: np.random.Generator, branches: Branches, points: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return paths (n, points, 2) in mm and the directions along them (n, points)."""
    n = len(branches.angle)
    away = 0.25 * branches.angle[:, None] * np.linspace(0, 1, points)
    bends = branches.angle[:, None] + np.cumsum(rng.normal(0, 0.035, (n, points)), axis=1) + away
    pace = (branches.length / points)[:, None]
    x = branches.start[:, :1] + branches.side[:, None] * np.cumsum(np.cos(bends), axis=1) * pace
    y = branches.start[:, 1:] + np.cumsum(np.sin(bends), axis=1) * pace
    return np.stack([x, y], axis=2), bends


def _fork(
    rng: np.random.Generator,
    branches: Branches,
    paths: npt.NDArray[np.float64],
    bends: npt.NDArray[np.float64],
) -> Branches:
    n, points = bends.shape
    at = (points * rng.uniform(0.55, 0.98, (2, n))).astype(np.int64)
    turn = rng.uniform(0.15, 0.5, (2, n)) * np.array([[1.0], [-1.0]])
    rows = np.arange(n)
    return Branches(
        start=paths[rows, at].reshape(2 * n, 2),
        angle=(bends[rows, at] + turn).ravel(),
        length=(branches.length * rng.uniform(0.55, 0.8, (2, n))).ravel(),
        side=np.tile(branches.side, 2),
    )


def _splat(
    grid: Grid, paths: npt.NDArray[np.float64], pace: npt.NDArray[np.float64], radius: float
) -> Plane:
    rows, columns = grid.shape
    where = paths.reshape(-1, 2)
    weight = np.repeat(pace, paths.shape[1])
    # x depends on the row through the lean; the row is found first.
    i = np.rint((where[:, 1] - float(grid.y[0, 0])) / grid.spacing).astype(np.int64)
    known = np.clip(i, 0, rows - 1)
    j = np.rint((where[:, 0] - grid.x[known, 0]) / grid.spacing).astype(np.int64)
    ok = (i >= 0) & (i < rows) & (j >= 0) & (j < columns)
    hits = np.bincount(i[ok] * columns + j[ok], weights=weight[ok], minlength=rows * columns)
    sigma = max(radius / grid.spacing, 0.55)
    line = gaussian_filter(hits.reshape(rows, columns).astype(np.float32), sigma, truncate=3)
    # A straight path of unit weight per mm has this peak after the blur; scale it to 2 radii.
    peak = 1 / (np.sqrt(2 * np.pi) * sigma * grid.spacing**2)
    return line * np.float32(2 * radius * 0.45 / (peak * grid.spacing))
