"""Why a case got its score: from the run where it is there, else computed once and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from audits.errors import ExplanationError, PackageError
from audits.storage import Store, file_name_of
from dashboard.queries.runs import RunRef, load_run
from dashboard.queries.sources import case_study, everybody, run_model, run_study, weights_of
from dashboard.settings import read_settings

UNEXPLAINED = (PackageError,)
"""What :func:`case_explanation` raises where a score cannot be explained."""


EVERYBODY = "all"
"""The cohort that effects are measured against unless another is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which score of which case is explained, how, and against whom; of a segmentation, where."""

    ref: RunRef
    model: str
    case: str
    output: str
    cohort: str = EVERYBODY
    region: str = ""
    method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """An explanation as read: the plain entry and, for maps, the map over the stored image.

    Attributes:
        entry: ``explanation.json``.
        patient: Signed map on the grid of the stored image, or None.
        computed_now: True where the run did not hold it.
        segmented: What a segmentation model drew on the stored image, or None.
    """

    entry: Mapping[str, Any]
    patient: npt.NDArray[np.float32] | None
    computed_now: bool
    segmented: npt.NDArray[np.bool_] | None = None


def case_explanation(  # noqa: PLR0913, PLR0917 - the parts of a cache key
    ref: RunRef,
    model: str,
    case: str,
    output: str,
    cohort: str = EVERYBODY,
    region: str = "",
    method: str = "",
) -> Explanation:
    """Return the explanation of one score: the run's, the store's, or a new one, kept.

    A test may end while nobody looks, or be asked for by somebody else: one that was tested is
    looked for every time.

    Args:
        ref: The run.
        model: Model key.
        case: Case id.
        output: Name of the output.
        cohort: Whom effects are measured against; the run's own are against everybody.
        region: Of a segmentation, which pixels; empty for what the model segments.
        method: Name of a method; empty for the model's default one.

    Raises:
        ExplanationError: The model brings scores only, or its folder is gone.
        StudyError: The case's inputs cannot be opened.
        AdapterError: The model cannot be loaded.
    """
    wanted = Wanted(
        ref=ref,
        model=model,
        case=case,
        output=output,
        cohort=cohort,
        region=region,
        method=method,
    )
    checked = checked_folder(wanted)
    try:
        written = (checked / "explanation.json").stat().st_mtime_ns
    except OSError:
        return _untested(wanted)
    return _tested(str(checked), written)


@st.cache_resource(max_entries=96, show_spinner=False)
def _tested(folder: str, written: int) -> Explanation:
    """Return a tested explanation; the time in the key follows a second test."""
    del written
    return _read(Path(folder), computed_now=True)


@st.cache_resource(max_entries=96, show_spinner=False)
def _untested(wanted: Wanted) -> Explanation:
    """Return the run's explanation, the store's, or a new one."""
    own = wanted.cohort == EVERYBODY and not wanted.region and not wanted.method
    if own and (found := _from_run(wanted)) is not None:
        return found
    folder = _cache_folder(wanted, checks=False)
    if not (folder / "explanation.json").is_file():
        _compute(wanted, folder)
    return _read(folder, computed_now=True)


def checked_folder(wanted: Wanted) -> Path:
    """Return where an explanation lies once it was tested."""
    return _cache_folder(wanted, checks=True)


def methods_offered(ref: RunRef, model: str) -> tuple[str, ...]:
    """Return the methods that fit a model, its default first; none where its folder is gone."""
    from audits.explanations import methods_for

    adapter = run_model(ref, model)
    return () if adapter is None else tuple(methods_for(adapter))


@st.cache_data(max_entries=16, show_spinner=False)
def cohorts_offered(ref: RunRef) -> tuple[str, ...]:
    """Return the cohorts that a patient of the run's study may be compared with."""
    from audits.explanations.reference_cohorts import offered_cohorts

    study = case_study(ref, None)
    return offered_cohorts(study) if study is not None else (EVERYBODY,)


def reliability(entry: Mapping[str, Any]) -> str:
    """Return the word for an explanation: reflects, weak, fails or not_checked."""
    from audits.explanations.checks import badge
    from audits.explanations.result import Check

    return badge([Check(**check) for check in entry.get("checks") or []])[0]


def _from_run(wanted: Wanted) -> Explanation | None:
    root = load_run(wanted.ref).explanation_folder(wanted.model, wanted.case)
    for path in sorted(root.rglob("explanation.json")):
        entry = json.loads(path.read_bytes())
        if entry["output"] == wanted.output:
            return _read(path.parent, computed_now=False)
    return None


def _read(folder: Path, *, computed_now: bool) -> Explanation:
    entry = json.loads((folder / "explanation.json").read_bytes())
    patient = segmented = None
    if entry.get("map"):
        with np.load(folder / entry["map"]["file"], allow_pickle=False) as arrays:
            if "patient" in arrays.files:
                patient = np.asarray(arrays["patient"], dtype=np.float32)
            if "segmented" in arrays.files:
                segmented = np.asarray(arrays["segmented"], dtype=np.bool_)
    return Explanation(entry=entry, patient=patient, computed_now=computed_now, segmented=segmented)


def _cache_folder(wanted: Wanted, *, checks: bool) -> Path:
    held = load_run(wanted.ref).evidence
    made_from = [
        held["study"]["sha256"],
        weights_of(wanted.ref).get(wanted.model),
        held["run"]["seed"],
        wanted.case,
        wanted.output,
        checks,
    ]
    if wanted.cohort != EVERYBODY:
        made_from.append(wanted.cohort)
    if wanted.region:
        made_from.append({"region": wanted.region})
    if wanted.method:
        made_from.append({"method": wanted.method})
    key = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()
    return Store(read_settings().store).cache / "explanations" / file_name_of(wanted.model) / key


def _compute(wanted: Wanted, folder: Path) -> None:
    ref, model, case = wanted.ref, wanted.model, wanted.case
    from audits.explanations import explain_adapter_case

    adapter, study = run_model(ref, model), run_study(ref)
    if adapter is None or study is None:
        raise ExplanationError(
            f"Case {case}: the folder of {'the study' if study is None else model} is gone, so a "
            "new explanation cannot be computed; put it back or open one of the explained cases."
        )
    explained = explain_adapter_case(
        study,
        adapter,
        case,
        output=wanted.output,
        region=wanted.region or None,
        method=wanted.method or None,
        seed=int(load_run(ref).evidence["run"]["seed"]),
        background=everybody(ref, model) if wanted.cohort == EVERYBODY else wanted.cohort,
    )
    explained.save(folder)
