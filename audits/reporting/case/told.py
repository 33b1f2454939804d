"""What a run holds of one case: its score, why, and how reliable the model is for its groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audits.errors import AuditError
from audits.fairness.observed_risk import NOT_TOLD, ObservedRate, observed_of
from audits.reporting.case.question import CaseQuestion
from audits.reporting.words import model_key
from audits.storage.names import name_of_file
from audits.storage.run import Run

if TYPE_CHECKING:
    import pandas as pd

SCORES_KEY = "scores"
"""Under which a run keeps the predictions of a table that came without a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldCase:
    """One case under one output of one model.

    Attributes:
        case: Id, the study's pseudonym.
        run: ``id``, ``created``, ``release`` and ``study`` of the run.
        model: Entry of ``models`` in the evidence, or None for a table of scores.
        output: Entry of ``outputs`` in the evidence, at its release.
        score: ``logit``, ``probability`` and ``value``; None where the output has no such scale.
        threshold: Probability from which a case is called positive, or None.
        levels: Attribute to this case's level.
        groups: Entries of the output's groups that this case belongs to, marginal ones first.
        explanation: ``explanation.json``, or None where the run does not explain the case.
        folder: Folder of that explanation with its map, or None.
        observed: How many of a hundred cases with such a risk had the condition, or why not.
    """

    case: str
    run: Mapping[str, Any]
    model: Mapping[str, Any] | None
    output: Mapping[str, Any]
    score: Mapping[str, float | None]
    threshold: float | None
    levels: Mapping[str, str]
    groups: tuple[Mapping[str, Any], ...]
    explanation: Mapping[str, Any] | None
    folder: Path | None
    observed: ObservedRate | str = NOT_TOLD

    @property
    def name(self) -> str:
        """Return the output's name."""
        return str(self.output["name"])

    @property
    def called(self) -> bool | None:
        """Return whether the case is called positive, or None without risk or threshold."""
        risk = self.score["probability"]
        return None if risk is None or self.threshold is None else risk >= self.threshold


def case_of_run(run: Run, about: CaseQuestion) -> ToldCase:
    """Return what a run holds of one case.

    Raises:
        AuditError: The run has no such case, model or output.
    """
    evidence = run.evidence
    key = _model_key(run, about.model)
    cases = run.cases
    row = cases[cases["case_id"].astype(str) == about.case]
    if row.empty:
        raise AuditError(
            f"report: run {run.id} has no case {about.case!r}; name one such as "
            f"{str(cases['case_id'].iloc[0])!r}."
        )
    scores = run.predictions(key)
    scores = scores[scores["case_id"].astype(str) == about.case]
    if scores.empty:
        raise AuditError(f"report: {key} did not score case {about.case!r}; name another case.")
    outputs = [o for o in evidence["outputs"] if o["model"] in (key, None)]
    output = _output(outputs, scores, about.output)
    levels = {
        str(c).removeprefix("group__"): str(row.iloc[0][c])
        for c in cases.columns
        if str(c).startswith("group__")
    }
    explanation, folder = _explanation(run, key, about.case, str(output["name"]))
    score = _score(scores, str(output["name"]))
    return ToldCase(
        case=about.case,
        run={
            "id": run.id,
            "created": run.created,
            "release": evidence["release"],
            "study": {k: evidence["study"].get(k) for k in ("name", "version", "sha256")},
            "evidence_sha256": _evidence_sha256(run),
        },
        model=next((m for m in evidence["models"] if model_key(m) == key), None),
        output=output,
        score=score,
        threshold=(output.get("threshold") or {}).get("value"),
        levels=levels,
        groups=tuple(_groups_of(output, levels)),
        explanation=explanation,
        folder=folder,
        observed=observed_of(evidence, output, score["probability"]),
    )


def _evidence_sha256(run: Run) -> str:
    from audits.storage.canonical import file_sha256

    return file_sha256(run.path / "evidence.json")


def _model_key(run: Run, wanted: str | None) -> str:
    known = run.model_keys
    if wanted is None:
        declared = [model_key(m) for m in run.evidence["models"]]
        return next((key for key in declared if key in known), SCORES_KEY)
    if wanted not in known:
        raise AuditError(
            f"report: run {run.id} has no model {wanted!r}; choose from {', '.join(known)}."
        )
    return wanted


def _output(
    outputs: Sequence[Mapping[str, Any]], scores: pd.DataFrame, wanted: str | None
) -> Mapping[str, Any]:
    names = [str(o["name"]) for o in outputs]
    if wanted is None and outputs:
        return max(outputs, key=lambda o: _rank(_score(scores, str(o["name"]))))
    for output in outputs:
        if output["name"] == wanted:
            return output
    raise AuditError(f"report: there is no output {wanted!r}; choose from {', '.join(names)}.")


def _rank(score: Mapping[str, float | None]) -> float:
    known = [v for v in (score["probability"], score["logit"], score["value"]) if v is not None]
    return known[0] if known else float("-inf")


def _score(scores: pd.DataFrame, name: str) -> dict[str, float | None]:
    columns = {"logit": "logit__", "probability": "prob__", "value": "score__"}
    found: dict[str, float | None] = {}
    for key, prefix in columns.items():
        column = f"{prefix}{name}"
        value = scores.iloc[0][column] if column in scores else None
        found[key] = None if value is None or value != value else float(value)  # noqa: PLR0124 - NaN
    return found


def _groups_of(output: Mapping[str, Any], levels: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """Yield the groups of an output that a case belongs to, the larger ones first."""
    mine = [
        group
        for group in output["groups"]
        if all(levels.get(name) == str(level) for name, level in group["attributes"].items())
    ]
    yield from sorted(mine, key=lambda g: len(g["attributes"]))


def _explanation(
    run: Run, key: str, case: str, output: str
) -> tuple[Mapping[str, Any] | None, Path | None]:
    root = run.explanation_folder(key, case)
    for path in sorted(root.glob("*/explanation.json")):
        if name_of_file(path.parent.name).startswith(f"{output}."):
            found = [e for e in run.explanations(key, case) if e["output"] == output]
            return next(iter(found), None), path.parent
    return None, None
