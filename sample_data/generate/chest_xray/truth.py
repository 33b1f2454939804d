"""Measure what was planted, on the very images and scores that are shipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .design import FINDINGS, PLANTED_SITE
from .population import Case
from .rendering import Rendered, prepared, radiograph_of
from .training import Logits, Trained, logits

BANDS = ((0, 18, "<18"), (18, 40, "18-<40"), (40, 60, "40-<60"), (60, 80, "60-<80"))
OCCLUDED = 400
"""Plaque images on which occlusion is measured; removal by redrawing is measured on all."""


def age_band(age: int) -> str:
    """Return the band that the study declares, half-open."""
    return next((name for low, high, name in BANDS if low <= age < high), ">=80")


def measure_gaps(table: pd.DataFrame, calls: Mapping[str, npt.NDArray[np.bool_]]) -> list[Any]:
    """Return TPR and FPR of each group against the rest, for each output.

    Args:
        table: The cases table.
        calls: Output -> predicted positive, aligned to the table.

    Returns:
        One entry per output, group and metric: counts of group and rest and their difference.
    """
    out = []
    for attributes, inside in _groups(table):
        for name in FINDINGS:
            present = table[name].to_numpy() == 1
            for metric, rows in (("tpr", present), ("fpr", ~present)):
                group, rest = rows & inside, rows & ~inside
                k, n = int(calls[name][group].sum()), int(group.sum())
                rest_k, rest_n = int(calls[name][rest].sum()), int(rest.sum())
                entry = {"output": name, "metric": metric, "attributes": attributes}
                entry |= {"k": k, "n": n, "rest_k": rest_k, "rest_n": rest_n}
                out.append(entry | {"difference": k / n - rest_k / rest_n})
    return out


def _groups(table: pd.DataFrame) -> Iterator[tuple[dict[str, str], npt.NDArray[np.bool_]]]:
    frame = table.assign(age_band=[age_band(age) for age in table["age"]])
    for name in ("sex", "age_band", "site", "view", "insurance"):
        for level in sorted(frame[name].unique()):
            yield {name: str(level)}, (frame[name] == level).to_numpy()
    for (sex, band), rows in frame.groupby(["sex", "age_band"]).groups.items():
        inside = np.zeros(len(frame), np.bool_)
        inside[frame.index.get_indexer(rows)] = True
        yield {"sex": str(sex), "age_band": str(band)}, inside


def measure_marker(
    cases: Sequence[Case], images: Rendered, version: Trained, scores: Logits
) -> dict[str, Any]:
    """Return what the marker does to the effusion logit.

    ``redrawn`` is the exact counterfactual: the same exposure without the marker. ``occluded``
    fills the marker's box with the mean of its surroundings, as an audit does without the
    generator; ``sham`` does the same to the mirrored box, where nothing lies.
    """
    effusion = np.array([case.truth["effusion"] for case in cases])
    patients = np.array([case.patient_id for case in cases])
    plaque = np.array([case.plaque for case in cases])
    letter = np.array([case.marker is not None and not case.plaque for case in cases])
    out: dict[str, Any] = {}
    for name, rows in (
        ("plaque, effusion", plaque & effusion),
        ("plaque, no effusion", plaque & ~effusion),
        ("plain letters of the other sites", letter),
    ):
        change = scores[rows, 0] - logits(version.module, images.plain[rows])[:, 0]
        out[f"redrawn: {name}"] = _change(change, patients[rows])
    some = np.flatnonzero(plaque)[:OCCLUDED]
    filled = [_filled(cases[i]) for i in some]
    for name, column in (("occluded", 0), ("sham", 1)):
        without = logits(version.module, np.stack([pair[column] for pair in filled]))
        out[f"{name}: plaque"] = _change(scores[some, 0] - without[:, 0], patients[some])
    return out


def _change(values: Logits, patients: npt.NDArray[Any]) -> dict[str, float | int]:
    return {
        "mean_logit_change": float(values.mean()),
        "sd": float(values.std(ddof=1)),
        "n": len(values),
        "patients": len(set(patients.tolist())),
    }


def _filled(case: Case) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    image = radiograph_of(case)
    rows, columns = np.nonzero(image.masks["marker"])
    box = (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1)
    width = image.pixels.shape[1]
    mirrored = (box[0], box[1], width - box[3], width - box[2])
    marked, sham = (
        prepared(_fill(image.pixels, one), image.low, image.high) for one in (box, mirrored)
    )
    return marked, sham


def _fill(
    pixels: npt.NDArray[np.uint16], box: tuple[int, int, int, int]
) -> npt.NDArray[np.float32]:
    top, bottom, left, right = box
    out = pixels.astype(np.float32)
    around = np.zeros(pixels.shape, np.bool_)
    around[max(top - 6, 0) : bottom + 6, max(left - 6, 0) : right + 6] = True
    around[top:bottom, left:right] = False
    out[top:bottom, left:right] = out[around].mean()
    return out


def measure_plaque_rates(
    table: pd.DataFrame, calls: npt.NDArray[np.bool_]
) -> dict[str, dict[str, int | float]]:
    """Return the effusion rates at the planted site with and without its plaque, and elsewhere."""
    site = (table["site"] == PLANTED_SITE).to_numpy()
    plaque = (table["marker"] == "plaque").to_numpy()
    out: dict[str, dict[str, int | float]] = {}
    for metric, value in (("tpr", 1), ("fpr", 0)):
        rows = (table["effusion"] == value).to_numpy()
        for where, inside in (
            ("with plaque", plaque),
            ("same site without plaque", site & ~plaque),
            ("other sites", ~site),
        ):
            k, n = int(calls[rows & inside].sum()), int((rows & inside).sum())
            out[f"{metric}, {where}"] = {"k": k, "n": n, "value": k / n}
    return out


def auroc(labels: npt.NDArray[Any], scores: npt.NDArray[np.float64]) -> float:
    """Return the area under the ROC curve by ranks, ties at half."""
    ranks = pd.Series(scores).rank().to_numpy()
    positive = labels == 1
    n, m = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))
