"""All DICOM objects of one explained case in a folder, written whole or not at all."""

from __future__ import annotations

import secrets
import shutil
import uuid
import warnings
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from audits.errors import AuditError, StoreError
from audits.reporting.case.heatmap import read_map
from audits.reporting.case.told import ToldCase
from audits.reporting.dicom.objects import (
    SPACE,
    Explained,
    parametric_map,
    secondary_capture,
    segmentation,
)
from audits.reporting.dicom.source import (
    VOLUME_MODALITIES,
    copy_deidentification,
    may_hold_text,
    source_images,
)
from audits.reporting.dicom.structured import structured_report
from audits.reporting.digest import SUMS, sums_of
from audits.storage.run import Run

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def write_dicom(run: Run, told: ToldCase, out: Path) -> Path:
    """Write the objects of a case as ``segmentation.dcm``, ``map.dcm`` or ``overlay.dcm``, and
    ``report.dcm``.

    Args:
        run: The run, for the study's images.
        told: The case; the run must hold a map of it.
        out: Folder to make.

    Raises:
        AuditError: The case has no map or no DICOM image, the package highdicom is not
            installed, or text may be burned into an image that counts as de-identified.
        StoreError: The folder cannot be written.
    """  # noqa: D205 - three file names do not fit in one line
    case = _explained(run, told)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of what the hospital's own files hold
        made = _objects(case)
    part = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    try:
        part.mkdir(parents=True)
        for name, dataset in made.items():
            dataset.save_as(part / name, enforce_file_format=True)
        (part / SUMS).write_text(sums_of(part), encoding="utf-8")
        part.rename(out)
    except OSError as error:
        raise StoreError(
            f"{out}: cannot be written ({error.strerror}); choose another --out."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


def _explained(run: Run, told: ToldCase) -> Explained:
    try:
        import highdicom  # noqa: F401 - an extra that may be absent
    except ImportError as error:
        raise AuditError(
            "report: DICOM objects need the package highdicom; install it with "
            "`pip install 'auscult[dicom]'`."
        ) from error
    held = read_map(told)
    if held is None:
        raise AuditError(
            f"report: the run holds no map of case {told.case} for {told.name}, so there is "
            "nothing to write as DICOM; explain it first or choose --format pdf or fhir."
        )
    sources = source_images(run, told)
    shape = (int(sources[0].Rows), int(sources[0].Columns))
    if held[1].shape[-2:] != shape or (len(sources) > 1 and held[1].shape[0] != len(sources)):
        raise AuditError(
            f"report: the map of case {told.case} is {held[1].shape} and its image "
            f"{len(sources)} × {shape}; audit the study again with these images."
        )
    return Explained(told=told, sources=sources, map=held[1], version=version("auscult"))


def _objects(case: Explained) -> dict[str, Dataset]:
    source = case.sources[0]
    region = segmentation(case)
    found: dict[str, Dataset] = {}
    if region is not None:
        if "PatientOrientation" in source and "FrameOfReferenceUID" not in source:
            region.PatientOrientation = source.PatientOrientation
        found["segmentation.dcm"] = region
    if source.Modality in VOLUME_MODALITIES and "FrameOfReferenceUID" in source:
        found["map.dcm"] = parametric_map(case)
        found["map.dcm"].Laterality = ""
    else:
        _refuse_text(case, source)
        found["overlay.dcm"] = secondary_capture(case)
        found["overlay.dcm"].Laterality = ""
    found["report.dcm"] = structured_report(case, region)
    for one in found.values():
        copy_deidentification(source, one)
        _dated(one, case.told.run["created"])
    return found


def _refuse_text(case: Explained, source: Dataset) -> None:
    """Refuse to copy pixels that may hold a name out of an image that counts as de-identified."""
    claimed = str(source.get("PatientIdentityRemoved") or "").upper() == "YES"
    if claimed and may_hold_text(source):
        raise AuditError(
            f"report: the image of case {case.told.case} says that the identity was removed but "
            "not that its pixels hold no text (0028,0301); have it checked and set to NO first."
        )


def _dated(dataset: Dataset, created: str) -> None:
    """Give an object the time of its run, so that the same run gives the same bytes."""
    moment = datetime.fromisoformat(created).astimezone(UTC)
    date, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    for part in ("Content", "InstanceCreation", "Series", "Acquisition"):
        for suffix, value in (("Date", date), ("Time", time)):
            if f"{part}{suffix}" in dataset:
                setattr(dataset, f"{part}{suffix}", value)
    if "TimeOfSecondaryCapture" in dataset:
        dataset.DateOfSecondaryCapture, dataset.TimeOfSecondaryCapture = date, time
    organisation = f"2.25.{uuid.uuid5(SPACE, f'{dataset.SOPInstanceUID} dimensions').int}"
    for name in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for one in dataset.get(name) or ():
            one.DimensionOrganizationUID = organisation
    for one in dataset.get("ContributingEquipmentSequence") or ():
        one.ContributionDateTime = f"{date}{time}"
