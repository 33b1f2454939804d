"""Write what was generated: the study's tables and the model folders of the contract."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from model_adapters.schema import TableInput
from sample_data.generate.icu.models import INPUT, Recipe
from sample_data.generate.icu.variables import VARIABLES

COLUMNS = (
    "name",
    "label",
    "unit",
    "low",
    "high",
    "code",
    "protected",
    "actionable",
    "description",
)
WEIGHTS = {"xgboost": "weights.ubj", "mlp": "weights.safetensors"}


def write_cases(cohort: pd.DataFrame, folder: Path) -> None:
    """Write ``cases.parquet``."""
    folder.mkdir(parents=True, exist_ok=True)
    cohort.to_parquet(folder / "cases.parquet", compression="zstd", index=False)


def write_variables(folder: Path) -> None:
    """Write ``variables.csv`` with the columns of the contract."""
    with (folder / "variables.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for variable in VARIABLES:
            rows.writerow([_cell(getattr(variable, name)) for name in COLUMNS])


def write_model(
    recipe: Recipe,
    folder: Path,
    *,
    weights: bytes,
    spec: TableInput,
    layers: list[dict[str, Any]],
) -> None:
    """Write one model folder, without a threshold yet.

    Args:
        recipe: What the model is.
        folder: Its folder.
        weights: Content of the weights file.
        spec: The declared table input.
        layers: ``[[architecture.layers]]`` of a network; empty for trees.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = WEIGHTS[recipe.family]
    (folder / name).write_bytes(weights)
    parts = [
        _table(
            "model",
            {
                "id": recipe.id,
                "version": recipe.version,
                "task": "binary",
                "outputs": ["deterioration"],
                "space": "logit",
            },
        ),
        _table(
            "weights",
            {
                "format": "xgboost" if recipe.family == "xgboost" else "safetensors",
                "file": name,
                "sha256": hashlib.sha256(weights).hexdigest(),
            },
        ),
    ]
    if layers:
        parts.append(_table("architecture", {"name": "sequential"}))
        parts += [_table("architecture.layers", layer, array=True) for layer in layers]
    parts.append(_table(f"inputs.{INPUT}", {"features": list(spec.features)}))
    parts += [
        _table(
            f"inputs.{INPUT}.encoding",
            entry.model_dump(mode="json", exclude_unset=True),
            array=True,
        )
        for entry in spec.encoding
    ]
    parts.append(_table("card", recipe.card))
    (folder / "model.toml").write_text("\n".join(parts), encoding="utf-8")


def write_threshold(folder: Path, threshold: float, chosen_on: str) -> None:
    """Add the threshold to a model folder: it is chosen through the finished adapter."""
    path = folder / "model.toml"
    text = path.read_text(encoding="utf-8")
    lines = f'thresholds = [{threshold}]\nthresholds_chosen_on = "{chosen_on}"\n'
    path.write_text(text.replace('space = "logit"\n', f'space = "logit"\n{lines}'), "utf-8")


def _table(name: str, values: Mapping[str, Any], *, array: bool = False) -> str:
    head = f"[[{name}]]" if array else f"[{name}]"
    return "\n".join([head, *(f"{key} = {_value(value)}" for key, value in values.items()), ""])


def _value(value: Any) -> str:
    """Return a TOML value: JSON, but for inline tables."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def _cell(value: object) -> object:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value
