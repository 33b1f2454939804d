"""Which of the test images are shipped as files, and the table of all test cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from .design import FINDINGS, PLANTED_SITE, SEED, SHIPPED
from .dicom import write_dicom, write_mask
from .population import Case
from .rendering import radiograph_of

MASKS = ("lung", "marker", *FINDINGS)


def _young_woman(case: Case) -> bool:
    return case.body.sex == "F" and case.exam.age < 40


def _planted_site(case: Case) -> bool:
    return case.site.name == PLANTED_SITE


def _letter(case: Case) -> bool:
    return case.marker is not None and not case.plaque


# Enough of everything that is planted, and of what it is compared with; the rest at random.
WANTED: tuple[tuple[Callable[[Case], bool], int], ...] = (
    (lambda c: c.plaque and c.truth["effusion"], 44),
    (lambda c: c.plaque and not c.truth["effusion"], 46),
    (lambda c: _planted_site(c) and c.marker is None and c.truth["effusion"], 18),
    (lambda c: _planted_site(c) and c.marker is None and not c.truth["effusion"], 20),
    (lambda c: _letter(c) and c.truth["effusion"], 18),
    (lambda c: _letter(c) and not c.truth["effusion"], 18),
    (lambda c: _young_woman(c) and c.truth["nodule"], 26),
    (lambda c: not _young_woman(c) and c.exam.age < 40 and c.truth["nodule"], 14),
    (lambda c: c.body.sex == "F" and c.exam.age >= 40 and c.truth["nodule"], 16),
    (lambda c: c.truth["cardiomegaly"], 16),
    (lambda c: c.body.sex == "M" and not any(c.truth.values()), 14),
)


def choose_shipped(cases: Sequence[Case]) -> list[Case]:
    """Choose the cases that are shipped as files: one per patient, then some follow-up images."""
    rng = np.random.default_rng([SEED, 99])
    order = [cases[i] for i in rng.permutation(len(cases))]
    chosen: dict[str, Case] = {}
    patients: set[str] = set()
    for wanted, count in WANTED:
        free = [case for case in order if case.patient_id not in patients and wanted(case)]
        for case in _distinct(free)[:count]:
            chosen[case.case_id] = case
            patients.add(case.patient_id)
    again = [c for c in order if c.patient_id in patients and c.case_id not in chosen]
    for case in again[: SHIPPED - len(chosen)]:
        chosen[case.case_id] = case
    return [case for case in cases if case.case_id in chosen]


def _distinct(cases: Sequence[Case]) -> list[Case]:
    first: dict[str, Case] = {}
    for case in cases:
        first.setdefault(case.patient_id, case)
    return list(first.values())


def case_table(cases: Sequence[Case], shipped: Sequence[Case]) -> pd.DataFrame:
    """Return one row per test case; a file's column is empty where nothing is shipped."""
    files = {case.case_id: _files(case) for case in shipped}
    rows = []
    for case in cases:
        mine = files.get(case.case_id, {})
        rows.append(
            {
                "case_id": case.case_id,
                "patient_id": case.patient_id,
                "split": case.split,
                "acquired": case.acquired.isoformat(),
                "sex": case.body.sex,
                "age": case.exam.age,
                "site": case.site.name,
                "view": case.exam.view,
                "insurance": case.insurance,
                **{name: int(case.truth[name]) for name in FINDINGS},
                "effusion_faint": int(case.faint),
                "breast_tissue": _breast(case),
                "marker": case.marker.style if case.marker else "none",
                "image_path": mine.get("image", ""),
                **{f"{name}_mask": mine.get(name, "") for name in MASKS},
            }
        )
    return pd.DataFrame(rows)


def _breast(case: Case) -> str:
    if case.body.sex == "M":
        return "none"
    return "dense" if case.body.dense else "not dense"


def _files(case: Case) -> dict[str, str]:
    present = {"lung": True, "marker": case.marker is not None, **case.truth}
    files = {name: f"masks/{case.case_id}_{name}.png" for name in MASKS if present[name]}
    return {"image": f"images/{case.case_id}.dcm", **files}


def write_files(folder: Path, shipped: Sequence[Case]) -> None:
    """Write the images and masks of the shipped cases."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for old in (folder / name).iterdir():
            old.unlink()
    for case in shipped:
        image = radiograph_of(case)
        for name, path in _files(case).items():
            if name == "image":
                write_dicom(folder / path, case, image)
            else:
                write_mask(folder / path, image.masks[name])
