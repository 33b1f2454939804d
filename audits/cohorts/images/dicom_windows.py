"""How a DICOM file wants to be shown: windows, look-up tables, presets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from audits.cohorts.images.image import Shape, Window

CT_PRESETS = (
    ("Lung", -600.0, 1500.0),
    ("Mediastinum", 40.0, 400.0),
    ("Bone", 300.0, 1500.0),
    ("Brain", 40.0, 80.0),
)


def file_windows(dataset: Any) -> tuple[Window, ...]:
    """Return the file's own look-up tables and windows, tables first."""
    return (*_tables(dataset), *_centres(dataset))


def presets(modality: str) -> tuple[Window, ...]:
    """Return the usual windows of a modality in its units."""
    if modality != "CT":
        return ()
    return tuple(
        Window(label=label, low=centre - width / 2, high=centre + width / 2)
        for label, centre, width in CT_PRESETS
    )


def _tables(dataset: Any) -> tuple[Window, ...]:
    out = []
    for index, item in enumerate(getattr(dataset, "VOILUTSequence", None) or ()):
        entries, first, bits = (int(value) for value in item.LUTDescriptor)
        count = entries or 2**16
        raw = item.LUTData
        data = np.frombuffer(raw, dtype="<u2") if isinstance(raw, bytes) else np.asarray(raw)
        top = float(2**bits - 1)
        if len(data) == count and count > 1 and top > 0:
            out.append(
                Window(
                    label=str(item.get("LUTExplanation", "") or f"Look-up table {index + 1}"),
                    low=float(first),
                    high=float(first + count - 1),
                    shape="lut",
                    table=(data / top).astype(np.float32),
                )
            )
    return tuple(out)


def _centres(dataset: Any) -> tuple[Window, ...]:
    centres = [float(value) for value in _many(getattr(dataset, "WindowCenter", None))]
    widths = [float(value) for value in _many(getattr(dataset, "WindowWidth", None))]
    names = [str(v) for v in _many(getattr(dataset, "WindowCenterWidthExplanation", None))]
    function = str(getattr(dataset, "VOILUTFunction", "") or "LINEAR")
    out = []
    for index, (centre, width) in enumerate(zip(centres, widths, strict=False)):
        label = names[index] if index < len(names) and names[index] else f"Window {index + 1}"
        window = _window(label, centre, width, function)
        if window is not None:
            out.append(window)
    return tuple(out)


def _window(label: str, centre: float, width: float, function: str) -> Window | None:
    """Turn centre and width into limits (DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    if function == "LINEAR":
        if width <= 1:
            return None
        low = centre - 0.5 - (width - 1) / 2
        return Window(label=label, low=low, high=low + width - 1)
    if width <= 0:
        return None
    shape: Shape = "sigmoid" if function == "SIGMOID" else "linear"
    return Window(label=label, low=centre - width / 2, high=centre + width / 2, shape=shape)


def _many(value: Any) -> Iterable[Any]:
    """Return the values of an attribute that may hold none, one or several."""
    if value is None or value == "":
        return ()
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        return (value,)
    return value
