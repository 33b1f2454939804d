"""What the DICOM images of a study say of their de-identification (PS3.15 Annex E)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SHOWN_FILES = 500
"""Files read at most: what a study's images say of it hardly differs from file to file."""
_STATEMENTS = (
    *("PatientIdentityRemoved", "BurnedInAnnotation", "RecognizableVisualFeatures"),
    "LongitudinalTemporalInformationModified",
)
_TAGS = (*_STATEMENTS, "DeidentificationMethodCodeSequence")
_SAID = {"YES": "yes", "NO": "no"}


def stated_deidentification(paths: Iterable[Path]) -> dict[str, Any]:
    """Return how many images state what, with the codes of the method's options (CID 7050).

    An absent statement is counted as ``not_stated``, never as a denial. Only files that are there
    and can be read count; of many, the first :data:`SHOWN_FILES`.

    Args:
        paths: DICOM files; of a folder of slices one file is read.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    said: dict[str, Counter[str]] = {name: Counter() for name in _STATEMENTS}
    options: Counter[tuple[str, str]] = Counter()
    count = 0
    for path in paths:
        if count == SHOWN_FILES:
            break
        try:
            file = min(path.iterdir()) if path.is_dir() else path
            held = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(_TAGS))
        except (OSError, ValueError, InvalidDicomError):
            continue
        count += 1
        for name in _STATEMENTS:
            said[name][_SAID.get(str(held.get(name) or "").upper(), "not_stated")] += 1
        codes = held.get("DeidentificationMethodCodeSequence") or ()
        options.update({(str(c.CodeValue), str(c.get("CodeMeaning") or "")) for c in codes})
    if not count:
        return {"state": "not_available", "reason": "no DICOM image of the study could be read"}
    return {
        "state": "computed",
        "n": count,
        "statements": [
            {"tag": name, "stated": stated, "k": k, "n": count}
            for name, found in said.items()
            for stated, k in sorted(found.items())
        ],
        "options": [
            {"code": code, "meaning": meaning, "k": k, "n": count}
            for (code, meaning), k in sorted(options.items())
        ],
    }
