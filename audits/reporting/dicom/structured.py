"""The score as a structured report, TID 1500, with the algorithm and what it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from audits.reporting.dicom.objects import MANUFACTURER, Explained, explanation_code
from audits.reporting.requirements import declared_field
from audits.reporting.words import humanised

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def structured_report(case: Explained, region: Dataset | None) -> Dataset:
    """Return a Comprehensive 3D SR: score, call, model, version and the explained region.

    It is complete as far as it goes but neither final nor verified: no person has read it.

    Args:
        case: The explained case.
        region: The Segmentation that it refers to, or None where no region raised the score.
    """
    import highdicom as hd
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    name, _ = case.model
    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=case.common("device", 0)["sop_instance_uid"],
            name=name[:64],
            manufacturer_name=MANUFACTURER,
            model_name=name[:64],
        ),
    )
    report = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=Code("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=[_group(case, region)],
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=list(case.sources),
    )
    evidence = [*case.sources, *([region] if region is not None else [])]
    made = hd.sr.Comprehensive3DSR(
        evidence=evidence,
        content=report[0],
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        **case.common("structured report", 3),
    )
    _frames_alone(made.ContentSequence)
    return made


def _frames_alone(items: Sequence[Dataset]) -> None:
    """Take the segment's number from references that name a frame: only one of both may stand."""
    for item in items:
        for reference in item.get("ReferencedSOPSequence") or ():
            if "ReferencedFrameNumber" in reference and "ReferencedSegmentNumber" in reference:
                del reference.ReferencedSegmentNumber
        _frames_alone(item.get("ContentSequence") or ())


def _group(case: Explained, region: Dataset | None) -> Any:
    """Return the measurement group: on the region where there is one, else on the image."""
    import highdicom as hd

    uid = case.common("tracking", 0)["sop_instance_uid"]
    shared: dict[str, Any] = {
        "tracking_identifier": hd.sr.TrackingIdentifier(
            uid=uid, identifier=humanised(case.told.name)[:64]
        ),
        "algorithm_id": _algorithm(case),
        "measurements": list(_measurements(case)),
        "qualitative_evaluations": list(_evaluations(case)),
    }
    if region is None:
        return hd.sr.MeasurementsAndQualitativeEvaluations(
            source_images=[
                hd.sr.SourceImageForMeasurementGroup.from_source_image(one) for one in case.sources
            ],
            **shared,
        )
    if len(case.sources) > 1:
        return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            referenced_segment=hd.sr.ReferencedSegment(
                region.SOPClassUID,
                region.SOPInstanceUID,
                segment_number=1,
                source_series=hd.sr.SourceSeriesForSegmentation(case.sources[0].SeriesInstanceUID),
            ),
            **shared,
        )
    source = case.sources[0]
    # Built by hand: with one segment its number stands among the shared functional groups, where
    # highdicom's own `from_segmentation` does not look.
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=hd.sr.ReferencedSegmentationFrame(
            region.SOPClassUID,
            region.SOPInstanceUID,
            frame_number=1,
            segment_number=1,
            source_image=hd.sr.SourceImageForSegmentation(
                source.SOPClassUID, source.SOPInstanceUID
            ),
        ),
        **shared,
    )


def _algorithm(case: Explained) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    name, version = case.model
    return hd.sr.AlgorithmIdentification(
        name=name[:64],
        version=version,
        family=codes.DCM.ArtificialIntelligence,
        parameters=[f"{k}: {v}" for k, v in case.parameters().items()],
        manufacturer=declared_field(case.told.model or {}, "developer"),
    )


def _measurements(case: Explained) -> list[Any]:
    """Return the predicted risk in percent; none where the output has no probability."""
    import highdicom as hd
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    risk = case.told.score["probability"]
    if risk is None:
        return []
    return [
        hd.sr.Measurement(
            name=Code("111012", "DCM", "Certainty of Finding"),
            value=100 * risk,
            unit=codes.UCUM.Percent,
        )
    ]


def _evaluations(case: Explained) -> list[Any]:
    """Return how the map was made and, with a threshold, what the model called."""
    import highdicom as hd
    from pydicom.sr.coding import Code

    found = [
        hd.sr.QualitativeEvaluation(
            name=Code("130401", "DCM", "Visual explanation"),
            value=explanation_code(case.method),
        )
    ]
    if case.told.called is not None:
        value = (
            Code("52101004", "SCT", "Present")
            if case.told.called
            else Code("2667000", "SCT", "Absent")
        )
        found.append(
            hd.sr.QualitativeEvaluation(name=Code("121071", "DCM", "Finding"), value=value)
        )
    return found
