"""Two runs side by side: what their versions gave is compared, and nothing is scored again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from audits.cohorts import Attribute
from audits.comparison import NUMBER_METRICS, Version
from audits.errors import AuditError
from audits.fairness import ScoredOutput
from audits.fairness.types import Details
from audits.policy import Policy
from audits.running.base_run import measured_output, scores_of
from audits.running.comparison import (
    IN_RUNS,
    SEGMENTATION,
    ComparisonResult,
    compare_versions,
)
from audits.running.held_tasks import (
    DETECTION,
    SURVIVAL,
    held_marks,
    held_survival,
    marks_of_both,
    refuse_other_horizons,
)
from audits.running.writing import SCORES_KEY
from audits.storage import Run


def compare_runs(
    base: Run,
    candidate: Run,
    policy: Policy,
    *,
    base_model: str | None = None,
    candidate_model: str | None = None,
) -> ComparisonResult:
    """Compare a model of one run with a model of another, on the cases that both scored.

    Args:
        base: Run of the version in use.
        candidate: Run of the version that would replace it.
        policy: Declares what gets a verdict; groups that it leaves open are the candidate run's.
        base_model: ``id@version`` in the base's run; needed where it holds several.
        candidate_model: The same of the candidate's run.

    Raises:
        AuditError: The runs are of different data, or a model cannot be chosen or compared.
    """
    keys = (
        _chosen(base, base_model, "--base-model"),
        _chosen(candidate, candidate_model, "--candidate-model"),
    )
    if base.id == candidate.id and keys[0] == keys[1]:
        raise AuditError(
            f"run {base.id}: is compared with itself; name the run of the version in use."
        )
    _refuse_unlike(base, candidate)
    refuse_other_horizons(base, candidate)
    marks = None
    if any(one["task"] == DETECTION for one in candidate.exact["outputs"]):
        marks = marks_of_both(base, candidate)
    versions = [_version(run, key, marks) for run, key in zip((base, candidate), keys, strict=True)]
    audited = [*base.exact["outputs"], *candidate.exact["outputs"]]
    return compare_versions(versions[0], versions[1], policy, audited=audited)


def _chosen(run: Run, wanted: str | None, option: str) -> str | None:
    """Return the model of a run, None where it audits a table of scores."""
    found = list(dict.fromkeys(output["model"] for output in run.exact["outputs"]))
    if wanted is not None and wanted not in found:
        names = ", ".join(one or "a table of scores" for one in found)
        raise AuditError(f"{run.path}: does not hold {wanted}; name one of {names} with {option}.")
    if wanted is None and len(found) > 1:
        names = ", ".join(one or "a table of scores" for one in found)
        raise AuditError(f"{run.path}: holds several models; name one of {names} with {option}.")
    return wanted if wanted is not None else found[0]


def _refuse_unlike(base: Run, candidate: Run) -> None:
    """Refuse runs on different data; two tables pass where they agree on every shared case."""
    first, second = base.exact["study"], candidate.exact["study"]
    if first["sha256"] == second["sha256"]:
        return
    if not (base.exact["models"] or candidate.exact["models"]) and _tables_agree(base, candidate):
        return
    raise AuditError(
        f"{base.path} was made on {first['name']} with sha256 {first['sha256'][:12]}… and "
        f"{candidate.path} on {second['name']} with {second['sha256'][:12]}…; versions are only "
        "compared on the same data, so audit one of them again on the other's."
    )


def _tables_agree(base: Run, candidate: Run) -> bool:
    """Return whether two tables share cases, and labels and groups of all of these."""
    both = base.cases.merge(candidate.cases, on="case_id", suffixes=("", "__candidate"))
    kinds = ("label__", "group__", "time__", "image")
    told = [c for c in base.cases.columns if c.startswith(kinds)]
    told = [c for c in told if f"{c}__candidate" in both]
    same = all(
        both[name].astype(object).equals(both[f"{name}__candidate"].astype(object)) for name in told
    )
    # Measured cases of a segmentation have no label.
    measured = all(one["task"] == SEGMENTATION for one in base.exact["outputs"])
    return len(both) > 0 and same and (measured or any(name.startswith("label__") for name in told))


def _version(run: Run, key: str | None, marks: pd.DataFrame | None) -> Version:
    """Return what a run holds of one version, on the marks of both where they are a detection's."""
    frame = run.predictions(SCORES_KEY if key is None else key)
    if marks is None:
        cases = run.cases.set_index("case_id").reindex(frame["case_id"])
    else:
        cases = marks
        frame = frame.set_index("case_id").reindex(marks.index).reset_index()
    model = next((m for m in run.exact["models"] if f"{m['id']}@{m['version']}" == key), None)
    space = str(run.info.get("space", "value")) if model is None else str(model["space"])
    held = [one for one in run.exact["outputs"] if one["model"] == key]
    for one in held:
        if one["task"] not in IN_RUNS:
            raise AuditError(
                f"{run.path}, {one['name']}: a run does not hold what a {one['task']} output is "
                "compared by; compare both versions on the study or the table: auscult compare."
            )
    outputs = tuple(_output(run, one, frame, cases, space) for one in held)
    ids = frame["case_id"].astype(str).tolist()
    return Version(
        key=key or f"{run.exact['study']['name']}, run {run.id}",
        case_ids={one.name: ids for one in outputs},
        outputs=outputs,
    )


def _output(
    run: Run, entry: Mapping[str, Any], frame: pd.DataFrame, cases: pd.DataFrame, space: str
) -> ScoredOutput:
    name, number = entry["name"], entry["task"] in NUMBER_METRICS
    patients = cases["patient"].to_numpy() if "patient" in cases else None
    attributes = tuple(
        _attribute(str(c), cases[c]) for c in cases.columns if str(c).startswith("group__")
    )
    if entry["task"] == SEGMENTATION:
        return measured_output(entry, frame, patients, attributes)
    column, scale = scores_of(list(frame.columns), name, space)
    score = frame[column].to_numpy(dtype=np.float64)
    details: Details | None = None
    if entry["task"] == SURVIVAL:
        score, details = held_survival(run, entry, cases, score, scale)
    elif entry["task"] == DETECTION:
        details, score = held_marks(cases, name, score), np.zeros(len(score))
    truth = cases[f"label__{name}"]
    y = (
        truth.to_numpy(dtype=np.float64)
        if number
        else truth.fillna(-1).to_numpy(dtype=np.int64).astype(np.int8)
    )
    return ScoredOutput(
        name=name,
        model=entry["model"],
        y=y,
        score=score,
        label_column=entry["label"]["column"],
        positive=entry["label"]["positive"],
        task=entry["task"],
        space=scale,
        threshold=entry["threshold"]["value"],
        threshold_source=entry["threshold"]["source"],
        threshold_chosen_on=entry["threshold"]["chosen_on"],
        patients=patients,
        attributes=attributes,
        scope=entry["scope"],
        weights=cases["weight"].to_numpy(dtype=np.float64) if "weight" in cases else None,
        details=details,
    )


def _attribute(column: str, values: pd.Series) -> Attribute:
    name = column.removeprefix("group__")
    coded = values.astype("category")
    return Attribute(
        name=name,
        column=name,
        kind="demographic",
        levels=tuple(str(level) for level in coded.cat.categories),
        codes=np.asarray(coded.cat.codes, dtype=np.int32),
    )
