"""Inputs of a study: which column, table or file holds what a model wants to see."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cohorts.spec import InputKind, InputSection
from audits.cohorts.tables import as_numbers, as_text, column
from audits.errors import StudyError
from model_adapters.base import Feature, Field, Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class InputColumn:
    """One declared input of a study.

    Attributes:
        name: What the study calls it; a model's input is joined to it by name.
        modality: What it is to a model.
        kind: File format of an image.
        column: Column of the cases table, for images and text.
        table: File of measurements over time, for sequences.
        variables: File that describes the columns, for tables.
        mask_columns: Ground truth by output; ``""`` is the one for all outputs.
        boxes: Table of boxes around findings, or None.
        anatomy_mask_column: Column of anatomy masks, or None.
        marker_mask_column: Column of marker masks, or None.
    """

    name: str
    modality: Modality
    kind: InputKind | None = None
    column: str | None = None
    table: str | None = None
    variables: str | None = None
    mask_columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    boxes: str | None = None
    anatomy_mask_column: str | None = None
    marker_mask_column: str | None = None

    def mask_column(self, output: str) -> str | None:
        """Return the column of ground-truth masks for an output, or None."""
        return self.mask_columns.get(output, self.mask_columns.get(""))

    def finding_masks(self) -> tuple[str, ...]:
        """Return every column of ground-truth masks."""
        return tuple(dict.fromkeys(self.mask_columns.values()))


def input_column(name: str, section: InputSection) -> InputColumn:
    """Turn a section of ``study.toml`` into an input."""
    masks = dict(section.mask_columns)
    if section.mask_column:
        masks.setdefault("", section.mask_column)
    return InputColumn(
        name=name,
        modality=_modality(section),
        kind=section.kind,
        column=section.column,
        table=section.table,
        variables=section.variables,
        mask_columns=MappingProxyType(masks),
        boxes=section.boxes,
        anatomy_mask_column=section.anatomy_mask_column,
        marker_mask_column=section.marker_mask_column,
    )


def _modality(section: InputSection) -> Modality:
    if section.kind is not None:
        return "signal" if section.kind == "signal" else "image"
    if section.table is not None:
        return "sequence"
    return "table" if section.variables is not None else "text"


def match_input(inputs: Mapping[str, InputColumn], wanted: Field, where: str) -> InputColumn:
    """Find the study's input for a model's: by name, else the only one of its modality.

    Raises:
        StudyError: If there is none, or more than one could be meant.
    """
    if wanted.name in inputs and inputs[wanted.name].modality == wanted.modality:
        return inputs[wanted.name]
    same = [one for one in inputs.values() if one.modality == wanted.modality]
    if len(same) == 1:
        return same[0]
    shown = ", ".join(f"{one.name} ({one.modality})" for one in inputs.values()) or "none"
    raise StudyError(
        f"{where}: the model wants an input {wanted.name!r} ({wanted.modality}), the study has "
        f"{shown}; declare [inputs.{wanted.name}] in study.toml."
    )


def inside(folder: Path, name: str) -> Path:
    """Return a file of the study.

    Raises:
        StudyError: If the name leads out of the study folder.
    """
    plain = Path(os.path.normpath(name.strip()))
    if plain.is_absolute() or ".." in plain.parts:
        raise StudyError(
            f"{name}: the path leads out of the study folder; give one relative to it."
        )
    return folder / plain


def path_cells(values: pd.Series) -> npt.NDArray[np.object_]:
    """Return file names as texts, empty where nothing is shipped (n,)."""
    return np.array(as_text(values)[0], dtype=object)


def table_values(frame: pd.DataFrame, features: tuple[Feature, ...], where: str) -> pd.DataFrame:
    """Return the columns a model wants, numbers as float64 and categories as text.

    Args:
        frame: Rows of the cases table.
        features: The model's variables; their kind says how a column is read.
        where: Name of the table in errors.

    Returns:
        One column per variable, in units of the study; NaN and None are missing.

    Raises:
        StudyError: If a variable has no column, or a numeric one holds text.
    """
    out: dict[str, object] = {}
    for feature in features:
        values = column(frame, feature.name, where)
        if feature.kind == "numeric":
            need = "is a numeric input of the model"
            out[feature.name] = as_numbers(values, where=where, name=feature.name, need=need)
        else:
            texts, missing = as_text(values)
            cells = np.array(texts, dtype=object)
            cells[missing] = None
            out[feature.name] = pd.Series(cells, index=frame.index, dtype=object)
    return pd.DataFrame(out, index=frame.index)
