"""The inputs of a model, with what the study says each of them measures (45 CFR 92.210(b))."""

from __future__ import annotations

from typing import Any

from audits.cohorts import Study
from model_adapters import Manifest
from model_adapters.base import Feature


def model_inputs(manifest: Manifest, study: Study) -> list[dict[str, Any]]:
    """Return every input of a model: its modality, and its variables where it has named ones.

    Whether a variable measures a protected basis is what the study's ``variables.csv`` declares;
    None where the study does not describe the variable.

    Args:
        manifest: The model's declarations.
        study: The study whose variables it reads.
    """
    known = {feature.name: feature for feature in study.variables}
    return [
        {
            "name": name,
            "modality": section.modality,
            "features": [
                _feature(feature, known.get(feature))
                for feature in getattr(section, "features", ())
            ],
        }
        for name, section in manifest.inputs.items()
    ]


def _feature(name: str, described: Feature | None) -> dict[str, Any]:
    return {
        "name": name,
        "label": described.label if described else name,
        "unit": described.unit if described else None,
        "protected": described.protected if described else None,
        "actionable": described.actionable if described else None,
    }
