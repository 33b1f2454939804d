"""Where a DICOM image lies in the patient, and how large its pixels are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from audits.cohorts.images.image import Orientation, direction_letters, opposite

_SPACING = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


def pixel_spacing(dataset: Any) -> tuple[tuple[float, float] | None, str | None]:
    """Return (row, column) spacing in mm and the attribute it was read from.

    ``ImagerPixelSpacing`` is measured at the detector: distances in the patient are smaller.
    """
    for name in _SPACING:
        value = getattr(dataset, name, None)
        if value is not None and len(value) == 2:  # noqa: PLR2004 - rows, columns
            rows, columns = float(value[0]), float(value[1])
            if rows > 0 and columns > 0:
                return (rows, columns), name
    return None, None


def axes(dataset: Any) -> npt.NDArray[np.float64] | None:
    """Return the directions of columns to the right, rows downwards and their normal, (3, 3)."""
    value = getattr(dataset, "ImageOrientationPatient", None)
    if value is None or len(value) != 6:  # noqa: PLR2004 - two vectors
        return None
    right, down = np.array([float(part) for part in value]).reshape(2, 3)
    normal = np.cross(right, down)
    length = float(np.linalg.norm(normal))
    return np.stack([right, down, normal / length]) if length > 0 else None


def orientation(dataset: Any) -> Orientation | None:
    """Return the patient directions of the picture's edges.

    From ImageOrientationPatient, or PatientOrientation for projection images.
    """
    directions = axes(dataset)
    if directions is not None:
        right, bottom = direction_letters(directions[0]), direction_letters(directions[1])
    else:
        value = getattr(dataset, "PatientOrientation", None)
        if value is None or len(value) != 2:  # noqa: PLR2004 - rows, columns
            return None
        right, bottom = str(value[0]), str(value[1])
        if not right or not bottom:
            return None
    return Orientation(left=opposite(right), right=right, top=opposite(bottom), bottom=bottom)


def slices_toward(dataset: Any) -> str | None:
    """Return the patient direction of the normal, along which slices are ordered."""
    directions = axes(dataset)
    return None if directions is None else direction_letters(directions[2])


def laterality(dataset: Any) -> str | None:
    """Return L, R, B or U, or None."""
    for name in ("ImageLaterality", "Laterality", "FrameLaterality"):
        value = str(getattr(dataset, name, "") or "")
        if value:
            return value
    return None


def position_along_normal(dataset: Any) -> float | None:
    """Return where a slice lies along its normal in mm, or None."""
    directions = axes(dataset)
    value = getattr(dataset, "ImagePositionPatient", None)
    if directions is None or value is None or len(value) != 3:  # noqa: PLR2004 - x, y, z
        return None
    return float(directions[2] @ np.array([float(part) for part in value]))
