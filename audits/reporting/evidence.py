"""The canonical result of a run: ``evidence.json``, from which everything else is made."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from audits.reporting.digest import PLACEHOLDER, with_digest
from audits.reporting.requirements import assess_requirements
from audits.reporting.summary import summarise
from audits.storage.canonical import canonical_json
from audits.types import Finding, Skipped

SCHEMA_VERSION = "1.0"

_LIBRARIES = ("auscult", "numpy", "scipy", "pandas", "pyarrow")
_MODEL_LIBRARIES = (
    "torch",
    "monai",
    "captum",
    "shap",
    "xgboost-cpu",
    "lightgbm",
    "onnxruntime",
    "scikit-learn",
    "skops",
    "pydicom",
    "nibabel",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """Something a reader is owed, and its state.

    Attributes:
        id: What it is, for example ``group.race`` or ``card.intended_use``.
        state: ``computed``, ``declared``, ``attested`` or ``not_available``.
        reason: Where it stands, or why it is not there.
    """

    id: str
    state: str
    reason: str

    def to_dict(self) -> dict[str, str]:
        """Return the entry of ``requirements``."""
        return {"id": self.id, "state": self.state, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditParts:
    """Everything a run computed, exact, before a release is rendered.

    Attributes:
        run: ``id``, ``created``, ``seed``, ``versions`` and ``device``.
        declaration: ``policy_sha256``, ``time`` and ``by``.
        policy: The policy as plain data.
        study: ``name``, ``version``, ``sha256``, ``cases`` and ``patients``.
        models: ``id``, ``version``, ``weights_sha256`` and declared card of each model.
        prior_runs: Earlier runs of the same study or models.
        skipped: Cases that were not used, and why.
        outputs: One entry per output, as the contract lays it out.
        explanations: Summary of the explained cases.
        shortcuts: Shortcut audit, empty where none was made.
        comparison: Version comparison, empty where none was made.
        data_quality: Missing and implausible values, duplicates, prevalence.
        requirements: State of what the policy and the model cards owe.
        findings: What the reader must know.
    """

    run: Mapping[str, Any]
    declaration: Mapping[str, Any]
    policy: Mapping[str, Any]
    study: Mapping[str, Any]
    models: Sequence[Mapping[str, Any]] = ()
    prior_runs: Sequence[Mapping[str, Any]] = ()
    skipped: Sequence[Skipped] = ()
    outputs: Sequence[Mapping[str, Any]] = ()
    explanations: Mapping[str, Any] = field(default_factory=dict)
    shortcuts: Mapping[str, Any] = field(default_factory=dict)
    comparison: Mapping[str, Any] = field(default_factory=dict)
    data_quality: Mapping[str, Any] = field(default_factory=dict)
    requirements: Sequence[Requirement] = ()
    findings: Sequence[Finding] = ()


def build_evidence(parts: AuditParts) -> dict[str, Any]:
    """Return the exact evidence, at release ``internal``, not yet sealed.

    :func:`seal` adds the hash of the internal files; :func:`audits.reporting.release.restrict`
    masks small counts.
    """
    evidence: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "release": "internal",
        "run": {**parts.run, "internal_sha256": None},
        "declaration": dict(parts.declaration),
        "prior_runs": [dict(r) for r in parts.prior_runs],
        "study": dict(parts.study),
        "models": [dict(m) for m in parts.models],
        "policy": dict(parts.policy),
        "skipped": [s.to_dict() for s in parts.skipped],
        "outputs": [dict(o) for o in parts.outputs],
        "explanations": dict(parts.explanations),
        "shortcuts": dict(parts.shortcuts),
        "comparison": dict(parts.comparison),
        "data_quality": dict(parts.data_quality),
        "requirements": [r.to_dict() for r in parts.requirements],
        "findings": [f.to_dict() for f in parts.findings],
    }
    chosen = parts.policy.get("report", {}).get("profile") or None
    evidence["requirements"] += assess_requirements(evidence, only=chosen)
    return {**evidence, "summary": summarise(evidence)}


def seal(evidence: Mapping[str, Any], internal_sha256: str) -> dict[str, Any]:
    """Return the evidence bound to the internal files by their hash, its counts made anew.

    Its ``digest`` is that of its own canonical JSON (:mod:`audits.reporting.digest`), so that the
    file alone, or attached to a report, says whether a byte of it was altered.
    """
    run = {**evidence["run"], "internal_sha256": internal_sha256}
    blank = {**evidence, "run": run, "summary": summarise(evidence), "digest": PLACEHOLDER}
    sealed: dict[str, Any] = json.loads(with_digest(canonical_json(blank)))
    return {**blank, "digest": sealed["digest"]}


def library_versions(*, models: bool) -> dict[str, str]:
    """Return the versions of what computed the run, without importing any of it.

    Args:
        models: Whether models were run, so that their libraries count too.
    """
    found = {"python": platform.python_version()}
    for name in _LIBRARIES + (_MODEL_LIBRARIES if models else ()):
        installed = _installed(name)
        if installed is not None:
            found[name] = installed
    return found


@lru_cache(maxsize=64)
def _installed(name: str) -> str | None:
    """Return a library's version, read from its metadata once a process."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
