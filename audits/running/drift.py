"""Explanation drift of a run: both versions, and what must be run again to know the noise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audits.cancel import Cancel, part_of, stop_if
from audits.comparison.drift import Cases, Reason, Shown, output_drift
from audits.explanations import explain_cohort_sample, methods_for
from audits.types import Progress
from model_adapters import load_adapter, read_manifest

if TYPE_CHECKING:
    from audits.cohorts import Attribute, Study
    from audits.explanations import CaseExplanation
    from audits.fairness import ScoredOutput
    from audits.running.model import ModelPass
    from audits.storage import Run

RERUN_CASES = 8
"""Cases that each version explains twice; what is drawn is drawn anew."""

SAMPLE = (
    "the cases that either version's explanations were made of, picked to hold wrong, close and "
    "every group's cases and not at random: the mean is theirs, not that of all cases"
)

Reasons = dict[tuple[str, str], Reason]
"""(case, output) to a version's reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One version with what it takes to explain more cases.

    Attributes:
        scored: What it gave in this run.
        folder: Its model folder, or None where only a run of it is left.
        run: That run, or None.
    """

    scored: ModelPass
    folder: Path | None
    run: Run | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """How explanations are made again.

    Attributes:
        study: The study.
        device: Where models run.
        seed: Seed of the run; what is re-run draws with the next one.
        cancel: Asked between models.
    """

    study: Study
    device: str
    seed: int
    cancel: Cancel


def reseeded_key(folder: Path | str | None) -> list[str] | None:
    """Return what a reseeded model is known by, or None without one.

    Raises:
        AdapterError: The folder holds no model that can be read.
    """
    if folder is None:
        return None
    manifest = read_manifest(folder)
    return [manifest.card.key, manifest.card.weights_sha256, manifest.sha256]


def explanation_drift(
    base: Side,
    candidate: Side,
    again: Again,
    attributes: Sequence[Attribute],
    *,
    reseeded: Path | None,
    progress: Progress,
) -> dict[str, Any]:
    """Compare the reasons of two versions on the cases that either explained.

    Args:
        base: The version in use.
        candidate: The version that would replace it.
        again: How explanations are made again.
        attributes: Attributes of all cases of the study.
        reseeded: Model folder of the base trained with another seed, or None.
        progress: Told how far it is.

    Returns:
        ``comparison.explanation_drift``; with a ``reason`` and no outputs where there is nothing
        to compare.
    """
    first, second = _reasons(base), _reasons(candidate)
    if not first or not second:
        without = base.scored.key if not first else candidate.scored.key
        return {"outputs": [], "reason": f"no score of {without} is explained in this run"}
    cases = _cases(first, second, base)
    rerun = []
    for at, (side, held) in enumerate(((base, first), (candidate, second))):
        told = part_of(progress, at / 3, (at + 1) / 3)
        told(0.0, f"Explaining the same cases with {side.scored.key}")
        rerun += _completed(side, held, cases, again)
    stop_if(again.cancel)
    other: Reasons = {}
    if reseeded is not None:
        progress(2 / 3, f"Explaining the same cases with {reseeded.name}")
        other = _explained(reseeded, cases, again, again.seed)
    who = _who(again.study, cases, attributes)
    names = [output.name for output in base.scored.outputs]
    outputs = []
    for name in names:
        pairs = {
            c: (first[c, name], second[c, name]) for c in cases if _both(c, name, first, second)
        }
        outputs.append(
            output_drift(
                name,
                pairs,
                _shown(name, cases, base.scored, candidate.scored),
                who,
                rerun=[pair for pair in rerun if pair[0].output == name],
                reseeded=[
                    (first[c, name], other[c, name]) for c in cases if _both(c, name, first, other)
                ],
            )
        )
    progress(1.0, "Compared the reasons")
    return {
        "distance": "half the L1 distance of attributions scaled to 1",
        "cases": len(cases),
        "of_cases": _scored_by_both(base.scored, candidate.scored),
        "sample": SAMPLE,
        "methods": {
            "base": sorted({one.method for one in first.values()}),
            "candidate": sorted({one.method for one in second.values()}),
        },
        "reseeded": None if reseeded is None else reseeded.name,
        "outputs": outputs,
    }


def _scored_by_both(base: ModelPass, candidate: ModelPass) -> int:
    first, second = (set(one.predictions["case_id"].astype(str)) for one in (base, candidate))
    return len(first & second)


def _both(case: str, name: str, first: Reasons, second: Reasons) -> bool:
    return (case, name) in first and (case, name) in second


def _cases(first: Reasons, second: Reasons, base: Side) -> tuple[str, ...]:
    """Return the cases that either explained; the base's alone where its weights are gone."""
    both = [case for case, _ in first]
    if base.folder is not None:
        both += [case for case, _ in second]
    return tuple(sorted(set(both)))


def _reasons(side: Side) -> Reasons:
    found = [reason_of(one) for one in side.scored.explanations]
    if side.run is not None:
        found += list(_of_run(side.run, side.scored.key))
    return {(one.case, one.output): one for one in found if one is not None}


def reason_of(explained: CaseExplanation) -> Reason | None:
    """Return an explanation as a reason, or None where it is neither effects nor a map."""
    if explained.players:
        names = tuple(player.name for player in explained.players)
        values = np.array([player.effect for player in explained.players], dtype=np.float64)
    elif explained.native is not None:
        names, values = (), np.asarray(explained.native, dtype=np.float64)
    else:
        return None
    return Reason(
        case=explained.case,
        output=explained.output,
        method=explained.method,
        names=names,
        values=values,
    )


def _of_run(run: Run, key: str) -> Iterator[Reason]:
    """Yield what an earlier run explained."""
    for case in run.explained_cases(key):
        for path in sorted(run.explanation_folder(key, case).rglob("explanation.json")):
            entry = json.loads(path.read_bytes())
            if entry["players"]:
                names = tuple(player["name"] for player in entry["players"])
                values = np.array([player["effect"] for player in entry["players"]])
            elif entry["map"]:
                with np.load(path.parent / entry["map"]["file"], allow_pickle=False) as arrays:
                    names, values = (), np.asarray(arrays["native"], dtype=np.float64)
            else:
                continue
            yield Reason(
                case=entry["case"],
                output=entry["output"],
                method=entry["method"],
                names=names,
                values=values,
            )


def _completed(
    side: Side, held: Reasons, cases: Sequence[str], again: Again
) -> list[tuple[Reason, Reason]]:
    """Explain what is missing, add it to ``held``, and explain some cases a second time."""
    stop_if(again.cancel)
    if side.folder is None:
        return []
    explained = {case for case, _ in held}
    missing = [case for case in cases if case not in explained]
    if missing:
        held |= _explained(side.folder, missing, again, again.seed)
    rng = np.random.default_rng(again.seed)
    chosen = rng.permutation(len(cases))[:RERUN_CASES]
    second = _explained(side.folder, [cases[at] for at in sorted(chosen)], again, again.seed + 1)
    return [(held[key], one) for key, one in second.items() if key in held]


def _explained(folder: Path, cases: Sequence[str], again: Again, seed: int) -> Reasons:
    adapter = load_adapter(folder, device=again.device)
    if not methods_for(adapter):
        return {}
    found, _ = explain_cohort_sample(
        again.study, adapter, list(cases), seed=seed, cancel=again.cancel
    )
    reasons = [reason_of(one) for one in found]
    return {(one.case, one.output): one for one in reasons if one is not None}


def _who(study: Study, cases: Sequence[str], attributes: Sequence[Attribute]) -> Cases:
    rows = np.array([study.row(case) for case in cases], dtype=np.int64)
    return Cases(
        ids=tuple(cases),
        patients=None if study.patients is None else study.patients[rows],
        attributes=tuple(attribute.take(rows) for attribute in attributes),
    )


def _shown(
    name: str, cases: Sequence[str], base: ModelPass, candidate: ModelPass
) -> dict[str, Shown]:
    """Return both versions' scores of each case, and whether the call is the same."""
    sides = []
    for one in (base, candidate):
        output = next((o for o in one.outputs if o.name == name), None)
        sides.append((output, _score_by_case(one, output)))
    found = {}
    for case in cases:
        first, second = (scores.get(case) for _, scores in sides)
        if first is None or second is None:
            continue
        calls = [
            _called(output, score)
            for (output, _), score in zip(sides, (first, second), strict=True)
        ]
        same = None if None in calls else calls[0] == calls[1]
        found[case] = Shown(base=first, candidate=second, same_call=same)
    return found


def _score_by_case(scored: ModelPass, output: ScoredOutput | None) -> Mapping[str, float]:
    if output is None:
        return {}
    ids = scored.predictions["case_id"].astype(str).tolist()
    return dict(zip(ids, output.score.tolist(), strict=True))


def _called(output: ScoredOutput | None, score: float) -> bool | None:
    if output is None or output.threshold is None:
        return None
    return score >= output.threshold
