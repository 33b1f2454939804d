"""The single DICOM objects of one explained case, made by highdicom.

Codes: CID 217 “Visual Explanation” of DICOM PS3.16 for what is shown, TID 1500 for the report.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.reporting.case.told import ToldCase
from audits.reporting.dicom.source import may_hold_text, recognisable
from audits.reporting.words import humanised, word

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MANUFACTURER = "Auscult"
REGION = 0.5
"""A pixel belongs to the region from this share of the largest positive value on."""

SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://auscult/dicom")
"""Name space of the UUIDs behind all identifiers."""

_SERIES = 9400
_OVERLAY = 0.55
_GRADIENT = frozenset({"gradcam", "gradcam++", "hirescam", "layercam"})
_CLASS = frozenset({"eigencam"})

Map = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """What every object of a case needs.

    Attributes:
        told: The case.
        sources: Its images, slices in order.
        map: Signed map on the images' grid, (H, W) or (D, H, W).
        version: Version of Auscult.
    """

    told: ToldCase
    sources: Sequence[Dataset]
    map: Map
    version: str

    @property
    def method(self) -> str:
        """Return the name of the explanation's method."""
        return str((self.told.explanation or {})["method"])

    @property
    def model(self) -> tuple[str, str]:
        """Return id and version of the model."""
        name, _, version = str(self.told.output["model"]).partition("@")
        return name, version

    def region(self) -> npt.NDArray[np.bool_]:
        """Return the thresholded region (D, H, W): at least :data:`REGION` of the largest value."""
        largest = float(self.map.max())
        found = self.map >= REGION * largest if largest > 0 else np.zeros_like(self.map, dtype=bool)
        return np.asarray(found.reshape(len(self.sources), *found.shape[-2:]))

    def common(self, name: str, number: int) -> dict[str, Any]:
        """Return what highdicom asks of every object; equal cases get equal identifiers."""
        return {
            "series_instance_uid": self._uid(f"{name} series"),
            "series_number": _SERIES + number,
            "sop_instance_uid": self._uid(name),
            "instance_number": 1,
        }

    def equipment(self) -> dict[str, Any]:
        """Return what made the object."""
        return {
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": self.model[0][:64],
            "software_versions": self.version,
            "device_serial_number": str((self.told.model or {}).get("weights_sha256", ""))[:64],
        }

    def parameters(self) -> dict[str, str]:
        """Return the settings of the algorithm, as text."""
        cut = self.told.threshold
        return {
            "output": self.told.name,
            "method": self.method,
            "weights sha256": str((self.told.model or {}).get("weights_sha256", "unknown")),
            "threshold": "none" if cut is None else f"{cut!r}",
            "audit run": str(self.told.run["id"]),
        }

    def _uid(self, name: str) -> str:
        key = (self.told.run["id"], self.told.case, str(self.told.output["model"]), self.told.name)
        # Without a registered root a UID is a UUID under 2.25 (PS3.5, B.2).
        return f"2.25.{uuid.uuid5(SPACE, '/'.join([*key, name])).int}"


def explanation_code(method: str) -> Any:
    """Return the code of CID 217 for a method: class activation, its gradient kin, or saliency."""
    from pydicom.sr.coding import Code

    if method in _GRADIENT:
        return Code("130403", "DCM", "Gradient-weighted class activation")
    if method in _CLASS:
        return Code("130402", "DCM", "Class activation")
    return Code("130404", "DCM", "Saliency")


def segmentation(case: Explained) -> Dataset | None:
    """Return the thresholded region as a binary Segmentation, or None where it is empty."""
    import highdicom as hd
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    region = case.region()
    if not region.any():
        return None
    name, version = case.model
    description = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label=f"{humanised(case.told.name)}, raised the score"[:64],
        # The region is one of the picture: it claims no tissue and no lesion.
        segmented_property_category=Code("309825002", "SCT", "Spatial and Relational Concept"),
        segmented_property_type=Code("130401", "DCM", "Visual explanation"),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=name[:64],
            version=version,
            family=codes.DCM.ArtificialIntelligence,
            parameters=case.parameters(),
        ),
    )
    return hd.seg.Segmentation(
        list(case.sources),
        region,
        hd.seg.SegmentationTypeValues.BINARY,
        [description],
        content_label="EXPLANATION",
        content_description=word("notice", "map", "text")[:64],
        **case.common("segmentation", 1),
        **case.equipment(),
    )


def parametric_map(case: Explained) -> Dataset:
    """Return the signed map as a Parametric Map in logits; for images with a frame of reference."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    values = case.map.reshape(len(case.sources), *case.map.shape[-2:]).astype(np.float32)
    largest = float(np.abs(values).max()) or 1.0
    mapping = hd.pm.RealWorldValueMapping(
        lut_label="1",
        lut_explanation="Contribution to the score, logits",
        unit=codes.UCUM.NoUnits,
        value_range=(-largest, largest),
        slope=1.0,
        intercept=0.0,
        quantity_definition=explanation_code(case.method),
    )
    return hd.pm.ParametricMap(
        list(case.sources),
        values,
        contains_recognizable_visual_features=recognisable(case.sources[0]),
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[
            hd.VOILUTTransformation(window_center=0.0, window_width=2 * largest)
        ],
        content_label="EXPLANATION",
        **case.common("parametric map", 2),
        **case.equipment(),
    )


def secondary_capture(case: Explained) -> Dataset:
    """Return the map laid over the image as a colour picture that any viewer shows."""
    import highdicom as hd

    source = case.sources[0]
    orientation = source.get("PatientOrientation")
    made = hd.sc.SCImage.from_ref_dataset(
        source,
        _overlay(source, case.map),
        hd.PhotometricInterpretationValues.RGB,
        8,
        hd.CoordinateSystemNames.PATIENT,
        manufacturer=MANUFACTURER,
        patient_orientation=tuple(orientation) if orientation else ("L", "F"),
        **case.common("secondary capture", 2),
    )
    made.SeriesDescription = f"Explanation of {humanised(case.told.name)}"[:64]
    made.DerivationDescription = (
        f"{word('method', case.method)} map of {' '.join(case.model)} over the image; orange "
        "raised the score, blue lowered it. Not for primary diagnosis."
    )
    made.ImageType = ["DERIVED", "SECONDARY"]
    # No text is drawn here, so only the source's own pixels can hold any.
    made.BurnedInAnnotation = "YES" if may_hold_text(source) else "NO"
    return made


def _overlay(source: Dataset, values: Map) -> npt.NDArray[np.uint8]:
    """Return the image in grey with the map over it (H, W, 3)."""
    grey = _grey(source)
    largest = float(np.abs(values).max()) or 1.0
    weight = (_OVERLAY * np.abs(values) / largest)[..., None]
    colours = np.where(
        values[..., None] > 0, np.array([179.0, 67.0, 27.0]), np.array([0.0, 101.0, 160.0])
    )
    mixed = (1 - weight) * grey[..., None] + weight * colours
    return np.asarray(np.clip(np.rint(mixed), 0, 255), dtype=np.uint8)


def _grey(source: Dataset) -> Map:
    """Return the pixels as a viewer first shows them, 0 to 255, white as white."""
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

    shown = apply_voi_lut(apply_modality_lut(source.pixel_array, source), source).astype(float)
    if shown.ndim == 3:  # noqa: PLR2004 - colour
        shown = shown.mean(axis=-1)
    low, high = float(shown.min()), float(shown.max())
    grey = 255 * (shown - low) / ((high - low) or 1.0)
    return 255 - grey if source.PhotometricInterpretation == "MONOCHROME1" else grey
