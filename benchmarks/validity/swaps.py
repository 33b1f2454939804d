"""The null of two versions: their scores swapped patient by patient raise few differences.

Whichever patient, either score may be either version's, so that every difference found is a false
one. The pairs are two real networks on the 1,302 chest X-rays that both scored (../shared/data;
left out where it is not there), every finding, and the versions of the samples, every output, each
under the policy of its study. A run raises a difference where any q of its groups and metrics is at
most 5 %; that may happen in at most 5 % of runs.

Many runs are compared at once, each as a set of groups of its own: every estimate and p is that of
a comparison made alone (held by a test), and q is adjusted within each run.

    python -m benchmarks.validity.swaps --runs 1000

The same command takes up what was counted before.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audits.cancel import never
from audits.cohorts import Attribute, open_study
from audits.comparison import Version, compare_outputs, join_versions
from audits.fairness import ScoredOutput
from audits.fairness.significance import benjamini_hochberg
from audits.policy import Policy, load_policy
from audits.running.model import run_model
from audits.types import silent
from benchmarks.validity.tallies import limit

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "swaps_results.json"
SHARED = ROOT.parent / "shared" / "data"
ROWS = 60_000
"""Rows that are compared at once: runs are put side by side up to about so many."""
RUN = "run"
JUDGED = ("tpr", "fpr", "ppv", "npv", "accuracy", "auroc", "oe_ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Two versions of one output, and the policy that judges them.

    Attributes:
        name: Study and output.
        base: Scores of one version; its threshold serves both.
        other: (n,) scores of the other on the same rows.
        policy: Groups, intersections and verdict metrics.
    """

    name: str
    base: ScoredOutput
    other: np.ndarray
    policy: Policy


def count(case: Case, runs: range, seed: int) -> int:
    """Return how many of these runs raise any difference."""
    side_by_side = max(1, ROWS // len(case.base.y))
    raised = 0
    for first in range(runs.start, runs.stop, side_by_side):
        numbers = range(first, min(first + side_by_side, runs.stop))
        for found in swapped(case, numbers, seed):
            q = benjamini_hochberg(np.array([p for p in found.values() if p is not None]))
            raised += bool((q <= case.policy.alpha).any())
    return raised


def swapped(case: Case, numbers: range, seed: int) -> Iterator[dict[tuple[str, str], float | None]]:
    """Yield for each run the p of every judged metric in every group, None if not evaluable."""
    base = case.base
    n, many = len(base.y), len(numbers)
    patients = np.arange(n) if base.patients is None else np.asarray(base.patients)
    _, whose = np.unique(patients, return_inverse=True)
    swap = np.stack(
        [(_stream(case, number, seed).random(whose.max() + 1) < 0.5)[whose] for number in numbers]
    )
    run = np.repeat(np.arange(many), n)
    attributes = (_run(run, many), *(_apart(one, run, many) for one in _grouped(base)))
    stacked = replace(
        base,
        y=np.tile(base.y, many),
        score=np.where(swap, case.other, base.score).ravel(),
        patients=run * (whose.max() + 1) + np.tile(whose, many),
        attributes=attributes,
    )
    other = replace(stacked, score=np.where(swap, base.score, case.other).ravel())
    # The versions' own estimates are not in question, so none are made.
    empty = {"n": n * many, "metrics": {}}
    known = {"model": stacked.model, "name": base.name, "overall": empty, "groups": []}
    policy = replace(case.policy, groups=(RUN, *case.policy.groups))
    found = compare_outputs([(stacked, other)], policy, base="a", candidate="b", audited=[known])
    sorted_out: list[dict[tuple[str, str], float | None]] = [{} for _ in numbers]
    for group in found.to_dict()["outputs"][0]["groups"][1:]:
        at = int(next(iter(group["attributes"].values())).partition("|")[0])
        label = ", ".join(level.partition("|")[2] for level in group["attributes"].values())
        for metric, entry in group["metrics"].items():
            if metric in policy.verdict_metrics:
                sorted_out[at][metric, label] = None if entry["q"] is None else entry["p"]
    yield from sorted_out


def _stream(case: Case, number: int, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(case.name.encode()), number])


def _grouped(output: ScoredOutput) -> Iterator[Attribute]:
    yield from (one for one in output.attributes if isinstance(one, Attribute))


def _run(run: np.ndarray, many: int) -> Attribute:
    levels = tuple(f"{at}|" for at in range(many))
    codes = run.astype(np.int32)
    return Attribute(name=RUN, column=RUN, kind="demographic", levels=levels, codes=codes)


def _apart(attribute: Attribute, run: np.ndarray, many: int) -> Attribute:
    """Return the attribute with levels of their own in every run."""
    size = len(attribute.levels)
    codes = np.tile(np.asarray(attribute.codes), many)
    levels = tuple(f"{at}|{level}" for at in range(many) for level in attribute.levels)
    apart = np.where(codes < 0, -1, run * size + codes).astype(np.int32)
    return replace(attribute, levels=levels, codes=apart)


@cache
def shared_images() -> pd.DataFrame | None:
    """Return the images that two real networks scored, or None where they are not here."""
    files = (
        SHARED / "nih-chexnet" / "predictions.parquet",
        SHARED / "nih-underdiagnosis" / "predictions_seed45.parquet",
    )
    if not all(file.exists() for file in files):
        return None
    base, candidate = (pd.read_parquet(file).set_index("image") for file in files)
    both = base.index.intersection(candidate.index)
    theirs = candidate.loc[both].filter(like="prob_").add_suffix("_2")
    return base.loc[both].join(theirs).reset_index()


def real_pair() -> Iterator[Case]:
    """Yield every finding that two real networks gave of the same images."""
    table = shared_images()
    if table is None:
        return
    policy = load_policy({"audit": {"groups": ["sex", "view"], "verdict_metrics": list(JUDGED)}})
    groups = []
    for name in ("sex", "view"):
        codes, levels = pd.factorize(table[name], sort=True)
        groups.append(
            Attribute(
                name=name,
                column=name,
                kind="demographic",
                levels=tuple(map(str, levels)),
                codes=codes.astype(np.int32),
            )
        )
    patients, _ = pd.factorize(table["patient_id"])
    for column in table.filter(like="label_").columns:
        finding = column.removeprefix("label_")
        yield Case(
            name=f"NIH, {finding}",
            base=ScoredOutput(
                name=finding,
                y=table[column].to_numpy(dtype=np.int8),
                score=table[f"prob_{finding}"].to_numpy(),
                threshold=0.2,
                patients=patients,
                attributes=tuple(groups),
            ),
            other=table[f"prob_{finding}_2"].to_numpy(),
            policy=_without_bands(policy),
        )


SAMPLES = {
    "chest_xray": ("1.0", "2.0"),
    "icu_deterioration": ("mlp-1.0", "mlp-2.0"),
    "icu_multimodal": ("gru-1.0", "transformer-1.0"),
}


def sample(study: str) -> Iterator[Case]:
    """Yield every output that two versions of a sample give."""
    folder = ROOT / "sample_data" / study
    policy = load_policy(folder / "policy.toml")
    opened = open_study(folder)
    attributes = opened.attributes()
    versions = []
    for name in SAMPLES[study]:
        scored = run_model(
            opened,
            folder / "models" / name,
            policy,
            attributes,
            device="cpu",
            seed=0,
            explain_cases=0,
            check_cases=0,
            cache=None,
            progress=silent,
            cancel=never,
        )
        ids = scored.predictions["case_id"].tolist()
        names = [output.name for output in scored.outputs]
        versions.append(
            Version(key=scored.key, case_ids=dict.fromkeys(names, ids), outputs=scored.outputs)
        )
    for first, second in join_versions(*versions).pairs:
        yield Case(
            name=f"{study}, {first.name}",
            base=first,
            other=second.score,
            policy=_without_bands(policy),
        )


def _without_bands(policy: Policy) -> Policy:
    """Leave moves between risk bands out, which nothing here reads."""
    return replace(policy, comparison=policy.comparison.model_copy(update={"risk_bands": ()}))


SOURCES: Mapping[str, Callable[[], Iterator[Case]]] = {
    "NIH": real_pair,
    **{name: lambda name=name: sample(name) for name in SAMPLES},  # type: ignore[misc]
}


def held(seed: int) -> dict[str, dict[str, Any]]:
    """Return what was counted before under this seed, by case."""
    if not RESULTS.exists():
        return {}
    known: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {name: one for name, one in known.items() if one["seed"] == seed}


def main() -> None:
    """Count every case up to so many runs, and write the results after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--only", nargs="+", choices=list(SOURCES), default=list(SOURCES))
    arguments = parser.parse_args()
    found = held(arguments.seed)
    for source in arguments.only:
        for case in SOURCES[source]():
            told = found.setdefault(
                case.name, {"seed": arguments.seed, "runs": 0, "raised": 0, "cases": 0}
            )
            ahead = range(told["runs"], max(arguments.runs, told["runs"]))
            told["raised"] += count(case, ahead, arguments.seed)
            told["runs"] = ahead.stop
            told["cases"] = len(case.base.y)
            told["limit"] = limit(ahead.stop)
            text = json.dumps(found, indent=1, sort_keys=True) + "\n"
            RESULTS.write_text(text, encoding="utf-8")
            print(f"{case.name}: {told['raised']} of {told['runs']:,}, limit {told['limit']}")


if __name__ == "__main__":
    main()
