"""Write a drawn radiograph as a Computed Radiography file, and its masks as 1-bit PNG."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
)

from .findings import Mask
from .population import Case
from .radiograph import Radiograph

ROOT = "2.25."
"""Prefix of UIDs that are made from a UUID (DICOM PS3.5, B.2)."""
FULL = 4095
SYNTHETIC = "Synthetic image drawn by a program; no patient exists"


def write_dicom(path: Path, case: Case, image: Radiograph) -> None:
    """Write one image, JPEG 2000 lossless; the same case gives the same bytes.

    Args:
        path: The file to write.
        case: Who and what is on the image.
        image: Its pixels and window.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = _uid("instance", case.case_id)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    _patient(data, case)
    _examination(data, case)
    _acquisition(data, case)
    _pixels(data, case, image)
    data.compress(JPEG2000Lossless, generate_instance_uid=False)
    data.save_as(path, enforce_file_format=True)


def write_mask(path: Path, mask: Mask) -> None:
    """Write a mask as a 1-bit PNG; white is inside."""
    Image.fromarray(mask).save(path, optimize=True)


def _uid(kind: str, name: str) -> str:
    number = int.from_bytes(hashlib.sha256(f"chest_xray {kind} {name}".encode()).digest()[:16])
    return ROOT + str(number)


def _patient(data: Dataset, case: Case) -> None:
    data.SpecificCharacterSet = "ISO_IR 192"
    data.PatientName = f"Synthetic^{case.patient_id}"
    data.PatientID = case.patient_id
    data.PatientBirthDate = ""
    data.PatientSex = case.body.sex
    data.PatientAge = f"{case.exam.age:03d}Y"
    data.PatientIdentityRemoved = "YES"
    data.DeidentificationMethod = SYNTHETIC
    data.PatientComments = SYNTHETIC


def _examination(data: Dataset, case: Case) -> None:
    day = _dicom_date(case.acquired)
    visit = f"{case.patient_id} {day}"
    data.StudyInstanceUID = _uid("study", visit)
    data.SeriesInstanceUID = _uid("series", case.case_id)
    data.StudyID = case.case_id.removeprefix("cxr-")
    data.StudyDate = data.SeriesDate = data.AcquisitionDate = data.ContentDate = day
    data.StudyTime = data.SeriesTime = data.AcquisitionTime = data.ContentTime = "120000"
    data.AccessionNumber = ""
    data.ReferringPhysicianName = ""
    data.StudyDescription = "Chest radiograph (synthetic)"
    data.SeriesDescription = f"Chest {case.exam.view}"
    data.SeriesNumber = 1
    data.InstanceNumber = 1
    data.Modality = "CR"
    data.InstitutionName = f"{case.site.name} (fictitious)"
    data.SOPClassUID = ComputedRadiographyImageStorage
    data.SOPInstanceUID = _uid("instance", case.case_id)


def _acquisition(data: Dataset, case: Case) -> None:
    data.Manufacturer = "Auscult sample generator"
    data.ManufacturerModelName = "Drawn radiograph"
    data.BodyPartExamined = "CHEST"
    data.ViewPosition = case.exam.view
    data.KVP = None
    data.PlateID = ""
    data.ImageType = ["ORIGINAL", "PRIMARY"]
    data.ImageComments = SYNTHETIC
    # A chest is no paired body part, so Laterality stays out; columns run to the patient's left.
    data.PatientOrientation = ["L", "F"]
    data.BurnedInAnnotation = "NO"
    data.QualityControlImage = "YES"


def _pixels(data: Dataset, case: Case, image: Radiograph) -> None:
    site = case.site
    stored = FULL - image.pixels if site.inverted else image.pixels
    low, high = (FULL - image.high, FULL - image.low) if site.inverted else (image.low, image.high)
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME1" if site.inverted else "MONOCHROME2"
    data.Rows, data.Columns = stored.shape
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PixelRepresentation = 0
    data.PixelSpacing = data.ImagerPixelSpacing = [str(site.spacing)] * 2
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = str(site.intercept), "1", "US"
    data.VOILUTFunction = "LINEAR_EXACT"
    data.WindowCenter = f"{(low + high) / 2 + site.intercept:g}"
    data.WindowWidth = f"{high - low:g}"
    data.WindowCenterWidthExplanation = "Chest"
    data.LossyImageCompression = "00"
    data.PixelData = np.ascontiguousarray(stored.astype("<u2")).tobytes()


def _dicom_date(day: date) -> str:
    return day.strftime("%Y%m%d")
