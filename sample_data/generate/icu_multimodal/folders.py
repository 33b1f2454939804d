"""Write the study's tables and images, and the model folders."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image
from safetensors.torch import save

from model_adapters import manifest_text
from model_adapters.schema import InputSection

from .design import OUTCOME, SHIPPED_IMAGES, VITALS
from .models import Recipe

COLUMNS = (
    "name", "label", "unit", "low", "high", "code", "protected", "actionable", "description",
)  # fmt: skip
_OF_VITALS = (*COLUMNS, "direction")
_WRITTEN = (
    "case_id", "patient_id", "split", "admitted", "age", "sex", "language", "site", "image_path",
    "note", OUTCOME,
)  # fmt: skip
_RECORD = (
    ("age", "Age", "a", "", "", "LOINC:30525-0", "true", "false", "Age at admission."),
    ("sex", "Sex", "", "", "", "LOINC:46098-0", "true", "false", "Administrative sex: F or M."),
)


def with_image_paths(stays: pd.DataFrame) -> pd.DataFrame:
    """Return the stays with the file of those whose radiograph is shipped, else an empty text."""
    shipped = stays.index[stays["split"] == "test"][:SHIPPED_IMAGES]
    paths = np.where(stays.index.isin(shipped), "images/" + stays["case_id"] + ".png", "")
    return stays.assign(image_path=paths)


def write_tables(folder: Path, stays: pd.DataFrame, vitals: pd.DataFrame) -> None:
    """Write ``cases.parquet``, ``vitals.parquet`` and the two files that describe variables."""
    folder.mkdir(parents=True, exist_ok=True)
    stays.loc[:, list(_WRITTEN)].to_parquet(
        folder / "cases.parquet", compression="zstd", index=False
    )
    vitals.assign(variable=vitals["variable"].astype("category")).to_parquet(
        folder / "vitals.parquet", compression="zstd", index=False
    )
    write_variables(folder)


def write_variables(folder: Path) -> None:
    """Write what the variables mean: ``variables.csv`` and ``vitals.csv``."""
    _write_csv(folder / "variables.csv", COLUMNS, _RECORD)
    _write_csv(
        folder / "vitals.csv",
        _OF_VITALS,
        [
            (v.name, v.label, v.unit, *map(str, v.normal), v.code, "false",
             str(v.actionable).lower(), f"Charted about every {v.every:g} hours.", v.direction)
            for v in VITALS
        ],
    )  # fmt: skip


def write_images(
    folder: Path, stays: pd.DataFrame, images: Mapping[int, npt.NDArray[np.uint8]]
) -> None:
    """Write the shipped radiographs as PNG."""
    (folder / "images").mkdir(exist_ok=True)
    for row, path in stays.loc[stays["image_path"] != "", "image_path"].items():
        Image.fromarray(images[int(str(row))]).save(folder / path, optimize=True)


def write_model(
    folder: Path,
    recipe: Recipe,
    module: torch.nn.Module,
    sections: Mapping[str, InputSection],
    tokens: bytes,
) -> None:
    """Write one model folder, without a threshold yet."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = save({name: value.contiguous() for name, value in module.state_dict().items()})
    (folder / "weights.safetensors").write_bytes(weights)
    if "note" in recipe.reads:
        (folder / "vocabulary.json").write_bytes(tokens)
    document = {
        "model": {
            "id": recipe.id,
            "version": "1.0",
            "task": "binary",
            "outputs": [OUTCOME],
            "space": "logit",
        },
        "weights": {
            "format": "safetensors",
            "file": "weights.safetensors",
            "sha256": hashlib.sha256(weights).hexdigest(),
        },
        "architecture": {"name": recipe.architecture, "args": dict(recipe.args)},
        "inputs": {
            name: {"modality": sections[name].modality}
            | sections[name].model_dump(mode="json", exclude_unset=True)
            for name in recipe.reads
        },
        "card": recipe.card,
    }
    (folder / "model.toml").write_text(manifest_text(document), encoding="utf-8")


def write_threshold(folder: Path, threshold: float, chosen_on: str) -> None:
    """Add the threshold to a model folder."""
    path = folder / "model.toml"
    text = path.read_text(encoding="utf-8")
    lines = f'thresholds = [{threshold}]\nthresholds_chosen_on = "{chosen_on}"\n'
    path.write_text(text.replace('space = "logit"\n', f'space = "logit"\n{lines}'), "utf-8")


def write_scores(folder: Path, case_ids: pd.Series, logits: npt.NDArray[np.float64]) -> None:
    """Add the scores of cases whose radiograph is not shipped."""
    table = pd.DataFrame({"case_id": case_ids.to_numpy(), OUTCOME: logits.astype(np.float32)})
    table.to_parquet(folder / "scores.parquet", compression="zstd", index=False)
    sha256 = hashlib.sha256((folder / "scores.parquet").read_bytes()).hexdigest()
    path = folder / "model.toml"
    section = manifest_text({"precomputed": {"file": "scores.parquet", "sha256": sha256}})
    path.write_text(path.read_text(encoding="utf-8") + "\n" + section, encoding="utf-8")


def _write_csv(path: Path, columns: Sequence[str], rows: object) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)  # type: ignore[arg-type]
