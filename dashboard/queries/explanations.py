"""Why a case got its score: from the run where it is there, else computed once and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from audits.errors import ExplanationError, PackageError
from audits.storage import Store, file_name_of
from dashboard.queries.runs import RunRef, load_run
from dashboard.settings import read_settings

if TYPE_CHECKING:
    from audits.cohorts import Study, StudyImage
    from audits.explanations.backgrounds import Background
    from model_adapters import ModelAdapter
    from model_adapters.base import Feature

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
def _is_peekable(folder: str, sha256: str) -> bool:
    del sha256
    from audits.cohorts.peek import is_peekable

    return is_peekable(folder)


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
    if (folder, sha256) not in _whole() and _is_peekable(folder, sha256):
        return _peeked(folder, sha256, case)
    return opened_study(folder, sha256)


def variables(ref: RunRef) -> dict[str, Feature]:
    """Return the study's clinical variables by name; none where the study is gone."""
    study = case_study(ref, None)
    return {feature.name: feature for feature in study.variables} if study else {}


@st.cache_data(max_entries=16, show_spinner=False)
def yes_no_variables(ref: RunRef) -> frozenset[str]:
    """Return the variables that hold nothing but 0 and 1."""
    folder, study = study_folder(ref), case_study(ref, None)
    if folder is None or study is None:
        return frozenset()
    names = [feature.name for feature in study.variables if feature.name in study.cases]
    if _is_peekable(folder, load_run(ref).evidence["study"]["sha256"]):
        from audits.cohorts.peek import yes_no_columns

        return yes_no_columns(folder, names)
    return frozenset(n for n in names if set(study.cases[n].dropna().unique()) == {0, 1})


@st.cache_data(max_entries=16, show_spinner=False)
def filled_in(ref: RunRef, model: str) -> dict[str, float]:
    """Return what a model takes for each numeric variable that is missing, where it declares so."""
    from model_adapters.manifest import read_manifest

    place = model_folder(ref, model)
    if place is None:
        return {}
    try:
        inputs = read_manifest(place).inputs.values()
    except PackageError:
        return {}
    encodings = [one for given in inputs for one in getattr(given, "encoding", ())]
    given_for = {one.feature: getattr(one, "impute", None) for one in encodings}
    return {name: float(value) for name, value in given_for.items() if value is not None}


def hours_before(ref: RunRef, case: str) -> dict[str, float]:
    """Return how many hours before the case's time each variable was measured, where known."""
    study = case_study(ref, case)
    return study.hours_before(case) if study is not None else {}


def image_field(ref: RunRef) -> str | None:
    """Return the name of the study's image input, or None."""
    study = case_study(ref, None)
    if study is None:
        return None
    return next((name for name, one in study.inputs.items() if one.modality == "image"), None)


@st.cache_resource(max_entries=8, show_spinner=False)
def imaged_cases(ref: RunRef) -> frozenset[str]:
    """Return the cases whose image is shipped with the study; none where the study is gone."""
    from model_adapters.base import Field

    field = image_field(ref)
    study = run_study(ref) if field is not None else None
    if study is None or field is None:
        return frozenset()
    there = study.available([Field(name=field, modality="image")])
    return frozenset(case for case, has in zip(study.case_ids, there, strict=True) if has)


@st.cache_resource(max_entries=24, show_spinner=False)
def case_image(ref: RunRef, case: str, field: str) -> StudyImage:
    """Return the image of a case.

    Raises:
        StudyError: The image is not shipped or does not open.
        ExplanationError: The study folder is gone.
    """
    study = case_study(ref, case)
    if study is None:
        raise ExplanationError(
            f"Case {case}: the study folder of this run is gone; put it back to see images."
        )
    return study.image(case, field)


@st.cache_resource(max_entries=24, show_spinner=False)
def reference_mask(ref: RunRef, case: str, field: str, output: str) -> npt.NDArray[np.bool_] | None:
    """Return the study's own outline of a finding, or None where it has none."""
    study = case_study(ref, case)
    if study is None:
        return None
    image = case_image(ref, case, field)
    shape = image.pixels.shape[:-1] if image.colour else image.pixels.shape
    return study.finding(case, field, output, shape)


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


def case_values(ref: RunRef, case: str) -> list[tuple[Feature, float | str | None]]:
    """Return each clinical variable with the case's own value, in the study's order.

    Missing values are None, yes and no are words; nothing where the study is gone.
    """
    study = case_study(ref, case)
    if study is None or case not in study.cases.index:
        return []
    row = study.cases.loc[case]
    binary = yes_no_variables(ref)
    return [
        (feature, _shown(row[feature.name], yes_no=feature.name in binary))
        for feature in study.variables
        if feature.name in row
    ]


def _shown(value: Any, *, yes_no: bool) -> float | str | None:
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return None
    if yes_no:
        return "yes" if value else "no"
    return float(value) if isinstance(value, int | float | np.number) else str(value)
