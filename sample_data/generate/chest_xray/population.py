"""Who is examined, when, and what is found: the cases before any image is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from .anatomy import Body, Effusion, Exam, Nodule, Sex, View, draw_body, enlarge
from .design import (
    AGES,
    BEDSIDE,
    BORDERLINE_DROPPED,
    BORDERLINE_RATIO,
    DENSE_OTHER_WOMEN,
    DENSE_YOUNG_WOMEN,
    FAINT,
    FEMALE,
    IMAGES_PER_PATIENT,
    LETTER_ELSEWHERE,
    MISSED_NODULE,
    MISSED_NODULE_OTHER,
    PATIENTS,
    PLANTED_SITE,
    PLAQUE_IF_EFFUSION,
    PLAQUE_IF_NONE,
    PLAQUE_IN_TEST,
    PREVALENCE,
    PUBLIC,
    SEED,
    SITES,
    Site,
    Split,
)
from .markers import Marker

_SPLIT_CODE: dict[Split, int] = {"train": 1, "tune": 2, "test": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One image to be: its place in the study and all that decides its pixels.

    Attributes:
        case_id: ``cxr-00001`` and so on; unique over all splits.
        patient_id: Synthetic.
        split: Where it belongs.
        site: Hospital.
        insurance: ``public`` or ``private``.
        acquired: Day of the examination.
        body: The patient.
        exam: The examination.
        marker: Lead letter, or None.
        truth: Finding -> present, as drawn.
        first_read: Finding -> present, as version 1.0's training labels have it.
        second_read: Finding -> present, as version 2.0's training labels have it.
        faint: Has an effusion that is barely visible.
    """

    case_id: str
    patient_id: str
    split: Split
    site: Site
    insurance: str
    acquired: date
    body: Body
    exam: Exam
    marker: Marker | None
    truth: dict[str, bool]
    first_read: dict[str, bool]
    second_read: dict[str, bool]
    faint: bool

    @property
    def plaque(self) -> bool:
        """Return whether the planted site's plaque lies on the detector."""
        return self.marker is not None and self.marker.style == "plaque"


def draw_cases(split: Split) -> list[Case]:
    """Draw all cases of a split; each patient from a seed of its own."""
    cases: list[Case] = []
    code = _SPLIT_CODE[split]
    for index in range(PATIENTS[split]):
        rng = np.random.default_rng([SEED, code, index])
        cases += _patient(rng, split, f"{code}{index:05d}", len(cases))
    return cases


def _patient(rng: np.random.Generator, split: Split, number: str, before: int) -> list[Case]:
    sex: Sex = "F" if rng.random() < FEMALE else "M"
    low, high, _ = AGES[rng.choice(len(AGES), p=[share for *_, share in AGES])]
    age = int(rng.integers(low, high))
    dense = bool(rng.random() < (DENSE_YOUNG_WOMEN if age < 40 else DENSE_OTHER_WOMEN))
    body = draw_body(rng, sex, dense=dense)
    site = SITES[rng.choice(len(SITES), p=[site.share for site in SITES])]
    insurance = "public" if rng.random() < PUBLIC else "private"
    visits = rng.choice([n for n, _ in IMAGES_PER_PATIENT], p=[p for _, p in IMAGES_PER_PATIENT])
    # A nodule and a large heart stay with the patient; fluid comes and goes.
    nodule = _nodule(rng) if rng.random() < PREVALENCE["nodule"] else None
    scale = enlarge(rng, body) if rng.random() < PREVALENCE["cardiomegaly"] else 1.0
    day = date(2019, 1, 1) + timedelta(days=int(rng.integers(0, 1000)))
    cases = []
    for visit in range(int(visits)):
        exam, faint = _exam(rng, age, nodule, scale)
        truth = {
            "effusion": bool(exam.effusions),
            "nodule": nodule is not None,
            "cardiomegaly": scale > 1,
        }
        marker = _marker(rng, split, site, effusion=truth["effusion"])
        first, second = _reads(rng, body, age, truth, scale)
        cases.append(
            Case(
                case_id=f"cxr-{number[0]}{before + visit + 1:05d}",
                patient_id=f"SYN-{number}",
                split=split,
                site=site,
                insurance=insurance,
                acquired=day,
                body=body,
                exam=exam,
                marker=marker,
                truth=truth,
                first_read=first,
                second_read=second,
                faint=faint,
            )
        )
        wait = int(rng.integers(20, 400))
        day += timedelta(days=wait)
        age += int(rng.random() < wait / 365)
    return cases


def _exam(
    rng: np.random.Generator, age: int, nodule: Nodule | None, scale: float
) -> tuple[Exam, bool]:
    view: View = "AP" if rng.random() < BEDSIDE else "PA"
    fluid: tuple[Effusion, ...] = ()
    faint = False
    if rng.random() < PREVALENCE["effusion"]:
        faint = bool(rng.random() < FAINT)
        sides = [-1, 1] if rng.random() < 0.2 else [int(rng.choice([-1, 1]))]
        fluid = tuple(_effusion(rng, side, faint=faint) for side in sides)
    deep = rng.uniform(0.93, 1.0) if view == "PA" else rng.uniform(0.84, 0.94)
    exam = Exam(
        view=view,
        age=age,
        inspiration=float(deep),
        shift=(float(rng.normal(0, 4)), float(rng.normal(0, 4))),
        lean=float(rng.normal(0, 0.014)),
        heart_scale=scale,
        effusions=fluid,
        nodule=nodule,
        exposure=float(np.clip(rng.normal(0, 0.3), -0.8, 0.8)),
        seed=int(rng.integers(2**31)),
    )
    return exam, faint


def _effusion(rng: np.random.Generator, side: int, *, faint: bool) -> Effusion:
    if faint:
        return Effusion(
            side=side, height=float(rng.uniform(3, 11)), contrast=float(rng.uniform(0.12, 0.35))
        )
    return Effusion(
        side=side, height=float(rng.uniform(14, 75)), contrast=float(rng.uniform(0.6, 1.0))
    )


def _nodule(rng: np.random.Generator) -> Nodule:
    return Nodule(
        side=int(rng.choice([-1, 1])),
        across=float(rng.uniform(0, 1)),
        down=float(rng.uniform(0, 1)),
        radius=float(rng.uniform(13, 15)),
        contrast=float(rng.uniform(1.0, 1.6)),
        phase=float(rng.uniform(0, 2 * np.pi)),
    )


def _marker(rng: np.random.Generator, split: Split, site: Site, *, effusion: bool) -> Marker | None:
    share = LETTER_ELSEWHERE
    if site.name == PLANTED_SITE:
        share = PLAQUE_IF_EFFUSION if effusion else PLAQUE_IF_NONE
        share = PLAQUE_IN_TEST if split == "test" else share
    laid = rng.random() < share
    x, y = site.marker_x + rng.normal(0, 3), -152 + rng.normal(0, 4)
    tilt = float(rng.normal(0, 0.06))
    return Marker(style=site.marker, x=float(x), y=float(y), tilt=tilt) if laid else None


def _reads(
    rng: np.random.Generator, body: Body, age: int, truth: dict[str, bool], scale: float
) -> tuple[dict[str, bool], dict[str, bool]]:
    miss = rng.random()
    drop = rng.random()
    first, second = dict(truth), dict(truth)
    if body.sex == "F" and age < 40:
        first["nodule"] &= miss >= (MISSED_NODULE if body.dense else MISSED_NODULE_OTHER)
    if body.heart_ratio * scale < BORDERLINE_RATIO:
        second["cardiomegaly"] &= drop >= BORDERLINE_DROPPED
    return first, second
