"""One case as a FHIR R4 bundle: Device, RiskAssessment and Provenance.

Resources carry the security tag AIAST, “Artificial Intelligence asserted”, as the AI Transparency
on FHIR guide asks. The patient is named by the study's pseudonym alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from audits.reporting.case.told import ToldCase
from audits.reporting.case.words import (
    basis_sentence,
    limits_of,
    observed_sentence,
    reliability_sentences,
    value_text,
)
from audits.reporting.digest import PLACEHOLDER
from audits.reporting.requirements import declared_field
from audits.reporting.words import humanised, model_label

AI_ASSERTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
_AUTHOR = {
    "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
    "code": "performer",
    "display": "Performer",
}
# The guide (hl7.fhir.uv.aitransparency) asks for exactly this code, without a display.
_MACHINE = {
    "system": "http://hl7.org/fhir/uv/aitransparency/CodeSystem/AIdeviceTypeCS",
    "code": "Artificial-Intelligence",
}
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://auscult/fhir")
_SHOWN = 12

Resource = dict[str, Any]


def case_bundle(told: ToldCase) -> Resource:
    """Return a Bundle of type ``collection``; equal cases give equal bundles.

    The prediction's ``rationale`` names what raises and what lowers the score; ``basis`` lists the
    inputs; ``note`` says how reliable the model is for this patient's groups and what it cannot
    say. The status is ``preliminary``: nobody has reviewed it.

    ``identifier`` keeps the place of the digest that :func:`audits.reporting.digest.with_digest`
    fills in.

    Args:
        told: The case.
    """
    device, risk, provenance = (_url(told, name) for name in ("device", "risk", "provenance"))
    entries = [
        (device, _device(told)),
        (risk, _risk(told, device)),
        (provenance, _provenance(told, risk, device)),
    ]
    return {
        "resourceType": "Bundle",
        "id": _url(told, "bundle").removeprefix("urn:uuid:"),
        "meta": {"security": [AI_ASSERTED]},
        "identifier": {"system": "urn:auscult:digest", "value": PLACEHOLDER},
        "type": "collection",
        "timestamp": told.run["created"],
        "entry": [{"fullUrl": url, "resource": resource} for url, resource in entries],
    }


def _url(told: ToldCase, name: str) -> str:
    key = (told.run["id"], told.case, str(told.output.get("model")), told.name, name)
    return f"urn:uuid:{uuid.uuid5(_SPACE, '/'.join(key))}"


def _id(told: ToldCase, name: str) -> str:
    return _url(told, name).removeprefix("urn:uuid:")


def _device(told: ToldCase) -> Resource:
    model = told.model
    name = model_label(told.output.get("model"))
    device: Resource = {
        "resourceType": "Device",
        "id": _id(told, "device"),
        "meta": {"security": [AI_ASSERTED]},
        "deviceName": [{"name": name, "type": "model-name"}],
        "type": {"coding": [_MACHINE], "text": "Artificial intelligence model"},
    }
    if model:
        developer = declared_field(model, "developer")
        device |= {
            "identifier": [
                {"system": "urn:auscult:weights-sha256", "value": model["weights_sha256"]}
            ],
            "version": [{"value": str(model["version"])}],
            **({"manufacturer": developer} if developer else {}),
        }
    return device


def _risk(told: ToldCase, device: str) -> Resource:
    prediction: Resource = {"outcome": {"text": humanised(told.name)}}
    if told.score["probability"] is not None:
        prediction["probabilityDecimal"] = told.score["probability"]
    if told.called is not None:
        side = "at or above" if told.called else "below"
        prediction["qualitativeRisk"] = {"text": f"{side} the threshold {told.threshold:.4g}"}
    rationale = basis_sentence(told)
    if rationale:
        prediction["rationale"] = rationale
    basis = [{"display": text} for text in _inputs(told)]
    return {
        "resourceType": "RiskAssessment",
        "id": _id(told, "risk"),
        "meta": {"security": [AI_ASSERTED]},
        "status": "preliminary",
        "subject": {
            "identifier": {"system": f"urn:auscult:study:{_study(told)}", "value": told.case}
        },
        "occurrenceDateTime": told.run["created"],
        "performer": {"reference": device},
        "method": {"text": str((told.explanation or {}).get("estimand") or "Predicted score")},
        **({"basis": basis} if basis else {}),
        "prediction": [prediction],
        "note": [
            {"text": text}
            for text in (observed_sentence(told), *reliability_sentences(told), *limits_of(told))
        ],
    }


def _study(told: ToldCase) -> str:
    study: Mapping[str, Any] = told.run["study"]
    return f"{study['name']}:{study['version']}" if study.get("version") else str(study["name"])


def _inputs(told: ToldCase) -> Iterator[str]:
    """Yield the inputs with the largest effects, as they were given to the model."""
    players = sorted(
        (told.explanation or {}).get("players") or (), key=lambda p: -abs(p["effect"] or 0.0)
    )
    for one in players[:_SHOWN]:
        yield f"{one['label']}: {value_text(one)}"


def _provenance(told: ToldCase, risk: str, device: str) -> Resource:
    return {
        "resourceType": "Provenance",
        "id": _id(told, "provenance"),
        "meta": {"security": [AI_ASSERTED]},
        "target": [{"reference": risk}],
        "recorded": told.run["created"],
        "reason": [{"coding": [AI_ASSERTED]}],
        "agent": [
            {
                "type": {"coding": [_AUTHOR]},
                "role": [{"coding": [_MACHINE]}],
                "who": {"reference": device},
            }
        ],
        "entity": list(_entities(told)),
    }


def _entities(told: ToldCase) -> Iterator[Resource]:
    """Yield what the risk was made from, each by its hash; the guide derives from the card."""
    sources = [
        ("evidence-sha256", told.run["evidence_sha256"], "Evidence of the audit run"),
        ("study-sha256", told.run["study"].get("sha256"), "Study data"),
    ]
    for name, value, shown in sources:
        if value:
            identifier = {"system": f"urn:auscult:{name}", "value": str(value)}
            yield {"role": "source", "what": {"identifier": identifier, "display": shown}}
    card = (told.model or {}).get("manifest_sha256")
    if card:
        identifier = {"system": "urn:auscult:manifest-sha256", "value": str(card)}
        shown = f"Model card of {model_label(told.output.get('model'))}"
        what = {"type": "DocumentReference", "identifier": identifier, "display": shown}
        yield {"role": "derivation", "what": what}
