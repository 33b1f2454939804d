"""One way to open an image, one sentence where it does not open."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audits.cohorts.images.image import StudyImage
from audits.cohorts.spec import InputKind
from audits.errors import StudyError

_SUFFIXES: dict[str, InputKind] = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".nii": "nifti",
    ".gz": "nifti",
    ".dcm": "dicom",
}

_WHY = {
    "UnidentifiedImageError": "it is another kind of file",
    "ImageFileError": "it is another kind of file",
    "OSError": "it is cut short",
    "EOFError": "it is cut short",
}
"""What the error of a reader most often means."""


def open_image(path: Path, kind: InputKind, *, shown: str | None = None) -> StudyImage:
    """Open an image.

    Args:
        path: The file; for ``dicom`` also a folder with the slices of one series.
        kind: File format.
        shown: What errors call the file, the last part of its path by default.

    Raises:
        StudyError: If it does not open, whatever the reason.
    """
    name = shown or path.name
    if not path.exists():
        raise StudyError(f"{name}: there is no such file in the study folder; check its name.")
    _refuse_early(path, kind, name)
    try:
        # Readers warn of every oddity of a header; what matters is in the image's notes.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = _reader(path, kind)(path)
    except StudyError as error:
        raise StudyError(f"{name}: the image does not open: {error}.") from None
    except Exception as error:  # noqa: BLE001 - a broken file can raise anything in a reader
        why = _WHY.get(type(error).__name__, "it is damaged")
        raise StudyError(
            f"{name}: the image does not open as {kind}: {why} ({type(error).__name__}); "
            "replace the file, or clear its name in the table."
        ) from None
    if image.pixels.size == 0 or not np.isfinite(image.pixels).all():
        raise StudyError(f"{name}: the image holds no finite pixels; write it again.")
    return image


def _refuse_early(path: Path, kind: InputKind, name: str) -> None:
    """Refuse what no reader needs to see.

    Raises:
        StudyError: The file is empty, or a folder where a file belongs.
    """
    if path.is_dir():
        if kind != "dicom":
            raise StudyError(f"{name}: the image is a folder; name the {kind} file in it.")
    elif path.stat().st_size == 0:
        raise StudyError(f"{name}: the image file is empty; copy it again.")


def open_mask(path: Path, *, shown: str | None = None) -> npt.NDArray[np.bool_]:
    """Open a mask: True where a value is above 0, on the grid of its image.

    The suffix of the name says the format.

    Raises:
        StudyError: If it does not open, or its format is not known.
    """
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise StudyError(
            f"{shown or path.name}: a mask is a .png, .nii, .nii.gz or .dcm file, found "
            f"{path.suffix or 'no suffix'!r}; convert it."
        )
    pixels = open_image(path, kind, shown=shown).pixels
    return np.asarray(pixels > 0)


def _reader(path: Path, kind: InputKind) -> Callable[[Path], StudyImage]:
    """Import the library of a format on use: a missing one costs that format only."""
    if kind == "dicom":
        from audits.cohorts.images.dicom import read_dicom
        from audits.cohorts.images.series import read_series

        return read_series if path.is_dir() else read_dicom
    if kind == "nifti":
        from audits.cohorts.images.nifti import read_nifti

        return read_nifti
    if kind == "signal":
        raise StudyError("signals are no images; declare another kind")
    from audits.cohorts.images.raster import read_raster

    return read_raster
