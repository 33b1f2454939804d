"""An audit of models on a study: predictions, explanations and subgroup statistics in one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audits.cancel import Cancel, never, part_of, stop_if
from audits.cohorts import Attribute, Study, open_study
from audits.errors import AuditError
from audits.fairness import BINARY_TASKS, audit_fairness, check_task
from audits.fairness.custom import custom_metrics_of
from audits.policy import Policy, load_policy
from audits.reporting import AuditParts, library_versions
from audits.running.base_run import BaseRun, base_pass, open_base
from audits.running.causes import study_context, with_causes
from audits.running.comparison import compare_passes
from audits.running.drift import Again, Side, explanation_drift, reseeded_key
from audits.running.extras import with_sections
from audits.running.frames import cases_frame
from audits.running.model import ModelPass, run_model
from audits.running.refusals import refuse_doubles, refuse_other_task
from audits.running.requirements import requirements_of
from audits.running.study_sections import model_section, quality_section, study_section
from audits.running.study_tasks import study_stays, study_times, study_weights
from audits.running.unused import unused_settings
from audits.running.writing import (
    Internal,
    content_key,
    new_run_id,
    now,
    stamp,
    unchanged_run,
    write_run,
)
from audits.storage import Run, Store
from audits.storage.writer import refuse_existing
from audits.types import Finding, Progress, Skipped, silent
from model_adapters import Manifest, read_manifest

_OPENED, _MODELS_DONE, _JUDGED, _AUDITED = 0.03, 0.8, 0.87, 0.97


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What a run is made from, before any model is loaded."""

    study: Study
    manifests: tuple[Manifest, ...]
    policy: Policy
    attributes: tuple[Attribute, ...]
    key: str
    base: BaseRun | None = None
    findings: tuple[Finding, ...] = field(default=())

    @property
    def models(self) -> list[Mapping[str, Any]]:
        """Return ``models`` of the evidence, the version in use first."""
        known = [] if self.base is None else [self.base.model]
        return [*known, *(model_section(m, self.study) for m in self.manifests)]

    @property
    def folders(self) -> dict[str, str]:
        """Return the folder of each model, as far as it is known."""
        known = {}
        if self.base is not None and self.base.key in self.base.run.info["models"]:
            known[self.base.key] = str(self.base.run.info["models"][self.base.key])
        return known | {m.card.key: str(m.folder) for m in self.manifests}


def run_study_audit(  # noqa: PLR0913 - mirrors the options of the command
    study: Path | str,
    models: Sequence[Path | str],
    *,
    out: Path | str,
    policy: Path | str | Mapping[str, Any] | None = None,
    device: str = "auto",
    seed: int = 0,
    store: Path | str | None = None,
    explain_cases: int = 50,
    check_cases: int = 8,
    command: Sequence[str] = (),
    if_changed: bool = False,
    compare: bool = False,
    base_run: Path | str | None = None,
    base_model: str | None = None,
    reseeded: Path | str | None = None,
    why: bool | None = None,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> Run:
    """Audit models on a study and write a run.

    Args:
        study: Study folder.
        models: Model folders.
        out: Run folder to make.
        policy: Policy file or data; None for the default policy.
        device: Where models run: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        seed: Seed of everything random.
        store: Store of runs.
        explain_cases: Cases explained for each model.
        check_cases: How many of these, drawn with the seed, get every check of the explanation.
        command: Command line, kept in ``internal/run.json``.
        if_changed: Return the run in ``out`` if it was made from the same things; otherwise
            move it to ``<out>.<its id>`` and make a new one.
        compare: Compare the second model with the first on the same patients, too.
        base_run: A run of the same study whose model is the first.
        base_model: ``id@version`` of that model; needed where the run holds several.
        reseeded: The first model trained again with another seed: what its reasons differ by is
            no change.
        why: Look for causes, slices and mitigation; None for runs that are not large.
        progress: Told how far the run is.
        cancel: Asked between steps.

    Raises:
        PackageError: One sentence on the first thing that cannot be used as it stands.
        CancelledRun: ``cancel`` said so.
    """
    target = Path(out).absolute()
    if not if_changed:
        refuse_existing(target)
    progress(0.0, "Opening the study")
    registry = Store(store)
    options = {
        "explain_cases": explain_cases,
        "check_cases": check_cases,
        "device": device,
        "compare": compare,
        "why": why,
        "reseeded": reseeded_key(reseeded),
    }
    plan = _plan(study, models, policy, base=(base_run, base_model), seed=seed, **options)
    same = unchanged_run(target, plan.key) if if_changed else None
    if same is not None:
        return same
    moment = now()
    passes = _passes(
        plan,
        registry.cache,
        device=device,
        seed=seed,
        explain_cases=explain_cases,
        check_cases=check_cases,
        progress=part_of(progress, _OPENED, _MODELS_DONE),
        cancel=cancel,
    )
    if plan.base is not None:
        passes = [base_pass(plan.base, plan.study, plan.attributes, plan.policy), *passes]
    result = audit_fairness(
        [output for one in passes for output in one.outputs],
        plan.policy,
        seed=seed,
        progress=part_of(progress, _MODELS_DONE, _JUDGED),
    )
    outputs = [output for one in passes for output in one.outputs]
    result = with_sections(
        result,
        outputs,
        plan.policy,
        stays=[
            study_stays(plan.study, one.predictions["case_id"].tolist())
            if output.task in BINARY_TASKS
            else None
            for one in passes
            for output in one.outputs
        ],
        custom=custom_metrics_of(None, plan.policy.custom_metrics),
        seed=seed,
    )
    result = with_causes(
        result,
        [
            (output, study_context(plan.study, plan.policy, one.predictions["case_id"].tolist()))
            for one in passes
            for output in one.outputs
        ],
        plan.policy,
        seed=seed,
        why=why,
        progress=part_of(progress, _JUDGED, _AUDITED),
        cancel=cancel,
    )
    weights = [str(model["weights_sha256"]) for model in plan.models]
    run_section = {
        "id": new_run_id(moment),
        "created": stamp(moment),
        "seed": seed,
        "versions": library_versions(models=True),
        "device": ", ".join(dict.fromkeys(p.device for p in passes)),
    }
    parts = replace(
        _parts(plan, passes, stamp(moment)),
        run=run_section,
        outputs=result.to_dict(),
        prior_runs=registry.prior_runs(plan.study.sha256, weights),
    )
    if compare:
        compared = compare_passes(
            passes[0], passes[1], plan.policy, audited=parts.outputs, seed=seed
        )
        drift = _drift(
            plan,
            passes,
            Again(study=plan.study, device=device, seed=seed, cancel=cancel),
            reseeded=reseeded,
            progress=part_of(progress, _AUDITED, 1.0),
        )
        parts = replace(
            parts,
            comparison={**compared.to_dict(), "explanation_drift": drift},
            findings=_distinct([*parts.findings, *compared.findings]),
        )
    progress(_AUDITED, "Writing the run")
    internal = _internal(plan, passes, command)
    run = write_run(target, parts, internal, store=registry, replace=if_changed, cancel=cancel)
    progress(1.0, "Done")
    return run


def _drift(
    plan: _Plan,
    passes: Sequence[ModelPass],
    again: Again,
    *,
    reseeded: Path | str | None,
    progress: Progress,
) -> dict[str, Any]:
    """Compare the reasons of the run's two versions; the base may be left in a run only."""
    run = None if plan.base is None else plan.base.run
    base = Side(scored=passes[0], folder=plan.manifests[0].folder if run is None else None, run=run)
    candidate = Side(scored=passes[1], folder=plan.manifests[-1].folder)
    return explanation_drift(
        base,
        candidate,
        again,
        plan.attributes,
        reseeded=None if reseeded is None else Path(reseeded),
        progress=progress,
    )


def _passes(  # noqa: PLR0913 - passes the run's options on
    plan: _Plan,
    cache: Path,
    *,
    device: str,
    seed: int,
    explain_cases: int,
    check_cases: int,
    progress: Progress,
    cancel: Cancel,
) -> list[ModelPass]:
    """Run each model in turn; only one is in memory at a time."""
    passes = []
    total = len(plan.manifests)
    for at, manifest in enumerate(plan.manifests):
        stop_if(cancel)
        passes.append(
            run_model(
                plan.study,
                manifest.folder,
                plan.policy,
                plan.attributes,
                device=device,
                seed=seed,
                explain_cases=explain_cases,
                check_cases=check_cases,
                cache=cache,
                progress=part_of(progress, at / total, (at + 1) / total),
                cancel=cancel,
            )
        )
    stop_if(cancel)
    return passes


def _parts(plan: _Plan, passes: Sequence[ModelPass], time: str) -> AuditParts:
    """Return everything but the run's identity and the statistics."""
    policy, study = plan.policy, plan.study
    cards = [m.card for m in plan.manifests]
    given = [output.name for one in passes for output in one.outputs]
    known = [
        *plan.findings,
        *unused_settings(policy, given, [a.name for a in plan.attributes]),
        *_misfitting(study),
    ]
    return AuditParts(
        run={},
        declaration={"policy_sha256": policy.sha256, "time": time, "by": policy.by},
        policy=policy.to_dict(),
        study=study_section(study),
        models=plan.models,
        skipped=_skipped(study, passes),
        explanations={p.key: p.summary for p in passes if p.summary},
        shortcuts=_shortcuts(passes, policy.shortcuts.margin_logits),
        data_quality=quality_section(study),
        requirements=requirements_of(policy, [a.name for a in plan.attributes], cards),
        findings=_distinct([*known, *(f for p in passes for f in p.findings)]),
    )


def _misfitting(study: Study) -> tuple[Finding, ...]:
    """Return what is to be said of masks that do not lie on their images."""
    from audits.explanations.localisation import misfitting_masks

    return misfitting_masks(study)


def _shortcuts(passes: Sequence[ModelPass], margin: float) -> Mapping[str, Any]:
    """Judge the suspects of all models together; empty where no model reads images."""
    suspects = [one for p in passes for one in p.suspects]
    facts = [p.shortcuts for p in passes if p.shortcuts]
    if not suspects and not facts:
        return {}
    from audits.explanations.shortcuts import joined_context, judge_shortcuts

    return {**judge_shortcuts(suspects, margin=margin), **joined_context(facts)}


def _internal(plan: _Plan, passes: Sequence[ModelPass], command: Sequence[str]) -> Internal:
    study = plan.study
    info = {
        "kind": "study",
        "key": plan.key,
        "command": list(command),
        "study": str(study.folder.absolute()),
        "models": plan.folders,
        "policy": plan.policy.file,
    }
    return Internal(
        info=info,
        cases=cases_frame(
            study.case_ids,
            study.patients,
            study.labels,
            study.attributes(),
            study_weights(study)[0],
            times=study_times(study),
        ),
        predictions={p.key: p.predictions for p in passes},
        maps={p.key: p.maps for p in passes if p.maps},
        explanations={p.key: p.explanations for p in passes if p.explanations},
        effects={p.key: p.effects for p in passes if p.effects is not None},
    )


def _plan(
    study: Path | str,
    models: Sequence[Path | str],
    policy: Path | str | Mapping[str, Any] | None,
    *,
    base: tuple[Path | str | None, str | None],
    **options: Any,
) -> _Plan:
    """Open the study, the manifests and the policy, and hash what the run is made from."""
    opened = open_study(study)
    manifests = tuple(read_manifest(folder) for folder in models)
    refuse_doubles(manifests)
    earlier = None if base[0] is None else open_base(base[0], opened, base[1])
    if earlier is not None and earlier.key in [m.card.key for m in manifests]:
        raise AuditError(
            f"{base[0]}: its model is {earlier.key}, and so is the candidate; give the candidate "
            "its own id or version."
        )
    for manifest in manifests:
        check_task(manifest.output.task, str(manifest.folder))
    if options["compare"]:
        refuse_other_task(manifests, earlier)
    declared = load_policy(policy, groups=tuple(opened.groups))
    key = content_key(
        kind="study",
        study=opened.sha256,
        models=[[m.card.key, m.card.weights_sha256, m.sha256] for m in manifests],
        policy=declared.sha256,
        base=None if earlier is None else [earlier.run.id, earlier.key],
        **options,
    )
    return _Plan(
        study=opened,
        manifests=manifests,
        policy=declared,
        attributes=opened.attributes(),
        key=key,
        base=earlier,
        findings=(*opened.findings, *study_weights(opened)[1], *declared.findings),
    )


def _skipped(study: Study, passes: Sequence[ModelPass]) -> tuple[Skipped, ...]:
    """Return every skipped case once for each reason."""
    found = [*study.skipped, *(s for one in passes for s in one.skipped)]
    return tuple({(s.case, s.reason): s for s in found}.values())


def _distinct(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple({(f.where, f.message): f for f in findings}.values())
