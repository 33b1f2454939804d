"""DICOM images: from stored bits to modality units, and how to show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.cohorts.images.dicom_geometry import laterality, orientation, pixel_spacing
from audits.cohorts.images.dicom_windows import file_windows, presets
from audits.cohorts.images.image import StudyImage, Window, full_range
from audits.errors import StudyError

_GREY = ("MONOCHROME1", "MONOCHROME2")
_SAMPLES = dict.fromkeys((*_GREY, "PALETTE COLOR"), 1) | dict.fromkeys(
    ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"), 3
)
"""Values a pixel has under each photometric interpretation (PS3.3 C.7.6.3.1.2)."""
_NEEDED = (
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation"),
    *("SamplesPerPixel", "PhotometricInterpretation"),
)


def read_dicom(path: Path) -> StudyImage:
    """Read one DICOM file: a slice, a radiograph, a colour image or a stack of grey frames.

    Order of the steps (PS3.4 N.2): decompress, set padding aside, modality look-up or rescale,
    then the windows; a MONOCHROME1 image is turned round last.

    Raises:
        StudyError: If the file is no DICOM, holds no image, or its pixels cannot be decoded.
    """
    dataset = read_dataset(path)
    return image_of(dataset, decode(dataset))


def read_dataset(path: Path) -> Any:
    """Read the attributes of a file.

    Raises:
        StudyError: If it is no DICOM or holds no image.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        dataset = pydicom.dcmread(path)
    except InvalidDicomError:
        raise StudyError("it has no DICOM header; export it again") from None
    if "PixelData" not in dataset and "FloatPixelData" not in dataset:
        what = getattr(getattr(dataset.get("SOPClassUID"), "name", None), "strip", lambda: "")()
        named = f" ({what})" if what else ""
        raise StudyError(f"it is a DICOM object without pixel data{named}; name an image instead")
    return dataset


def decode(dataset: Any) -> npt.NDArray[Any]:
    """Return the stored values, colour as RGB.

    Raises:
        StudyError: If no installed decoder reads the transfer syntax, or the data are damaged.
    """
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array

    if getattr(dataset, "file_meta", None) is None or "TransferSyntaxUID" not in dataset.file_meta:
        raise StudyError("it does not say how its pixels are encoded; export it again")
    _check_header(dataset)
    try:
        stored = pixel_array(dataset)
    except (RuntimeError, NotImplementedError):
        name = dataset.file_meta.TransferSyntaxUID.name
        raise StudyError(
            f"no installed decoder reads its pixels ({name}); export it uncompressed or as "
            "JPEG 2000"
        ) from None
    except Exception as error:  # noqa: BLE001 - a broken file can raise anything in a decoder
        raise StudyError(
            f"its pixel data are damaged or cut short ({type(error).__name__}); export it again"
        ) from None
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        coloured: npt.NDArray[Any] = apply_color_lut(stored, dataset)
        return coloured
    return np.asarray(stored)


def _check_header(dataset: Any) -> None:
    """Refuse headers that pixels cannot be read by.

    Raises:
        StudyError: An attribute is missing, or the kind of image contradicts itself.
    """
    missing = [name for name in _NEEDED if dataset.get(name) in {None, ""}]
    if missing:
        raise StudyError(f"its header lacks {', '.join(missing)}; export it again")
    photometric, samples = str(dataset.PhotometricInterpretation), int(dataset.SamplesPerPixel)
    if photometric not in _SAMPLES:
        raise StudyError(
            f"its photometric interpretation {photometric!r} is none of the standard's; "
            "export it again"
        )
    if samples != _SAMPLES[photometric]:
        raise StudyError(
            f"its photometric interpretation is {photometric}, but it has {samples} "
            f"{'value' if samples == 1 else 'values'} a pixel; export it again"
        )
    if photometric == "PALETTE COLOR" and "RedPaletteColorLookupTableDescriptor" not in dataset:
        raise StudyError("its colours are numbers of a palette that it does not hold; export again")


def image_of(dataset: Any, stored: npt.NDArray[Any]) -> StudyImage:
    """Turn stored values into an image in modality units."""
    photometric = str(dataset.PhotometricInterpretation)
    if photometric not in _GREY:
        return _colour(dataset, stored)
    pixels = modality_values(dataset, stored)
    valid = _valid(dataset, stored)
    if valid is not None:
        pixels = np.where(valid, pixels, pixels[valid].min())
    full = full_range(pixels, valid)
    modality = str(getattr(dataset, "Modality", ""))
    windows = (*file_windows(dataset), full, *presets(modality))
    about = _inversion(dataset, photometric)
    if about is not None:
        pixels = np.float32(about) - pixels
        windows = tuple(window.inverted(about) for window in windows)
        if valid is not None:
            pixels = np.where(valid, pixels, pixels[valid].min())
    return _image(dataset, pixels.astype(np.float32), windows, photometric, about)


def _image(
    dataset: Any,
    pixels: npt.NDArray[np.float32],
    windows: tuple[Window, ...],
    photometric: str,
    about: float | None,
) -> StudyImage:
    spacing, source = pixel_spacing(dataset)
    notes: tuple[str, ...] = ()
    if pixels.ndim == 3 and spacing is not None:  # noqa: PLR2004 - frames, rows, columns
        spacing, source = None, None
        notes = ("The distance between frames is not read, so no scale is shown.",)
    if source == "ImagerPixelSpacing":
        notes += ("The scale holds at the detector; distances in the patient are smaller.",)
    return StudyImage(
        pixels=np.ascontiguousarray(pixels),
        low=windows[0].low,
        high=windows[0].high,
        windows=windows,
        spacing_mm=spacing,
        spacing_source=source,
        orientation=orientation(dataset),
        laterality=laterality(dataset),
        view=str(getattr(dataset, "ViewPosition", "") or "") or None,
        photometric=photometric,
        inverted_about=about,
        unit=_unit(dataset, photometric, about),
        notes=notes,
    )


def _unit(dataset: Any, photometric: str, about: float | None) -> str:
    """Return the unit that rescaled values are in; US means unspecified.

    CT without a rescale type is in Hounsfield units (PS3.3 C.11.1.1.2). Values turned round have
    no unit any more.
    """
    if about is not None or photometric not in _GREY:
        return ""
    named = str(getattr(dataset, "RescaleType", "") or "").strip()
    if named:
        return "" if named == "US" else named
    is_rescaled = getattr(dataset, "RescaleSlope", None) is not None
    return "HU" if is_rescaled and str(getattr(dataset, "Modality", "")) == "CT" else ""


def modality_values(dataset: Any, stored: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Apply the modality look-up table or rescale slope and intercept; float32."""
    from pydicom.pixels.processing import apply_modality_lut

    return np.asarray(apply_modality_lut(stored, dataset), dtype=np.float32)


def _valid(dataset: Any, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
    """Return where stored values are not padding, or None where no padding is declared."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return None
    ends = [_stored(dataset, value), _stored(dataset, dataset.get("PixelPaddingRangeLimit", value))]
    valid = (stored < min(ends)) | (stored > max(ends))
    return np.asarray(valid) if valid.any() and not valid.all() else None


def _stored(dataset: Any, value: Any) -> int:
    """Read a padding value with the sign of the pixels, whatever its own representation."""
    number = int.from_bytes(value, "little") if isinstance(value, bytes) else int(value)
    bits = int(dataset.BitsAllocated)
    whole: int = 2**bits
    number %= whole
    negative = dataset.PixelRepresentation == 1 and number >= whole // 2
    return number - whole if negative else number


def _inversion(dataset: Any, photometric: str) -> float | None:
    """Return the sum of smallest and largest storable value in modality units, or None.

    It depends on the detector's bit depth and not on the image, so that values of one device stay
    comparable after turning round.
    """
    shape = str(getattr(dataset, "PresentationLUTShape", "") or "")
    if photometric != "MONOCHROME1" and shape != "INVERSE":
        return None
    bits = int(dataset.BitsStored)
    low = -(2 ** (bits - 1)) if dataset.PixelRepresentation == 1 else 0
    ends = [low, low + 2**bits - 1]
    values = modality_values(dataset, np.array(ends))
    return float(values[0]) + float(values[1])


def _colour(dataset: Any, stored: npt.NDArray[Any]) -> StudyImage:
    if stored.ndim != 3:  # noqa: PLR2004 - H, W, C
        raise StudyError("it holds several colour frames; give one image per case")
    palette = str(dataset.PhotometricInterpretation) == "PALETTE COLOR"
    bits = 8 * stored.dtype.itemsize if palette else int(dataset.BitsStored)
    top = float(2**bits - 1)
    window = Window(label="Full range", low=0.0, high=top)
    spacing, source = pixel_spacing(dataset)
    return StudyImage(
        pixels=np.ascontiguousarray(stored[..., :3], dtype=np.float32),
        low=window.low,
        high=window.high,
        windows=(window,),
        spacing_mm=spacing,
        spacing_source=source,
        orientation=orientation(dataset),
        laterality=laterality(dataset),
        view=str(getattr(dataset, "ViewPosition", "") or "") or None,
        photometric=str(dataset.PhotometricInterpretation),
        colour=True,
    )
