"""Bring two versions onto the same rows: outputs joined by name, cases by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cohorts import Attribute
from audits.comparison.pair import NUMBER_METRICS
from audits.errors import AuditError
from audits.fairness import ScoredOutput
from audits.types import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version's scored outputs and the cases they belong to.

    Attributes:
        key: Name of the version.
        case_ids: For each output by name, the (n,) ids its rows belong to.
        outputs: Scored outputs.
    """

    key: str
    case_ids: Mapping[str, Sequence[str]]
    outputs: tuple[ScoredOutput, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Two versions on the same rows, and all that was left out on the way.

    Attributes:
        pairs: Base and candidate of every shared output, in the base's order, rows with a known
            label only.
        cases: Output to the number of cases that are ``compared``, that only one version scored
            (``base_only``, ``candidate_only``), and that lack a label or a measurement
            (``unmeasured``).
        not_compared: Outputs that one version alone gives: ``name`` and ``given_by``.
        findings: The same in sentences, and what differs beside the model.
    """

    pairs: tuple[tuple[ScoredOutput, ScoredOutput], ...]
    cases: Mapping[str, Mapping[str, int]]
    not_compared: tuple[Mapping[str, str], ...]
    findings: tuple[Finding, ...]


def join_versions(base: Version, candidate: Version) -> Joined:
    """Return pairs of outputs on exactly the cases that both versions scored.

    Args:
        base: The version in use.
        candidate: The version that would replace it.

    Returns:
        The pairs, and everything that was left out: cases that one version did not score, outputs
        that one does not give.

    Raises:
        AuditError: If the versions share no output or no case.
    """
    findings = [*_only_one(base, candidate), *_only_one(candidate, base)]
    theirs = {output.name: output for output in candidate.outputs}
    shared = [output for output in base.outputs if output.name in theirs]
    if not shared:
        raise AuditError(
            f"{base.key} gives {_names(base)} and {candidate.key} gives {_names(candidate)}: no "
            "output has the same name, so there is nothing to compare; rename an output in "
            "model.toml if the two mean the same."
        )
    pairs = [_shared_rows(base, candidate, output, theirs[output.name]) for output in shared]
    cases = {}
    for output, (first, second) in zip(shared, pairs, strict=True):
        findings += _settings(first, second)
        cases[output.name] = _counted(base, candidate, output.name, len(first.y))
        findings += _unmeasured(output.name, cases[output.name]["unmeasured"])
    return Joined(
        pairs=tuple(pairs),
        cases=cases,
        not_compared=(
            *_alone(base, candidate, given_by="base"),
            *_alone(candidate, base, given_by="candidate"),
        ),
        findings=tuple(findings),
    )


def _counted(base: Version, candidate: Version, name: str, compared: int) -> dict[str, int]:
    """Count the cases of an output that are compared, and those that are not, by why."""
    mine, theirs = set(base.case_ids[name]), set(candidate.case_ids[name])
    return {
        "compared": compared,
        "base_only": len(mine - theirs),
        "candidate_only": len(theirs - mine),
        "unmeasured": len(mine & theirs) - compared,
    }


def _alone(here: Version, there: Version, *, given_by: str) -> list[dict[str, str]]:
    known = {output.name for output in there.outputs}
    return [
        {"name": output.name, "given_by": given_by}
        for output in here.outputs
        if output.name not in known
    ]


def _shared_rows(
    base: Version, candidate: Version, first: ScoredOutput, second: ScoredOutput
) -> tuple[ScoredOutput, ScoredOutput]:
    """Put an output of both versions on the cases that both scored, in the base's order."""
    theirs = pd.Index(list(candidate.case_ids[first.name]))
    places = theirs.get_indexer(pd.Index(list(base.case_ids[first.name])))
    both = places >= 0
    if not both.any():
        raise AuditError(
            f"{base.key} and {candidate.key} scored no case in common; compare them on one study."
        )
    return _known(_rows(first, np.flatnonzero(both)), _rows(second, places[both]))


def _only_one(here: Version, there: Version) -> list[Finding]:
    found = []
    for name in here.case_ids.keys() & there.case_ids.keys():
        missing = len(set(here.case_ids[name]) - set(there.case_ids[name]))
        if missing:
            message = f"{name}: {missing:,} cases were scored by {here.key} only; left out."
            found.append(Finding(severity="warning", where="comparison", message=message))
    found += [
        Finding(
            severity="warning",
            where="comparison",
            message=f"{one['name']} is given by {here.key} only and is not compared.",
        )
        for one in _alone(here, there, given_by=here.key)
    ]
    return found


def _unmeasured(name: str, lacking: int) -> list[Finding]:
    """State how many cases of both lack a label or what one version is measured by."""
    if lacking <= 0:
        return []
    message = f"{name}: {lacking:,} cases have no label, or no measurement in one version; left out"
    return [Finding(severity="info", where="comparison", message=f"{message}.")]


def _settings(first: ScoredOutput, second: ScoredOutput) -> list[Finding]:
    """State what differs beside the model, so that unlike is not taken for like."""
    found = []
    if first.threshold != second.threshold:
        message = (
            f"{first.name}: the base decides at {first.threshold}, the candidate at "
            f"{second.threshold}; rates compare the decisions, each at its own threshold."
        )
        found.append(Finding(severity="info", where="comparison", message=message))
    if first.space != second.space:
        message = (
            f"{first.name}: the base's scores are {first.space}, the candidate's {second.space}; "
            "only ranks and decisions are compared."
        )
        found.append(Finding(severity="warning", where="comparison", message=message))
    return found


def _rows(output: ScoredOutput, rows: npt.NDArray[np.intp]) -> ScoredOutput:
    taken = tuple(
        attribute.take(rows) for attribute in output.attributes if isinstance(attribute, Attribute)
    )
    return replace(
        output,
        y=output.y[rows],
        score=output.score[rows],
        patients=None if output.patients is None else output.patients[rows],
        attributes=taken,
        weights=None if output.weights is None else output.weights[rows],
        # An index selects as a mask does.
        details=None if output.details is None else output.details.take(rows),  # type: ignore[arg-type]
    )


def _known(first: ScoredOutput, second: ScoredOutput) -> tuple[ScoredOutput, ScoredOutput]:
    """Keep the rows with a label that both versions measure."""
    labelled = np.isfinite(first.y) if first.task in NUMBER_METRICS else np.isin(first.y, (0, 1))
    labelled &= np.isfinite(first.score) & np.isfinite(second.score)
    for one in (first, second):
        if one.details is not None:
            labelled &= one.details.usable
        if one.weights is not None:
            labelled &= one.weights > 0
    known = np.flatnonzero(labelled)
    return _rows(first, known), _rows(second, known)


def _names(version: Version) -> str:
    return ", ".join(output.name for output in version.outputs) or "no output"
