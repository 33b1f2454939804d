"""Readers of images: PNG, JPEG, DICOM (file or folder of slices) and NIfTI."""

from audits.cohorts.images.held import OPENED
from audits.cohorts.images.image import Orientation, StudyImage, Window
from audits.cohorts.images.reader import open_image, open_mask

__all__ = ["OPENED", "Orientation", "StudyImage", "Window", "open_image", "open_mask"]
