"""What the evidence says of a study, its models and its data, apart from any result."""

from __future__ import annotations

from typing import Any

from audits.cohorts import Study
from audits.cohorts.inputs import inside, path_cells
from audits.running import quality
from audits.running.inputs import model_inputs
from model_adapters import Manifest


def study_section(study: Study) -> dict[str, Any]:
    """Return the evidence's ``study``: what was audited, by name, hash and size."""
    return {
        "name": study.name,
        "version": study.version,
        "description": study.description,
        "licence": study.licence,
        "sha256": study.sha256,
        "cases": len(study.case_ids),
        "patients": study.n_patients,
        "split": study.split,
        "scope": study.scope,
        "sampling": study.spec.cases.sampling,
    }


def model_section(manifest: Manifest, study: Study) -> dict[str, Any]:
    """Return an entry of the evidence's ``models``."""
    card = manifest.card
    return {
        "id": card.id,
        "version": card.version,
        "weights_sha256": card.weights_sha256,
        "manifest_sha256": card.manifest_sha256,
        "format": card.format,
        "task": manifest.output.task,
        "space": manifest.output.space,
        "outputs": list(manifest.output.names),
        "inputs": model_inputs(manifest, study),
        "card": dict(card.declared),
    }


def quality_section(study: Study) -> dict[str, Any]:
    """Return the evidence's ``data_quality`` of a study."""
    cases, spec = study.cases, study.spec.cases
    columns = [label.column for label in study.labels.values()]
    columns += [attribute.column for attribute in study.attributes()]
    columns += [variable.name for variable in study.variables]
    content = [v.name for v in study.variables if v.name in cases.columns]
    return {
        "missing": quality.missing_values(cases, columns),
        "repeated_patients": quality.repeated_patients(study.patients),
        "doubled_rows": quality.doubled_rows(cases, content, study.patients),
        "units": quality.units(cases, study.variables),
        "code_systems": quality.code_systems(
            cases, study.variables, ids=(spec.id, spec.patient, spec.split)
        ),
        "implausible": quality.implausible_values(cases, study.variables),
        "shared_patients": quality.shared_patients(study.table, spec.patient, spec.split),
        "prevalence": quality.prevalence(study.labels, study.attributes()),
        "prevalence_by_month": quality.prevalence_by_month(
            None if spec.time is None else cases[spec.time], study.labels
        ),
        **_deidentification(study),
    }


def _deidentification(study: Study) -> dict[str, Any]:
    """Return what the study's DICOM images state, nothing where it has none."""
    columns = [i.column for i in study.inputs.values() if i.kind == "dicom" and i.column]
    if not columns:
        return {}
    from audits.cohorts.images.deidentification import stated_deidentification

    names = [name for column in columns for name in path_cells(study.cases[column]) if name]
    found = (inside(study.folder, str(name)) for name in names)
    return {"deidentification": stated_deidentification(found)}
