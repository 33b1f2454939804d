"""Do the study's masks lie on the pixels of its images? What does not is used nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audits.errors import StudyError
from audits.types import Finding

if TYPE_CHECKING:
    from audits.cohorts import Study
    from audits.cohorts.inputs import InputColumn

MOST_CASES = 16
"""Cases looked at: a study whose masks were made on another grid shows it in any of them."""


def misfitting_masks(study: Study) -> tuple[Finding, ...]:
    """Return a warning for every column of masks that have another size than their images.

    Such masks are left out of localisation and of the shortcut audit, which would otherwise look
    as if the study had none. Evenly spaced cases that bring a mask are looked at; a file that does
    not open is reported where it is used.

    Args:
        study: Any study; those without images have nothing to report.
    """
    found = (
        _finding(study, one, name)
        for one in study.inputs.values()
        if one.modality == "image" and one.column is not None
        for name in _mask_columns(one)
    )
    return tuple(finding for finding in found if finding is not None)


def _mask_columns(one: InputColumn) -> tuple[str, ...]:
    """Return every column of masks of an input, each once."""
    names = (*one.finding_masks(), one.anatomy_mask_column, one.marker_mask_column)
    return tuple(dict.fromkeys(name for name in names if name))


def _finding(study: Study, one: InputColumn, name: str) -> Finding | None:
    shown = study.cases.index[study.cases[name].fillna("").astype(str) != ""]
    places = np.unique(np.linspace(0, len(shown) - 1, min(MOST_CASES, len(shown))).astype(int))
    looked, wrong = 0, []
    for case in shown[places]:
        try:
            image, mask = study.image(case, one.name), study.mask(case, name)
        except StudyError:
            continue
        looked += 1
        shape = image.pixels.shape[:-1] if image.colour else image.pixels.shape
        if mask is not None and mask.shape != shape:
            wrong.append(f"{case} (mask {_size(mask.shape)}, image {_size(shape)})")
    if not wrong:
        return None
    message = (
        f"{len(wrong)} of {looked} masks of column {name!r} that were looked at have another size "
        f"than their image, such as that of {wrong[0]}, and are used nowhere; give masks on the "
        "image's own pixels."
    )
    return Finding(severity="warning", where=f"inputs.{one.name}", message=message)


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
