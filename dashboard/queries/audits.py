"""Starting audits and watching them: jobs live in the store, not in the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from audits.errors import PackageError, StudyError
from audits.jobs import Job, JobRunner
from dashboard.queries.runs import RunCard, load_run
from dashboard.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Folders to choose from for a new audit: those of the start and those of earlier runs."""

    studies: tuple[str, ...]
    models: tuple[str, ...]


def runner(settings: Settings) -> JobRunner:
    """Return the jobs of the store; it holds no state of its own."""
    return JobRunner(settings.store)


def current_jobs(settings: Settings) -> list[Job]:
    """Return the jobs that still run or wait, and those that failed last; none without a store."""
    try:
        jobs = runner(settings).jobs()
    except (PackageError, OSError):
        return []
    return [job for job in jobs if not job.ended and job.verb == "audit"][:8]


def job(settings: Settings, key: str) -> Job | None:
    """Return a job by its key."""
    return runner(settings).job(key)


def start(settings: Settings, study: str, models: Sequence[str], policy: str | None) -> Job:
    """Start an audit, or return the job that already does it.

    Raises:
        StudyError: A folder does not hold what it should.
    """
    _hold(study, "study.toml", "Study")
    for model in models:
        _hold(model, "model.toml", "Model")
    if not models:
        raise StudyError("Model: none is chosen; choose at least one model folder.")
    if policy and not Path(policy).is_file():
        raise StudyError(f"Policy {policy}: there is no such file; leave it empty for the default.")
    return runner(settings).start_audit(study, models, policy=policy or None)


def offers(settings: Settings, cards: Sequence[RunCard]) -> Offer:
    """Return what a new audit may use."""
    studies = [str(path) for path in settings.studies]
    models = [str(path) for path in settings.models]
    for card in cards:
        found_study, found_models = _made_from(card)
        studies += [found_study] if found_study else []
        models += found_models
    return Offer(studies=tuple(dict.fromkeys(studies)), models=tuple(dict.fromkeys(models)))


def models_beside(study: str, offer: Offer) -> list[str]:
    """Return the offered models that lie in the study's folder: a first guess."""
    return [model for model in offer.models if Path(model).is_relative_to(study)]


def policy_beside(study: str) -> str:
    """Return the policy file in the study's folder, or nothing."""
    path = Path(study) / "policy.toml"
    return str(path) if path.is_file() else ""


@st.cache_data(max_entries=64, show_spinner=False)
def _made_from(card: RunCard) -> tuple[str | None, list[str]]:
    try:
        info = load_run(card.ref).info
    except PackageError:
        return None, []
    study = info.get("study")
    models = [str(path) for path in (info.get("models") or {}).values()]
    kept = [path for path in models if Path(path).is_dir()]
    return (str(study) if study and Path(study).is_dir() else None), kept


def _hold(folder: str, marker: str, what: str) -> None:
    if not (Path(folder) / marker).is_file():
        raise StudyError(f"{what} {folder}: no {marker} in there; name a folder that holds one.")
