"""Testing an explanation in a process of its own, so that the page stays free meanwhile."""

from __future__ import annotations

from audits.errors import ExplanationError
from audits.jobs import Job, JobRunner
from dashboard.queries import explanations, sources
from dashboard.queries.explanations import Wanted
from dashboard.queries.runs import load_run
from dashboard.settings import read_settings


def start_check(wanted: Wanted) -> Job:
    """Start testing an explanation, or return the job that already does.

    Raises:
        ExplanationError: A folder is gone.
        StoreError: The store cannot be written.
    """
    study = sources.study_folder(wanted.ref)
    model = sources.model_folder(wanted.ref, wanted.model)
    if study is None or model is None:
        raise ExplanationError(
            f"Case {wanted.case}: the folder of {'the study' if study is None else wanted.model} "
            "is gone, so its explanation cannot be tested; put it back."
        )
    seed = int(load_run(wanted.ref).evidence["run"]["seed"])
    arguments = ["--study", study, "--model", model, "--case", wanted.case]
    arguments += ["--output", wanted.output, "--background", wanted.cohort, "--seed", str(seed)]
    if wanted.region:
        arguments += ["--region", wanted.region]
    if wanted.method:
        arguments += ["--method", wanted.method]
    return _runner().start_explanation(arguments, explanations.checked_folder(wanted))


def check_job(key: str) -> Job | None:
    """Return a job by its key."""
    return _runner().job(key)


def _runner() -> JobRunner:
    return JobRunner(read_settings().store)
