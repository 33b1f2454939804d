"""Declaring a policy on the page: written and hashed before the audit it is for begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audits.errors import StudyError
from audits.jobs import Job
from audits.policy.writing import declare_policy, policy_toml
from dashboard.queries import audits
from dashboard.queries.runs import RunRef, load_run
from dashboard.settings import read_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What is declared anew; everything else stays as the run's policy has it.

    Attributes:
        alpha: Level of the whole run.
        groups: Attributes whose groups are compared.
        margins: Verdict metric to margin.
        thresholds: Output to threshold on the predicted risk.
        reasons: Dotted path to the reason of a number.
        shortcut_margin: Margin of the shortcut audit in logits; None keeps the policy's.
    """

    alpha: float
    groups: tuple[str, ...]
    margins: tuple[tuple[str, float], ...]
    thresholds: tuple[tuple[str, float], ...]
    reasons: tuple[tuple[str, str], ...]
    shortcut_margin: float | None = None


def declared(policy: Mapping[str, Any], said: Declaration) -> dict[str, Any]:
    """Return a policy with what was declared in place of its own."""
    kept = [pair for pair in policy["audit"]["intersections"] if set(pair) <= set(said.groups)]
    reference = policy["audit"].get("reference") or {}
    audit = {
        **policy["audit"],
        "alpha": said.alpha,
        "groups": list(said.groups),
        "intersections": kept,
        "reference": {name: to for name, to in reference.items() if name in said.groups},
    }
    reasons = {**policy.get("reasons", {}), **dict(said.reasons)}
    shortcuts = policy.get("shortcuts") or {}
    if said.shortcut_margin is not None:
        shortcuts = {**shortcuts, "margin_logits": said.shortcut_margin}
    return {
        **policy,
        "audit": audit,
        **({"shortcuts": shortcuts} if shortcuts else {}),
        "margin": {**policy["margin"], **dict(said.margins)},
        "thresholds": {**policy.get("thresholds", {}), **dict(said.thresholds)},
        "reasons": {key: text for key, text in reasons.items() if text.strip()},
    }


def moved(evidence: Mapping[str, Any]) -> list[str]:
    """Return each margin that differs from that of the latest earlier run, in words."""
    from audits.reporting.document.front import margins_moved

    return margins_moved(evidence) if evidence.get("prior_runs") else []


def declared_text(ref: RunRef, said: Declaration) -> str:
    """Return the policy file that would be declared."""
    return policy_toml(declared(load_run(ref).evidence["policy"], said))


def audit_anew(ref: RunRef, said: Declaration) -> tuple[Path, Job]:
    """Write the declaration, then start the audit of the run's study and models under it.

    Raises:
        StudyError: The run came from a table, or a folder is gone.
        PolicyError: It is no policy.
    """
    run = load_run(ref)
    study, models = run.info.get("study"), run.info.get("models") or {}
    if not study or not models:
        raise StudyError(
            "This run audits a table of predictions, which the page cannot read again; save the "
            "policy and use `auscult audit --predictions FILE --policy FILE`."
        )
    settings = read_settings()
    path = declare_policy(declared(run.evidence["policy"], said), settings.store)
    return path, audits.start(settings, str(study), [str(m) for m in models.values()], str(path))
