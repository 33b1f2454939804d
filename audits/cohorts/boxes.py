"""Boxes around findings: ground truth where nobody drew outlines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from audits.cohorts.tables import as_numbers, as_text, column, read_table
from audits.errors import StudyError

LABEL = "label"
SIDES = ("x", "y", "width", "height")

Box = tuple[float, float, float, float]
Boxes = Mapping[tuple[str, str], tuple[Box, ...]]
"""(case id, label) -> boxes of left, top, width and height in pixels of the stored image."""


def read_boxes(path: Path, id_name: str) -> Boxes:
    """Read a table of boxes.

    Args:
        path: CSV or Parquet with the id column of the cases, ``label``, and ``x``, ``y`` (left and
            top edge), ``width`` and ``height`` in pixels of the stored image, counted from 0.
        id_name: Name of the id column.

    Raises:
        StudyError: If a column is missing, a cell is no number, or a box has no area.
    """
    where = str(path)
    table = read_table(path, text=[id_name, LABEL])
    cases, _ = as_text(column(table, id_name, where))
    labels, _ = as_text(column(table, LABEL, where))
    sides = np.stack(
        [
            as_numbers(column(table, name, where), where=where, name=name, need="holds pixels")
            for name in SIDES
        ],
        axis=1,
    )
    wrong = ~(np.isfinite(sides).all(axis=1) & (sides[:, 2:] > 0).all(axis=1))
    if wrong.any():
        raise StudyError(
            f"{where}: {int(wrong.sum()):,} boxes have no area or lack a side, the first in row "
            f"{int(np.argmax(wrong))} (counting from 0); give x, y, width and height in pixels."
        )
    found: dict[tuple[str, str], tuple[Box, ...]] = {}
    for case, label, (x, y, width, height) in zip(cases, labels, sides, strict=True):
        key = (case, label)
        found[key] = (*found.get(key, ()), (float(x), float(y), float(width), float(height)))
    return MappingProxyType(found)


def filled(boxes: tuple[Box, ...], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return the pixels whose centres lie in any of the boxes, (rows, columns)."""
    rows, columns = np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5
    inside = np.zeros(shape, dtype=np.bool_)
    for x, y, width, height in boxes:
        tall = (rows >= y) & (rows < y + height)
        inside |= tall[:, None] & ((columns >= x) & (columns < x + width))
    return inside
