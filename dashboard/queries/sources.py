"""The study and the models that a run was made from, opened once for all pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from audits.errors import ExplanationError
from dashboard.queries.runs import RunRef, load_run

if TYPE_CHECKING:
    from audits.cohorts import Study
    from audits.explanations.backgrounds import Background
    from model_adapters import ModelAdapter


def study_folder(ref: RunRef) -> str | None:
    """Return the study folder the run was made from, if it is still there."""
    named = load_run(ref).info.get("study")
    return str(named) if named and Path(named).is_dir() else None


def model_folder(ref: RunRef, model: str) -> str | None:
    """Return the folder of one of the run's models, if it is still there."""
    named = (load_run(ref).info.get("models") or {}).get(model)
    return str(named) if named and Path(named).is_dir() else None


@st.cache_resource(max_entries=4, show_spinner=False)
def opened_study(folder: str, sha256: str) -> Study:
    """Return the opened study; the hash in the key follows the run, not the file."""
    del sha256
    from audits.cohorts import open_study

    return open_study(folder)


@st.cache_resource(max_entries=3, show_spinner=False)
def opened_model(folder: str, weights_sha256: str) -> ModelAdapter:
    """Return the loaded model; at most three stay in memory."""
    del weights_sha256
    from model_adapters import load_adapter

    return load_adapter(folder)


def run_model(ref: RunRef, model: str) -> ModelAdapter | None:
    """Return one of the run's models, loaded, or None where its folder is gone."""
    place = model_folder(ref, model)
    return None if place is None else opened_model(place, weights_of(ref)[model])


def weights_of(ref: RunRef) -> dict[str, str]:
    """Return the hash of every model's weights by model key."""
    held = load_run(ref).evidence["models"]
    return {f"{one['id']}@{one['version']}": one["weights_sha256"] for one in held}


def everybody(ref: RunRef, model: str) -> Background | None:
    """Return the background that all cases of one of the run's models share.

    None where the model reads no variables, or a folder is gone.
    """
    place, study = model_folder(ref, model), run_study(ref)
    if place is None or study is None:
        return None
    seed = int(load_run(ref).evidence["run"]["seed"])
    return _everybody(place, weights_of(ref)[model], study.sha256, seed, study)


@st.cache_resource(max_entries=6, show_spinner=False)
def _everybody(
    folder: str, weights_sha256: str, study_sha256: str, seed: int, _study: Study
) -> Background | None:
    """Return the background that all cases of a model share; None where it has no variables."""
    del study_sha256
    from audits.explanations.backgrounds import audit_background

    adapter = opened_model(folder, weights_sha256)
    if not {field.modality for field in adapter.inputs} & {"table", "sequence"}:
        return None
    return audit_background(_study, adapter, seed=seed)


def run_study(ref: RunRef) -> Study | None:
    """Return the run's study, or None where its folder is gone."""
    folder = study_folder(ref)
    if folder is None:
        return None
    key = (folder, load_run(ref).evidence["study"]["sha256"])
    found = opened_study(*key)
    _whole().add(key)
    return found


@st.cache_resource(show_spinner=False)
def _whole() -> set[tuple[str, str]]:
    """Return the studies that were opened as a whole: no row of them is read again."""
    return set()


@st.cache_resource(max_entries=64, show_spinner=False)
def _peeked(folder: str, sha256: str, case: str | None) -> Study:
    """Return a study with one case only, or with any one for what does not depend on the case."""
    del sha256
    from audits.cohorts.peek import peek_study

    return peek_study(folder, [case] if case else [])


@st.cache_data(max_entries=8, show_spinner=False)
def is_peekable(folder: str, sha256: str) -> bool:
    """Return whether one row of a study can be read without the others: its table is Parquet."""
    del sha256
    from audits.cohorts import peek

    return peek.is_peekable(folder)


def case_study(ref: RunRef, case: str | None) -> Study | None:
    """Return the run's study for a view of one case: of a Parquet table only that row is read.

    Args:
        ref: The run.
        case: The case, or None where only variables and inputs are asked for.
    """
    folder = study_folder(ref)
    if folder is None:
        return None
    sha256 = load_run(ref).evidence["study"]["sha256"]
    if (folder, sha256) not in _whole() and is_peekable(folder, sha256):
        return _peeked(folder, sha256, case)
    return opened_study(folder, sha256)


def kept_study(ref: RunRef, case: str, seen: str) -> Study:
    """Return the run's study for a view of one case.

    Args:
        ref: The run.
        case: The case.
        seen: What is looked for in it, as the error names it.

    Raises:
        ExplanationError: The study folder is gone.
    """
    study = case_study(ref, case)
    if study is None:
        raise ExplanationError(
            f"Case {case}: the study folder of this run is gone; put it back to see {seen}."
        )
    return study
