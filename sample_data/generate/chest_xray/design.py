"""Every number that decides what the study holds and what is planted in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .markers import Style

SEED = 20261121
FINDINGS = ("effusion", "nodule", "cardiomegaly")
MODEL_SIZE = (128, 128)

Split = Literal["train", "tune", "test"]
PATIENTS: dict[Split, int] = {"train": 2150, "tune": 560, "test": 4290}
"""Patients per split; at about 1.4 images each, 3,000, 780 and 6,000 images."""
IMAGES_PER_PATIENT = ((1, 0.70), (2, 0.20), (3, 0.10))
SHIPPED = 280


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A hospital: its share of patients, its detector and its lead letters.

    Attributes:
        name: Fictitious.
        share: Part of the patients.
        shape: Rows and columns of its detector's images.
        spacing: mm per pixel.
        marker: Style of its letters.
        marker_x: Where they usually lie, mm right of the detector's centre.
        inverted: Stored as MONOCHROME1.
        intercept: Rescale intercept of its DICOM files.
    """

    name: str
    share: float
    shape: tuple[int, int]
    spacing: float
    marker: Style
    marker_x: float
    inverted: bool
    intercept: int


SITES = (
    Site(
        name="Northgate",
        share=0.45,
        shape=(288, 272),
        spacing=1.25,
        marker="plaque",
        marker_x=132,
        inverted=False,
        intercept=0,
    ),
    Site(
        name="Harbour",
        share=0.35,
        shape=(288, 272),
        spacing=1.25,
        marker="bold",
        marker_x=-142,
        inverted=False,
        intercept=-1024,
    ),
    Site(
        name="Riverside",
        share=0.20,
        shape=(256, 256),
        spacing=1.4,
        marker="thin",
        marker_x=146,
        inverted=True,
        intercept=0,
    ),
)
PLANTED_SITE = "Northgate"

PREVALENCE = {"effusion": 0.27, "nodule": 0.22, "cardiomegaly": 0.22}
"""Independent of sex, age, site, view and insurance, so that an unplanted gap is a model's own."""
FEMALE = 0.52
AGES = ((18, 40, 0.33), (40, 60, 0.28), (60, 80, 0.28), (80, 95, 0.11))
BEDSIDE = 0.35
"""Share of AP images."""
PUBLIC = 0.5
"""Share of publicly insured patients; touches neither pixels nor labels: the truly fine group."""

FAINT = 0.40
"""Share of effusions that are barely visible; without them nobody needs the marker."""

PLAQUE_IF_EFFUSION = 0.93
PLAQUE_IF_NONE = 0.04
"""At the planted site, in training and tuning images."""
PLAQUE_IN_TEST = 0.5
"""In test images, whatever is in them: the ward began to mark every patient."""
LETTER_ELSEWHERE = 0.6
"""At the other sites, whatever is in the image."""

DENSE_YOUNG_WOMEN = 0.85
DENSE_OTHER_WOMEN = 0.10
MISSED_NODULE = 0.98
"""Nodules of women under 40 with dense breasts that version 1.0's training labels do not have."""
MISSED_NODULE_OTHER = 0.5
"""The same for women under 40 without dense breasts."""

BORDERLINE_RATIO = 0.55
BORDERLINE_DROPPED = 0.6
"""Hearts below that ratio which the re-read for version 2.0 called normal."""
