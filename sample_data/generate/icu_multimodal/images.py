"""Small radiographs of the stays, drawn by the chest study's generator: fluid or none."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import numpy.typing as npt
import pandas as pd

from sample_data.generate.chest_xray.anatomy import Effusion, Exam, Sex, draw_body
from sample_data.generate.chest_xray.radiograph import take_radiograph

from .design import IMAGE_SHAPE, SPACING

Pixels = npt.NDArray[np.uint8]


def draw_images(stays: pd.DataFrame, seed: int, workers: int) -> Pixels:
    """Return (n, rows, columns) of 0 to 255; the result does not depend on the processes."""
    work = [
        (seed, int(row), str(sex), int(age), bool(effusion))
        for row, sex, age, effusion in zip(
            stays.index, stays["sex"], stays["age"], stays["effusion"], strict=True
        )
    ]
    with ProcessPoolExecutor(workers) as pool:
        return np.stack(list(pool.map(_one, work, chunksize=64)))


def _one(work: tuple[int, int, str, int, bool]) -> Pixels:
    seed, row, sex, age, effusion = work
    rng = np.random.default_rng([seed, 7, row])
    body = draw_body(rng, _sex(sex), dense=False)
    exam = Exam(
        view="AP",
        age=age,
        inspiration=float(rng.uniform(0.86, 0.95)),
        shift=(float(rng.normal(0, 3)), float(rng.normal(0, 3))),
        lean=float(rng.normal(0, 0.01)),
        heart_scale=1.0,
        effusions=_fluid(rng) if effusion else (),
        nodule=None,
        exposure=float(np.clip(rng.normal(0, 0.2), -0.5, 0.5)),
        seed=int(rng.integers(2**31)),
    )
    taken = take_radiograph(body, exam, None, shape=IMAGE_SHAPE, spacing=SPACING)
    shown = (taken.pixels.astype(np.float64) - taken.low) / (taken.high - taken.low)
    return np.asarray(np.clip(shown, 0, 1) * 255, dtype=np.uint8)


def _sex(sex: str) -> Sex:
    return "F" if sex == "F" else "M"


def _fluid(rng: np.random.Generator) -> tuple[Effusion, ...]:
    sides: Sequence[int] = [-1, 1] if rng.random() < 0.25 else [int(rng.choice([-1, 1]))]
    return tuple(
        Effusion(side=side, height=float(rng.uniform(45, 95)), contrast=float(rng.uniform(0.8, 1)))
        for side in sides
    )
