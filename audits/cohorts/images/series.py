"""A folder of DICOM slices as one volume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.cohorts.images.dicom import decode, image_of, read_dataset
from audits.cohorts.images.dicom_geometry import (
    pixel_spacing,
    position_along_normal,
    slices_toward,
)
from audits.cohorts.images.dicom_windows import file_windows, presets
from audits.cohorts.images.image import StudyImage, full_range
from audits.errors import StudyError

_WHOLE = 0.1  # of a slice by which a gap may miss a whole number of slices
_FEWEST_GAPS = 3
_UNEVEN = 0.01  # mm by which gaps between slices may differ before the reader is told


def read_series(folder: Path) -> StudyImage:
    """Read a folder of slices, in the order of their positions along the normal.

    The instance number is never used: it need not follow the anatomy.

    Raises:
        StudyError: If the folder holds several series, a slice without a position, two slices at
            one place, or slices of different shape or direction.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise StudyError("the folder is empty; put the slices of one series into it")
    slices = [read_dataset(path) for path in files]
    _one_series(slices)
    places = _positions(slices)
    order = np.argsort(places, kind="stable")
    ordered = [slices[index] for index in order]
    images = [image_of(dataset, decode(dataset)) for dataset in ordered]
    if {image.pixels.ndim for image in images} != {2}:
        raise StudyError("its slices are not all grey pictures; give one series of single slices")
    return _stack(ordered, images, places[order])


def _one_series(slices: list[Any]) -> None:
    series = {str(getattr(dataset, "SeriesInstanceUID", "")) for dataset in slices}
    if len(series) > 1:
        raise StudyError(f"the folder holds {len(series)} series; give one folder per case")
    shapes = {(int(dataset.Rows), int(dataset.Columns)) for dataset in slices}
    directions = {
        tuple(round(float(part), 4) for part in getattr(dataset, "ImageOrientationPatient", ()))
        for dataset in slices
    }
    if len(shapes) > 1 or len(directions) > 1:
        raise StudyError("its slices differ in size or direction; give those of one volume")


def _positions(slices: list[Any]) -> npt.NDArray[np.float64]:
    places = [position_along_normal(dataset) for dataset in slices]
    known = [place for place in places if place is not None]
    if len(known) < len(places):
        raise StudyError(
            f"{len(places) - len(known)} of its {len(places)} slices have no position in the "
            "patient; export them with ImagePositionPatient"
        )
    out = np.array(known, dtype=np.float64)
    if len(np.unique(np.round(out, 3))) < len(out):
        raise StudyError("two of its slices lie at the same place; keep one of each")
    return out


def _stack(
    slices: list[Any], images: list[StudyImage], places: npt.NDArray[np.float64]
) -> StudyImage:
    first = images[0]
    pixels = np.stack([image.pixels for image in images])
    in_plane, source = pixel_spacing(slices[0])
    gaps = np.diff(places)
    step = float(np.median(gaps)) if gaps.size else _thickness(slices[0])
    notes = first.notes
    missing = _missing(gaps, step)
    if missing:
        many = "slice is" if missing == 1 else "slices are"
        told = f"gaps of up to {gaps.max():.2f} mm where slices lie {step:.2f} mm apart"
        notes += (f"{missing} {many} missing: {told}; distances across them are wrong.",)
    elif gaps.size and float(gaps.max() - gaps.min()) > _UNEVEN:
        span = f"{gaps.min():.2f} to {gaps.max():.2f} mm"
        notes += (f"Slices lie {span} apart; the scale across slices is the median.",)
    about = first.inverted_about
    own = file_windows(slices[0])
    modality = presets(str(getattr(slices[0], "Modality", "")))
    turned = own if about is None else tuple(window.inverted(about) for window in own)
    windows = (*turned, full_range(pixels, None), *modality)
    return replace(
        first,
        pixels=pixels,
        low=windows[0].low,
        high=windows[0].high,
        windows=windows,
        spacing_mm=None if in_plane is None or step is None else (step, *in_plane),
        spacing_source=source,
        slices_toward=slices_toward(slices[0]),
        notes=notes,
    )


def _missing(gaps: npt.NDArray[np.float64], step: float | None) -> int:
    """Return how many slices are not there: gaps that are whole multiples of the usual one."""
    if step is None or gaps.size < _FEWEST_GAPS:
        return 0
    times = np.rint(gaps / step)
    whole = np.abs(gaps / step - times) <= _WHOLE
    return int((times[whole & (times > 1)] - 1).sum())


def _thickness(dataset: Any) -> float | None:
    value = getattr(dataset, "SliceThickness", None)
    return float(value) if value else None
