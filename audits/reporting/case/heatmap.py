"""The map of a case as vector cells, over the image only where a person asks for it."""

from __future__ import annotations

import base64
import io
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.errors import AuditError
from audits.reporting.case.told import ToldCase
from audits.reporting.words import humanised, word
from audits.storage.run import Run

if TYPE_CHECKING:
    from audits.cohorts import Study

SIDE = 240.0
_FAINT = 0.05
_UP, _DOWN = "#b3431b", "#0065a0"
_ROWS, _COLUMNS = ("upper", "middle", "lower"), ("left", "middle", "right")


@dataclass(frozen=True, slots=True, kw_only=True)
class MapFigure:
    """A map with what it says in words.

    Attributes:
        svg: The drawing.
        alt: What it shows.
        caption: What it is.
        lines: What the score rests on.
        against: What speaks against it.
    """

    svg: str
    alt: str
    caption: str
    lines: tuple[str, ...]
    against: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def read_map(told: ToldCase) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """Return the signed map on the model's grid and on the image's, or None without a 2-D map."""
    entry = (told.explanation or {}).get("map")
    if not entry or told.folder is None:
        return None
    path = told.folder / str(entry["file"])
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        native, patient = (np.asarray(arrays[k], dtype=np.float64) for k in ("native", "patient"))
    return native, patient


def map_figure(run: Run, told: ToldCase, *, with_image: bool) -> MapFigure | None:
    """Return the map of a case as a figure, or None where the run has no flat map of it.

    Raises:
        AuditError: The image is asked for and the study is gone or has none.
    """
    held = read_map(told)
    if held is None or held[0].ndim != 2:  # noqa: PLR2004 - a volume has no single page
        if with_image:
            raise AuditError(
                f"report: the run holds no map of case {told.case} that could lie over an image; "
                "leave --with-image out."
            )
        return None
    native, patient = held
    behind = _image_uri(run, told) if with_image else None
    place = _place(native, positive=True)
    method = word("method", str((told.explanation or {})["method"]))
    name = humanised(told.name)
    lines = (
        f"Regions that raised the score lie mostly in the {place} of the image."
        if place
        else "No region raised the score.",
        word("notice", "map", "text"),
    )
    lowered = _place(native, positive=False)
    against = (
        f"Regions that lowered the score lie mostly in the {lowered} of the image (blue)."
        if lowered
        else "No region lowered the score.",
    )
    return MapFigure(
        svg=_svg(native, patient.shape, behind),
        alt=f"{method} map for {name}. {lines[0]} {against[0]}",
        caption=f"{method} on the model's own grid; orange raised the score, blue lowered it."
        + ("" if behind else " The image is not part of this page."),
        lines=lines,
        against=against,
    )


def _svg(native: npt.NDArray[np.float64], shape: tuple[int, ...], behind: str | None) -> str:
    height, width = shape
    scale = SIDE / max(height, width)
    wide, tall = width * scale, height * scale
    rows, columns = native.shape
    across, down = wide / columns, tall / rows
    largest = float(np.abs(native).max()) or 1.0
    drawn = [
        f'<rect x="{x * across:.2f}" y="{y * down:.2f}" width="{across:.2f}" height="{down:.2f}" '
        f'fill="{_UP if native[y, x] > 0 else _DOWN}" '
        f'fill-opacity="{0.75 * abs(native[y, x]) / largest:.3f}"/>'
        for y in range(rows)
        for x in range(columns)
        if abs(native[y, x]) > _FAINT * largest
    ]
    picture = (
        f'<image x="0" y="0" width="{wide:.2f}" height="{tall:.2f}" href="{behind}"/>'
        if behind
        else f'<rect width="{wide:.2f}" height="{tall:.2f}" fill="#f1f4f3"/>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.2f} {tall:.2f}" '
        f'width="{wide:.2f}" height="{tall:.2f}">{picture}{"".join(drawn)}'
        f'<rect width="{wide:.2f}" height="{tall:.2f}" fill="none" stroke="#d3dad8"/></svg>'
    )


def _place(native: npt.NDArray[np.float64], *, positive: bool) -> str:
    """Return in words where the weight of one sign lies, or nothing where there is none."""
    weight = np.clip(native if positive else -native, 0.0, None)
    if weight.max(initial=0.0) <= _FAINT * np.abs(native).max(initial=0.0):
        return ""
    rows, columns = native.shape
    y = float((weight.sum(1) * (np.arange(rows) + 0.5)).sum() / weight.sum() / rows)
    x = float((weight.sum(0) * (np.arange(columns) + 0.5)).sum() / weight.sum() / columns)
    up, side = _ROWS[min(int(3 * y), 2)], _COLUMNS[min(int(3 * x), 2)]
    return "middle" if up == side == "middle" else f"{up} {side}".replace("middle ", "")


def study_of(run: Run) -> Study:
    """Return the study of a run.

    Raises:
        AuditError: The study folder is gone.
    """
    from pathlib import Path

    from audits.cohorts import open_study

    named = run.info.get("study")
    if not named or not Path(named).is_dir():
        raise AuditError(
            f"report: the study folder of run {run.id} is gone; put it back to show images."
        )
    return open_study(named)


def image_field(study: Study) -> str:
    """Return the name of a study's image input.

    Raises:
        AuditError: The study has none.
    """
    for name, one in study.inputs.items():
        if one.modality == "image":
            return str(name)
    raise AuditError(f"report: study {study.name} has no image input; choose another format.")


def _image_uri(run: Run, told: ToldCase) -> str:
    from PIL import Image

    study = study_of(run)
    shown = study.image(told.case, image_field(study))
    pixels = np.asarray(shown.pixels, dtype=np.float64)
    grey = np.clip((pixels - shown.low) / max(shown.high - shown.low, 1e-9), 0, 1)
    stream = io.BytesIO()
    Image.fromarray((255 * grey).astype(np.uint8)).save(stream, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
