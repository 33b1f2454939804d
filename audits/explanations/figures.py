"""Pictures of a map: the overlay with its legend, and the image without any annotation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from audits.explanations.map_words import map_meaning, map_unit

if TYPE_CHECKING:
    from audits.explanations.result import CaseExplanation
    from model_adapters.base import SignalValue

# ColorBrewer's red-blue stays apart under the common colour vision deficiencies, is monotone in
# lightness on both sides and is neutral at zero.
COLOUR_MAP = "RdBu_r"
STRONGEST_OVERLAY = 0.65
VOLUME_DIMENSIONS = 3


def save_figures(explanation: CaseExplanation, folder: Path) -> tuple[Path, ...]:
    """Write ``map.png`` and, of an image, ``image.png``.

    A volume is shown in the slice (first axis) where the map is strongest.

    Args:
        explanation: An explanation whose map has both ``patient`` and ``image``.
        folder: An existing folder.

    Returns:
        The files.
    """
    from PIL import Image

    spatial = explanation.map
    if spatial is not None and spatial.signal is not None and spatial.patient is not None:
        return (_draw_signal(explanation, spatial.signal, spatial.patient, folder / "map.png"),)
    if spatial is None or spatial.patient is None or spatial.image is None:
        message = "save_figures needs a map in patient space and the image it belongs to"
        raise ValueError(message)
    image, patient = display_plane(spatial.image, spatial.patient)
    plain = folder / "image.png"
    Image.fromarray(np.round(np.clip(image, 0.0, 1.0) * 255).astype(np.uint8)).save(plain)
    overlay = folder / "map.png"
    _draw_overlay(explanation, image, patient, overlay)
    return overlay, plain


def _draw_signal(
    explanation: CaseExplanation,
    signal: SignalValue,
    patient: npt.NDArray[np.float32],
    path: Path,
) -> Path:
    """Draw every lead on one time axis, with the map as bands behind it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    spatial = explanation.map
    scale = spatial.scale if spatial is not None and spatial.scale > 0 else 1.0
    count, samples = signal.values.shape
    figure = Figure(figsize=(9.0, 0.9 + 0.62 * count), dpi=130)
    canvas = FigureCanvasAgg(figure)
    seconds = np.arange(samples) / signal.rate
    for place, lead in enumerate(signal.leads):
        axes = figure.add_subplot(count, 1, place + 1)
        low, high = float(signal.values[place].min()), float(signal.values[place].max())
        axes.imshow(
            patient[None],
            cmap=COLOUR_MAP,
            vmin=-scale,
            vmax=scale,
            aspect="auto",
            alpha=STRONGEST_OVERLAY,
            extent=(0.0, samples / signal.rate, low, high if high > low else low + 1.0),
        )
        axes.plot(seconds, signal.values[place], color="black", linewidth=0.6)
        axes.set_ylabel(lead, rotation=0, ha="right", va="center", fontsize=8)
        axes.set_yticks([])
        axes.tick_params(labelsize=7, labelbottom=place == count - 1)
    figure.suptitle(f"{explanation.output}: {explanation.method}", fontsize=10)
    note = f"seconds; blue to red: {_legend(explanation)}; the colour ends at ±{scale:.2g}"
    figure.text(0.5, 0.01, note, ha="center", fontsize=7)
    canvas.print_figure(str(path), metadata={"Software": None})
    return path


def _legend(explanation: CaseExplanation) -> str:
    """Return what either end of the colours stands for, and the unit."""
    high, low = map_meaning(explanation.method)
    unit = map_unit(explanation.method, explanation.score.to_dict())
    ends = ("lowers the score", "raises the score") if low == "lowered it" else (low, high)
    return f"{ends[0]}  |  {ends[1]}   ({unit})"


def display_plane(
    image: npt.NDArray[np.float32], patient: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the 2-D image and map to draw: for a volume, the slice with the strongest map."""
    if patient.ndim != VOLUME_DIMENSIONS:
        return image, patient
    strongest = int(np.argmax(np.abs(patient).reshape(len(patient), -1).max(axis=1)))
    return image[strongest], patient[strongest]


def _draw_overlay(
    explanation: CaseExplanation,
    image: npt.NDArray[np.float32],
    patient: npt.NDArray[np.float32],
    path: Path,
) -> None:
    # The object interface leaves matplotlib's global state alone, so threads may draw at once.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    spatial = explanation.map
    scale = spatial.scale if spatial is not None and spatial.scale > 0 else 1.0
    height, width = patient.shape[:2]
    figure = Figure(figsize=(6.4, max(2.5, min(9.0, 5.2 * height / width + 0.9))), dpi=150)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot(1, 1, 1)
    colour = image.ndim == patient.ndim + 1
    axes.imshow(image, cmap=None if colour else "gray", vmin=0, vmax=1)
    strength = np.clip(np.abs(patient) / scale, 0.0, 1.0)
    drawn = axes.imshow(
        patient, cmap=COLOUR_MAP, vmin=-scale, vmax=scale, alpha=STRONGEST_OVERLAY * strength
    )
    axes.set_axis_off()
    axes.set_title(f"{explanation.output}: {explanation.method}", fontsize=10)
    bar = figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.03)
    if bar.solids is not None:
        bar.solids.set_alpha(1.0)
    bar.set_label(_legend(explanation), fontsize=8)
    bar.ax.tick_params(labelsize=7)
    grid = "x".join(str(size) for size in explanation.map.native.shape) if explanation.map else ""
    note = f"Resolution {grid} cells. What moved the model's score, not the outline of a lesion."
    figure.text(0.5, 0.02, note, ha="center", fontsize=7)
    canvas.print_figure(str(path), metadata={"Software": None})
