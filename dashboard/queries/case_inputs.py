"""What a study holds of its cases: clinical variables, values, images and outlines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from audits.errors import PackageError
from dashboard.queries.runs import RunRef, load_run
from dashboard.queries.sources import (
    case_study,
    is_peekable,
    kept_study,
    model_folder,
    run_study,
    study_folder,
)

if TYPE_CHECKING:
    from audits.cohorts import StudyImage
    from model_adapters.base import Feature


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
    if is_peekable(folder, load_run(ref).evidence["study"]["sha256"]):
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
    return kept_study(ref, case, "images").image(case, field)


@st.cache_resource(max_entries=24, show_spinner=False)
def reference_mask(ref: RunRef, case: str, field: str, output: str) -> npt.NDArray[np.bool_] | None:
    """Return the study's own outline of a finding, or None where it has none."""
    study = case_study(ref, case)
    if study is None:
        return None
    image = case_image(ref, case, field)
    shape = image.pixels.shape[:-1] if image.colour else image.pixels.shape
    return study.finding(case, field, output, shape)


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
