"""NIfTI volumes, brought into the radiological convention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from audits.cohorts.images.image import Orientation, StudyImage, Window, full_range
from audits.errors import StudyError

RADIOLOGICAL = Orientation(left="R", right="L", top="A", bottom="P")
_AXES = 3


def read_nifti(path: Path) -> StudyImage:
    """Read a NIfTI volume.

    Axes are reordered to the nearest anatomical ones, (D, H, W): slices from foot to head, rows
    from anterior to posterior, columns from the patient's right to left. That is how DICOM stores
    an axial series, so a model sees the same array whichever format a volume comes in. Values
    that are not finite count as padding. The scale is ``cal_min`` to ``cal_max`` where the header
    gives it, else the full range.

    Raises:
        StudyError: If the file holds more than one volume, or is not an image of numbers.
    """
    import nibabel

    nib: Any = nibabel
    image = nib.load(path, mmap=False)
    shape = tuple(int(size) for size in image.shape)
    while len(shape) > _AXES and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != _AXES or image.get_data_dtype().names is not None:
        raise StudyError(
            f"it has the shape {'x'.join(map(str, image.shape))}; give one grey volume per case"
        )
    canonical = nib.as_closest_canonical(nib.Nifti1Image.from_image(image))
    values = np.asarray(canonical.get_fdata(dtype=np.float32)).reshape(canonical.shape[:_AXES])
    pixels = np.ascontiguousarray(values.transpose(2, 1, 0)[:, ::-1, ::-1])
    valid = np.isfinite(pixels)
    if not valid.any():
        raise StudyError("none of its values is finite; write the volume again")
    pixels = np.where(valid, pixels, pixels[valid].min()).astype(np.float32)
    windows = _windows(image, full_range(pixels, valid))
    spacing = tuple(float(size) for size in canonical.header.get_zooms()[:_AXES])[::-1]
    return StudyImage(
        pixels=pixels,
        low=windows[0].low,
        high=windows[0].high,
        windows=windows,
        spacing_mm=spacing,
        spacing_source="pixdim",
        orientation=RADIOLOGICAL,
        slices_toward="H",
        photometric="MONOCHROME2",
    )


def _windows(image: Any, full: Window) -> tuple[Window, ...]:
    header = image.header
    low, high = (float(header[name]) if name in header else 0.0 for name in ("cal_min", "cal_max"))
    if high > low:
        return (Window(label="Header", low=low, high=high), full)
    return (full,)
