"""PNG and JPEG: grey of 8 or 16 bit, and colour of 8 bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from audits.cohorts.images.image import StudyImage, Window

_EIGHT, _SIXTEEN = 255.0, 65535.0
_SIXTEEN_BIT_MODES = ("I;16", "I;16B", "I;16L", "I")


def read_raster(path: Path) -> StudyImage:
    """Read a PNG or JPEG file.

    Values stay as stored (0-255 or 0-65535), and so does the geometry: an orientation tag is not
    applied. Transparency is dropped. A colour image whose channels are all equal is grey.
    """
    with Image.open(path, formats=("PNG", "JPEG")) as file:
        photometric = file.mode
        pixels, high = _pixels(file)
    colour = pixels.ndim == 3  # noqa: PLR2004 - H, W, C
    window = Window(label="Full range", low=0.0, high=high)
    return StudyImage(
        pixels=np.ascontiguousarray(pixels, dtype=np.float32),
        low=window.low,
        high=window.high,
        windows=(window,),
        photometric="RGB" if colour else photometric,
        colour=colour,
    )


def _pixels(file: Image.Image) -> tuple[npt.NDArray[np.generic], float]:
    if file.mode in _SIXTEEN_BIT_MODES:
        return np.asarray(file), _SIXTEEN
    if file.mode in ("L", "1", "LA"):
        return np.asarray(file.convert("L")), _EIGHT
    channels = np.asarray(file.convert("RGB"))
    grey = channels[..., 0]
    if (channels == grey[..., None]).all():
        return grey, _EIGHT
    return channels, _EIGHT
