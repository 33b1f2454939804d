"""Sections of a table read in portions that need rows side by side: made on sampled patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from audits.cancel import Cancel, never
from audits.fairness import FairnessResult, ScoredOutput
from audits.fairness.causes import Context
from audits.fairness.reliability import reliability_section
from audits.policy import Policy
from audits.running.causes import SECTIONS, with_causes
from audits.running.patient_sample import PatientSample
from audits.types import Progress, silent

ALL_PATIENTS = "Made on every row."
_NO_SECOND_LABEL = "the table was read in portions, without further columns; audit it with --why"


def explained_on_sample(  # noqa: PLR0913 - passes the run's options on
    result: FairnessResult,
    outputs: Sequence[ScoredOutput],
    policy: Policy,
    *,
    sample: PatientSample,
    patients: int,
    seed: int,
    why: bool | None,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> FairnessResult:
    """Return the audit with reliability, causes, slices and mitigation of the sampled patients.

    Each section says under ``sample`` how many rows and patients it rests on. Metrics, intervals
    and verdicts stay those of all rows.

    Args:
        result: The audit of all rows.
        outputs: The sampled rows of every output.
        policy: The declaration.
        sample: What was sampled.
        patients: Patients of the whole table.
        seed: Seed of everything random.
        why: False leaves out causes, slices and mitigation.
        progress: Called with the finished share and what is being done.
        cancel: Asked between outputs.
    """
    basis = sample.basis(patients)

    def known(output: ScoredOutput) -> Context:
        declared = output.name in policy.causes.second_label
        return Context(no_second_label=_NO_SECOND_LABEL if declared else None)

    made = with_causes(
        result,
        [(output, known) for output in outputs],
        policy,
        seed=seed,
        why=why is not False,
        progress=progress,
        cancel=cancel,
    )
    words = ALL_PATIENTS if sample.whole else _words(basis)
    deeper = []
    for item, output in zip(made.outputs, outputs, strict=True):
        extras: dict[str, Any] = dict(item.extras)
        curve = reliability_section(output)
        if curve is not None:
            extras["reliability"] = curve
        for name in (*SECTIONS, "reliability"):
            if name in extras:
                extras[name] = _on(extras[name], basis, words)
        deeper.append(replace(item, extras=extras))
    return replace(made, outputs=tuple(deeper))


def _words(basis: Mapping[str, Any]) -> str:
    return (
        f"Made on a sample of {basis['patients']:,} of {basis['of_patients']:,} patients "
        f"({basis['cases']:,} of {basis['of_cases']:,} cases), chosen by a hash of the patient."
    )


def _on(section: Mapping[str, Any], basis: Mapping[str, Any], words: str) -> dict[str, Any]:
    if section.get("state") == "not_available":
        return dict(section)
    note = section.get("note")
    return {**section, "sample": basis, "note": f"{words} {note}" if note else words}
