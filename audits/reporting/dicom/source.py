"""The DICOM images that an explanation is about, and what they say of de-identification."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from audits.cohorts.inputs import inside
from audits.errors import AuditError
from audits.reporting.case.heatmap import image_field, study_of
from audits.reporting.case.told import ToldCase
from audits.storage.run import Run

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

VOLUME_MODALITIES = frozenset({"CT", "MR"})
"""Modalities whose slices have a frame of reference, so that a Parametric Map fits them."""

_TEXT_MODALITIES = frozenset({"US", "SC", "XA", "ES", "XC", "OT", "GM", "OP"})
_TEXT_TYPES = frozenset({"DERIVED", "SECONDARY", "SCREEN SAVE"})


def source_images(run: Run, told: ToldCase) -> list[Dataset]:
    """Return the case's DICOM instances, pixels decoded, in the order of the slices.

    Raises:
        AuditError: The study is gone or its image is no DICOM file.
    """
    import pydicom

    study = study_of(run)
    field = image_field(study)
    one = study.inputs[field]
    if one.kind != "dicom" or one.column is None:
        raise AuditError(
            f"report: case {told.case} of study {study.name} is a {one.kind} file; DICOM objects "
            "can only refer to DICOM images, so choose --format pdf or fhir."
        )
    name = str(study.cases.iloc[study.row(told.case)][one.column])
    path = inside(study.folder, name)
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [Path(path)]
    try:
        found = [pydicom.dcmread(file) for file in files]
        for one_ in found:
            # The objects refer to the instance as the archive holds it.
            one_.decompress(generate_instance_uid=False)
    except (OSError, ValueError, RuntimeError, NotImplementedError, AttributeError) as error:
        raise AuditError(
            f"report: the image of case {told.case} cannot be read as DICOM "
            f"({type(error).__name__}); check {name}."
        ) from error
    return sorted(found, key=_position)


def _position(dataset: Dataset) -> tuple[float, int]:
    """Return where a slice lies along its own normal, and its number."""
    number = int(dataset.get("InstanceNumber") or 0)
    place, axes = dataset.get("ImagePositionPatient"), dataset.get("ImageOrientationPatient")
    if place is None or axes is None:
        return 0.0, number
    a, b, p = [float(x) for x in axes[:3]], [float(x) for x in axes[3:]], [float(x) for x in place]
    normal = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    return sum(n * x for n, x in zip(normal, p, strict=True)), number


def may_hold_text(source: Dataset) -> bool:
    """Return whether text may be burned into the pixels; an absent statement is no denial."""
    said = source.get("BurnedInAnnotation")
    if said is not None:
        return str(said).upper() != "NO"
    kinds = {str(kind).upper() for kind in source.get("ImageType") or ()}
    return source.get("Modality") in _TEXT_MODALITIES or bool(kinds & _TEXT_TYPES)


def recognisable(source: Dataset) -> bool:
    """Return whether a person might be recognised; the head counts unless the file denies it."""
    said = source.get("RecognizableVisualFeatures")
    if said is not None:
        return str(said).upper() == "YES"
    part = str(source.get("BodyPartExamined") or "").upper()
    return any(word in part for word in ("HEAD", "FACE", "BRAIN", "SKULL", "NECK"))


def copy_deidentification(source: Dataset, made: Dataset) -> None:
    """Repeat in a derived object what its source says of de-identification, and no more.

    A source that does not say ``YES`` gives ``NO``: nothing was removed on the way here.
    """
    removed = str(source.get("PatientIdentityRemoved") or "NO").upper()
    made.PatientIdentityRemoved = "YES" if removed == "YES" else "NO"
    if removed == "YES":
        for name in (
            "DeidentificationMethod",
            "DeidentificationMethodCodeSequence",
            "LongitudinalTemporalInformationModified",
        ):
            if name in source:
                setattr(made, name, source[name].value)
