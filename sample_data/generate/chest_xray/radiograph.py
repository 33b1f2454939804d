"""From anatomy to pixels: attenuation, scatter, noise, a 12-bit detector and its window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, zoom

from .anatomy import Body, Exam
from .bones import draw_girdle, draw_ribs, draw_spine, spine_bend
from .findings import Mask, draw_effusion, draw_nodule, place_nodule
from .grid import Grid, Plane, chord, detector, step
from .heart import draw_heart, mediastinal_air
from .markers import Marker, draw_marker
from .thorax import Thorax, draw_breasts, draw_thorax, draw_trunk
from .vessels import draw_vessels

SOFT = 0.0175
"""Attenuation of soft tissue per mm at about 110 kV with grid; bone takes 2.1 times as much."""
BONE = 0.038
AIRLESS = 0.78
"""Soft tissue gained per mm of lung that is displaced: lung holds about 22 % tissue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Radiograph:
    """One image as the detector stores it.

    Attributes:
        pixels: (H, W) uint16, 12 bits, bright where much is absorbed.
        plain: The same exposure without its marker; the same array where there is none.
        low: Pixel value shown black.
        high: Pixel value shown white.
        masks: ``lung``, ``marker``, ``effusion``, ``nodule``, ``cardiomegaly``; empty where absent.
        spacing: mm per pixel.
        heart_ratio: Cardiothoracic ratio as drawn.
    """

    pixels: npt.NDArray[np.uint16]
    plain: npt.NDArray[np.uint16]
    low: int
    high: int
    masks: dict[str, Mask]
    spacing: float
    heart_ratio: float


def take_radiograph(
    body: Body,
    exam: Exam,
    marker: Marker | None,
    *,
    shape: tuple[int, int],
    spacing: float,
) -> Radiograph:
    """Draw a patient, expose the detector and read it out; the same arguments, the same pixels."""
    rng = np.random.default_rng(exam.seed)
    grid = detector(shape, spacing, shift=exam.shift, lean=exam.lean)
    attenuation, masks, ratio = _attenuation(grid, body, exam, rng)
    lead, masks["marker"] = (
        draw_marker(shape, spacing, marker) if marker else (None, np.zeros(shape, np.bool_))
    )
    noise = rng.standard_normal(shape, dtype=np.float32)
    field = _collimation(shape, rng)
    plain = _read_out(attenuation, exam, noise, field)
    pixels = plain if marker is None else _read_out(attenuation, exam, noise, field, lead)
    low, high = _window(plain)
    return Radiograph(
        pixels=pixels,
        plain=plain,
        low=low,
        high=high,
        masks={name: mask & (field > 0.5) for name, mask in masks.items()},
        spacing=spacing,
        heart_ratio=ratio,
    )


def _attenuation(
    grid: Grid, body: Body, exam: Exam, rng: np.random.Generator
) -> tuple[Plane, dict[str, Mask], float]:
    thorax = draw_thorax(grid, body, exam)
    heart = draw_heart(grid, body, exam, thorax)
    texture = _texture(grid.shape, rng, 5.0 / grid.spacing)
    grain = _texture(grid.shape, rng, 1.6 / grid.spacing)
    bend = spine_bend(grid, body)
    lung = np.maximum(thorax.cavity - heart.thickness, 0.12 * thorax.cavity)
    masks: dict[str, Mask] = {"effusion": np.zeros(grid.shape, np.bool_)}
    air = np.ones(grid.shape, np.float32)
    for fluid in exam.effusions:
        share, mask = draw_effusion(grid, thorax, fluid)
        air *= 1 - share
        masks["effusion"] |= mask
    soft = draw_trunk(grid, body) + draw_breasts(grid, body, texture)
    soft = soft * (1 + 0.012 * texture)
    soft -= AIRLESS * lung * air
    soft += draw_vessels(grid, body, thorax) * (lung > 8) * air
    soft += 0.014 * lung * air * (grain + 0.3 * texture)
    soft -= mediastinal_air(grid, thorax, bend) + _stomach(grid, thorax, exam)
    if exam.nodule is None:
        masks["nodule"] = np.zeros(grid.shape, np.bool_)
    else:
        centre = place_nodule(thorax, heart, grid, exam.nodule)
        thick, masks["nodule"] = draw_nodule(grid, centre, exam.nodule)
        soft += thick
    bone = draw_spine(grid, bend) + draw_ribs(grid, body, exam, thorax)
    bone += draw_girdle(grid, body, exam, thorax)
    bone *= 1.12 - 0.0035 * max(exam.age - 30, 0)
    outline = thorax.inside & (np.abs(grid.x) > 0)
    masks["lung"] = outline & ((grid.x > heart.left) | (grid.x < heart.right))
    masks["cardiomegaly"] = (
        heart.silhouette if exam.heart_scale > 1 else np.zeros(grid.shape, np.bool_)
    )
    return SOFT * np.maximum(soft, 0) + BONE * bone, masks, heart.ratio


def _window(pixels: npt.NDArray[np.uint16]) -> tuple[int, int]:
    """Return the display range as a reader station chooses it: from the chest, not from the air."""
    rows, columns = pixels.shape
    chest = pixels[rows // 5 : rows * 9 // 10, columns // 8 : columns * 7 // 8]
    low, high = np.percentile(chest, (0.5, 99.5))
    margin = 0.06 * (high - low)
    return round(float(low - 1.6 * margin)), round(float(high + margin))


def _texture(shape: tuple[int, int], rng: np.random.Generator, sigma: float) -> Plane:
    field = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, truncate=3)
    return field / max(float(field.std()), 1e-6)


def _stomach(grid: Grid, thorax: Thorax, exam: Exam) -> Plane:
    if exam.view == "AP":
        return np.zeros(grid.shape, np.float32)
    r = np.hypot((grid.x - 62) / 30, (grid.y - thorax.dome - 24) / 17)
    return 30 * chord(np.minimum(r, 1), 2) * step(thorax.dome + 30 - grid.y, 1.2)


def _collimation(shape: tuple[int, int], rng: np.random.Generator) -> Plane:
    """Return 1 in the exposed field, 0 behind the lead shutters."""
    rows, columns = shape
    top, bottom = rng.uniform(1, 6, 2)
    left, right = rng.uniform(1, 7, 2)
    y = np.arange(rows, dtype=np.float32)[:, None]
    x = np.arange(columns, dtype=np.float32)[None, :]
    skew = np.float32(rng.normal(0, 0.006))
    return (
        step(y - top + skew * x, 0.8)
        * step(rows - bottom - y + skew * x, 0.8)
        * step(x - left - skew * y, 0.8)
        * step(columns - right - x - skew * y, 0.8)
    )


def _read_out(
    attenuation: Plane, exam: Exam, noise: Plane, field: Plane, lead: Plane | None = None
) -> npt.NDArray[np.uint16]:
    primary = np.exp(-attenuation)
    small = zoom(primary, 0.25, order=1)
    haze = gaussian_filter(small, 9, mode="nearest")
    scatter = zoom(haze, np.array(primary.shape) / np.array(haze.shape), order=1)
    signal = primary + 0.34 * scatter + 0.004
    if lead is not None:  # it lies on the detector, so it stops scattered rays as well
        signal = signal * np.exp(-3.3 * lead)
    dose = np.exp(exam.exposure)
    signal = signal * (1 + 0.0085 * noise / np.sqrt(signal * dose * 8))
    signal = gaussian_filter(np.maximum(signal, 1e-4), 0.45)
    value = -np.log(signal)
    value += 0.5 * (value - gaussian_filter(value, 9, truncate=2))
    value = 820 + 880 * value - 260 * exam.exposure
    return np.rint(np.clip(value * field, 0, 4095)).astype(np.uint16)
