"""What one patient's chest looks like, and how one examination caught it.

Everything of a :class:`Body` is the patient's and returns in each of the patient's images;
everything of an :class:`Exam` is drawn anew for each image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Sex = Literal["F", "M"]
View = Literal["PA", "AP"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A patient's build, in mm unless said otherwise.

    Attributes:
        sex: Decides build and breast shadows.
        half_width: Inner half width of the rib cage.
        lung_height: Apex to costophrenic angle at full inspiration.
        depth: Front to back thickness of the trunk.
        fat: Subcutaneous tissue at the flank.
        heart_ratio: Cardiothoracic ratio of the healthy heart.
        apex_share: Part of the heart's width that lies to the patient's left.
        knuckle: How far the aortic knuckle stands out.
        rib_pitch: Vertical distance of neighbouring posterior ribs.
        rib_phase: Offset of the first rib.
        rib_slope: How steeply ribs fall towards the flank, relative to the usual.
        clavicle_rise: Lateral rise of the clavicles.
        spine_bend: Amplitude of a slight scoliosis.
        breast: Relative thickness of the breast shadow, 0 in men.
        dense: Whether the breast tissue is dense.
        vessel_seed: Seed of the vessel tree.
    """

    sex: Sex
    half_width: float
    lung_height: float
    depth: float
    fat: float
    heart_ratio: float
    apex_share: float
    knuckle: float
    rib_pitch: float
    rib_phase: float
    rib_slope: float
    clavicle_rise: float
    spine_bend: float
    breast: float
    dense: bool
    vessel_seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Effusion:
    """Fluid in one pleural space.

    Attributes:
        side: +1 the patient's left (the viewer's right), -1 the right.
        height: Fluid level above the costophrenic angle at mid-lung, mm.
        contrast: Part of the displaced air that the fluid's shadow shows, 0 to 1.
    """

    side: int
    height: float
    contrast: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodule:
    """A round opacity: side as in :class:`Effusion`, place as shares of the lung, radius in mm."""

    side: int
    across: float
    down: float
    radius: float
    contrast: float
    phase: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """One examination: positioning, exposure and what is to be seen.

    Attributes:
        view: PA standing or AP at the bedside.
        age: Years.
        inspiration: Part of the full lung height that is reached.
        shift: Offset on the detector, mm.
        lean: Sideways lean, tangent.
        heart_scale: Factor on the healthy heart ratio; above 1 where enlarged.
        effusions: None, one or both sides.
        nodule: At most one.
        exposure: Natural logarithm of the dose relative to the usual.
        seed: Seed of quantum noise and tissue texture.
    """

    view: View
    age: int
    inspiration: float
    shift: tuple[float, float]
    lean: float
    heart_scale: float
    effusions: tuple[Effusion, ...]
    nodule: Nodule | None
    exposure: float
    seed: int


def draw_body(rng: np.random.Generator, sex: Sex, *, dense: bool) -> Body:
    """Draw a patient's build."""
    female = sex == "F"
    return Body(
        sex=sex,
        half_width=float(np.clip(rng.normal(126 if female else 138, 5), 112, 149)),
        lung_height=float(np.clip(rng.normal(248 if female else 264, 9), 228, 280)),
        depth=float(np.clip(rng.normal(196 if female else 212, 16), 165, 255)),
        fat=float(np.clip(rng.gamma(6, 2.2), 4, 30)),
        heart_ratio=float(np.clip(rng.normal(0.452, 0.03), 0.38, 0.515)),
        apex_share=float(np.clip(rng.normal(0.66, 0.025), 0.6, 0.72)),
        knuckle=float(np.clip(rng.normal(8, 2), 4, 13)),
        rib_pitch=float(rng.normal(22.5, 0.7)),
        rib_phase=float(rng.uniform(-4, 4)),
        rib_slope=float(np.clip(rng.normal(1, 0.12), 0.7, 1.3)),
        clavicle_rise=float(rng.normal(10, 5)),
        spine_bend=float(rng.normal(0, 3)),
        breast=float(np.clip(rng.normal(1, 0.2), 0.6, 1.5)) if female else 0.0,
        dense=dense and female,
        vessel_seed=int(rng.integers(2**31)),
    )


def enlarge(rng: np.random.Generator, body: Body) -> float:
    """Return the factor that brings a healthy heart ratio to an enlarged one, 0.5 to 0.66."""
    ratio = float(np.clip(rng.normal(0.555, 0.038), 0.5, 0.66))
    return max(ratio / body.heart_ratio, 1.04)
